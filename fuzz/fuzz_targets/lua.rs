//! Functions in Lua: a module's text, the arguments of a call, and the bins of the record that it gets.
//!
//! Input: u8 size of the arguments, u8 size of a bin's bytes, a bin's type, the arguments, the bin, then the module; the
//! module is taken as it is, and as the body of a function. Checked besides not crashing: a call ends within its
//! instructions, and what it would store is admissible.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipload_lua::record::Record;
use shipload_lua::{Library, Limits, LuaPool, Moment, compile};
use shipload_value::{Digest, OwnedParticle, ParticleType, admit};
use std::sync::Arc;

const NOW: Moment = Moment { unix_ms: 1_800_000_000_000 };
const LIMITS: Limits = Limits { instructions: 20_000, memory_bytes: 4 << 20, time_ns: 0 };
/// Instructions that one call may take above its limit: one step of the hook, and what a library function costs.
const MARGIN: u64 = 10_000_000;

struct Modules(Vec<u8>);

impl Library for Modules {
    fn generation(&self) -> u64 {
        1
    }

    fn source(&self, module: &str) -> Option<Arc<[u8]>> {
        (module == "m").then(|| Arc::from(self.0.as_slice()))
    }
}

fuzz_target!(|input: &[u8]| {
    let [args_size, bin_size, kind, rest @ ..] = input else { return };
    let (args, rest) = rest.split_at(usize::from(*args_size).min(rest.len()));
    let (bytes, source) = rest.split_at(usize::from(*bin_size).min(rest.len()));
    let mut stored = Vec::new();
    let kind = admit(*kind % 25, bytes, &mut stored).ok().flatten();
    let bin = kind.map(|kind| OwnedParticle { kind, bytes: stored });
    let _ = compile("m.lua", source);
    call(source, args, bin.as_ref());
    let body = [b"function f(rec, x, y) ", source, b"\nend function s(stream, x) return stream : map(f) end"].concat();
    call(&body, args, bin.as_ref());
});

fn call(source: &[u8], args: &[u8], bin: Option<&OwnedParticle>) {
    let pool = Arc::new(LuaPool::default());
    let library = Arc::new(Modules(source.to_vec()));
    let Ok(mut lease) = pool.take(&library, "m", LIMITS) else { return };
    let mut record = Record::missing(Digest([7; 20]), b"demo");
    record.exists = bin.is_some();
    record.bins.extend(bin.map(|bin| (b"a".to_vec(), bin.clone())));
    let returned = lease.apply("f", args, record.clone(), NOW);
    assert!(returned.instructions <= LIMITS.instructions + MARGIN, "{} instructions", returned.instructions);
    if let Ok(Some(value)) = &returned.value {
        check(value);
    }
    for (_, value) in &returned.change.bins {
        value.iter().for_each(check);
    }
    if let Ok(run) = lease.open("s", args, NOW) {
        let _ = lease.push(&run, record, NOW);
        let _ = lease.finish(&run, NOW);
    }
}

/// What leaves Lua is what a write would store. GeoJSON is looked at only when it is stored, and refused then.
fn check(value: &OwnedParticle) {
    if value.kind == ParticleType::GeoJson {
        return;
    }
    let mut again = Vec::new();
    let kind = admit(value.kind.number(), &value.bytes, &mut again);
    assert_eq!(kind, Ok(Some(value.kind)), "admissible: {value:02x?}");
}
