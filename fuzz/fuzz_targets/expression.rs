//! Expressions: packed ones as they come, and ones that are built out of the input so that most of them compile.
//!
//! Checked besides not crashing: the same record has the same answer, a filter says what the value says, and what a
//! program gives has the type that was announced.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipload_value::expr::{Clock, Kind, Meta, Program, RecordView, Truth};
use shipload_value::{Digest, OwnedParticle, Particle, ParticleType, describe};

const NOW: Clock = Clock { unix_ms: 1_800_000_000_000 };
/// Operations, each with how many operands it is given at most.
const CODES: &[(u8, u8)] = &[
    (1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 2), (8, 2), (9, 2), (16, 3), (17, 3), (18, 1), (19, 3), (20, 3),
    (21, 3), (22, 3), (23, 3), (24, 2), (25, 2), (26, 2), (27, 1), (28, 1), (29, 1), (30, 1), (31, 1), (32, 2),
    (33, 2), (34, 2), (35, 1), (36, 2), (37, 2), (38, 2), (39, 1), (40, 2), (41, 2), (50, 3), (51, 3), (65, 0),
    (66, 0), (67, 0), (68, 0), (69, 0), (70, 0), (71, 0), (72, 0), (73, 0), (74, 0), (99, 1), (100, 0), (101, 1),
    (102, 1), (123, 5),
];
/// Deepest nesting of what is built.
const DEEPEST: usize = 40;
/// Most bytes of what is built.
const LONGEST: usize = 16 << 10;

fuzz_target!(|input: &[u8]| {
    let _ = describe::expression(input);
    run(input);
    let mut built = Vec::new();
    build(&mut input.iter().copied(), &mut built, 0);
    run(&built);
});

fn run(packed: &[u8]) {
    let Ok(program) = Program::compile(packed) else { return };
    let truth = program.filter(&Record, NOW);
    let value = program.evaluate(&Record, NOW);
    assert_eq!(truth, program.filter(&Record, NOW));
    assert_eq!(value, program.evaluate(&Record, NOW));
    assert!(Program::compile_filter(packed).is_ok() || truth == Truth::Unknown);
    let Ok(Some(OwnedParticle { kind, bytes })) = value else { return };
    let is_true = kind == ParticleType::Bool && bytes == [1];
    assert_eq!(is_true, truth == Truth::True, "{program:?}");
    let fits = match program.kind() {
        Kind::Int => kind == ParticleType::Integer,
        Kind::Float => kind == ParticleType::Double,
        Kind::Text => kind == ParticleType::String,
        Kind::Bool => kind == ParticleType::Bool,
        Kind::List => kind == ParticleType::List,
        Kind::Map => kind == ParticleType::Map,
        _ => true,
    };
    assert!(fits, "{program:?} gave {kind:?}");
}

/// Builds an expression: each byte chooses an operation, a constant or a bin.
fn build(input: &mut impl Iterator<Item = u8>, out: &mut Vec<u8>, depth: usize) {
    let Some(choice) = input.next() else { return out.push(7) };
    if depth >= DEEPEST || out.len() >= LONGEST {
        return out.push(choice & 0x7f);
    }
    match choice {
        0..=9 => out.push(choice),
        10..=19 => out.extend([0x93, 81, choice % 10, 0xa1, b'a' + choice % 10]),
        20 => out.extend([0xc2 + input.next().unwrap_or(0) % 2]),
        21 => out.extend([0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        22 => out.extend([0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]),
        23 => out.extend(b"\xa4\x03abc"),
        24 => out.extend([0x92, 126, 0x92, 1, 2]),
        25 => {
            out.extend([0x94, 125, 0xa1, b'v']);
            build(input, out, depth + 1);
            build(input, out, depth + 1);
        }
        26 => out.extend([0x92, 124, 0xa1, b'v']),
        // A call: result type, system, an operation with computed arguments, and what it works on.
        27..=60 => {
            let mut next = || input.next().unwrap_or(0);
            let (kind, system, code, count) = (next() % 11, next() % 4, next() % 128, next() % 4);
            let system = if choice % 2 == 0 { system } else { system | 0x40 };
            out.extend([0x95, 127, kind, system, 0x91 + count, code]);
            for _ in 0..count {
                build(input, out, depth + 1);
            }
            build(input, out, depth + 1);
        }
        _ => {
            let (code, most) = CODES[usize::from(choice) % CODES.len()];
            out.extend([0x91 + most, code]);
            for _ in 0..most {
                build(input, out, depth + 1);
            }
        }
    }
}

/// A record whose bins are named by the numbers of their types.
struct Record;

impl RecordView for Record {
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>> {
        let (kind, bytes): (ParticleType, &[u8]) = match name {
            b"b" => (ParticleType::Bool, &[1]),
            b"c" => (ParticleType::Integer, &[0, 0, 0, 0, 0, 0, 0, 7]),
            b"d" => (ParticleType::String, "grün".as_bytes()),
            b"e" => (ParticleType::List, b"\x94\x03\x01\xa2\x03a\x92\x01\x02"),
            b"f" => (ParticleType::Map, b"\x82\x01\xa2\x03x\x02\x81\x07\x08"),
            b"g" => (ParticleType::Blob, &[0x0f, 0xf0, 1]),
            b"h" => (ParticleType::Double, &[0x40, 4, 0, 0, 0, 0, 0, 0]),
            b"i" => (ParticleType::GeoJson, b"\0\0\0{\"type\":\"Point\",\"coordinates\":[1,2]}"),
            _ => return None,
        };
        Some(Particle { kind, bytes })
    }

    fn meta(&self) -> Option<Meta<'_>> {
        Some(Meta {
            digest: Digest([7; 20]),
            set_name: b"demo",
            key: Some((3, b"key")),
            void_time: 600_000_000,
            last_update_ms: 1_799_999_999_000,
            record_size: 100,
        })
    }
}
