//! The borrowing reader.
//!
//! A reader is a slice and a position. Every count and length is compared with the bytes that are left before it
//! is believed, so a container's count is never larger than its encoding.

use super::{EXT_SPECIAL, Item, Malformed};

/// The whole size of the values whose first byte tells it, by that byte; 0 for all others.
static SCALAR_SIZES: [u8; 256] = scalar_sizes();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    reason = "counts to 255, while compiling"
)]
const fn scalar_sizes() -> [u8; 256] {
    let mut sizes = [0; 256];
    let mut code = 0;
    while code < 256 {
        sizes[code] = match code {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 1,
            0xa0..=0xbf => 1 + (code as u8 & 0x1f),
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 | 0xd4 => 3,
            0xd5 => 4,
            0xca | 0xce | 0xd2 => 5,
            0xd6 => 6,
            0xcb | 0xcf | 0xd3 => 9,
            0xd7 => 10,
            0xd8 => 18,
            _ => 0,
        };
        code += 1;
    }
    sizes
}

/// The whole size of a value whose first byte tells it; 0 for all others.
fn scalar_size(code: u8) -> usize {
    SCALAR_SIZES.get(usize::from(code)).copied().map_or(0, usize::from)
}

/// Reads values one after the other from a slice. Cheap to copy: a copy is a bookmark.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The start of a list: its flags, and how many elements follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListHead {
    /// The flags as sent; 0 without an ext element.
    pub flags: u8,
    /// Elements that follow; the ext is not one of them.
    pub count: u32,
}

