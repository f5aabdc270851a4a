//! Walks the tree for one record.
//!
//! An operand without a value makes its operation unknown, except where the result is certain without it: false
//! decides an `and`, true decides an `or`, and a condition only looks at what it needs.

use super::node::{LoopPart, Node};
use super::value::Value;
use super::{Clock, Element, Kind, RecordView, Unknown, arithmetic, call, compare, metadata};
use crate::msgpack::{Reader, writer};
use crate::{ParticleType, strings};
use smallvec::SmallVec;
use std::borrow::Cow;

/// What a running program sees: the record, the time, the element and its variables.
pub(super) struct Scope<'r> {
    pub(super) record: &'r dyn RecordView,
    pub(super) now: Clock,
    element: Option<Element<'r>>,
    variables: Vec<Result<Value<'r>, Unknown>>,
}

impl<'r> Scope<'r> {
    /// A scope without variables.
    pub(super) fn new(record: &'r dyn RecordView, now: Clock, element: Option<Element<'r>>) -> Scope<'r> {
        Scope { record, now, element, variables: Vec::new() }
    }

    /// Whether a path operation is looking at an element.
    pub(super) fn is_inside_path(&self) -> bool {
        self.element.is_some()
    }

    /// The value of a node.
    pub(super) fn value(&mut self, node: &'r Node) -> Result<Value<'r>, Unknown> {
        match node {
            Node::Literal(value) => Ok(value.borrowed()),
            Node::Unknown => Err(Unknown),
            Node::RemoveResult => self.element.map(|_| Value::Removed).ok_or(Unknown),
            Node::Compare(comparison, operands) => {
                let [a, b] = self.pair(operands)?;
                compare::compare(*comparison, &a, &b).map(Value::Bool)
            }
            Node::Regex(regex, text) => {
                let Value::Text(text) = self.value(text)? else { return Err(Unknown) };
                Ok(Value::Bool(regex.is_match(&text)))
            }
            Node::GeoCompare(operands) => {
                let [a, b] = self.pair(operands)?;
                compare::shapes(&a, &b).map(Value::Bool)
            }
            Node::InList(operands) => {
                let [value, list] = self.pair(operands)?;
                compare::in_list(&value, &list).map(Value::Bool)
            }
            Node::And(operands) => self.any_is(operands, false),
            Node::Or(operands) => self.any_is(operands, true),
            Node::Not(operand) => Ok(Value::Bool(!self.truth(operand)?)),
            Node::Exclusive(operands) => self.exclusive(operands),
            Node::Number(op, operands) => {
                let values = operands
                    .iter()
                    .map(|operand| self.value(operand))
                    .collect::<Result<SmallVec<[_; 2]>, _>>()?;
                arithmetic::apply(*op, &values)
            }
            Node::Metadata(question) => metadata::answer(*question, self.record, self.now),
            Node::Key(kind) => metadata::key(*kind, self.record),
            Node::Bin(kind, name) => self.bin(*kind, name),
            Node::BinType(name) => {
                let number = self.record.bin(name).map_or(0, |bin| bin.kind.number());
                Ok(Value::Int(i64::from(number)))
            }
            Node::MapKeys(map) => column(&self.value(map)?, true),
            Node::MapValues(map) => column(&self.value(map)?, false),
            Node::ToText(node) => {
                let particle = self.value(node)?.into_particle()?;
                let text = strings::to_string(particle.as_ref().map(|particle| particle.as_particle()));
                let text = text.map_err(|_| Unknown)?.ok_or(Unknown)?;
                Ok(Value::Text(Cow::Owned(text.bytes)))
            }
            Node::LoopVariable(kind, part) => self.loop_variable(*kind, *part),
            Node::Cond(cases, default) => self.cond(cases, default),
            Node::Variable(place) => self.variables.get(*place).cloned().unwrap_or(Err(Unknown)),
            Node::Let(values, body) => self.definitions(values, body),
            Node::Call(call) => call::run(call, self),
        }
    }

    fn pair(&mut self, operands: &'r [Node; 2]) -> Result<[Value<'r>; 2], Unknown> {
        let [a, b] = operands;
        Ok([self.value(a)?, self.value(b)?])
    }

    fn truth(&mut self, node: &'r Node) -> Result<bool, Unknown> {
        self.value(node)?.truth()
    }

    /// `decisive` when one operand is; otherwise its opposite, if all operands are known.
    fn any_is(&mut self, operands: &'r [Node], decisive: bool) -> Result<Value<'r>, Unknown> {
        let mut result = Ok(Value::Bool(!decisive));
        for operand in operands {
            match self.truth(operand) {
                Ok(truth) if truth == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(Unknown) => result = Err(Unknown),
            }
        }
        result
    }

    /// Looks from left to right and stops at the second true, or at the first unknown.
    fn exclusive(&mut self, operands: &'r [Node]) -> Result<Value<'r>, Unknown> {
        let mut found = false;
        for operand in operands {
            if self.truth(operand)? {
                if found {
                    return Ok(Value::Bool(false));
                }
                found = true;
            }
        }
        Ok(Value::Bool(found))
    }

    fn bin(&self, kind: Kind, name: &[u8]) -> Result<Value<'r>, Unknown> {
        let record = self.record;
        let bin = record.bin(name).ok_or(Unknown)?;
        if Kind::of_particle(bin.kind) == kind { Ok(Value::of_particle(bin)) } else { Err(Unknown) }
    }

    fn loop_variable(&self, kind: Kind, part: LoopPart) -> Result<Value<'r>, Unknown> {
        let element = self.element.ok_or(Unknown)?;
        let value = match part {
            LoopPart::Key => Value::of_element(element.key.ok_or(Unknown)?)?,
            LoopPart::Value => Value::of_element(element.value.ok_or(Unknown)?)?,
            LoopPart::Index => Value::Int(element.index.ok_or(Unknown)?),
        };
        if value.kind().fits(kind) { Ok(value) } else { Err(Unknown) }
    }

    fn cond(&mut self, cases: &'r [(Node, Node)], default: &'r Node) -> Result<Value<'r>, Unknown> {
        for (test, action) in cases {
            if self.truth(test)? {
                return self.value(action);
            }
        }
        self.value(default)
    }

    /// A definition without a value only matters where it is used.
    fn definitions(&mut self, values: &'r [Node], body: &'r Node) -> Result<Value<'r>, Unknown> {
        let outer = self.variables.len();
        for value in values {
            let value = self.value(value);
            self.variables.push(value);
        }
        let result = self.value(body);
        self.variables.truncate(outer);
        result
    }
}

/// A map's keys or values as a list, in the order of the map.
fn column<'r>(map: &Value<'r>, keys: bool) -> Result<Value<'r>, Unknown> {
    let Value::Map(encoded) = map else { return Err(Unknown) };
    let mut reader = Reader::new(encoded);
    let head = reader.map_head().map_err(|_| Unknown)?;
    let mut out = Vec::new();
    writer::array_head(&mut out, usize::try_from(head.count).map_err(|_| Unknown)?);
    for _ in 0..head.count {
        let key = reader.take().map_err(|_| Unknown)?;
        let value = reader.take().map_err(|_| Unknown)?;
        out.extend_from_slice(if keys { key } else { value });
    }
    Ok(Value::List(Cow::Owned(out)))
}

/// The particle type number that a stored key of this type has; none for types that no key has.
pub(super) fn key_particle(kind: Kind) -> Option<ParticleType> {
    match kind {
        Kind::Int => Some(ParticleType::Integer),
        Kind::Float => Some(ParticleType::Double),
        Kind::Text => Some(ParticleType::String),
        Kind::Blob => Some(ParticleType::Blob),
        Kind::Nil | Kind::Bool | Kind::List | Kind::Map | Kind::Geo | Kind::Hll | Kind::Any => None,
    }
}
