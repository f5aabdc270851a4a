//! Queries over the primary index: paging, pace, sets, projections, jobs, background operations.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_node::Executed;
use shipload_value::Digest;
use shipload_wire::bits::{field, info1, info2, info3, info4, op};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Query};
use shipload_wire::rows::{Block, HEADS, KEYS, RowHead, RowReader};
use shipload_wire::{Op, ResultCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Answer, Engine, digest, header, integer, messages};

fn all_partitions() -> Vec<u16> {
    (0..4096).collect()
}

/// The bytes of a query; one without a task id gets one of its own, as clients do it.
fn query_bytes(query: &Query<'_>) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1_000_000);
    let task_id = if query.task_id == 0 { NEXT.fetch_add(1, Ordering::Relaxed) } else { query.task_id };
    let mut bytes = Vec::new();
    request::query(&mut bytes, &Query { task_id, ..*query });
    bytes
}

/// The records of an answer; the last message must say that all went well.
fn records(mut answer: Vec<Answer>) -> Vec<Answer> {
    let last = answer.pop().unwrap();
    assert_eq!((last.header.result, last.header.info3), (0, info3::LAST));
    assert!(answer.iter().all(|record| record.header.result == 0 && record.header.info3 == 0));
    answer
}

fn filled(count: i64) -> Engine {
    let mut engine = Engine::new();
    (0..count).for_each(|key| drop(engine.put_integer(key, "a", key)));
    engine
}

#[test]
fn a_query_returns_each_record_once_in_descending_digest_order() {
    let mut engine = filled(3000);
    engine.put(-1, Header { record_ttl: 5, ..header() }, &[integer("a", &[0; 8])]);
    engine.pass_ms(7000);
    let partitions = all_partitions();
    let query = Query { namespace: "test", set: "demo", partitions: &partitions, ..Query::default() };
    let found = records(engine.messages(&query_bytes(&query)));
    assert_eq!(found.len(), 3000);
    let mut last: BTreeMap<u16, Digest> = BTreeMap::new();
    for record in &found {
        let digest = record.digest.unwrap();
        assert_eq!(record.set.as_deref(), Some(&b"demo"[..]));
        let before = last.insert(digest.partition().number(), digest);
        assert!(before.is_none_or(|before| before > digest));
    }
    let unique: BTreeSet<_> = found.iter().map(|record| record.digest).collect();
    assert_eq!(unique.len(), 3000);
}

#[test]
fn pages_are_exact() {
    let mut engine = filled(1000);
    let (mut whole, mut after) = (all_partitions(), BTreeMap::new());
    let mut sizes = Vec::new();
    let mut seen = BTreeSet::new();
    loop {
        let digests: Vec<[u8; 20]> = after.values().copied().collect();
        let query = Query {
            namespace: "test",
            set: "demo",
            partitions: &whole,
            digests: &digests,
            max_records: 333,
            ..Query::default()
        };
        let found = records(engine.messages(&query_bytes(&query)));
        for record in &found {
            let digest = record.digest.unwrap();
            assert!(seen.insert(digest));
            after.insert(digest.partition().number(), digest.0);
        }
        whole.retain(|partition| !after.contains_key(partition));
        sizes.push(found.len());
        if found.len() < 333 {
            break;
        }
    }
    assert_eq!(sizes, [333, 333, 333, 1]);
}

#[test]
fn a_paced_query_takes_its_time() {
    let mut engine = filled(30);
    let partitions = all_partitions();
    let query =
        Query { namespace: "test", partitions: &partitions, records_per_second: 3, ..Query::default() };
    let begun = engine.now.mono_ns;
    assert_eq!(records(engine.messages(&query_bytes(&query))).len(), 30);
    let took_s = (engine.now.mono_ns - begun) / 1_000_000_000;
    assert!((9..=10).contains(&took_s), "{took_s} s");
}

#[test]
fn sets_projections_and_metadata() {
    let mut engine = filled(10);
    engine.put_integer(5, "b", 50);
    let partitions = all_partitions();
    let base = Query { namespace: "test", partitions: &partitions, ..Query::default() };
    assert_eq!(records(engine.messages(&query_bytes(&base))).len(), 10);
    assert!(records(engine.messages(&query_bytes(&Query { set: "nope", ..base }))).is_empty());
    let only_b = records(engine.messages(&query_bytes(&Query { bins: &[b"b"], ..base })));
    assert_eq!((only_b.len(), only_b[0].ops.len(), only_b[0].integer("b")), (1, 1, Some(50)));
    let bare = records(engine.messages(&query_bytes(&Query { no_bin_data: true, ..base })));
    assert_eq!(bare.len(), 10);
    assert!(bare.iter().all(|record| record.ops.is_empty() && record.header.info1 == info1::GET_NOBINDATA));
}

