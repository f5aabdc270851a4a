//! Indexed values: what the definition finds in a record, and the numbers under which it is entered.

use super::definition::{Collection, ValueType};
use super::hash;
use shipload_value::geojson;
use shipload_value::msgpack::element::geo_text;
use shipload_value::msgpack::{Item, Malformed, Reader};
use shipload_value::{Particle, ParticleType};
use std::borrow::Cow;

/// The key of every record in the index of a set.
pub(crate) const SET_KEY: i64 = 0;

/// One value in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// An integer.
    Int(i64),
    /// A string or blob.
    Bytes(&'a [u8]),
    /// GeoJSON: its text, and its cells as ids.
    Geo(&'a [u8], Cow<'a, [[u8; 8]]>),
}

impl Value<'_> {
    /// The keys under which the value is entered: the integer, the hash of the bytes, or the cells.
    pub(crate) fn keys(&self, out: &mut dyn FnMut(i64)) {
        match self {
            Value::Int(number) => out(*number),
            Value::Bytes(bytes) => out(hash::of(bytes)),
            Value::Geo(_, cells) => cells.iter().for_each(|cell| out(i64::from_be_bytes(*cell))),
        }
    }
}

/// Where in a bin values are looked for, and of which type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Which part of the bin.
    pub(crate) collection: Collection,
    /// Only values of this type.
    pub(crate) value_type: ValueType,
}

impl Wanted {
    /// Finds values in a bin.
    pub(crate) fn in_particle(self, bin: Particle<'_>, out: &mut dyn FnMut(&Value<'_>)) {
        match (bin.kind, self.collection) {
            (ParticleType::List | ParticleType::Map, _) => self.in_encoding(bin.bytes, out),
            (_, Collection::Default) => {
                if let Some(value) = self.scalar(bin) {
                    out(&value);
                }
            }
            (_, Collection::List | Collection::MapKeys | Collection::MapValues | Collection::Set) => {}
        }
    }

    fn scalar(self, bin: Particle<'_>) -> Option<Value<'_>> {
        match (self.value_type, bin.kind) {
            (ValueType::Numeric, ParticleType::Integer) => {
                Some(Value::Int(i64::from_be_bytes(bin.bytes.try_into().ok()?)))
            }
            (ValueType::Text, ParticleType::String) | (ValueType::Blob, ParticleType::Blob) => {
                Some(Value::Bytes(bin.bytes))
            }
            (ValueType::Geo, ParticleType::GeoJson) => {
                let cells = geojson::stored_cells(bin.bytes);
                Some(Value::Geo(geo_text(bin.bytes), Cow::Borrowed(cells)))
            }
            (ValueType::Numeric | ValueType::Text | ValueType::Blob | ValueType::Geo, _) => None,
        }
    }

    /// Finds values in an encoded value: a container, or a scalar that a context led to.
    pub(crate) fn in_encoding(self, encoded: &[u8], out: &mut dyn FnMut(&Value<'_>)) {
        // Bytes that no admission lets in end the search.
        let _: Result<(), Malformed> = self.search(Reader::new(encoded), out);
    }

    fn search(self, mut reader: Reader<'_>, out: &mut dyn FnMut(&Value<'_>)) -> Result<(), Malformed> {
        match (self.collection, reader.peek()?) {
            (Collection::Default, _) => self.element(&mut reader, out),
            (Collection::List, Item::Array(_)) => {
                (0..reader.list_head()?.count).try_for_each(|_| self.element(&mut reader, out))
            }
            (Collection::MapKeys, Item::Map(_)) => (0..reader.map_head()?.count).try_for_each(|_| {
                self.element(&mut reader, out)?;
                reader.skip()
            }),
            (Collection::MapValues, Item::Map(_)) => (0..reader.map_head()?.count).try_for_each(|_| {
                reader.skip()?;
                self.element(&mut reader, out)
            }),
            (Collection::List | Collection::MapKeys | Collection::MapValues | Collection::Set, _) => Ok(()),
        }
    }

    /// Takes one element, which may be a value.
    fn element(self, reader: &mut Reader<'_>, out: &mut dyn FnMut(&Value<'_>)) -> Result<(), Malformed> {
        let encoded = reader.take()?;
        let item = Reader::new(encoded).read()?;
        if self.value_type == ValueType::Numeric {
            if let Some(number) = item.as_int() {
                out(&Value::Int(number));
            }
            return Ok(());
        }
        let Item::Bytes([kind, bytes @ ..]) = item else { return Ok(()) };
        match (self.value_type, ParticleType::from_number(*kind)) {
            (ValueType::Text, Some(ParticleType::String)) | (ValueType::Blob, Some(ParticleType::Blob)) => {
                out(&Value::Bytes(bytes));
            }
            (ValueType::Geo, Some(ParticleType::GeoJson)) => {
                if let Ok(cells) = geojson::cells(bytes) {
                    out(&Value::Geo(bytes, Cow::Owned(cells)));
                }
            }
            (ValueType::Numeric | ValueType::Text | ValueType::Blob | ValueType::Geo, _) => {}
        }
        Ok(())
    }
}
