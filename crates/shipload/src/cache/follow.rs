//! What keeps copies fresh, for each namespace that is read: the sketch, fetched again and again, and the change stream, which
//! purges by key.
//!
//! The bound on staleness hangs on the sketch alone. A stream that breaks, or is late, costs freshness within the bound.

use super::proxy::Proxy;
use super::sketch::Sketch;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use hyper::body::{Body as _, Incoming};
use serde_json::Value;
use shipload_value::Digest;
use shipload_web::key::RecordKey;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A node's answer is at most so much older than the question.
const AHEAD_MS: u64 = 250;
/// A stream says something at least every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// After a stream has ended.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes of an event, at most.
const EVENT_MAX: usize = 32 << 20;

/// Fetches the sketch as long as the proxy lives.
pub(super) async fn sketches(proxy: Weak<Proxy>, namespace: String, every: Duration) {
    loop {
        let Some(proxy) = proxy.upgrade() else { return };
        let began = Instant::now();
        let time_ms = proxy.now_ms().saturating_sub(AHEAD_MS);
        let path = format!("/v1/sketch/{}", shipload_web::percent::encoded(&namespace));
        let read = timeout(Duration::from_secs(3), proxy.origin.read(&path, &HeaderMap::new())).await;
        if let Ok(Ok(answer)) = read
            && answer.status.is_success()
            && let Some(sketch) = Sketch::read(&answer.body, time_ms)
        {
            proxy.figures.sketch_fetched(sketch.bytes());
            proxy.keep_sketch(&namespace, sketch);
        }
        drop(proxy);
        sleep(every.saturating_sub(began.elapsed())).await;
    }
}

/// Purges what the change stream tells of, as long as the proxy lives.
pub(super) async fn changes(proxy: Weak<Proxy>, namespace: String) {
    loop {
        let stream = {
            let Some(proxy) = proxy.upgrade() else { return };
            open(&proxy, &namespace).await
        };
        if let Some(mut body) = stream {
            let mut text = Vec::new();
            while let Some(event) = next(&mut body, &mut text).await {
                let Some(proxy) = proxy.upgrade() else { return };
                purge(&proxy, &namespace, &event);
            }
        }
        sleep(AGAIN).await;
    }
}

async fn open(proxy: &Arc<Proxy>, namespace: &str) -> Option<Incoming> {
    let path = format!("/v1/changes/{}/~", shipload_web::percent::encoded(namespace));
    let request = Request::builder().uri(path).header("host", "cache").body(Body::empty()).ok()?;
    let response = proxy.origin.ask(request).await.ok()?;
    response.status().is_success().then(|| response.into_body())
}

/// The data of the next event; none at the end.
async fn next(body: &mut Incoming, text: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "));
            if let Some(data) = data {
                return Some(data.to_vec());
            }
            continue;
        }
        let frame = timeout(SILENCE, poll_fn(|context| Pin::new(&mut *body).poll_frame(context)));
        if let Some(data) = frame.await.ok()??.ok()?.data_ref() {
            text.extend_from_slice(data);
        }
        if text.len() > EVENT_MAX {
            return None;
        }
    }
}

fn purge(proxy: &Proxy, namespace: &str, event: &[u8]) {
    let Ok(record) = serde_json::from_slice::<Value>(event) else { return };
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let (Some(set), Some(id)) = (text("set"), text("id")) else { return };
    let Ok(key) = RecordKey::parse(namespace, set, id) else { return };
    let digest: Digest = key.digest;
    proxy.purge(namespace, &digest);
}
