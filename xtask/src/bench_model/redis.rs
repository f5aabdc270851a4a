//! Redis under load, over its own protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::ours::score;
use super::{Case, ELEMENTS, Work};
use crate::bench_records::counters::cpu_seconds;
use crate::bench_records::servers::Server;

/// Commands that are sent before their answers are read, while the data is written.
const WINDOW: i64 = 500;

/// A server with the data.
pub(super) struct Redis {
    server: Server,
    stream: BufReader<TcpStream>,
    records: i64,
    turn: i64,
}

impl Redis {
    /// Starts a server and writes the data.
    pub(super) fn start(binary: &Path, records: i64) -> Result<Self> {
        let server = Server::redis(binary)?;
        let stream = TcpStream::connect(server.address).context("cannot connect to Redis")?;
        stream.set_nodelay(true)?;
        let mut redis = Self { server, stream: BufReader::new(stream), records, turn: 0 };
        redis.many(ELEMENTS, |element| vec!["RPUSH".into(), "l".into(), element.to_string()])?;
        redis
            .many(ELEMENTS, |key| vec!["HSET".into(), "m".into(), key.to_string(), score(key).to_string()])?;
        redis
            .many(ELEMENTS, |key| vec!["ZADD".into(), "z".into(), score(key).to_string(), key.to_string()])?;
        redis.many(records, |key| vec!["ZADD".into(), "n".into(), key.to_string(), key.to_string()])?;
        Ok(redis)
    }

    /// Works for so many seconds; nothing where it has nothing like it.
    pub(super) fn measure(&mut self, case: Case, seconds: u64) -> Result<Option<Work>> {
        if case == Case::Filter {
            return Ok(None);
        }
        let until = Instant::now() + Duration::from_secs(seconds);
        let before = cpu_seconds(self.server.id())?;
        let mut operations = 0;
        while Instant::now() < until || operations == 0 {
            self.work(case)?;
            operations += 1;
        }
        Ok(Some(Work { operations, cpu_seconds: cpu_seconds(self.server.id())? - before }))
    }

    fn work(&mut self, case: Case) -> Result<()> {
        self.turn += 1;
        let turn = self.turn;
        match case {
            Case::Append => {
                // Two commands in one packet, as the other servers get both at once.
                self.send(&["RPUSH".into(), "l".into(), turn.to_string()])?;
                self.send(&["RPOP".into(), "l".into()])?;
                self.stream.get_mut().flush()?;
                self.answer()?;
                self.answer()
            }
            Case::Put => self.one(&[
                "HSET".into(),
                "m".into(),
                (turn * 7 % ELEMENTS).to_string(),
                score(turn).to_string(),
            ]),
            Case::Rank => {
                self.one(&["ZREVRANGE".into(), "z".into(), "0".into(), "9".into(), "WITHSCORES".into()])
            }
            Case::Filter => Ok(()),
            Case::Few | Case::Many => {
                let begin = turn % (self.records - case.selected(self.records));
                let end = begin + case.selected(self.records) - 1;
                self.one(&["ZRANGEBYSCORE".into(), "n".into(), begin.to_string(), end.to_string()])
            }
        }
    }

    fn many(&mut self, count: i64, command: impl Fn(i64) -> Vec<String>) -> Result<()> {
        let mut number = 0;
        while number < count {
            let end = (number + WINDOW).min(count);
            let mut bytes = Vec::new();
            (number..end).for_each(|number| encode(&mut bytes, &command(number)));
            self.stream.get_mut().write_all(&bytes)?;
            for _ in number..end {
                self.answer()?;
            }
            number = end;
        }
        Ok(())
    }

    fn one(&mut self, words: &[String]) -> Result<()> {
        self.send(words)?;
        self.answer()
    }

    fn send(&mut self, words: &[String]) -> Result<()> {
        let mut bytes = Vec::new();
        encode(&mut bytes, words);
        Ok(self.stream.get_mut().write_all(&bytes)?)
    }

    /// Reads one answer and forgets it.
    fn answer(&mut self) -> Result<()> {
        let mut left = 1u64;
        while left > 0 {
            left -= 1;
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let (kind, rest) = line.trim_end().split_at_checked(1).context("Redis closed the connection")?;
            match kind {
                "+" | ":" => {}
                "$" => {
                    let size: u64 = rest.parse().unwrap_or(0);
                    std::io::copy(&mut self.stream.by_ref().take(size + 2), &mut std::io::sink())?;
                }
                "*" => left += rest.parse::<u64>().unwrap_or(0),
                _ => bail!("Redis answered {line}"),
            }
        }
        Ok(())
    }

    /// Ends the server.
    pub(super) fn stop(self) -> Result<()> {
        ensure!(self.turn > 0, "nothing was measured");
        self.server.stop()
    }
}

fn encode(out: &mut Vec<u8>, words: &[String]) {
    out.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        out.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
}
