//! One module in a pool, and records to call it on.
#![allow(clippy::panic, reason = "a test that fails says what it saw")]
#![allow(dead_code, reason = "each test file uses its own part of the helpers")]

use shipload_lua::record::Record;
use shipload_lua::{CallError, Library, Limits, LuaPool, Moment, Returned};
use shipload_value::{Digest, OwnedParticle, ParticleType};
use std::sync::Arc;

pub(crate) struct Modules(pub(crate) Vec<(&'static str, String)>);

impl Library for Modules {
    fn generation(&self) -> u64 {
        1
    }

    fn source(&self, module: &str) -> Option<Arc<[u8]>> {
        let found = self.0.iter().find(|(name, _)| *name == module);
        found.map(|(_, source)| Arc::from(source.as_bytes()))
    }
}

pub(crate) const NOW: Moment = Moment { unix_ms: 1_709_210_096_789 };
pub(crate) const NO_ARGS: &[u8] = &[0x90];

pub(crate) fn limits() -> Limits {
    Limits { instructions: 5_000_000, memory_bytes: 32 << 20, ..Limits::default() }
}

pub(crate) fn record(bins: &[(&str, OwnedParticle)]) -> Record {
    Record {
        exists: true,
        generation: 3,
        ttl_s: 100,
        last_update_ms: 1_700_000_000_000,
        size: 77,
        bins: bins.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())).collect(),
        ..Record::missing(Digest([7; 20]), b"demo")
    }
}

pub(crate) fn missing() -> Record {
    Record::missing(Digest([7; 20]), b"demo")
}

pub(crate) fn int(value: i64) -> OwnedParticle {
    OwnedParticle::integer(value)
}

pub(crate) fn particle(kind: ParticleType, bytes: &[u8]) -> OwnedParticle {
    OwnedParticle { kind, bytes: bytes.to_vec() }
}

pub(crate) fn string(text: &str) -> OwnedParticle {
    particle(ParticleType::String, text.as_bytes())
}

/// Calls `f` of a module on a record.
pub(crate) fn apply(source: &str, args: &[u8], record: Record) -> Returned {
    let pool = Arc::new(LuaPool::default());
    let library = Arc::new(Modules(vec![("m", source.to_owned())]));
    match pool.take(&library, "m", limits()) {
        Ok(mut lease) => lease.apply("f", args, record, NOW),
        Err(error) => Returned {
            value: Err(CallError::Failed(error.to_string())),
            change: Default::default(),
            log: Vec::new(),
            instructions: 0,
            is_too_long: false,
        },
    }
}

/// What a script's text evaluates to, called as the body of a function of a record with bins a = 5 and s = "x".
pub(crate) fn eval(body: &str) -> Result<Option<OwnedParticle>, CallError> {
    let source = format!("function f(rec, ...) {body} end");
    apply(&source, NO_ARGS, record(&[("a", int(5)), ("s", string("x"))])).value
}

/// The string that a script's text gives.
pub(crate) fn text(body: &str) -> String {
    match eval(body) {
        Ok(Some(value)) if value.kind == ParticleType::String => {
            String::from_utf8_lossy(&value.bytes).into_owned()
        }
        other => panic!("{body}: {other:?}"),
    }
}

/// Runs a script's text, which asserts by itself.
pub(crate) fn check(body: &str) {
    match eval(&format!("{body} return true")) {
        Ok(Some(value)) if value.kind == ParticleType::Bool => {}
        other => panic!("{other:?}\n{body}"),
    }
}

/// The error that a script's text raises.
pub(crate) fn error(body: &str) -> String {
    match eval(body) {
        Err(error) => error.to_string(),
        Ok(value) => panic!("{body}: {value:?}"),
    }
}
