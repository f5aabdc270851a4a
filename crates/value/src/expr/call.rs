//! Calls: operations of other modules on the value of an expression.
//!
//! The called module gets a bin and a plain payload, as it would from an operate command; whatever it refuses makes
//! the call unknown. A modifying call works on a copy: its result is the whole new value.
//!
//! This file is the only place here that knows the other modules.

use super::evaluate::Scope;
use super::node::{Call, System};
use super::value::Value;
use super::{Kind, Unknown};
use crate::cdt::{self, Change, Modified};
use crate::{OwnedParticle, Particle, ParticleType, Refusal, bits, hll, strings};

/// The result of a call, which must have the type that the call declares.
pub(super) fn run<'r>(call: &'r Call, scope: &mut Scope<'r>) -> Result<Value<'r>, Unknown> {
    // A path inside a path would be a loop in a loop, to any depth that fits a message.
    if call.payload.is_path() && scope.is_inside_path() {
        return Err(Unknown);
    }
    let bin = scope.value(&call.bin)?;
    let payload = call.payload.build(call.system, scope)?;
    let particle = particle(&bin);
    let begins = call.modify && matches!((call.system, &bin), (System::Hll, Value::Nil));
    if particle.is_none() && !begins {
        return Err(Unknown);
    }
    let result = if call.modify {
        match modify(call.system, particle, &payload, scope).map_err(|_| Unknown)?.bin {
            Change::Keep => return typed(bin, call.kind),
            Change::Set(result) => Some(result),
            Change::Remove => None,
        }
    } else {
        read(call.system, particle, &payload, scope).map_err(|_| Unknown)?
    };
    let result = result.ok_or(Unknown)?;
    typed(Value::of_particle(result.as_particle()).into_owned(), call.kind)
}

fn read(
    system: System,
    bin: Option<Particle<'_>>,
    payload: &[u8],
    scope: &Scope<'_>,
) -> Result<Option<OwnedParticle>, Refusal> {
    match system {
        System::Cdt => cdt::read_in(bin, payload, scope.record, scope.now),
        System::Bits => bits::read(bin, payload),
        System::Hll => hll::read(bin, payload),
        System::Strings => strings::read(bin, payload),
    }
}

fn modify(
    system: System,
    bin: Option<Particle<'_>>,
    payload: &[u8],
    scope: &Scope<'_>,
) -> Result<Modified, Refusal> {
    match system {
        System::Cdt => cdt::modify_in(bin, payload, scope.record, scope.now),
        System::Bits => bits::modify(bin, payload),
        System::Hll => hll::modify(bin, payload),
        System::Strings => strings::modify(bin, payload),
    }
}

fn typed(value: Value<'_>, kind: Kind) -> Result<Value<'_>, Unknown> {
    if value.kind().fits(kind) { Ok(value) } else { Err(Unknown) }
}

/// The value as the bin that an operation works on.
fn particle<'a>(value: &'a Value<'_>) -> Option<Particle<'a>> {
    let (kind, bytes) = match value {
        Value::List(bytes) => (ParticleType::List, bytes),
        Value::Map(bytes) => (ParticleType::Map, bytes),
        Value::Blob(kind, bytes) => (*kind, bytes),
        Value::Hll(bytes) => (ParticleType::Hll, bytes),
        Value::Text(bytes) => (ParticleType::String, bytes),
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Geo(_) | Value::Removed => {
            return None;
        }
    };
    Some(Particle { kind, bytes })
}
