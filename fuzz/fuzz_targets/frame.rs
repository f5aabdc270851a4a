//! A connection's bytes: frames are cut off and everything inside them is decoded, as the engine would.
//!
//! Checked besides not crashing: a cut frame has the size it says, what decodes as a message can be encoded again
//! to the same meaning, operations that were counted are there.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipload_wire::query::IndexRange;
use shipload_wire::{Batch, Cut, Frame, Limits, PartitionQuery, Request, frame, request, response};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { inflated_size: 1 << 20, ..Limits::default() };
    let mut rest = bytes;
    loop {
        match frame::cut(rest, &limits) {
            Cut::Frame { frame, consumed } => {
                assert_eq!(consumed, frame.body.len() + frame::HEADER_SIZE);
                decode(&frame, &limits);
                rest = &rest[consumed..];
            }
            Cut::Incomplete { need } => {
                assert!(need > rest.len());
                return;
            }
            Cut::Refuse(_) => return,
        }
    }
});

fn decode(frame: &Frame<'_>, limits: &Limits) {
    let mut scratch = Vec::new();
    match frame.kind {
        frame::COMPRESSED => {
            if let Ok(inner) = frame::inflate(frame.body, limits, &mut scratch) {
                message(inner.body);
            }
        }
        _ => message(frame.body),
    }
    response::messages(frame.body).for_each(drop);
}

fn message(body: &[u8]) {
    let Ok(got) = Request::decode(body) else { return };
    let ops: Vec<_> = got.ops.clone().collect();
    assert_eq!(ops.len(), usize::from(got.header.op_count));
    assert!(ops.iter().map(|op| op.wire_size()).sum::<usize>() <= body.len());
    encode_again(&got, &ops);
    if let Some(data) = got.fields.batch {
        batch(data);
    }
    if let Ok(query) = PartitionQuery::decode(&got.fields) {
        assert!(query.partitions().all(|partition| partition < 4096));
        assert!(query.bvals().len() == 0 || query.bvals().len() == query.digests().len());
    }
    let _ = got.fields.index_range.map(IndexRange::decode);
}

fn encode_again(got: &Request<'_>, ops: &[shipload_wire::Op<'_>]) {
    let fields: Vec<_> = got.fields.present().collect();
    let mut out = Vec::new();
    request::message(&mut out, &got.header, &fields, ops);
    let again = Request::decode(&out[frame::HEADER_SIZE..]).expect("what was encoded decodes");
    assert_eq!(again.fields, got.fields);
    assert!(again.ops.eq(got.ops.clone()));
}

fn batch(data: &[u8]) {
    let Ok(batch) = Batch::decode(data) else { return };
    for row in batch.rows().take(10_000).flatten() {
        assert_eq!(row.ops.len(), row.ops.clone().count());
    }
}
