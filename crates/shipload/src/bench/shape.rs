//! The shape of the records that are written: `I8,S20,B100` is an integer, a string and a blob.

use std::fmt;
use std::str::FromStr;

/// Largest bin that can be asked for, in bytes.
const LARGEST_BIN: usize = 8 << 20;

/// What one bin holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinShape {
    /// An integer that needs at most this many bytes (1 to 8).
    Integer(usize),
    /// A double.
    Double,
    /// A string of this many letters.
    String(usize),
    /// A blob of this many bytes.
    Blob(usize),
}

impl BinShape {
    /// The particle type number.
    pub(super) fn kind(self) -> u8 {
        match self {
            BinShape::Integer(_) => 1,
            BinShape::Double => 2,
            BinShape::String(_) => 3,
            BinShape::Blob(_) => 4,
        }
    }

    /// Bytes of the value on the wire.
    pub(super) fn size(self) -> usize {
        match self {
            BinShape::Integer(_) | BinShape::Double => 8,
            BinShape::String(size) | BinShape::Blob(size) => size,
        }
    }

    /// Makes `value` differ from the last write at the price of a few bytes, whatever its size.
    pub(super) fn freshen(self, value: &mut [u8], random: u64) {
        let bytes = match self {
            BinShape::Integer(size) => (random >> (64 - 8 * size.clamp(1, 8))).to_be_bytes(),
            // A mantissa of 52 random bits under a fixed exponent: always an ordinary number.
            BinShape::Double => ((random >> 12) | (1023 << 52)).to_be_bytes(),
            BinShape::String(_) => random.to_be_bytes().map(|byte| b'a' + (byte & 15)),
            BinShape::Blob(_) => random.to_be_bytes(),
        };
        for (target, byte) in value.iter_mut().zip(bytes) {
            *target = byte;
        }
    }

    fn parse(text: &str) -> Result<BinShape, String> {
        let mut letters = text.chars();
        let kind = letters.next().map(|letter| letter.to_ascii_uppercase());
        let size = letters.as_str();
        let sized = |most: usize| match size.parse::<usize>() {
            Ok(size) if (1..=most).contains(&size) => Ok(size),
            Ok(_) | Err(_) => Err(format!("`{text}`: the size is a number from 1 to {most}")),
        };
        match kind {
            Some('I') => sized(8).map(BinShape::Integer),
            Some('S') => sized(LARGEST_BIN).map(BinShape::String),
            Some('B') => sized(LARGEST_BIN).map(BinShape::Blob),
            Some('D') if size.is_empty() => Ok(BinShape::Double),
            Some(_) | None => Err(format!(
                "`{text}`: a bin is I<1-8> (integer), D (double), S<length> (string) or B<length> (blob)"
            )),
        }
    }
}

impl fmt::Display for BinShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BinShape::Integer(size) => write!(f, "I{size}"),
            BinShape::Double => f.write_str("D"),
            BinShape::String(size) => write!(f, "S{size}"),
            BinShape::Blob(size) => write!(f, "B{size}"),
        }
    }
}

/// The bins of a record, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectShape {
    /// At least one.
    pub(super) bins: Vec<BinShape>,
}

impl ObjectShape {
    /// The name of the bin at this place: `a` to `z`, then `b26` and so on.
    pub(super) fn bin_name(index: usize) -> String {
        match u8::try_from(index) {
            Ok(letter) if letter < 26 => char::from(b'a' + letter).to_string(),
            Ok(_) | Err(_) => format!("b{index}"),
        }
    }

    /// All values one after the other, as one fresh blob.
    pub(super) fn size(&self) -> usize {
        self.bins.iter().map(|bin| bin.size()).sum()
    }
}

impl FromStr for ObjectShape {
    type Err = String;

    fn from_str(text: &str) -> Result<ObjectShape, String> {
        let bins = text.split(',').map(|part| BinShape::parse(part.trim())).collect::<Result<Vec<_>, _>>()?;
        if bins.len() > 1000 { Err("at most 1000 bins".to_owned()) } else { Ok(ObjectShape { bins }) }
    }
}

impl fmt::Display for ObjectShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.bins.iter().map(BinShape::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::{BinShape, ObjectShape};

    #[test]
    fn shapes_are_read_and_printed() {
        let shape: ObjectShape = "I1, s20,B100,d".parse().unwrap();
        let bins = [BinShape::Integer(1), BinShape::String(20), BinShape::Blob(100), BinShape::Double];
        assert_eq!(shape.bins, bins);
        assert_eq!(shape.to_string(), "I1,S20,B100,D");
        assert_eq!(shape.size(), 136);
        for wrong in ["", "I", "I9", "I0", "S0", "B", "X1", "D8", "B100,", "B99999999999", "S-1"] {
            assert!(wrong.parse::<ObjectShape>().is_err(), "{wrong}");
        }
        assert_eq!((ObjectShape::bin_name(0), ObjectShape::bin_name(26)), ("a".to_owned(), "b26".to_owned()));
    }

    #[test]
    fn fresh_values_keep_their_kind() {
        for random in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let mut integer = [0; 8];
            BinShape::Integer(1).freshen(&mut integer, random);
            assert!(u64::from_be_bytes(integer) < 256);
            let mut double = [0; 8];
            BinShape::Double.freshen(&mut double, random);
            assert!((1.0..2.0).contains(&f64::from_be_bytes(double)));
            let mut text = [b'x'; 20];
            BinShape::String(20).freshen(&mut text, random);
            assert!(text.iter().all(u8::is_ascii_lowercase));
            let mut short = [0; 3];
            BinShape::Blob(3).freshen(&mut short, random);
            assert_eq!(short, random.to_be_bytes()[..3]);
        }
    }
}
