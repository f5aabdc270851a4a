//! Cases of our own for what no recorded case of a real server holds: each is a record, a request and the record after it,
//! with the bytes of all answers, in the form of the recorded ones.
//!
//! What the answers must be is said by the tests that `xtask/src/compat/tables.txt` names; here their bytes are kept.
//! `SHIPLOAD_WRITE_CASES=1` writes the file anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

#[allow(dead_code, reason = "a part of it is enough here")]
#[path = "../../../xtask/src/golden/corpus.rs"]
mod corpus;
mod support;

use flate2::Compression;
use flate2::write::GzEncoder;
use shipload_value::msgpack::writer;
use shipload_wire::Op;
use shipload_wire::bits::{info1, info2, op};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Key};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use support::{Engine, digest, header, messages};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/own/cases.jsonl.gz")
}

/// A name, the bin before, and the operation: code, type and bytes.
struct Case {
    name: String,
    before: (u8, Vec<u8>),
    op: (u8, u8, Vec<u8>),
}

fn int(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    writer::int(&mut out, value);
    out
}

fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    writer::typed(&mut out, 3, value.as_bytes());
    out
}

fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, elements.len());
    out.extend(elements.concat());
    out
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::map_start(&mut out, 1, pairs.len());
    pairs.iter().for_each(|(key, value)| out.extend([text(key), value.clone()].concat()));
    out
}

fn ints(values: &[i64]) -> Vec<u8> {
    array(&values.iter().copied().map(int).collect::<Vec<_>>())
}

fn payload(code: i64, args: &[Vec<u8>]) -> Vec<u8> {
    array(&[&[int(code)], args].concat())
}

fn case(name: &str, before: (u8, Vec<u8>), op: (u8, u8, Vec<u8>)) -> Case {
    Case { name: name.to_owned(), before, op }
}

/// Operations on a string that only read.
fn strings_read() -> Vec<Case> {
    let questions: [(&str, &str, i64, Vec<Vec<u8>>); 18] = [
        ("strlen", "grün", 0, vec![]),
        ("substr", "hello world", 1, vec![int(2), int(5)]),
        ("char_at", "aüb", 2, vec![int(-1)]),
        ("find", "ababab", 3, vec![text("ab"), int(2)]),
        ("contains", "cafe\u{301}", 4, vec![text("caf\u{e9}")]),
        ("starts_with", "hello", 5, vec![text("he")]),
        ("ends_with", "hello", 6, vec![text("lo")]),
        ("to_integer", "12345", 7, vec![]),
        ("to_double", "2.75", 8, vec![]),
        ("byte_length", "grün", 9, vec![]),
        ("is_numeric", "-7", 10, vec![int(1)]),
        ("is_upper", "HELLO 1", 11, vec![]),
        ("is_lower", "hello", 12, vec![]),
        ("to_blob", "hello", 13, vec![]),
        ("split", "a,b,,c", 14, vec![text(",")]),
        ("b64_decode", "aGVsbG8=", 15, vec![]),
        ("regex_compare", "HELLO", 16, vec![text("hello"), int(1)]),
        ("regex_compare/none", "HELLO", 16, vec![text("hello"), int(0)]),
    ];
    let made = questions.into_iter().map(|(name, old, code, args)| {
        let op = (op::STRING_READ, 4, payload(code, &args));
        case(&format!("string/{name}"), (3, old.as_bytes().to_vec()), op)
    });
    made.chain([case("string/to_string", (1, 42_i64.to_be_bytes().to_vec()), (op::TO_STRING, 0, vec![]))])
        .collect()
}

