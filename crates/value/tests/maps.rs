//! Map operations against a naive model: random nested values, every return type, ordered and not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

#[allow(dead_code)]
mod naive;

use naive::{Val, clip, decode, key, pairs, position, value, window};
use proptest::prelude::{
    BoxedStrategy, Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest,
};
use shipload_value::cdt::{self, Change};
use shipload_value::{OwnedParticle, Particle, ParticleType, Refusal};

/// Which pairs an operation is about.
#[derive(Debug, Clone)]
enum Pick {
    Key(Val),
    Index(i64),
    Rank(i64),
    KeyList(Vec<Val>),
    Value(Val),
    ValueList(Vec<Val>),
    Keys(Option<Val>, Option<Val>),
    IndexRange(i64, Option<i64>),
    Values(Option<Val>, Option<Val>),
    RankRange(i64, Option<i64>),
    KeyRelative(Val, i64, Option<i64>),
    ValueRelative(Val, i64, Option<i64>),
}

impl Pick {
    fn is_single(&self) -> bool {
        matches!(self, Pick::Key(_) | Pick::Index(_) | Pick::Rank(_))
    }
}

#[derive(Debug, Clone)]
enum Act {
    Put(Val, Val, i64),
    PutItems(Vec<(Val, Val)>, i64),
    Increment(Val, i64),
    Clear,
    Size,
    Pick { pick: Pick, how: i64, inverted: bool, remove: bool },
}

const CREATE: i64 = 1;
const UPDATE: i64 = 2;
const NO_FAIL: i64 = 4;
const PARTIAL: i64 = 8;
const INVERTED: i64 = 0x10000;
/// Flags that are sent as operations of their own, as old clients do.
const OLD: i64 = 16;
const OLD_CREATE: i64 = OLD | CREATE;
const OLD_UPDATE: i64 = OLD | UPDATE;

fn index() -> BoxedStrategy<i64> {
    (-6i64..7).boxed()
}

fn count() -> BoxedStrategy<Option<i64>> {
    prop_oneof![Just(None), (0i64..5).prop_map(Some)].boxed()
}

fn pick() -> BoxedStrategy<Pick> {
    let edge = || prop::option::of(value().prop_filter("an open end", |value| *value != Val::Nil));
    prop_oneof![
        key().prop_map(Pick::Key),
        index().prop_map(Pick::Index),
        index().prop_map(Pick::Rank),
        prop::collection::vec(key(), 0..4).prop_map(Pick::KeyList),
        value().prop_map(Pick::Value),
        prop::collection::vec(value(), 0..4).prop_map(Pick::ValueList),
        (prop::option::of(key()), prop::option::of(key())).prop_map(|(begin, end)| Pick::Keys(begin, end)),
        (index(), count()).prop_map(|(index, count)| Pick::IndexRange(index, count)),
        (edge(), edge()).prop_map(|(begin, end)| Pick::Values(begin, end)),
        (index(), count()).prop_map(|(rank, count)| Pick::RankRange(rank, count)),
        (key(), index(), count()).prop_map(|(key, index, count)| Pick::KeyRelative(key, index, count)),
        (value(), index(), count()).prop_map(|(value, rank, count)| Pick::ValueRelative(value, rank, count)),
    ]
    .boxed()
}

fn act() -> BoxedStrategy<Act> {
    let flags = || {
        prop::sample::select(vec![
            OLD_CREATE,
            OLD_UPDATE,
            0,
            CREATE,
            UPDATE,
            CREATE | NO_FAIL,
            UPDATE | NO_FAIL,
            CREATE | NO_FAIL | PARTIAL,
        ])
    };
    let hows = prop::sample::select(vec![0i64, 1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 17]);
    let picked = (pick(), hows, any::<bool>(), any::<bool>()).prop_map(|(pick, how, inverted, remove)| {
        let inverted = inverted && !pick.is_single() && how != 13;
        Act::Pick { pick, how, inverted, remove }
    });
    prop_oneof![
        4 => (key(), value(), flags()).prop_map(|(key, value, flags)| Act::Put(key, value, flags)),
        3 => (pairs(value(), 4), flags()).prop_map(|(pairs, flags)| Act::PutItems(pairs, flags)),
        2 => (key(), -3i64..4).prop_map(|(key, delta)| Act::Increment(key, delta)),
        1 => Just(Act::Clear),
        1 => Just(Act::Size),
        12 => picked,
    ]
    .boxed()
}

