//! The change stream of a set as server-sent events.
//!
//! `put` carries the record as it is now, `gone` names one that was removed, `missed` says that changes may be missing:
//! look again at what matters. Each event's id is a cursor; a client that comes back with it (`Last-Event-ID`, as browsers
//! do) gets what it has not seen, at least once, with versions by which it drops what it knows. What a slow reader leaves
//! unread is bounded: it is told that it has missed something.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

use crate::Web;
use crate::command::{self, Projection, Record};
use crate::extract::{InSet, Params};
use crate::hub::{Heard, Moves, pace};
use crate::key::{RecordKey, segment};
use crate::problem::Problem;
use crate::records::NodeId;
use crate::schema::RecordView;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

/// Records that are read at once.
const AT_ONCE: usize = 64;
/// Steps that may wait for a slow reader; then nodes are not asked.
const AHEAD: usize = 4;
/// Below what browsers and proxies give up.
const ALIVE: Duration = Duration::from_secs(15);

/// Where a stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamParams {
    /// The id of the last event that is known; without it the stream begins now.
    cursor: Option<String>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The record.
    pub key: RecordKey,
    /// Whether it was removed.
    pub gone: bool,
}

/// What came in one round.
#[derive(Debug, Default)]
pub struct Step {
    /// Changes in the order of each node.
    pub changes: Vec<Change>,
    /// Why changes may be missing.
    pub missed: Option<&'static str>,
    /// Partitions have moved or still do: records that copies bring are noted by nobody, and a copy may lag behind.
    pub moved: bool,
}

/// How long a step waits for nodes that do not answer; what they say comes with a later one.
const GRACE: Duration = Duration::from_millis(100);
/// How long the first one waits: whom it leaves out has to be looked at anew.
const FIRST_GRACE: Duration = Duration::from_secs(2);

/// Follows a set on all nodes. An empty name is all sets.
#[derive(Debug)]
pub struct Follower {
    namespace: String,
    set: String,
    next: BTreeMap<NodeId, u64>,
    moves: BTreeMap<NodeId, Moves>,
    begun: bool,
    /// Nodes that are being asked.
    pending: BTreeSet<NodeId>,
    asked: JoinSet<(NodeId, Option<Heard>)>,
    /// When something came.
    heard: Option<Instant>,
}

impl Follower {
    /// From a cursor, or from now.
    ///
    /// # Errors
    /// A cursor that is none.
    pub fn new(namespace: &str, set: &str, cursor: Option<&str>) -> Result<Follower, Problem> {
        let wrong = || Problem::bad_request("'cursor' must be the id of an event");
        let next: BTreeMap<NodeId, u64> = match cursor {
            None => BTreeMap::new(),
            Some(text) => {
                let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
                let pairs: Vec<(u64, u64)> = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
                pairs.into_iter().map(|(node, next)| (NodeId(node), next)).collect()
            }
        };
        Ok(Follower {
            namespace: namespace.to_owned(),
            set: set.to_owned(),
            begun: cursor.is_some(),
            next,
            moves: BTreeMap::new(),
            pending: BTreeSet::new(),
            asked: JoinSet::new(),
            heard: None,
        })
    }

