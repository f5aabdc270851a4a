//! The operations that change a map: dispatch, and those that remove pairs or change the order.

use super::Map;
use super::choose::{By, Chosen, choose};
use super::put::{self, Flags};
use crate::Refusal;
use crate::cdt::Effect;
use crate::cdt::payload::Call;
use crate::cdt::reply::{self, One, ReturnType};
use crate::msgpack::{FLAG_ORDERED, FLAG_PERSIST_INDEX, FLAG_VALUE_ORDERED};

/// Runs a modifying call; none is a map that does not exist.
pub(super) fn run(target: Option<&[u8]>, call: Call<'_>) -> Result<Effect, Refusal> {
    let map = target.map(Map::parse).transpose()?;
    match call.code {
        64 => set_type(map, call),
        65 => put::one(map, call, Some(Flags::CREATE_ONLY)),
        66 => put::many(map, call, Some(Flags::CREATE_ONLY)),
        67 => put::one(map, call, None),
        68 => put::many(map, call, None),
        69 => put::one(map, call, Some(Flags::UPDATE_ONLY)),
        70 => put::many(map, call, Some(Flags::UPDATE_ONLY)),
        73 => put::increment(map, call, false),
        74 => put::increment(map, call, true),
        75 => Ok(map.map_or_else(Effect::nothing, |map| Effect {
            container: Some(Map::empty(map.flags).encode()),
            result: None,
        })),
        _ => remove(map, call),
    }
}

/// How the removing operation with this number looks for pairs.
fn remove_by(code: i64) -> Option<By> {
    Some(match code {
        76 => By::Key,
        77 => By::Index,
        79 => By::Rank,
        81 => By::KeyList,
        82 => By::Value,
        83 => By::ValueList,
        84 => By::KeyInterval,
        85 => By::IndexRange,
        86 => By::ValueInterval,
        87 => By::RankRange,
        88 => By::RelativeIndexRange,
        89 => By::RelativeRankRange,
        _ => return None,
    })
}

/// Removes what a selection means, and answers as the return type says.
fn remove(map: Option<Map<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let by = remove_by(call.code).ok_or(Refusal::Parameter)?;
    let Some(map) = map else { return Ok(Effect::nothing()) };
    let mut args = call.args;
    let how = ReturnType::from_number(args.int()?)?;
    let (result, gone) = match choose(by, &map, how, &mut args)? {
        Chosen::Absent => return Ok(Effect { container: None, result: reply::absent(how.told)? }),
        Chosen::One(one) => {
            let (One::AtIndex(gone) | One::AtRank(gone, _)) = one;
            (reply::one(how.told, one, &map)?, vec![gone])
        }
        Chosen::Many(selection) => (reply::many(how.told, &selection, &map)?, selection.values),
    };
    Ok(Effect { container: Some(map.without(gone)), result })
}

/// Gives the map another order, or creates it so.
fn set_type(map: Option<Map<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let order = args.flags()?;
    args.finish()?;
    let flags = order_flags(order)?;
    let mut map = map.unwrap_or_else(|| Map::empty(flags));
    map.flags = flags;
    Ok(Effect { container: Some(map.encode()), result: None })
}

/// The flags that are stored for an order as clients send it.
pub(super) fn order_flags(order: u64) -> Result<u8, Refusal> {
    let order = order & !u64::from(FLAG_PERSIST_INDEX);
    let flags = u8::try_from(order).map_err(|_| Refusal::NotApplicable)?;
    if flags & !(FLAG_ORDERED | FLAG_VALUE_ORDERED) == 0 { Ok(flags) } else { Err(Refusal::NotApplicable) }
}
