//! A live query runs again when partitions have moved: what a run saw meanwhile came perhaps from a copy that lagged, and
//! records that copies bring are noted by nobody.

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, StatusCode};
use shipload_web::router::router;
use shipload_web::{Frames, Later, Member, NodeId, Partitions, Records, Settings, Trouble, Web};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt as _;

/// A node with an empty set, where nothing changes but its partitions.
struct Harbour {
    queries: AtomicUsize,
    told: Mutex<&'static str>,
}

impl Harbour {
    fn new(told: &'static str) -> Arc<Harbour> {
        Arc::new(Harbour { queries: AtomicUsize::new(0), told: Mutex::new(told) })
    }

    fn tell(&self, told: &'static str) {
        *self.told.lock().expect("nobody panics") = told;
    }

    fn queries(&self) -> usize {
        self.queries.load(Ordering::Relaxed)
    }
}

impl Records for Harbour {
    fn call(&self, _: Vec<u8>, _: usize) -> Later<Vec<u8>> {
        Box::pin(async { Err(Trouble::Refused) })
    }
    fn query(&self, _: NodeId, _: Vec<u8>) -> Later<Frames> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            let (sender, frames) = tokio::sync::mpsc::channel(1);
            // The last message, with the code for "not found".
            let mut message = vec![0; 22];
            (message[0], message[3], message[5]) = (22, 1, 2);
            let _ = sender.send(Ok(message)).await;
            Ok(frames)
        })
    }
    fn info(&self, _: NodeId, commands: Vec<String>) -> Later<Vec<String>> {
        let told = (*self.told.lock().expect("nobody panics")).to_owned();
        Box::pin(async move { Ok(commands.iter().map(|_| told.clone()).collect()) })
    }
    fn id(&self) -> NodeId {
        NodeId(1)
    }
    fn members(&self) -> Vec<Member> {
        let build = String::new();
        vec![Member { id: NodeId(1), here: true, service: Vec::new(), rack: 0, quiesced: false, build }]
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

/// A subscriber; it reads as long as what this gives is held.
async fn subscribe(node: &Arc<Harbour>) -> axum::response::Response {
    let web = Web::new(Arc::<Harbour>::clone(node), Settings::default(), None);
    let request = Request::builder().uri("/v1/live/test/demo").header(HOST, "node");
    let request = request.body(Body::empty()).expect("a request");
    let response = router(web).oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK);
    response
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_again_while_nothing_moves() {
    let node = Harbour::new("next=0;missed=false;moves=4;rest=true");
    let _subscriber = subscribe(&node).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(node.queries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_move_that_nobody_saw_is_looked_after() {
    let node = Harbour::new("next=0;missed=false;moves=4;rest=true");
    let _subscriber = subscribe(&node).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // It came and went between two questions.
    node.tell("next=0;missed=false;moves=5;rest=true");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(node.queries(), 2, "once after it");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(node.queries(), 2, "and not again");
}

#[tokio::test(start_paused = true)]
async fn while_copies_move_it_runs_now_and_then_and_once_after() {
    let node = Harbour::new("next=0;missed=false;moves=4;rest=true");
    let _subscriber = subscribe(&node).await;
    node.tell("next=0;missed=false;moves=4;rest=false");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let meanwhile = node.queries();
    assert!((8..=14).contains(&meanwhile), "{meanwhile} runs in a minute");
    node.tell("next=0;missed=false;moves=4;rest=true");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = node.queries();
    assert!(after > meanwhile, "one begins when nothing moves any more");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(node.queries(), after);
}
