//! The payload of a call: an operation whose arguments may be expressions themselves.
//!
//! An argument that is an array is an expression (literal lists are quoted); everything else stands for itself, as
//! do the context and path expressions. In operations on strings the elements of a quoted list may be expressions too. At run time the pieces become one plain payload again, which is what
//! the called module knows.

use super::Unknown;
use super::compile::Compiler;
use super::evaluate::Scope;
use super::node::{Node, System};
use super::value::Value;
use crate::Refusal;
use crate::msgpack::{Item, Malformed, writer};
use std::borrow::Cow;

/// First element of a payload with a context.
const WITH_CONTEXT: i64 = 0xff;
/// First element of a path operation.
const PATH: i64 = 0xfe;

/// The code of a quoted list.
const QUOTE: i64 = 126;

/// A payload in pieces.
#[derive(Debug, Default)]
pub(super) struct Payload {
    /// Arguments that depend on the record, each with the fixed bytes before it.
    computed: Vec<(Vec<u8>, Node)>,
    /// The fixed bytes behind the last of them.
    tail: Vec<u8>,
    /// Whether this is a path operation.
    is_path: bool,
}

impl Payload {
    /// Reads the payload of a call.
    pub(super) fn compile(compiler: &mut Compiler<'_>, system: System) -> Result<Payload, Refusal> {
        let mut payload = Payload::default();
        let start = compiler.reader;
        let count = compiler.reader.array_head().map_err(bad)?;
        if count == 0 {
            return Err(Refusal::Parameter);
        }
        match compiler.reader.peek().map_err(bad)?.as_int() {
            Some(PATH) => {
                compiler.reader = start;
                payload.is_path = true;
                payload.copy(compiler)?;
            }
            Some(WITH_CONTEXT) => {
                if count != 3 {
                    return Err(Refusal::Parameter);
                }
                writer::array_head(&mut payload.tail, 3);
                payload.copy(compiler)?;
                payload.copy(compiler)?;
                let count = compiler.reader.array_head().map_err(bad)?;
                payload.operation(compiler, count, system)?;
            }
            Some(_) => payload.operation(compiler, count, system)?,
            None => return Err(Refusal::Parameter),
        }
        Ok(payload)
    }

    /// Whether this is a path operation, which runs expressions of its own.
    pub(super) fn is_path(&self) -> bool {
        self.is_path
    }

    /// The plain payload for a record, as the called module knows it.
    pub(super) fn build<'r>(
        &'r self,
        system: System,
        scope: &mut Scope<'r>,
    ) -> Result<Cow<'r, [u8]>, Unknown> {
        if self.computed.is_empty() {
            return Ok(Cow::Borrowed(&self.tail));
        }
        let mut out = Vec::new();
        for (before, node) in &self.computed {
            out.extend_from_slice(before);
            let value = scope.value(node)?;
            // HLL operations take lists of HLLs; in an expression one may stand for a list of itself.
            if system == System::Hll && matches!(value, Value::Hll(_)) {
                writer::array_head(&mut out, 1);
            }
            value.write(&mut out)?;
        }
        out.extend_from_slice(&self.tail);
        Ok(Cow::Owned(out))
    }

    /// An operation code and its arguments.
    fn operation(&mut self, compiler: &mut Compiler<'_>, count: u32, system: System) -> Result<(), Refusal> {
        writer::array_head(&mut self.tail, usize::try_from(count).map_err(|_| Refusal::Parameter)?);
        if count == 0 || compiler.reader.peek().map_err(bad)?.as_int().is_none() {
            return Err(Refusal::Parameter);
        }
        self.copy(compiler)?;
        for _ in 1..count {
            if system != System::Strings || !self.quoted(compiler)? {
                self.one(compiler)?;
            }
        }
        Ok(())
    }

    /// One argument.
    fn one(&mut self, compiler: &mut Compiler<'_>) -> Result<(), Refusal> {
        if matches!(compiler.reader.peek().map_err(bad)?, Item::Array(_)) {
            self.argument(compiler)
        } else {
            self.copy(compiler)
        }
    }

    /// A quoted list whose elements are arguments themselves; false and nothing read when there is none.
    fn quoted(&mut self, compiler: &mut Compiler<'_>) -> Result<bool, Refusal> {
        let mut ahead = compiler.reader;
        let is_quoted = ahead.array_head() == Ok(2) && ahead.int() == Ok(QUOTE);
        let Ok(count) = ahead.array_head() else { return Ok(false) };
        if !is_quoted {
            return Ok(false);
        }
        compiler.reader = ahead;
        writer::array_head(&mut self.tail, usize::try_from(count).map_err(|_| Refusal::Parameter)?);
        (0..count).try_for_each(|_| self.one(compiler))?;
        Ok(true)
    }

    /// An argument that is an expression; constants are encoded at once.
    fn argument(&mut self, compiler: &mut Compiler<'_>) -> Result<(), Refusal> {
        let (node, _) = compiler.expression()?;
        if let Node::Literal(value) = &node {
            return Value::write(value, &mut self.tail).map_err(|Unknown| Refusal::Parameter);
        }
        let before = std::mem::take(&mut self.tail);
        self.computed.push((before, node));
        Ok(())
    }

    /// One value as it is.
    fn copy(&mut self, compiler: &mut Compiler<'_>) -> Result<(), Refusal> {
        let bytes = compiler.reader.take().map_err(bad)?;
        self.tail.extend_from_slice(bytes);
        Ok(())
    }
}

fn bad(_: Malformed) -> Refusal {
    Refusal::Parameter
}
