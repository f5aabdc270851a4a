//! One operation on a container of 10,000 elements, many times: what a profiler is pointed at.
//!
//! ```text
//! cargo build --release -p shipload-value --example containers
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/containers rank 100
//! ```
//!
//! The difference between a run with 0 and one with 100 is what 100 operations cost.

use shipload_value::cdt::{Change, modify, read};
use shipload_value::msgpack::writer;
use shipload_value::{Particle, ParticleType};

const ELEMENTS: i64 = 10_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "rank".to_owned());
    let times: i64 = args.next().and_then(|times| times.parse().ok()).unwrap_or(100);
    let mut list = Vec::new();
    writer::list_start(&mut list, 0, usize::try_from(ELEMENTS).unwrap_or(0));
    (0..ELEMENTS).for_each(|index| writer::int(&mut list, score(index)));
    let mut map = Vec::new();
    writer::map_start(&mut map, 1, usize::try_from(ELEMENTS).unwrap_or(0));
    for index in 0..ELEMENTS {
        writer::int(&mut map, index);
        writer::int(&mut map, score(index));
    }
    let mut sum = 0;
    for turn in 0..times {
        sum += match what.as_str() {
            "append" => write(ParticleType::List, &list, &call(&[1, turn])),
            "pop" => write(ParticleType::List, &list, &call(&[5, -1])),
            "get" => look(ParticleType::List, &list, &call(&[17, -1])),
            "list-rank" => look(ParticleType::List, &list, &call(&[26, 7, -10, 10])),
            "put" => write(ParticleType::Map, &map, &call(&[67, turn * 7 % ELEMENTS, score(turn), 1])),
            "key" => look(ParticleType::Map, &map, &call(&[97, 7, turn * 7 % ELEMENTS])),
            "value" => look(ParticleType::Map, &map, &call(&[102, 6, score(turn)])),
            _ => look(ParticleType::Map, &map, &call(&[106, 8, -10, 10])),
        };
    }
    println!("{what}, {times} times: {sum} bytes answered or written");
}

/// A number that looks drawn.
fn score(index: i64) -> i64 {
    index * 7919 % 1_000_003
}

fn call(numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, numbers.len());
    numbers.iter().for_each(|number| writer::int(&mut out, *number));
    out
}

fn write(kind: ParticleType, bytes: &[u8], payload: &[u8]) -> usize {
    match modify(Some(Particle { kind, bytes }), payload) {
        Ok(modified) => match modified.bin {
            Change::Set(new) => new.bytes.len(),
            Change::Keep | Change::Remove => 0,
        },
        Err(_) => 0,
    }
}

fn look(kind: ParticleType, bytes: &[u8], payload: &[u8]) -> usize {
    let answer = read(Some(Particle { kind, bytes }), payload);
    answer.ok().flatten().map_or(0, |answer| answer.bytes.len())
}
