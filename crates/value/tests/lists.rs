//! List operations against a naive model: random nested values, every return type, with and without a context.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

#[allow(dead_code)]
mod naive;

use naive::{Val, clip, decode, position, value, window};
use proptest::prelude::{
    BoxedStrategy, Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest,
};
use shipload_value::cdt::{self, Change};
use shipload_value::{OwnedParticle, Particle, ParticleType, Refusal};

/// Which elements an operation is about.
#[derive(Debug, Clone)]
enum Pick {
    Index(i64),
    Rank(i64),
    Value(Val),
    ValueList(Vec<Val>),
    IndexRange(i64, Option<i64>),
    Interval(Option<Val>, Option<Val>),
    RankRange(i64, Option<i64>),
    Relative(Val, i64, Option<i64>),
}

#[derive(Debug, Clone)]
enum Act {
    Append(Val, i64),
    AppendItems(Vec<Val>, i64),
    Insert(i64, Val, i64),
    InsertItems(i64, Vec<Val>, i64),
    Pop(i64),
    PopRange(i64, Option<i64>),
    Remove(i64),
    RemoveRange(i64, Option<i64>),
    Set(i64, Val),
    Trim(i64, i64),
    Clear,
    Sort(i64),
    Size,
    Get(i64),
    GetRange(i64, Option<i64>),
    Pick { pick: Pick, how: i64, inverted: bool, remove: bool },
}

const UNIQUE: i64 = 1;
const BOUNDED: i64 = 2;
const NO_FAIL: i64 = 4;
const PARTIAL: i64 = 8;
const INVERTED: i64 = 0x10000;

fn index() -> BoxedStrategy<i64> {
    (-7i64..8).boxed()
}

fn count() -> BoxedStrategy<Option<i64>> {
    prop_oneof![Just(None), (0i64..6).prop_map(Some)].boxed()
}

fn pick() -> BoxedStrategy<Pick> {
    let edge = || prop::option::of(value());
    prop_oneof![
        index().prop_map(Pick::Index),
        index().prop_map(Pick::Rank),
        value().prop_map(Pick::Value),
        prop::collection::vec(value(), 0..4).prop_map(Pick::ValueList),
        (index(), count()).prop_map(|(index, count)| Pick::IndexRange(index, count)),
        (edge(), edge()).prop_map(|(begin, end)| Pick::Interval(begin, end)),
        (index(), count()).prop_map(|(rank, count)| Pick::RankRange(rank, count)),
        (value(), index(), count()).prop_map(|(value, rank, count)| Pick::Relative(value, rank, count)),
    ]
    .boxed()
}

fn act() -> BoxedStrategy<Act> {
    let flags =
        || prop::sample::select(vec![0, UNIQUE, BOUNDED, UNIQUE | NO_FAIL, UNIQUE | NO_FAIL | PARTIAL]);
    let picked =
        (pick(), prop::sample::select(vec![0i64, 1, 2, 3, 4, 5, 7, 13]), any::<bool>(), any::<bool>());
    prop_oneof![
        3 => (value(), flags()).prop_map(|(value, flags)| Act::Append(value, flags)),
        3 => (prop::collection::vec(value(), 0..4), flags()).prop_map(|(values, flags)| Act::AppendItems(values, flags)),
        2 => (index(), value(), flags()).prop_map(|(index, value, flags)| Act::Insert(index, value, flags)),
        2 => (index(), prop::collection::vec(value(), 1..4), flags())
            .prop_map(|(index, values, flags)| Act::InsertItems(index, values, flags)),
        1 => index().prop_map(Act::Pop),
        1 => (index(), count()).prop_map(|(index, count)| Act::PopRange(index, count)),
        1 => index().prop_map(Act::Remove),
        1 => (index(), count()).prop_map(|(index, count)| Act::RemoveRange(index, count)),
        1 => (index(), value()).prop_map(|(index, value)| Act::Set(index, value)),
        1 => (index(), 0i64..6).prop_map(|(index, count)| Act::Trim(index, count)),
        1 => Just(Act::Clear),
        1 => (0i64..3).prop_map(Act::Sort),
        1 => Just(Act::Size),
        1 => index().prop_map(Act::Get),
        1 => (index(), count()).prop_map(|(index, count)| Act::GetRange(index, count)),
        12 => picked.prop_map(|(pick, how, inverted, remove)| Act::Pick { pick, how, inverted, remove }),
    ]
    .boxed()
}

