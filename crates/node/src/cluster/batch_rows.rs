//! Rows of a batch that other nodes master, or that threads for functions do, as batches of their own.

use crate::node::Node;
use shipload_cluster::NodeId;
use shipload_value::Digest;
use shipload_wire::bits::{batch, field, info1, row as part};
use shipload_wire::{Header, Row, reply, request};
use std::collections::BTreeMap;

/// The most rows of short functions that are one part.
const PART_ROWS: u32 = 64;

/// Rows that are not done where their batch is.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    /// By the masters of their partitions; none for rows whose master is not known.
    masters: BTreeMap<Option<NodeId>, Rows>,
    /// Those of this node, for its threads for functions.
    own: Vec<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    count: u32,
    /// Some of them may change something.
    writes: bool,
    bytes: Vec<u8>,
}

impl Foreign {
    pub(crate) fn is_empty(&self) -> bool {
        self.masters.is_empty() && self.own.is_empty()
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, node: &Node, row: &Row<'_>) {
        let namespace = row.fields.namespace.and_then(|name| node.namespace(name));
        let partition = Digest(*row.digest).partition();
        let master = namespace.and_then(|namespace| namespace.holdings.master(partition));
        let rows = self.masters.entry(master.filter(|master| *master != node.id())).or_default();
        rows.add(row);
    }

    /// Adds a row of this node whose function is to be called by a thread for functions. `is_long`: not after others.
    pub(crate) fn add_own(&mut self, row: &Row<'_>, is_long: bool) {
        match self.own.last_mut().filter(|last| !is_long && last.count < PART_ROWS) {
            Some(last) => last.add(row),
            None => {
                let mut rows = Rows::default();
                rows.add(row);
                self.own.push(rows);
            }
        }
    }

    /// What threads for functions do, as complete frames. Every row will be answered.
    pub(super) fn take_own(&mut self, filter: Option<&[u8]>) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.own).into_iter().map(|rows| rows.into_request(filter)).collect()
    }

    /// The batches, as complete frames, each with its master and whether it may change anything. Every row will be answered.
    pub(super) fn into_requests(self, filter: Option<&[u8]>) -> Vec<(Option<NodeId>, bool, Vec<u8>)> {
        let masters = self.masters.into_iter();
        masters.map(|(master, rows)| (master, rows.writes, rows.into_request(filter))).collect()
    }
}

impl Rows {
    fn add(&mut self, row: &Row<'_>) {
        self.count += 1;
        self.writes |= row.info2 != 0;
        append(row, &mut self.bytes);
    }

    fn into_request(self, filter: Option<&[u8]>) -> Vec<u8> {
        let mut data = self.count.to_be_bytes().to_vec();
        data.push(batch::RESPOND_ALL_KEYS);
        data.extend_from_slice(&self.bytes);
        let mut fields = vec![(field::BATCH, data.as_slice())];
        fields.extend(filter.map(|filter| (field::FILTER, filter)));
        let header = Header { info1: info1::BATCH_INDEX, ..Header::default() };
        let mut out = Vec::with_capacity(data.len() + 64);
        request::message(&mut out, &header, &fields, &[]);
        out
    }
}

/// Appends a row that repeats nothing.
fn append(row: &Row<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.index.to_be_bytes());
    out.extend_from_slice(row.digest);
    let mut kind = part::INFO | part::INFO4;
    kind |= if row.generation.is_some() { part::GENERATION } else { 0 };
    kind |= if row.ttl.is_some() { part::TTL } else { 0 };
    out.extend_from_slice(&[kind, row.info1, row.info2, row.info3, row.info4]);
    if let Some(generation) = row.generation {
        out.extend_from_slice(&generation.to_be_bytes());
    }
    if let Some(ttl) = row.ttl {
        out.extend_from_slice(&ttl.to_be_bytes());
    }
    let fields = u16::try_from(row.fields.present().count()).unwrap_or(u16::MAX);
    let ops = u16::try_from(row.ops.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&fields.to_be_bytes());
    out.extend_from_slice(&ops.to_be_bytes());
    row.fields.present().for_each(|(id, data)| reply::field(out, id, data));
    row.ops.clone().for_each(|op| reply::op(out, op.code, op.kind, op.name, op.value));
}
