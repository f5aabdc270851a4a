//! One connection to one node, for info commands. Every wait has an end, and every answer a bound.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use shipload_wire::{frame, request, response};

/// Largest answer that is taken from a node, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection to a node's service port.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    /// Where the node was reached.
    pub(crate) address: SocketAddr,
}

impl Link {
    /// Connects to the first address of a host that answers.
    pub(crate) fn connect(host: &str, port: u16, timeout: Duration) -> Result<Self> {
        let addresses =
            (host, port).to_socket_addrs().with_context(|| format!("cannot find the host `{host}`"))?;
        let mut failure = None;
        for address in addresses {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(timeout))?;
                    stream.set_write_timeout(Some(timeout))?;
                    return Ok(Self { stream, address });
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error).context("cannot connect"),
            None => bail!("the host `{host}` has no address"),
        }
    }

    /// Sends commands and returns their names and answers, in the node's order.
    pub(crate) fn ask(&mut self, commands: &[&str]) -> Result<Vec<(String, String)>> {
        if let Some(command) = commands.iter().find(|command| command.contains('\n')) {
            bail!("a command is one line: {command:?}");
        }
        let mut frame = Vec::new();
        request::info(&mut frame, commands);
        self.stream.write_all(&frame).context("cannot send the command")?;
        let body = self.read_frame()?;
        let answers = response::info_answers(&body);
        Ok(answers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn read_frame(&mut self) -> Result<Vec<u8>> {
        let mut header = [0; frame::HEADER_SIZE];
        self.stream.read_exact(&mut header).context("the node does not answer")?;
        let [version, kind, size @ ..] = header;
        let size = size.iter().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        if version != frame::VERSION || kind != frame::INFO {
            bail!("this is no node: it answers with version {version}, type {kind}");
        }
        if size > ANSWER_BYTES_MAX {
            bail!("the answer of {size} bytes is too large");
        }
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body).context("the node's answer is cut off")?;
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A peer that reads one request and answers with these bytes.
    fn answer_with(bytes: &'static [u8]) -> Result<Vec<(String, String)>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 13];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(bytes).unwrap();
            request
        });
        let mut link = Link::connect("127.0.0.1", port, Duration::from_secs(5)).unwrap();
        let answers = link.ask(&["node"]);
        assert_eq!(&peer.join().unwrap(), b"\x02\x01\0\0\0\0\0\x05node\n");
        answers
    }

    #[test]
    fn an_answer_is_read() {
        let answers = answer_with(b"\x02\x01\0\0\0\0\0\x08node\tAB\n").unwrap();
        assert_eq!(answers, [("node".to_owned(), "AB".to_owned())]);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let text = |bytes| format!("{:#}", answer_with(bytes).unwrap_err());
        assert!(text(b"HTTP/1.1 400 Bad Request\r\n\r\n").contains("this is no node"));
        assert!(text(b"\x02\x01\0\0\xff\xff\xff\xff").contains("too large"));
        assert!(text(b"\x02\x01\0\0\0\0\0\x08node").contains("cut off"));
        assert!(text(b"").contains("does not answer"));
    }

    #[test]
    fn a_closed_port_is_told() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = Link::connect("127.0.0.1", port, Duration::from_secs(5)).unwrap_err();
        assert!(format!("{error:#}").contains("cannot connect"));
    }
}
