//! What a real server was seen to refuse, and how (`guide/protocol.md` part 12.2).

use shipload_wire::bits::op;
use shipload_wire::frame::{self, Refusal};
use shipload_wire::request::{self, Key};
use shipload_wire::{Cut, DecodeError, Header, Limits, Op, Request, ResultCode};

const DIGEST: [u8; 20] = [7; 20];

/// The body of a put of one bin, valid.
fn put_body() -> Vec<u8> {
    let mut out = Vec::new();
    let ops = [Op { code: op::WRITE, kind: 3, name: b"bin", value: b"hello" }];
    request::put(&mut out, &Header::default(), &Key::new("test", "demo", &DIGEST), &ops);
    out.split_off(frame::HEADER_SIZE)
}

/// Offset of the only op in [`put_body`]: size 4, code, kind, version, name size, name, value.
fn op_offset(body: &[u8]) -> usize {
    body.len() - (4 + 4 + 3 + 5)
}

fn error(body: &[u8]) -> DecodeError {
    let error = Request::decode(body).expect_err("must be refused");
    assert_eq!(error.result_code(), ResultCode::Parameter);
    error
}

#[test]
fn every_proper_prefix_of_a_message_is_truncated() {
    let body = put_body();
    assert!(Request::decode(&body).is_ok());
    for size in 0..body.len() {
        Request::decode(&body[..size]).expect_err("a prefix must be refused");
    }
}

#[test]
fn lying_counts_and_sizes_are_refused() {
    let valid = put_body();
    let with = |offset: usize, byte: u8| {
        let mut body = valid.clone();
        body[offset] = byte;
        body
    };
    let op = op_offset(&valid);
    assert_eq!(error(&[&valid[..], b"x"].concat()), DecodeError::Trailing);
    assert_eq!(error(&with(19, 9)), DecodeError::Truncated, "more fields than there are");
    assert_eq!(error(&with(21, 0)), DecodeError::Trailing, "fewer ops than there are");
    assert_eq!(error(&with(21, 2)), DecodeError::Truncated, "more ops than there are");
    assert_eq!(error(&with(18, 0xff)), DecodeError::Truncated, "65283 fields");
    assert_eq!(error(&with(25, 0)), DecodeError::FieldSize, "a field of size 0");
    assert_eq!(error(&with(22, 0xff)), DecodeError::Truncated, "a field of 4 GiB");
    assert_eq!(error(&with(op, 0xff)), DecodeError::Truncated, "an op of 4 GiB");
    assert_eq!(error(&with(op + 3, 3)), DecodeError::OpSize, "an op below its fixed part");
    assert_eq!(error(&with(op + 7, 200)), DecodeError::NameSize, "a name longer than the op");
}

#[test]
fn the_size_byte_is_ignored_and_so_is_a_result() {
    for size in [0, 21, 22, 23, 255] {
        let mut body = put_body();
        body[0] = size;
        body[5] = 77;
        assert!(Request::decode(&body).is_ok());
    }
}

#[test]
fn unknown_fields_are_skipped_and_the_first_of_two_counts() {
    let mut out = Vec::new();
    let fields: [(u8, &[u8]); 5] = [(200, b"?"), (0, b"first"), (0, b"second"), (14, b""), (1, b"")];
    request::message(&mut out, &Header::default(), &fields, &[]);
    let got = Request::decode(&out[frame::HEADER_SIZE..]).unwrap();
    assert_eq!(got.fields.namespace, Some(&b"first"[..]));
    assert_eq!(got.fields.set, Some(&b""[..]));
    assert_eq!(got.fields.present().count(), 2);
}

#[test]
fn a_digest_of_another_length_is_no_digest() {
    for size in [0, 19, 21] {
        let mut out = Vec::new();
        request::message(&mut out, &Header::default(), &[(4, &[1; 21][..size])], &[]);
        let got = Request::decode(&out[frame::HEADER_SIZE..]).unwrap();
        assert_eq!(got.fields.digest.map(<[u8]>::len), Some(size));
        assert_eq!(got.fields.digest20(), None);
    }
}

fn cut_header(version: u8, kind: u8, size: u64) -> Result<usize, Refusal> {
    let mut header = size.to_be_bytes();
    header[0] = version;
    header[1] = kind;
    match frame::cut(&header, &Limits::default()) {
        Cut::Frame { consumed, .. } => Ok(consumed),
        Cut::Incomplete { need } => Ok(need),
        Cut::Refuse(refusal) => Err(refusal),
    }
}

