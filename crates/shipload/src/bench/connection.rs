//! One connection with at most one operation in flight. Never blocks but to connect.

use super::dialect::{Answer, Dialect};
use super::stats::Outcome;
use super::workload::Class;
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes that are read at once at first; grows with the answers.
const INPUT_SIZE: usize = 4096;

/// An operation that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) class: Class,
    /// The time that its latency counts from, in nanoseconds since the run began.
    pub(super) due_ns: u64,
    /// When it was sent.
    pub(super) sent_ns: u64,
}

/// A connected socket and its buffers.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) pending: Option<Pending>,
    output: Vec<u8>,
    /// Bytes of `output` that are on their way.
    written: usize,
    input: Vec<u8>,
    /// Bytes of `input` that were received.
    filled: usize,
}

impl Connection {
    /// Connects; blocks for at most `timeout`.
    pub(super) fn open(address: SocketAddr, timeout: Duration) -> io::Result<Connection> {
        let stream = std::net::TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream: TcpStream::from_std(stream),
            pending: None,
            output: Vec::new(),
            written: 0,
            input: vec![0; INPUT_SIZE],
            filled: 0,
        })
    }

    /// The buffer for the next request, empty; call [`Connection::send`] after filling it.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        self.output.clear();
        self.written = 0;
        &mut self.output
    }

    /// Sends the request in the output buffer, as much as the socket takes.
    pub(super) fn send(&mut self, pending: Pending) -> io::Result<()> {
        self.pending = Some(pending);
        self.flush()
    }

    /// Sends what is left of the request.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives; the finished operation when its answer is whole.
    pub(super) fn receive(&mut self, dialect: &dyn Dialect) -> io::Result<Option<(Pending, Outcome)>> {
        loop {
            if self.filled == self.input.len() {
                self.input.resize(self.input.len() * 2, 0);
            }
            let count = match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.filled += count;
            // A full answer needs no second read to see that nothing follows: one request, one answer.
            if let Some(finished) = self.finish(dialect)? {
                return Ok(Some(finished));
            }
        }
    }

    fn finish(&mut self, dialect: &dyn Dialect) -> io::Result<Option<(Pending, Outcome)>> {
        let unasked = || io::Error::new(ErrorKind::InvalidData, "an answer that nobody asked for");
        let pending = self.pending.ok_or_else(unasked)?;
        match dialect.answer(pending.class, &self.input[..self.filled]) {
            Answer::Incomplete => Ok(None),
            Answer::Broken => Err(io::Error::new(ErrorKind::InvalidData, "not an answer of this protocol")),
            Answer::Whole { consumed, .. } if consumed != self.filled => Err(unasked()),
            Answer::Whole { outcome, .. } => {
                self.filled = 0;
                self.pending = None;
                Ok(Some((pending, outcome)))
            }
        }
    }
}
