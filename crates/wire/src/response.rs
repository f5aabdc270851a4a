//! Answers as a client sees them: used by our own tools and tests.

use crate::bits::info3;
use crate::code::ResultCode;
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::fields::Fields;
use crate::message::{Header, Request};
use crate::ops::Ops;

/// One message of an answer, borrowed from its frame.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The fixed part.
    pub header: Header,
    /// The fields.
    pub fields: Fields<'a>,
    /// The operations: bins and results.
    pub ops: Ops<'a>,
}

impl<'a> Response<'a> {
    /// Decodes a body that must hold exactly one message.
    ///
    /// # Errors
    /// Any length, count or rest of bytes that does not fit.
    pub fn decode(body: &'a [u8]) -> Result<Response<'a>, DecodeError> {
        Request::decode(body).map(Response::from)
    }

    /// How the command ended; none for a number that the protocol does not define.
    #[must_use]
    pub fn result(&self) -> Option<ResultCode> {
        ResultCode::from_number(self.header.result)
    }

    /// Whether this message ends a stream.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.header.info3 & info3::LAST != 0
    }

    /// Whether this message reports a finished partition, whose number is the generation.
    #[must_use]
    pub fn is_partition_done(&self) -> bool {
        self.header.info3 & info3::PARTITION_DONE != 0
    }
}

impl<'a> From<Request<'a>> for Response<'a> {
    fn from(message: Request<'a>) -> Self {
        Response { header: message.header, fields: message.fields, ops: message.ops }
    }
}

/// All messages of one frame of a stream; an error is the last item.
pub fn messages(body: &[u8]) -> impl Iterator<Item = Result<Response<'_>, DecodeError>> {
    let mut cursor = Cursor::new(body);
    std::iter::from_fn(move || {
        if cursor.is_empty() {
            return None;
        }
        let mut request = Request::default();
        let message = request.fill(&mut cursor).map(|()| Response::from(request));
        if message.is_err() {
            cursor = Cursor::new(&[]);
        }
        Some(message)
    })
}

/// The same, each message with its own bytes; for those who pass messages on.
pub fn messages_with_bytes(body: &[u8]) -> impl Iterator<Item = Result<(Response<'_>, &[u8]), DecodeError>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut cursor = Cursor::new(rest);
        let mut request = Request::default();
        let filled = request.fill(&mut cursor);
        let behind = cursor.rest();
        let (own, _) = rest.split_at(rest.len().saturating_sub(behind.len()));
        rest = if filled.is_ok() { behind } else { &[] };
        Some(filled.map(|()| (Response::from(request), own)))
    })
}

/// The answers of an info frame as (command, value), both as text; lines that are not UTF-8 are left out.
///
/// A line without a tab (an error of the whole request) comes as a command with an empty value.
pub fn info_answers(body: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    body.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(|line| line.split_once('\t').unwrap_or((line, "")))
}
