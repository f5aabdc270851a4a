//! `shipload tail`: what is written to a set, as it happens, one JSON object a line.
//!
//! Follows the change stream of the web door; when the node goes away it comes back with the cursor of the last event,
//! so nothing that the cluster still knows is left out. What may be missing is told as `missed`.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// After a lost connection.
const RETRY: Duration = Duration::from_secs(1);
/// The node sends something at least every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// What to follow.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Namespace
    #[arg(short, long, default_value = "test")]
    namespace: String,
    /// Set; all sets without it
    #[arg(short, long, default_value = "~")]
    set: String,
    /// A node
    #[arg(short = 'H', long, default_value = "127.0.0.1")]
    host: String,
    /// Its HTTP port
    #[arg(short, long, default_value_t = 4200)]
    port: u16,
    /// Where to go on: the cursor of an event that was printed
    #[arg(long)]
    cursor: Option<String>,
    /// End after so many changes
    #[arg(long)]
    count: Option<u64>,
}

/// Follows until it is interrupted, or until so many changes have come.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut follower = Follower { args, cursor: args.cursor.clone(), left: args.count };
    let mut connected = false;
    loop {
        match follower.follow(&mut connected) {
            Ok(true) => return Ok(ExitCode::SUCCESS),
            Err(error) if !connected => return Err(error),
            Ok(false) | Err(_) => {
                eprintln!("shipload: the stream ended; it is sought again");
                std::thread::sleep(RETRY);
            }
        }
    }
}

struct Follower<'a> {
    args: &'a Args,
    cursor: Option<String>,
    left: Option<u64>,
}

impl Follower<'_> {
    /// One connection: true when enough has come.
    fn follow(&mut self, connected: &mut bool) -> Result<bool> {
        let Args { host, port, namespace, set, .. } = self.args;
        let mut socket = TcpStream::connect((host.as_str(), *port))
            .with_context(|| format!("no connection to {host}:{port}"))?;
        socket.set_read_timeout(Some(SILENCE))?;
        let last =
            self.cursor.as_ref().map(|cursor| format!("Last-Event-ID: {cursor}\r\n")).unwrap_or_default();
        // Without chunks: the end of the connection is the end of the stream.
        let path = format!("/v1/changes/{}/{}", percent(namespace), percent(set));
        write!(socket, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: text/event-stream\r\n{last}\r\n")?;
        let mut lines = BufReader::new(socket).lines();
        let status = lines.next().context("no answer")??;
        if status.split(' ').nth(1) != Some("200") {
            let rest: Vec<String> = lines.map_while(Result::ok).skip_while(|line| !line.is_empty()).collect();
            bail!("{host}:{port} refuses: {}", rest.concat());
        }
        *connected = true;
        let (mut name, mut data) = (String::new(), String::new());
        for line in lines.by_ref() {
            let line = line?;
            match line.split_once(": ") {
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => value.clone_into(&mut data),
                Some(("id", value)) => self.cursor = Some(value.to_owned()),
                Some(_) => {}
                None if line.is_empty() && !data.is_empty() => {
                    if self.tell(&name, &data)? {
                        return Ok(true);
                    }
                    data.clear();
                }
                None => {}
            }
        }
        Ok(false)
    }

    /// Prints an event: true when enough has come.
    fn tell(&mut self, name: &str, data: &str) -> Result<bool> {
        let content: Value = serde_json::from_str(data).context("an event is no JSON")?;
        let line = serde_json::json!({ "event": name, "cursor": self.cursor, "data": content });
        let mut out = io::stdout().lock();
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
            result => result?,
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            return Ok(*left == 0);
        }
        Ok(false)
    }
}

/// A name as a segment of a path.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn names_are_one_segment() {
        assert_eq!(percent("demo-1"), "demo-1");
        assert_eq!(percent("a/b ä"), "a%2Fb%20%C3%A4");
    }
}
