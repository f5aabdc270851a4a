//! As much of HTTP as it takes to load a page many times over one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest page that is read, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A connection; it is opened again when the page closes it after an answer.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    closes: bool,
}

/// What stands before the body of an answer.
struct Head {
    status: u16,
    length: usize,
    closes: bool,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect to the page")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), address, closes: false })
    }

    /// Loads a page: its status and its text.
    pub(super) fn get(&mut self, path: &str) -> Result<(u16, String)> {
        if self.closes {
            *self = Self::open(self.address)?;
        }
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.stream.get_mut().write_all(request.as_bytes()).context("cannot send to the page")?;
        let Head { status, length, closes } = self.head()?;
        self.closes = closes;
        ensure!(length <= BODY_BYTES_MAX, "a page of {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).context("the page is cut off")?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn head(&mut self) -> Result<Head> {
        let first = self.line()?;
        let status = first.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no HTTP: {first}"))?;
        let (mut length, mut closes) = (None, false);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                let length = length.context("a page without Content-Length")?;
                return Ok(Head { status, length, closes });
            }
            let (name, value) = line.split_once(':').with_context(|| format!("no header: {line}"))?;
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok(),
                "connection" => closes = value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).context("the page does not answer")?;
        ensure!(read > 0, "the page closed the connection");
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn pages_come_one_after_the_other_until_the_page_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let first = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab";
            let second = "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.write_all([first, second].concat().as_bytes()).unwrap();
            let (mut again, _) = listener.accept().unwrap();
            again.write_all(first.as_bytes()).unwrap();
            (stream, again)
        });
        let mut connection = Connection::open(address).unwrap();
        assert_eq!(connection.get("/").unwrap(), (200, "ab".to_owned()));
        assert_eq!(connection.get("/").unwrap(), (503, String::new()));
        assert_eq!(connection.get("/").unwrap(), (200, "ab".to_owned()));
        let _streams = server.join().unwrap();
    }
}
