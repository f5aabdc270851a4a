//! What becomes of a request: a record that is read comes from a copy when one is fresh, everything else is handed on.
//!
//! Requests for the same record that come while it is asked for get the same answer, unless a write of it went through here
//! meanwhile. What a client writes through this cache it also reads through it.

use super::figures::{Fate, Figures};
use super::follow;
use super::origin::{Answer, Origin};
use super::sketch::Sketch;
use super::store::{Copy, Store};
use anyhow::Result;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ETAG, HOST, HeaderName, IF_NONE_MATCH,
    ORIGIN, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use shipload_value::Digest;
use shipload_web::key::RecordKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Where this cache tells of itself.
const FIGURES: &str = "/.shipload/cache";
/// Namespaces whose records are kept.
const NAMESPACES_MAX: usize = 64;
const STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Headers that concern one connection only.
const HOP: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// What is asked for and has not come yet.
#[derive(Debug)]
struct Flight {
    digest: Digest,
    began_ms: u64,
    landed: watch::Receiver<Option<Landed>>,
}

/// An answer for everybody who waits for it.
type Landed = Result<Arc<Answer>, ()>;

/// How the cache was told to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// No answer is older.
    pub(super) staleness_ms: u64,
    /// Bytes of copies.
    pub(super) bytes_max: usize,
    /// Browsers may keep what they get for as long as its life says.
    pub(super) pass_life: bool,
}

/// The cache.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) origin: Origin,
    pub(super) figures: Figures,
    settings: Settings,
    began: Instant,
    store: Mutex<Store>,
    flights: Mutex<HashMap<String, Flight>>,
    sketches: Mutex<HashMap<String, Option<Arc<Sketch>>>>,
}

/// A request for a record.
struct Wanted {
    key: RecordKey,
    address: String,
    headers: HeaderMap,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    pub(super) fn new(nodes: Vec<String>, settings: Settings) -> Arc<Proxy> {
        Arc::new(Proxy {
            origin: Origin::new(nodes),
            figures: Figures::default(),
            settings,
            began: Instant::now(),
            store: Mutex::new(Store::new(settings.bytes_max)),
            flights: Mutex::default(),
            sketches: Mutex::default(),
        })
    }

