//! Operations: what a command does to bins, or what an answer returns.
//!
//! [`Ops`] is made only from bytes whose every length has been checked, so walking it cannot fail; it borrows and
//! is cheap to clone, so that the engine may walk it as often as it needs.

use crate::cursor::Cursor;
use crate::error::DecodeError;

/// Bytes of an op that its size field counts besides name and value.
const FIXED_SIZE: usize = 4;

/// One operation, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op<'a> {
    /// Operation code, see [`crate::bits::op`]; not checked to be a known one.
    pub code: u8,
    /// Particle type number of the value; not checked.
    pub kind: u8,
    /// Bin name, maybe empty, up to 255 bytes: the limit of 15 is the engine's to enforce.
    pub name: &'a [u8],
    /// The value's bytes.
    pub value: &'a [u8],
}

impl<'a> Op<'a> {
    #[inline]
    fn read(cursor: &mut Cursor<'a>) -> Result<Op<'a>, DecodeError> {
        let size = cursor.size()?;
        let mut body = Cursor::new(cursor.take(size)?);
        let &[code, kind, _version, name_size] = body.array().map_err(|_| DecodeError::OpSize)?;
        let name = body.take(usize::from(name_size)).map_err(|_| DecodeError::NameSize)?;
        Ok(Op { code, kind, name, value: body.rest() })
    }

    /// Bytes that this operation takes on the wire.
    #[must_use]
    pub fn wire_size(&self) -> usize {
        let fixed = FIXED_SIZE.saturating_add(4);
        fixed.saturating_add(self.name.len()).saturating_add(self.value.len())
    }
}

/// The operations of a command or an answer, in the order sent.
#[derive(Debug, Clone, Default)]
pub struct Ops<'a> {
    bytes: &'a [u8],
    remaining: u16,
}

impl<'a> Ops<'a> {
    /// No operations.
    pub(crate) const EMPTY: Ops<'a> = Ops { bytes: &[], remaining: 0 };

    /// Checks `count` operations at the cursor and steps over them.
    pub(crate) fn read(cursor: &mut Cursor<'a>, count: u16) -> Result<Ops<'a>, DecodeError> {
        let bytes = cursor.rest();
        for _ in 0..count {
            Op::read(cursor)?;
        }
        Ok(Ops { bytes, remaining: count })
    }

    /// How many operations are left to walk.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.remaining)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remaining == 0
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let mut cursor = Cursor::new(self.bytes);
        let op = Op::read(&mut cursor).ok()?;
        self.bytes = cursor.rest();
        Some(op)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Ops<'_> {}
