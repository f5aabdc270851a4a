//! Metadata: what all nodes know alike, spread from where it was said, and applied everywhere.
//!
//! ```text
//!   udf/NAME          content of a module
//!   sindex/NS/NAME    the info command that created a secondary index
//!   truncate/NS/SET   cut-off time, ms since 2010; without a set for the whole namespace; nothing: taken back
//! ```

use super::answer_later::ANYWAY_NS;
use super::parking::Ticket;
use crate::node::Node;
use crate::now::Now;
use crate::truncate::Target;

/// Name prefixes.
pub(crate) const MODULE: &str = "udf/";
pub(crate) const INDEX: &str = "sindex/";
pub(crate) const TRUNCATE: &str = "truncate/";

impl Node {
    /// Makes all nodes know a value that was applied here; none removes it. A node that never joined keeps it to itself.
    /// True when `ticket` will be told that all have it, or its time is over.
    pub(crate) fn spread(&self, now: Now, name: &str, value: Option<&[u8]>, ticket: Option<Ticket>) -> bool {
        if !self.cluster.is_joined() {
            return false;
        }
        let mut waits = false;
        self.with_control_later(now, |control, pass| {
            let value = value.map(<[u8]>::to_vec);
            // Too long a name or value stays on this node; limits of the commands are below those of metadata.
            let set = control.metadata.set(now.mono_ms(), name, value, &mut pass.metadata);
            if let (Ok(stamp), Some(ticket)) = (set, ticket) {
                control.spreading.retain(|_, (_, until)| now.mono_ns < *until);
                // A little less than it is parked for: what is answered already must not be told again.
                let until = now.mono_ns.saturating_add(ANYWAY_NS - ANYWAY_NS / 10);
                control.spreading.insert((name.to_owned(), stamp), (ticket, until));
                waits = true;
            }
        });
        waits
    }

    /// Applies a value that was said here or elsewhere; applying it again does nothing.
    pub(super) fn apply_metadata(&self, now: Now, name: &str, value: Option<&[u8]>) {
        if let Some(module) = name.strip_prefix(MODULE) {
            let modules = &self.functions.modules;
            match value {
                Some(content) if modules.get(module).is_some_and(|file| *file.content == *content) => {}
                Some(content) => modules.put(module, content),
                None => drop(modules.remove(module)),
            }
        } else if let Some((namespace, index)) =
            name.strip_prefix(INDEX).and_then(|rest| rest.split_once('/'))
        {
            match value {
                Some(command) => self.replay_info(command, now),
                None => {
                    if let Some(namespace) = self.namespace(namespace.as_bytes()) {
                        namespace.delete_index(index);
                    }
                }
            }
        } else if let Some(rest) = name.strip_prefix(TRUNCATE) {
            let (namespace, set) = rest.split_once('/').unwrap_or((rest, ""));
            let Some(namespace) = self.namespace(namespace.as_bytes()) else { return };
            let target = if set.is_empty() { Target::Namespace } else { Target::Set(set.as_bytes()) };
            let cut_ms = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
            // A device that can't keep it is out of service already; the metadata keeps it as well.
            let _ = match cut_ms {
                Some(cut_ms) => namespace.truncate_to(target, cut_ms),
                None => namespace.truncate_undo(target),
            };
        }
    }
}