/// Operations that edit a string.
fn strings_edited() -> Vec<Case> {
    let texts = |texts: &[&str]| array(&texts.iter().map(|one| text(one)).collect::<Vec<_>>());
    let edits: [(&str, &str, i64, Vec<Vec<u8>>); 19] = [
        ("insert", "hello world", 50, vec![int(5), text(" big")]),
        ("overwrite", "hello", 51, vec![int(3), text("ping!")]),
        ("concat", "hello", 52, vec![texts(&[" ", "world"])]),
        ("snip", "hello beautiful world", 53, vec![int(5), int(15)]),
        ("replace", "aabaa", 54, vec![texts(&["a", "x"])]),
        ("replace_all", "aabaa", 55, vec![texts(&["a", "x"])]),
        ("upper", "stra\u{df}e", 56, vec![]),
        ("lower", "HELLO", 57, vec![]),
        ("case_fold", "STRA\u{df}E \u{3a3}", 58, vec![]),
        ("normalize_nfc", "e\u{301}", 59, vec![]),
        ("trim_start", "  a ", 60, vec![]),
        ("trim_end", "  a ", 61, vec![]),
        ("trim", "  a ", 62, vec![]),
        ("pad_start", "hi", 63, vec![int(8), text("ab")]),
        ("pad_end", "hello", 64, vec![int(7), text(".")]),
        ("repeat", "ab", 65, vec![int(3)]),
        ("regex_replace", "a1b22", 66, vec![texts(&["[0-9]+", "#"]), int(16)]),
        ("append", "a", 67, vec![text("b")]),
        ("prepend", "a", 68, vec![text("b")]),
    ];
    let made = edits.into_iter().map(|(name, old, code, args)| {
        let args = [args, vec![int(0)]].concat();
        let op = (op::STRING_MODIFY, 4, payload(code, &args));
        case(&format!("string/{name}"), (3, old.as_bytes().to_vec()), op)
    });
    made.collect()
}

/// A path into containers.
fn path(steps: &[(i64, Vec<u8>)], flags: i64, expression: Option<Vec<u8>>) -> Vec<u8> {
    let context: Vec<Vec<u8>> = steps.iter().flat_map(|(kind, value)| [int(*kind), value.clone()]).collect();
    let mut parts = vec![int(0xfe), array(&context), int(flags)];
    parts.extend(expression);
    array(&parts)
}

fn collections() -> Vec<Case> {
    let pairs = || (19, map(&[("a", int(1)), ("b", int(2))]));
    let shelves = || (19, map(&[("a", ints(&[1, 5, 9])), ("b", ints(&[2, 8])), ("c", text("none"))]));
    let element = || ints(&[122, 2, 1]);
    let above = |limit| array(&[int(3), element(), int(limit)]);
    let all = || (4, vec![0xc3]);
    let read = |payload| (op::CDT_READ, 4, payload);
    let modify = |payload| (op::CDT_MODIFY, 4, payload);
    let keys = [(0x2a, array(&[text("c"), text("a"), text("zz")]))];
    let narrowed = [all(), (4, above(4)), (0x204, array(&[int(5), element(), int(9)]))];
    let chosen = [all(), (4, above(4))];
    vec![
        case("list/join", (20, array(&[text("one"), text("two")])), read(payload(28, &[text(", ")]))),
        case("map/add", pairs(), modify(payload(65, &[text("c"), int(3), int(1)]))),
        case("map/add_items", pairs(), modify(payload(66, &[map(&[("c", int(3)), ("d", int(4))]), int(1)]))),
        case("map/replace", pairs(), modify(payload(69, &[text("a"), int(7)]))),
        case("map/replace_items", pairs(), modify(payload(70, &[map(&[("a", int(7)), ("b", int(8))])]))),
        case("bit/b64_encode", (4, vec![1, 0x42, 3, 4, 5]), (op::BIT_READ, 4, payload(55, &[]))),
        case("path/map_keys_in_list", shelves(), read(path(&keys, 2, None))),
        case("path/and_filter", shelves(), read(path(&narrowed, 1, None))),
        case("path/loop_var", shelves(), read(path(&chosen, 0, None))),
        case("path/remove_result", shelves(), modify(path(&chosen, 4, Some(ints(&[100]))))),
    ]
}

