use super::{Change, modify, modify_in, read, read_in};
use crate::expr::{Clock, Meta, RecordView};
use crate::msgpack::{FLAG_ORDERED, writer};
use crate::{OwnedParticle, Particle, ParticleType, Refusal};

const ALL: i64 = 0x04;
const AND: i64 = 0x0204;
const KEYS: i64 = 0x2a;

fn int(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    writer::int(&mut out, value);
    out
}

fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    writer::typed(&mut out, 3, value.as_bytes());
    out
}

fn yes() -> Vec<u8> {
    vec![0xc3]
}

fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, elements.len());
    out.extend(elements.concat());
    out
}

fn ints(values: &[i64]) -> Vec<u8> {
    array(&values.iter().copied().map(int).collect::<Vec<_>>())
}

fn map(flags: u8, pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::map_start(&mut out, flags, pairs.len());
    pairs.iter().for_each(|(key, value)| out.extend([text(key), value.clone()].concat()));
    out
}

/// The loop variable for an element's value, as an integer.
fn element() -> Vec<u8> {
    array(&[int(122), int(2), int(1)])
}

fn compare(operation: i64, a: Vec<u8>, b: Vec<u8>) -> Vec<u8> {
    array(&[int(operation), a, b])
}

/// A path payload.
fn path(steps: &[(i64, Vec<u8>)], flags: i64, expression: Option<Vec<u8>>) -> Vec<u8> {
    let context: Vec<Vec<u8>> = steps.iter().flat_map(|(kind, value)| [int(*kind), value.clone()]).collect();
    let mut parts = vec![int(0xfe), array(&context), int(flags)];
    parts.extend(expression);
    array(&parts)
}

fn shelves() -> Vec<u8> {
    map(FLAG_ORDERED, &[("a", ints(&[1, 5, 9])), ("b", ints(&[2, 8])), ("c", text("none"))])
}

fn particle(kind: ParticleType, bytes: &[u8]) -> Option<Particle<'_>> {
    Some(Particle { kind, bytes })
}

fn select(payload: &[u8]) -> Result<Vec<u8>, Refusal> {
    read(particle(ParticleType::Map, &shelves()), payload).map(|value| value.unwrap().bytes)
}

fn change(payload: &[u8]) -> Result<Vec<u8>, Refusal> {
    match modify(particle(ParticleType::Map, &shelves()), payload)?.bin {
        Change::Set(value) => Ok(value.bytes),
        Change::Keep | Change::Remove => panic!("the bin was to change"),
    }
}

#[test]
fn a_filter_selects_leaves_as_a_list_or_as_a_tree() {
    let steps = [(ALL, yes()), (ALL, compare(3, element(), int(4)))];
    assert_eq!(select(&path(&steps, 1, None)), Ok(ints(&[5, 9, 8])));
    let tree = map(FLAG_ORDERED, &[("a", ints(&[5, 9])), ("b", ints(&[8])), ("c", text("none"))]);
    assert_eq!(select(&path(&steps, 0, None)), Ok(tree));
    let narrowed = [(ALL, yes()), (ALL, compare(3, element(), int(4))), (AND, compare(5, element(), int(9)))];
    assert_eq!(select(&path(&narrowed, 1, None)), Ok(ints(&[5, 8])));
}

#[test]
fn keys_select_pairs_of_maps_only() {
    let keys = [(KEYS, array(&[text("c"), text("a"), text("zz")]))];
    assert_eq!(select(&path(&keys, 2, None)), Ok(array(&[text("a"), text("c")])));
    assert_eq!(
        select(&path(&keys, 3, None)),
        Ok(array(&[text("a"), ints(&[1, 5, 9]), text("c"), text("none")]))
    );
    let below = [(ALL, yes()), (KEYS, array(&[text("a")]))];
    assert_eq!(select(&path(&below, 1, None)), Err(Refusal::IncompatibleType));
    assert_eq!(select(&path(&[(ALL, yes()), (ALL, yes())], 2, None)), Err(Refusal::IncompatibleType));
}

#[test]
fn classic_steps_select_one_or_none() {
    assert_eq!(select(&path(&[(0x22, text("b")), (0x10, int(-1))], 1, None)), Ok(ints(&[8])));
    assert_eq!(select(&path(&[(0x22, text("q"))], 1, None)), Ok(ints(&[])));
    assert_eq!(select(&path(&[(0x10, int(0))], 1, None)), Ok(ints(&[])));
}

