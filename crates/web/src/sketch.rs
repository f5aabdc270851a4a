//! The cache sketch: which records caches may hold in an older state, for the whole cluster, as a Bloom filter.
//!
//! Guarantees: what a node answers was true for all nodes at most [`FRESH`] before it was asked. A record that is neither in the
//! filter nor in a tainted partition had no older copy in any cache then. Partitions of nodes that do not answer, and those
//! that nobody masters just now, are tainted.
//!
//! The wire form is that of [`shipload_value::sketch`]: `m` bits, `h` hashes, the filter `b` and `tainted` in base64.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

use crate::Web;
use crate::changes::known;
use crate::extract::Name;
use crate::info;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde::Serialize;
use shipload_value::sketch::Union;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// An answer may be so much older than its question.
pub const FRESH: Duration = Duration::from_millis(250);
/// Shared caches may keep an answer for so many seconds; they tell its age.
const KEPT: &str = "public, max-age=1";
/// Records that caches may hold in an older state.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SketchView {
    /// The namespace's name.
    namespace: String,
    /// Records that went into the filter.
    n: usize,
    /// Bits of the filter; a power of two.
    m: usize,
    /// Hashes of a record.
    h: u32,
    /// The filter in base64.
    b: String,
    /// A bit for each partition of which caches may hold anything, in base64; missing when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tainted: Option<String>,
}

type Kept = Arc<tokio::sync::Mutex<Option<(Instant, Arc<SketchView>)>>>;

/// The last answer for each namespace.
#[derive(Debug, Default)]
pub struct Sketches(Mutex<HashMap<String, Kept>>);

impl Sketches {
    /// The sketch of a namespace that there is, at most [`FRESH`] old.
    pub async fn get(&self, web: &Web, namespace: &str) -> Arc<SketchView> {
        let kept = Arc::clone(self.0.lock().entry(namespace.to_owned()).or_default());
        let mut kept = kept.lock().await;
        if let Some((_, view)) = kept.as_ref().filter(|(made, _)| made.elapsed() < FRESH) {
            return Arc::clone(view);
        }
        // What comes in is as of now at least.
        let made = Instant::now();
        let view = Arc::new(collect(web, namespace).await);
        *kept = Some((made, Arc::clone(&view)));
        view
    }
}

async fn collect(web: &Web, namespace: &str) -> SketchView {
    let command = format!("shipload-sketch:namespace={namespace}");
    let answers = info::everywhere(web, &[command]).await;
    let mut union = Union::default();
    let texts = answers.iter().filter_map(|(_, texts)| texts.as_ref().ok()?.first());
    texts.for_each(|text| union.add(text));
    let sketch = union.sketch();
    SketchView {
        namespace: namespace.to_owned(),
        n: union.len(),
        m: sketch.bits().len() * 8,
        h: sketch.hashes(),
        b: STANDARD.encode(sketch.bits()),
        tainted: sketch.tainted().map(|tainted| STANDARD.encode(tainted)),
    }
}

/// Which records caches may hold in an older state. What is answered was true at most 250 ms before the question.
#[utoipa::path(get, path = "/v1/sketch/{namespace}", tag = "caches", params(("namespace" = String, Path)),
    responses((status = 200, body = SketchView), (status = 304, description = "nothing has changed"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn sketch(
    State(web): State<Web>,
    Name(namespace): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    known(&web, &namespace)?;
    let asked = Instant::now();
    let view = web.sketches.get(&web, &namespace).await;
    let mut hasher = DefaultHasher::new();
    (&view.namespace, view.m, &view.b, &view.tainted).hash(&mut hasher);
    let tag = format!("\"{:x}\"", hasher.finish());
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { Json(&*view).into_response() };
    // The time that an answer takes is in no age that a cache tells: what took long is for who asked.
    if asked.elapsed() <= FRESH {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}