fn int(value: usize) -> Option<Val> {
    Some(Val::Int(i64::try_from(value).unwrap()))
}

/// The model: a list, and whether it is kept in order.
#[derive(Debug, Clone)]
struct Model {
    values: Vec<Val>,
    ordered: bool,
}

type Answer = Result<Option<Val>, Refusal>;

impl Model {
    fn tidy(&mut self) {
        if self.ordered {
            self.values.sort_by(Val::order);
        }
    }

    /// The indexes of the elements by rank.
    fn ranks(&self) -> Vec<usize> {
        let mut indexes: Vec<usize> = (0..self.values.len()).collect();
        indexes.sort_by(|a, b| self.values[*a].order(&self.values[*b]));
        indexes
    }

    fn add(&mut self, index: Option<i64>, new: &[Val], flags: i64) -> Answer {
        let refused =
            |refusal| if flags & NO_FAIL != 0 { Ok(int(self.values.len()).unwrap()) } else { Err(refusal) };
        if index.is_some() && self.ordered {
            return Err(Refusal::NotApplicable);
        }
        let size = i64::try_from(self.values.len()).unwrap();
        let at = match index {
            None => size,
            Some(index) if index < 0 => index + size,
            Some(index) => index,
        };
        let at = usize::try_from(at).map_err(|_| Refusal::NotApplicable)?;
        if flags & BOUNDED != 0 && at > self.values.len() {
            return refused(Refusal::NotApplicable).map(Some);
        }
        let mut good: Vec<Val> = Vec::new();
        let (mut known, mut repeated) = (false, false);
        for value in new {
            if flags & UNIQUE != 0 && self.values.iter().any(|other| other.equals(value)) {
                known = true;
            } else if flags & UNIQUE != 0 && good.iter().any(|other| other.equals(value)) {
                repeated = true;
            } else {
                good.push(value.clone());
            }
        }
        if (known || repeated) && flags & PARTIAL == 0 {
            // As recorded: new elements that equal each other are another fault, which ordered lists see first.
            let among = repeated && (self.ordered || !known);
            return refused(if among { Refusal::NotApplicable } else { Refusal::ElementExists }).map(Some);
        }
        if good.is_empty() {
            return Ok(int(self.values.len()));
        }
        while self.values.len() < at {
            self.values.push(Val::Nil);
        }
        self.values.splice(at..at, good);
        self.tidy();
        Ok(int(self.values.len()))
    }

    fn cut(&mut self, range: std::ops::Range<usize>) -> Vec<Val> {
        self.values.drain(range).collect()
    }

