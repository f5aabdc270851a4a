//! Messages to bytes.

use super::message::{At, Item, Message};
use shipload_value::Digest;

/// Kind bytes of frames.
pub(super) mod kind {
    pub(in crate::fabric) const HELLO: u8 = 1;
    pub(in crate::fabric) const AGREEMENT: u8 = 2;
    pub(in crate::fabric) const METADATA: u8 = 3;
    pub(in crate::fabric) const PROXY: u8 = 4;
    pub(in crate::fabric) const PROXY_REPLY: u8 = 5;
    pub(in crate::fabric) const PUT: u8 = 16;
    pub(in crate::fabric) const PUT_MIGRATED: u8 = 17;
    pub(in crate::fabric) const REMOVE: u8 = 18;
    pub(in crate::fabric) const REMOVE_MIGRATED: u8 = 19;
    pub(in crate::fabric) const FILLING: u8 = 20;
    pub(in crate::fabric) const FULL: u8 = 21;
    pub(in crate::fabric) const LEAD: u8 = 22;
    pub(in crate::fabric) const AFTER: u8 = 23;
    pub(in crate::fabric) const ACK: u8 = 32;
    pub(in crate::fabric) const WRONG_VIEW: u8 = 33;
    pub(in crate::fabric) const ASK: u8 = 48;
    pub(in crate::fabric) const BUSY: u8 = 49;
    pub(in crate::fabric) const SUMMARY: u8 = 50;
    pub(in crate::fabric) const LIST: u8 = 51;
    pub(in crate::fabric) const LISTING: u8 = 52;
    pub(in crate::fabric) const PULL: u8 = 53;
    pub(in crate::fabric) const PULLED: u8 = 54;
    pub(in crate::fabric) const RELEASE: u8 = 55;
    pub(in crate::fabric) const RELEASED: u8 = 56;
    pub(in crate::fabric) const STRAY: u8 = 57;
}

struct Writer<'o>(&'o mut Vec<u8>);

impl Writer<'_> {
    fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.bytes(&digest.0)
    }

    fn at(&mut self, at: &At) -> &mut Self {
        self.u32(at.namespace.0).u16(at.partition.number()).u64(at.view)
    }

    fn round(&mut self, kind: u8, at: &At, round: u32) -> &mut Self {
        self.u8(kind).at(at).u32(round)
    }
}

impl Message<'_> {
    /// Appends the message as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.body(&mut Writer(out));
        let length = out.len().saturating_sub(start).saturating_sub(4);
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = out.get_mut(start..start.saturating_add(4)) {
            place.copy_from_slice(&length);
        }
    }

    fn body(&self, w: &mut Writer<'_>) {
        match self {
            Message::Hello(hello) => {
                w.u8(kind::HELLO).u32(super::MAGIC).u16(hello.version);
                w.u64(hello.cluster).u64(hello.node.0).u64(hello.incarnation)
            }
            Message::Agreement(bytes) => w.u8(kind::AGREEMENT).bytes(bytes),
            Message::Metadata(bytes) => w.u8(kind::METADATA).bytes(bytes),
            Message::Proxy { id, hops, frame } => w.u8(kind::PROXY).u64(*id).u8(*hops).bytes(frame),
            Message::ProxyReply { id, frames } => w.u8(kind::PROXY_REPLY).u64(*id).bytes(frames),
            Message::Replica { at, seq, item } => {
                w.u8(item_kind(item)).at(at).u64(*seq);
                encode_item(w, item);
                w
            }
            Message::Ack { at, seq } => w.u8(kind::ACK).at(at).u64(*seq),
            Message::WrongView { at, known } => w.u8(kind::WRONG_VIEW).at(at).u64(*known),
            Message::Ask { at, round, filling } => w.round(kind::ASK, at, *round).u8(u8::from(*filling)),
            Message::Busy { at, round } => w.round(kind::BUSY, at, *round),
            Message::Summary { at, round, summary } => {
                w.round(kind::SUMMARY, at, *round);
                summary.encode(w.0);
                w
            }
            Message::List { at, round, buckets } => {
                w.round(kind::LIST, at, *round).bytes(&buckets.to_bytes())
            }
            Message::Listing { at, round, buckets, stamps } => {
                w.round(kind::LISTING, at, *round).bytes(&buckets.to_bytes()).bytes(stamps)
            }
            Message::Pull { at, round, digests } => w.round(kind::PULL, at, *round).bytes(digests),
            Message::Pulled { at, round, records } => w.round(kind::PULLED, at, *round).bytes(records),
            Message::Release { at } => w.u8(kind::RELEASE).at(at),
            Message::Stray { at } => w.u8(kind::STRAY).at(at),
            Message::Released { at } => w.u8(kind::RELEASED).at(at),
        };
    }
}

fn item_kind(item: &Item<'_>) -> u8 {
    match item {
        Item::Put { migrated: false, .. } => kind::PUT,
        Item::Put { migrated: true, .. } => kind::PUT_MIGRATED,
        Item::Remove { migrated: false, .. } => kind::REMOVE,
        Item::Remove { migrated: true, .. } => kind::REMOVE_MIGRATED,
        Item::Filling(_) => kind::FILLING,
        Item::Full(_) => kind::FULL,
        Item::Lead(_) => kind::LEAD,
        Item::After { .. } => kind::AFTER,
    }
}

fn encode_item(w: &mut Writer<'_>, item: &Item<'_>) {
    match item {
        Item::Put { digest, image, .. } => w.digest(digest).bytes(image),
        Item::Remove { digest, last_update_ms, .. } => w.digest(digest).u64(*last_update_ms),
        Item::Filling(version) | Item::Full(version) => w.bytes(version),
        Item::Lead(tails) => {
            for (node, seq) in tails {
                w.u64(node.0).u64(*seq);
            }
            w
        }
        Item::After { node, seq } => w.u64(node.0).u64(*seq),
    };
}
