//! Adding to a number in a list.

use super::List;
use super::add::{Flags, contains_but, place};
use super::modify::order_flags;
use crate::Refusal;
use crate::cdt::context::corrupt;
use crate::cdt::payload::Call;
use crate::cdt::{Effect, sum};
use crate::msgpack::element;

/// Adds to the element at an index; one behind the end of an unordered list counts as nothing.
pub(super) fn run(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let index = args.int()?;
    let delta = sum::Delta::argument(args.optional()?)?;
    let (order, flags) = match args.left() {
        0 | 1 => (0, args.flags()?),
        _ => (args.flags()?, args.flags()?),
    };
    args.finish()?;
    let flags = Flags(flags);
    let list = list.map_or_else(|| order_flags(order).map(List::empty), Ok)?;
    let at = place(index, list.count())?;
    let cut = list.cut()?;
    if at >= cut.count() {
        return add_behind(&list, at, delta, flags);
    }
    let new = delta.added_to(Some(cut.at(at)))?;
    let result = element::to_particle(&new).map_err(corrupt)?;
    if flags.unique() && contains_but(&cut, &new, at) {
        let unchanged = Effect { container: Some(list.appended(0, 0, &[])), result };
        return if flags.no_fail() { Ok(unchanged) } else { Err(Refusal::ElementExists) };
    }
    let one = at..at.saturating_add(1);
    let container = if list.is_ordered() {
        let without = list.replaced(&cut, one, 0, &[]);
        List::parse(&without)?.inserted(&new)?
    } else {
        list.replaced(&cut, one, 1, &new)
    };
    Ok(Effect { container: Some(container), result })
}

/// Puts the delta behind the end of a list.
fn add_behind(list: &List<'_>, at: usize, delta: sum::Delta, flags: Flags) -> Result<Effect, Refusal> {
    if list.is_ordered() || flags.bounded() && at > list.count() {
        return Err(Refusal::NotApplicable);
    }
    let new = delta.added_to(None)?;
    let result = element::to_particle(&new).map_err(corrupt)?;
    let padding = at.saturating_sub(list.count());
    Ok(Effect { container: Some(list.appended(padding, 1, &new)), result })
}
