//! REST over a real node: what is written by one door is read by the other.

use crate::client::{Client, fill, get, server};
use shipload_wire::ResultCode;
use std::io::Read;
use std::net::SocketAddr;

/// Head and body of the answer to a request with these further header lines.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> (String, String) {
    let mut client = Client::connect(address);
    let length = body.len();
    client.send(
        format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        )
        .as_bytes(),
    );
    let mut answer = String::new();
    client.socket.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    (head.to_owned(), body.to_owned())
}

fn status(head: &str) -> &str {
    head.split(' ').nth(1).expect("a status")
}

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    let line = head.lines().find_map(|line| line.strip_prefix(name));
    line.expect("the header").trim()
}

#[test]
fn a_record_of_the_web_door_has_a_version_that_is_checked() {
    let server = server();
    let address = server.ports().http.expect("an HTTP port");
    let path = "/v1/db/test/web/key";
    assert_eq!(status(&ask(address, "GET", path, "", "").0), "404");
    let (written, _) = ask(address, "PUT", path, "", r#"{"bins":{"n":1,"d":1.0}}"#);
    assert_eq!(status(&written), "200");
    let tag = header(&written, "etag:").to_owned();
    let (read, body) = ask(address, "GET", path, "", "");
    assert_eq!(header(&read, "etag:"), tag);
    assert!(body.ends_with(r#""bins":{"n":1,"d":1.0}}"#), "{body}");
    let known = format!("If-None-Match: {tag}\r\n");
    assert_eq!(status(&ask(address, "GET", path, &known, "").0), "304");
    let same = format!("If-Match: {tag}\r\n");
    assert_eq!(status(&ask(address, "PATCH", path, &same, r#"{"bins":{"n":2}}"#).0), "200");
    let (refused, problem) = ask(address, "PATCH", path, &same, r#"{"bins":{"n":3}}"#);
    assert_eq!((status(&refused), header(&refused, "content-type:")), ("412", "application/problem+json"));
    assert!(problem.contains(r#""code":"precondition-failed""#));
    assert_eq!(status(&ask(address, "DELETE", path, "", "").0), "204");
}

#[test]
fn both_doors_have_the_same_records() {
    let server = server();
    fill(&server, 25, 10);
    let address = server.ports().http.expect("an HTTP port");
    let (_, page) = ask(address, "GET", "/v1/db/test/demo?limit=1000", "", "");
    assert_eq!(page.matches(r#""generation":1"#).count(), 25);
    assert!(page.ends_with(r#""cursor":null}"#));
    let mut client = Client::to(&server);
    client.send(&get(1));
    assert_eq!(client.result(), ResultCode::Ok);
    let (_, cluster) = ask(address, "GET", "/v1/cluster", "", "");
    assert!(cluster.contains(r#""objects":25"#), "{cluster}");
}

#[test]
fn idle_lanes_do_not_keep_a_server_from_stopping() {
    let server = server();
    let address = server.ports().http.expect("an HTTP port");
    assert_eq!(status(&ask(address, "PUT", "/v1/db/test/web/key", "", r#"{"bins":{"n":1}}"#).0), "200");
    server.stop();
}
