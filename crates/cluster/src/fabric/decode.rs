//! Bytes to messages.

use super::encode::kind;
use super::message::{At, Hello, Item, Message, NamespaceId};
use super::payload::Payload;
use super::{FRAME_MAX, MAGIC};
use crate::identity::NodeId;
use crate::replication::{Buckets, Summary};
use shipload_value::{Digest, PartitionId};
use thiserror::Error;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A frame says that it is longer than any message.
    #[error("a frame is longer than any message")]
    TooLong,
    /// A frame ends before its fields do.
    #[error("a frame ends too early")]
    Truncated,
    /// Bytes follow where none may.
    #[error("a frame has bytes left over")]
    LeftOver,
    /// Nobody knows this kind of frame.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// A hello does not begin as one: somebody else's protocol.
    #[error("not a Shipload node")]
    Magic,
    /// A field has a value that it may not have.
    #[error("a field of a frame has an impossible value")]
    Field,
}

/// What a receive buffer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut<'a> {
    /// Not a whole frame yet; this many bytes are wanted in all.
    Incomplete(usize),
    /// A frame's body, and how many bytes the frame takes in the buffer.
    Frame(&'a [u8], usize),
}

/// Cuts the first frame off a receive buffer.
pub fn cut(buffer: &[u8]) -> Result<Cut<'_>, DecodeError> {
    let Some((length, rest)) = buffer.split_first_chunk::<4>() else { return Ok(Cut::Incomplete(4)) };
    let length = u32::from_le_bytes(*length) as usize;
    let total = length.saturating_add(4);
    if total > FRAME_MAX {
        return Err(DecodeError::TooLong);
    }
    Ok(rest.get(..length).map_or(Cut::Incomplete(total), |body| Cut::Frame(body, total)))
}

/// Reads the body of a frame.
pub fn decode(body: &[u8]) -> Result<Message<'_>, DecodeError> {
    let mut r = Reader(body);
    let kind = r.u8()?;
    let message = match kind {
        kind::HELLO => r.hello()?,
        kind::AGREEMENT => Message::Agreement(r.rest()),
        kind::METADATA => Message::Metadata(r.rest()),
        kind::PROXY => Message::Proxy { id: r.u64()?, hops: r.u8()?, frame: r.rest() },
        kind::PROXY_REPLY => Message::ProxyReply { id: r.u64()?, frames: r.rest() },
        kind::PUT..=kind::AFTER => Message::Replica { at: r.at()?, seq: r.u64()?, item: r.item(kind)? },
        kind::ACK => Message::Ack { at: r.at()?, seq: r.u64()? },
        kind::WRONG_VIEW => Message::WrongView { at: r.at()?, known: r.u64()? },
        kind::ASK => Message::Ask { at: r.at()?, round: r.u32()?, filling: r.u8()? != 0 },
        kind::BUSY => Message::Busy { at: r.at()?, round: r.u32()? },
        kind::SUMMARY => Message::Summary { at: r.at()?, round: r.u32()?, summary: r.summary()? },
        kind::LIST => Message::List { at: r.at()?, round: r.u32()?, buckets: r.buckets()? },
        kind::LISTING => {
            Message::Listing { at: r.at()?, round: r.u32()?, buckets: r.buckets()?, stamps: r.rest() }
        }
        kind::PULL => Message::Pull { at: r.at()?, round: r.u32()?, digests: r.rest() },
        kind::PULLED => Message::Pulled { at: r.at()?, round: r.u32()?, records: r.rest() },
        kind::RELEASE => Message::Release { at: r.at()? },
        kind::STRAY => Message::Stray { at: r.at()? },
        kind::RELEASED => Message::Released { at: r.at()? },
        other => return Err(DecodeError::Kind(other)),
    };
    if r.0.is_empty() { Ok(message) } else { Err(DecodeError::LeftOver) }
}

/// Takes fields off the front of a slice.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (chunk, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*chunk)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (slice, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(slice)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.chunk().map(u64::from_le_bytes)
    }

    pub(super) fn digest(&mut self) -> Result<Digest, DecodeError> {
        self.chunk().map(Digest)
    }

    fn rest(&mut self) -> Payload<'a> {
        Payload::Borrowed(std::mem::take(&mut self.0))
    }

    fn node(&mut self) -> Result<NodeId, DecodeError> {
        self.u64().map(NodeId)
    }

    fn at(&mut self) -> Result<At, DecodeError> {
        let namespace = NamespaceId(self.u32()?);
        let partition = PartitionId::new(self.u16()?).ok_or(DecodeError::Field)?;
        Ok(At { namespace, partition, view: self.u64()? })
    }

    fn hello(&mut self) -> Result<Message<'a>, DecodeError> {
        if self.u32()? != MAGIC {
            return Err(DecodeError::Magic);
        }
        let (version, cluster) = (self.u16()?, self.u64()?);
        Ok(Message::Hello(Hello { version, cluster, node: self.node()?, incarnation: self.u64()? }))
    }

    fn buckets(&mut self) -> Result<Buckets, DecodeError> {
        self.chunk().map(Buckets::from_bytes)
    }

    fn summary(&mut self) -> Result<Box<Summary>, DecodeError> {
        let filled = self.buckets()?;
        let mut summary = Box::new(Summary::default());
        for bucket in filled.iter() {
            summary.set(bucket, self.u64()?);
        }
        Ok(summary)
    }

    fn item(&mut self, kind: u8) -> Result<Item<'a>, DecodeError> {
        Ok(match kind {
            kind::PUT | kind::PUT_MIGRATED => {
                let migrated = kind == kind::PUT_MIGRATED;
                Item::Put { digest: self.digest()?, migrated, image: self.rest() }
            }
            kind::REMOVE | kind::REMOVE_MIGRATED => {
                let migrated = kind == kind::REMOVE_MIGRATED;
                Item::Remove { digest: self.digest()?, migrated, last_update_ms: self.u64()? }
            }
            kind::FILLING => Item::Filling(self.rest()),
            kind::FULL => Item::Full(self.rest()),
            kind::LEAD => {
                let mut tails = Vec::new();
                while !self.0.is_empty() {
                    tails.push((self.node()?, self.u64()?));
                }
                Item::Lead(tails)
            }
            kind::AFTER => Item::After { node: self.node()?, seq: self.u64()? },
            other => return Err(DecodeError::Kind(other)),
        })
    }
}
