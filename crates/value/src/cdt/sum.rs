//! Adding to a number inside a container.

use crate::Refusal;
use crate::msgpack::{Item, Reader, writer};

/// What is added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Delta {
    /// An integer; sums wrap at 64 bits.
    Int(i64),
    /// A double.
    Double(f64),
}

impl Delta {
    /// The delta in an argument; without one, or with nil, it is 1.
    pub(super) fn argument(argument: Option<&[u8]>) -> Result<Delta, Refusal> {
        let Some(argument) = argument else { return Ok(Delta::Int(1)) };
        match number(argument)? {
            None => Ok(Delta::Int(1)),
            Some(delta) => Ok(delta),
        }
    }

    /// The same with the other sign.
    pub(super) fn negated(self) -> Delta {
        match self {
            Delta::Int(value) => Delta::Int(value.wrapping_neg()),
            Delta::Double(value) => Delta::Double(-value),
        }
    }

    /// The encoded sum; without an element it is the delta. The element's type stays: an integer takes the whole
    /// part of a double, a double takes an integer as a double.
    pub(super) fn added_to(self, element: Option<&[u8]>) -> Result<Vec<u8>, Refusal> {
        let sum = match element {
            None => self,
            Some(element) => match (number(element)?.ok_or(Refusal::Parameter)?, self) {
                (Delta::Int(old), Delta::Int(delta)) => Delta::Int(old.wrapping_add(delta)),
                (Delta::Int(old), Delta::Double(delta)) => Delta::Int(old.wrapping_add(whole(delta))),
                (Delta::Double(old), Delta::Int(delta)) => Delta::Double(old + as_double(delta)),
                (Delta::Double(old), Delta::Double(delta)) => Delta::Double(old + delta),
            },
        };
        let mut out = Vec::with_capacity(9);
        match sum {
            Delta::Int(value) => writer::int(&mut out, value),
            Delta::Double(value) => writer::double(&mut out, value),
        }
        Ok(out)
    }
}

/// An encoded number; none is nil, anything else is refused.
fn number(encoded: &[u8]) -> Result<Option<Delta>, Refusal> {
    match Reader::new(encoded).read().map_err(|_| Refusal::Parameter)? {
        Item::Nil => Ok(None),
        Item::Int(value) => Ok(Some(Delta::Int(value))),
        Item::Uint(value) => Ok(Some(Delta::Int(value.cast_signed()))),
        Item::Double(value) => Ok(Some(Delta::Double(value))),
        Item::Bool(_) | Item::Bytes(_) | Item::Array(_) | Item::Map(_) | Item::Ext { .. } => {
            Err(Refusal::Parameter)
        }
    }
}

/// A double without its fraction; what does not fit becomes the nearest integer that exists.
#[allow(clippy::cast_possible_truncation)]
fn whole(value: f64) -> i64 {
    value as i64
}

#[allow(clippy::cast_precision_loss)]
fn as_double(value: i64) -> f64 {
    value as f64
}