fn int(value: usize) -> Val {
    Val::Int(i64::try_from(value).unwrap())
}

type Answer = Result<Option<Val>, Refusal>;

/// The model: pairs in the order of their keys.
#[derive(Debug, Clone)]
struct Model(Vec<(Val, Val)>);

impl Model {
    fn find(&self, key: &Val) -> Option<usize> {
        self.0.iter().position(|pair| pair.0.equals(key))
    }

    fn set(&mut self, key: &Val, value: Val) {
        match self.find(key) {
            Some(at) => self.0[at].1 = value,
            None => self.0.push((key.clone(), value)),
        }
        self.0.sort_by(|a, b| a.0.order(&b.0));
    }

    fn ranks(&self) -> Vec<usize> {
        let mut indexes: Vec<usize> = (0..self.0.len()).collect();
        indexes.sort_by(|a, b| self.0[*a].1.order(&self.0[*b].1));
        indexes
    }

    fn put(&mut self, pairs: &[(Val, Val)], flags: i64) -> Answer {
        let mut next = self.clone();
        for (key, value) in pairs {
            let refusal = match self.find(key) {
                Some(_) if flags & CREATE != 0 => Some(Refusal::ElementExists),
                None if flags & UPDATE != 0 => Some(Refusal::ElementNotFound),
                _ => None,
            };
            match refusal {
                None => next.set(key, value.clone()),
                Some(_) if flags & PARTIAL != 0 => {}
                Some(_) if flags & NO_FAIL != 0 => return Ok(Some(int(self.0.len()))),
                Some(refusal) => return Err(refusal),
            }
        }
        *self = next;
        Ok(Some(int(self.0.len())))
    }

    fn run(&mut self, act: &Act) -> Answer {
        Ok(match act {
            Act::Put(key, value, flags) => return self.put(&[(key.clone(), value.clone())], *flags),
            Act::PutItems(pairs, flags) => return self.put(pairs, *flags),
            Act::Increment(key, delta) => {
                let sum = match self.find(key).map(|at| &self.0[at].1) {
                    None => Val::Int(*delta),
                    Some(Val::Int(value)) => Val::Int(value.wrapping_add(*delta)),
                    Some(Val::Double(value)) => {
                        Val::Double(value + i32::try_from(*delta).map(f64::from).unwrap())
                    }
                    Some(_) => return Err(Refusal::Parameter),
                };
                self.set(key, sum.clone());
                Some(sum)
            }
            Act::Clear => {
                self.0.clear();
                None
            }
            Act::Size => Some(int(self.0.len())),
            Act::Pick { pick, how, inverted, remove } => return self.pick(pick, *how, *inverted, *remove),
        })
    }

