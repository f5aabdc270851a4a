//! What happens to requests that no good client sends: `guide/protocol.md` part 12.2, row by row.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_node::Executed;
use shipload_wire::bits::{field, info1, info2, info3};
use shipload_wire::message::Header;
use shipload_wire::{Op, frame, request};
use support::{Engine, digest, messages};

const READ_ALL: Header = Header {
    info1: info1::READ | info1::GET_ALL,
    info2: 0,
    info3: 0,
    info4: 0,
    result: 0,
    generation: 0,
    record_ttl: 0,
    transaction_ttl: 0,
    field_count: 0,
    op_count: 0,
};
const WRITE: Header = Header { info1: 0, info2: info2::WRITE, ..READ_ALL };
const ONE: Op<'static> = Op { code: 2, kind: 1, name: b"a", value: &[0, 0, 0, 0, 0, 0, 0, 1] };

/// The result code of a message with these fields and operations, on an existing record.
fn code(header: Header, fields: &[(u8, &[u8])], ops: &[Op<'_>]) -> u8 {
    let mut engine = Engine::new();
    engine.put_integer(7, "a", 1);
    let mut bytes = Vec::new();
    request::message(&mut bytes, &header, fields, ops);
    let answer = engine.message(&bytes);
    assert!(answer.ops.is_empty() || answer.header.result == 0);
    answer.header.result
}

/// The same with the usual fields.
fn plain(header: Header, ops: &[Op<'_>]) -> u8 {
    let digest = digest(7);
    code(header, &[(0, b"test"), (1, b"demo"), (4, &digest.0)], ops)
}

#[test]
fn namespaces_digests_sets_and_keys() {
    let digest = digest(7).0;
    for namespace in [&b""[..], b"nope", &[b'x'; 40]] {
        assert_eq!(code(READ_ALL, &[(0, namespace), (4, &digest)], &[]), 20);
    }
    assert_eq!(code(READ_ALL, &[(4, &digest)], &[]), 20);
    assert_eq!(code(READ_ALL, &[(0, b"test"), (0, b"nope"), (4, &digest)], &[]), 0);
    assert_eq!(code(READ_ALL, &[(0, b"test"), (2, b"\x03key")], &[]), 16);
    assert_eq!(code(READ_ALL, &[(0, b"test")], &[]), 16);
    assert_eq!(code(READ_ALL, &[(0, b"test"), (4, &digest[..19])], &[]), 4);
    assert_eq!(code(READ_ALL, &[(0, b"test"), (4, &[0; 21])], &[]), 4);
    let (long, longest) = ([b's'; 64], [b's'; 63]);
    assert_eq!(code(READ_ALL, &[(0, b"test"), (1, &long), (4, &digest)], &[]), 2);
    assert_eq!(code(WRITE, &[(0, b"test"), (1, &long), (4, &digest)], &[ONE]), 4);
    assert_eq!(code(WRITE, &[(0, b"test"), (1, &longest), (4, &[9; 20])], &[ONE]), 0);
    assert_eq!(code(READ_ALL, &[(0, b"test"), (2, b""), (4, &digest)], &[]), 16);
    assert_eq!(code(READ_ALL, &[(99, b"?"), (4, &digest), (0, b"test")], &[]), 0);
}

#[test]
fn info_bits_and_operations_must_fit() {
    let bits = |info1, info2| Header { info1, info2, ..READ_ALL };
    let read_op = Op { code: 1, kind: 0, name: b"a", value: b"" };
    assert_eq!(plain(bits(0, 0), &[]), 4);
    assert_eq!(plain(bits(info1::GET_ALL, 0), &[]), 4);
    assert_eq!(plain(bits(info1::GET_NOBINDATA, 0), &[]), 4);
    assert_eq!(plain(bits(0, info2::DELETE), &[]), 4);
    assert_eq!(plain(bits(info1::READ, 0), &[]), 4);
    assert_eq!(plain(bits(0, info2::WRITE), &[]), 4);
    assert_eq!(plain(bits(0, info2::WRITE), &[ONE, read_op]), 4);
    assert_eq!(plain(bits(info1::READ, 0), &[ONE]), 4);
    for code in [0, 6, 17, 18, 20, 99, 128] {
        assert_eq!(plain(bits(info1::READ, info2::WRITE), &[Op { code, ..ONE }]), 4, "op {code}");
    }
    assert_eq!(plain(bits(info1::READ | info1::GET_ALL, info2::WRITE), &[ONE]), 4);
    let all_ops = info2::WRITE | info2::RESPOND_ALL_OPS;
    assert_eq!(plain(bits(info1::READ | info1::GET_ALL, all_ops), &[ONE, read_op]), 4);
    assert_eq!(plain(bits(info1::READ | info1::GET_ALL, info2::RESPOND_ALL_OPS), &[]), 0);
}

#[test]
fn bin_names_and_values() {
    assert_eq!(plain(WRITE, &[Op { name: b"nul\0", ..ONE }]), 21);
    assert_eq!(plain(WRITE, &[Op { name: &[b'b'; 16], ..ONE }]), 21);
    assert_eq!(plain(WRITE, &[Op { name: &[b'b'; 15], ..ONE }]), 0);
    assert_eq!(plain(WRITE, &[Op { name: b"", ..ONE }]), 0);
    for kind in [5, 6, 13, 18, 21, 22, 24, 99] {
        assert_eq!(plain(WRITE, &[Op { kind, ..ONE }]), 4, "particle type {kind}");
    }
    assert_eq!(plain(WRITE, &[Op { kind: 23, ..ONE }]), 160);
    assert_eq!(plain(WRITE, &[Op { kind: 20, ..ONE }]), 1);
    assert_eq!(plain(WRITE, &[Op { kind: 4, value: &vec![0; 1 << 20], ..ONE }]), 13);
    assert_eq!(plain(WRITE, &[Op { kind: 4, value: &vec![0; (1 << 20) - 100], ..ONE }]), 0);
}

#[test]
fn the_number_of_bins_is_bounded() {
    let names: Vec<String> = (0..32_768).map(|number| number.to_string()).collect();
    let ops: Vec<Op<'_>> =
        names.iter().map(|name| Op { name: name.as_bytes(), value: &[1], ..ONE }).collect();
    assert_eq!(plain(WRITE, &ops), 4);
    assert_eq!(plain(WRITE, &ops[..32_766]), 0);
}

#[test]
fn enterprise_features_are_refused() {
    let digest = digest(7).0;
    let fields = |field| [(0, &b"test"[..]), (1, b"demo"), (4, &digest), field];
    assert_eq!(code(READ_ALL, &fields((field::TXN_ID, &[1; 8])), &[]), 25);
    assert_eq!(code(READ_ALL, &fields((field::RECORD_VERSION, &[1; 7])), &[]), 25);
    assert_eq!(code(WRITE, &fields((field::TXN_DEADLINE, &[1; 4])), &[ONE]), 25);
    assert_eq!(plain(Header { info3: info3::SC_READ_TYPE, ..READ_ALL }, &[]), 25);
    assert_eq!(plain(Header { info4: 1, ..READ_ALL }, &[]), 25);
    assert_eq!(plain(Header { info4: 2, ..WRITE }, &[ONE]), 25);
    assert_eq!(plain(Header { info4: 0x80, ..READ_ALL }, &[]), 0);
    let durable = info2::WRITE | info2::DELETE | info2::DURABLE_DELETE;
    assert_eq!(plain(Header { info2: durable, ..WRITE }, &[]), 25);
}

#[test]
fn frames_that_are_no_messages() {
    let mut engine = Engine::new();
    let ask = |engine: &mut Engine, kind, body: &[u8]| {
        let mut bytes = frame::header(kind, body.len()).to_vec();
        bytes.extend_from_slice(body);
        let (out, executed) = engine.execute(&bytes);
        assert!(matches!(executed, Executed::Done { .. }));
        out
    };
    for body in [&[][..], &[0; 21], &[0xff; 100]] {
        let out = ask(&mut engine, frame::MESSAGE, body);
        assert_eq!(messages(&out)[0].header.result, 4);
    }
    assert_eq!(messages(&ask(&mut engine, frame::RESERVED, b"anything"))[0].header.result, 4);
    assert_eq!(messages(&ask(&mut engine, frame::COMPRESSED, b"no zlib stream"))[0].header.result, 4);
    let admin = ask(&mut engine, frame::ADMIN, b"anything");
    assert_eq!((admin.len(), admin[9]), (24, 51));
}

#[test]
fn compressed_requests_are_executed_and_answers_packed_when_permitted() {
    let mut engine = Engine::new();
    let text = [b'x'; 4000];
    let digest = digest(7).0;
    let fields: [(u8, &[u8]); 3] = [(0, b"test"), (1, b"demo"), (4, &digest)];
    let (mut put, mut packed_put) = (Vec::new(), Vec::new());
    request::message(&mut put, &WRITE, &fields, &[Op { kind: 3, value: &text, ..ONE }]);
    request::compressed(&mut packed_put, &put);
    assert_eq!(engine.message(&packed_put).header.result, 0);

    let mut get = Vec::new();
    let permits = Header { info1: READ_ALL.info1 | info1::COMPRESS_RESPONSE, ..READ_ALL };
    request::message(&mut get, &permits, &fields, &[]);
    let packed = engine.ask(&get);
    assert!(packed[1] == frame::COMPRESSED && packed.len() < 200);
    let mut scratch = Vec::new();
    let inner = frame::inflate(&packed[8..], &shipload_wire::Limits::default(), &mut scratch).unwrap();
    let answer = shipload_wire::Response::decode(inner.body).unwrap();
    assert_eq!(answer.ops.clone().next().unwrap().value, text);
}
