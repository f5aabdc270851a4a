//! The guide's test vectors, byte for byte, in both directions (`guide/protocol.md` part 1.9).

use shipload_wire::bits::{info1, op};
use shipload_wire::{Cut, Limits, Op, ReplyHeader, Request, Response, ResultCode, frame, reply, request};

const DIGEST: [u8; 20] = [
    0xb7, 0xf4, 0xb8, 0x38, 0x89, 0xe2, 0xda, 0x67, 0xde, 0x68, 0x3e, 0x1d, 0xf6, 0x91, 0x9a, 0x1e, 0xac,
    0xc4, 0x46, 0xc8,
];

/// Get of all bins, namespace `test`, set `demo`, integer key 1, timeout 1000 ms.
const GET: &str = "
    02 03 00 00 00 00 00 41 16 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    03 e8 00 03 00 00 00 00 00 05 00 74 65 73 74 00 00 00 05 01 64 65 6d 6f
    00 00 00 15 04 b7 f4 b8 38 89 e2 da 67 de 68 3e 1d f6 91 9a 1e ac c4 46 c8";

/// Answer with one integer bin `a` = 7, generation 1, no expiry.
const ANSWER: &str = "
    02 03 00 00 00 00 00 27 16 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00
    00 00 00 00 00 01 00 00 00 0d 01 01 00 01 61 00 00 00 00 00 00 00 07";

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

fn only_frame(buffer: &[u8]) -> frame::Frame<'_> {
    let cut = frame::cut(buffer, &Limits::default());
    assert!(matches!(cut, Cut::Frame { consumed, .. } if consumed == buffer.len()), "{cut:?}");
    frame::Frame { version: buffer[0], kind: buffer[1], body: &buffer[frame::HEADER_SIZE..] }
}

#[test]
fn the_get_is_written_and_understood() {
    let expected = bytes(GET);
    let mut out = Vec::new();
    request::get(&mut out, &request::Key::new("test", "demo", &DIGEST), 1000);
    assert_eq!(out, expected);

    let got = Request::decode(only_frame(&expected).body).unwrap();
    assert_eq!(got.header.info1, info1::READ | info1::GET_ALL);
    assert_eq!(got.header.transaction_ttl, 1000);
    assert_eq!(got.fields.namespace, Some(&b"test"[..]));
    assert_eq!(got.fields.set, Some(&b"demo"[..]));
    assert_eq!(got.fields.digest20(), Some(&DIGEST));
    assert!(got.ops.is_empty());
}

#[test]
fn the_answer_is_written_and_understood() {
    let expected = bytes(ANSWER);
    let value = 7u64.to_be_bytes();
    let mut out = Vec::new();
    let mark = reply::begin_frame(&mut out);
    let header = reply::header(&mut out, &ReplyHeader { generation: 1, ..ReplyHeader::default() });
    reply::op(&mut out, op::READ, 1, b"a", &value);
    reply::patch_ops(&mut out, header, 1);
    reply::end_frame(&mut out, mark);
    assert_eq!(out, expected);

    let got = Response::decode(only_frame(&expected).body).unwrap();
    assert_eq!(got.result(), Some(ResultCode::Ok));
    assert_eq!((got.header.generation, got.header.record_ttl), (1, 0));
    let ops: Vec<Op<'_>> = got.ops.collect();
    assert_eq!(ops, [Op { code: op::READ, kind: 1, name: b"a", value: &value }]);
}

#[test]
fn an_operation_can_be_written_in_pieces() {
    let mut whole = Vec::new();
    reply::op(&mut whole, op::CDT_READ, 20, b"list", &[0x92, 1, 2]);
    let mut pieces = Vec::new();
    let mark = reply::begin_op(&mut pieces, op::CDT_READ, 20, b"list");
    pieces.extend_from_slice(&[0x92, 1]);
    pieces.push(2);
    reply::end_op(&mut pieces, mark);
    assert_eq!(pieces, whole);
}

#[test]
fn simple_answers_are_whole_frames() {
    let mut out = Vec::new();
    reply::simple(&mut out, ResultCode::Generation, 3, 99);
    let got = Response::decode(only_frame(&out).body).unwrap();
    assert_eq!(got.result(), Some(ResultCode::Generation));
    assert_eq!((got.header.generation, got.header.record_ttl), (3, 99));
    assert!(!got.is_last());

    out.clear();
    reply::last(&mut out, ResultCode::Timeout);
    let got = Response::decode(only_frame(&out).body).unwrap();
    assert_eq!(got.result(), Some(ResultCode::Timeout));
    assert!(got.is_last());

    out.clear();
    shipload_wire::admin::simple(&mut out, ResultCode::SecurityNotSupported);
    assert_eq!(out[..10], [2, 2, 0, 0, 0, 0, 0, 16, 0, 51]);
    assert_eq!(out.len(), 24);
}

#[test]
fn a_header_can_be_written_over() {
    let mut out = Vec::new();
    let mark = reply::begin_frame(&mut out);
    let header = reply::header(&mut out, &ReplyHeader::default());
    reply::op(&mut out, op::READ, 1, b"a", &[0; 8]);
    let corrected = ReplyHeader { generation: 5, index: 9, op_count: 1, ..ReplyHeader::default() };
    reply::patch_header(&mut out, header, &corrected);
    reply::end_frame(&mut out, mark);
    let got = Response::decode(only_frame(&out).body).unwrap();
    assert_eq!((got.header.generation, got.header.transaction_ttl), (5, 9));
    assert_eq!(got.ops.len(), 1);
}
