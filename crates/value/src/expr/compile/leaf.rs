//! Operations without operands of their own: constants, bins, keys, metadata, loop variables.

use super::super::Kind;
use super::super::node::{LoopPart, Metadata, Node};
use super::super::value::{self, Value};
use super::{Compiler, Typed, bad, constant, exactly};
use crate::msgpack::Item;
use crate::{ParticleType, Refusal};
use std::borrow::Cow;

/// Longest bin name, in bytes.
const MAX_BIN_NAME: usize = 15;

impl Compiler<'_> {
    /// A constant that is not a list.
    pub(super) fn literal(&mut self) -> Result<Typed, Refusal> {
        let encoded = self.reader.take().map_err(bad)?;
        if let Item::Bytes([kind, bytes @ ..]) = crate::msgpack::Reader::new(encoded).peek().map_err(bad)? {
            return string(*kind, bytes);
        }
        let value = Value::of_element(encoded).map_err(|_| Refusal::Parameter)?;
        Ok(constant(value.into_owned()))
    }

    /// A list constant.
    pub(super) fn quote(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 1)?;
        if !matches!(self.peek()?, Item::Array(_)) {
            return Err(Refusal::Parameter);
        }
        let encoded = self.reader.take().map_err(bad)?;
        Ok(constant(Value::List(Cow::Owned(encoded.to_vec()))))
    }

    pub(super) fn metadata(&mut self, code: i64, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, u32::from(code == 64))?;
        let (metadata, kind) = match code {
            64 => (Metadata::DigestModulo(self.modulus()?), Kind::Int),
            65 => (Metadata::DeviceSize, Kind::Int),
            66 => (Metadata::LastUpdate, Kind::Int),
            67 => (Metadata::SinceUpdate, Kind::Int),
            68 => (Metadata::VoidTime, Kind::Int),
            69 => (Metadata::Ttl, Kind::Int),
            70 => (Metadata::SetName, Kind::Text),
            71 => (Metadata::KeyExists, Kind::Bool),
            72 => (Metadata::IsTombstone, Kind::Bool),
            73 => (Metadata::MemorySize, Kind::Int),
            74 => (Metadata::RecordSize, Kind::Int),
            _ => return Err(Refusal::Parameter),
        };
        Ok((Node::Metadata(metadata), kind))
    }

    fn modulus(&mut self) -> Result<i64, Refusal> {
        match self.int()? {
            0 => Err(Refusal::Parameter),
            modulus => Ok(modulus),
        }
    }

    pub(super) fn key(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 1)?;
        let kind = self.value_kind()?;
        Ok((Node::Key(kind), kind))
    }

    pub(super) fn bin(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 2)?;
        let kind = self.value_kind()?;
        Ok((Node::Bin(kind, self.bin_name()?), kind))
    }

    pub(super) fn bin_type(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 1)?;
        Ok((Node::BinType(self.bin_name()?), Kind::Int))
    }

    pub(super) fn loop_variable(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 2)?;
        let kind = self.kind()?;
        let part = match self.int()? {
            0 => LoopPart::Key,
            1 => LoopPart::Value,
            2 => LoopPart::Index,
            _ => return Err(Refusal::Parameter),
        };
        Ok((Node::LoopVariable(kind, part), kind))
    }

    /// A type that a bin or a key can have.
    fn value_kind(&mut self) -> Result<Kind, Refusal> {
        match self.kind()? {
            Kind::Nil | Kind::Any => Err(Refusal::Parameter),
            kind @ (Kind::Bool
            | Kind::Int
            | Kind::Text
            | Kind::List
            | Kind::Map
            | Kind::Blob
            | Kind::Float
            | Kind::Geo
            | Kind::Hll) => Ok(kind),
        }
    }

    fn bin_name(&mut self) -> Result<Box<[u8]>, Refusal> {
        let name = self.reader.bytes().map_err(bad)?;
        if name.len() > MAX_BIN_NAME || name.contains(&0) { Err(Refusal::Parameter) } else { Ok(name.into()) }
    }
}

/// A string constant; its first byte told the type.
fn string(kind: u8, bytes: &[u8]) -> Result<Typed, Refusal> {
    let owned = || Cow::Owned(bytes.to_vec());
    let kind = ParticleType::from_number(kind).ok_or(Refusal::Parameter)?;
    let value = match Kind::of_particle(kind) {
        Kind::Text => Value::Text(owned()),
        Kind::Blob => Value::Blob(kind, owned()),
        Kind::Hll => Value::Hll(owned()),
        Kind::Geo => value::geo(bytes).map_err(|_| Refusal::Parameter)?,
        Kind::Nil | Kind::Bool | Kind::Int | Kind::List | Kind::Map | Kind::Float | Kind::Any => {
            return Err(Refusal::Parameter);
        }
    };
    Ok(constant(value))
}
