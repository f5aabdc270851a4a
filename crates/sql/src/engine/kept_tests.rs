//! What is kept of columns, and when it is still true.

use super::arrow::field;
use super::kept::{ColumnId, Fill, Kept, id_of};
use super::provider::Part;
use super::whole::Together;
use crate::catalog::Table;
use crate::column_type::Type;
use crate::records::{Place, Versions};
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Int64Type, Schema, SchemaRef};
use std::sync::Arc;

const MIB: usize = 1 << 20;
const PARTITIONS: [u16; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

fn place(set: &str) -> Place {
    Place { namespace: "test".to_owned(), set: set.to_owned() }
}

fn part(name: &str, ty: Type) -> Part {
    Part { name: name.to_owned(), path: vec![name.to_owned()], ty }
}

fn parts() -> Vec<Part> {
    vec![part("n", Type::Long), part("t", Type::Text)]
}

fn ids() -> Vec<ColumnId> {
    parts().iter().map(|part| id_of(&Table::default(), part)).collect()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(parts().iter().map(|part| field(&part.name, &part.ty)).collect::<Vec<_>>()))
}

/// Rows `first..first + count`.
fn rows(first: i64, count: i64) -> RecordBatch {
    let numbers = first..first + count;
    let texts: StringArray = numbers.clone().map(|number| Some(format!("row {number}"))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(numbers)), Arc::new(texts)];
    RecordBatch::try_new(schema(), columns).expect("columns of the schema")
}

/// Reads these rows, of partitions with so many each, while the states went from one to the other.
fn fill(kept: &Kept, set: &str, batch: &RecordBatch, blocks: &[(u16, usize)], states: [&Versions; 2]) {
    let mut fill = Fill::new(kept, place(set), ids());
    fill.take(std::slice::from_ref(batch), blocks.iter().copied());
    let mut partitions: Vec<u16> = blocks.iter().map(|(partition, _)| *partition).chain([9]).collect();
    partitions.sort_unstable();
    partitions.dedup();
    fill.finish(&partitions, states[0], states[1], &schema()).expect("pieces of one schema");
}

/// The numbers that are found in partitions 0 to 9, and the partitions where they have to be read.
fn found(kept: &Kept, set: &str, now: &Versions) -> (Vec<i64>, Vec<u16>) {
    let parts = parts();
    let ids = ids();
    let look = kept.look(&place(set), (&ids, &parts), now, &PARTITIONS);
    let (mut numbers, schema) = (Vec::new(), schema());
    let made: Vec<RecordBatch> = match &look.whole {
        Some(whole) => {
            whole.batches(&ids, &schema).map(|batch| batch.expect("columns of the schema")).collect()
        }
        None => {
            let mut together = Together::new(&look.found, &ids, &schema);
            let made =
                std::iter::from_fn(|| together.next()).map(|batch| batch.expect("columns of the schema"));
            let made = made.collect();
            if look.missing.is_empty() {
                kept.put_whole(&place(set), &PARTITIONS, together);
            }
            made
        }
    };
    for batch in made {
        let read = batch.column(0).as_primitive::<Int64Type>().values();
        let texts = batch.column(1).as_string::<i32>();
        assert!(read.iter().zip(texts).all(|(number, text)| text == Some(&format!("row {number}"))));
        numbers.extend(read);
    }
    (numbers, look.missing)
}

fn states(changes: &[(u16, u32)]) -> Versions {
    Versions::made("map", changes)
}

#[test]
fn what_has_not_changed_is_given_and_the_rest_is_missing() {
    let kept = Kept::new(MIB);
    let before = states(&[(1, 5), (2, 7), (9, 0)]);
    // A partition's rows arrive in several blocks, and not in one piece.
    fill(&kept, "a", &rows(0, 10), &[(1, 3), (2, 4), (1, 3)], [&before, &before]);
    let missing = |numbers: &[u16]| (0..10).filter(|one| !numbers.contains(one)).collect::<Vec<u16>>();
    assert_eq!(found(&kept, "a", &before), (vec![0, 1, 2, 7, 8, 9, 3, 4, 5, 6], missing(&[1, 2, 9])));
    let written = states(&[(1, 6), (2, 7), (9, 0)]);
    assert_eq!(found(&kept, "a", &written), (vec![3, 4, 5, 6], missing(&[2, 9])));
    assert_eq!(found(&kept, "b", &before), (vec![], missing(&[])), "another set");
    assert_eq!(found(&kept, "a", &Versions::default()), (vec![], missing(&[])), "nobody tells");
}

#[test]
fn what_changed_or_moved_while_it_was_read_is_not_kept() {
    let kept = Kept::new(MIB);
    let (before, after) = (states(&[(1, 5), (2, 7)]), states(&[(1, 5), (2, 8)]));
    fill(&kept, "a", &rows(0, 5), &[(1, 3), (2, 2)], [&before, &after]);
    assert_eq!(found(&kept, "a", &after).0, [0, 1, 2]);
    let moved = Versions::made("another map", &[(1, 5), (2, 7)]);
    fill(&kept, "b", &rows(0, 5), &[(1, 3), (2, 2)], [&before, &moved]);
    assert_eq!(found(&kept, "b", &before).0, Vec::<i64>::new());
}