    fn run(&mut self, act: &Act) -> Answer {
        let size = self.values.len();
        let at = |index: i64| position(index, size).ok_or(Refusal::NotApplicable);
        Ok(match act {
            Act::Append(value, flags) => return self.add(None, std::slice::from_ref(value), *flags),
            Act::AppendItems(values, flags) => return self.add(None, values, *flags),
            Act::Insert(index, value, flags) => {
                return self.add(Some(*index), std::slice::from_ref(value), *flags);
            }
            Act::InsertItems(index, values, flags) => return self.add(Some(*index), values, *flags),
            Act::Pop(index) => Some(self.values.remove(at(*index)?)),
            Act::PopRange(index, count) => Some(Val::List(self.cut(window(*index, *count, size)))),
            Act::Remove(index) => {
                self.values.remove(at(*index)?);
                int(1)
            }
            Act::RemoveRange(index, count) => int(self.cut(window(*index, *count, size)).len()),
            Act::Set(index, value) => {
                if self.ordered {
                    return Err(Refusal::NotApplicable);
                }
                let place = if *index < 0 { i64::try_from(size).unwrap() + index } else { *index };
                let place = usize::try_from(place).map_err(|_| Refusal::NotApplicable)?;
                while self.values.len() <= place {
                    self.values.push(Val::Nil);
                }
                self.values[place] = value.clone();
                None
            }
            Act::Trim(index, count) => {
                self.values = self.values[window(*index, Some(*count), size)].to_vec();
                int(size - self.values.len())
            }
            Act::Clear => {
                self.values.clear();
                None
            }
            Act::Sort(flags) => {
                self.values.sort_by(Val::order);
                if flags & 2 != 0 {
                    self.values.dedup_by(|a, b| a.equals(b));
                }
                if flags & 1 != 0 {
                    self.values.reverse();
                }
                self.tidy();
                None
            }
            Act::Size => int(size),
            Act::Get(index) => Some(self.values[at(*index)?].clone()),
            Act::GetRange(index, count) => {
                Some(Val::List(self.values[window(*index, *count, size)].to_vec()))
            }
            Act::Pick { pick, how, inverted, remove } => return self.pick(pick, *how, *inverted, *remove),
        })
    }

    fn pick(&mut self, pick: &Pick, how: i64, inverted: bool, remove: bool) -> Answer {
        let (size, ranks) = (self.values.len(), self.ranks());
        let of_ranks = |range: std::ops::Range<usize>| ranks[range].to_vec();
        let is = |test: &dyn Fn(&Val) -> bool| (0..size).filter(|index| test(&self.values[*index])).collect();
        let mut chosen: Vec<usize> = match pick {
            Pick::Index(index) => vec![position(*index, size).ok_or(Refusal::NotApplicable)?],
            Pick::Rank(rank) => vec![ranks[position(*rank, size).ok_or(Refusal::NotApplicable)?]],
            Pick::Value(value) => is(&|known| known.equals(value)),
            Pick::ValueList(values) => is(&|known| values.iter().any(|value| value.equals(known))),
            Pick::IndexRange(index, count) => window(*index, *count, size).collect(),
            Pick::Interval(begin, end) => is(&|known| {
                let begins = begin.as_ref().is_none_or(|begin| known.order(begin).is_ge());
                begins && end.as_ref().is_none_or(|end| known.order(end).is_lt())
            }),
            Pick::RankRange(rank, count) => of_ranks(window(*rank, *count, size)),
            Pick::Relative(value, rank, count) => {
                let below = self.values.iter().filter(|known| known.order(value).is_lt()).count();
                let start = i64::try_from(below).unwrap() + rank;
                of_ranks(clip(start, *count, i64::try_from(size).unwrap()))
            }
        };
        // As recorded: what a list of values finds in an ordered list comes in the order of that list.
        match pick {
            Pick::ValueList(values) if self.ordered => {
                chosen
                    .sort_by_key(|index| values.iter().position(|value| value.equals(&self.values[*index])));
            }
            _ => chosen.sort_unstable(),
        }
        if inverted {
            chosen = (0..size).filter(|index| !chosen.contains(index)).collect();
        }
        let answer = self.told(pick, how, &chosen, &ranks);
        if remove {
            let mut index = 0;
            self.values.retain(|_| {
                index += 1;
                !chosen.contains(&(index - 1))
            });
        }
        Ok(answer)
    }

