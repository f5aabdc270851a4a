//! Measures of records where they are: the same as whoever had all rows would come to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_value::msgpack::writer;
use shipload_wire::bits::{field, op};
use shipload_wire::groups::{CellType, Cells, Groups, Measure, Measured};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Query};
use shipload_wire::rows::{Block, KEYS, RowReader};
use shipload_wire::{Cut, Limits, Op, Response, ResultCode, frame, response};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Engine, digest, header, integer};

const INTEGER: u8 = 1;
const DOUBLE: u8 = 2;
const TEXT: u8 = 3;
const BINS: [&[u8]; 3] = [b"d", b"g", b"n"];

/// A value of each bin, where it has one: a float, a text, a whole number.
type Made = (Option<f64>, Option<String>, Option<i64>);

/// What was measured of a group: rows, values, sum, sum of floats, least text, greatest number.
type Sums = (i64, i64, Option<i64>, Option<f64>, Option<String>, Option<i64>);

fn made(key: i64) -> Made {
    let group = ["x", "y", "longer than others"][(key % 3) as usize];
    let there = |every: i64| key % every != 0;
    (there(5).then_some(key as f64 / 2.0), there(7).then(|| group.to_owned()), there(4).then_some(key - 100))
}

fn put(engine: &mut Engine, key: i64, (double, text, number): &Made) {
    let (double, number) = (double.map(f64::to_be_bytes), number.map(i64::to_be_bytes));
    let write = |kind, name, value| Op { code: op::WRITE, kind, name, value };
    let mut ops = vec![integer("other", &[0; 8])];
    ops.extend(double.as_ref().map(|bytes| write(DOUBLE, b"d", bytes)));
    ops.extend(text.as_ref().map(|text| write(TEXT, b"g", text.as_bytes())));
    ops.extend(number.as_ref().map(|bytes| write(INTEGER, b"n", bytes)));
    assert_eq!(engine.put(key, header(), &ops).header.result, 0);
}

fn wanted() -> Groups {
    let cells = [CellType::Double, CellType::Text, CellType::Int];
    let measures = vec![
        (Measure::Rows, 255),
        (Measure::Values, 0),
        (Measure::Sum, 2),
        (Measure::DoubleSum, 0),
        (Measure::Min, 1),
        (Measure::Max, 2),
    ];
    Groups {
        cells: cells.map(|ty| Cells { ty, may_be_key: false }).to_vec(),
        keys: vec![1],
        measures,
        expressions: Vec::new(),
    }
}

/// `n > least`, packed.
fn above(least: i64) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, 3);
    writer::int(&mut out, 3);
    writer::array_head(&mut out, 3);
    writer::int(&mut out, 81);
    writer::int(&mut out, 2);
    writer::bytes(&mut out, b"n");
    writer::int(&mut out, least);
    out
}

fn query<'a>(partitions: &'a [u16], groups: &'a [u8], filter: &'a [u8]) -> Query<'a> {
    let (namespace, set) = ("test", "demo");
    Query { namespace, set, partitions, bins: &BINS, rows: Some(KEYS), groups, filter, ..Query::default() }
}

fn ask(engine: &mut Engine, query: &Query<'_>) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = Vec::new();
    request::query(&mut bytes, &Query { task_id: NEXT.fetch_add(1, Ordering::Relaxed), ..*query });
    engine.ask(&bytes)
}

