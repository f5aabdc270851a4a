//! Lists that are kept record by record are those that runs would give, and edits lead from one to the other.

use super::board::Spec;
use super::edits::{Touched, edits};
use super::kept::{Entry, Kept};
use crate::command::Record;
use crate::etag::Version;
use crate::schema::RecordView;
use crate::select::Standing;
use proptest::prelude::*;
use serde_json::{Map, Value};
use shipload_value::Digest;
use std::collections::BTreeMap;
use std::sync::Arc;

fn view(key: u8, score: i64, generation: u32) -> Arc<RecordView> {
    let version = Version { last_update_ms: 1_000 + u64::from(generation), generation };
    let bins = Map::from_iter([("score".to_owned(), Value::from(score))]);
    let record = Record { version, expires_ms: None, bins };
    let name = [b'a' + key];
    Arc::new(RecordView::found("test", "set", Some((3, &name)), &[key; 20], record))
}

fn standing(offset: usize, limit: usize) -> Standing {
    let spec = Spec {
        namespace: "test".to_owned(),
        set: "set".to_owned(),
        filter: None,
        sort: Some("-score".to_owned()),
        offset,
        limit,
    };
    Standing::new(&spec).expect("a query")
}

/// What a run gives: the first `most` of all records with a score of at least 0.
fn run(standing: &Standing, records: &BTreeMap<u8, Arc<RecordView>>, most: usize) -> Vec<Entry> {
    let matching = records.iter().filter(|(_, view)| view.bin("score").and_then(Value::as_i64) >= Some(0));
    let mut all: Vec<Entry> =
        matching.map(|(key, view)| Entry { digest: Digest([*key; 20]), view: Arc::clone(view) }).collect();
    all.sort_by(|a, b| standing.compare(&a.view, &b.view));
    all.truncate(most);
    all
}

fn shown(entries: &[Entry]) -> Vec<(Digest, String)> {
    entries.iter().map(|entry| (entry.digest, entry.view.etag().to_owned())).collect()
}

/// What a subscriber does.
fn applied(before: &[Entry], events: &[Value]) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut list: Vec<(String, Option<String>)> =
        before.iter().map(|entry| (entry.view.id().to_owned(), Some(entry.view.etag().to_owned()))).collect();
    for event in events {
        let index = usize::try_from(event["index"].as_u64().expect("an index")).expect("small");
        let id = text(&event["id"]).expect("an id");
        let was = list.iter().position(|(known, _)| *known == id);
        match event["matchType"].as_str() {
            Some("remove" | "change") => assert_eq!(was, Some(index)),
            Some("add") => assert_eq!(was, None),
            _ => assert!(was.is_some_and(|was| was != index)),
        }
        if let Some(was) = was {
            list.remove(was);
        }
        if event["matchType"] != "remove" {
            list.insert(index, (id, text(&event["data"]["etag"])));
        }
    }
    list
}

proptest! {
    #[test]
    fn a_list_that_is_kept_is_the_one_that_a_run_gives(
        changes in prop::collection::vec((0u8..12, prop::option::of(-3i64..9)), 1..200),
        offset in 0usize..3,
        limit in 1usize..6,
        slack in 0usize..4,
    ) {
        let standing = standing(offset, limit);
        let most = standing.wanted() + slack;
        let mut records: BTreeMap<u8, Arc<RecordView>> = BTreeMap::new();
        let mut kept = Kept::of_run(Vec::new(), most);
        let mut before: Vec<Entry> = Vec::new();
        for (number, (key, score)) in (1u32..).zip(changes) {
            let now = score.map(|score| view(key, score, number));
            match &now {
                Some(now) => records.insert(key, Arc::clone(now)),
                None => records.remove(&key),
            };
            let matching = now.filter(|now| now.bin("score").and_then(Value::as_i64) >= Some(0));
            kept.apply(&standing, Digest([key; 20]), matching.as_ref(), most);
            if kept.is_short(standing.wanted()) {
                kept = Kept::of_run(run(&standing, &records, most), most);
            }
            let list = kept.window(offset, limit);
            let wanted: Vec<Entry> =
                run(&standing, &records, usize::MAX).into_iter().skip(offset).take(limit).collect();
            prop_assert_eq!(shown(&list), shown(&wanted));
            let events = edits(&before, &list, &Touched::default(), 0);
            let after: Vec<_> =
                list.iter().map(|entry| (entry.view.id().to_owned(), Some(entry.view.etag().to_owned()))).collect();
            prop_assert_eq!(applied(&before, &events), after);
            before = list;
        }
    }
}

#[test]
fn a_record_that_moves_others_is_the_reason_of_its_own_edit_only() {
    let entry = |key: u8, score| Entry { digest: Digest([key; 20]), view: view(key, score, 1) };
    let (before, after) = ([entry(0, 5), entry(1, 3)], [entry(2, 9), entry(0, 5)]);
    let mut touched = Touched::default();
    touched.note(Digest([2; 20]), 7, false);
    let told = |since| {
        let events = edits(&before, &after, &touched, since);
        let word = |event: &Value| format!("{} {}", event["matchType"], event["operation"]).replace('"', "");
        events.iter().map(word).collect::<Vec<_>>()
    };
    assert_eq!(told(6), ["remove none", "add insert"]);
    assert_eq!(told(7), ["remove none", "add none"], "it was told of that change already");
}

#[test]
fn what_expires_leaves_by_itself() {
    let standing = standing(0, 5);
    let version = Version { last_update_ms: 1, generation: 1 };
    let record = Record { version, expires_ms: Some(5_000), bins: Map::new() };
    let mortal = Arc::new(RecordView::found("test", "set", None, &[9; 20], record));
    let mut kept = Kept::default();
    kept.apply(&standing, Digest([9; 20]), Some(&mortal), 10);
    kept.apply(&standing, Digest([1; 20]), Some(&view(1, 1, 1)), 10);
    assert_eq!(kept.next_expiry(), Some(5_000));
    assert!(kept.expire(4_999).is_empty());
    assert_eq!(kept.expire(5_000), [Digest([9; 20])]);
    assert_eq!((kept.next_expiry(), kept.window(0, 5).len()), (None, 1));
}
