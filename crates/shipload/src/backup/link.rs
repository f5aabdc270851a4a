//! A connection to one node that sends requests and reads frames.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use shipload_wire::{frame, request, response};

/// The longest silence of a node.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest frame that is taken.
const FRAME_MAX: usize = 128 << 20;

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    socket: TcpStream,
    input: BufReader<TcpStream>,
}

impl Link {
    pub(crate) fn connect(address: SocketAddr) -> Result<Link> {
        let socket = TcpStream::connect_timeout(&address, PATIENCE)
            .with_context(|| format!("cannot connect to {address}"))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let input = BufReader::with_capacity(1 << 20, socket.try_clone()?);
        Ok(Link { socket, input })
    }

    /// From now on the node may be silent for so long; for ever with none.
    pub(crate) fn set_patience(&self, patience: Option<Duration>) -> Result<()> {
        Ok(self.socket.set_read_timeout(patience)?)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes).context("the node takes no request")
    }

    /// The body of the next frame.
    pub(crate) fn frame(&mut self) -> Result<Vec<u8>> {
        let mut head = [0; frame::HEADER_SIZE];
        self.input.read_exact(&mut head).context("the node does not answer")?;
        let [version, _, size @ ..] = head;
        let size = size.iter().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        ensure!(version == frame::VERSION && size <= FRAME_MAX, "this is no node's answer");
        let mut body = vec![0; size];
        self.input.read_exact(&mut body).context("the node's answer is cut off")?;
        Ok(body)
    }

    /// The answer to an info command.
    pub(crate) fn info(&mut self, command: &str) -> Result<String> {
        let mut out = Vec::new();
        request::info(&mut out, &[command]);
        self.send(&out)?;
        let body = self.frame()?;
        let answer = response::info_answers(&body).next().map(|(_, value)| value.to_owned());
        answer.with_context(|| format!("no answer to {command}"))
    }
}
