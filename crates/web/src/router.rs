//! Which path leads where, and what every request passes: limits, compression, origins.
//!
//! What every request passes is one function around the paths, not a layer for each: layers are copied for each
//! request, all of them with all that they hold. Only what browsers of other origins and those who take packed answers
//! ask for goes through layers, in a second set of the same paths.

use crate::cross_origin::{guard, layer};
use crate::problem::Problem;
use crate::serve::Work;
use crate::{
    Web, batch, catalog, changes, cluster, history, jobs, live, openapi, operate, pages, partitions, record,
    select, sketch, slow, socket,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, ORIGIN, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::{Service, ServiceExt as _};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _, SizeAbove};

/// How long a request may wait for its turn when many are answered.
const TURN: Duration = Duration::from_secs(1);
/// How long a request may take in all.
const WHOLE: Duration = Duration::from_secs(60);
/// Smaller answers are not packed: that would take longer than to send them.
const PACKED_FROM: u16 = 512;
/// Where the paths of the API begin.
const API: &str = "/v1/";

/// All paths of this door.
#[must_use]
pub fn router(web: Web) -> Front {
    let plain = paths(&web, false);
    let layered = paths(&web, true);
    Front(Arc::new(Paths { web, plain, layered }))
}

/// The door as a service.
#[derive(Debug, Clone)]
pub struct Front(Arc<Paths>);

#[derive(Debug)]
struct Paths {
    web: Web,
    plain: Router,
    layered: Router,
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let paths = Arc::clone(&self.0);
        Box::pin(async move { Ok(paths.answer(request).await) })
    }
}

impl Paths {
    async fn answer(&self, mut request: Request) -> Response {
        let is_api = request.uri().path().starts_with(API);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let headers = request.headers();
        let plain = reads && !headers.contains_key(ORIGIN) && !headers.contains_key(ACCEPT_ENCODING);
        let elsewhere = self.web.settings.hosts.refusal(&request);
        let mut response = match elsewhere.or_else(|| guard(&self.web, request.method(), headers)) {
            Some(refusal) => refusal,
            None => {
                if !reads {
                    DefaultBodyLimit::max(self.web.settings.body_max).apply(&mut request);
                }
                let router = if plain { &self.plain } else { &self.layered };
                if is_api { self.turn(router, request).await } else { answered(router, request).await }
            }
        };
        let headers = response.headers_mut();
        if is_api {
            // What says nothing about caches must not be kept by one.
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        if plain {
            headers.insert(VARY, HeaderValue::from_static("origin, accept-encoding"));
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    /// So many requests at a time, each within its time.
    async fn turn(&self, router: &Router, request: Request) -> Response {
        let place = match self.web.places.try_acquire() {
            Ok(place) => Ok(place),
            Err(_) => tokio::time::timeout(TURN, self.web.places.acquire())
                .await
                .map_err(|_| ())
                .and_then(|place| place.map_err(|_| ())),
        };
        let Ok(_place) = place else {
            let detail = "too many requests are being answered";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).into_response();
        };
        let began = Instant::now();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answered = tokio::time::timeout(WHOLE, answered(router, request)).await;
        let response = answered.unwrap_or_else(|_| Problem::from(crate::Trouble::Late).into_response());
        let took = began.elapsed();
        if took >= slow::SLOW {
            self.web.slow.note(took, &method, uri.path(), response.status().as_u16());
        }
        response
    }
}

async fn answered(router: &Router, request: Request<Body>) -> Response {
    let Ok(response) = router.clone().oneshot(request).await;
    response
}

/// The paths, with what packs answers and lets other origins in, or without.
fn paths(web: &Web, layered: bool) -> Router {
    let api = api();
    let more = more(web);
    let (api, more) = if layered {
        let origins = layer(&web.settings.cors_origins);
        (api.layer(origins.clone()), more.layer(origins))
    } else {
        (api, more)
    };
    let pages = Router::new()
        .route("/", get(pages::root))
        .route("/admin", get(pages::moved))
        .route("/_plugin/crate-admin", get(pages::moved))
        .route("/ui/{*file}", get(pages::asset))
        .route("/healthz", get(pages::health))
        .route("/readyz", get(pages::ready))
        .route("/metrics", get(pages::metrics))
        .nest("/v1", api)
        .fallback(|| async {
            Problem::not_found("there is nothing here; see /, /v1/openapi.json, /metrics, /healthz")
        });
    let large = DefaultPredicate::new().and(SizeAbove::new(PACKED_FROM));
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(large);
    let pages = if layered { pages.layer(compression) } else { pages };
    // More is not packed: who gets a blob wants to know its length.
    pages.with_state(web.clone()).merge(more)
}

/// The paths of the API.
fn api() -> Router<Web> {
    Router::new()
        .route("/db/{namespace}/{set}", get(select::list))
        .route(
            "/db/{namespace}/{set}/{key}",
            get(record::get).put(record::put).post(record::post).patch(record::patch).delete(record::delete),
        )
        .route("/db/{namespace}/{set}/{key}/operate", post(operate::operate))
        .route("/batch/{namespace}", post(batch::run))
        .route("/query/{namespace}/{set}", post(select::query))
        .route("/sketch/{namespace}", get(sketch::sketch))
        .route("/client.js", get(pages::client))
        .route("/changes/{namespace}/{set}", get(changes::stream))
        .route("/live/{namespace}", get(socket::socket))
        .route("/live/{namespace}/{set}", get(live::live))
        .route("/cluster", get(cluster::cluster))
        .route("/partitions/{namespace}", get(partitions::partitions))
        .route("/history", get(history::history))
        .route("/jobs", get(jobs::jobs))
        .route("/slow", get(slow::slow))
        .route("/jobs/{id}/abort", post(jobs::abort))
        .route("/namespaces", get(catalog::namespaces))
        .route("/namespaces/{namespace}/sets", get(catalog::sets))
        .route("/namespaces/{namespace}/indexes", get(catalog::indexes).post(catalog::create_index))
        .route("/namespaces/{namespace}/indexes/{index}", delete(catalog::delete_index))
        .route("/modules", get(catalog::modules))
        .route("/modules/{name}", get(catalog::module))
        .route("/nodes/{id}", get(catalog::node))
        .route("/nodes/{id}/quiesce", post(catalog::quiesce))
        .route("/addresses", get(catalog::addresses))
        .route("/openapi.json", get(openapi::get))
        .fallback(|| async {
            Problem::not_found("there is no such resource; /v1/openapi.json names them all")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this resource has other methods",
            )
        })
}

/// The paths of another room.
fn more(web: &Web) -> Router {
    let more = web.more.as_ref().map(|more| more.routes.clone()).unwrap_or_default();
    more.layer(from_fn(patient))
}

/// An answer that may take long: its connection waits for it. And what says nothing about caches must not be kept by one.
async fn patient(request: Request, next: Next) -> Response {
    let _work = request.extensions().get::<Work>().map(Work::begin);
    let mut response = next.run(request).await;
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