    fn told(&self, pick: &Pick, how: i64, chosen: &[usize], ranks: &[usize]) -> Option<Val> {
        let size = self.values.len();
        let one = |index: usize| {
            // As recorded: chosen by index (but not all), equal elements share the rank of the first of them.
            let shares =
                chosen.len() < size && matches!(pick, Pick::Index(_) | Pick::IndexRange(..)) && !self.ordered;
            let same = |known: &usize| {
                if shares { self.values[*known].equals(&self.values[index]) } else { *known == index }
            };
            let rank = ranks.iter().position(same).unwrap();
            match how {
                1 => int(index).unwrap(),
                2 => int(size - 1 - index).unwrap(),
                3 => int(rank).unwrap(),
                4 => int(size - 1 - rank).unwrap(),
                _ => self.values[index].clone(),
            }
        };
        match how {
            0 => None,
            5 => int(chosen.len()),
            13 => Some(Val::Bool(!chosen.is_empty())),
            _ if matches!(pick, Pick::Index(_) | Pick::Rank(_)) => Some(one(chosen[0])),
            _ => Some(Val::List(chosen.iter().map(|index| one(*index)).collect())),
        }
    }
}

/// Code and arguments of an operation.
fn words(act: &Act) -> (i64, Vec<Option<Val>>) {
    let n = |value: &i64| Some(Val::Int(*value));
    let m = |count: &Option<i64>| count.as_ref().map(|count| Val::Int(*count));
    let v = |value: &Val| Some(value.clone());
    let l = |values: &[Val]| Some(Val::List(values.to_vec()));
    match act {
        Act::Append(value, flags) => (1, vec![v(value), n(&0), n(flags)]),
        Act::AppendItems(values, flags) => (2, vec![l(values), n(&0), n(flags)]),
        Act::Insert(index, value, flags) => (3, vec![n(index), v(value), n(flags)]),
        Act::InsertItems(index, values, flags) => (4, vec![n(index), l(values), n(flags)]),
        Act::Pop(index) => (5, vec![n(index)]),
        Act::PopRange(index, count) => (6, vec![n(index), m(count)]),
        Act::Remove(index) => (7, vec![n(index)]),
        Act::RemoveRange(index, count) => (8, vec![n(index), m(count)]),
        Act::Set(index, value) => (9, vec![n(index), v(value)]),
        Act::Trim(index, count) => (10, vec![n(index), n(count)]),
        Act::Clear => (11, vec![]),
        Act::Sort(flags) => (13, vec![n(flags)]),
        Act::Size => (16, vec![]),
        Act::Get(index) => (17, vec![n(index)]),
        Act::GetRange(index, count) => (18, vec![n(index), m(count)]),
        Act::Pick { pick, how, inverted, remove } => {
            let how = n(&(how | if *inverted { INVERTED } else { 0 }));
            let edge = |value: &Option<Val>| value.clone().or(Some(Val::Nil));
            let (code, mut args) = match pick {
                Pick::Index(index) => (19, vec![n(index)]),
                Pick::Rank(rank) => (21, vec![n(rank)]),
                Pick::Value(value) => (22, vec![v(value)]),
                Pick::ValueList(values) => (23, vec![l(values)]),
                Pick::IndexRange(index, count) => (24, vec![n(index), m(count)]),
                Pick::Interval(begin, None) => (25, vec![edge(begin)]),
                Pick::Interval(begin, end) => (25, vec![edge(begin), edge(end)]),
                Pick::RankRange(rank, count) => (26, vec![n(rank), m(count)]),
                Pick::Relative(value, rank, count) => (27, vec![v(value), n(rank), m(count)]),
            };
            args.insert(0, how);
            (if *remove { code + 13 } else { code }, args)
        }
    }
}

fn payload(act: &Act, context: Option<&[u8]>) -> Vec<u8> {
    let (code, args) = words(act);
    let args: Vec<Val> = args.into_iter().flatten().collect();
    let mut call = vec![0x90 + u8::try_from(args.len() + 1).unwrap()];
    Val::Int(code).encode(&mut call);
    args.iter().for_each(|arg| arg.encode(&mut call));
    match context {
        Some(context) => [b"\x93\xcc\xff", context, &call].concat(),
        None => call,
    }
}

fn is_read(act: &Act) -> bool {
    matches!(act, Act::Size | Act::Get(_) | Act::GetRange(..) | Act::Pick { remove: false, .. })
}

