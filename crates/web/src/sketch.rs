//! The cache sketch: which records caches may hold in an older state, for the whole cluster, as a Bloom filter.
//!
//! Guarantees: what a node answers was true for all nodes at most [`FRESH`] before it was asked. A record that is neither in the
//! filter nor in a tainted partition had no older copy in any cache then. Partitions of nodes that do not answer, and those
//! that nobody masters just now, are tainted.
//!
//! The wire form: `m` bits, `h` hashes, `b` in base64; bit `i` is bit `i % 8` of byte `i / 8`. A record's bits are
//! `(x + n * y) % m` for `n` from 0 to `h - 1`, where `x` and `y` are bytes 4 to 7 and 8 to 11 of its digest as little-endian
//! numbers, `y` made odd. Its partition is `(byte 0 + 256 * byte 1) % 4096`, a bit of `tainted` in the same order.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

use crate::Web;
use crate::changes::known;
use crate::extract::Name;
use crate::info::{self, value};
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
use shipload_value::digest::PARTITION_COUNT;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// An answer may be so much older than its question.
pub const FRESH: Duration = Duration::from_millis(250);
/// Shared caches may keep an answer for so many seconds; they tell its age.
const KEPT: &str = "public, max-age=1";
/// Bits for a record; with [`HASHES`] about 2 of 100 records that are not in the filter look as if they were.
const BITS_EACH: usize = 8;
const HASHES: u32 = 5;
const BITS_MIN: usize = 64;
const BITS_MAX: usize = 1 << 21;
const BITMAP: usize = PARTITION_COUNT as usize / 8;
/// Bytes that name a record.
const MARK: usize = 8;

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
    let texts = answers.iter().filter_map(|(_, texts)| texts.as_ref().ok()?.first().map(String::as_str));
    union(namespace, texts)
}

/// What several nodes know, together.
fn union<'t>(namespace: &str, answers: impl Iterator<Item = &'t str>) -> SketchView {
    let (mut led, mut tainted) = ([0u8; BITMAP], [0u8; BITMAP]);
    let mut marks: BTreeSet<[u8; MARK]> = BTreeSet::new();
    for answer in answers {
        let bytes = |name: &str| STANDARD.decode(value(answer, ';', name)?).ok();
        // Half an answer is none.
        let (Some(leads), Some(taints), Some(stale)) = (bytes("leads"), bytes("tainted"), bytes("stale"))
        else {
            continue;
        };
        led.iter_mut().zip(leads).for_each(|(all, byte)| *all |= byte);
        tainted.iter_mut().zip(taints).for_each(|(all, byte)| *all |= byte);
        marks.extend(stale.as_chunks::<MARK>().0);
    }
    tainted.iter_mut().zip(led).for_each(|(tainted, led)| *tainted |= !led);
    let m = (marks.len() * BITS_EACH).next_power_of_two().clamp(BITS_MIN, BITS_MAX);
    let mut filter = vec![0u8; m / 8];
    for bit in marks.iter().flat_map(|mark| bits(mark, m)) {
        if let Some(byte) = filter.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
    SketchView {
        namespace: namespace.to_owned(),
        n: marks.len(),
        m,
        h: HASHES,
        b: STANDARD.encode(filter),
        tainted: tainted.iter().any(|byte| *byte != 0).then(|| STANDARD.encode(tainted)),
    }
}

fn bits(mark: &[u8; MARK], m: usize) -> impl Iterator<Item = usize> {
    let [a, b, c, d, e, f, g, h] = *mark;
    let (x, y) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]) | 1);
    (0..u64::from(HASHES)).map(move |n| {
        let place = (u64::from(x) + n * u64::from(y)) % m as u64;
        usize::try_from(place).unwrap_or_default()
    })
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

#[cfg(test)]
mod tests {
    use super::{BITMAP, STANDARD, bits, union};
    use base64::Engine as _;

    fn answer(leads: [u8; BITMAP], tainted: [u8; BITMAP], stale: &[[u8; 8]]) -> String {
        let stale = STANDARD.encode(stale.concat());
        format!("leads={};tainted={};stale={stale}", STANDARD.encode(leads), STANDARD.encode(tainted))
    }

    #[test]
    fn what_nobody_answers_for_is_tainted() {
        let mut half = [0; BITMAP];
        half[..BITMAP / 2].fill(0xff);
        let other = half.map(|byte| !byte);
        let mut taint = [0; BITMAP];
        taint[3] = 4;
        let all = [answer(half, taint, &[]), answer(other, [0; BITMAP], &[])];
        let view = union("test", all.iter().map(String::as_str));
        assert_eq!(view.tainted, Some(STANDARD.encode(taint)));
        let view = union("test", [all[1].as_str(), "ERROR:4:no"].into_iter());
        assert_eq!(view.tainted, Some(STANDARD.encode(half)));
        let calm = [answer(half, [0; BITMAP], &[]), answer(other, [0; BITMAP], &[])];
        assert_eq!(union("test", calm.iter().map(String::as_str)).tainted, None);
        assert_eq!(union("test", std::iter::empty()).tainted, Some(STANDARD.encode([0xff; BITMAP])));
    }

    #[test]
    fn every_stale_record_is_in_the_filter_and_few_others() {
        let mark = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        let stale: Vec<[u8; 8]> = (0..5000).map(mark).collect();
        let view = union("test", [answer([0; BITMAP], [0; BITMAP], &stale).as_str()].into_iter());
        assert_eq!((view.n, view.m), (5000, 65536));
        let filter = STANDARD.decode(&view.b).expect("base64");
        let is_in = |mark: &[u8; 8]| bits(mark, view.m).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0);
        assert!(stale.iter().all(is_in));
        let wrong = (5000..25_000).map(mark).filter(|mark| is_in(mark)).count();
        assert!(wrong < 20_000 * 4 / 100, "{wrong} of 20,000");
    }
}
