//! Info: what clients, `asinfo` and `asadm` ask about the node, and what they tell it, as lines of text.
//!
//! Every command is one row of [`COMMANDS`]: its name, the function that answers, a line of help. The reference
//! in `docs/info.md` is written from that table. Answers and error texts follow `guide/protocol.md` parts 2, 4.7 to
//! 4.11, 9 and 12.1, where the last one wins.
//!
//! Guarantees: every line gets exactly one line of answer, echoed byte for byte and in order; no text makes
//! it panic; no value holds a tab or a newline. Refuses to do anything by itself: what lasts longer than a call
//! (a truncate's sweep, a query) belongs to maintenance.

mod answer;
mod ask;
mod changes;
mod cluster;
mod commands;
mod configure;
mod identity;
mod inventory;
mod latencies;
mod logs;
mod namespaces;
mod queries;
mod reference;
mod refused;
mod sets;
mod sindex;
mod sketch;
mod statements;
mod statistics;
mod truncate;
mod udf;
mod versions;

#[cfg(test)]
mod info_tests;

pub use commands::COMMANDS;
pub use identity::{BUILD, VERSION};
pub use reference::reference_markdown;

use crate::node::Node;
use crate::now::Now;
use crate::peer::Peer;
use answer::InfoError;
use ask::Ask;
pub(crate) use ask::Spreading;
use core::net::SocketAddr;
use shipload_wire::info::{self, Command};
use shipload_wire::reply;

/// The most commands that one request may hold; the rest is not answered.
const COMMANDS_MAX: usize = 1_024;

/// Who asks, as far as answers depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InfoContext {
    /// Local address of the connection: what this client can certainly reach.
    pub local: Option<SocketAddr>,
}

impl From<&Peer> for InfoContext {
    fn from(peer: &Peer) -> InfoContext {
        InfoContext { local: Some(peer.local) }
    }
}

impl Node {
    /// The value that answers one command, without echo and newline.
    #[must_use]
    pub fn info_text(&self, line: &str, context: &InfoContext, now: Now) -> String {
        self.answer_info(line, context, now, Some(&Spreading::default()))
    }

    /// Does what an info command said on another node.
    pub(crate) fn replay_info(&self, line: &[u8], now: Now) {
        let _answer = self.answer_info(&String::from_utf8_lossy(line), &InfoContext::default(), now, None);
    }

    fn answer_info(
        &self,
        line: &str,
        context: &InfoContext,
        now: Now,
        spreading: Option<&Spreading>,
    ) -> String {
        let command = Command::parse(line);
        let ask = Ask { node: self, command, context, now, spreading, line };
        let known = COMMANDS.iter().find(|row| row.name == command.name);
        let answer = match known {
            Some(row) => (row.answer)(&ask),
            None => Err(InfoError::unrecognized()),
        };
        one_line(answer.unwrap_or_else(|error| error.to_string()))
    }

    /// Appends the answer frame to an info request; `body` is the frame's text.
    pub(crate) fn info_frame(
        &self,
        body: &[u8],
        context: &InfoContext,
        now: Now,
        spreading: &Spreading,
        out: &mut Vec<u8>,
    ) {
        let mark = info::begin_frame(out);
        if body.is_empty() {
            for name in commands::DEFAULT_SET {
                info::answer(out, name.as_bytes(), &self.info_text(name, context, now));
            }
        }
        for line in info::lines(body, COMMANDS_MAX) {
            let value = self.answer_info(&String::from_utf8_lossy(line), context, now, Some(spreading));
            info::answer(out, line, &value);
        }
        reply::end_frame(out, mark);
    }
}

/// Clients split answers on tabs and newlines; names from outside may hold both.
fn one_line(value: String) -> String {
    if value.contains(char::is_control) { value.replace(char::is_control, "?") } else { value }
}
