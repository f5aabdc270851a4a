//! What stands beside the API: health, readiness, metrics, the console's files, and the answer at `/`.

use crate::Web;
use crate::info;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

/// The version that clients of Crate are told, because they switch features by it.
const COMPATIBLE: &str = "6.2.0";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Only what the node itself serves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The process is alive.
pub async fn health() -> &'static str {
    "ok\n"
}

/// The node serves clients.
pub async fn ready(State(web): State<Web>) -> impl IntoResponse {
    if web.records.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}

/// All statistics for Prometheus.
pub async fn metrics(State(web): State<Web>) -> impl IntoResponse {
    ([(CONTENT_TYPE, PROMETHEUS)], web.records.metrics())
}

/// The console for browsers, a few words of JSON for programs.
pub async fn root(State(web): State<Web>, method: Method, headers: HeaderMap) -> Response {
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    if !text(ACCEPT).contains("application/json") && is_browser(text(USER_AGENT)) {
        return file("index.html", &headers);
    }
    let name = info::ask(&web, web.records.id(), "cluster-name".to_owned()).await.unwrap_or_default();
    let name = if name.is_empty() || name == "null" { "shipload".to_owned() } else { name };
    let status = if web.records.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if method == Method::HEAD {
        return status.into_response();
    }
    let body = json!({
        "ok": status == StatusCode::OK,
        "status": status.as_u16(),
        "name": web.records.id().to_string(),
        "cluster_name": name,
        "version": {
            "number": COMPATIBLE,
            "build_hash": "",
            "build_timestamp": "",
            "build_snapshot": false,
            "lucene_version": "",
            "product": "shipload",
            "product_number": env!("CARGO_PKG_VERSION"),
        },
    });
    (status, Json(body)).into_response()
}

/// Whether a user agent's first word is a browser's.
fn is_browser(agent: &str) -> bool {
    const ENGINES: [&str; 6] = ["Mozilla", "Chrome", "Safari", "Opera", "Android", "AppleWebKit"];
    let first = agent.split(['/', ' ']).next().unwrap_or_default();
    ENGINES.contains(&first)
}

/// Older places of the console.
pub async fn moved() -> Redirect {
    Redirect::temporary("/")
}

/// A file of the console.
pub async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&path, &headers)
}

/// The client for browsers: an ES module that stands alone.
pub async fn client(headers: HeaderMap) -> Response {
    file("client.js", &headers)
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = shipload_console::file(path) else {
        return Problem::not_found("there is no such file").into_response();
    };
    let tag = format!("\"{}\"", file.tag);
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { file.content.into_response() };
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    out.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    out.insert(ETAG, tag);
    response
}

#[cfg(test)]
mod tests {
    use super::is_browser;

    #[test]
    fn browsers_are_known_by_their_first_word() {
        assert!(is_browser("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"));
        for program in ["curl/8.0", "crate-python/2.3 Mozilla", "python-requests/2", ""] {
            assert!(!is_browser(program), "{program}");
        }
    }
}
