//! Live queries over a WebSocket, many on one connection.
//!
//! ```text
//! client: {"type": "subscribe", "subscription": "a", "set": "users", "filter": {..}, "sort": "-age", "limit": 3, "offset": 0}
//! server: {"type": "result", "subscription": "a", "data": [..]}, then {"type": "match", "subscription": "a", "matchType": .., ..}
//! client: {"type": "unsubscribe", "subscription": "a"}
//! ```
//!
//! Messages are those of server-sent events. Guarantees: what waits for a slow reader is bounded, and the runs of its
//! queries wait with it, so nothing is lost: what it gets late says so (`lateMs`). Who takes nothing at all for ten seconds, or
//! answers no ping, is disconnected.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

use crate::Web;
use crate::changes::known;
use crate::extract::{InSet, Name};
use crate::key::set_name;
use crate::live::{Gone, LiveParams, Out, Query};
use crate::problem::Problem;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Subscriptions of a connection.
const SUBSCRIPTIONS_MAX: usize = 64;
/// Bytes of a message of a client.
const MESSAGE_MAX: usize = 32 << 10;
/// Bytes that are read and written at once. A connection on which nothing happens holds them all the time.
const BUFFER: usize = 4 << 10;
/// Messages that may wait for a connection.
const AHEAD: usize = 32;
/// How often a client is pinged, and how long it may be silent.
const PING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(45);
/// How long a message may take to leave.
const PATIENCE: Duration = Duration::from_secs(10);
/// A message that had to wait longer says so.
const LATE: Duration = Duration::from_secs(1);

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    Subscribe {
        #[serde(rename = "subscription")]
        id: String,
        set: String,
        filter: Option<Value>,
        sort: Option<String>,
        limit: Option<usize>,
        offset: Option<usize>,
    },
    Unsubscribe {
        #[serde(rename = "subscription")]
        id: String,
    },
}

/// Sends the messages of one subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    id: String,
    sender: mpsc::Sender<String>,
}

impl Subscriber {
    pub(crate) async fn tell(&self, name: &str, data: Value) -> Result<(), Gone> {
        let began = Instant::now();
        let place = self.sender.reserve().await.map_err(|_| Gone)?;
        let mut message = json!({ "type": name, "subscription": self.id });
        if let (Some(message), Value::Object(data)) = (message.as_object_mut(), data) {
            message.extend(data);
            let late = began.elapsed();
            if late > LATE {
                message
                    .insert("lateMs".to_owned(), json!(u64::try_from(late.as_millis()).unwrap_or(u64::MAX)));
            }
        }
        place.send(message.to_string());
        Ok(())
    }

    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// Live queries over a WebSocket: `subscribe` and `unsubscribe` in, `result`, `match` and `error` out.
#[utoipa::path(get, path = "/v1/live/{namespace}", tag = "live", params(("namespace" = String, Path)),
    responses((status = 101, description = "a WebSocket"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn socket(
    State(web): State<Web>,
    Name(namespace): Name,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    known(&web, &namespace)?;
    let upgrade = upgrade.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    let upgrade = upgrade.read_buffer_size(BUFFER).write_buffer_size(BUFFER);
    Ok(upgrade.on_upgrade(move |socket| Talk::new(web, namespace).run(socket)))
}

/// One connection.
struct Talk {
    web: Web,
    namespace: String,
    sender: mpsc::Sender<String>,
    messages: mpsc::Receiver<String>,
    tasks: JoinSet<()>,
    subscriptions: HashMap<String, AbortHandle>,
}

impl Talk {
    fn new(web: Web, namespace: String) -> Talk {
        let (sender, messages) = mpsc::channel(AHEAD);
        Talk { web, namespace, sender, messages, tasks: JoinSet::new(), subscriptions: HashMap::new() }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let message = tokio::select! {
                incoming = socket.recv() => match incoming {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return,
                    Some(Ok(message)) => {
                        heard = Instant::now();
                        match self.hear(&message) {
                            Some(answer) => Message::from(answer),
                            None => continue,
                        }
                    }
                },
                // This talk holds a sender as well, so there is always a next one.
                Some(text) = self.messages.recv() => Message::from(text),
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return;
                    }
                    Message::Ping(Default::default())
                }
            };
            if !matches!(timeout(PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
                let reason = CloseFrame { code: close_code::AGAIN, reason: "too slow".into() };
                let _ = timeout(LATE, socket.send(Message::Close(Some(reason)))).await;
                return;
            }
        }
    }

    /// Does what a client says; what can be answered at once.
    fn hear(&mut self, message: &Message) -> Option<String> {
        while self.tasks.try_join_next().is_some() {}
        let Message::Text(text) = message else { return None };
        let problem = |id: &str, problem: &Problem| {
            json!({ "type": "error", "subscription": id, "code": problem.code, "detail": problem.detail })
                .to_string()
        };
        let said: Said = match serde_json::from_str(text) {
            Ok(said) => said,
            Err(error) => return Some(problem("", &Problem::bad_request(error.to_string()))),
        };
        match said {
            Said::Unsubscribe { id } => {
                if let Some(task) = self.subscriptions.remove(&id) {
                    task.abort();
                }
                None
            }
            Said::Subscribe { id, set, filter, sort, limit, offset } => {
                self.subscriptions.retain(|_, task| !task.is_finished());
                if self.subscriptions.contains_key(&id) || self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
                    let detail = format!(
                        "a name stands for one subscription, and there are {SUBSCRIPTIONS_MAX} at most"
                    );
                    return Some(problem(&id, &Problem::unprocessable(detail)));
                }
                let place = InSet { namespace: self.namespace.clone(), set: set_name(&set).to_owned() };
                let filter = filter.map(|filter| filter.to_string());
                let params = LiveParams { filter, sort, limit, offset };
                let (web, sender) = (self.web.clone(), self.sender.clone());
                let subscriber = Subscriber { id: id.clone(), sender };
                let task = self.tasks.spawn(async move {
                    match Query::begin(&web, place, params).await {
                        Ok(query) => query.follow(Out::Socket(subscriber)).await,
                        Err(refusal) => {
                            let data =
                                json!({ "code": refusal.code, "detail": refusal.detail, "ended": true });
                            let _ = subscriber.tell("error", data).await;
                        }
                    }
                });
                self.subscriptions.insert(id, task);
                None
            }
        }
    }
}
