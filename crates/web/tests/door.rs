//! The door without a node: a stand-in answers, and the rules of the door itself are looked at.

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Request, StatusCode};
use shipload_web::router::{Front, router};
use shipload_web::{Frames, Later, Member, NodeId, Partitions, Records, Settings, Trouble, Web};
use std::sync::Arc;
use tower::ServiceExt as _;

/// A node that answers every command with the same trouble, or never; and the nodes that it knows.
#[derive(Default)]
struct Stand(Option<Trouble>, std::sync::Mutex<Vec<Member>>);

impl Stand {
    fn answer<T: Send + 'static>(&self) -> Later<T> {
        let trouble = self.0;
        Box::pin(async move {
            match trouble {
                Some(trouble) => Err(trouble),
                None => std::future::pending().await,
            }
        })
    }
}

impl Records for Stand {
    fn call(&self, _: Vec<u8>, _: usize) -> Later<Vec<u8>> {
        self.answer()
    }
    fn query(&self, _: NodeId, _: Vec<u8>) -> Later<Frames> {
        self.answer()
    }
    fn info(&self, _: NodeId, _: Vec<String>) -> Later<Vec<String>> {
        self.answer()
    }
    fn id(&self) -> NodeId {
        NodeId(0xa1)
    }
    fn members(&self) -> Vec<Member> {
        self.1.lock().expect("nobody panics").clone()
    }
    fn namespaces(&self) -> Vec<String> {
        vec!["test".to_owned()]
    }
    fn partitions(&self, _: &str) -> Option<Partitions> {
        None
    }
    fn metrics(&self) -> String {
        "shipload_up 1\n".to_owned()
    }
    fn is_ready(&self) -> bool {
        true
    }
}

fn door(trouble: Option<Trouble>, settings: Settings) -> Front {
    router(Web::new(Arc::new(Stand(trouble, std::sync::Mutex::default())), settings, None))
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let start = Request::builder().method(method).uri(path).header(HOST, "node:4200");
    let built = headers.iter().fold(start, |request, (name, value)| request.header(*name, *value));
    built.body(Body::empty()).expect("a request")
}

async fn ask(door: &Front, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = door.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.expect("a short body");
    (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn trouble_is_told_as_what_it_is() {
    for (trouble, status, code) in [
        (Trouble::Refused, 503, "unavailable"),
        (Trouble::InDoubt, 502, "in-doubt"),
        (Trouble::Late, 504, "timeout"),
        (Trouble::Garbled, 500, "internal"),
    ] {
        let door = door(Some(trouble), Settings::default());
        let (seen, headers, body) = ask(&door, request("GET", "/v1/db/test/demo/k", &[])).await;
        assert_eq!(seen.as_u16(), status);
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
    }
}

#[tokio::test]
async fn metrics_are_answered_while_every_place_is_taken() {
    let door = door(None, Settings { requests_max: 1, ..Settings::default() });
    let busy = tokio::spawn(ask_owned(door.clone(), request("GET", "/v1/db/test/demo/k", &[])));
    // The first request has its place once a second one is told that there is none.
    loop {
        let (status, _, body) = ask(&door, request("GET", "/v1/openapi.json", &[])).await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(body.contains("\"code\":\"busy\""));
            break;
        }
        tokio::task::yield_now().await;
    }
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(ask(&door, request("GET", path, &[])).await.0, StatusCode::OK, "{path}");
    }
    busy.abort();
}

async fn ask_owned(door: Front, request: Request<Body>) {
    ask(&door, request).await;
}

#[tokio::test]
async fn answers_are_compressed_when_the_client_takes_it() {
    let door = door(Some(Trouble::Refused), Settings::default());
    for coding in ["gzip", "br", "zstd"] {
        let packed = request("GET", "/v1/openapi.json", &[(ACCEPT_ENCODING.as_str(), coding)]);
        assert_eq!(ask(&door, packed).await.1[CONTENT_ENCODING], coding);
    }
    let plain = ask(&door, request("GET", "/v1/openapi.json", &[])).await;
    assert!(!plain.1.contains_key(CONTENT_ENCODING));
}

