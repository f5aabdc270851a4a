//! Whatever bytes arrive, the engine answers and goes on: arbitrary bodies, and recorded requests with faults.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

#[path = "../../../xtask/src/golden/corpus.rs"]
#[allow(dead_code, reason = "only the requests are used here")]
mod corpus;
mod support;

use proptest::prelude::*;
use shipload_node::Executed;
use shipload_wire::{Cut, Limits, frame};
use std::path::PathBuf;
use support::Engine;

/// Steps after which a query is dropped: a mutated pace may make it wait for hours.
const STEPS_MAX: usize = 2000;

/// Executes a frame and some steps of its query; whatever comes out must be whole frames.
fn ask(engine: &mut Engine, bytes: &[u8]) {
    let Cut::Frame { frame, .. } = frame::cut(bytes, &Limits::default()) else { return };
    let mut out = Vec::new();
    let executed = engine.node.execute(&mut engine.worker, &frame, &Engine::peer(), engine.now, &mut out);
    if let Executed::Query(mut job) = executed {
        for _ in 0..STEPS_MAX {
            if engine.step(&mut job, &mut out).is_none() {
                break;
            }
        }
    }
    let mut rest = out.as_slice();
    while let Cut::Frame { consumed, .. } = frame::cut(rest, &Limits::default()) {
        rest = &rest[consumed..];
    }
    assert!(rest.is_empty(), "an answer of {} bytes is not made of frames", out.len());
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = frame::header(kind, body.len()).to_vec();
    bytes.extend_from_slice(body);
    bytes
}

proptest! {
    #[test]
    fn arbitrary_bodies(kind in 1u8..=5, body in proptest::collection::vec(any::<u8>(), 0..400)) {
        ask(&mut Engine::new(), &framed(kind, &body));
    }

    #[test]
    fn arbitrary_headers_on_a_record(
        head in proptest::collection::vec(any::<u8>(), 18),
        op in proptest::collection::vec(any::<u8>(), 4..60),
    ) {
        let mut engine = Engine::new();
        engine.put_integer(1, "a", 1);
        let mut body = head;
        body.extend_from_slice(&[0, 3, 0, 1]);
        for (id, data) in [(0u8, &b"test"[..]), (1, b"demo"), (4, &support::digest(1).0)] {
            body.extend_from_slice(&u32::try_from(data.len() + 1).unwrap().to_be_bytes());
            body.push(id);
            body.extend_from_slice(data);
        }
        body.extend_from_slice(&u32::try_from(op.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&op);
        ask(&mut engine, &framed(frame::MESSAGE, &body));
        engine.get(1);
    }
}

/// A small generator, so that a failure can be played again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit.max(1)
    }
}

/// A copy with one to three faults; the frame's size is put right, so that the message is looked at.
fn mutated(request: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0xc0, 0x93, 0xdf];
    let mut body = request[frame::HEADER_SIZE..].to_vec();
    for _ in 0..=random.below(3) {
        let place = random.below(body.len());
        match random.below(5) {
            0 => body[place] = TELLING[random.below(TELLING.len())],
            1 => body[place] ^= 1 << random.below(8),
            2 => body.truncate(place),
            3 => body.insert(place, TELLING[random.below(TELLING.len())]),
            _ => {
                let end = (place + 1 + random.below(8)).min(body.len());
                body.drain(place..end);
            }
        }
        if body.is_empty() {
            break;
        }
    }
    framed(request[1], &body)
}

#[test]
fn recorded_requests_with_faults() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut engine = Engine::new();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let files =
        ["kv", "operate", "policies-ttl-generation", "batch", "scan", "list", "map", "map-nested", "bit"];
    for file in
        files.into_iter().chain(["list-nested", "hll", "expressions", "geo-values", "udf", "sindex-query"])
    {
        for case in corpus::load(&folder.join(format!("{file}.jsonl.gz"))).unwrap() {
            for step in &case.steps {
                ask(&mut engine, &step.request);
                for _ in 0..3 {
                    ask(&mut engine, &mutated(&step.request, &mut random));
                }
            }
            engine.pass_ms(1);
        }
        engine.maintain();
    }
}
