//! Particles: a bin's value as a type number and its wire bytes.
//!
//! The stored form of a value is its wire form, so that a read copies bytes and parses nothing. Source:
//! `guide/protocol.md` part 1.5.

/// The type numbers that a bin can hold, with the protocol's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ParticleType {
    /// 64-bit signed integer, 8 bytes big endian.
    Integer = 1,
    /// IEEE 754 double, 8 bytes big endian.
    Double = 2,
    /// Text; by convention UTF-8, not checked on plain writes.
    String = 3,
    /// Raw bytes.
    Blob = 4,
    /// Raw bytes that the Java client serialized.
    JavaBlob = 7,
    /// Raw bytes that the C# client serialized.
    CSharpBlob = 8,
    /// Raw bytes that the Python client serialized.
    PythonBlob = 9,
    /// Raw bytes that the Ruby client serialized.
    RubyBlob = 10,
    /// Raw bytes that the PHP client serialized.
    PhpBlob = 11,
    /// Raw bytes that the Erlang client serialized.
    ErlangBlob = 12,
    /// Vector, opaque.
    Vector = 16,
    /// Boolean, one byte, 0 or 1.
    Bool = 17,
    /// `HyperLogLog`, opaque to clients.
    Hll = 18,
    /// Map, msgpack.
    Map = 19,
    /// List, msgpack.
    List = 20,
    /// GeoJSON: flags, cell count, cells, then the text.
    GeoJson = 23,
}

/// The particle type number of nil: no value; writing it deletes a bin.
pub const NULL: u8 = 0;

impl ParticleType {
    /// The type with this number; none when a bin can't hold it (nil included).
    #[must_use]
    pub fn from_number(number: u8) -> Option<ParticleType> {
        use ParticleType as P;
        Some(match number {
            1 => P::Integer,
            2 => P::Double,
            3 => P::String,
            4 => P::Blob,
            7 => P::JavaBlob,
            8 => P::CSharpBlob,
            9 => P::PythonBlob,
            10 => P::RubyBlob,
            11 => P::PhpBlob,
            12 => P::ErlangBlob,
            16 => P::Vector,
            17 => P::Bool,
            18 => P::Hll,
            19 => P::Map,
            20 => P::List,
            23 => P::GeoJson,
            _ => return None,
        })
    }

    /// The protocol's number of this type.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A bin's value, borrowed: type and wire bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Particle<'a> {
    /// What the bytes mean.
    pub kind: ParticleType,
    /// The wire bytes, in stored (checked, canonical) form.
    pub bytes: &'a [u8],
}

/// A bin's value, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedParticle {
    /// What the bytes mean.
    pub kind: ParticleType,
    /// The wire bytes, in stored (checked, canonical) form.
    pub bytes: Vec<u8>,
}

impl OwnedParticle {
    /// A borrowed view of this value.
    #[must_use]
    pub fn as_particle(&self) -> Particle<'_> {
        Particle { kind: self.kind, bytes: &self.bytes }
    }

    /// An integer particle.
    #[must_use]
    pub fn integer(value: i64) -> OwnedParticle {
        OwnedParticle { kind: ParticleType::Integer, bytes: value.to_be_bytes().to_vec() }
    }
}