#[tokio::test]
async fn other_origins_are_let_in_by_configuration_only() {
    let closed = door(Some(Trouble::Refused), Settings::default());
    let cors_origins = vec!["https://shop.example".to_owned()];
    let open = door(Some(Trouble::Refused), Settings { cors_origins, ..Settings::default() });
    let origin = (ORIGIN.as_str(), "https://shop.example");
    let asked = [origin, ("access-control-request-method", "PUT")];
    let allowed = "access-control-allow-origin";
    let preflight = |door| async move { ask(door, request("OPTIONS", "/v1/db/test/demo/k", &asked)).await.1 };
    assert_eq!(preflight(&open).await[allowed], "https://shop.example");
    assert!(!preflight(&closed).await.contains_key(allowed));
    assert_eq!(
        ask(&closed, request("DELETE", "/v1/db/test/demo/k", &[origin])).await.0,
        StatusCode::FORBIDDEN
    );
    // Let in, and then the stand-in's own trouble.
    let seen = ask(&open, request("DELETE", "/v1/db/test/demo/k", &[origin])).await.0;
    assert_eq!(seen, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn paths_of_another_room_are_guarded_and_not_packed() {
    let routes = axum::Router::new().route("/_sql", axum::routing::post(|| async { "x".repeat(1000) }));
    let more = shipload_web::More { routes, greet: axum::http::Extensions::new };
    let web = Web::new(Arc::new(Stand::default()), Settings::default(), Some(more));
    let door = router(web);
    let packed = [(ACCEPT_ENCODING.as_str(), "gzip")];
    let (status, headers, body) = ask(&door, request("POST", "/_sql", &packed)).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 1000));
    assert!(!headers.contains_key(CONTENT_ENCODING) && headers["x-content-type-options"] == "nosniff");
    let foreign = [(ORIGIN.as_str(), "http://evil"), (HOST.as_str(), "node:4200")];
    assert_eq!(ask(&door, request("POST", "/_sql", &foreign)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&door, request("GET", "/v1/openapi.json", &[])).await.0, StatusCode::OK);
    assert_eq!(ask(&door, request("GET", "/nothing", &[])).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn programs_and_browsers_get_what_they_want_at_the_root() {
    let door = door(Some(Trouble::Refused), Settings::default());
    let (_, headers, page) = ask(&door, request("GET", "/", &[("user-agent", "Mozilla/5.0 (X11)")])).await;
    assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(
        headers["content-security-policy"].to_str().is_ok_and(|policy| policy.contains("default-src 'none'"))
    );
    // Every file that the page names is there.
    let names = page.split(['"', '\'']).filter_map(|part| part.strip_prefix("./ui/"));
    for name in names {
        assert_eq!(ask(&door, request("GET", &format!("/ui/{name}"), &[])).await.0, StatusCode::OK, "{name}");
    }
    let (status, _, body) = ask(&door, request("GET", "/", &[("user-agent", "curl/8")])).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("\"number\":\"6.2.0\""));
    assert_eq!(ask(&door, request("GET", "/admin", &[])).await.0, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(ask(&door, request("GET", "/ui/nothing.js", &[])).await.0, StatusCode::NOT_FOUND);
}

fn member(id: u64) -> Member {
    Member {
        id: NodeId(id),
        here: id == 0xa1,
        service: Vec::new(),
        rack: 0,
        quiesced: false,
        build: String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_though_nobody_looks() {
    let stand =
        Arc::new(Stand(Some(Trouble::Refused), std::sync::Mutex::new(vec![member(0xa1), member(0xb2)])));
    let web = Web::new(Arc::<Stand>::clone(&stand), Settings::default(), None);
    let keeper = tokio::spawn(shipload_web::history::keep(web.clone()));
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    *stand.1.lock().expect("nobody panics") = vec![member(0xa1)];
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    *stand.1.lock().expect("nobody panics") = vec![member(0xa1), member(0xc3)];
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let (_, _, body) = ask(&router(web.clone()), request("GET", "/v1/history", &[])).await;
    for wanted in ["node B2 is gone", "node C3 has joined"] {
        assert!(body.contains(wanted), "{wanted}: {body}");
    }
    let history: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert!(history["samples"].as_array().is_some_and(|samples| !samples.is_empty()), "{body}");
    // However much happens, only so much is kept.
    for round in 0..400 {
        *stand.1.lock().expect("nobody panics") = vec![member(0xa1), member(0x1000 + round)];
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    keeper.abort();
    let (_, _, body) = ask(&router(web), request("GET", "/v1/history", &[])).await;
    let history: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(history["events"].as_array().map(Vec::len), Some(200));
}
