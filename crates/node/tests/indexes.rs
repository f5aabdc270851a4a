//! Secondary indexes: what they answer, how they are paged, built, renamed and deleted; against a model.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use shipload_store::STRIPE_COUNT;
use shipload_value::msgpack::writer;
use shipload_wire::bits::{field, info1, info2, info3, op};
use shipload_wire::message::Header;
use shipload_wire::{Op, request};
use std::collections::{BTreeMap, BTreeSet};
use support::{Answer, Engine, digest, header, integer};

/// Creates an index on set `demo`.
fn create(engine: &mut Engine, name: &str, rest: &str) {
    let line = format!("sindex-create:namespace=test;set=demo;indexname={name};{rest}");
    assert_eq!(engine.info(&line), "ok", "{line}");
}

/// One number of `sindex-stat`.
fn stat(engine: &mut Engine, index: &str, key: &str) -> u64 {
    let text = engine.info(&format!("sindex-stat:namespace=test;indexname={index}"));
    let value = text.split(';').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or(u64::MAX)
}

/// Field 22.
fn range(bin: &str, kind: u8, begin: &[u8], end: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, u8::try_from(bin.len()).unwrap()];
    bytes.extend_from_slice(bin.as_bytes());
    bytes.push(kind);
    for end in [begin, end] {
        bytes.extend_from_slice(&u32::try_from(end.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(end);
    }
    bytes
}

fn integers(bin: &str, begin: i64, end: i64) -> Vec<u8> {
    range(bin, 1, &begin.to_be_bytes(), &end.to_be_bytes())
}

fn all_partitions() -> Vec<u8> {
    (0..4096u16).flat_map(u16::to_le_bytes).collect()
}

/// Asks a foreground query with these fields beside namespace and set.
fn ask(engine: &mut Engine, fields: &[(u8, &[u8])]) -> Vec<Answer> {
    let mut all: Vec<(u8, &[u8])> = vec![(field::NAMESPACE, b"test"), (field::SET, b"demo")];
    all.extend_from_slice(fields);
    let header =
        Header { info1: info1::READ | info1::SHORT_QUERY, info3: info3::PARTITION_DONE, ..Header::default() };
    let mut bytes = Vec::new();
    request::message(&mut bytes, &header, &all, &[]);
    engine.messages(&bytes)
}

/// The records that a query over everything answers; the last message must say that all went well.
fn query(engine: &mut Engine, fields: &[(u8, &[u8])]) -> Vec<Answer> {
    let partitions = all_partitions();
    let mut all: Vec<(u8, &[u8])> = vec![(field::PARTITIONS, &partitions)];
    all.extend_from_slice(fields);
    let mut found = ask(engine, &all);
    let last = found.pop().unwrap();
    assert_eq!((last.header.result, last.header.info3), (0, info3::LAST));
    found
}

/// The result code with which a query is refused.
fn refused(engine: &mut Engine, fields: &[(u8, &[u8])]) -> u8 {
    let partitions = all_partitions();
    let mut all: Vec<(u8, &[u8])> = vec![(field::PARTITIONS, &partitions)];
    all.extend_from_slice(fields);
    let answer = ask(engine, &all);
    assert_eq!((answer.len(), answer[0].header.info3), (1, 0));
    answer[0].header.result
}

fn filled(count: i64) -> Engine {
    let mut engine = Engine::new();
    create(&mut engine, "ia", "bin=a;type=numeric");
    (0..count).for_each(|key| drop(engine.put_integer(key, "a", key)));
    engine
}

#[test]
fn ranges_and_values_are_found() {
    let mut engine = filled(1000);
    let found = query(&mut engine, &[(field::INDEX_RANGE, &integers("a", 100, 299))]);
    let values: BTreeSet<_> = found.iter().filter_map(|record| record.integer("a")).collect();
    assert_eq!((found.len(), values), (200, (100..300).collect()));
    assert_eq!(query(&mut engine, &[(field::INDEX_RANGE, &integers("a", 7, 7))]).len(), 1);
    assert!(query(&mut engine, &[(field::INDEX_RANGE, &integers("a", -9, -1))]).is_empty());
    let whole = integers("a", i64::MIN, i64::MAX);
    assert_eq!(query(&mut engine, &[(field::INDEX_RANGE, &whole)]).len(), 1000);
    assert_eq!(stat(&mut engine, "ia", "entries"), 1000);
    engine.put(7, Header { info2: info2::WRITE | info2::DELETE, ..header() }, &[]);
    engine.put(8, header(), &[Op { code: op::WRITE, kind: 3, name: b"a", value: b"text" }]);
    engine.put_integer(9, "a", -5);
    assert!(query(&mut engine, &[(field::INDEX_RANGE, &integers("a", 7, 9))]).is_empty());
    assert_eq!(query(&mut engine, &[(field::INDEX_RANGE, &integers("a", -9, -1))]).len(), 1);
    assert_eq!(stat(&mut engine, "ia", "entries"), 998);
}

#[test]
fn pages_hold_every_record_once_in_index_order() {
    let mut engine = filled(1000);
    // Many records with the same key, so that pages end inside of it.
    (0..300).for_each(|key| drop(engine.put_integer(key, "a", 500)));
    let range = integers("a", 400, 899);
    let (mut whole, mut after) = ((0..4096u16).collect::<Vec<_>>(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    let mut sizes = Vec::new();
    loop {
        let partitions: Vec<u8> = whole.iter().flat_map(|number| number.to_le_bytes()).collect();
        let digests: Vec<u8> = after.values().flat_map(|(_, digest): &(i64, [u8; 20])| *digest).collect();
        let bvals: Vec<u8> = after.values().flat_map(|(bval, _)| bval.to_le_bytes()).collect();
        let fields: [(u8, &[u8]); 5] = [
            (field::INDEX_RANGE, &range),
            (field::PARTITIONS, &partitions),
            (field::DIGESTS, &digests),
            (field::BVALS, &bvals),
            (field::MAX_RECORDS, &70u64.to_be_bytes()),
        ];
        let sent: Vec<_> = fields.into_iter().filter(|(_, data)| !data.is_empty()).collect();
        let mut found = ask(&mut engine, &sent);
        assert_eq!(found.pop().unwrap().header.info3, info3::LAST);
        for record in &found {
            let (digest, bval) = (record.digest.unwrap(), record.integer("a").unwrap());
            assert!(seen.insert(digest));
            let before = after.insert(digest.partition().number(), (bval, digest.0));
            assert!(before.is_none_or(|before| before < (bval, digest.0)));
        }
        whole.retain(|partition| !after.contains_key(partition));
        sizes.push(found.len());
        if found.len() < 70 {
            break;
        }
    }
    assert_eq!(seen.len(), 800);
    assert_eq!(sizes, [[70; 11].as_slice(), &[30]].concat());
}

#[test]
fn some_partitions_can_be_asked_for() {
    let mut engine = filled(2000);
    (0..2000).for_each(|key| drop(engine.put_integer(key, "a", key % 3)));
    let wanted: BTreeSet<u16> = (0..4096).step_by(7).collect();
    let partitions: Vec<u8> = wanted.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut found =
        ask(&mut engine, &[(field::PARTITIONS, &partitions), (field::INDEX_RANGE, &integers("a", 1, 1))]);
    found.pop();
    let keys = (0..2000).filter(|key| key % 3 == 1).map(digest);
    let right: BTreeSet<_> = keys.filter(|digest| wanted.contains(&digest.partition().number())).collect();
    assert_eq!(found.iter().map(|record| record.digest.unwrap()).collect::<BTreeSet<_>>(), right);
    assert_eq!(found.len(), right.len());
}

#[test]
fn elements_count_once_and_contexts_lead_to_them() {
    let mut engine = Engine::new();
    create(&mut engine, "il", "bin=l;type=numeric;indextype=list");
    create(&mut engine, "ic", "bin=l;type=numeric;context=khAA");
    create(&mut engine, "ie", "exp=k1ECoWE=;type=numeric");
    engine.put(1, header(), &[Op { code: op::WRITE, kind: 20, name: b"l", value: b"\x94\x05\x06\x07\x05" }]);
    engine.put(2, header(), &[Op { code: op::WRITE, kind: 20, name: b"l", value: b"\x92\x07\xa2\x03x" }]);
    engine.put_integer(3, "a", 42);
    assert_eq!(stat(&mut engine, "il", "entries"), 4);
    let list = (field::INDEX_TYPE, &[1u8][..]);
    assert_eq!(query(&mut engine, &[list, (field::INDEX_RANGE, &integers("l", 0, 9))]).len(), 2);
    assert_eq!(query(&mut engine, &[list, (field::INDEX_RANGE, &integers("l", 6, 7))]).len(), 2);
    assert_eq!(query(&mut engine, &[list, (field::INDEX_RANGE, &integers("l", 5, 6))]).len(), 1);
    let first = (field::INDEX_CONTEXT, &b"\x92\x10\x00"[..]);
    assert_eq!(query(&mut engine, &[first, (field::INDEX_RANGE, &integers("l", 5, 6))]).len(), 1);
    assert_eq!(query(&mut engine, &[first, (field::INDEX_RANGE, &integers("l", 7, 7))]).len(), 1);
    let expression = (field::INDEX_EXPRESSION, &b"\x93\x51\x02\xa1a"[..]);
    assert_eq!(query(&mut engine, &[expression, (field::INDEX_RANGE, &integers("", 42, 42))]).len(), 1);
    let name = (field::INDEX_NAME, &b"ie"[..]);
    assert_eq!(query(&mut engine, &[name, (field::INDEX_RANGE, &integers("", 42, 42))]).len(), 1);
}

/// Fields of a request, and the result code that they get.
type Misuse<'a> = (&'a [(u8, &'a [u8])], u8);

#[test]
fn refusals_say_what_is_wrong() {
    let mut engine = filled(3);
    let number = integers("a", 1, 2);
    let cases: &[Misuse<'_>] = &[
        (&[(field::INDEX_RANGE, &integers("b", 1, 2))], 201),
        (&[(field::INDEX_RANGE, &range("a", 3, b"x", b"x"))], 201),
        (&[(field::INDEX_RANGE, &number), (field::INDEX_TYPE, &[1])], 201),
        (&[(field::INDEX_RANGE, &number), (field::INDEX_TYPE, &[4])], 201),
        (&[(field::INDEX_RANGE, &integers("a", 2, 1))], 4),
        (&[(field::INDEX_RANGE, &range("a", 1, &[1], &[2]))], 4),
        (&[(field::INDEX_RANGE, b"\0")], 4),
        (&[(field::INDEX_RANGE, b"\x02")], 4),
        (&[(field::INDEX_RANGE, &number), (field::INDEX_NAME, b"ia")], 4),
        (&[(field::INDEX_RANGE, &integers("", 1, 2)), (field::INDEX_NAME, b"nope")], 4),
        (&[(field::INDEX_RANGE, &number), (field::INDEX_CONTEXT, b"\x91\x10")], 4),
        (&[(field::INDEX_RANGE, &number), (field::INDEX_CONTEXT, b"\x92\x10\x00")], 201),
    ];
    for (fields, code) in cases {
        assert_eq!(refused(&mut engine, fields), *code, "{fields:?}");
    }
    let digest = [(field::DIGESTS, &digest(1).0[..]), (field::INDEX_RANGE, &number)];
    assert_eq!(ask(&mut engine, &digest)[0].header.result, 4);
    // Another set, and no set.
    let partitions = all_partitions();
    for set in [&b"other"[..], b""] {
        let header = Header { info1: info1::READ, info3: info3::PARTITION_DONE, ..Header::default() };
        let fields: [(u8, &[u8]); 4] =
            [(0, b"test"), (1, set), (field::PARTITIONS, &partitions), (field::INDEX_RANGE, &number)];
        let mut bytes = Vec::new();
        request::message(&mut bytes, &header, &fields, &[]);
        assert_eq!(engine.message(&bytes).header.result, 201);
    }
}

#[test]
fn an_index_over_old_records_is_built_in_the_background() {
    let mut engine = Engine::new();
    (0..20_000).for_each(|key| drop(engine.put_integer(key, "a", key)));
    create(&mut engine, "ia", "bin=a;type=numeric");
    let whole = integers("a", 0, i64::MAX);
    assert_eq!(refused(&mut engine, &[(field::INDEX_RANGE, &whole)]), 203);
    assert!(engine.info("sindex-list:namespace=test").ends_with(":state=WO"));
    assert!(engine.info("sets/test/demo").contains(":sindexes=1:index_populating=true:"));
    engine.node.maintain(engine.now, 1_000_000);
    assert!((1..100).contains(&stat(&mut engine, "ia", "load_pct")));
    // Writes meanwhile, on both sides of where the build is.
    (0..100).for_each(|key| drop(engine.put_integer(key, "a", -1)));
    engine.maintain();
    assert_eq!(stat(&mut engine, "ia", "load_pct"), 100);
    assert!(engine.info("sindex/test").ends_with(":state=RW"));
    assert_eq!(query(&mut engine, &[(field::INDEX_RANGE, &whole)]).len(), 19_900);
    assert_eq!(stat(&mut engine, "ia", "entries"), 20_000);
    assert!(engine.statistic("sindex_used_bytes") > 0);
}

#[test]
fn expiry_and_truncation_take_entries_away() {
    let mut engine = filled(100);
    (0..50i64).for_each(|key| {
        let value = key.to_be_bytes();
        engine.put(key, Header { record_ttl: 5, ..header() }, &[integer("a", &value)]);
    });
    engine.pass_ms(7000);
    assert_eq!(query(&mut engine, &[(field::INDEX_RANGE, &integers("a", 0, 99))]).len(), 50);
    engine.pass_ms(130_000);
    engine.maintain();
    engine.pass_ms(130_000);
    engine.maintain();
    assert_eq!(stat(&mut engine, "ia", "entries"), 50);
    assert_eq!(engine.info("truncate:namespace=test;set=demo"), "ok");
    assert!(query(&mut engine, &[(field::INDEX_RANGE, &integers("a", 0, 99))]).is_empty());
    engine.maintain();
    assert_eq!(stat(&mut engine, "ia", "entries"), 0);
}

#[test]
fn names_move_and_deleted_indexes_are_gone() {
    let mut engine = filled(10);
    create(&mut engine, "ia", "bin=a;type=numeric");
    create(&mut engine, "new", "bin=a;type=numeric");
    assert_eq!(engine.info("sindex-exists:namespace=test;indexname=ia"), "false");
    assert_eq!(engine.info("sindex-exists:namespace=test;indexname=new"), "true");
    assert_eq!(
        engine.info("sindex-create:namespace=test;set=demo;indexname=new;bin=b;type=numeric"),
        "ERROR:200:'indexname' already exists with different definition"
    );
    assert_eq!(query(&mut engine, &[(field::INDEX_RANGE, &integers("a", 0, 9))]).len(), 10);
    assert_eq!(engine.info("sindex-delete:namespace=test;set=other;indexname=new"), "ok");
    assert_eq!(refused(&mut engine, &[(field::INDEX_RANGE, &integers("a", 0, 9))]), 201);
    // The next index takes the same place and starts empty.
    create(&mut engine, "b", "bin=b;type=numeric");
    engine.maintain();
    assert_eq!((stat(&mut engine, "b", "entries"), stat(&mut engine, "b", "load_pct")), (0, 100));
    for number in 0..255 {
        create(&mut engine, &format!("i{number}"), &format!("bin=b{number};type=string"));
    }
    let one_more = "sindex-create:namespace=test;indexname=more;bin=more;type=string";
    assert_eq!(engine.info(one_more), "ERROR:206:too many indexes");
}

#[test]
fn sets_can_be_indexed_and_scanned_through_their_index() {
    let mut engine = filled(500);
    let digest = digest(1).0;
    let key = request::Key::new("test", "other", &digest);
    let mut bytes = Vec::new();
    request::put(&mut bytes, &header(), &key, &[integer("a", &[0; 8])]);
    engine.message(&bytes);
    let before = query(&mut engine, &[]);
    create(&mut engine, "whole", "indextype=set");
    engine.maintain();
    assert_eq!(stat(&mut engine, "whole", "entries"), 500);
    assert_eq!(query(&mut engine, &[]), before);
    let after = before[499].digest.unwrap();
    let mut page = ask(&mut engine, &[(field::DIGESTS, &after.0)]);
    page.pop();
    let rest = before.iter().filter(|record| record.digest.unwrap().partition() == after.partition());
    assert_eq!(
        page,
        rest.skip_while(|record| record.digest != Some(after)).skip(1).cloned().collect::<Vec<_>>()
    );
    assert!(!engine.info("sindex-list:namespace=test").contains("whole"));
    let shown = "ns=test:indexname=whole:set=demo:indextype=set";
    assert!(engine.info("sindex-list:namespace=test;b64=true").ends_with(shown));
}

#[test]
fn background_operations_over_a_range_change_each_record_once() {
    let mut engine = filled(1000);
    let one = 1i64.to_be_bytes();
    let add = Op { code: op::INCR, kind: 1, name: b"a", value: &one };
    let range = integers("a", 0, 499);
    let fields: [(u8, &[u8]); 4] = [
        (field::NAMESPACE, b"test"),
        (field::SET, b"demo"),
        (field::TASK_ID, &5u64.to_be_bytes()),
        (field::INDEX_RANGE, &range),
    ];
    let header = Header { info2: info2::WRITE, record_ttl: u32::MAX, ..Header::default() };
    let mut bytes = Vec::new();
    request::message(&mut bytes, &header, &fields, &[add]);
    assert_eq!(engine.message(&bytes).header.result, 0);
    while !engine.info("query-show:trid=5").contains("status=done(ok)") {
        engine.maintain();
        engine.pass_ms(50);
    }
    assert!(engine.info("query-show:trid=5").contains(":sindex-name=ia:"));
    for key in 0..1000 {
        assert_eq!(engine.get(key).integer("a"), Some(if key < 500 { key + 1 } else { key }));
    }
}

/// What is done to the records of set `demo` in the model test.
#[derive(Debug, Clone)]
enum Act {
    Put(i64, i64),
    PutText(i64, String),
    PutList(i64, Vec<i64>),
    Increment(i64),
    Delete(i64),
    Expiring(i64, i64),
    Pass,
    Truncate,
    Maintain,
    Recreate,
    /// The node ends and starts again with what lies on its disk.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let key = || 0..40i64;
    prop_oneof![
        6 => (key(), -5..5i64).prop_map(|(key, value)| Act::Put(key, value)),
        3 => (key(), "[ab]{0,2}").prop_map(|(key, text)| Act::PutText(key, text)),
        4 => (key(), prop::collection::vec(-5..5i64, 0..5)).prop_map(|(key, list)| Act::PutList(key, list)),
        2 => key().prop_map(Act::Increment),
        2 => key().prop_map(Act::Delete),
        1 => (key(), -5..5i64).prop_map(|(key, value)| Act::Expiring(key, value)),
        1 => Just(Act::Pass),
        1 => Just(Act::Truncate),
        2 => Just(Act::Maintain),
        1 => Just(Act::Recreate),
        1 => Just(Act::Restart),
    ]
}

const INDEXES: [(&str, &str); 5] = [
    ("ia", "bin=a;type=numeric"),
    ("is", "bin=a;type=string"),
    ("il", "bin=l;type=numeric;indextype=list"),
    ("ie", "exp=kxSTUQKhYQE=;type=numeric"),
    ("set", "indextype=set"),
];

fn run(engine: &mut Engine, act: &Act) {
    match act {
        Act::Put(key, value) => drop(engine.put_integer(*key, "a", *value)),
        Act::PutText(key, text) => {
            let write = Op { code: op::WRITE, kind: 3, name: b"a", value: text.as_bytes() };
            engine.put(*key, header(), &[write]);
        }
        Act::PutList(key, list) => {
            let mut value = Vec::new();
            writer::list_start(&mut value, 0, list.len());
            list.iter().for_each(|number| writer::int(&mut value, *number));
            engine.put(*key, header(), &[Op { code: op::WRITE, kind: 20, name: b"l", value: &value }]);
        }
        Act::Increment(key) => {
            engine.put(*key, header(), &[Op { code: op::INCR, kind: 1, name: b"a", value: &[0, 0, 0, 1] }]);
        }
        Act::Delete(key) => {
            engine.command(*key, Header { info2: info2::WRITE | info2::DELETE, ..header() }, &[]);
        }
        Act::Expiring(key, value) => {
            engine.put(*key, Header { record_ttl: 1, ..header() }, &[integer("a", &value.to_be_bytes())]);
        }
        Act::Pass => engine.pass_ms(130_000),
        Act::Truncate => drop(engine.info("truncate:namespace=test;set=demo")),
        Act::Maintain => drop(engine.maintain()),
        Act::Recreate => {
            engine.info("sindex-delete:namespace=test;indexname=il");
            create(engine, "il", INDEXES[2].1);
        }
        Act::Restart => {
            let known = engine.info("sindex-list:namespace=test;b64=true");
            engine.restart();
            for (name, rest) in
                INDEXES.iter().filter(|(name, _)| known.contains(&format!("indexname={name}:")))
            {
                create(engine, name, rest);
            }
        }
    }
}

/// Compares what indexes answer with what a scan answers.
fn compare(engine: &mut Engine) {
    let all = query(engine, &[]);
    for number in -6..7 {
        let expected: BTreeSet<_> = all
            .iter()
            .filter(|record| record.integer("a") == Some(number))
            .map(|record| record.digest)
            .collect();
        let found = query(engine, &[(field::INDEX_RANGE, &integers("a", number, number))]);
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.iter().map(|record| record.digest).collect::<BTreeSet<_>>(), expected);
        let expression = (field::INDEX_EXPRESSION, &b"\x93\x14\x93\x51\x02\xa1a\x01"[..]);
        let one_more = integers("", number + 1, number + 1);
        let found = query(engine, &[expression, (field::INDEX_RANGE, &one_more)]);
        assert_eq!(found.iter().map(|record| record.digest).collect::<BTreeSet<_>>(), expected);
    }
    for text in ["", "a", "b", "ab", "nope"] {
        let has = |record: &&Answer| {
            record
                .ops
                .iter()
                .any(|(_, kind, bin, value)| *kind == 3 && bin == "a" && value == text.as_bytes())
        };
        let range = range("a", 3, text.as_bytes(), text.as_bytes());
        assert_eq!(query(engine, &[(field::INDEX_RANGE, &range)]).len(), all.iter().filter(has).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn indexes_agree_with_a_full_scan_after_any_history(
        acts in prop::collection::vec(act(), 1..120),
        late in any::<bool>(),
    ) {
        let mut engine = Engine::on_disk();
        let (before, after) = acts.split_at(if late { acts.len() / 2 } else { 0 });
        before.iter().for_each(|act| run(&mut engine, act));
        INDEXES.iter().for_each(|(name, rest)| create(&mut engine, name, rest));
        after.iter().for_each(|act| run(&mut engine, act));
        engine.maintain();
        for stripe in 0..STRIPE_COUNT {
            engine.node.namespaces()[0].assert_indexes(stripe);
        }
        compare(&mut engine);
    }

    #[test]
    fn no_field_of_an_index_query_is_too_odd(
        range in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..30),
            (0..25u8, prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(kind, end)| range("a", kind, &end, &end)),
            any::<(i64, i64)>().prop_map(|(begin, end)| integers("a", begin, end)),
        ],
        others in prop::collection::vec((9..44u8, prop::collection::vec(any::<u8>(), 0..24)), 0..4),
        bvals in any::<bool>(),
    ) {
        let mut engine = filled(20);
        let resume = digest(3).0;
        let mut fields: Vec<(u8, &[u8])> = vec![(field::INDEX_RANGE, &range), (field::DIGESTS, &resume)];
        if bvals {
            fields.push((field::BVALS, &[3; 8]));
        }
        fields.extend(others.iter().map(|(id, data)| (*id, data.as_slice())));
        ask(&mut engine, &fields);
    }
}