    /// Milliseconds since a moment before the start.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1_000_000)
    }

    pub(super) fn keep_sketch(&self, namespace: &str, sketch: Sketch) {
        lock(&self.sketches).insert(namespace.to_owned(), Some(Arc::new(sketch)));
    }

    /// Forgets what was asked for of a record until now.
    pub(super) fn purge(&self, _namespace: &str, digest: &Digest) {
        lock(&self.flights).retain(|_, flight| flight.digest != *digest);
        let copies = lock(&self.store).purge(digest, self.now_ms());
        self.figures.purged(copies);
    }

    /// The sketch of a namespace; the first time that one is asked for it begins to be fetched.
    fn sketch(self: &Arc<Self>, namespace: &str) -> Option<Arc<Sketch>> {
        let mut sketches = lock(&self.sketches);
        if let Some(sketch) = sketches.get(namespace) {
            return sketch.clone();
        }
        if sketches.len() < NAMESPACES_MAX {
            sketches.insert(namespace.to_owned(), None);
            let every = Duration::from_millis((self.settings.staleness_ms / 4).clamp(100, 1000));
            tokio::spawn(follow::sketches(Arc::downgrade(self), namespace.to_owned(), every));
            tokio::spawn(follow::changes(Arc::downgrade(self), namespace.to_owned()));
        }
        None
    }

    async fn read(self: Arc<Self>, wanted: Wanted) -> Response {
        let sketch = self.sketch(&wanted.key.namespace);
        let now_ms = self.now_ms();
        let held = lock(&self.store).get(&wanted.address);
        let insists = wanted.insists();
        let fresh = held.as_ref().filter(|copy| {
            copy.is_fresh(&wanted.key.digest, sketch.as_deref(), now_ms, self.settings.staleness_ms)
        });
        if let Some(copy) = fresh.filter(|_| !insists) {
            return self.answer_copy(copy, Fate::Hit, &wanted);
        }
        let mut fate = match held {
            None => Fate::Miss,
            Some(_) => Fate::Revalidated,
        };
        let mut landed = self.fly(&wanted, held, insists, &mut fate);
        let answer = match landed.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_) => None,
        };
        let Some(Ok(answer)) = answer else {
            self.figures.count(Fate::Failed);
            return (StatusCode::BAD_GATEWAY, "no node answers\n").into_response();
        };
        self.answer(&answer, fate, &wanted)
    }

    /// Joins others who wait for the same answer, or asks.
    fn fly(
        self: &Arc<Self>,
        wanted: &Wanted,
        held: Option<Arc<Copy>>,
        insists: bool,
        fate: &mut Fate,
    ) -> watch::Receiver<Option<Landed>> {
        let now_ms = self.now_ms();
        let mut flights = lock(&self.flights);
        let joined = flights
            .get(&wanted.address)
            .filter(|flight| !insists && now_ms - flight.began_ms <= self.settings.staleness_ms)
            .map(|flight| flight.landed.clone());
        if let Some(landed) = joined.filter(|landed| landed.has_changed().is_ok()) {
            *fate = Fate::Collapsed;
            return landed;
        }
        let (sender, landed) = watch::channel(None);
        let flight = Flight { digest: wanted.key.digest, began_ms: now_ms, landed: landed.clone() };
        flights.insert(wanted.address.clone(), flight);
        let (proxy, address, digest) = (Arc::clone(self), wanted.address.clone(), wanted.key.digest);
        let host = wanted.headers.get(HOST).cloned();
        // A task of its own: who asked first may go before the answer comes.
        tokio::spawn(async move {
            let answer = proxy.fetch(&address, &digest, host, held, now_ms).await;
            let mut flights = lock(&proxy.flights);
            if flights.get(&address).is_some_and(|flight| flight.began_ms == now_ms) {
                flights.remove(&address);
            }
            drop(flights);
            let _ = sender.send(Some(answer.map(Arc::new).map_err(|_| ())));
        });
        landed
    }

    async fn fetch(
        &self,
        address: &str,
        digest: &Digest,
        host: Option<HeaderValue>,
        held: Option<Arc<Copy>>,
        as_of_ms: u64,
    ) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("cache")));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(copy) = &held {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&copy.etag)?);
        }
        let mut answer = self.origin.read(address, &headers).await?;
        let until_ms = as_of_ms + life_s(&answer.headers) * 1000;
        let etag = answer.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let mut store = lock(&self.store);
        match (answer.status, etag, held) {
            (StatusCode::OK, Some(etag), _) => {
                let copy = Copy { etag, body: answer.body.clone(), as_of_ms, until_ms };
                store.put(address, digest, Arc::new(copy));
            }
            (StatusCode::NOT_MODIFIED, Some(etag), Some(copy)) => {
                // Whoever waits gets the content, even if the copy is purged in the meantime.
                answer.status = StatusCode::OK;
                answer.body = copy.body.clone();
                answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let copy = Copy { etag, body: copy.body.clone(), as_of_ms, until_ms };
                store.put(address, digest, Arc::new(copy));
                answer.headers.insert(STATUS, HeaderValue::from_static("unchanged"));
            }
            _ => store.remove(address),
        }
        Ok(answer)
    }

    fn answer_copy(&self, copy: &Copy, fate: Fate, wanted: &Wanted) -> Response {
        let mut headers = HeaderMap::new();
        if let Ok(tag) = HeaderValue::from_str(&copy.etag) {
            headers.insert(ETAG, tag);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let left_s = copy.until_ms.saturating_sub(self.now_ms()) / 1000;
        headers.insert(CACHE_CONTROL, self.control(left_s));
        self.finish(StatusCode::OK, headers, copy.body.clone().into(), fate, wanted)
    }

    fn answer(&self, answer: &Answer, fate: Fate, wanted: &Wanted) -> Response {
        let mut headers = answer.headers.clone();
        HOP.iter().for_each(|name| drop(headers.remove(name)));
        let unchanged = headers.remove(STATUS).is_some() && fate == Fate::Revalidated;
        if answer.status.is_success() {
            headers.insert(CACHE_CONTROL, self.control(life_s(&answer.headers)));
        }
        let fate = if unchanged { Fate::Unchanged } else { fate };
        self.finish(answer.status, headers, answer.body.clone().into(), fate, wanted)
    }

    /// What browsers behind this cache may do: ask it each time, which costs little, so that its bound holds for them.
    fn control(&self, life_s: u64) -> HeaderValue {
        let life = if self.settings.pass_life && life_s > 0 { Some(life_s) } else { None };
        let life = life.and_then(|life| HeaderValue::from_str(&format!("public, max-age={life}")).ok());
        life.unwrap_or(HeaderValue::from_static("no-cache"))
    }

    fn finish(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        body: Body,
        fate: Fate,
        wanted: &Wanted,
    ) -> Response {
        self.figures.count(fate);
        let tag = headers.get(ETAG);
        let known = wanted.headers.get(IF_NONE_MATCH);
        let is_known = status == StatusCode::OK && tag.is_some() && tag == known;
        let mut response = if is_known { Response::new(Body::empty()) } else { Response::new(body) };
        *response.status_mut() = if is_known { StatusCode::NOT_MODIFIED } else { status };
        *response.headers_mut() = headers;
        response.headers_mut().insert(STATUS, HeaderValue::from_static(fate.status()));
        response
    }

    /// Hands a request on, and its answer back as it comes.
    async fn pass(&self, request: Request) -> Response {
        self.figures.count(Fate::Passed);
        let written = (!request.method().is_safe()).then(|| record_of(request.uri().path())).flatten();
        let (mut parts, body) = request.into_parts();
        parts.uri =
            parts.uri.path_and_query().map_or_else(axum::http::Uri::default, |path| path.clone().into());
        HOP.iter().for_each(|name| drop(parts.headers.remove(name)));
        parts.headers.append(VIA, HeaderValue::from_static("1.1 shipload"));
        let answered = self.origin.ask(Request::from_parts(parts, body)).await;
        // Whatever came back: the write may have had its effect.
        if let Some(key) = written {
            self.purge(&key.namespace, &key.digest);
        }
        match answered {
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                HOP.iter().for_each(|name| drop(parts.headers.remove(name)));
                parts.headers.insert(STATUS, HeaderValue::from_static(Fate::Passed.status()));
                Response::from_parts(parts, Body::new(body))
            }
            Err(error) => {
                self.figures.count(Fate::Failed);
                (StatusCode::BAD_GATEWAY, format!("{error:#}\n")).into_response()
            }
        }
    }
}

