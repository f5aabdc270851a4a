//! Plays the recorded answers of a real server against the engine, without a socket.
//!
//! All files must agree but for the table of known differences.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

#[path = "../../../xtask/src/golden/corpus.rs"]
mod corpus;
#[path = "../../../xtask/src/golden/known.rs"]
mod known;

use corpus::{Case, explain, load, load_setup};
use known::Known;
use shipload_node::config::{Config, NamespaceKey};
use shipload_node::{Executed, Identity, Node, Now, Peer, Step, Worker};
use shipload_wire::{Cut, Limits, frame, request};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

/// An engine with an empty memory namespace, as the recorded server had it.
struct Engine {
    node: Node,
    worker: Worker,
    now: Now,
}

impl Engine {
    fn start() -> Engine {
        let mut config = Config::new();
        let namespace = config.add_namespace("test").unwrap();
        namespace.keys.put(NamespaceKey::NsupPeriod, "120").unwrap();
        let node = Node::new(config, Identity { node_id: 0xA1, cluster_key: 0xC1 }).unwrap();
        let worker = node.worker();
        let now = Now { unix_ns: 1_790_000_000_000_000_000, mono_ns: 5_000_000_000 };
        let mut engine = Engine { node, worker, now };
        let setup = load_setup(&folder()).unwrap();
        let lines: Vec<&str> = setup.iter().map(String::as_str).collect();
        let mut frame = Vec::new();
        request::info(&mut frame, &lines);
        engine.ask(&frame);
        engine
    }

    fn ask(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Engine { node, worker, now } = self;
        now.unix_ns += 1_000_000;
        now.mono_ns += 1_000_000;
        let peer =
            Peer { address: "127.0.0.1:40000".parse().unwrap(), local: "127.0.0.1:3000".parse().unwrap() };
        let mut out = Vec::new();
        let Cut::Frame { frame, .. } = frame::cut(bytes, &Limits::default()) else { return out };
        match node.execute(worker, &frame, &peer, *now, &mut out) {
            Executed::Done { .. } | Executed::Parked | Executed::Close => {}
            Executed::Query(mut job) => loop {
                match job.step(node, worker, *now, &mut out, 4096) {
                    Step::More => {}
                    Step::WaitUntilMono(until) => now.mono_ns = until,
                    Step::Done => break,
                }
            },
        }
        out
    }

    /// The first step of a case that differs, with an explanation.
    fn play(&mut self, case: &Case) -> Option<(usize, String)> {
        let mut first = None;
        for (number, step) in case.steps.iter().enumerate() {
            let got = self.ask(&step.request);
            if first.is_none() && !step.accepts(&got) {
                first = Some((number, explain(step, &got)));
            }
        }
        first
    }
}

/// Plays files; panics when any case differs that the table doesn't know, or the table is stale.
fn must_agree(files: &[&str]) {
    let mut engine = Engine::start();
    let mut known = Known::load(&folder().join("known-differences.txt")).unwrap();
    let mut unexpected = Vec::new();
    for file in files {
        let cases = load(&folder().join(format!("{file}.jsonl.gz"))).unwrap();
        let (mut passed, mut expected) = (0, 0);
        for case in &cases {
            let difference = engine.play(case);
            let covered = known.note(&case.name, difference.is_some());
            match difference {
                None => passed += 1,
                Some(_) if covered => expected += 1,
                Some((step, text)) => unexpected.push(format!("{} step {step}\n{text}", case.name)),
            }
        }
        println!("{file}: {passed} passed, {expected} known differences, of {}", cases.len());
    }
    let shown: String = unexpected.iter().take(12).map(String::as_str).collect();
    assert!(unexpected.is_empty(), "{} cases differ:\n{shown}", unexpected.len());
    assert!(known.stale().is_empty(), "these do not differ any more: {:#?}", known.stale());
}

#[test]
fn single_records() {
    must_agree(&["kv", "policies-ttl-generation", "operate"]);
}

#[test]
fn batches_and_scans() {
    must_agree(&["batch", "scan"]);
}

#[test]
fn collections_bits_and_sketches() {
    must_agree(&["list", "list-nested", "map", "map-nested", "bit", "hll"]);
}

#[test]
fn shapes_and_index_queries() {
    must_agree(&["geo-values", "sindex-query"]);
}

#[test]
fn functions() {
    must_agree(&["udf"]);
}

#[test]
fn expressions() {
    must_agree(&["expressions"]);
}
