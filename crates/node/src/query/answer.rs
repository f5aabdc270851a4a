//! How records leave a query: each as a message, or as rows of blocks.

use crate::command::{Answer, Command, project};
use crate::now::{EPOCH_2010_S, Now};
use crate::worker::Scratch;
use shipload_store::{RecordRef, SetId};
use shipload_wire::bits::{field, info1, info4};
use shipload_wire::reply::{self, ReplyHeader};
use shipload_wire::rows::{self, HEADS, KEYS, Open, RowHead};
use shipload_wire::{Fields, Request};

/// A record that is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) record: &'a RecordRef<'a>,
    /// Its set's name.
    pub(super) set: &'a [u8],
    /// Its value in the index that was walked.
    pub(super) bval: Option<i64>,
}

/// What a row has of a record.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    bins: Vec<&'a [u8]>,
    heads: bool,
    keys: bool,
}

impl<'a> Shape<'a> {
    /// What a request asks for; none when it wants records.
    pub(super) fn asked(request: &Request<'a>) -> Option<Shape<'a>> {
        let wish = request.header.generation;
        (request.header.info4 & info4::ROWS != 0).then(|| Shape {
            bins: request.ops.clone().map(|op| op.name).collect(),
            heads: wish & HEADS != 0,
            keys: wish & KEYS != 0,
        })
    }

    /// Hands out the record's cells in the order asked: particle number and bytes, none where there is no such bin. Bins that
    /// are asked in the order in which they are stored are found in one walk.
    #[inline]
    pub(super) fn cells<'r>(&self, record: &RecordRef<'r>, mut each: impl FnMut(Option<(u8, &'r [u8])>)) {
        let mut walk = record.bins();
        for name in &self.bins {
            let before = walk.clone();
            let found = walk.find(|bin| bin.is_named(name)).or_else(|| {
                walk = before;
                record.bin(name)
            });
            each(found.map(|bin| (bin.kind.number(), bin.value)));
        }
    }

    /// Appends a record's row.
    pub(super) fn append(&self, out: &mut Vec<u8>, record: &RecordRef<'_>) {
        if self.heads {
            let meta = record.meta();
            let head = RowHead {
                digest: record.digest().0,
                generation: u32::from(meta.generation),
                void_time: meta.void_time,
                last_update_ms: meta.last_update_ms.saturating_add(EPOCH_2010_S * 1000),
            };
            rows::head(out, &head);
        }
        if self.keys {
            rows::cell(out, record.key().map(|key| (key.kind, key.bytes)));
        }
        self.cells(record, |cell| rows::cell(out, cell));
    }
}

/// Rows that are wanted instead of records.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    shape: Shape<'a>,
    open: Option<Open>,
}

impl<'a> Rows<'a> {
    /// Rows of this shape.
    pub(super) fn new(shape: Shape<'a>) -> Rows<'a> {
        Rows { shape, open: None }
    }

    /// Appends a record's row.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, record: &RecordRef<'_>) {
        let open = self.open.get_or_insert_with(|| Open::begin(out));
        self.shape.append(out, record);
        open.count(out, &record.digest().0);
    }

    /// Ends the block that is open: the rows that follow are of another partition.
    pub(super) fn close(&mut self, out: &mut [u8]) {
        if let Some(open) = self.open.take() {
            open.end(out);
        }
    }
}

/// Appends one record as a message; false when nothing of it is to be sent.
pub(super) fn append(
    scratch: &mut Scratch,
    request: &Request<'_>,
    now: Now,
    out: &mut Vec<u8>,
    found: Found<'_>,
) -> bool {
    let Found { record, set, bval } = found;
    let start = out.len();
    let mark = reply::header(out, &ReplyHeader::default());
    let mut field_count = fields(request, record, set, out);
    if let Some(bval) = bval {
        reply::field(out, field::BVALS, &bval.to_le_bytes());
        field_count += 1;
    }
    let no_fields = Fields::default();
    let command = Command {
        info1: request.header.info1,
        info2: request.header.info2,
        info3: 0,
        info4: 0,
        generation: 0,
        ttl: 0,
        digest: record.digest(),
        fields: &no_fields,
        set,
        filter: None,
        ops: request.ops.clone(),
        row: 0,
    };
    let mut answer = Answer::new(out, &command).into_reads();
    if !project(scratch, &command, record, set, now, &mut answer) {
        out.truncate(start);
        return false;
    }
    let op_count = answer.count();
    let meta = record.meta();
    let header = ReplyHeader {
        generation: u32::from(meta.generation),
        void_time: meta.void_time,
        field_count,
        op_count,
        ..ReplyHeader::default()
    };
    reply::patch_header(out, mark, &header);
    if request.header.info1 & info1::GET_NOBINDATA != 0 {
        // The real server repeats this bit, and clients that look for it are told that no bins were asked.
        out[start + 1] = info1::GET_NOBINDATA;
    }
    true
}

/// Appends the fields that name a record; says how many.
fn fields(request: &Request<'_>, record: &RecordRef<'_>, set: &[u8], out: &mut Vec<u8>) -> u16 {
    reply::field(out, field::NAMESPACE, request.fields.namespace.unwrap_or_default());
    reply::field(out, field::DIGEST, &record.digest().0);
    let mut count = 2;
    if record.meta().set != SetId::NONE {
        reply::field(out, field::SET, set);
        count += 1;
    }
    if let Some(key) = record.key() {
        let mut whole = Vec::with_capacity(key.bytes.len() + 1);
        whole.push(key.kind);
        whole.extend_from_slice(key.bytes);
        reply::field(out, field::KEY, &whole);
        count += 1;
    }
    count
}