/// The start of a map: its flags, and how many pairs follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapHead {
    /// The flags as sent; 0 without an ext pair.
    pub flags: u8,
    /// Pairs that follow; the ext pair is not one of them.
    pub count: u32,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Whether everything is read.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes between an earlier position and this one.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// The next value's head, without moving.
    pub fn peek(&self) -> Result<Item<'a>, Malformed> {
        let mut copy = *self;
        copy.read()
    }

    /// The next value's head. The children of a container are left to be read.
    pub fn read(&mut self) -> Result<Item<'a>, Malformed> {
        let code = self.byte()?;
        let item = match code {
            0x00..=0x7f => Item::Int(i64::from(code)),
            0x80..=0x8f => self.map_of(u32::from(code & 0x0f))?,
            0x90..=0x9f => self.array_of(u32::from(code & 0x0f))?,
            0xa0..=0xbf => Item::Bytes(self.cut(usize::from(code & 0x1f))?),
            0xc0 => Item::Nil,
            0xc1 => return Err(Malformed),
            0xc2 => Item::Bool(false),
            0xc3 => Item::Bool(true),
            0xc4 | 0xd9 => self.bytes_of::<1>()?,
            0xc5 | 0xda => self.bytes_of::<2>()?,
            0xc6 | 0xdb => self.bytes_of::<4>()?,
            0xc7 => self.ext_of::<1>()?,
            0xc8 => self.ext_of::<2>()?,
            0xc9 => self.ext_of::<4>()?,
            0xca => Item::Double(f64::from(f32::from_be_bytes(self.array::<4>()?))),
            0xcb => Item::Double(f64::from_be_bytes(self.array::<8>()?)),
            0xcc => Item::Int(i64::from(u8::from_be_bytes(self.array()?))),
            0xcd => Item::Int(i64::from(u16::from_be_bytes(self.array()?))),
            0xce => Item::Int(i64::from(u32::from_be_bytes(self.array()?))),
            0xcf => unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => Item::Int(i64::from(i8::from_be_bytes(self.array()?))),
            0xd1 => Item::Int(i64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => Item::Int(i64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => Item::Int(i64::from_be_bytes(self.array()?)),
            0xd4 => self.ext(1)?,
            0xd5 => self.ext(2)?,
            0xd6 => self.ext(4)?,
            0xd7 => self.ext(8)?,
            0xd8 => self.ext(16)?,
            0xdc => {
                let count = self.length::<2>()?;
                self.array_of(count)?
            }
            0xdd => {
                let count = self.length::<4>()?;
                self.array_of(count)?
            }
            0xde => {
                let count = self.length::<2>()?;
                self.map_of(count)?
            }
            0xdf => {
                let count = self.length::<4>()?;
                self.map_of(count)?
            }
            0xe0..=0xff => Item::Int(i64::from(code.cast_signed())),
        };
        Ok(item)
    }

    /// Moves past one whole value, children included, with constant stack.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        self.skip_many(1)
    }

    /// Moves past `count` whole values, children included, with constant stack.
    pub fn skip_many(&mut self, count: usize) -> Result<(), Malformed> {
        let mut pending = count as u64;
        let mut at = self.at;
        while pending > 0 {
            pending = pending.wrapping_sub(1);
            // The head alone tells the size of most values; those are walked over without being read.
            let size = scalar_size(*self.bytes.get(at).ok_or(Malformed)?);
            if size > 0 {
                at = at.wrapping_add(size);
            } else {
                self.at = at;
                pending = pending.saturating_add(self.read()?.children());
                at = self.at;
            }
        }
        self.at = at.min(self.bytes.len());
        if at > self.bytes.len() { Err(Malformed) } else { Ok(()) }
    }

    /// Moves past as many whole values as there are places in `starts`, and notes there where each of them begins.
    #[allow(clippy::cast_possible_truncation, reason = "looked at before the loop")]
    pub fn skip_noting(&mut self, starts: &mut [u32]) -> Result<(), Malformed> {
        u32::try_from(self.bytes.len()).map_err(|_| Malformed)?;
        let mut at = self.at;
        for start in starts {
            *start = at as u32;
            let size = scalar_size(*self.bytes.get(at).ok_or(Malformed)?);
            if size > 0 {
                at = at.wrapping_add(size);
            } else {
                self.at = at;
                self.skip_many(1)?;
                at = self.at;
            }
        }
        self.at = at.min(self.bytes.len());
        if at > self.bytes.len() { Err(Malformed) } else { Ok(()) }
    }

    /// The encoding of one whole value, children included.
    pub fn take(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        self.skip()?;
        Ok(self.since(start))
    }

    /// An integer; values above 2^63 - 1 wrap.
    pub fn int(&mut self) -> Result<i64, Malformed> {
        self.read()?.as_int().ok_or(Malformed)
    }

    /// A string or blob, its particle type byte included.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        if let Item::Bytes(bytes) = self.read()? { Ok(bytes) } else { Err(Malformed) }
    }

    /// The start of a plain array; an ext element counts like any other.
    pub fn array_head(&mut self) -> Result<u32, Malformed> {
        if let Item::Array(count) = self.read()? { Ok(count) } else { Err(Malformed) }
    }

    /// The start of a list; the ext element with its flags is consumed.
    pub fn list_head(&mut self) -> Result<ListHead, Malformed> {
        let count = self.array_head()?;
        if count > 0
            && let Some(flags) = self.flags()?
        {
            return Ok(ListHead { flags, count: count.saturating_sub(1) });
        }
        Ok(ListHead { flags: 0, count })
    }

    /// The start of a map; the ext pair with its flags is consumed, whatever its value.
    pub fn map_head(&mut self) -> Result<MapHead, Malformed> {
        let Item::Map(count) = self.read()? else { return Err(Malformed) };
        if count > 0
            && let Some(flags) = self.flags()?
        {
            self.skip()?;
            return Ok(MapHead { flags, count: count.saturating_sub(1) });
        }
        Ok(MapHead { flags: 0, count })
    }

    /// Consumes an ext that carries container flags, if one is next.
    fn flags(&mut self) -> Result<Option<u8>, Malformed> {
        match self.peek()? {
            Item::Ext { kind, .. } if kind != EXT_SPECIAL => {
                self.read()?;
                Ok(Some(kind))
            }
            Item::Nil
            | Item::Bool(_)
            | Item::Int(_)
            | Item::Uint(_)
            | Item::Double(_)
            | Item::Bytes(_)
            | Item::Array(_)
            | Item::Map(_)
            | Item::Ext { .. } => Ok(None),
        }
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }

    fn cut(&mut self, size: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(size).ok_or(Malformed)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.cut(N)?.try_into().map_err(|_| Malformed)
    }

    /// A big-endian length of N bytes.
    fn length<const N: usize>(&mut self) -> Result<u32, Malformed> {
        Ok(self.cut(N)?.iter().fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte)))
    }

    fn bytes_of<const N: usize>(&mut self) -> Result<Item<'a>, Malformed> {
        let size = self.length::<N>()?;
        Ok(Item::Bytes(self.cut(usize::try_from(size).map_err(|_| Malformed)?)?))
    }

    fn ext_of<const N: usize>(&mut self) -> Result<Item<'a>, Malformed> {
        let size = self.length::<N>()?;
        self.ext(usize::try_from(size).map_err(|_| Malformed)?)
    }

    fn ext(&mut self, size: usize) -> Result<Item<'a>, Malformed> {
        let kind = self.byte()?;
        Ok(Item::Ext { kind, data: self.cut(size)? })
    }

    /// An array of `count` elements: each takes a byte at least, so more can't be true.
    fn array_of(&self, count: u32) -> Result<Item<'a>, Malformed> {
        let item = Item::Array(count);
        if item.children() > self.rest().len() as u64 { Err(Malformed) } else { Ok(item) }
    }

    /// A map of `count` pairs: each takes two bytes at least.
    fn map_of(&self, count: u32) -> Result<Item<'a>, Malformed> {
        let item = Item::Map(count);
        if item.children() > self.rest().len() as u64 { Err(Malformed) } else { Ok(item) }
    }
}

fn unsigned(value: u64) -> Item<'static> {
    i64::try_from(value).map_or(Item::Uint(value), Item::Int)
}
