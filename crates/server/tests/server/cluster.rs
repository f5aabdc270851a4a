//! Several servers that find each other by a seed, and serve as one.

use crate::client::{Client, config, digest, eventually_or, get, put, scan, server_with};
use shipload_node::config::NetworkKey;
use shipload_server::{Running, Tuning};
use shipload_wire::{ResultCode, response};

const RECORDS: u64 = 200;

fn joined_to(first: &Running) -> Running {
    let config = config();
    let seed = first.ports().heartbeat.expect("there always is one").to_string();
    config.network.put(NetworkKey::HeartbeatMeshSeed, &seed).expect("a seed");
    server_with(config, Tuning::default())
}

fn statistics<const COUNT: usize>(server: &Running, names: [&str; COUNT]) -> [String; COUNT] {
    let answer = Client::to(server).info("statistics");
    let find = |name| answer.split(';').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    names.map(|name| find(name).unwrap_or_default().to_owned())
}

fn eventually_of_size(servers: &[&Running], size: usize) {
    let wanted = [size.to_string(), "true".to_owned(), "0".to_owned()];
    let seen = || {
        let names = ["cluster_size", "cluster_integrity", "migrate_partitions_remaining"];
        servers.iter().map(|server| statistics(server, names)).collect::<Vec<_>>()
    };
    eventually_or("all to see each other and settle", || seen().iter().all(|one| *one == wanted), seen);
}

/// Three servers that are one cluster.
pub(crate) fn three() -> [Running; 3] {
    let first = server_with(config(), Tuning::default());
    let (second, third) = (joined_to(&first), joined_to(&first));
    eventually_of_size(&[&first, &second, &third], 3);
    [first, second, third]
}

/// Writes all records through one server, whoever masters them.
fn write_all(client: &mut Client) {
    for number in 0..RECORDS {
        client.send(&put(number, &digest(number)));
        assert_eq!(client.result(), ResultCode::Ok, "written through any of them");
    }
}

#[test]
fn three_servers_find_each_other_and_records_outlive_one_that_leaves() {
    let [first, second, third] = three();
    let mut client = Client::to(&first);
    write_all(&mut client);
    second.stop();
    eventually_of_size(&[&first, &third], 2);
    let mut client = Client::to(&third);
    for number in 0..RECORDS {
        client.send(&get(number));
        assert_eq!(client.result(), ResultCode::Ok, "read through any of them");
    }
}

#[test]
fn a_server_whose_seed_is_nobody_serves_alone_after_a_while() {
    let config = config();
    config.network.put(NetworkKey::HeartbeatMeshSeed, "no.such.host.invalid:3002").expect("a seed");
    let server = server_with(config, Tuning::default());
    eventually_of_size(&[&server], 1);
    let mut client = Client::to(&server);
    client.send(&put(1, b"value"));
    assert_eq!(client.result(), ResultCode::Ok);
}

/// Records that a server answers when it is asked for all partitions, and how many partitions it refuses.
fn scanned(server: &Running) -> (usize, usize) {
    let mut client = Client::to(server);
    client.send(&scan(0));
    let (mut records, mut refused) = (0, 0);
    loop {
        let (_, body) = client.frame();
        for message in response::messages(&body) {
            let message = message.expect("well formed");
            if message.is_last() {
                assert_eq!(message.result(), Some(ResultCode::Ok));
                return (records, refused);
            }
            if message.is_partition_done() {
                assert_eq!(message.result(), Some(ResultCode::Unavailable));
                refused += 1;
            } else {
                records += 1;
            }
        }
    }
}

#[test]
fn a_query_is_answered_from_every_full_copy() {
    let [first, second, third] = three();
    let mut client = Client::to(&first);
    write_all(&mut client);
    // Two copies of everything: all three together answer each record twice, and refuse each partition once.
    let of_each = [&first, &second, &third].map(scanned);
    let sum = of_each.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sum, (2 * usize::try_from(RECORDS).expect("small"), 4096), "{of_each:?}");
}

/// A truncate is known to all nodes when it is answered: what is written afterwards through any of them stays.
#[test]
fn what_is_written_after_a_truncate_stays_whatever_node_was_asked() {
    let servers = three();
    let mut clients = servers.each_ref().map(Client::to);
    for round in 0..60_u64 {
        let number = round % 7;
        clients[0].send(&put(number, b"before"));
        assert_eq!(clients[0].result(), ResultCode::Ok);
        let [one, other] = [0, 1].map(|shift| usize::try_from(round + shift).expect("small") % 3);
        assert_eq!(clients[one].info("truncate-namespace:namespace=test"), "ok");
        clients[other].send(&get(number));
        assert_eq!(clients[other].result(), ResultCode::NotFound, "round {round}");
        clients[other].send(&put(number, b"after"));
        assert_eq!(clients[other].result(), ResultCode::Ok);
        clients[one].send(&get(number));
        assert_eq!(clients[one].result(), ResultCode::Ok, "round {round}");
    }
}
