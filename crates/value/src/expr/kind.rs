//! The static types of expressions.

use crate::{ParticleType, Refusal};

/// The type that an expression is known to have before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nil.
    Nil,
    /// Boolean.
    Bool,
    /// 64-bit integer.
    Int,
    /// Text.
    Text,
    /// List.
    List,
    /// Map.
    Map,
    /// Blob of any language.
    Blob,
    /// Double.
    Float,
    /// GeoJSON.
    Geo,
    /// `HyperLogLog`.
    Hll,
    /// Only known at run time; fits everywhere.
    Any,
}

impl Kind {
    /// The type with this number in the packed form. 10 leaves the type open.
    pub(crate) fn from_number(number: i64) -> Result<Kind, Refusal> {
        Ok(match number {
            0 => Kind::Nil,
            1 => Kind::Bool,
            2 => Kind::Int,
            3 => Kind::Text,
            4 => Kind::List,
            5 => Kind::Map,
            6 => Kind::Blob,
            7 => Kind::Float,
            8 => Kind::Geo,
            9 => Kind::Hll,
            10 => Kind::Any,
            _ => return Err(Refusal::Parameter),
        })
    }

    /// The type of a bin with this particle type.
    pub(crate) fn of_particle(kind: ParticleType) -> Kind {
        match kind {
            ParticleType::Integer => Kind::Int,
            ParticleType::Double => Kind::Float,
            ParticleType::String => Kind::Text,
            ParticleType::Blob
            | ParticleType::JavaBlob
            | ParticleType::CSharpBlob
            | ParticleType::PythonBlob
            | ParticleType::RubyBlob
            | ParticleType::PhpBlob
            | ParticleType::ErlangBlob
            | ParticleType::Vector => Kind::Blob,
            ParticleType::Bool => Kind::Bool,
            ParticleType::Hll => Kind::Hll,
            ParticleType::Map => Kind::Map,
            ParticleType::List => Kind::List,
            ParticleType::GeoJson => Kind::Geo,
        }
    }

    /// Whether an expression of this type may stand where `wanted` is needed.
    pub(crate) fn fits(self, wanted: Kind) -> bool {
        self == wanted || self == Kind::Any || wanted == Kind::Any
    }

    /// The type of two expressions of which either may be the result; none when they have different types.
    pub(crate) fn common(self, other: Kind) -> Option<Kind> {
        if self == Kind::Any { Some(other) } else { self.fits(other).then_some(self) }
    }
}
