//! Flags of expression operations, as recorded from a real server.

use super::super::packing::{NOW, Sample, array, bin, int, known, op, truth};
use super::{ExpModify, ExpRead};
use crate::cdt::Change;
use crate::{OwnedParticle, Refusal};

/// What becomes of an existing (or missing) bin.
fn modify(expression: &[u8], flags: i64, exists: bool) -> Result<Change, Refusal> {
    ExpModify::compile(&array(&[expression.to_vec(), int(flags)]))?.run(&Sample, NOW, exists)
}

fn read(payload: &[u8]) -> Result<Option<OwnedParticle>, Refusal> {
    ExpRead::compile(payload)?.run(&Sample, NOW)
}

#[test]
fn reads_forgive_the_unknown_when_asked() {
    let unknown = known(None);
    assert_eq!(read(&array(&[unknown.clone(), int(0)])), Err(Refusal::NotApplicable));
    assert_eq!(read(&array(&[unknown, int(16)])), Ok(None));
    assert_eq!(read(&array(&[bin(2, "i")])), Ok(Some(OwnedParticle::integer(7))));
    assert_eq!(read(&array(&[vec![0xc0], int(0)])), Ok(None));
}

#[test]
fn payloads_are_checked() {
    let value = bin(2, "i");
    for payload in [
        vec![],
        value.clone(),
        array(&[]),
        array(&[value.clone(), int(0), int(0)]),
        array(&[value.clone(), int(1)]),
        array(&[value.clone(), truth(true)]),
        array(&[op(20, &[]), int(0)]),
    ] {
        assert_eq!(read(&payload), Err(Refusal::Parameter), "{payload:x?}");
    }
    assert_eq!(modify(&value, 32, true), Err(Refusal::Parameter));
}

#[test]
fn policies_come_before_the_value() {
    for expression in [bin(2, "i"), op(0, &[]), vec![0xc0]] {
        assert_eq!(modify(&expression, 1, true), Err(Refusal::BinExists));
        assert_eq!(modify(&expression, 2, false), Err(Refusal::BinNotFound));
        assert_eq!(modify(&expression, 3, true), Err(Refusal::BinExists));
        assert_eq!(modify(&expression, 3, false), Err(Refusal::BinNotFound));
        assert_eq!(modify(&expression, 1 | 8, true), Ok(Change::Keep));
        assert_eq!(modify(&expression, 2 | 8, false), Ok(Change::Keep));
        assert_eq!(modify(&expression, 1 | 16, true), Err(Refusal::BinExists));
    }
    assert_eq!(modify(&bin(2, "i"), 1, false), Ok(Change::Set(OwnedParticle::integer(7))));
    assert_eq!(modify(&bin(2, "i"), 2, true), Ok(Change::Set(OwnedParticle::integer(7))));
}

#[test]
fn nil_deletes_only_when_allowed() {
    let nil = [0xc0];
    for flags in [0, 1, 4, 8, 16, 24] {
        assert_eq!(modify(&nil, flags, false), Ok(Change::Keep), "{flags}");
    }
    assert_eq!(modify(&nil, 0, true), Err(Refusal::NotApplicable));
    assert_eq!(modify(&nil, 2, true), Err(Refusal::NotApplicable));
    assert_eq!(modify(&nil, 4, true), Ok(Change::Remove));
    for flags in [8, 16, 18, 24] {
        assert_eq!(modify(&nil, flags, true), Ok(Change::Keep), "{flags}");
    }
}

#[test]
fn an_unknown_value_is_refused_unless_forgiven() {
    for exists in [false, true] {
        for flags in [0, 4, 8] {
            assert_eq!(modify(&op(0, &[]), flags, exists), Err(Refusal::NotApplicable));
        }
        assert_eq!(modify(&op(0, &[]), 16, exists), Ok(Change::Keep));
    }
}