/// Does what clients don't: inverts a single choice, gives an open start as nil where nil is a value as well, or asks
/// whether the rest exists, which the recorded server answers in ways of its own.
fn is_odd(act: &Act) -> bool {
    match act {
        Act::Pick { pick: Pick::Index(_) | Pick::Rank(_), inverted, .. } => *inverted,
        Act::Pick { how: 13, inverted: true, .. } => true,
        Act::Pick { pick: Pick::Interval(begin, end), .. } => {
            [begin, end].into_iter().any(|edge| matches!(edge, Some(Val::Nil)))
                || matches!((begin, end), (_, Some(_)) if end.is_none())
        }
        _ => false,
    }
}

fn tree(particle: Option<OwnedParticle>) -> Option<Val> {
    let particle = particle?;
    let mut out = Vec::new();
    shipload_value::msgpack::element::from_particle(&mut out, particle.as_particle());
    Some(decode(&mut out.as_slice()))
}

/// Indexes, ranks and what is chosen by rank come in orders of their own (recorded cases keep them); which ones they are is what counts here.
fn unordered(act: &Act, answer: Answer) -> Answer {
    let ranks = matches!(
        act,
        Act::Pick { how: 1..=4, .. } | Act::Pick { pick: Pick::RankRange(..) | Pick::Relative(..), .. }
    );
    answer.map(|answer| match answer {
        Some(Val::List(mut values)) if ranks => {
            values.sort_by(Val::order);
            Some(Val::List(values))
        }
        Some(Val::Nil) => None,
        other => other,
    })
}

fn encoded(model: &Model) -> Vec<u8> {
    let plain = Val::List(model.values.clone()).bytes();
    if !model.ordered {
        return plain;
    }
    let count = u16::try_from(model.values.len() + 1).unwrap().to_be_bytes();
    [&[0xdc], &count[..], b"\xc7\x00\x01", &plain[3..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_behaves_like_a_vector(
        mut values in prop::collection::vec(value(), 0..7),
        ordered in any::<bool>(),
        nested in any::<bool>(),
        acts in prop::collection::vec(act(), 1..12),
    ) {
        if ordered {
            values.sort_by(Val::order);
        }
        let mut model = Model { values, ordered };
        // The list alone, or between two others in a list.
        let around = |list: &[u8]| if nested { [b"\x93\x91\x07", list, b"\x91\x08"].concat() } else { list.to_vec() };
        let context = nested.then_some(&b"\x92\x10\x01"[..]);
        let mut bin = Vec::new();
        shipload_value::canonical::element(&around(&encoded(&model)), &mut bin).unwrap();
        for act in acts.into_iter().filter(|act| !is_odd(act)) {
            let payload = payload(&act, context);
            let particle = Some(Particle { kind: ParticleType::List, bytes: &bin });
            let before = model.clone();
            let wanted = model.run(&act);
            let got = if is_read(&act) {
                cdt::read(particle, &payload).map(tree)
            } else {
                cdt::modify(particle, &payload).map(|modified| {
                    if let Change::Set(new) = modified.bin {
                        bin = new.bytes;
                    }
                    tree(modified.result)
                })
            };
            prop_assert_eq!(unordered(&act, got), unordered(&act, wanted), "{:?} on {:?}", act, before);
            let now = decode(&mut bin.as_slice());
            let inner = match (&now, nested) {
                (Val::List(outer), true) => outer[1].clone(),
                _ => now.clone(),
            };
            prop_assert_eq!(inner, Val::List(model.values.clone()), "{:?} on {:?}", act, before);
            if let (true, Val::List(outer)) = (nested, &now) {
                prop_assert_eq!((&outer[0], &outer[2]), (&Val::List(vec![Val::Int(7)]), &Val::List(vec![Val::Int(8)])));
            }
            let mut again = Vec::new();
            shipload_value::canonical::element(&bin, &mut again).unwrap();
            prop_assert_eq!(&again, &bin, "{:?} leaves what is not canonical", act);
        }
    }
}