    /// The place that it has come to.
    #[must_use]
    pub fn cursor(&self) -> String {
        let pairs: Vec<(u64, u64)> = self.next.iter().map(|(node, next)| (node.0, *next)).collect();
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&pairs).unwrap_or_default())
    }

    /// How long to wait before the next step.
    #[must_use]
    pub fn pace(&self) -> Duration {
        pace(self.heard)
    }

    /// Asks every node once, all at the same time: one that hangs delays nobody else's changes for long.
    pub async fn step(&mut self, web: &Web) -> Step {
        let mut step = Step::default();
        let members: Vec<NodeId> = web.records.members().into_iter().map(|member| member.id).collect();
        let before = self.next.len();
        self.next.retain(|node, _| members.contains(node));
        self.moves.retain(|node, _| members.contains(node));
        if self.next.len() < before {
            step.missed = Some("a node is gone");
        }
        web.hub.keep(&members);
        for node in members.iter().copied().filter(|node| !self.pending.contains(node)).collect::<Vec<_>>() {
            let since = self.next.get(&node).copied();
            let (web, namespace) = (web.clone(), self.namespace.clone());
            self.pending.insert(node);
            self.asked.spawn(async move { (node, web.hub.hear(&web, node, &namespace, since).await) });
        }
        let deadline = Instant::now() + if self.begun { GRACE } else { FIRST_GRACE };
        while let Ok(Some(answered)) = timeout_at(deadline, self.asked.join_next()).await {
            // Which one it was that failed is not told: all that are left are asked anew.
            let Ok((node, heard)) = answered else {
                self.asked.abort_all();
                self.pending.clear();
                break;
            };
            self.pending.remove(&node);
            // One that does not answer is asked again in the next round, from the same place.
            if let Some(heard) = heard.filter(|_| members.contains(&node)) {
                if self.begun && !self.next.contains_key(&node) {
                    step.missed = Some("a node has joined");
                }
                self.take(node, &heard, &mut step);
            }
        }
        if !step.changes.is_empty() {
            self.heard = Some(Instant::now());
        }
        self.begun = true;
        step
    }

    fn take(&mut self, node: NodeId, heard: &Heard, step: &mut Step) {
        self.next.insert(node, heard.next);
        let before = self.moves.insert(node, heard.moves);
        step.moved |= !heard.moves.at_rest || before.is_some_and(|before| before != heard.moves);
        if heard.missed {
            step.missed = Some("it was too much or too long ago");
        }
        step.changes.extend(heard.rows.iter().filter_map(|row| self.change(row)));
    }

    fn change(&self, row: &str) -> Option<Change> {
        let mut parts = row.split(':');
        let gone = parts.next()? == "gone";
        let digest = RecordKey::parse("", "", &format!("digest:{}", parts.next()?)).ok()?.digest;
        let set = String::from_utf8(STANDARD.decode(parts.next()?).ok()?).ok()?;
        if !self.set.is_empty() && set != self.set {
            return None;
        }
        let kind: u8 = parts.next()?.parse().ok()?;
        let bytes = STANDARD.decode(parts.next()?).ok()?;
        let user_key = (kind != 0).then_some((kind, bytes));
        Some(Change { key: RecordKey { namespace: self.namespace.clone(), set, digest, user_key }, gone })
    }
}

/// Events of the changes of a set, or with `~` of all sets. The answer is `text/event-stream`.
#[utoipa::path(get, path = "/v1/changes/{namespace}/{set}", tag = "live",
    params(("namespace" = String, Path), ("set" = String, Path), StreamParams),
    responses((status = 200, description = "events `put`, `gone`, `missed`", content_type = "text/event-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn stream(
    State(web): State<Web>,
    place: InSet,
    Params(params): Params<StreamParams>,
    headers: HeaderMap,
) -> Result<Sse<Events>, Problem> {
    known(&web, &place.namespace)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let cursor = last.or(params.cursor);
    let follower = Follower::new(&place.namespace, &place.set, cursor.as_deref())?;
    let permit = stream_place(&web)?;
    let (sender, events) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _permit = permit;
        let mut follower = follower;
        let closed = sender.clone();
        tokio::select! {
            () = tell(&web, &mut follower, &sender) => {}
            () = closed.closed() => {}
        }
    });
    Ok(sse(events))
}

/// Refuses names of namespaces that there are not.
///
/// # Errors
/// 404.
pub fn known(web: &Web, namespace: &str) -> Result<(), Problem> {
    if web.records.namespaces().iter().any(|name| name == namespace) {
        return Ok(());
    }
    Err(shipload_wire::ResultCode::NamespaceNotFound.into())
}

/// A place among the streams.
///
/// # Errors
/// 429 when all are taken.
pub fn stream_place(web: &Web) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    let busy =
        |_| Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "too many streams are open on this node");
    std::sync::Arc::clone(&web.streams).try_acquire_owned().map_err(busy)
}

/// Events that come as they are sent.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

/// An answer of events.
pub fn sse(events: mpsc::Receiver<Event>) -> Sse<Events> {
    Sse::new(Events(events))
}

