//! A query whose partitions are being moved is asked again, each time as another query.

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, StatusCode};
use shipload_web::router::router;
use shipload_web::{Frames, Later, Member, NodeId, Partitions, Records, Settings, Trouble, Web};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

/// A node that is never the master of what it is asked for.
#[derive(Default)]
struct Elsewhere(Mutex<Vec<Vec<u8>>>);

impl Records for Elsewhere {
    fn call(&self, _: Vec<u8>, _: usize) -> Later<Vec<u8>> {
        Box::pin(async { Err(Trouble::Refused) })
    }
    fn query(&self, _: NodeId, frame: Vec<u8>) -> Later<Frames> {
        self.0.lock().expect("nobody panics").push(frame);
        Box::pin(async {
            let (sender, frames) = tokio::sync::mpsc::channel(1);
            // The last message, with the code for "unavailable".
            let mut message = vec![0; 22];
            (message[0], message[3], message[5]) = (22, 1, 11);
            let _ = sender.send(Ok(message)).await;
            Ok(frames)
        })
    }
    fn info(&self, _: NodeId, _: Vec<String>) -> Later<Vec<String>> {
        Box::pin(async { Err(Trouble::Refused) })
    }
    fn id(&self) -> NodeId {
        NodeId(1)
    }
    fn members(&self) -> Vec<Member> {
        Vec::new()
    }
    fn namespaces(&self) -> Vec<String> {
        vec!["test".to_owned()]
    }
    fn partitions(&self, _: &str) -> Option<Partitions> {
        Some(Partitions { masters: vec![Some(NodeId(1)); 4096], owners: vec![Vec::new(); 4096] })
    }
    fn metrics(&self) -> String {
        String::new()
    }
    fn is_ready(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn every_round_is_a_query_of_its_own() {
    let node = Arc::new(Elsewhere::default());
    let web = Web::new(Arc::<Elsewhere>::clone(&node), Settings::default(), None);
    let request = Request::builder().uri("/v1/db/test/demo?filter=%7B%22a%22:1%7D").header(HOST, "node");
    let request = request.body(Body::empty()).expect("a request");
    let response = router(web).oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let asked = node.0.lock().expect("nobody panics");
    assert!(asked.len() > 5, "{} rounds", asked.len());
    // Nodes remember tasks by their ids, and refuse the same one twice.
    let different: BTreeSet<&Vec<u8>> = asked.iter().collect();
    assert_eq!(different.len(), asked.len());
}
