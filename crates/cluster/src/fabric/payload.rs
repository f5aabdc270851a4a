//! Bytes of a message: borrowed from a receive buffer, or shared by the queues that keep them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that are cheap to pass on: a clone never copies them.
#[derive(Clone)]
pub enum Payload<'a> {
    /// A part of somebody's buffer.
    Borrowed(&'a [u8]),
    /// Kept for as long as anybody needs them.
    Shared(Arc<[u8]>),
}

impl Payload<'_> {
    /// The same bytes without a lifetime; copies them if they were borrowed.
    #[must_use]
    pub fn into_owned(self) -> Payload<'static> {
        match self {
            Payload::Borrowed(bytes) => Payload::Shared(bytes.into()),
            Payload::Shared(bytes) => Payload::Shared(bytes),
        }
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
            Payload::Shared(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Payload::Shared(bytes.into())
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Payload::Borrowed(bytes)
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Payload<'_> {}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
