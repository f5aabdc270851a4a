//! The server under test: one that runs already, or one that is started for the purpose.

use crate::process::{self, Node};
use anyhow::{Context as _, Result, bail};
use shipload_wire::{Cut, Frame, Limits, Request, bits, frame, request, response};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Starts this checkout's release build with an empty memory namespace `test`.
pub(crate) fn start() -> Result<Node> {
    let binary = process::binary(None)?;
    Node::start(&binary, &["--namespace", "test:default-ttl=0:nsup-period=120"])
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Connection { stream })
    }

    /// Sends info commands and reads the answer.
    pub(crate) fn info(&mut self, commands: &[String]) -> Result<()> {
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let mut bytes = Vec::new();
        request::info(&mut bytes, &commands);
        self.stream.write_all(&bytes)?;
        let mut answer = Vec::new();
        self.read_frame(&mut answer)
    }

    /// Sends one frame and reads everything that answers it.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.stream.write_all(request)?;
        let many = is_answered_by_many(request);
        let mut answer = Vec::new();
        loop {
            let start = answer.len();
            self.read_frame(&mut answer)?;
            let frame = answer.get(start..).unwrap_or_default();
            if many.is_none_or(|batch| ends(frame, batch)) {
                return Ok(answer);
            }
        }
    }

    /// Sends frames that are each answered by one, and reads all answers.
    pub(crate) fn ask_all(&mut self, requests: &[Vec<u8>]) -> Result<()> {
        self.stream.write_all(&requests.concat())?;
        let mut answer = Vec::new();
        for _ in requests {
            answer.clear();
            self.read_frame(&mut answer)?;
            let result = answer.get(13).copied();
            anyhow::ensure!(result == Some(0), "the server answered {result:?}");
        }
        Ok(())
    }

    fn read_frame(&mut self, answer: &mut Vec<u8>) -> Result<()> {
        let start = answer.len();
        let mut need = frame::HEADER_SIZE;
        loop {
            let have = answer.len() - start;
            answer.resize(start + need, 0);
            let rest = answer.get_mut(start + have..).unwrap_or_default();
            self.stream.read_exact(rest).context("the server did not answer")?;
            match frame::cut(answer.get(start..).unwrap_or_default(), &Limits::default()) {
                Cut::Incomplete { need: more } => need = more,
                Cut::Frame { .. } => return Ok(()),
                Cut::Refuse(refusal) => bail!("the answer is no frame: {refusal}"),
            }
        }
    }
}

/// Whether a request is answered by a stream of messages, and then whether it is a batch.
fn is_answered_by_many(request: &[u8]) -> Option<bool> {
    let Cut::Frame { frame: Frame { body, .. }, .. } = frame::cut(request, &Limits::default()) else {
        return None;
    };
    let request = Request::decode(body).ok()?;
    let batch = request.header.info1 & bits::info1::BATCH_INDEX != 0;
    let single = request.fields.digest.is_some() || request.fields.key.is_some();
    (batch || !single).then_some(batch)
}

/// Whether a stream ends with this frame.
fn ends(bytes: &[u8], batch: bool) -> bool {
    let body = bytes.get(frame::HEADER_SIZE..).unwrap_or_default();
    response::messages(body).any(|message| {
        message.is_ok_and(|message| {
            let refused = message.header.result != 0 && !message.is_partition_done();
            message.is_last() || (!batch && refused)
        })
    })
}
