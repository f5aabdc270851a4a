//! Replays the recorded list, map, bit and HLL operations against a record model that is just big enough.
//!
//! Needs the recorded cases: the folder in `SHIPLOAD_GOLDEN`, or `tests/golden` of the checkout. Without them there
//! is nothing to replay. Only result codes and reply operations are compared; generations and everything else of a
//! message are the engine's.

#![allow(clippy::unwrap_used, clippy::panic)]

mod model;

use model::{Answer, Model};
use std::path::PathBuf;

/// Cases that can't agree with the recorded server, by the start of their name, and why.
const EXCEPTIONS: &[(&str, &str)] = &[];

fn golden() -> Option<PathBuf> {
    let from_env = std::env::var_os("SHIPLOAD_GOLDEN").map(PathBuf::from);
    let in_checkout = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden"));
    from_env.or(Some(in_checkout)).filter(|folder| folder.join("list.jsonl").exists())
}

fn hex(text: &str) -> Vec<u8> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| u8::try_from(digit).unwrap());
    text.as_bytes().chunks(2).map(|pair| nibble(pair[0]).unwrap() << 4 | nibble(pair[1]).unwrap()).collect()
}

struct Tally {
    passed: usize,
    skipped: usize,
    failed: Vec<String>,
}

/// Replays the cases of a file that hold one of these operations.
fn replay(file: &str, operations: &[u8]) -> Option<Tally> {
    let path = golden()?.join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let mut tally = Tally { passed: 0, skipped: 0, failed: Vec::new() };
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = case["case"].as_str().unwrap().to_owned();
        if EXCEPTIONS.iter().any(|(start, _)| name.starts_with(start)) {
            tally.skipped += 1;
            continue;
        }
        match play(case["steps"].as_array().unwrap(), operations) {
            Outcome::Agrees => tally.passed += 1,
            Outcome::OutOfScope => tally.skipped += 1,
            Outcome::Differs(text) => tally.failed.push(format!("{name}\n{text}")),
        }
    }
    println!("{file}: {} passed, {} skipped, {} failed", tally.passed, tally.skipped, tally.failed.len());
    let shown = std::env::var("SHOW").ok().and_then(|count| count.parse().ok()).unwrap_or(10);
    tally.failed.iter().take(shown).for_each(|failed| println!("  {failed}"));
    Some(tally)
}

enum Outcome {
    Agrees,
    OutOfScope,
    Differs(String),
}

fn play(steps: &[serde_json::Value], operations: &[u8]) -> Outcome {
    let mut model = Model::default();
    let mut seen = false;
    let mut differences = String::new();
    for (number, step) in steps.iter().enumerate() {
        let request = hex(step["request"].as_str().unwrap());
        let response = hex(step["response"].as_str().unwrap());
        seen |= model::has_operation(&request, operations);
        let Some(ours) = model.serve(&request) else { return Outcome::OutOfScope };
        let theirs = Answer::decode(&response);
        if ours != theirs {
            let text = format!(
                "   step {number}: {}\n     ours   {ours:?}\n     theirs {theirs:?}\n",
                model::show(&request)
            );
            differences.push_str(&text);
        }
    }
    match (seen, differences.is_empty()) {
        (false, _) => Outcome::OutOfScope,
        (true, true) => Outcome::Agrees,
        (true, false) => Outcome::Differs(differences),
    }
}

fn check(file: &str, operations: &[u8]) {
    if let Some(tally) = replay(file, operations) {
        assert!(tally.failed.is_empty(), "{} cases of {file} differ", tally.failed.len());
    }
}

#[test]
fn lists() {
    check("list.jsonl", &[3, 4]);
}

#[test]
fn nested_lists() {
    check("list-nested.jsonl", &[3, 4]);
}

#[test]
fn maps() {
    check("map.jsonl", &[3, 4]);
}

#[test]
fn nested_maps() {
    check("map-nested.jsonl", &[3, 4]);
}

#[test]
fn operate() {
    check("operate.jsonl", &[3, 4]);
}

#[test]
fn keys_and_values() {
    check("kv.jsonl", &[3, 4]);
}

#[test]
fn geo_values() {
    check("geo-values.jsonl", &[3, 4]);
}

#[test]
fn bits() {
    check("bit.jsonl", &[12, 13]);
}

#[test]
fn hlls() {
    check("hll.jsonl", &[15, 16]);
}