/// What stands before a row, and its cells.
type Row = (RowHead, Vec<(u8, Vec<u8>)>);

#[test]
fn rows_hold_cells_of_every_record() {
    let mut engine = filled(300);
    engine.put(5, header(), &[Op { code: op::WRITE, kind: 3, name: b"b", value: b"text" }]);
    let partitions = all_partitions();
    let query = Query { namespace: "test", set: "demo", partitions: &partitions, ..Query::default() };
    let rows = |flags: u32, bins: &[&[u8]], answer: Vec<Answer>| -> Vec<Row> {
        let mut all = Vec::new();
        for block in records(answer) {
            assert_eq!((block.header.info4, block.ops.len()), (info4::ROWS, 1));
            let last = block.digest.unwrap();
            let found = Block::decode(&block.ops[0].3, last.0).unwrap();
            let mut reader = RowReader::new(found.rest());
            for _ in 0..found.count {
                let head = if flags & HEADS == 0 { RowHead::default() } else { reader.head().unwrap() };
                let keys = usize::from(flags & KEYS != 0);
                let cell = |_| reader.cell().map(|(kind, bytes)| (kind, bytes.to_vec())).unwrap();
                all.push((head, (0..bins.len() + keys).map(cell).collect()));
                assert!(flags & HEADS == 0 || Digest(head.digest).partition() == last.partition());
            }
            assert!(reader.cell().is_err(), "bytes behind the rows");
        }
        all
    };
    // Also those that have none of the bins, and in any order of the bins.
    for bins in [[b"a".as_slice(), b"b"], [b"b", b"a"], [b"b", b"none"]] {
        let asked = Query { rows: Some(HEADS | KEYS), bins: &bins, ..query };
        let found = rows(HEADS | KEYS, &bins, engine.messages(&query_bytes(&asked)));
        let names: BTreeSet<_> = found.iter().map(|(head, _)| head.digest).collect();
        assert_eq!((found.len(), names.len()), (300, 300));
        let text = bins.iter().position(|bin| *bin == b"b").unwrap() + 1;
        let texts: Vec<_> = found.iter().filter(|(_, cells)| cells[text].0 != 0).collect();
        assert_eq!(texts.len(), 1);
        assert_eq!(texts[0].1[text], (3, b"text".to_vec()));
        assert_eq!((texts[0].0.digest, texts[0].0.generation), (digest(5).0, 2));
        assert_eq!(texts[0].0.last_update_ms, engine.now.unix_ns / 1_000_000);
    }
    let bare = Query { rows: Some(0), ..query };
    assert_eq!(rows(0, &[], engine.messages(&query_bytes(&bare))).len(), 300);
    let few = Query { rows: Some(0), bins: &[b"a"], max_records: 7, ..query };
    assert_eq!(rows(0, &[b"a"], engine.messages(&query_bytes(&few))).len(), 7);
}

#[test]
fn refusals_are_one_message_that_is_not_the_last() {
    let mut engine = filled(3);
    let refused = |engine: &mut Engine, bytes: &[u8]| {
        let answer = engine.message(bytes);
        assert_eq!(answer.header.info3, 0);
        answer.header.result
    };
    let query = |partitions| Query { namespace: "test", partitions, ..Query::default() };
    assert_eq!(refused(&mut engine, &query_bytes(&query(&[]))), 16);
    assert_eq!(refused(&mut engine, &query_bytes(&query(&[4096]))), 4);
    assert_eq!(refused(&mut engine, &query_bytes(&query(&[1, 1]))), 4);
    let nope = Query { namespace: "nope", ..query(&[1]) };
    assert_eq!(refused(&mut engine, &query_bytes(&nope)), 20);
    let filter = Query { filter: b"\xc1", ..query(&[1]) };
    assert_eq!(refused(&mut engine, &query_bytes(&filter)), 4);
    for (range, result) in
        [(&b"\x01\x01a\x01"[..], 4), (b"\x01\x01a\x03\x00\x00\x00\x01x\x00\x00\x00\x01x", 201)]
    {
        let fields: [(u8, &[u8]); 3] =
            [(0, b"test"), (field::PARTITIONS, &[1, 0]), (field::INDEX_RANGE, range)];
        let header = Header { info1: info1::READ, info3: info3::PARTITION_DONE, ..Header::default() };
        let mut bytes = Vec::new();
        request::message(&mut bytes, &header, &fields, &[]);
        assert_eq!(refused(&mut engine, &bytes), result);
    }
    let task = Query { task_id: 77, ..query(&[1]) };
    records(engine.messages(&query_bytes(&task)));
    assert_eq!(refused(&mut engine, &query_bytes(&task)), 4);
}