fn expressions() -> Vec<Case> {
    let number = || (1, 42_i64.to_be_bytes().to_vec());
    let bin = |kind: i64| array(&[int(81), int(kind), vec![0xa1, b'a']]);
    let read = |expression: Vec<u8>| (op::EXP_READ, 4, array(&[expression, int(0)]));
    let strlen = array(&[int(127), int(2), int(3), ints(&[0]), bin(3)]);
    vec![
        case("expression/void_time", number(), read(ints(&[68]))),
        case("expression/to_string", number(), read(array(&[int(99), bin(2)]))),
        case("expression/call/string", (3, b"gr\xc3\xbcn".to_vec()), read(strlen)),
    ]
}

fn particles() -> Vec<Case> {
    let kinds = [
        (7, "java"),
        (8, "csharp"),
        (9, "python"),
        (10, "ruby"),
        (11, "php"),
        (12, "erlang"),
        (16, "vector"),
    ];
    let touch = || (op::TOUCH, 0, vec![]);
    kinds
        .into_iter()
        .map(|(kind, name)| case(&format!("particle/{name}"), (kind, b"opaque".to_vec()), touch()))
        .collect()
}

/// Requests and answers of a case: the record is written, the operation done, the record read.
fn play(engine: &mut Engine, key: i64, case: &Case) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (name, Case { before: (kind, before), op: (code, op_kind, value), .. }) = (digest(key).0, case);
    let record = Key::new("test", "own", &name);
    let mut requests = vec![Vec::new(), Vec::new(), Vec::new()];
    let bin = if *code == op::TOUCH { &b""[..] } else { b"a" };
    request::put(&mut requests[0], &header(), &record, &[request::write_op(b"a", *kind, before)]);
    let header = Header { info1: info1::READ, info2: info2::WRITE | info2::RESPOND_ALL_OPS, ..header() };
    let op = Op { code: *code, kind: *op_kind, name: bin, value };
    let reads = matches!(*code, op::STRING_READ | op::CDT_READ | op::BIT_READ | op::EXP_READ | op::TO_STRING);
    let header = if reads { Header { info1: info1::READ, ..Header::default() } } else { header };
    request::command(&mut requests[1], &header, &record, &[op]);
    request::get(&mut requests[2], &record, 0);
    requests
        .into_iter()
        .map(|request| {
            let answer = engine.ask(&request);
            let codes: Vec<u8> = messages(&answer).iter().map(|message| message.header.result).collect();
            assert_eq!(codes, [0], "{}: {:?}", case.name, messages(&answer));
            (request, answer)
        })
        .collect()
}

fn line(name: &str, steps: &[(Vec<u8>, Vec<u8>)]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut line = format!("{{\"case\":\"own/{name}\",\"steps\":[");
    for (place, (request, response)) in steps.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        write!(line, "{comma}{{\"request\":\"{}\",\"response\":\"{}\"}}", hex(request), hex(response))
            .unwrap();
    }
    line + "]}\n"
}

#[test]
fn the_kept_answers_are_these() {
    let mut engine = Engine::new();
    let all = [strings_read(), strings_edited(), collections(), expressions(), particles()];
    let cases: Vec<Case> = all.into_iter().flatten().collect();
    let played: Vec<_> = (0..).zip(&cases).map(|(key, case)| play(&mut engine, key, case)).collect();
    if std::env::var_os("SHIPLOAD_WRITE_CASES").is_some() {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        for (case, steps) in cases.iter().zip(&played) {
            out.write_all(line(&case.name, steps).as_bytes()).unwrap();
        }
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), out.finish().unwrap()).unwrap();
    }
    let kept = corpus::load(&file()).unwrap();
    let names = |name: &str| format!("own/{name}");
    let wanted: Vec<String> = cases.iter().map(|case| names(&case.name)).collect();
    assert_eq!(kept.iter().map(|case| case.name.clone()).collect::<Vec<_>>(), wanted);
    for (case, steps) in kept.iter().zip(&played) {
        for (step, (request, answer)) in case.steps.iter().zip(steps) {
            assert_eq!(&step.request, request, "{}", case.name);
            assert!(step.accepts(answer), "{}\n{}", case.name, corpus::explain(step, answer));
        }
    }
}