#[test]
fn leaves_are_replaced_or_removed() {
    let sum = array(&[int(20), element(), int(100)]);
    let steps = [(ALL, yes()), (ALL, compare(3, element(), int(4)))];
    let grown =
        map(FLAG_ORDERED, &[("a", ints(&[1, 105, 109])), ("b", ints(&[2, 108])), ("c", text("none"))]);
    assert_eq!(change(&path(&steps, 4, Some(sum))), Ok(grown));
    let removed = map(FLAG_ORDERED, &[("a", ints(&[1])), ("b", ints(&[2])), ("c", text("none"))]);
    assert_eq!(change(&path(&steps, 4, Some(array(&[int(100)])))), Ok(removed));
}

#[test]
fn a_type_that_does_not_fit_is_refused_or_passed_over() {
    let filter = [(ALL, compare(3, element(), int(4)))];
    assert_eq!(select(&path(&filter, 1, None)), Err(Refusal::Parameter));
    assert_eq!(select(&path(&filter, 0x11, None)), Ok(ints(&[])));
    let sum = || Some(array(&[int(20), element(), int(100)]));
    assert_eq!(change(&path(&[(ALL, yes())], 4, sum())), Err(Refusal::Parameter));
    assert_eq!(change(&path(&[(ALL, yes())], 0x14, sum())), Ok(shelves()));
}

#[test]
fn an_ordered_list_stays_in_order() {
    let mut bin = Vec::new();
    writer::list_start(&mut bin, FLAG_ORDERED, 3);
    bin.extend([int(1), int(2), int(3)].concat());
    let negated = array(&[int(21), int(0), element()]);
    let modified =
        modify(particle(ParticleType::List, &bin), &path(&[(ALL, yes())], 4, Some(negated))).unwrap();
    let mut expected = Vec::new();
    writer::list_start(&mut expected, FLAG_ORDERED, 3);
    expected.extend([int(-3), int(-2), int(-1)].concat());
    assert_eq!(modified.bin, Change::Set(OwnedParticle { kind: ParticleType::List, bytes: expected }));
}

#[test]
fn faults_have_their_codes() {
    let all = [(ALL, yes())];
    for payload in [
        path(&[], 0, None),
        path(&all, 5, None),
        path(&all, 4, None),
        path(&all, 0, Some(yes())),
        path(&[(ALL, vec![0xc2])], 0, None),
        path(&[(ALL, int(1))], 0, None),
        path(&[(AND, yes())], 0, None),
        path(&vec![(ALL, yes()); 300], 0, None),
    ] {
        assert_eq!(select(&payload), Err(Refusal::Parameter));
    }
    let number = 7_i64.to_be_bytes();
    let bin = particle(ParticleType::Integer, &number);
    assert_eq!(read(bin, &path(&all, 0, None)), Err(Refusal::IncompatibleType));
    assert_eq!(read(None, &path(&all, 0, None)), Ok(None));
    assert_eq!(modify(None, &path(&all, 4, Some(int(1)))), Err(Refusal::IncompatibleType));
}

/// A record with one integer.
struct Limit(Vec<u8>);

impl RecordView for Limit {
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>> {
        (name == b"limit").then_some(Particle { kind: ParticleType::Integer, bytes: &self.0 })
    }

    fn meta(&self) -> Option<Meta<'_>> {
        None
    }
}

#[test]
fn filters_may_ask_about_the_record() {
    let record = Limit(6_i64.to_be_bytes().to_vec());
    let mut name = Vec::new();
    writer::bytes(&mut name, b"limit");
    let above = compare(3, element(), array(&[int(81), int(2), name]));
    let payload = path(&[(0x22, text("a")), (ALL, above.clone())], 1, None);
    let bin = shelves();
    let bin = particle(ParticleType::Map, &bin);
    let now = Clock { unix_ms: 0 };
    assert_eq!(read_in(bin, &payload, &record, now).unwrap().unwrap().bytes, ints(&[9]));
    assert_eq!(read(bin, &payload), Err(Refusal::Parameter));
    let payload = path(&[(0x22, text("a")), (ALL, above)], 4, Some(int(0)));
    let modified = modify_in(bin, &payload, &record, now).unwrap();
    let Change::Set(value) = modified.bin else { panic!("the bin was to change") };
    assert_eq!(
        value.bytes,
        map(FLAG_ORDERED, &[("a", ints(&[1, 5, 0])), ("b", ints(&[2, 8])), ("c", text("none"))])
    );
}
