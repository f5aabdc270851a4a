//! `shipload-changes`: what was written lately, for those who follow.

use super::answer::Answer;
use super::ask::Ask;
use crate::info::answer::InfoError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt::Write as _;

/// Changes of one answer, at most.
const MOST: usize = 4096;

/// `next=N;missed=BOOL;moves=N;rest=BOOL` and a row a change: `put` or `gone`, digest, set and key in base64, the key's particle type.
pub(super) fn changes(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&["namespace"])?;
    let since = match ask.param(&["since"]) {
        Some(number) => Some(number.parse().map_err(|_| InfoError::parameter("bad 'since'"))?),
        None => None,
    };
    let heard = namespace.changes.hear(since, MOST, ask.now);
    // Read after the changes: a move that these were made before is perhaps told too soon, never too late.
    let (moves, rest) = ask.node.moves(namespace);
    let mut text = format!("next={};missed={};moves={moves};rest={rest}", heard.next, heard.missed);
    let sets = namespace.sets();
    for change in heard.changes {
        let what = if change.gone { "gone" } else { "put" };
        let set = STANDARD.encode(sets.name(change.set));
        let (kind, key) =
            change.key.map_or((0, String::new()), |(kind, bytes)| (kind, STANDARD.encode(bytes)));
        // Writing into a String cannot fail.
        let _ = write!(text, ";{what}:{:?}:{set}:{kind}:{key}", change.digest);
    }
    Ok(text)
}
