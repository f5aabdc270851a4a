//! Figures of the last ten minutes and what has happened, so that a page that is opened now shows how it came.
//!
//! Events are kept from the start on, whoever looks: which nodes are up is known here without asking, and all nodes are
//! asked how they are every two seconds while somebody watches, and once a minute otherwise.
//! What is kept is bounded.

use crate::Web;
use crate::cluster::{ClusterView, Condition, look};
use crate::records::NodeId;
use axum::Json;
use axum::extract::State;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// How often the list of nodes is looked at.
const MEET_EVERY: Duration = Duration::from_millis(250);
/// How often figures are taken while somebody looks.
const EVERY: Duration = Duration::from_secs(2);
/// How often figures are taken while nobody looks: every node asks every other one.
const QUIET: Duration = Duration::from_secs(60);
/// Samples that are kept: ten minutes.
const SAMPLES_MAX: usize = 300;
const SAMPLES_FOR_MS: u64 = 600_000;
/// Events that are kept.
const EVENTS_MAX: usize = 200;
/// How long after the last look sampling goes on.
const WATCHED_FOR: Duration = Duration::from_secs(600);

/// Figures of one moment; rates are since the sample before.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Milliseconds since 1970.
    time: u64,
    /// Reads a second.
    reads: f64,
    /// Writes a second.
    writes: f64,
    /// Queries a second.
    queries: f64,
    /// Failed commands a second.
    errors: f64,
    /// 99 of 100 reads took at most so long.
    read_p99_ms: u64,
    /// 99 of 100 writes took at most so long.
    write_p99_ms: u64,
    /// Records.
    objects: u64,
    /// Nodes that are up.
    nodes: usize,
    /// The least of the namespaces' replicated percents.
    replicated_pct: f64,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Event {
    /// Milliseconds since 1970.
    time: u64,
    /// What it was, in a sentence.
    text: String,
    /// How important it is.
    level: Condition,
}

/// Samples and events, oldest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HistoryView {
    samples: Vec<Sample>,
    events: Vec<Event>,
}

#[derive(Debug, Default)]
struct Kept {
    samples: VecDeque<Sample>,
    events: VecDeque<Event>,
    last: Option<ClusterView>,
    members: Option<Vec<NodeId>>,
    looked: Option<Instant>,
    watched: Option<Instant>,
}

/// What is kept.
#[derive(Debug, Default)]
pub struct History(Mutex<Kept>);

impl History {
    /// Somebody looks.
    fn watch(&self) -> HistoryView {
        let mut kept = self.0.lock();
        kept.watched = Some(Instant::now());
        HistoryView {
            samples: kept.samples.iter().cloned().collect(),
            events: kept.events.iter().cloned().collect(),
        }
    }

    /// Notes which nodes are up.
    fn meet(&self, members: Vec<NodeId>, time: u64) {
        let mut kept = self.0.lock();
        // What is there when this node begins is no event.
        let before = kept.members.take().unwrap_or_else(|| members.clone());
        let gone = before.iter().filter(|id| !members.contains(id));
        let gone =
            gone.map(|id| Event { time, text: format!("node {id} is gone"), level: Condition::Critical });
        let new = members.iter().filter(|id| !before.contains(id));
        let new = new.map(|id| Event { time, text: format!("node {id} has joined"), level: Condition::Good });
        let events = gone.chain(new).collect();
        kept.note(events);
        kept.members = Some(members);
    }

    /// Whether it is time to ask all nodes how they are.
    fn is_due(&self) -> bool {
        let mut kept = self.0.lock();
        let since = |at: Option<Instant>| at.map_or(Duration::MAX, |at| at.elapsed());
        let due = since(kept.watched) < WATCHED_FOR || since(kept.looked) >= QUIET;
        if due {
            kept.looked = Some(Instant::now());
        }
        due
    }

    fn take(&self, view: ClusterView) {
        let mut kept = self.0.lock();
        if let Some(last) = kept.last.take() {
            kept.note(changes(&last, &view).into_iter().collect());
            kept.samples.push_back(sample(&last, &view));
        }
        let old = |sample: &Sample| sample.time.saturating_add(SAMPLES_FOR_MS) < view.time;
        while kept.samples.len() > SAMPLES_MAX || kept.samples.front().is_some_and(old) {
            kept.samples.pop_front();
        }
        kept.last = Some(view);
    }
}

impl Kept {
    fn note(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.events.extend(events);
        let above = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..above);
    }
}

/// Keeps events and samples. Never ends.
pub async fn keep(web: Web) {
    tokio::join!(meet_members(&web), take_figures(&web));
}

/// Nobody is asked for this, so that a node which dies and is soon back is seen to be gone, however long others wait for
/// its figures.
async fn meet_members(web: &Web) {
    loop {
        let members = web.records.members().into_iter().map(|member| member.id).collect();
        web.history.meet(members, crate::command::now_ms());
        tokio::time::sleep(MEET_EVERY).await;
    }
}

async fn take_figures(web: &Web) {
    loop {
        if web.history.is_due() {
            let view = look(web).await;
            web.history.take(view);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn sample(last: &ClusterView, view: &ClusterView) -> Sample {
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    let rate = |before: u64, now: u64| {
        let seconds = view.time.saturating_sub(last.time).max(1) as f64 / 1000.0;
        // A node that left took its counts with it.
        (now.saturating_sub(before) as f64 / seconds * 10.0).round() / 10.0
    };
    let (before, now) = (&last.traffic, &view.traffic);
    Sample {
        time: view.time,
        reads: rate(before.reads, now.reads),
        writes: rate(before.writes, now.writes),
        queries: rate(before.queries, now.queries),
        errors: rate(before.errors, now.errors),
        read_p99_ms: now.read_p99_ms,
        write_p99_ms: now.write_p99_ms,
        objects: view.namespaces.iter().map(|one| one.objects).sum(),
        nodes: view.size,
        replicated_pct: view.namespaces.iter().map(|one| one.replicated_pct).fold(100.0, f64::min),
    }
}

fn changes(last: &ClusterView, view: &ClusterView) -> Option<Event> {
    if last.health.state == view.health.state {
        return None;
    }
    let reasons = view.health.reasons.join("; ");
    let text = match view.health.state {
        Condition::Good => "health is good again".to_owned(),
        Condition::Warning => format!("health: warning ({reasons})"),
        Condition::Critical => format!("health: critical ({reasons})"),
    };
    Some(Event { time: view.time, text, level: view.health.state })
}

/// Figures of the last ten minutes, and events.
#[utoipa::path(get, path = "/v1/history", tag = "cluster", responses((status = 200, body = HistoryView)))]
pub async fn history(State(web): State<Web>) -> Json<HistoryView> {
    Json(web.history.watch())
}
