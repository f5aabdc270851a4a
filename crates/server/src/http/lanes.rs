//! Lanes: connections that carry one request at a time, kept for the next one.
//!
//! A lane to this node is a pair of sockets whose other end sits at a service thread like any client's, so requests of
//! the web door are executed, handed on, parked and bounded exactly as those of the record door. A lane to another node
//! is a connection to its service port.

use super::wire;
use parking_lot::Mutex;
use shipload_web::{Frames, Later, Trouble};
use shipload_wire::frame::HEADER_SIZE;
use shipload_wire::response;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Requests at a time, and queries at a time beside them.
const CALLS: usize = 64;
const QUERIES: usize = 16;
/// Lanes that are kept while nobody needs them.
const KEPT: usize = 64;
/// How long a request may take before its lane is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Frames of a query that may wait for their reader: then the node waits as well.
const FRAMES_AHEAD: usize = 2;

/// What a lane runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How a new lane is made.
pub(super) type Open = Box<dyn Fn() -> Later<Box<dyn Stream>> + Send + Sync>;

/// Lanes to one node.
pub(super) struct Lanes {
    open: Open,
    idle: Mutex<Vec<Box<dyn Stream>>>,
    calls: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    /// Lanes that are kept while nobody needs them.
    kept: usize,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("idle", &self.idle.lock().len()).finish_non_exhaustive()
    }
}

impl Lanes {
    pub(super) fn new(open: Open) -> Arc<Lanes> {
        Lanes::sized(open, CALLS)
    }

    /// Lanes for so many requests at a time.
    pub(super) fn sized(open: Open, calls: usize) -> Arc<Lanes> {
        Lanes::keeping(open, calls, KEPT)
    }

    fn keeping(open: Open, calls: usize, kept: usize) -> Arc<Lanes> {
        Arc::new(Lanes {
            open,
            idle: Mutex::default(),
            calls: Arc::new(Semaphore::new(calls)),
            queries: Arc::new(Semaphore::new(QUERIES)),
            kept,
        })
    }

    /// Lanes for so many requests at a time, each for one request only.
    #[cfg(feature = "sql")]
    pub(super) fn fresh(open: Open, calls: usize) -> Arc<Lanes> {
        Lanes::keeping(open, calls, 0)
    }

    /// Sends frames and waits for as many frames of answers.
    pub(super) async fn call(self: Arc<Lanes>, frames: Vec<u8>, answers: usize) -> Result<Vec<u8>, Trouble> {
        let _place = place(&self.calls).await?;
        let answered = tokio::time::timeout(PATIENCE, async {
            let mut stream = self.send(&frames).await?;
            let (mut rest, mut out) = (Vec::new(), Vec::new());
            for _ in 0..answers {
                wire::receive(&mut stream, &mut rest, &mut out).await?;
            }
            self.keep(stream);
            Ok(out)
        });
        answered.await.unwrap_or(Err(Trouble::Late))
    }

    /// Sends a frame whose answers are read one by one by somebody who knows the last one.
    #[cfg(feature = "sql")]
    pub(super) async fn ask(self: Arc<Lanes>, frame: Vec<u8>) -> Result<Asked, Trouble> {
        let place = place(&self.calls).await?;
        let stream = self.send(&frame).await?;
        Ok(Asked { lanes: self, stream, rest: Vec::new(), _place: place })
    }

    /// Sends a query; its frames come until its last message. The lane is closed when nobody receives any more, which
    /// ends the query.
    pub(super) async fn query(self: Arc<Lanes>, frame: Vec<u8>) -> Result<Frames, Trouble> {
        let place = place(&self.queries).await?;
        let stream = self.send(&frame).await?;
        let (sender, frames) = mpsc::channel(FRAMES_AHEAD);
        tokio::spawn(async move {
            let closed = sender.clone();
            tokio::select! {
                () = self.follow(stream, sender, place) => {}
                () = closed.closed() => {}
            }
        });
        Ok(frames)
    }

    async fn follow(
        &self,
        mut stream: Box<dyn Stream>,
        sender: mpsc::Sender<Result<Vec<u8>, Trouble>>,
        _place: OwnedSemaphorePermit,
    ) {
        let mut rest = Vec::new();
        loop {
            let mut frame = Vec::new();
            let received =
                tokio::time::timeout(PATIENCE, wire::receive(&mut stream, &mut rest, &mut frame)).await;
            if let Err(trouble) = received.unwrap_or(Err(Trouble::Late)) {
                let _ = sender.send(Err(trouble)).await;
                return;
            }
            frame.drain(..HEADER_SIZE.min(frame.len()));
            let last = is_end(&frame);
            if sender.send(Ok(frame)).await.is_err() {
                return;
            }
            if last {
                return self.keep(stream);
            }
        }
    }

    /// A lane on which the frames are on their way. A kept lane may have been closed meanwhile: then another one is used,
    /// because what can't be sent is not executed.
    async fn send(&self, frames: &[u8]) -> Result<Box<dyn Stream>, Trouble> {
        loop {
            let idle = self.idle.lock().pop();
            let Some(mut stream) = idle else { break };
            if !is_gone(&mut stream).await && wire::send(&mut stream, frames).await.is_ok() {
                return Ok(stream);
            }
        }
        let mut stream = (self.open)().await?;
        wire::send(&mut stream, frames).await?;
        Ok(stream)
    }

    fn keep(&self, stream: Box<dyn Stream>) {
        let mut idle = self.idle.lock();
        if idle.len() < self.kept {
            idle.push(stream);
        }
    }
}

/// A lane on which answers come.
#[cfg(feature = "sql")]
pub(super) struct Asked {
    lanes: Arc<Lanes>,
    stream: Box<dyn Stream>,
    rest: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

#[cfg(feature = "sql")]
impl Asked {
    /// The next whole frame, header and body.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut frame = Vec::new();
        let received = wire::receive(&mut self.stream, &mut self.rest, &mut frame);
        tokio::time::timeout(PATIENCE, received).await.unwrap_or(Err(Trouble::Late))?;
        Ok(frame)
    }

    /// The last frame has been read: the lane may be used again.
    pub(super) fn finish(self) {
        if self.rest.is_empty() {
            self.lanes.keep(self.stream);
        }
    }
}

/// Whether the other end has closed a lane while nobody used it: then what is sent would be lost, and not known to be.
async fn is_gone(stream: &mut Box<dyn Stream>) -> bool {
    // Between requests there is nothing to read but the end.
    tokio::time::timeout(Duration::ZERO, stream.read_u8()).await.is_ok()
}

/// Whether a frame ends an answer of many messages: it has the last one, or it is a refusal of the whole, which is one
/// message without anything else. (Rows of a batch never come without the last message.)
fn is_end(body: &[u8]) -> bool {
    let (mut count, mut refused) = (0, false);
    for message in response::messages(body) {
        let Ok(message) = message else { return true };
        if message.is_last() {
            return true;
        }
        count += 1;
        refused |= message.header.result != 0 && !message.is_partition_done();
    }
    count == 1 && refused
}

async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Trouble> {
    let place = tokio::time::timeout(PATIENCE, Arc::clone(places).acquire_owned()).await;
    place.map_err(|_| Trouble::Refused)?.map_err(|_| Trouble::Refused)
}

/// An error of the machine on the way to a lane.
#[expect(clippy::needless_pass_by_value, reason = "it stands where map_err wants a function")]
pub(super) fn refused(error: io::Error) -> Trouble {
    tracing::debug!(%error, "the web door can't reach a node");
    Trouble::Refused
}
