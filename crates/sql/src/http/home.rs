//! `GET /`: who this node is.

use crate::execute::Sql;
use crate::records::To;
use crate::system::{CRATE_VERSION, PRODUCT_VERSION};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

/// First words of browsers.
const BROWSERS: [&str; 6] = ["Mozilla", "Chrome", "Safari", "Opera", "Android", "AppleWebKit"];

/// Whether a request to `/` wants JSON rather than the console.
#[must_use]
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let agent = text(header::USER_AGENT);
    let word = agent.split(['/', ' ']).next().unwrap_or("");
    text(header::ACCEPT).contains("application/json") || !BROWSERS.contains(&word)
}

pub(super) async fn page(State(sql): State<Arc<Sql>>, headers: HeaderMap) -> Response {
    if !wants_json(&headers) {
        return "Shipload: the console is not there yet; POST /_sql takes statements\n".into_response();
    }
    let name = sql.records.info(&To::Own, "node").await;
    let cluster = sql.records.info(&To::Own, "cluster-name").await.unwrap_or_default();
    let (status, ok) =
        if name.is_ok() { (StatusCode::OK, true) } else { (StatusCode::SERVICE_UNAVAILABLE, false) };
    let body = json!({
        "ok": ok,
        "status": status.as_u16(),
        "name": name.unwrap_or_default(),
        "cluster_name": if cluster == "null" { "shipload" } else { &cluster },
        "version": {
            "number": CRATE_VERSION,
            "build_hash": PRODUCT_VERSION,
            "build_timestamp": "NA",
            "build_snapshot": false,
            "lucene_version": "",
            "product": "shipload",
            "product_number": PRODUCT_VERSION,
        },
    });
    (status, Json(body)).into_response()
}