#[test]
fn only_known_versions_and_kinds_are_spoken() {
    for kind in [0, 6, 9, 255] {
        assert_eq!(cut_header(2, kind, 1), Err(Refusal::Kind(kind)));
    }
    for kind in [frame::INFO, frame::MESSAGE, frame::COMPRESSED, frame::RESERVED] {
        assert_eq!(cut_header(2, kind, 1), Ok(9));
        for version in [0, 1, 3] {
            assert_eq!(cut_header(version, kind, 1), Err(Refusal::Version(version)));
        }
    }
    assert_eq!(cut_header(0, frame::ADMIN, 16), Ok(24));
    assert_eq!(cut_header(2, frame::ADMIN, 16), Ok(24));
    assert_eq!(cut_header(1, frame::ADMIN, 16), Err(Refusal::Version(1)));
    let limits = Limits::default();
    assert!(matches!(frame::cut(b"statistics\n", &limits), Cut::Refuse(_)));
    assert!(matches!(frame::cut(b"GET / HTTP/1.1\r\n", &limits), Cut::Refuse(_)));
    assert_eq!(frame::cut(b"GET / H", &limits), Cut::Incomplete { need: 8 });
}

#[test]
fn announced_sizes_are_bounded() {
    let mib = 1u64 << 20;
    assert_eq!(cut_header(2, frame::MESSAGE, 128 * mib), Ok((128 << 20) + 8));
    assert_eq!(cut_header(2, frame::MESSAGE, 129 * mib), Err(Refusal::TooLarge(129 * mib)));
    assert_eq!(cut_header(2, frame::INFO, 17 * mib), Err(Refusal::TooLarge(17 * mib)));
    let most = (1 << 48) - 1;
    assert_eq!(cut_header(2, frame::COMPRESSED, most), Err(Refusal::TooLarge(most)));
}

#[test]
fn frames_are_cut_one_by_one() {
    let mut buffer = Vec::new();
    request::info(&mut buffer, &["node"]);
    let first = buffer.len();
    request::info(&mut buffer, &[]);
    let limits = Limits::default();
    for size in 8..first {
        assert_eq!(frame::cut(&buffer[..size], &limits), Cut::Incomplete { need: first });
    }
    let Cut::Frame { frame, consumed } = frame::cut(&buffer, &limits) else { unreachable!() };
    assert_eq!((frame.body, consumed), (&b"node\n"[..], first));
    let Cut::Frame { frame, consumed } = frame::cut(&buffer[first..], &limits) else { unreachable!() };
    assert_eq!((frame.body, consumed), (&b""[..], 8));
}

/// The body of a compressed frame around `inner`, announcing `announced` bytes.
fn compressed_body(inner: &[u8], announced: u64) -> Vec<u8> {
    let mut out = Vec::new();
    request::compressed(&mut out, inner);
    let mut body = out.split_off(frame::HEADER_SIZE);
    body[..8].copy_from_slice(&announced.to_be_bytes());
    body
}

#[test]
fn compressed_frames_unpack_to_exactly_one_message_frame() {
    let limits = Limits { inflated_size: 4096, ..Limits::default() };
    let mut scratch = Vec::new();
    let mut inner = Vec::new();
    request::get(&mut inner, &Key::new("test", "demo", &DIGEST), 0);
    let size = inner.len() as u64;

    let whole = compressed_body(&inner, size);
    let frame = frame::inflate(&whole, &limits, &mut scratch).unwrap();
    assert_eq!(frame.kind, frame::MESSAGE);
    assert_eq!(frame.body, &inner[frame::HEADER_SIZE..]);

    let mut refused = |body: &[u8]| frame::inflate(body, &limits, &mut scratch).expect_err("refused");
    assert_eq!(refused(&whole[..7]), DecodeError::Truncated);
    assert_eq!(refused(&whole[..whole.len() / 2]), DecodeError::Inflate);
    assert_eq!(refused(&compressed_body(&inner, size - 1)), DecodeError::Inflate);
    assert_eq!(refused(&compressed_body(&inner, size + 1)), DecodeError::Inflate);
    assert_eq!(refused(&compressed_body(&inner, 4097)), DecodeError::InflatedSize);
    assert_eq!(refused(&compressed_body(&inner, u64::MAX)), DecodeError::InflatedSize);
    assert_eq!(refused(&compressed_body(&[0; 4096], 100)), DecodeError::Inflate, "a bomb");
    assert_eq!(refused(&compressed_body(&inner[..20], 20)), DecodeError::InnerFrame);
    let mut nested = Vec::new();
    request::compressed(&mut nested, &inner);
    assert_eq!(refused(&compressed_body(&nested, nested.len() as u64)), DecodeError::InnerFrame);
    let doubled = [&inner[..], &inner[..]].concat();
    assert_eq!(refused(&compressed_body(&doubled, 2 * size)), DecodeError::InnerFrame);
}
