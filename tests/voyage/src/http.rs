//! One HTTP request over a connection of its own, as a visitor with an empty browser makes it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(15);

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks for a path; `headers` are whole lines.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str, headers: &[&str]) -> Result<Answer> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE).context("no connection")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")?;
    let mut text = Vec::new();
    socket.read_to_end(&mut text).context("no answer")?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").context("an empty answer")?;
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let pieces = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if pieces { whole(body) } else { body.to_owned() };
    Ok(Answer { status: status.context("an answer without a status")?, body })
}

/// A body that came in pieces, each with its length in front.
fn whole(mut pieces: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = pieces.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let (Some(piece), Some(more)) = (rest.get(..length), rest.get(length..)) else { break };
        if length == 0 {
            break;
        }
        body.push_str(piece);
        pieces = more.trim_start_matches("\r\n");
    }
    body
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn pieces_are_put_together() {
        assert_eq!(whole("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
        assert_eq!(whole("zz\r\nabc"), "");
    }
}
