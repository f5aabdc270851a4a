//! Figures of the last ten minutes and what has happened, so that a page that is opened now shows how it came.
//!
//! Sampled only while somebody looks: a cluster that nobody watches asks nothing.

use crate::Web;
use crate::cluster::{ClusterView, Condition, look};
use axum::Json;
use axum::extract::State;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// How often figures are taken.
const EVERY: Duration = Duration::from_secs(2);
/// Samples that are kept: ten minutes.
const SAMPLES_MAX: usize = 300;
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

    fn is_watched(&self) -> bool {
        self.0.lock().watched.is_some_and(|since| since.elapsed() < WATCHED_FOR)
    }

    fn take(&self, view: ClusterView) {
        let mut kept = self.0.lock();
        if let Some(last) = kept.last.take() {
            let events = changes(&last, &view);
            kept.events.extend(events);
            kept.samples.push_back(sample(&last, &view));
        }
        while kept.samples.len() > SAMPLES_MAX {
            kept.samples.pop_front();
        }
        while kept.events.len() > EVENTS_MAX {
            kept.events.pop_front();
        }
        kept.last = Some(view);
    }

    fn forget_last(&self) {
        self.0.lock().last = None;
    }
}

/// Samples as long as somebody looks. Never ends.
pub async fn keep(web: Web) {
    loop {
        tokio::time::sleep(EVERY).await;
        if web.history.is_watched() {
            let view = look(&web).await;
            web.history.take(view);
        } else {
            web.history.forget_last();
        }
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

fn changes(last: &ClusterView, view: &ClusterView) -> Vec<Event> {
    let event = |level, text| Event { time: view.time, text, level };
    let mut events = Vec::new();
    let has = |view: &ClusterView, id: &str| view.nodes.iter().any(|node| node.id == id);
    for node in last.nodes.iter().filter(|node| !has(view, &node.id)) {
        events.push(event(Condition::Critical, format!("node {} is gone", node.id)));
    }
    for node in view.nodes.iter().filter(|node| !has(last, &node.id)) {
        events.push(event(Condition::Good, format!("node {} has joined", node.id)));
    }
    if last.health.state != view.health.state {
        let reasons = view.health.reasons.join("; ");
        let text = match view.health.state {
            Condition::Good => "health is good again".to_owned(),
            Condition::Warning => format!("health: warning ({reasons})"),
            Condition::Critical => format!("health: critical ({reasons})"),
        };
        events.push(event(view.health.state, text));
    }
    events
}

/// Figures of the last ten minutes, and events.
#[utoipa::path(get, path = "/v1/history", tag = "cluster", responses((status = 200, body = HistoryView)))]
pub async fn history(State(web): State<Web>) -> Json<HistoryView> {
    Json(web.history.watch())
}
