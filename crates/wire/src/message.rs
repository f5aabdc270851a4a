//! Messages: a fixed header, then fields, then operations.
//!
//! [`Request::decode`] checks every length and both counts in one walk; what it returns borrows from the frame and
//! can be walked without further errors. It does not judge meaning: bit combinations, names and values are the engine's.

use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::fields::Fields;
use crate::ops::Ops;

/// Bytes of a message header.
pub const HEADER_SIZE: usize = 22;

/// The fixed part of a message, the same for requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Bits of [`crate::bits::info1`].
    pub info1: u8,
    /// Bits of [`crate::bits::info2`].
    pub info2: u8,
    /// Bits of [`crate::bits::info3`].
    pub info3: u8,
    /// Bits of [`crate::bits::info4`].
    pub info4: u8,
    /// Result code number of an answer; 0 and ignored in requests.
    pub result: u8,
    /// Expected generation; in answers the record's.
    pub generation: u32,
    /// Time to live in seconds or a special value; read-touch percent; in answers the void time.
    pub record_ttl: u32,
    /// Server timeout in ms; in batch answers the row's index.
    pub transaction_ttl: u32,
    /// Fields that follow.
    pub field_count: u16,
    /// Operations that follow the fields.
    pub op_count: u16,
}

impl Header {
    /// Reads a header at the cursor. The size byte is ignored, as by a real server.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Header, DecodeError> {
        let &[_size, info1, info2, info3, info4, result] = cursor.array()?;
        Ok(Header {
            info1,
            info2,
            info3,
            info4,
            result,
            generation: cursor.u32()?,
            record_ttl: cursor.u32()?,
            transaction_ttl: cursor.u32()?,
            field_count: cursor.u16()?,
            op_count: cursor.u16()?,
        })
    }

    /// The header's bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; HEADER_SIZE] {
        let [g0, g1, g2, g3] = self.generation.to_be_bytes();
        let [r0, r1, r2, r3] = self.record_ttl.to_be_bytes();
        let [t0, t1, t2, t3] = self.transaction_ttl.to_be_bytes();
        let [f0, f1] = self.field_count.to_be_bytes();
        let [o0, o1] = self.op_count.to_be_bytes();
        [
            22,
            self.info1,
            self.info2,
            self.info3,
            self.info4,
            self.result,
            g0,
            g1,
            g2,
            g3,
            r0,
            r1,
            r2,
            r3,
            t0,
            t1,
            t2,
            t3,
            f0,
            f1,
            o0,
            o1,
        ]
    }
}

/// One request, borrowed from its frame.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The fixed part.
    pub header: Header,
    /// The fields.
    pub fields: Fields<'a>,
    /// The operations.
    pub ops: Ops<'a>,
}

impl<'a> Request<'a> {
    /// Decodes the body of a message frame, which must hold exactly one message.
    ///
    /// # Errors
    /// Any length, count or rest of bytes that does not fit.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Request<'a>, DecodeError> {
        let mut cursor = Cursor::new(body);
        let mut request = Request::default();
        request.fill(&mut cursor)?;
        if cursor.is_empty() { Ok(request) } else { Err(DecodeError::Trailing) }
    }

    /// Reads one message at the cursor into `self`, which is empty.
    pub(crate) fn fill(&mut self, cursor: &mut Cursor<'a>) -> Result<(), DecodeError> {
        self.header = Header::read(cursor)?;
        self.fields.fill(cursor, self.header.field_count)?;
        self.ops = Ops::read(cursor, self.header.op_count)?;
        Ok(())
    }
}
