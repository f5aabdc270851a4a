//! Clients: each owns some records, writes them one write at a time, and reads any record. Requests go where the last
//! known map says, or on purpose somewhere else.

use crate::host::NAMESPACE;
use crate::merge::Winner;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_cluster::NodeId;
use shipload_value::digest::PARTITION_COUNT;
use shipload_value::{Digest, PartitionId};
use shipload_wire::bits::{info3, op};
use shipload_wire::code::ResultCode;
use shipload_wire::request::{self, Key};
use shipload_wire::{Cut, Header, Limits, Op, Response, frame, response};

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A write with this token, of this record.
    Write {
        /// The record.
        record: usize,
        /// The token.
        token: u64,
    },
    /// A read of this record, sent at that moment.
    Read {
        /// The record.
        record: usize,
        /// When, microseconds.
        sent_us: u64,
        /// No write had been lost lawfully when it was sent.
        strict: bool,
        /// What it must show if the view holds.
        winner: Option<Winner>,
    },
    /// Writes of registers of its own, from this one on.
    Registers {
        /// The first.
        first: usize,
        /// How many; between each two lie those of other clients.
        count: usize,
    },
    /// A read of this register, sent at that moment.
    Register {
        /// The register.
        register: usize,
        /// When, microseconds.
        sent_us: u64,
        /// As for other reads.
        strict: bool,
    },
    /// A write of a page.
    PageWrite {
        /// The page.
        page: usize,
        /// What it is then.
        number: u64,
    },
    /// How long a copy of a page may live; asked at that moment.
    Lease {
        /// The page.
        page: usize,
        /// Who was asked, and is read from.
        master: NodeId,
        /// When, microseconds.
        asked_us: u64,
    },
    /// A page, of which a copy may live until then.
    Page {
        /// The page.
        page: usize,
        /// When its life was asked for, microseconds.
        asked_us: u64,
        /// Its end, microseconds.
        until_us: u64,
    },
    /// What a node knows for the sketch.
    Sketch {
        /// The node.
        node: NodeId,
    },
    /// A node's part of the map.
    Map {
        /// Whose.
        node: NodeId,
    },
}

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Who masters each partition, as far as is known.
    pub masters: Vec<Option<NodeId>>,
    /// The request under way.
    pub waiting: Option<(u64, Waiting)>,
    /// Number of the last request.
    pub serial: u64,
    /// When the map is asked for again, microseconds.
    pub map_at_us: u64,
    /// The records that only this client writes.
    pub own: Vec<usize>,
}

impl Client {
    /// A client that knows nothing yet.
    #[must_use]
    pub fn new(own: Vec<usize>) -> Client {
        Client {
            masters: vec![None; usize::from(PARTITION_COUNT)],
            waiting: None,
            serial: 0,
            map_at_us: 0,
            own,
        }
    }

    /// Takes in what a node says of the partitions that it masters.
    pub fn learn(&mut self, node: NodeId, frames: &[u8]) {
        let Some(text) = info_value(frames) else { return };
        let Some(bitmap) = text.split(',').nth(2).and_then(|map| STANDARD.decode(map).ok()) else { return };
        for partition in PartitionId::all() {
            let byte = bitmap.get(partition.index() / 8).copied().unwrap_or(0);
            let master = &mut self.masters[partition.index()];
            if byte & (0x80 >> (partition.index() % 8)) != 0 {
                *master = Some(node);
            } else if *master == Some(node) {
                *master = None;
            }
        }
    }
}

/// The digest of a record.
#[must_use]
pub fn digest(record: usize) -> Digest {
    Digest::of(b"chains", 1, &(record as u64).to_be_bytes())
}

/// Whether writes of a record are done when its master has them. They may be lost with it, and one may follow the other
/// before any copy has the first.
#[must_use]
pub fn is_hasty(record: usize) -> bool {
    record.is_multiple_of(5)
}

/// A write that appends a token.
#[must_use]
pub fn append(record: usize, token: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let Digest(bytes) = digest(record);
    let info3 = if is_hasty(record) { info3::COMMIT_MASTER } else { 0 };
    let header = Header { info3, record_ttl: u32::MAX, transaction_ttl: 1000, ..Header::default() };
    let ops = [Op { code: op::APPEND, kind: 3, name: b"c", value: token }];
    request::put(&mut out, &header, &Key::new(NAMESPACE, "chains", &bytes), &ops);
    out
}

/// A read.
#[must_use]
pub fn read(record: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let Digest(bytes) = digest(record);
    request::get(&mut out, &Key::new(NAMESPACE, "chains", &bytes), 1000);
    out
}

/// Asks for a node's part of the map.
#[must_use]
pub fn ask_map() -> Vec<u8> {
    ask("replicas")
}

/// An info command.
#[must_use]
pub fn ask(command: &str) -> Vec<u8> {
    let mut out = frame::header(frame::INFO, command.len() + 1).to_vec();
    out.extend_from_slice(command.as_bytes());
    out.push(b'\n');
    out
}

/// The value in an answer to an info command.
pub(crate) fn info_value(frames: &[u8]) -> Option<&str> {
    let Cut::Frame { frame, .. } = frame::cut(frames, &Limits::default()) else { return None };
    response::info_answers(frame.body).next().map(|(_, value)| value)
}

/// An answer to a request for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// How it ended.
    pub code: Option<ResultCode>,
    /// The record's generation.
    pub generation: u32,
    /// The record's chain.
    pub chain: Vec<u8>,
}

/// Reads an answer; none when it is not one.
#[must_use]
pub fn answered(frames: &[u8]) -> Option<Answered> {
    let Cut::Frame { frame, .. } = frame::cut(frames, &Limits::default()) else { return None };
    let response = Response::decode(frame.body).ok()?;
    let chain = response.ops.clone().find(|op| op.name == b"c").map(|op| op.value.to_vec());
    Some(Answered {
        code: response.result(),
        generation: response.header.generation,
        chain: chain.unwrap_or_default(),
    })
}

/// Whether a code says that nothing was done.
#[must_use]
pub fn is_refusal(code: ResultCode) -> bool {
    code == ResultCode::Unavailable
}

/// The chain of a record's image as it travels between nodes, its generation and its last update (ms since 2010).
#[must_use]
pub fn chain_of_image(image: &[u8]) -> Option<(Vec<u8>, u32, u64)> {
    let generation = u16::from_le_bytes(image.get(1..3)?.try_into().ok()?);
    let updated_ms = u64::from_le_bytes(image.get(3..11)?.try_into().ok()?);
    // Behind the void time come set and key, then the bins: one, whose value takes the rest.
    let set = usize::from(*image.get(15)?);
    let bins = image.get(16 + set..)?;
    let [0, 1, 0, 1, b'c', 3, rest @ ..] = bins else { return None };
    Some((rest.get(4..)?.to_vec(), u32::from(generation), updated_ms))
}
