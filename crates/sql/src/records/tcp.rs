//! Frames over TCP, with connections kept for the next request.

use super::{Answers, To, Transport};
use async_trait::async_trait;
use parking_lot::Mutex;
use shipload_wire::frame::{self, Cut, HEADER_SIZE};
use shipload_wire::{Frame, Limits};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Idle connections that are kept, for each node.
const IDLE_MAX: usize = 64;
/// How long a node may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a node may be silent in the middle of a request.
const SILENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 64 * 1024;

type Idle = Arc<Mutex<HashMap<String, Vec<TcpStream>>>>;

/// Connections to nodes over TCP.
#[derive(Debug)]
pub struct Tcp {
    own: String,
    idle: Idle,
}

impl Tcp {
    /// Connections, with the record port of the own node as `HOST:PORT`.
    #[must_use]
    pub fn new(own: String) -> Tcp {
        Tcp { own, idle: Idle::default() }
    }

    async fn connect(address: &str) -> io::Result<TcpStream> {
        let stream = timeout(CONNECT, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[async_trait]
impl Transport for Tcp {
    async fn send(&self, to: &To, request: Vec<u8>) -> io::Result<Box<dyn Answers>> {
        let address = match to {
            To::Own => self.own.clone(),
            To::Node(address) => address.clone(),
        };
        let kept = self.idle.lock().get_mut(&address).and_then(Vec::pop);
        let usable = kept.filter(is_open);
        let mut stream = match usable {
            Some(stream) => stream,
            None => Tcp::connect(&address).await?,
        };
        stream.write_all(&request).await?;
        let idle = Arc::clone(&self.idle);
        Ok(Box::new(TcpAnswers { stream, address, idle, buffer: Vec::new(), limits: Limits::default() }))
    }
}

/// Whether an idle connection still stands: there is nothing to read on it.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

struct TcpAnswers {
    stream: TcpStream,
    address: String,
    idle: Idle,
    buffer: Vec<u8>,
    limits: Limits,
}

#[async_trait]
impl Answers for TcpAnswers {
    async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        loop {
            let need = match frame::cut(&self.buffer, &self.limits) {
                Cut::Frame { frame, consumed } => {
                    let answer = open(&frame, &self.limits)?;
                    self.buffer.drain(..consumed);
                    return Ok(Some(answer));
                }
                Cut::Incomplete { need } => need.max(HEADER_SIZE),
                Cut::Refuse(refusal) => return Err(io::Error::other(refusal.to_string())),
            };
            self.buffer.reserve(need.saturating_sub(self.buffer.len()).max(CHUNK));
            if timeout(SILENCE, self.stream.read_buf(&mut self.buffer)).await?? == 0 {
                return Ok(None);
            }
        }
    }

    fn finish(self: Box<Self>) {
        if !self.buffer.is_empty() {
            return;
        }
        let mut idle = self.idle.lock();
        let kept = idle.entry(self.address).or_default();
        if kept.len() < IDLE_MAX {
            kept.push(self.stream);
        }
    }
}

/// Kind and body of a frame, unpacked when it is compressed.
fn open(frame: &Frame<'_>, limits: &Limits) -> io::Result<(u8, Vec<u8>)> {
    if frame.kind != frame::COMPRESSED {
        return Ok((frame.kind, frame.body.to_vec()));
    }
    let mut scratch = Vec::new();
    let inner = frame::inflate(frame.body, limits, &mut scratch)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok((inner.kind, inner.body.to_vec()))
}
