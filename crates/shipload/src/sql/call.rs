//! One statement over HTTP.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use uuid::Uuid;

/// A node's HTTP door, with the connection that is open.
pub(super) struct Server {
    address: String,
    schema: Option<String>,
    open: Option<BufReader<TcpStream>>,
    /// What the server calls the open connection, where it was asked and tells.
    session: Option<Option<String>>,
}

/// What a statement came to.
pub(super) enum Answer {
    /// It worked.
    Done { columns: Vec<String>, rows: Vec<Vec<Value>>, count: i64, took_ms: f64 },
    /// The server's words.
    Refused(String),
}

impl Server {
    pub(super) fn new(address: &str, schema: Option<String>) -> Server {
        Server { address: address.to_owned(), schema, open: None, session: None }
    }

    /// The same door on a connection of its own.
    pub(super) fn another(&self) -> Server {
        Server::new(&self.address, self.schema.clone())
    }

    /// The id by which `sys.jobs` shows statements of the open connection; none where the server does not tell.
    pub(super) fn session(&mut self) -> anyhow::Result<Option<String>> {
        if self.open.is_none() || self.session.is_none() {
            // The statement finds itself.
            let mark = Uuid::new_v4();
            let told = self.run(&format!("SELECT session_id FROM sys.jobs WHERE stmt LIKE '%{mark}%'"))?;
            self.session = Some(match told {
                Answer::Done { rows, .. } => {
                    let value = rows.first().and_then(|row| row.first());
                    value.and_then(Value::as_str).map(str::to_owned)
                }
                Answer::Refused(_) => None,
            });
        }
        Ok(self.session.clone().flatten())
    }

    /// Runs a statement. The connection is kept, so that settings of the session hold.
    pub(super) fn run(&mut self, statement: &str) -> anyhow::Result<Answer> {
        let body = json!({"stmt": statement}).to_string();
        let kept = self.open.take();
        let was_kept = kept.is_some();
        let (answer, stream) = match self.exchange(kept, &body) {
            // An idle connection may have been closed meanwhile; nothing has been answered then.
            Err(_) if was_kept => {
                self.session = None;
                self.exchange(None, &body)?
            }
            other => other?,
        };
        self.open = Some(stream);
        let answer: Value = serde_json::from_slice(&answer).context("the answer is not JSON")?;
        if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
            return Ok(Answer::Refused(message.to_owned()));
        }
        let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(Answer::Done {
            columns: list("cols").iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect(),
            rows: list("rows").into_iter().map(|row| row.as_array().cloned().unwrap_or_default()).collect(),
            count: answer.get("rowcount").and_then(Value::as_i64).unwrap_or(-1),
            took_ms: answer.get("duration").and_then(Value::as_f64).unwrap_or(0.0),
        })
    }

    fn exchange(
        &self,
        kept: Option<BufReader<TcpStream>>,
        body: &str,
    ) -> anyhow::Result<(Vec<u8>, BufReader<TcpStream>)> {
        let mut stream = match kept {
            Some(stream) => stream,
            None => BufReader::new(
                TcpStream::connect(&self.address)
                    .with_context(|| format!("no node answers on {}", self.address))?,
            ),
        };
        let schema =
            self.schema.as_ref().map(|schema| format!("Default-Schema: {schema}\r\n")).unwrap_or_default();
        let head = format!(
            "POST /_sql HTTP/1.1\r\nHost: {}\r\n{schema}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        let mut length = None;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                bail!("the node has closed the connection");
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let mut answer = vec![0; length.context("the answer has no length")?];
        stream.read_exact(&mut answer)?;
        Ok((answer, stream))
    }
}
