//! Pages of other origins: let in where the configuration says so, and otherwise kept from changing anything.
//!
//! A browser sends some requests of foreign pages without asking first. There is no login yet that such a page could
//! not have either, but a page must not reach a node behind its reader's firewall. Reads are harmless: without a
//! permission the browser does not show their answers to the page.

use crate::Web;
use crate::problem::Problem;
use axum::http::header::{ETAG, HOST, HeaderName, IF_MATCH, IF_NONE_MATCH, LOCATION, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// The layer that lets configured origins in.
pub fn layer(origins: &[String]) -> CorsLayer {
    const ALLOWED: [HeaderName; 5] =
        [header::CONTENT_TYPE, header::ACCEPT, IF_MATCH, IF_NONE_MATCH, header::CACHE_CONTROL];
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(ALLOWED)
        .expose_headers([ETAG, LOCATION, header::AGE])
        .max_age(PREFLIGHT_AGE);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(Any);
    }
    let known = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    layer.allow_origin(AllowOrigin::list(known))
}

/// The refusal of a change that a page of another origin asks for.
pub fn guard(web: &Web, method: &Method, headers: &HeaderMap) -> Option<Response> {
    // What is opened as a WebSocket is read by its page, whatever the browser thinks of it.
    let opens = headers.contains_key(header::UPGRADE);
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !opens;
    if reads || is_welcome(headers, &web.settings.cors_origins) {
        return None;
    }
    let detail = "a page of another origin may do no such thing; allow it by http.cors-origin";
    Some(Problem::new(StatusCode::FORBIDDEN, "cross-origin", detail).into_response())
}

fn is_welcome(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, host)| host);
    origins.iter().any(|known| known == "*" || known == origin) || (own.is_some() && own == host)
}

#[cfg(test)]
mod tests {
    use super::is_welcome;
    use axum::http::HeaderMap;
    use axum::http::header::{HOST, ORIGIN};

    #[test]
    fn own_pages_and_known_origins_are_welcome() {
        let headers = |origin: &str| {
            HeaderMap::from_iter([
                (HOST, "node:4200".parse().expect("a header")),
                (ORIGIN, origin.parse().expect("a header")),
            ])
        };
        assert!(is_welcome(&HeaderMap::new(), &[]));
        assert!(is_welcome(&headers("http://node:4200"), &[]));
        assert!(!is_welcome(&headers("http://evil"), &[]));
        assert!(!is_welcome(&headers("null"), &[]));
        assert!(is_welcome(&headers("http://shop"), &["http://shop".to_owned()]));
        assert!(is_welcome(&headers("http://evil"), &["*".to_owned()]));
    }
}