#[test]
fn jobs_can_be_seen_and_aborted_and_end_with_their_connection() {
    let mut engine = filled(100);
    let partitions = all_partitions();
    let base = Query {
        namespace: "test",
        set: "demo",
        partitions: &partitions,
        records_per_second: 10,
        ..Query::default()
    };
    let start =
        |engine: &mut Engine, task_id| match engine.execute(&query_bytes(&Query { task_id, ..base })).1 {
            Executed::Query(job) => job,
            other @ (Executed::Done { .. } | Executed::Parked | Executed::Close) => panic!("{other:?}"),
        };
    let mut first = start(&mut engine, 1);
    let second = start(&mut engine, 2);
    let mut out = Vec::new();
    engine.step(&mut first, &mut out).unwrap();
    assert!(engine.info("query-show:trid=1").contains("status=active(ok)"));
    drop(second);
    assert!(engine.info("query-show:trid=2").contains("status=done("));
    assert_eq!(engine.info("query-abort:trid=1"), "ok");
    assert!(engine.step(&mut first, &mut out).is_none());
    let last = messages(&out).pop().unwrap();
    assert_eq!(last.header.result, ResultCode::QueryAborted.number());
    assert_eq!(last.header.info3, info3::LAST);
    assert!(engine.info("query-show:trid=1").contains("status=done(user-aborted)"));
}

/// A background query that adds one to bin `a` of every record of set `demo`.
fn background(task_id: u64, ops: &[Op<'_>], set: &[u8]) -> Vec<u8> {
    let task = task_id.to_be_bytes();
    let fields: [(u8, &[u8]); 3] = [(0, b"test"), (1, set), (field::TASK_ID, &task)];
    let header = Header { info2: info2::WRITE, record_ttl: u32::MAX, ..Header::default() };
    let mut bytes = Vec::new();
    request::message(&mut bytes, &header, &fields, ops);
    bytes
}

#[test]
fn background_operations_change_every_record() {
    let mut engine = filled(500);
    let one = 1i64.to_be_bytes();
    let add = Op { code: op::INCR, kind: 1, name: b"a", value: &one };
    let answer = engine.message(&background(9, &[add], b"demo"));
    assert_eq!((answer.header.result, answer.header.info3), (0, info3::LAST));
    assert!(engine.info("query-show:trid=9").contains("status=active(ok)"));
    while !engine.info("query-show:trid=9").contains("status=done(ok)") {
        engine.maintain();
        engine.pass_ms(50);
    }
    assert!(engine.info("query-show:trid=9").contains("recs-succeeded=500:"));
    for key in 0..500 {
        assert_eq!(engine.get(key).integer("a"), Some(key + 1));
    }
    let read = request::read_op(b"a");
    assert_eq!(engine.message(&background(10, &[read], b"demo")).header.result, 4);
    assert_eq!(engine.message(&background(10, &[], b"demo")).header.result, 4);
    assert_eq!(engine.message(&background(10, &[add], b"nope")).header.result, 2);
    assert_eq!(engine.message(&background(9, &[add], b"demo")).header.result, 4);
}

#[test]
fn records_of_other_sets_are_left_alone_by_background_operations() {
    let mut engine = filled(5);
    let digest = digest(77).0;
    let mut bytes = Vec::new();
    let value = 7i64.to_be_bytes();
    let key = request::Key::new("test", "other", &digest);
    request::put(&mut bytes, &header(), &key, &[integer("a", &value)]);
    engine.message(&bytes);
    let add = Op { code: op::INCR, kind: 1, name: b"a", value: &value };
    engine.message(&background(1, &[add], b"other"));
    engine.maintain();
    engine.pass_ms(1000);
    engine.maintain();
    assert_eq!(engine.get(4).integer("a"), Some(4));
    let mut get = Vec::new();
    request::get(&mut get, &key, 0);
    assert_eq!(engine.message(&get).integer("a"), Some(14));
}
