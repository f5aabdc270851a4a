//! Control: conditions, variables, calls.

use super::super::Kind;
use super::super::node::{Call, Node, System};
use super::super::payload::Payload;
use super::{Compiler, Typed, bad, exactly};
use crate::Refusal;

/// Bit of a call's system number: modify a copy and give it as the result.
const MODIFY: i64 = 0x40;

impl Compiler<'_> {
    /// `test, action, test, action, ..., default`: all actions of one type.
    pub(super) fn cond(&mut self, operands: u32) -> Result<Typed, Refusal> {
        if operands < 3 || operands.is_multiple_of(2) {
            return Err(Refusal::Parameter);
        }
        let mut kind = Kind::Any;
        let mut cases = Vec::new();
        for _ in 0..operands / 2 {
            let test = self.operand(Kind::Bool)?;
            cases.push((test, self.action(&mut kind)?));
        }
        let default = self.action(&mut kind)?;
        Ok((Node::Cond(cases, Box::new(default)), kind))
    }

    /// One action, whose type must agree with those before it.
    fn action(&mut self, kind: &mut Kind) -> Result<Node, Refusal> {
        let (node, own) = self.expression()?;
        *kind = kind.common(own).ok_or(Refusal::Parameter)?;
        Ok(node)
    }

    /// `name, value, name, value, ..., body`: each definition sees those before it.
    pub(super) fn definitions(&mut self, operands: u32) -> Result<Typed, Refusal> {
        if operands < 3 || operands.is_multiple_of(2) {
            return Err(Refusal::Parameter);
        }
        let outer = self.variables.len();
        let mut values = Vec::new();
        for _ in 0..operands / 2 {
            let name = self.reader.bytes().map_err(bad)?;
            let (node, kind) = self.expression()?;
            if self.variables.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::Parameter);
            }
            values.push(node);
            self.variables.push((name, kind));
        }
        let (body, kind) = self.expression()?;
        self.variables.truncate(outer);
        Ok((Node::Let(values, Box::new(body)), kind))
    }

    pub(super) fn variable(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 1)?;
        let name = self.reader.bytes().map_err(bad)?;
        let place = self.variables.iter().position(|(known, _)| *known == name).ok_or(Refusal::Parameter)?;
        let kind = self.variables.get(place).map_or(Kind::Any, |(_, kind)| *kind);
        Ok((Node::Variable(place), kind))
    }

    /// `type, system, operation, bin`.
    pub(super) fn call(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 4)?;
        let kind = self.kind()?;
        let number = self.int()?;
        let (system, containers) = match number & !MODIFY {
            0 => (System::Cdt, &[Kind::List, Kind::Map][..]),
            1 => (System::Bits, &[Kind::Blob][..]),
            2 => (System::Hll, &[Kind::Hll][..]),
            3 => (System::Strings, &[Kind::Text][..]),
            _ => return Err(Refusal::Parameter),
        };
        let payload = Payload::compile(self, system)?;
        let (bin, bin_kind) = self.expression()?;
        let modify = number & MODIFY != 0;
        // An HLL may begin from a literal nil: there is no other way to make one in an expression.
        let begins = modify && matches!(system, System::Hll) && bin_kind == Kind::Nil;
        if !begins && !containers.iter().any(|container| bin_kind.fits(*container)) {
            return Err(Refusal::Parameter);
        }
        let call = Call { kind, system, modify, payload, bin };
        Ok((Node::Call(Box::new(call)), kind))
    }
}
