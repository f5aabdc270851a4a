//! The arguments of an operation: a msgpack array of a code and what belongs to it.
//!
//! Every fault in them is a bad parameter.

use crate::Refusal;
use crate::msgpack::{Item, Reader};

/// Arguments that are not taken yet. Cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl<'a> Args<'a> {
    /// Arguments that are not taken yet.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// The next argument, encoded, if there is one.
    pub(crate) fn optional(&mut self) -> Result<Option<&'a [u8]>, Refusal> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.reader.take().map(Some).map_err(|_| Refusal::Parameter)
    }

    /// The next argument, encoded.
    pub(crate) fn value(&mut self) -> Result<&'a [u8], Refusal> {
        self.optional()?.ok_or(Refusal::Parameter)
    }

    /// The next argument as an integer, if there is one; nil stands for none.
    pub(crate) fn optional_int(&mut self) -> Result<Option<i64>, Refusal> {
        match self.optional()? {
            None => Ok(None),
            Some(encoded) if is_nil(encoded) => Ok(None),
            Some(encoded) => int(encoded).map(Some),
        }
    }

    /// The next argument as an integer.
    pub(crate) fn int(&mut self) -> Result<i64, Refusal> {
        int(self.value()?)
    }

    /// The next argument as write flags or an order, if there is one; unknown high bits are kept.
    pub(crate) fn flags(&mut self) -> Result<u64, Refusal> {
        Ok(self.optional_int()?.unwrap_or(0).cast_unsigned())
    }

    /// Refuses arguments that nobody took.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        if self.left == 0 { Ok(()) } else { Err(Refusal::Parameter) }
    }
}

/// Whether this is an encoded nil.
fn is_nil(encoded: &[u8]) -> bool {
    matches!(Reader::new(encoded).read(), Ok(Item::Nil))
}

/// An encoded integer.
pub(crate) fn int(encoded: &[u8]) -> Result<i64, Refusal> {
    Reader::new(encoded).int().map_err(|_| Refusal::Parameter)
}

/// The code of a call, and its arguments.
pub(crate) fn head(bytes: &[u8]) -> Result<(i64, Args<'_>), Refusal> {
    let mut reader = Reader::new(bytes);
    let count = reader.array_head().map_err(|_| Refusal::Parameter)?;
    let left = count.checked_sub(1).ok_or(Refusal::Parameter)?;
    let code = reader.int().map_err(|_| Refusal::Parameter)?;
    Ok((code, Args { reader, left }))
}
