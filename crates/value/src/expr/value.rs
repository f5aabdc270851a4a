//! Values at run time.
//!
//! Scalars are decoded, everything else is bytes that are borrowed from the record or the program as long as
//! possible. Containers are in their encoded form.

use super::{Kind, Unknown};
use crate::msgpack::{Item, Reader, element, writer};
use crate::{OwnedParticle, Particle, ParticleType, canonical, geojson};
use std::borrow::Cow;

/// The value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// Nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// Text.
    Text(Cow<'a, [u8]>),
    /// A blob and whose it is.
    Blob(ParticleType, Cow<'a, [u8]>),
    /// An encoded list.
    List(Cow<'a, [u8]>),
    /// An encoded map.
    Map(Cow<'a, [u8]>),
    /// A GeoJSON particle, cells included.
    Geo(Cow<'a, [u8]>),
    /// An HLL particle.
    Hll(Cow<'a, [u8]>),
    /// The mark that removes an element; only meaningful as the result of a path operation.
    Removed,
}

impl<'a> Value<'a> {
    /// A bin's value.
    pub(super) fn of_particle(particle: Particle<'a>) -> Value<'a> {
        let bytes = particle.bytes;
        match particle.kind {
            ParticleType::Integer => Value::Int(i64::from_be_bytes(eight(bytes))),
            ParticleType::Double => Value::Float(f64::from_be_bytes(eight(bytes))),
            ParticleType::Bool => Value::Bool(bytes.first().is_some_and(|byte| *byte != 0)),
            ParticleType::String => Value::Text(Cow::Borrowed(bytes)),
            ParticleType::List => Value::List(Cow::Borrowed(bytes)),
            ParticleType::Map => Value::Map(Cow::Borrowed(bytes)),
            ParticleType::GeoJson => Value::Geo(Cow::Borrowed(bytes)),
            ParticleType::Hll => Value::Hll(Cow::Borrowed(bytes)),
            kind @ (ParticleType::Blob
            | ParticleType::JavaBlob
            | ParticleType::CSharpBlob
            | ParticleType::PythonBlob
            | ParticleType::RubyBlob
            | ParticleType::PhpBlob
            | ParticleType::ErlangBlob
            | ParticleType::Vector) => Value::Blob(kind, Cow::Borrowed(bytes)),
        }
    }

    /// The value of an encoded element.
    pub(super) fn of_element(encoded: &'a [u8]) -> Result<Value<'a>, Unknown> {
        match Reader::new(encoded).read().map_err(|_| Unknown)? {
            Item::Array(_) => Ok(Value::List(Cow::Borrowed(encoded))),
            Item::Map(_) => Ok(Value::Map(Cow::Borrowed(encoded))),
            Item::Ext { .. } => Err(Unknown),
            Item::Nil | Item::Bool(_) | Item::Int(_) | Item::Uint(_) | Item::Double(_) | Item::Bytes(_) => {
                let particle = element::to_particle(encoded).map_err(|_| Unknown)?;
                Ok(particle
                    .as_ref()
                    .map_or(Value::Nil, |particle| Value::of_particle(particle.as_particle()).into_owned()))
            }
        }
    }

    /// The same value with nothing borrowed.
    pub(super) fn into_owned<'b>(self) -> Value<'b> {
        let own = |bytes: Cow<'a, [u8]>| Cow::Owned(bytes.into_owned());
        match self {
            Value::Nil => Value::Nil,
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::Float(value) => Value::Float(value),
            Value::Text(bytes) => Value::Text(own(bytes)),
            Value::Blob(kind, bytes) => Value::Blob(kind, own(bytes)),
            Value::List(bytes) => Value::List(own(bytes)),
            Value::Map(bytes) => Value::Map(own(bytes)),
            Value::Geo(bytes) => Value::Geo(own(bytes)),
            Value::Hll(bytes) => Value::Hll(own(bytes)),
            Value::Removed => Value::Removed,
        }
    }

    /// The same value, borrowing its bytes.
    pub(super) fn borrowed(&'a self) -> Value<'a> {
        match self {
            Value::Nil => Value::Nil,
            Value::Bool(value) => Value::Bool(*value),
            Value::Int(value) => Value::Int(*value),
            Value::Float(value) => Value::Float(*value),
            Value::Text(bytes) => Value::Text(Cow::Borrowed(bytes)),
            Value::Blob(kind, bytes) => Value::Blob(*kind, Cow::Borrowed(bytes)),
            Value::List(bytes) => Value::List(Cow::Borrowed(bytes)),
            Value::Map(bytes) => Value::Map(Cow::Borrowed(bytes)),
            Value::Geo(bytes) => Value::Geo(Cow::Borrowed(bytes)),
            Value::Hll(bytes) => Value::Hll(Cow::Borrowed(bytes)),
            Value::Removed => Value::Removed,
        }
    }

    /// The type of this value.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Nil,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::Text(_) => Kind::Text,
            Value::Blob(..) => Kind::Blob,
            Value::List(_) => Kind::List,
            Value::Map(_) => Kind::Map,
            Value::Geo(_) => Kind::Geo,
            Value::Hll(_) => Kind::Hll,
            Value::Removed => Kind::Any,
        }
    }

    /// The truth, if it is one.
    pub(super) fn truth(&self) -> Result<bool, Unknown> {
        if let Value::Bool(truth) = self { Ok(*truth) } else { Err(Unknown) }
    }

    /// The integer, if it is one.
    pub(super) fn int(&self) -> Result<i64, Unknown> {
        if let Value::Int(value) = self { Ok(*value) } else { Err(Unknown) }
    }

    /// The float, if it is one.
    pub(super) fn float(&self) -> Result<f64, Unknown> {
        if let Value::Float(value) = self { Ok(*value) } else { Err(Unknown) }
    }

    /// The value in the form that a bin stores; none is nil. Containers become canonical, or are unknown when they
    /// hold what can't be stored (a wildcard, duplicate keys).
    pub(super) fn into_particle(self) -> Result<Option<OwnedParticle>, Unknown> {
        let (kind, bytes) = match self {
            Value::Nil => return Ok(None),
            Value::Removed => return Err(Unknown),
            Value::Bool(value) => (ParticleType::Bool, vec![u8::from(value)]),
            Value::Int(value) => (ParticleType::Integer, value.to_be_bytes().to_vec()),
            Value::Float(value) => (ParticleType::Double, value.to_be_bytes().to_vec()),
            Value::Text(bytes) => (ParticleType::String, bytes.into_owned()),
            Value::Blob(kind, bytes) => (kind, bytes.into_owned()),
            Value::List(bytes) => (ParticleType::List, storable(&bytes)?),
            Value::Map(bytes) => (ParticleType::Map, storable(&bytes)?),
            Value::Geo(bytes) => (ParticleType::GeoJson, bytes.into_owned()),
            Value::Hll(bytes) => (ParticleType::Hll, bytes.into_owned()),
        };
        Ok(Some(OwnedParticle { kind, bytes }))
    }

    /// Appends the value as an element of a container.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), Unknown> {
        match self {
            Value::Nil => writer::nil(out),
            Value::Bool(value) => writer::bool(out, *value),
            Value::Int(value) => writer::int(out, *value),
            Value::Float(value) => writer::double(out, *value),
            Value::Text(bytes) => writer::typed(out, ParticleType::String.number(), bytes),
            Value::Blob(kind, bytes) => writer::typed(out, kind.number(), bytes),
            Value::List(bytes) | Value::Map(bytes) => out.extend_from_slice(bytes),
            Value::Geo(bytes) => {
                writer::typed(out, ParticleType::GeoJson.number(), element::geo_text(bytes));
            }
            Value::Hll(bytes) => writer::typed(out, ParticleType::Hll.number(), bytes),
            Value::Removed => return Err(Unknown),
        }
        Ok(())
    }
}

/// The GeoJSON value of a text; unknown when the text is not valid.
pub(super) fn geo<'b>(text: &[u8]) -> Result<Value<'b>, Unknown> {
    let mut particle = Vec::with_capacity(text.len());
    geojson::append(text, &mut particle).map_err(|_| Unknown)?;
    Ok(Value::Geo(Cow::Owned(particle)))
}

fn storable(encoded: &[u8]) -> Result<Vec<u8>, Unknown> {
    let mut out = Vec::with_capacity(encoded.len());
    canonical::element(encoded, &mut out).map_err(|_| Unknown)?;
    Ok(out)
}

/// Eight bytes of a fixed-size particle; admission keeps any other size out, so zero is never seen.
fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.try_into().unwrap_or_default()
}
