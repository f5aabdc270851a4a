//! What took long: commands of all nodes by how long they took, and the latest slow requests of this door.

use crate::Web;
use crate::command::now_ms;
use crate::info;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;
use utoipa::ToSchema;

/// Requests that take longer are remembered.
pub const SLOW: Duration = Duration::from_millis(100);
/// So many of them.
const KEPT: usize = 100;
/// Bytes of an address that are remembered.
const ADDRESS_MAX: usize = 200;

/// A slow request of this door.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlowRequest {
    /// When it began, milliseconds since 1970.
    time: u64,
    /// How long its answer took.
    took_ms: u64,
    /// GET, PUT ..
    method: String,
    /// The path, cut when it is long; what comes after `?` is left out.
    path: String,
    /// The status of its answer.
    status: u16,
}

/// Commands of one kind on one node, within the last ten to twenty seconds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyView {
    /// The node.
    node: String,
    /// The namespace; empty for kinds that have none.
    namespace: String,
    /// `read`, `write`, `udf`, `pi-query` and others.
    kind: String,
    /// Commands a second.
    per_second: f64,
    /// Percent that took longer than 1, 2, 4, 8 .. ms.
    over_pct: Vec<f64>,
}

/// What took long.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlowView {
    /// Commands of all nodes.
    latencies: Vec<LatencyView>,
    /// The latest slow requests of this node's HTTP port, the latest first.
    requests: Vec<SlowRequest>,
    /// From so many milliseconds on a request is slow.
    slow_ms: u64,
}

/// The latest slow requests.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<VecDeque<SlowRequest>>);

impl SlowLog {
    /// Remembers a request that took long.
    pub fn note(&self, took: Duration, method: &Method, path: &str, status: u16) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let cut = path.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= ADDRESS_MAX);
        let path = path.get(..cut.last().unwrap_or(0)).unwrap_or_default().to_owned();
        let time = now_ms().saturating_sub(took_ms);
        let mut kept = self.0.lock();
        kept.truncate(KEPT - 1);
        kept.push_front(SlowRequest { time, took_ms, method: method.to_string(), path, status });
    }

    fn all(&self) -> Vec<SlowRequest> {
        self.0.lock().iter().cloned().collect()
    }
}

/// What took long: commands of all nodes, and the latest slow requests of this node's HTTP port.
#[utoipa::path(get, path = "/v1/slow", tag = "cluster", responses((status = 200, body = SlowView),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn slow(State(web): State<Web>) -> Json<SlowView> {
    let answers = info::everywhere(&web, &["latencies:".to_owned()]).await;
    let mut latencies = Vec::new();
    for (member, texts) in answers {
        let texts = texts.unwrap_or_default();
        let rows = texts.iter().flat_map(|text| text.split(';'));
        latencies.extend(rows.filter_map(|row| latency(&member.id.to_string(), row)));
    }
    let slow_ms = u64::try_from(SLOW.as_millis()).unwrap_or(u64::MAX);
    Json(SlowView { latencies, requests: web.slow.all(), slow_ms })
}

/// From `{test}-read:msec,12.5,0.10,0.00,..`; kinds that nobody asked for are left out.
fn latency(node: &str, row: &str) -> Option<LatencyView> {
    let (name, row) = row.split_once(":msec,")?;
    let (namespace, kind) = match name.strip_prefix('{').and_then(|name| name.split_once("}-")) {
        Some((namespace, kind)) => (namespace, kind),
        None => ("", name),
    };
    let mut numbers = row.split(',').map_while(|number| number.parse::<f64>().ok());
    let per_second = numbers.next().filter(|rate| *rate > 0.0)?;
    let over_pct = numbers.collect();
    Some(LatencyView {
        node: node.to_owned(),
        namespace: namespace.to_owned(),
        kind: kind.to_owned(),
        per_second,
        over_pct,
    })
}

#[cfg(test)]
mod tests {
    use super::{KEPT, SlowLog, latency};
    use axum::http::Method;
    use std::time::Duration;

    #[test]
    fn latencies_are_read() {
        let seen = latency("A", "{test}-read:msec,12.5,1.50,0.25").expect("a row");
        assert_eq!((seen.namespace.as_str(), seen.kind.as_str(), seen.per_second), ("test", "read", 12.5));
        assert_eq!(seen.over_pct, [1.5, 0.25]);
        assert!(latency("A", "{test}-write:msec,0.0,0.00").is_none(), "nobody wrote");
        assert!(latency("A", "").is_none());
    }

    #[test]
    fn the_latest_are_kept_and_long_paths_are_cut() {
        let log = SlowLog::default();
        for number in 0..KEPT + 5 {
            log.note(Duration::from_millis(number as u64), &Method::GET, &"ä".repeat(150), 200);
        }
        let all = log.all();
        assert_eq!((all.len(), all[0].took_ms, all[0].path.chars().count()), (KEPT, KEPT as u64 + 4, 100));
    }
}
