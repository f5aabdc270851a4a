//! Expressions: small typed programs that clients send along, to filter records or to compute values.
//!
//! Guarantees: [`Program::compile`] refuses whatever a real server refuses before it looks at a record (unknown
//! codes, wrong counts, mixed types, undefined variables); a compiled program never panics, never fails: it gives a
//! value or is [`Unknown`]. Nesting is bounded, so neither step can exhaust the stack.
//!
//! How: packed bytes become a tree of [`node::Node`]s with all names resolved and all constants decoded, each with a
//! static [`Kind`]. Evaluation walks the tree; values borrow from the record and the program.
//! What a record is stays behind [`RecordView`], and the time comes in as [`Clock`].
//!
//! Source: `guide/protocol.md` parts 6 and 12.4.

mod arithmetic;
mod call;
mod compare;
mod compile;
mod evaluate;
mod kind;
mod metadata;
mod node;
pub mod operation;
mod payload;
mod posix;
mod signature;
mod value;

#[cfg(test)]
mod expr_tests;
#[cfg(test)]
mod interpreter_tests;
#[cfg(test)]
mod packing;
#[cfg(test)]
mod robustness_tests;

pub use kind::Kind;

use crate::{Digest, OwnedParticle, Particle, Refusal};
use evaluate::Scope;
use node::Node;
use thiserror::Error;
use value::Value;

/// What an expression may ask about a record.
pub trait RecordView {
    /// The bin of this name.
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>>;
    /// What is known about the record besides its bins; none when there is no record (yet).
    fn meta(&self) -> Option<Meta<'_>>;
}

/// A record's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta<'a> {
    /// The record's digest.
    pub digest: Digest,
    /// The set's name; empty without a set.
    pub set_name: &'a [u8],
    /// The stored user key: particle type number and bytes.
    pub key: Option<(u8, &'a [u8])>,
    /// When the record expires, in seconds since 2010-01-01; 0 is never.
    pub void_time: u32,
    /// When the record was last written, in milliseconds since the Unix epoch.
    pub last_update_ms: u64,
    /// Bytes that the record takes.
    pub record_size: u64,
}

/// The moment at which an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// The child that a path operation is looking at; its parts are what loop variables stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Element<'a> {
    /// The encoded map key, in a map.
    pub key: Option<&'a [u8]>,
    /// The encoded value.
    pub value: Option<&'a [u8]>,
    /// The position, in a list.
    pub index: Option<i64>,
}

/// What a filter says of a record. Only true lets it through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// The record passes.
    True,
    /// The record is filtered out.
    False,
    /// It can't be decided, for example because a bin is missing; filtered out as well.
    Unknown,
}

/// An expression has no value for this record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the expression is unknown")]
pub struct Unknown;

/// What a path operation puts in the place of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    /// This encoded value.
    Value(Vec<u8>),
    /// Nothing: the element is removed.
    Removed,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Program {
    root: Node,
    kind: Kind,
}

impl Program {
    /// Compiles a packed expression of any type. Everything that is wrong with it is a bad parameter.
    pub fn compile(packed: &[u8]) -> Result<Program, Refusal> {
        let (root, kind) = compile::whole(packed)?;
        Ok(Program { root, kind })
    }

    /// Compiles a packed expression that must be boolean (or unknown) for use as a filter.
    pub fn compile_filter(packed: &[u8]) -> Result<Program, Refusal> {
        let program = Program::compile(packed)?;
        if program.kind.fits(Kind::Bool) { Ok(program) } else { Err(Refusal::Parameter) }
    }

    /// The static type of the result.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the program, as a filter, says of a record.
    #[must_use]
    pub fn filter(&self, record: &dyn RecordView, now: Clock) -> Truth {
        self.filter_element(record, now, None)
    }

    /// What the program, as a filter inside a path operation, says of an element.
    #[must_use]
    pub fn filter_element(&self, record: &dyn RecordView, now: Clock, element: Option<Element<'_>>) -> Truth {
        match Scope::new(record, now, element).value(&self.root) {
            Ok(Value::Bool(true)) => Truth::True,
            Ok(Value::Bool(false)) => Truth::False,
            Ok(_) | Err(Unknown) => Truth::Unknown,
        }
    }

    /// The value of the program for a record, in stored form; none is nil.
    pub fn evaluate(&self, record: &dyn RecordView, now: Clock) -> Result<Option<OwnedParticle>, Unknown> {
        Scope::new(record, now, None).value(&self.root)?.into_particle()
    }

    /// The value of the program for a record as a float; none for anything else.
    #[must_use]
    pub fn float(&self, record: &dyn RecordView, now: Clock) -> Option<f64> {
        match Scope::new(record, now, None).value(&self.root) {
            Ok(Value::Float(value)) => Some(value),
            Ok(_) | Err(Unknown) => None,
        }
    }

    /// What a path operation puts in the place of an element.
    pub fn replace(
        &self,
        record: &dyn RecordView,
        now: Clock,
        element: Element<'_>,
    ) -> Result<Replacement, Unknown> {
        let value = Scope::new(record, now, Some(element)).value(&self.root)?;
        if matches!(value, Value::Removed) {
            return Ok(Replacement::Removed);
        }
        let mut encoded = Vec::new();
        value.write(&mut encoded)?;
        Ok(Replacement::Value(encoded))
    }
}
