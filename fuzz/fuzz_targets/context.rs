//! Contexts: the ways into containers that operations, path expressions and indexes take.
//!
//! Input: u16 size of a container's bytes (cut to what is there), u8 size of an operation's bytes, the container, the
//! operation, then the context. Checked besides not crashing: what is changed inside stays admissible and canonical,
//! reading changes nothing and finds the same twice, and a context that an index may have leads where a read goes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipload_value::cdt::{self, Change, Modified};
use shipload_value::{OwnedParticle, Refusal, admit, describe, strings};

/// A way to change a bin.
type Modify = fn(Option<shipload_value::Particle<'_>>, &[u8]) -> Result<Modified, Refusal>;

fuzz_target!(|input: &[u8]| {
    let [high, low, operation_size, rest @ ..] = input else { return };
    let size = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    let (container, rest) = rest.split_at(size);
    let (operation, context) = rest.split_at(usize::from(*operation_size).min(rest.len()));
    let _ = (describe::context(context), cdt::is_context(context));
    // An operation at the end of the context, a selecting path with any mode, and one that replaces what it finds.
    let within = [b"\x93\xcc\xff", context, operation].concat();
    let select = |mode: u8| [b"\x93\xcc\xfe", context, &[mode & 0x1f]].concat();
    let replace = |flags: u8| [b"\x94\xcc\xfe", context, &[flags & 0x14], operation].concat();
    for kind in [19, 20] {
        let Some(stored) = store(kind, container) else { continue };
        let bin = Some(stored.as_particle());
        for payload in [within.clone(), select(*operation_size), operation.to_vec()] {
            assert_eq!(cdt::read(bin, &payload), cdt::read(bin, &payload), "the same question has the same answer");
            let _ = strings::read(bin, &payload);
        }
        for payload in [within.clone(), replace(*operation_size), operation.to_vec()] {
            for modify in [cdt::modify as Modify, strings::modify] {
                if let Ok(Modified { bin: Change::Set(changed), .. }) = modify(bin, &payload) {
                    check(&changed);
                }
            }
        }
        if cdt::is_context(context) {
            let found = cdt::find(stored.as_particle(), context);
            assert!(found.is_none_or(|found| found.len() <= stored.bytes.len()));
        }
    }
    // A missing bin: what create flags build.
    if let Ok(Modified { bin: Change::Set(created), .. }) = cdt::modify(None, &within) {
        check(&created);
    }
});

/// The value as a write would store it; none when it is refused.
fn store(kind: u8, bytes: &[u8]) -> Option<OwnedParticle> {
    let mut stored = Vec::new();
    let kind = admit(kind, bytes, &mut stored).ok()??;
    Some(OwnedParticle { kind, bytes: stored })
}

/// A stored value is one that a write would store unchanged.
fn check(stored: &OwnedParticle) {
    let mut again = Vec::new();
    let kind = admit(stored.kind.number(), &stored.bytes, &mut again);
    assert_eq!(kind, Ok(Some(stored.kind)), "admissible: {stored:02x?}");
    assert_eq!(again, stored.bytes, "canonical");
}
