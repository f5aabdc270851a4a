//! The operations that read a list.

use super::List;
use super::choose::{By, Chosen, choose};
use super::items::Items;
use crate::cdt::context::corrupt;
use crate::cdt::payload::Call;
use crate::cdt::reply::{self, ReturnType};
use crate::cdt::select::{Run, position};
use crate::msgpack::element;
use crate::{OwnedParticle, Refusal, strings};

/// Runs a reading call.
pub(super) fn run(list: List<'_>, call: Call<'_>) -> Result<Option<OwnedParticle>, Refusal> {
    let by = match call.code {
        16 => return Ok(Some(reply::integer(list.count()))),
        17 => return get(&list, call),
        18 => return get_range(&list, call).map(Some),
        19 => By::Index,
        21 => By::Rank,
        22 => By::Value,
        23 => By::ValueList,
        24 => By::IndexRange,
        25 => By::ValueInterval,
        26 => By::RankRange,
        27 => By::RelativeRankRange,
        28 => return join(&list, call).map(Some),
        _ => return Err(Refusal::Parameter),
    };
    let mut args = call.args;
    let number = args.int()?;
    let items = Items::of(&list)?;
    let how = ReturnType::from_number(number)?;
    match choose(by, &items, how, &mut args)? {
        Chosen::One(one) => reply::one(how.told, one, &items),
        Chosen::Many(selection) => reply::many(how.told, &selection, &items),
    }
}

/// One element, by index.
fn get(list: &List<'_>, call: Call<'_>) -> Result<Option<OwnedParticle>, Refusal> {
    let mut args = call.args;
    let index = args.int()?;
    args.finish()?;
    let index = position(index, list.count()).ok_or(Refusal::NotApplicable)?;
    let element = list.run(index, 1)?;
    element::to_particle(element.first().copied().unwrap_or_default()).map_err(corrupt)
}

/// A run of elements.
fn get_range(list: &List<'_>, call: Call<'_>) -> Result<OwnedParticle, Refusal> {
    let mut args = call.args;
    let (start, count) = (args.int()?, args.optional_int()?);
    args.finish()?;
    let run = Run::clip(start, count, list.count());
    Ok(reply::list(list.run(run.start, run.count)?.into_iter()))
}

/// All elements, which must be strings, behind one another.
fn join(list: &List<'_>, call: Call<'_>) -> Result<OwnedParticle, Refusal> {
    let mut args = call.args;
    let separator = args.optional()?.map_or(Ok(&[][..]), strings::string_bytes)?;
    args.finish()?;
    strings::join(list.run(0, list.count())?.into_iter(), separator)
}
