//! One ear for each node and namespace, however many streams listen: nodes are asked once in a while, and what they say
//! is kept for a moment.

use crate::Web;
use crate::info;
use crate::records::NodeId;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How often a node is asked.
pub const EVERY: Duration = Duration::from_millis(100);
/// How often while something has changed within [`LATELY`].
const OFTEN: Duration = Duration::from_millis(20);
const LATELY: Duration = Duration::from_secs(1);
/// How long a node is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rows that are kept.
const KEPT: usize = 1 << 14;
/// Rows of one reading, at most.
const MOST: usize = 4096;

/// How the partitions of a node move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Another number after each change of who masters or holds what, in the eyes of that node.
    pub number: u64,
    /// No copy is on its way from it or to it.
    pub at_rest: bool,
}

impl Default for Moves {
    fn default() -> Moves {
        Moves { number: 0, at_rest: true }
    }
}

/// What somebody who listens gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// As the node last said.
    pub moves: Moves,
    /// Rows as the node writes them, oldest first.
    pub rows: Vec<Arc<str>>,
    /// Where to go on.
    pub next: u64,
    /// Rows between the place asked for and the first one are lost.
    pub missed: bool,
}

/// How long to wait when something was heard then.
#[must_use]
pub fn pace(heard: Option<Instant>) -> Duration {
    if heard.is_some_and(|heard| heard.elapsed() < LATELY) { OFTEN } else { EVERY }
}

#[derive(Debug, Default)]
struct Line {
    rows: VecDeque<Arc<str>>,
    /// The number of the first row that is kept.
    first: u64,
    asked: Option<Instant>,
    /// When rows came.
    heard: Option<Instant>,
    moves: Moves,
}

impl Line {
    fn next(&self) -> u64 {
        self.first + self.rows.len() as u64
    }

    fn take(&mut self, heard: Heard) {
        self.moves = heard.moves;
        if heard.missed || self.asked.is_none() {
            self.rows.clear();
            self.first = heard.next - heard.rows.len() as u64;
        }
        self.rows.extend(heard.rows);
        while self.rows.len() > KEPT {
            self.rows.pop_front();
            self.first += 1;
        }
    }

    /// From the rows that are kept; none when they begin later.
    fn read(&self, since: Option<u64>) -> Option<Heard> {
        let from = since.unwrap_or(self.next());
        if from < self.first || from > self.next() {
            return None;
        }
        let skip = usize::try_from(from - self.first).ok()?;
        let rows: Vec<Arc<str>> = self.rows.iter().skip(skip).take(MOST).cloned().collect();
        Some(Heard { next: from + rows.len() as u64, rows, missed: false, moves: self.moves })
    }
}

type Lines = HashMap<(NodeId, String), Arc<Mutex<Line>>>;

/// The ears of this node.
#[derive(Debug, Default)]
pub struct Hub(parking_lot::Mutex<Lines>);

impl Hub {
    /// What a node has noted since a number; none when it does not answer.
    pub async fn hear(&self, web: &Web, node: NodeId, namespace: &str, since: Option<u64>) -> Option<Heard> {
        let line = Arc::clone(self.0.lock().entry((node, namespace.to_owned())).or_default());
        let mut line = line.lock().await;
        if line.asked.is_none_or(|asked| asked.elapsed() >= pace(line.heard)) {
            let from = line.asked.map(|_| line.next());
            let heard = ask(web, node, namespace, from).await?;
            let now = Instant::now();
            if !heard.rows.is_empty() {
                line.heard = Some(now);
            }
            line.take(heard);
            line.asked = Some(now);
        }
        match line.read(since) {
            Some(heard) => Some(heard),
            // Older than what is kept here: perhaps the node knows.
            None => ask(web, node, namespace, since).await,
        }
    }

    /// Forgets nodes that are gone.
    pub fn keep(&self, members: &[NodeId]) {
        self.0.lock().retain(|(node, _), _| members.contains(node));
    }
}

async fn ask(web: &Web, node: NodeId, namespace: &str, since: Option<u64>) -> Option<Heard> {
    let since = since.map(|since| format!(";since={since}")).unwrap_or_default();
    let command = format!("shipload-changes:namespace={namespace}{since}");
    let answer = tokio::time::timeout(PATIENCE, info::ask(web, node, command)).await.ok()?.ok()?;
    parse(&answer)
}

fn parse(answer: &str) -> Option<Heard> {
    let mut parts = answer.split(';');
    let next = parts.next()?.strip_prefix("next=")?.parse().ok()?;
    let missed = parts.next()?.strip_prefix("missed=")? == "true";
    let number = parts.next()?.strip_prefix("moves=")?.parse().ok()?;
    let at_rest = parts.next()?.strip_prefix("rest=")? == "true";
    let rows: Vec<Arc<str>> = parts.map(Arc::from).collect();
    let moves = Moves { number, at_rest };
    (next >= rows.len() as u64).then_some(Heard { rows, next, missed, moves })
}

#[cfg(test)]
mod tests {
    use super::{Heard, KEPT, Line, Moves, parse};
    use std::sync::Arc;
    use tokio::time::Instant;

    fn rows(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|row| Arc::from(row.to_string())).collect()
    }

    #[test]
    fn answers_are_read() {
        let heard = parse("next=9;missed=false;moves=3;rest=false;put:a;gone:b").expect("an answer");
        assert_eq!((heard.next, heard.rows.len(), heard.missed), (9, 2, false));
        assert_eq!(heard.moves, Moves { number: 3, at_rest: false });
        assert!(parse("ERROR:4:bad").is_none());
        assert!(parse("next=1;missed=false;moves=3;rest=true;a;b").is_none());
    }

    #[test]
    fn listeners_share_what_was_heard() {
        let mut line = Line::default();
        line.take(Heard { rows: Vec::new(), next: 7, missed: false, ..Heard::default() });
        line.asked = Some(Instant::now());
        assert_eq!(
            line.read(None),
            Some(Heard { rows: Vec::new(), next: 7, missed: false, ..Heard::default() })
        );
        line.take(Heard { rows: rows(3), next: 10, missed: false, ..Heard::default() });
        assert_eq!(line.read(Some(8)).map(|heard| (heard.rows.len(), heard.next)), Some((2, 10)));
        assert_eq!(line.read(Some(6)), None);
        assert_eq!(line.read(Some(11)), None);
        line.take(Heard { rows: rows(KEPT), next: 10 + KEPT as u64, missed: false, ..Heard::default() });
        assert_eq!(line.read(Some(9)), None, "only so much is kept");
        line.take(Heard { rows: rows(1), next: 99_999_999, missed: true, ..Heard::default() });
        assert_eq!(line.read(Some(99_999_998)).map(|heard| heard.rows.len()), Some(1));
        assert_eq!(line.read(Some(10)), None);
    }
}