fn each(mut bytes: &[u8], mut visit: impl FnMut(&Response<'_>)) {
    while let Cut::Frame { frame, consumed } = frame::cut(bytes, &Limits::default()) {
        response::messages(frame.body).for_each(|message| visit(&message.unwrap()));
        bytes = &bytes[consumed..];
    }
}

type Cell = (u8, Vec<u8>);

fn cells(block: &Block<'_>, width: usize) -> Vec<Vec<Cell>> {
    let mut reader = RowReader::new(block.rest());
    let mut cell = |_| reader.cell().map(|(kind, bytes)| (kind, bytes.to_vec())).unwrap();
    let rows = (0..block.count).map(|_| (0..width).map(&mut cell).collect()).collect();
    assert!(reader.cell().is_err(), "bytes behind the rows");
    rows
}

/// What an answer comes to: groups put together, and rows.
#[derive(Debug, Default)]
struct Answer {
    groups: BTreeMap<Option<String>, Sums>,
    rows: Vec<Vec<Cell>>,
    done: BTreeSet<u16>,
    messages: usize,
}

fn whole(cell: &Cell) -> Option<i64> {
    (cell.0 == INTEGER).then(|| i64::from_be_bytes(cell.1.as_slice().try_into().unwrap()))
}

fn text(cell: &Cell) -> Option<String> {
    (cell.0 == TEXT).then(|| String::from_utf8(cell.1.clone()).unwrap())
}

impl Answer {
    fn read(bytes: &[u8]) -> Answer {
        let mut answer = Answer::default();
        each(bytes, |message| {
            assert_eq!(message.header.result, 0);
            let Some(measured) = Measured::of(message).unwrap() else { return };
            answer.messages += 1;
            for partition in &measured.done {
                assert!(answer.done.insert(*partition), "{partition} is read twice");
            }
            answer.rows.extend(cells(&measured.rows, 4));
            for group in cells(&measured.groups, 7) {
                let double = (group[4].0 == DOUBLE)
                    .then(|| f64::from_be_bytes(group[4].1.as_slice().try_into().unwrap()));
                let sums = (
                    whole(&group[1]).unwrap(),
                    whole(&group[2]).unwrap(),
                    whole(&group[3]),
                    double,
                    text(&group[5]),
                    whole(&group[6]),
                );
                answer.merge(text(&group[0]), sums);
            }
        });
        answer
    }

    fn merge(&mut self, group: Option<String>, new: Sums) {
        let old = self.groups.entry(group).or_default();
        old.0 += new.0;
        old.1 += new.1;
        old.2 = old.2.map_or(new.2, |sum| Some(sum + new.2.unwrap_or(0)));
        old.3 = old.3.map_or(new.3, |sum| Some(sum + new.3.unwrap_or(0.0)));
        old.4 = [old.4.take(), new.4].into_iter().flatten().min();
        old.5 = old.5.max(new.5);
    }

    fn count(&mut self, (double, text, number): &Made) {
        let sums = (1, i64::from(double.is_some()), *number, *double, text.clone(), *number);
        self.merge(text.clone(), sums);
    }
}

#[test]
fn groups_are_what_all_rows_come_to() {
    let mut engine = Engine::new();
    let mut model = Answer::default();
    for key in 0..5000 {
        put(&mut engine, key, &made(key));
        model.count(&made(key));
    }
    let (all, encoded) = ((0..4096).collect::<Vec<u16>>(), wanted().encode());
    let answer = Answer::read(&ask(&mut engine, &query(&all, &encoded, b"")));
    assert_eq!((&answer.groups, answer.rows.len()), (&model.groups, 0));
    assert_eq!((answer.done.len(), answer.groups.len()), (4096, 4));

    let mut some = Answer::default();
    let passing = (0..5000).map(made).filter(|made| made.2.is_some_and(|number| number > 4000));
    passing.for_each(|made| some.count(&made));
    let filter = above(4000);
    let answer = Answer::read(&ask(&mut engine, &query(&all, &encoded, &filter)));
    assert_eq!((answer.groups, answer.rows.len()), (some.groups, 0));

    let one = Groups { keys: vec![], ..wanted() }.encode();
    let mut count = 0;
    each(&ask(&mut engine, &query(&all, &one, b"")), |message| {
        let Some(measured) = Measured::of(message).unwrap() else { return };
        count += cells(&measured.groups, 6).iter().filter_map(|group| whole(&group[0])).sum::<i64>();
    });
    assert_eq!(count, 5000);
}

/// Cells of other types than the request says: the filter does not hold for them, and whoever asked gets their rows.
#[test]
fn what_is_not_as_expected_is_handed_out() {
    let mut engine = Engine::new();
    for key in 0..100 {
        put(&mut engine, key, &made(key));
    }
    let odd: [(u8, &[u8], &[u8]); 6] = [
        (TEXT, b"n", b"12"),
        (INTEGER, b"n", &(1i64 << 40).to_be_bytes()),
        (INTEGER, b"g", &[0; 8]),
        (TEXT, b"g", b"\xff\xfe"),
        (INTEGER, b"d", &[0; 8]),
        (DOUBLE, b"d", &f64::NAN.to_be_bytes()),
    ];
    for (key, (kind, name, value)) in (1000..).zip(odd) {
        assert_eq!(engine.put(key, header(), &[Op { code: op::WRITE, kind, name, value }]).header.result, 0);
    }
    let (all, encoded, filter) = ((0..4096).collect::<Vec<u16>>(), wanted().encode(), above(1_000_000));
    let answer = Answer::read(&ask(&mut engine, &query(&all, &encoded, &filter)));
    assert!(answer.groups.is_empty());
    let mut rows: Vec<_> =
        answer.rows.iter().map(|row| row[1..].iter().position(|cell| cell.0 != 0).unwrap()).collect();
    rows.sort_unstable();
    assert_eq!(rows, [0, 0, 1, 1, 2, 2]);
}

/// `d + d`, and what is no float.
#[test]
fn expressions_are_computed_for_each_record() {
    let mut engine = Engine::new();
    (0..100).for_each(|key| put(&mut engine, key, &made(key)));
    let bin = |out: &mut Vec<u8>, kind: i64, name: &[u8]| {
        writer::array_head(out, 3);
        writer::int(out, 81);
        writer::int(out, kind);
        writer::bytes(out, name);
    };
    let mut twice = Vec::new();
    writer::array_head(&mut twice, 3);
    writer::int(&mut twice, 20);
    bin(&mut twice, 7, b"d");
    bin(&mut twice, 7, b"d");
    let measures = vec![(Measure::Values, 3), (Measure::DoubleSum, 3)];
    let asked = Groups { keys: vec![], measures, expressions: vec![twice], ..wanted() };
    let (all, encoded) = ((0..4096).collect::<Vec<u16>>(), asked.encode());
    let (mut count, mut sum) = (0, 0.0);
    each(&ask(&mut engine, &query(&all, &encoded, b"")), |message| {
        let Some(measured) = Measured::of(message).unwrap() else { return };
        for group in cells(&measured.groups, 2) {
            count += whole(&group[0]).unwrap();
            sum += f64::from_be_bytes(group[1].1.as_slice().try_into().unwrap());
        }
    });
    let doubles: Vec<f64> = (0..100).filter_map(|key| made(key).0).collect();
    assert_eq!((count, sum), (80, doubles.iter().sum::<f64>() * 2.0));
    assert_eq!(doubles.len(), 80);

    let mut number = Vec::new();
    bin(&mut number, 2, b"n");
    for wrong in [number, vec![0xc1]] {
        let encoded = Groups { expressions: vec![wrong], ..asked.clone() }.encode();
        let answer = support::messages(&ask(&mut engine, &query(&all, &encoded, b"")));
        assert_eq!(answer[0].header.result, ResultCode::Parameter.number());
    }
}

#[test]
fn a_key_that_stands_for_a_bin_is_handed_out() {
    let mut engine = Engine::new();
    let named = digest(7).0;
    let mut bytes = Vec::new();
    let key =
        request::Key { user_key: Some((INTEGER, &[0; 8])), ..request::Key::new("test", "demo", &named) };
    request::put(&mut bytes, &header(), &key, &[integer("n", &[0; 8])]);
    assert_eq!(engine.message(&bytes).header.result, 0);
    put(&mut engine, 8, &(None, None, Some(8)));
    let all: Vec<u16> = (0..4096).collect();
    let mut asked = wanted();
    asked.cells[1].may_be_key = true;
    let answer = Answer::read(&ask(&mut engine, &query(&all, &asked.encode(), b"")));
    assert_eq!((answer.rows.len(), answer.groups.len()), (1, 1));
    assert_eq!(answer.rows[0][0], (INTEGER, vec![0; 8]));
}

/// Nearly every record is a group of its own: what is held is bounded, and later on rows are handed out.
#[test]
fn many_groups_leave_in_parts() {
    let mut engine = Engine::new();
    let mut sum = 0;
    for key in 0..20_000 {
        put(&mut engine, key, &(None, Some(format!("a group of its own, number {key}")), Some(key)));
        sum += key;
    }
    let (all, encoded) = ((0..4096).collect::<Vec<u16>>(), wanted().encode());
    let answer = Answer::read(&ask(&mut engine, &query(&all, &encoded, b"")));
    assert!(answer.messages > 1, "{} messages", answer.messages);
    assert!(!answer.rows.is_empty() && !answer.groups.is_empty());
    assert_eq!(answer.groups.len() + answer.rows.len(), 20_000);
    let grouped: i64 = answer.groups.values().filter_map(|sums| sums.2).sum();
    let rows: i64 = answer.rows.iter().filter_map(|row| whole(&row[3])).sum();
    assert_eq!(grouped + rows, sum);
}

#[test]
fn a_query_goes_on_where_it_was_left() {
    let mut engine = Engine::new();
    (0..3000).for_each(|key| put(&mut engine, key, &made(key)));
    let mut partitions: BTreeMap<u16, Vec<[u8; 20]>> = BTreeMap::new();
    (0..3000).map(digest).for_each(|one| partitions.entry(one.partition().number()).or_default().push(one.0));
    let (name, members) = partitions.iter_mut().max_by_key(|(_, members)| members.len()).unwrap();
    // Within a partition digests descend.
    members.sort_unstable_by_key(|one| std::cmp::Reverse(shipload_value::Digest(*one)));
    let (encoded, after) = (wanted().encode(), [members[0]]);
    let rest = Query { digests: &after, ..query(&[], &encoded, b"") };
    let answer = Answer::read(&ask(&mut engine, &rest));
    let measured: i64 = answer.groups.values().map(|sums| sums.0).sum();
    let left = i64::try_from(members.len()).unwrap() - 1;
    assert_eq!((measured, answer.done.into_iter().collect::<Vec<_>>()), (left, vec![*name]));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut engine = Engine::new();
    engine.put_integer(1, "n", 1);
    let all: Vec<u16> = (0..4096).collect();
    let encoded = wanted().encode();
    for wrong in [b"".as_slice(), b"\x09", &encoded[1..]] {
        let mut fields = vec![
            (field::NAMESPACE, b"test".as_slice()),
            (field::PARTITIONS, &[0, 0]),
            (field::GROUPS, wrong),
        ];
        fields.push((field::TASK_ID, &[0; 8]));
        let asked = Header {
            info1: shipload_wire::bits::info1::READ,
            info3: shipload_wire::bits::info3::PARTITION_DONE,
            info4: shipload_wire::bits::info4::ROWS,
            ..Header::default()
        };
        let mut bytes = Vec::new();
        request::message(&mut bytes, &asked, &fields, &[]);
        let answer = engine.messages(&bytes);
        assert_eq!(answer[0].header.result, ResultCode::Parameter.number(), "{wrong:?}");
    }
    let records = Query { rows: None, ..query(&all, &encoded, b"") };
    let answer = support::messages(&ask(&mut engine, &records));
    assert_eq!(answer[0].header.result, ResultCode::Parameter.number());
}
