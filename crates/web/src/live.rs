//! Live queries as server-sent events: the result first, then how it changes.
//!
//! `result` carries the list; each `match` after it is one edit of that list: `add` at an index, `change` in place,
//! `changeIndex` to another index, `remove`. Edits applied in their order give the list as it is. Refuses lists longer
//! than 500.
//!
//! What subscribers see is a list that is always whole ([`shared`]); each of them is told the difference to the last one
//! that it took. So a slow reader holds nothing up, loses nothing, and skips what was over before it looked.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

pub mod board;
mod edits;
pub(crate) mod image;
pub(crate) mod kept;
mod shared;

#[cfg(test)]
mod live_tests;

use crate::Web;
use crate::changes::{Events, known, sse, stream_place};
use crate::extract::{InSet, Params};
use crate::problem::Problem;
use crate::socket::Subscriber;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use board::Spec;
use edits::edits;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{Published, Shared};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use utoipa::IntoParams;

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
    tokio::spawn(query.follow(Out::Events(sender)));
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

/// A subscription that has its first result.
pub(crate) struct Query {
    published: watch::Receiver<Arc<Published>>,
    _shared: Arc<Shared>,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Query {
    /// Joins those who ask the same, or runs it for the first time.
    pub(crate) async fn begin(web: &Web, place: InSet, params: LiveParams) -> Result<Query, Problem> {
        let limit = params.limit.unwrap_or(100);
        let offset = params.offset.unwrap_or(0);
        if limit == 0 || limit.saturating_add(offset) > LIMIT_MAX {
            let detail = format!("'limit' and 'offset' are together 1 to {LIMIT_MAX}");
            return Err(Problem::unprocessable(detail));
        }
        let permit = stream_place(web)?;
        let (filter, sort) = (params.filter, params.sort);
        let spec = Spec { namespace: place.namespace, set: place.set, filter, sort, offset, limit };
        let (shared, published) = web.board.query(web, spec).await?;
        Ok(Query { published, _shared: shared, _place: permit })
    }

    /// Tells the result and then its changes, until nobody listens.
    pub(crate) async fn follow(mut self, out: Out) {
        let closed = out.clone();
        tokio::select! {
            _ = self.run(&out) => {}
            () = closed.closed() => {}
        }
    }

    async fn run(&mut self, out: &Out) -> Result<(), Gone> {
        let mut seen = Arc::clone(&self.published.borrow_and_update());
        let views: Vec<_> = seen.list.iter().map(|entry| &*entry.view).collect();
        out.tell("result", json!({ "data": views })).await?;
        loop {
            match tokio::time::timeout(ALIVE, self.published.changed()).await {
                Err(_) => {
                    out.breathe().await?;
                    continue;
                }
                Ok(changed) => changed.map_err(|_| Gone)?,
            }
            let now = Arc::clone(&self.published.borrow_and_update());
            if let (Some(problem), None) = (&now.trouble, &seen.trouble) {
                let data = json!({ "code": problem.code, "detail": problem.detail });
                out.tell("error", data).await?;
            }
            for event in edits(&seen.list, &now.list, &now.touched, seen.number) {
                out.tell("match", event).await?;
            }
            seen = now;
        }
    }
}