impl Wanted {
    /// Whether the client wants to know how the record is now.
    fn insists(&self) -> bool {
        let control =
            self.headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
        control.split(',').map(str::trim).any(|word| matches!(word, "no-cache" | "max-age=0" | "no-store"))
    }
}

/// Answers a request.
pub(super) async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    if request.uri().path() == FIGURES {
        let usage = lock(&proxy.store).usage();
        let text = proxy.figures.view(usage).to_string();
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
        return (headers, text).into_response();
    }
    // What may be meant for one reader only, or says to whom it may be shown, is handed on.
    let plain = [AUTHORIZATION, ORIGIN].iter().all(|name| !request.headers().contains_key(name));
    let record =
        (request.method() == Method::GET && plain).then(|| record_of(request.uri().path())).flatten();
    let Some(key) = record else { return proxy.pass(request).await };
    let address = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let headers = request.into_parts().0.headers;
    proxy.read(Wanted { key, address, headers }).await
}

/// The record that a path names.
fn record_of(path: &str) -> Option<RecordKey> {
    let mut parts = path.strip_prefix("/v1/db/")?.split('/').map(decoded);
    let (namespace, set, key) = (parts.next()??, parts.next()??, parts.next()??);
    match parts.next() {
        None | Some(Some(_)) if !namespace.is_empty() => RecordKey::parse(&namespace, &set, &key).ok(),
        _ => None,
    }
}

fn decoded(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut out = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        let digit =
            |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(if byte == b'%' { digit(bytes.next())? << 4 | digit(bytes.next())? } else { byte });
    }
    String::from_utf8(out).ok()
}

/// Seconds that an answer may be kept.
fn life_s(headers: &HeaderMap) -> u64 {
    let control = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let life = control.split(',').find_map(|word| word.trim().strip_prefix("max-age=")?.parse().ok());
    life.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::record_of;
    use shipload_web::key::RecordKey;

    #[test]
    fn paths_name_records() {
        let is = |path: &str, set: &str, key: &str| {
            assert_eq!(record_of(path), RecordKey::parse("test", set, key).ok(), "{path}");
        };
        is("/v1/db/test/users/ada", "users", "ada");
        is("/v1/db/test/~/a%2Fb%20%C3%A4", "", "a/b ä");
        is("/v1/db/test/users/int:5/operate", "users", "int:5");
        for other in
            ["/v1/db/test/users", "/v1/sketch/test", "/", "/v1/db/test/users/%zz", "/v1/db/test/users/int:x"]
        {
            assert_eq!(record_of(other), None, "{other}");
        }
    }
}