    fn pick(&mut self, pick: &Pick, how: i64, inverted: bool, remove: bool) -> Answer {
        let (size, ranks) = (self.0.len(), self.ranks());
        let is = |test: &dyn Fn(&(Val, Val)) -> bool| {
            (0..size).filter(|at| test(&self.0[*at])).collect::<Vec<_>>()
        };
        let between = |value: &Val, begin: &Option<Val>, end: &Option<Val>| {
            begin.as_ref().is_none_or(|begin| value.order(begin).is_ge())
                && end.as_ref().is_none_or(|end| value.order(end).is_lt())
        };
        let relative = |below: usize, start: i64, count: Option<i64>| {
            clip(i64::try_from(below).unwrap() + start, count, i64::try_from(size).unwrap())
        };
        let mut chosen: Vec<usize> = match pick {
            Pick::Key(key) => self.find(key).into_iter().collect(),
            Pick::Index(index) => vec![position(*index, size).ok_or(Refusal::NotApplicable)?],
            Pick::Rank(rank) => vec![ranks[position(*rank, size).ok_or(Refusal::NotApplicable)?]],
            Pick::KeyList(keys) => is(&|pair| keys.iter().any(|key| key.equals(&pair.0))),
            Pick::Value(value) => is(&|pair| pair.1.equals(value)),
            Pick::ValueList(values) => is(&|pair| values.iter().any(|value| value.equals(&pair.1))),
            Pick::Keys(begin, end) => is(&|pair| between(&pair.0, begin, end)),
            Pick::Values(begin, end) => is(&|pair| between(&pair.1, begin, end)),
            Pick::IndexRange(index, count) => window(*index, *count, size).collect(),
            Pick::RankRange(rank, count) => ranks[window(*rank, *count, size)].to_vec(),
            Pick::KeyRelative(key, index, count) => {
                let below = self.0.iter().filter(|pair| pair.0.order(key).is_lt()).count();
                relative(below, *index, *count).collect()
            }
            Pick::ValueRelative(value, rank, count) => {
                let below = self.0.iter().filter(|pair| pair.1.order(value).is_lt()).count();
                ranks[relative(below, *rank, *count)].to_vec()
            }
        };
        chosen.sort_unstable();
        if inverted {
            chosen = (0..size).filter(|index| !chosen.contains(index)).collect();
        }
        let answer = self.told(pick, how, &chosen, &ranks);
        if remove {
            let mut at = 0;
            self.0.retain(|_| {
                at += 1;
                !chosen.contains(&(at - 1))
            });
        }
        Ok(answer)
    }

    fn told(&self, pick: &Pick, how: i64, chosen: &[usize], ranks: &[usize]) -> Option<Val> {
        let size = self.0.len();
        let one = |at: usize| {
            let rank = ranks.iter().position(|known| *known == at).unwrap();
            match how {
                1 => int(at),
                2 => int(size - 1 - at),
                3 => int(rank),
                4 => int(size - 1 - rank),
                6 => self.0[at].0.clone(),
                _ => self.0[at].1.clone(),
            }
        };
        match how {
            0 => None,
            5 => Some(int(chosen.len())),
            13 => Some(Val::Bool(!chosen.is_empty())),
            8 | 16 | 17 => Some(Val::Map(chosen.iter().map(|at| self.0[*at].clone()).collect())),
            _ if pick.is_single() => match (how, chosen) {
                (_, [at]) => Some(one(*at)),
                (1..=4, _) => Some(Val::Int(-1)),
                _ => None,
            },
            _ => Some(Val::List(chosen.iter().map(|at| one(*at)).collect())),
        }
    }
}

/// Code and arguments of an operation.
fn words(act: &Act) -> (i64, Vec<Option<Val>>) {
    let n = |value: &i64| Some(Val::Int(*value));
    let m = |count: &Option<i64>| count.as_ref().map(|count| Val::Int(*count));
    let v = |value: &Val| Some(value.clone());
    let l = |values: &[Val]| Some(Val::List(values.to_vec()));
    let edges = |begin: &Option<Val>, end: &Option<Val>| vec![begin.clone().or(Some(Val::Nil)), end.clone()];
    match act {
        Act::Put(key, value, OLD_CREATE) => (65, vec![v(key), v(value), n(&0)]),
        Act::Put(key, value, OLD_UPDATE) => (69, vec![v(key), v(value)]),
        Act::PutItems(pairs, OLD_CREATE) => (66, vec![Some(Val::Map(pairs.clone())), n(&0)]),
        Act::PutItems(pairs, OLD_UPDATE) => (70, vec![Some(Val::Map(pairs.clone()))]),
        Act::Put(key, value, flags) => (67, vec![v(key), v(value), n(&0), n(flags)]),
        Act::PutItems(pairs, flags) => (68, vec![Some(Val::Map(pairs.clone())), n(&0), n(flags)]),
        Act::Increment(key, delta) => (73, vec![v(key), n(delta), n(&0)]),
        Act::Clear => (75, vec![]),
        Act::Size => (96, vec![]),
        Act::Pick { pick, how, inverted, remove } => {
            let how = n(&(how | if *inverted { INVERTED } else { 0 }));
            let (code, remove_code, mut args) = match pick {
                Pick::Key(key) => (97, 76, vec![v(key)]),
                Pick::Index(index) => (98, 77, vec![n(index)]),
                Pick::Rank(rank) => (100, 79, vec![n(rank)]),
                Pick::KeyList(keys) => (107, 81, vec![l(keys)]),
                Pick::Value(value) => (102, 82, vec![v(value)]),
                Pick::ValueList(values) => (108, 83, vec![l(values)]),
                Pick::Keys(begin, end) => (103, 84, edges(begin, end)),
                Pick::IndexRange(index, count) => (104, 85, vec![n(index), m(count)]),
                Pick::Values(begin, end) => (105, 86, edges(begin, end)),
                Pick::RankRange(rank, count) => (106, 87, vec![n(rank), m(count)]),
                Pick::KeyRelative(key, index, count) => (109, 88, vec![v(key), n(index), m(count)]),
                Pick::ValueRelative(value, rank, count) => (110, 89, vec![v(value), n(rank), m(count)]),
            };
            args.insert(0, how);
            (if *remove { remove_code } else { code }, args)
        }
    }
}

