//! Live queries as server-sent events: the result first, then how it changes.
//!
//! `result` carries the list; each `match` after it is one edit of that list: `add` at an index, `change` in place,
//! `changeIndex` to another index, `remove`. Edits applied in their order give the list as it is: a missed change of the
//! stream below costs nothing, because the query is run again and compared. Refuses lists longer than 500.
//!
//! A change of the set leads to one run of the query at most every 200 ms, however many changes there are.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

use crate::Web;
use crate::changes::{Events, Follower, Step, known, sse, stream_place};
use crate::extract::{InSet, Params};
use crate::hub::EVERY;
use crate::problem::Problem;
use crate::schema::RecordView;
use crate::select::Standing;
use crate::socket::Subscriber;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use utoipa::IntoParams;

const AT_LEAST: Duration = Duration::from_millis(200);
const ALIVE: Duration = Duration::from_secs(15);
const AHEAD: usize = 16;
/// Records of a list, those that are left out before it included.
const LIMIT_MAX: usize = 500;

/// A standing query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LiveParams {
    /// A filter as JSON, such as `{"age": {"$gte": 18}}`.
    pub(crate) filter: Option<String>,
    /// Bins to sort by, with commas between; `-` before a name sorts downwards.
    pub(crate) sort: Option<String>,
    /// Records wanted, 1 to 500; 100 without it.
    pub(crate) limit: Option<usize>,
    /// Records to leave out.
    pub(crate) offset: Option<usize>,
}

/// A query's result and its changes as they happen. The answer is `text/event-stream`.
#[utoipa::path(get, path = "/v1/live/{namespace}/{set}", tag = "live",
    params(("namespace" = String, Path), ("set" = String, Path), LiveParams),
    responses((status = 200, description = "events `result`, `match`, `error`", content_type = "text/event-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn live(
    State(web): State<Web>,
    place: InSet,
    Params(params): Params<LiveParams>,
) -> Result<Sse<Events>, Problem> {
    known(&web, &place.namespace)?;
    let query = Query::begin(&web, place, params).await?;
    let (sender, events) = mpsc::channel(AHEAD);
    tokio::spawn(query.follow(web, Out::Events(sender)));
    Ok(sse(events))
}

/// Nobody receives any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where messages go.
#[derive(Debug, Clone)]
pub(crate) enum Out {
    /// Server-sent events.
    Events(mpsc::Sender<Event>),
    /// A subscription on a WebSocket.
    Socket(Subscriber),
}

impl Out {
    async fn tell(&self, name: &str, data: Value) -> Result<(), Gone> {
        match self {
            Out::Events(sender) => {
                sender.send(Event::default().event(name).data(data.to_string())).await.map_err(|_| Gone)
            }
            Out::Socket(subscriber) => subscriber.tell(name, data).await,
        }
    }

    /// So that proxies do not take the connection for dead.
    async fn breathe(&self) -> Result<(), Gone> {
        match self {
            Out::Events(sender) => sender.send(Event::default().comment("")).await.map_err(|_| Gone),
            // It is pinged.
            Out::Socket(_) => Ok(()),
        }
    }

    async fn closed(&self) {
        match self {
            Out::Events(sender) => sender.closed().await,
            Out::Socket(subscriber) => subscriber.closed().await,
        }
    }
}

/// A live query that has its first result.
pub(crate) struct Query {
    follower: Follower,
    standing: Standing,
    list: Vec<RecordView>,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Query {
    /// Runs it for the first time.
    pub(crate) async fn begin(web: &Web, place: InSet, params: LiveParams) -> Result<Query, Problem> {
        let limit = params.limit.unwrap_or(100);
        let offset = params.offset.unwrap_or(0);
        if limit == 0 || limit.saturating_add(offset) > LIMIT_MAX {
            let detail = format!("'limit' and 'offset' are together 1 to {LIMIT_MAX}");
            return Err(Problem::unprocessable(detail));
        }
        let mut follower = Follower::new(&place.namespace, &place.set, None)?;
        let standing = Standing::new(place, params.filter.as_deref(), params.sort.as_deref(), offset, limit)?;
        let permit = stream_place(web)?;
        // Listening begins before the first run: what changes in between is seen by the second one.
        follower.step(web).await;
        let list = standing.run(web).await?;
        Ok(Query { follower, standing, list, _place: permit })
    }

    /// Tells the result and then its changes, until nobody listens.
    pub(crate) async fn follow(mut self, web: Web, out: Out) {
        let closed = out.clone();
        tokio::select! {
            _ = self.run(&web, &out) => {}
            () = closed.closed() => {}
        }
    }

    async fn run(&mut self, web: &Web, out: &Out) -> Result<(), Gone> {
        out.tell("result", json!({ "data": self.list })).await?;
        let mut alive = tokio::time::Instant::now();
        // What has changed since the last run that succeeded, and whether the trouble of one that did not is told.
        let (mut step, mut told) = (Step::default(), false);
        loop {
            tokio::time::sleep(EVERY).await;
            step.add(self.follower.step(web).await);
            if step.changes.is_empty() && step.missed.is_none() {
                if alive.elapsed() > ALIVE {
                    out.breathe().await?;
                    alive = tokio::time::Instant::now();
                }
                continue;
            }
            match self.standing.run(web).await {
                Ok(now) => {
                    for event in edits(&self.list, &now, &step) {
                        out.tell("match", event).await?;
                    }
                    self.list = now;
                    (step, told) = (Step::default(), false);
                }
                // It is run again until it succeeds.
                Err(_) if told => {}
                Err(problem) => {
                    told = true;
                    out.tell("error", json!({ "code": problem.code, "detail": problem.detail })).await?;
                }
            }
            alive = tokio::time::Instant::now();
            tokio::time::sleep(AT_LEAST).await;
        }
    }
}

/// What turns one list into the other.
fn edits(before: &[RecordView], after: &[RecordView], step: &Step) -> Vec<Value> {
    let touched: BTreeMap<String, bool> = step
        .changes
        .iter()
        .map(|change| {
            let user_key = change.key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
            (crate::key::segment(user_key, &change.key.digest.0), change.gone)
        })
        .collect();
    let operation = |record: &RecordView| match (touched.get(record.id()), record.generation()) {
        (None, _) => "none",
        (Some(true), _) => "delete",
        (Some(false), 1) => "insert",
        (Some(false), _) => "update",
    };
    let mut events = Vec::new();
    let mut list: Vec<&RecordView> = before.iter().collect();
    for place in (0..list.len()).rev() {
        let record = list[place];
        if !after.iter().any(|other| other.id() == record.id()) {
            let operation = if operation(record) == "insert" { "update" } else { operation(record) };
            events.push(
                json!({ "matchType": "remove", "operation": operation, "index": place, "id": record.id() }),
            );
            list.remove(place);
        }
    }
    for (place, record) in after.iter().enumerate() {
        let was = list.iter().position(|other| other.id() == record.id());
        let kind = match was {
            None => "add",
            Some(was) if was != place => "changeIndex",
            Some(_) if list[place].etag() != record.etag() => "change",
            Some(_) => continue,
        };
        if let Some(was) = was {
            list.remove(was);
        }
        list.insert(place, record);
        let operation = operation(record);
        events.push(json!({ "matchType": kind, "operation": operation, "index": place, "id": record.id(), "data": record }));
    }
    events
}
