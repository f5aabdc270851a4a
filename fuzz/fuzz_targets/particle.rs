//! Values: what a write may store, operations on what is stored, and expressions over it.
//!
//! Input: particle type, u16 size of the bin's bytes (cut to what is there), the bin's bytes, then an operand: the
//! argument of an operation or a packed expression. Checked besides not crashing: whatever an operation stores (an
//! expression aside) is admissible and canonical, so that it could have been written as it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipload_value::cdt::{self, Change, Modified};
use shipload_value::expr::operation::{ExpModify, ExpRead};
use shipload_value::expr::{Clock, Meta, Program, RecordView, Truth};
use shipload_value::{Digest, OwnedParticle, Particle, Refusal, admit, bits, hll, number, strings, text};

/// Seconds and milliseconds of a fixed moment.
const NOW: Clock = Clock { unix_ms: 1_800_000_000_000 };

fuzz_target!(|input: &[u8]| {
    let [kind, high, low, rest @ ..] = input else { return };
    let size = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    let (bytes, operand) = rest.split_at(size);
    let stored = store(*kind, bytes);
    let bin = stored.as_ref().map(OwnedParticle::as_particle);
    scalars(bin, operand);
    containers(bin, operand);
    expressions(bin, operand);
});

/// The value as a write would store it; none when it is refused or nil.
fn store(kind: u8, bytes: &[u8]) -> Option<OwnedParticle> {
    let mut stored = Vec::new();
    let kind = admit(kind, bytes, &mut stored).ok()??;
    let stored = OwnedParticle { kind, bytes: stored };
    check(&stored);
    Some(stored)
}

/// A stored value is one that a write would store unchanged.
fn check(stored: &OwnedParticle) {
    let mut again = Vec::new();
    let kind = admit(stored.kind.number(), &stored.bytes, &mut again);
    assert_eq!(kind, Ok(Some(stored.kind)), "admissible: {stored:02x?}");
    assert_eq!(again, stored.bytes, "canonical");
}

fn check_change(change: Result<Change, Refusal>) {
    if let Ok(Change::Set(stored)) = change {
        check(&stored);
    }
}

fn scalars(bin: Option<Particle<'_>>, operand: &[u8]) {
    for kind in 0..=4 {
        let _ = number::increment(bin, kind, operand).inspect(check);
        let _ = text::append(bin, kind, operand).inspect(check);
        let _ = text::prepend(bin, kind, operand).inspect(check);
    }
}

fn containers(bin: Option<Particle<'_>>, operand: &[u8]) {
    let _ = strings::to_string(bin);
    for read in [cdt::read, bits::read, hll::read, strings::read] {
        let _ = read(bin, operand);
    }
    for modify in [cdt::modify, bits::modify, hll::modify, strings::modify] {
        check_change(modify(bin, operand).map(|Modified { bin, .. }| bin));
    }
}

fn expressions(bin: Option<Particle<'_>>, operand: &[u8]) {
    let record = Record { bin };
    if let Ok(program) = Program::compile(operand) {
        let truth = program.filter(&record, NOW);
        assert_eq!(truth, program.filter(&record, NOW), "the same question has the same answer");
        assert!(Program::compile_filter(operand).is_ok() || truth == Truth::Unknown);
        let _ = program.evaluate(&record, NOW);
    }
    if let Ok(operation) = ExpRead::compile(operand) {
        let _ = operation.run(&record, NOW);
    }
    if let Ok(operation) = ExpModify::compile(operand)
        && let Ok(Change::Set(stored)) = operation.run(&record, NOW, bin.is_some())
    {
        // Constants of an expression are stored as they came, so the other operations must bear them.
        let bin = Some(stored.as_particle());
        let _ = (cdt::read(bin, operand), cdt::modify(bin, operand));
        let _ = (bits::read(bin, operand), bits::modify(bin, operand));
        let _ = (hll::read(bin, operand), hll::modify(bin, operand));
    }
}

/// A record in which every bin has the same value.
struct Record<'a> {
    bin: Option<Particle<'a>>,
}

impl RecordView for Record<'_> {
    fn bin(&self, _name: &[u8]) -> Option<Particle<'_>> {
        self.bin
    }

    fn meta(&self) -> Option<Meta<'_>> {
        self.bin.map(|_| Meta {
            digest: Digest([7; 20]),
            set_name: b"demo",
            key: Some((3, b"key")),
            void_time: 600_000_000,
            last_update_ms: 1_799_999_999_000,
            record_size: 100,
        })
    }
}
