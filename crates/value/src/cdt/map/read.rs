//! The operations that read a map.

use super::choose::{By, Chosen, choose};
use super::{Map, head};
use crate::cdt::payload::Call;
use crate::cdt::reply::{self, ReturnType};
use crate::{OwnedParticle, Refusal};

/// Runs a reading call.
pub(super) fn run(target: &[u8], call: Call<'_>) -> Result<Option<OwnedParticle>, Refusal> {
    let (_, size, _) = head(target)?;
    let by = match call.code {
        96 => return Ok(Some(reply::integer(size))),
        97 => By::Key,
        98 => By::Index,
        100 => By::Rank,
        102 => By::Value,
        103 => By::KeyInterval,
        104 => By::IndexRange,
        105 => By::ValueInterval,
        106 => By::RankRange,
        107 => By::KeyList,
        108 => By::ValueList,
        109 => By::RelativeIndexRange,
        110 => By::RelativeRankRange,
        _ => return Err(Refusal::Parameter),
    };
    let mut args = call.args;
    let number = args.int()?;
    let map = Map::parse(target)?;
    let how = ReturnType::from_number(number)?;
    match choose(by, &map, how, &mut args)? {
        Chosen::Absent => reply::absent(how.told),
        Chosen::One(one) => reply::one(how.told, one, &map),
        Chosen::Many(selection) => reply::many(how.told, &selection, &map),
    }
}
