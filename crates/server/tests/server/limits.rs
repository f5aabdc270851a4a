//! Limits on connections: how many, and how long they may do nothing.

use crate::client::{Client, config, eventually, fill, scan, server_with};
use shipload_node::config::ServiceKey;
use shipload_server::Tuning;
use std::sync::atomic::Ordering;

#[test]
fn connections_above_the_limit_are_turned_away() {
    let config = config();
    config.service.put(ServiceKey::ProtoFdMax, "5").expect("a number");
    let server = server_with(config, Tuning::default());
    let facts = &server.node().facts;
    let mut kept: Vec<Client> = (0..5).map(|_| Client::to(&server)).collect();
    assert!(kept.iter_mut().all(Client::is_served));
    assert!(Client::to(&server).is_closed_without_answer());
    assert!(kept.iter_mut().all(Client::is_served), "the others go on");
    assert_eq!(facts.client_connections.load(Ordering::Relaxed), 5);
    kept.pop();
    eventually("the place to be free", || facts.client_connections.load(Ordering::Relaxed) == 4);
    assert!(Client::to(&server).is_served());
    assert_eq!(facts.client_connections_opened.load(Ordering::Relaxed), 6);
}

#[test]
fn idle_connections_are_reaped_and_busy_ones_stay() {
    let config = config();
    config.service.put(ServiceKey::ProtoFdIdleMs, "3000").expect("a number");
    let server = server_with(config, Tuning::default());
    let facts = &server.node().facts;
    let mut idle: Vec<Client> = (0..10).map(|_| Client::to(&server)).collect();
    let mut busy = Client::to(&server);
    eventually("the idle ones to be reaped", || {
        assert!(busy.is_served());
        facts.reaped_fds.load(Ordering::Relaxed) == 10
    });
    assert!(idle.iter_mut().all(Client::is_closed_without_answer));
    assert_eq!(facts.client_connections.load(Ordering::Relaxed), 1);
}

#[test]
fn idle_reaping_can_be_turned_on_later() {
    let server = server_with(config(), Tuning::default());
    let mut idle = Client::to(&server);
    assert!(idle.is_served());
    assert_eq!(Client::to(&server).info("set-config:context=service;proto-fd-idle-ms=50"), "ok");
    assert!(idle.is_closed_without_answer());
}

#[test]
fn a_throttled_query_is_not_idle_and_does_not_hold_up_others() {
    let config = config();
    config.service.put(ServiceKey::ServiceThreads, "1").expect("a number");
    config.service.put(ServiceKey::ProtoFdIdleMs, "1000").expect("a number");
    let server = server_with(config, Tuning::default());
    fill(&server, 60, 10);
    let mut slow = Client::to(&server);
    slow.send(&scan(20));
    let began = std::time::Instant::now();
    let mut records = 0;
    slow.socket.set_nonblocking(true).expect("nonblocking");
    let mut stream = Vec::new();
    while records < 60 {
        assert!(Client::to(&server).is_served(), "others are served meanwhile");
        assert!(began.elapsed() < crate::client::DEADLINE);
        let mut chunk = [0; 4096];
        match std::io::Read::read(&mut slow.socket, &mut chunk) {
            Ok(0) => panic!("the query was cut off after {records} records"),
            Ok(bytes) => stream.extend_from_slice(&chunk[..bytes]),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
        records = count_records(&stream);
    }
    assert!(began.elapsed().as_millis() > 1000, "it was throttled: {:?}", began.elapsed());
}

/// Records in the complete frames of a scan's answer.
fn count_records(mut stream: &[u8]) -> usize {
    let mut records = 0;
    while let shipload_wire::Cut::Frame { frame, consumed } =
        shipload_wire::frame::cut(stream, &shipload_wire::Limits::default())
    {
        let messages = shipload_wire::response::messages(frame.body).map(|one| one.expect("well formed"));
        records += messages.filter(|one| !one.is_last() && !one.is_partition_done()).count();
        stream = &stream[consumed..];
    }
    records
}
