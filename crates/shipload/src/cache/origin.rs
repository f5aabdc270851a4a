//! Connections to the nodes: kept for the next request, another node when one can't be reached.

use anyhow::{Context, Result, bail};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a node may take to accept, and to begin an answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(20);
/// Idle connections that are kept.
const KEPT: usize = 64;
/// Bytes of an answer that is read as a whole.
const BODY_MAX: usize = 16 << 20;

/// The nodes.
#[derive(Debug)]
pub(super) struct Origin {
    nodes: Vec<String>,
    /// The one that is asked first.
    first: AtomicUsize,
    idle: Mutex<Vec<(usize, SendRequest<Body>)>>,
}

/// An answer that was read as a whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Origin {
    /// Nodes as `host:port`.
    pub(super) fn new(nodes: Vec<String>) -> Origin {
        Origin { nodes, first: AtomicUsize::new(0), idle: Mutex::default() }
    }

    /// Asks a node; another one when it can't be connected to. The body comes as it arrives, and its connection is not used
    /// again.
    pub(super) async fn ask(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        let (mut sender, _) = self.connect().await?;
        timeout(ANSWER, sender.send_request(request)).await.context("no answer in time")?.context("no answer")
    }

    /// Reads something as a whole: a request that changes nothing, so it is sent again elsewhere when a node fails.
    pub(super) async fn read(&self, path: &str, headers: &HeaderMap) -> Result<Answer> {
        let mut trouble = None;
        for _ in 0..=self.nodes.len() {
            match self.try_read(path, headers).await {
                Ok(answer) => return Ok(answer),
                Err(error) => trouble = Some(error),
            }
        }
        Err(trouble.context("there is no node")?)
    }

    async fn try_read(&self, path: &str, headers: &HeaderMap) -> Result<Answer> {
        let mut request = Request::builder().uri(path).body(Body::empty())?;
        request.headers_mut().clone_from(headers);
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("cache"));
        let kept = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let (mut sender, node) = match kept {
            Some((node, sender)) if sender.is_ready() => (sender, node),
            Some(_) | None => self.connect().await?,
        };
        let answered = timeout(ANSWER, async {
            let response = sender.send_request(request).await?;
            let (parts, body) = response.into_parts();
            anyhow::Ok((parts, to_bytes(Body::new(body), BODY_MAX).await?))
        });
        let Ok(Ok((parts, body))) = answered.await else {
            self.avoid(node);
            bail!("{} does not answer", self.nodes.get(node).map_or("a node", String::as_str));
        };
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < KEPT
        {
            idle.push((node, sender));
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Asks the next node from now on; connections to this one are given up.
    fn avoid(&self, node: usize) {
        let _ = self.first.compare_exchange(node, node + 1, Ordering::AcqRel, Ordering::Acquire);
        if let Ok(mut idle) = self.idle.lock() {
            idle.retain(|(other, _)| *other != node);
        }
    }

    async fn connect(&self) -> Result<(SendRequest<Body>, usize)> {
        for _ in 0..self.nodes.len() {
            let node = self.first.load(Ordering::Acquire);
            let Some(address) = self.nodes.get(node % self.nodes.len()) else { break };
            if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await {
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                return Ok((sender, node));
            }
            self.avoid(node);
        }
        bail!("no node can be reached")
    }
}
