//! The operations that write pairs.

use super::modify::order_flags;
use super::{Map, Pair, key};
use crate::Refusal;
use crate::canonical;
use crate::cdt::context::corrupt;
use crate::cdt::payload::Call;
use crate::cdt::reply::Elements;
use crate::cdt::{Effect, reply, sum};
use crate::msgpack::{Reader, element};

const CREATE_ONLY: u64 = 1;
const UPDATE_ONLY: u64 = 2;
const NO_FAIL: u64 = 4;
const PARTIAL: u64 = 8;

/// A key and a value, ready to be stored.
type Entry = (Vec<u8>, Vec<u8>);

/// Write flags as sent; unknown bits mean nothing.
#[derive(Clone, Copy)]
pub(super) struct Flags(u64);

impl Flags {
    /// Only keys that don't exist may be written.
    pub(super) const CREATE_ONLY: Flags = Flags(CREATE_ONLY);
    /// Only keys that exist may be written.
    pub(super) const UPDATE_ONLY: Flags = Flags(UPDATE_ONLY);

    /// Why a key may not be written.
    fn forbids(self, exists: bool) -> Option<Refusal> {
        if exists && self.0 & CREATE_ONLY != 0 {
            return Some(Refusal::ElementExists);
        }
        (!exists && self.0 & UPDATE_ONLY != 0).then_some(Refusal::ElementNotFound)
    }

    fn no_fail(self) -> bool {
        self.0 & NO_FAIL != 0
    }

    fn partial(self) -> bool {
        self.no_fail() && self.0 & PARTIAL != 0
    }
}

/// Writes one pair. The old operations have fixed flags; all answer the map's size.
pub(super) fn one(map: Option<Map<'_>>, call: Call<'_>, fixed: Option<Flags>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (key_argument, value_argument) = (args.value()?, args.value()?);
    let (order, flags) = order_and_flags(&mut args, fixed)?;
    let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
    key(key_argument, &mut key_bytes)?;
    canonical::element(value_argument, &mut value_bytes).map_err(|_| Refusal::Parameter)?;
    write(map, order, flags, &[(key_bytes, value_bytes)], false)
}

/// Writes all pairs of a map.
pub(super) fn many(map: Option<Map<'_>>, call: Call<'_>, fixed: Option<Flags>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let pairs = args.value()?;
    let (order, flags) = order_and_flags(&mut args, fixed)?;
    write(map, order, flags, &cut(pairs)?, true)
}

fn order_and_flags(
    args: &mut crate::arguments::Args<'_>,
    fixed: Option<Flags>,
) -> Result<(u64, Flags), Refusal> {
    let order = args.flags()?;
    let flags = match fixed {
        Some(flags) => flags,
        None => Flags(args.flags()?),
    };
    args.finish()?;
    Ok((order, flags))
}

/// The pairs of a map argument.
fn cut(argument: &[u8]) -> Result<Vec<Entry>, Refusal> {
    let mut reader = Reader::new(argument);
    let head = reader.map_head().map_err(|_| Refusal::Parameter)?;
    let mut pairs = Vec::new();
    for _ in 0..head.count {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        key(reader.take().map_err(|_| Refusal::Parameter)?, &mut key_bytes)?;
        let value = reader.take().map_err(|_| Refusal::Parameter)?;
        canonical::element(value, &mut value_bytes).map_err(|_| Refusal::Parameter)?;
        pairs.push((key_bytes, value_bytes));
    }
    Ok(pairs)
}

fn write(
    map: Option<Map<'_>>,
    order: u64,
    flags: Flags,
    pairs: &[Entry],
    several: bool,
) -> Result<Effect, Refusal> {
    let map = map.map_or_else(|| order_flags(order).map(Map::empty), Ok)?;
    let mut written = Vec::with_capacity(pairs.len());
    // An empty map takes what a partial write brings without a look at the other flags, as recorded.
    let takes_all = several && map.size() == 0 && flags.partial();
    for (key, value) in pairs {
        match flags.forbids(map.find(key).is_ok()) {
            _ if takes_all => written.push(Pair { key, value }),
            None => written.push(Pair { key, value }),
            Some(_) if flags.partial() => {}
            Some(_) if flags.no_fail() => {
                written.clear();
                break;
            }
            Some(refusal) => return Err(refusal),
        }
    }
    let (container, size) = map.with_all(&written);
    Ok(Effect { container: Some(container), result: Some(reply::integer(size)) })
}

/// Adds to (or takes from) a value; a missing key gets the delta itself.
pub(super) fn increment(map: Option<Map<'_>>, call: Call<'_>, negative: bool) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let key_argument = args.value()?;
    let delta = sum::Delta::argument(args.optional()?)?;
    let order = args.flags()?;
    args.finish()?;
    let delta = if negative { delta.negated() } else { delta };
    let mut key_bytes = Vec::new();
    key(key_argument, &mut key_bytes)?;
    let map = map.map_or_else(|| order_flags(order).map(Map::empty), Ok)?;
    let old = map.find(&key_bytes).ok().map(|index| map.value(index));
    let new = delta.added_to(old)?;
    let result = element::to_particle(&new).map_err(corrupt)?;
    Ok(Effect { container: Some(map.with(&key_bytes, &new)), result })
}
