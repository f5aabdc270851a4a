//! Properties: what is encoded decodes to the same, and no bytes whatever bring a decoder down.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use shipload_wire::info::Command;
use shipload_wire::query::IndexRange;
use shipload_wire::{
    Batch, Cut, Header, Limits, Op, PartitionQuery, Request, frame, info, request, response,
};

type OwnedOp = (u8, u8, Vec<u8>, Vec<u8>);

fn headers() -> impl Strategy<Value = Header> {
    (any::<[u8; 5]>(), any::<[u32; 3]>()).prop_map(|([info1, info2, info3, info4, result], words)| Header {
        info1,
        info2,
        info3,
        info4,
        result,
        generation: words[0],
        record_ttl: words[1],
        transaction_ttl: words[2],
        field_count: 0,
        op_count: 0,
    })
}

fn ops() -> impl Strategy<Value = Vec<OwnedOp>> {
    vec((any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..=255), vec(any::<u8>(), 0..300)), 0..6)
}

fn fields() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    vec((0u8..50, vec(any::<u8>(), 0..60)), 0..8)
}

fn borrowed(ops: &[OwnedOp]) -> Vec<Op<'_>> {
    ops.iter().map(|(code, kind, name, value)| Op { code: *code, kind: *kind, name, value }).collect()
}

/// Walks everything that a decoder offers for these bytes.
fn walk(bytes: &[u8]) {
    let limits = Limits { inflated_size: 1 << 16, ..Limits::default() };
    if let Cut::Frame { frame, consumed } = frame::cut(bytes, &limits) {
        assert_eq!(consumed, frame.body.len() + frame::HEADER_SIZE);
        walk_body(frame.body);
    }
    let mut scratch = Vec::new();
    if let Ok(inner) = frame::inflate(bytes, &limits, &mut scratch) {
        walk_body(inner.body);
    }
    walk_body(bytes);
    walk_batch(bytes);
    response::messages(bytes).for_each(drop);
    response::info_answers(bytes).for_each(drop);
    let _ = IndexRange::decode(bytes);
    for line in info::lines(bytes, 50) {
        let text = String::from_utf8_lossy(line);
        let command = Command::parse(&text);
        assert!(command.params().count() <= text.len());
    }
}

fn walk_body(body: &[u8]) {
    let Ok(got) = Request::decode(body) else { return };
    assert_eq!(got.ops.clone().count(), usize::from(got.header.op_count));
    if let Some(data) = got.fields.batch {
        walk_batch(data);
    }
    if let Ok(query) = PartitionQuery::decode(&got.fields) {
        assert!(query.partitions().all(|partition| partition < 4096));
    }
}

fn walk_batch(data: &[u8]) {
    if let Ok(batch) = Batch::decode(data) {
        for row in batch.rows().flatten() {
            assert_eq!(row.ops.len(), row.ops.clone().count());
        }
    }
}

proptest! {
    #[test]
    fn messages_round_trip(header in headers(), fields in fields(), ops in ops()) {
        let sent: Vec<(u8, &[u8])> = fields.iter().map(|(id, data)| (*id, data.as_slice())).collect();
        let ops = borrowed(&ops);
        let mut out = Vec::new();
        request::message(&mut out, &header, &sent, &ops);
        let cut = frame::cut(&out, &Limits::default());
        let Cut::Frame { frame, consumed } = cut else { unreachable!("{cut:?}") };
        prop_assert_eq!(consumed, out.len());
        let got = Request::decode(frame.body).unwrap();
        let counts = Header { field_count: got.header.field_count, op_count: got.header.op_count, ..header };
        prop_assert_eq!(got.header, counts);
        prop_assert_eq!(usize::from(counts.field_count), sent.len());
        prop_assert_eq!(got.ops.collect::<Vec<_>>(), ops);
        for (id, data) in got.fields.present() {
            prop_assert_eq!(sent.iter().find(|(other, _)| *other == id).map(|(_, data)| *data), Some(data));
        }
    }

    #[test]
    fn compression_round_trips(ops in ops()) {
        let mut plain = Vec::new();
        request::message(&mut plain, &Header::default(), &[], &borrowed(&ops));
        let mut packed = Vec::new();
        request::compressed(&mut packed, &plain);
        let mut scratch = Vec::new();
        let got = frame::inflate(&packed[frame::HEADER_SIZE..], &Limits::default(), &mut scratch).unwrap();
        prop_assert_eq!(got.body, &plain[frame::HEADER_SIZE..]);
    }

    #[test]
    fn streams_of_frames_are_cut_at_any_split(sizes in vec(0usize..80, 1..6), split in any::<usize>()) {
        let mut stream = Vec::new();
        for size in &sizes {
            stream.extend_from_slice(&frame::header(frame::MESSAGE, *size));
            stream.resize(stream.len() + size, 7);
        }
        let mut rest = &stream[..split % (stream.len() + 1)];
        let mut found = 0;
        while let Cut::Frame { frame, consumed } = frame::cut(rest, &Limits::default()) {
            prop_assert_eq!(frame.body.len(), sizes[found]);
            found += 1;
            rest = &rest[consumed..];
        }
        prop_assert!(found <= sizes.len());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        walk(&bytes);
    }

    #[test]
    fn a_damaged_message_never_panics(ops in ops(), fields in fields(), hits in vec((any::<usize>(), any::<u8>()), 1..5)) {
        let sent: Vec<(u8, &[u8])> = fields.iter().map(|(id, data)| (*id, data.as_slice())).collect();
        let mut out = Vec::new();
        request::message(&mut out, &Header::default(), &sent, &borrowed(&ops));
        for (at, byte) in hits {
            let at = at % out.len();
            out[at] = byte;
        }
        walk(&out);
        walk(&out[frame::HEADER_SIZE..]);
    }
}