#[test]
fn little_of_a_set_is_kept_at_once_and_much_when_it_is_asked_for_again() {
    let kept = Kept::new(MIB);
    let wanted =
        |kept: &Kept| [MIB / 8, MIB / 8 + 1, MIB, MIB + 1].map(|bytes| kept.is_wanted(&place("a"), bytes));
    assert_eq!(wanted(&kept), [true, false, false, false]);
    kept.note(&place("a"), &Table::default(), &parts());
    assert_eq!(wanted(&kept), [true, true, true, false]);
    let nothing = Kept::new(0);
    nothing.note(&place("a"), &Table::default(), &parts());
    assert_eq!(wanted(&nothing), [false; 4]);
    assert!(!nothing.is_wanted(&place("b"), 0));
}

#[test]
fn what_was_asked_for_longest_ago_makes_room_and_what_is_too_large_rests() {
    let kept = Kept::new(rows(0, 500).get_array_memory_size() * 5 / 2);
    let before = states(&[(1, 1)]);
    for set in ["a", "b", "c"] {
        kept.note(&place(set), &Table::default(), &parts());
        fill(&kept, set, &rows(0, 500), &[(1, 500)], [&before, &before]);
        assert_eq!(found(&kept, set, &before).0.len(), 500, "{set}");
    }
    assert_eq!(found(&kept, "a", &before).0.len(), 0, "room was made");
    fill(&kept, "c", &rows(0, 50_000), &[(1, 50_000)], [&before, &before]);
    assert!(!kept.is_wanted(&place("c"), 1), "it does not fit");
    // Nothing of what did not fit is counted.
    fill(&kept, "b", &rows(0, 500), &[(1, 500)], [&before, &before]);
    assert_eq!(found(&kept, "b", &before).0.len(), 500);
}

#[test]
fn a_set_that_is_written_all_the_time_is_read_without() {
    let kept = Kept::new(MIB);
    let all: Vec<(u16, usize)> = (0..100).map(|partition| (partition, 1)).collect();
    let at = |changes: u32| states(&(0..100).map(|partition| (partition, changes)).collect::<Vec<_>>());
    kept.note(&place("a"), &Table::default(), &parts());
    fill(&kept, "a", &rows(0, 100), &all, [&at(1), &at(1)]);
    assert!(kept.is_wanted(&place("a"), 1));
    let every: Vec<u16> = (0..100).collect();
    let look = kept.look(&place("a"), (&ids(), &parts()), &at(2), &every);
    assert_eq!(look.missing, every);
    assert!(!kept.is_wanted(&place("a"), 1));
    for _ in 0..16 {
        kept.note(&place("a"), &Table::default(), &parts());
    }
    assert!(kept.is_wanted(&place("a"), 1), "later it is tried again");
}

#[test]
fn what_is_whole_is_given_whole_until_something_changes() {
    let kept = Kept::new(MIB);
    let all: Vec<(u16, usize)> =
        PARTITIONS.iter().map(|partition| (*partition, usize::from(*partition) % 9)).collect();
    let at = |seventh: u32| states(&PARTITIONS.map(|one| (one, if one == 7 { seventh } else { 1 })));
    fill(&kept, "a", &rows(0, 36), &all, [&at(1), &at(1)]);
    let is_whole = |first: usize, now: Versions| {
        kept.look(&place("a"), (&ids()[first..], &parts()[first..]), &now, &PARTITIONS).whole.is_some()
    };
    assert!(!is_whole(0, at(1)));
    let numbers = (0..36).collect::<Vec<i64>>();
    for _ in 0..3 {
        assert_eq!(found(&kept, "a", &at(1)), (numbers.clone(), vec![]));
    }
    assert!(is_whole(0, at(1)) && is_whole(1, at(1)), "all columns, or some");
    // One partition was written: the others, which are parts of the whole by now, are still there.
    assert_eq!(found(&kept, "a", &at(2)), ([&numbers[..21], &numbers[28..]].concat(), vec![7]));
    fill(&kept, "a", &rows(100, 7), &[(7, 7)], [&at(2), &at(2)]);
    let written = [&numbers[..21], &[100, 101, 102, 103, 104, 105, 106], &numbers[28..]].concat();
    for _ in 0..3 {
        assert_eq!(found(&kept, "a", &at(2)), (written.clone(), vec![]));
    }
    assert!(is_whole(0, at(2)) && !is_whole(0, at(1)));
    assert_eq!(
        kept.look(&place("a"), (&ids(), &parts()), &at(2), &[0, 1]).found.len(),
        2,
        "other partitions"
    );
}
