//! The other ports: info as text, HTTP, and ports that are taken.

use crate::client::{Client, config, fill, get, server, server_with};
use shipload_node::config::NetworkKey;
use shipload_server::{Launch, StartError, Tuning};
use shipload_wire::ResultCode;
use std::io::{Read, Write};
use std::net::SocketAddr;

/// The whole answer to a GET.
fn http(address: SocketAddr, path: &str) -> (String, String) {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
    let mut answer = String::new();
    client.socket.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    (head.lines().next().expect("a status line").to_owned(), body.to_owned())
}

#[test]
fn info_as_text_lines() {
    let server = server();
    let mut client = Client::connect(server.ports().info.expect("an info port"));
    client.send(b"namespaces\r\nno-such-command\n\nnode\n");
    let node = format!("{:X}", server.node().identity.node_id);
    let expected = format!("namespaces\ttest\nno-such-command\tERROR:4:unrecognized command\nnode\t{node}\n");
    let mut answer = vec![0; expected.len()];
    client.socket.read_exact(&mut answer).expect("the answers");
    assert_eq!(String::from_utf8_lossy(&answer), expected);
    for byte in b"namespaces\n" {
        client.send(&[*byte]);
    }
    let mut answer = vec![0; "namespaces\ttest\n".len()];
    client.socket.read_exact(&mut answer).expect("the answer");
    assert_eq!(answer, b"namespaces\ttest\n");
}

#[test]
fn info_frames_work_on_the_info_port_and_records_do_not() {
    let server = server();
    let address = server.ports().info.expect("an info port");
    let mut client = Client::connect(address);
    assert_eq!(client.info("namespaces"), "test");
    client.send(&get(1));
    assert!(client.is_closed_without_answer());
}

#[test]
fn an_endless_line_ends_the_connection() {
    let server = server();
    let mut client = Client::connect(server.ports().info.expect("an info port"));
    // The server may close while the rest is still on its way.
    let _ = client.socket.write_all(&vec![b'x'; 2 << 20]);
    let mut answer = Vec::new();
    let _ = client.socket.read_to_end(&mut answer);
    crate::client::eventually("the connection to go", || server.buffered_bytes() == 0);
    assert!(answer.is_empty() || answer == b"ERROR:4:line too long\n");
}

#[test]
fn health_and_metrics() {
    let server = server();
    fill(&server, 10, 10);
    let mut client = Client::to(&server);
    client.send(&get(1));
    assert_eq!(client.result(), ResultCode::Ok);
    let address = server.ports().http.expect("an HTTP port");
    assert_eq!(http(address, "/healthz"), ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
    assert_eq!(http(address, "/readyz"), ("HTTP/1.1 200 OK".to_owned(), "ready\n".to_owned()));
    let (status, body) = http(address, "/nothing");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert!(body.contains("/metrics"));
    assert!(http(address, "/").1.contains("\"product\":\"shipload\""));
    let (status, metrics) = http(address, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in [
        "# TYPE shipload_namespace_client_write_success counter",
        "shipload_namespace_client_write_success{namespace=\"test\"} 10",
        "shipload_namespace_objects{namespace=\"test\"} 10",
        "shipload_set_objects{namespace=\"test\",set=\"demo\"} 10",
        "shipload_node_cluster_size 1",
        "# TYPE shipload_latency_seconds histogram",
        "shipload_latency_seconds_count{namespace=\"test\",operation=\"write\"} 10",
        "shipload_up 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
}

#[test]
fn a_port_in_use_is_told_with_purpose_and_flag() {
    let server = server();
    for (key, taken, words) in [
        (NetworkKey::ServicePort, server.ports().service, ["service port 127.0.0.1:", "--port"]),
        (NetworkKey::InfoPort, server.ports().info.expect("open"), ["info port 127.0.0.1:", "--info-port"]),
        (NetworkKey::HttpPort, server.ports().http.expect("open"), ["http port 127.0.0.1:", "--http-port"]),
    ] {
        let second = config();
        second.network.put(key, &taken.port().to_string()).expect("a port");
        let launch = Launch { config: second, tuning: Tuning::default(), any_port: true };
        let error = launch.start().expect_err("the port is taken");
        assert!(matches!(error, StartError::Listen(_)));
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)) && text.contains("in use"), "{text}");
    }
    assert!(Client::to(&server).is_served(), "the first server goes on");
}

#[test]
fn words_that_are_no_addresses_are_told() {
    let wrong = config();
    wrong.network.put(NetworkKey::ServiceAddress, "no such place").expect("text");
    let error = Launch::new(wrong).start().expect_err("no address").to_string();
    assert!(error.contains("service address 'no such place' is no address of this machine"), "{error}");
    let id = config();
    id.service.put(shipload_node::config::ServiceKey::NodeId, "xyz").expect("text");
    let error = Launch::new(id).start().expect_err("no id").to_string();
    assert!(error.contains("node-id 'xyz' is no id"), "{error}");
}

#[test]
fn several_addresses_share_a_port_and_zero_means_none() {
    let several = config();
    several.network.put(NetworkKey::ServiceAddress, "127.0.0.1").expect("text");
    several.network.put(NetworkKey::InfoAddress, "lo").expect("text");
    let server = Launch { config: several, tuning: Tuning::default(), any_port: false }.start();
    let server = server.expect("a server");
    assert!(server.ports().info.is_none() && server.ports().http.is_none(), "port 0 means none");
    let both = config();
    let network = shipload_node::config::Scope::NetworkPart(shipload_node::config::NetworkPart::Service);
    both.load(&network, "address", "127.0.0.2").expect("an address");
    both.load(&network, "address", "127.0.0.3").expect("an address");
    let server = server_with(both, Tuning::default());
    let port = server.ports().service.port();
    for ip in ["127.0.0.2", "127.0.0.3"] {
        let address = SocketAddr::new(ip.parse().expect("an address"), port);
        assert!(Client::connect(address).is_served());
    }
}
