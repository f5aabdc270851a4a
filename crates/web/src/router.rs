//! Which path leads where, and what every request passes: limits, compression, origins.

use crate::cross_origin::{guard, layer};
use crate::problem::Problem;
use crate::serve::Work;
use crate::{
    Web, batch, catalog, changes, cluster, history, jobs, live, openapi, operate, pages, partitions, record,
    select, sketch, socket,
};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use std::time::Duration;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

/// How long a request may wait for its turn when many are answered.
const TURN: Duration = Duration::from_secs(1);
/// How long a request may take in all.
const WHOLE: Duration = Duration::from_secs(60);

/// All paths of this door.
pub fn router(web: Web) -> Router {
    let body_max = web.settings.body_max;
    let api = Router::new()
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
        .layer(DefaultBodyLimit::max(body_max))
        .layer(from_fn_with_state(web.clone(), turn))
        .layer(from_fn_with_state(web.clone(), guard))
        .layer(from_fn(no_store))
        .layer(layer(&web.settings.cors_origins));
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    let more = more(&web);
    Router::new()
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
        })
        .layer(compression)
        .with_state(web)
        // Not packed: who gets a blob wants to know its length.
        .merge(more)
        .layer(from_fn(harden))
}

/// The paths of another room.
fn more(web: &Web) -> Router {
    let more = web.more.as_ref().map(|more| more.routes.clone()).unwrap_or_default();
    more.layer(from_fn(patient))
        .layer(from_fn_with_state(web.clone(), guard))
        .layer(from_fn(no_store))
        .layer(layer(&web.settings.cors_origins))
}

/// So many requests at a time, each within its time.
async fn turn(State(web): State<Web>, request: Request, next: Next) -> Response {
    let Ok(Ok(_place)) = tokio::time::timeout(TURN, web.places.acquire()).await else {
        let detail = "too many requests are being answered";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).into_response();
    };
    let answered = tokio::time::timeout(WHOLE, next.run(request)).await;
    answered.unwrap_or_else(|_| Problem::from(crate::Trouble::Late).into_response())
}

/// An answer that may take long: its connection waits for it.
async fn patient(request: Request, next: Next) -> Response {
    let _work = request.extensions().get::<Work>().map(Work::begin);
    next.run(request).await
}

/// What says nothing about caches must not be kept by one.
async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