impl futures_core::Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

async fn tell(web: &Web, follower: &mut Follower, sender: &mpsc::Sender<Event>) {
    let mut alive = tokio::time::Instant::now();
    let mut moving = false;
    loop {
        let step = follower.step(web).await;
        let cursor = follower.cursor();
        let mut events = Vec::new();
        // Told when it is over: before that there may be more to come.
        let settled = moving && !step.moved;
        moving = step.moved;
        if let Some(why) = step.missed.or(settled.then_some("partitions have moved")) {
            events.push(("missed", json!({ "reason": why })));
        }
        for part in step.changes.chunks(AT_ONCE) {
            events.extend(images(web, part).await);
        }
        let last = events.len();
        for (place, (name, data)) in (1..).zip(events) {
            let mut event = Event::default().event(name).data(data.to_string());
            // Only the last one of a round: who comes back in between gets the round again.
            if place == last {
                event = event.id(&cursor);
            }
            if sender.send(event).await.is_err() {
                return;
            }
            alive = tokio::time::Instant::now();
        }
        if alive.elapsed() > ALIVE {
            if sender.send(Event::default().comment("")).await.is_err() {
                return;
            }
            alive = tokio::time::Instant::now();
        }
        tokio::time::sleep(follower.pace()).await;
    }
}

/// Records as they are now, and those that are gone.
async fn images(web: &Web, changes: &[Change]) -> Vec<(&'static str, Value)> {
    let puts: Vec<&Change> = changes.iter().filter(|change| !change.gone).collect();
    let mut frames = Vec::new();
    puts.iter().for_each(|change| command::read(&mut frames, &change.key, &Projection::All));
    let answer = if puts.is_empty() { Ok(Vec::new()) } else { web.records.call(frames, puts.len()).await };
    let answer = answer.unwrap_or_default();
    let mut bodies = command::bodies(&answer, puts.len()).unwrap_or_default().into_iter();
    let event = |change: &Change| {
        if !change.gone {
            // What is not there any more comes as gone; what can't be read is looked at again by nobody: it says so.
            let Some(body) = bodies.next() else {
                return Some(("missed", json!({ "reason": "a record could not be read" })));
            };
            let record = command::decoded(body).ok().and_then(|message| Record::of(&message).ok())?;
            let view = serde_json::to_value(RecordView::of(&change.key, record)).ok()?;
            return Some(("put", view));
        }
        Some(("gone", named(&change.key)))
    };
    changes.iter().filter_map(event).collect()
}

/// The name of a record without its content.
fn named(key: &RecordKey) -> Value {
    let user_key = key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
    json!({ "namespace": key.namespace, "set": key.set, "id": segment(user_key, &key.digest.0) })
}

#[cfg(test)]
mod tests {
    use super::{Follower, Heard, Step};
    use crate::records::NodeId;

    #[test]
    fn rows_become_changes_and_cursors_come_back() {
        let mut follower = Follower::new("test", "demo", None).expect("from now");
        let mut step = Step::default();
        let digest = "3bd475bd0c73f210b67ea83793300eeae576285d";
        let rows = [format!("put:{digest}:ZGVtbw==:3:a2V5"), format!("gone:{digest}:b3RoZXI=:0:")];
        let heard =
            Heard { rows: rows.iter().map(|row| row.as_str().into()).collect(), next: 7, ..Heard::default() };
        follower.take(NodeId(5), &heard, &mut step);
        assert_eq!(step.changes.len(), 1, "another set's change is left out");
        assert_eq!(step.changes[0].key.user_key, Some((3, b"key".to_vec())));
        assert!(step.missed.is_none());
        let again = Follower::new("test", "demo", Some(&follower.cursor())).expect("its own cursor");
        assert_eq!(again.next, follower.next);
        follower.take(
            NodeId(5),
            &Heard { rows: Vec::new(), next: 9, missed: true, ..Heard::default() },
            &mut step,
        );
        assert!(step.missed.is_some());
        assert!(Follower::new("test", "demo", Some("%")).is_err());
    }
}
