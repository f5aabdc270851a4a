//! Info commands: lines in frames, lines on the plain-text port, and what a command is made of.

use shipload_wire::info::{self, Command, LineCut};
use shipload_wire::{Cut, Limits, frame, reply, request, response};

fn lines(body: &[u8]) -> Vec<&[u8]> {
    info::lines(body, 1000).collect()
}

#[test]
fn only_ended_lines_count_in_a_frame() {
    assert_eq!(lines(b""), [b""; 0]);
    assert_eq!(lines(b"build"), [b""; 0]);
    assert_eq!(lines(b"node\nbuild"), [b"node"]);
    assert_eq!(lines(b"node\nbuild\n"), [&b"node"[..], b"build"]);
    assert_eq!(lines(b"\n\nx\r\n"), [&b""[..], b"", b"x\r"], "empty lines and returns are kept");
    assert_eq!(info::lines(&b"\n".repeat(5000), 1000).count(), 1000);
}

#[test]
fn plain_lines_are_cut_one_by_one() {
    let line = |buffer, limit| info::cut_line(buffer, limit);
    assert_eq!(line(b"", 10), LineCut::Incomplete);
    assert_eq!(line(b"node", 10), LineCut::Incomplete);
    assert_eq!(line(b"node\nbuild\n", 10), LineCut::Line { line: b"node", consumed: 5 });
    assert_eq!(line(b"node\r\n", 10), LineCut::Line { line: b"node", consumed: 6 });
    assert_eq!(line(b"123456789\n", 10), LineCut::Line { line: b"123456789", consumed: 10 });
    assert_eq!(line(b"1234567890\n", 10), LineCut::TooLong);
    assert_eq!(line(b"1234567890", 10), LineCut::TooLong);
}

#[test]
fn commands_have_a_path_or_parameters() {
    let plain = Command::parse("node");
    assert_eq!((plain.name, plain.path(), plain.params().count()), ("node", None, 0));
    let path = Command::parse("sets/test/a:b");
    assert_eq!((path.name, path.path(), path.param("a")), ("sets", Some("test/a:b"), None));
    let params = Command::parse("truncate:namespace=test;set=a/b;;lut=;junk;set=c;content=eA==;");
    assert_eq!((params.name, params.path()), ("truncate", None));
    assert_eq!(params.param("namespace"), Some("test"));
    assert_eq!(params.param("set"), Some("a/b"), "the first counts");
    assert_eq!(params.param("lut"), Some(""));
    assert_eq!(params.param("content"), Some("eA=="));
    assert_eq!(params.param("junk"), None);
    assert_eq!(Command::parse("").name, "");
    assert_eq!(Command::parse("Node ").name, "Node ");
    assert_eq!(Command::parse(":x=1").param("x"), Some("1"));
}

#[test]
fn answers_echo_the_line_and_are_read_back() {
    let mut out = Vec::new();
    let mark = info::begin_frame(&mut out);
    info::answer(&mut out, b"query-show:id=5", "ERROR:2:job not found");
    info::answer(&mut out, b"services", "");
    reply::end_frame(&mut out, mark);
    let Cut::Frame { frame, .. } = frame::cut(&out, &Limits::default()) else { unreachable!() };
    assert_eq!(frame.kind, frame::INFO);
    assert_eq!(frame.body, b"query-show:id=5\tERROR:2:job not found\nservices\t\n");
    let answers: Vec<_> = response::info_answers(frame.body).collect();
    assert_eq!(answers, [("query-show:id=5", "ERROR:2:job not found"), ("services", "")]);
}

#[test]
fn requests_are_lines() {
    let mut out = Vec::new();
    request::info(&mut out, &["node", "build"]);
    assert_eq!(out, b"\x02\x01\0\0\0\0\0\x0bnode\nbuild\n");
}