fn payload(act: &Act) -> Vec<u8> {
    let (code, args) = words(act);
    let args: Vec<Val> = args.into_iter().flatten().collect();
    let mut call = vec![0x90 + u8::try_from(args.len() + 1).unwrap()];
    Val::Int(code).encode(&mut call);
    args.iter().for_each(|arg| arg.encode(&mut call));
    call
}

fn is_read(act: &Act) -> bool {
    matches!(act, Act::Size | Act::Pick { remove: false, .. })
}

fn tree(particle: Option<OwnedParticle>) -> Option<Val> {
    let particle = particle?;
    let mut out = Vec::new();
    shipload_value::msgpack::element::from_particle(&mut out, particle.as_particle());
    Some(decode(&mut out.as_slice()))
}

/// Numbers, and what is chosen by value or rank or inverted, come in orders of their own, which recorded cases keep;
/// which ones they are is what counts here.
fn unordered(act: &Act, answer: Answer) -> Answer {
    let sorts = match act {
        Act::Pick { how: 1..=4, .. } | Act::Pick { inverted: true, .. } => true,
        Act::Pick { pick, .. } => !matches!(pick, Pick::Key(_) | Pick::Keys(..) | Pick::IndexRange(..)),
        _ => false,
    };
    answer.map(|answer| match answer {
        Some(Val::List(mut values)) if sorts => {
            values.sort_by(Val::order);
            Some(Val::List(values))
        }
        Some(Val::Nil) => None,
        other => other,
    })
}

/// A map keeps no rank for a list of keys, as recorded.
fn is_refused(act: &Act) -> bool {
    matches!(act, Act::Pick { pick: Pick::KeyList(_), how: 3 | 4, .. })
}

fn encoded(model: &Model, ordered: bool) -> Vec<u8> {
    let plain = Val::Map(model.0.clone()).bytes();
    if !ordered {
        return plain;
    }
    let count = u16::try_from(model.0.len() + 1).unwrap().to_be_bytes();
    [&[0xde], &count[..], b"\xc7\x00\x01\xc0", &plain[3..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_map_behaves_like_sorted_pairs(
        pairs in pairs(value(), 7),
        ordered in any::<bool>(),
        acts in prop::collection::vec(act(), 1..12),
    ) {
        let mut model = Model(pairs);
        let mut bin = Vec::new();
        shipload_value::canonical::element(&encoded(&model, ordered), &mut bin).unwrap();
        for act in acts {
            let payload = payload(&act);
            let particle = Some(Particle { kind: ParticleType::Map, bytes: &bin });
            let before = model.clone();
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
            if is_refused(&act) && got.is_err() {
                prop_assert_eq!(got, Err(Refusal::NotApplicable));
                continue;
            }
            let wanted = model.run(&act);
            prop_assert_eq!(unordered(&act, got), unordered(&act, wanted), "{:?} on {:?}", act, before);
            prop_assert_eq!(decode(&mut bin.as_slice()), Val::Map(model.0.clone()), "{:?} on {:?}", act, before);
            let mut again = Vec::new();
            shipload_value::canonical::element(&bin, &mut again).unwrap();
            prop_assert_eq!(&again, &bin, "{:?} leaves what is not canonical", act);
        }
    }
}
