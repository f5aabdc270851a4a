//! What programs ask of the catalogue, with the answers that they get: `tests/sql/catalogue/*.cases`.
//!
//! The statements are recorded: what the driver for Java sends for each call of its metadata, what Grafana's and DBeaver's pickers send.
//! Run with `SHIPLOAD_WRITE_CASES=1` to write the answers anew.

use crate::execute::{Outcome, Sql};
use crate::records::{Answers, Records, To, Transport};
use crate::session::Session;
use crate::system::Identity;
use crate::value::json::to_json_as;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value as Json;
use shipload_wire::bits::info2;
use shipload_wire::frame::HEADER_SIZE;
use shipload_wire::reply::{self, ReplyHeader};
use shipload_wire::{Request, ResultCode};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A node alone with the records that were written one by one; scans find none.
#[derive(Default)]
struct Pretended(Mutex<BTreeMap<Vec<u8>, Stored>>);

/// A record: its generation, and its bins with the kinds of their values.
type Stored = (u32, Vec<(Vec<u8>, u8, Vec<u8>)>);

struct Once(u8, Option<Vec<u8>>);

#[async_trait]
impl Answers for Once {
    async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        Ok(self.1.take().map(|body| (self.0, body)))
    }

    fn finish(self: Box<Self>) {}
}

#[async_trait]
impl Transport for Pretended {
    async fn send(&self, _: &To, request: Vec<u8>) -> io::Result<Box<dyn Answers>> {
        let body = request.get(HEADER_SIZE..).unwrap_or_default();
        if request.get(1) == Some(&1) {
            let line = String::from_utf8_lossy(body).trim().to_owned();
            let value = match line.as_str() {
                "namespaces" => "test",
                "node" => "A",
                "peers-clear-std" => "0,3000,[]",
                "replicas" | "sets/test" | "sindex-list" => "",
                _ => "1",
            };
            return Ok(Box::new(Once(1, Some(format!("{line}\t{value}\n").into_bytes()))));
        }
        let mut frame = Vec::new();
        self.record(body, &mut frame).map_err(io::Error::other)?;
        Ok(Box::new(Once(3, Some(frame.split_off(HEADER_SIZE)))))
    }
}

impl Pretended {
    fn record(&self, body: &[u8], frame: &mut Vec<u8>) -> Result<(), shipload_wire::DecodeError> {
        let request = Request::decode(body)?;
        let Some(digest) = request.fields.digest else {
            reply::last(frame, ResultCode::Ok);
            return Ok(());
        };
        let mut records = self.0.lock();
        if request.header.info2 & info2::WRITE != 0 {
            let (generation, bins) = records.entry(digest.to_vec()).or_default();
            *generation += 1;
            *bins = request.ops.clone().map(|op| (op.name.to_vec(), op.kind, op.value.to_vec())).collect();
            reply::simple(frame, ResultCode::Ok, *generation, 0);
            return Ok(());
        }
        let Some((generation, bins)) = records.get(digest) else {
            reply::simple(frame, ResultCode::NotFound, 0, 0);
            return Ok(());
        };
        let mark = reply::begin_frame(frame);
        let op_count = u16::try_from(bins.len()).unwrap_or(0);
        let head = ReplyHeader {
            result: ResultCode::Ok,
            generation: *generation,
            op_count,
            ..ReplyHeader::default()
        };
        reply::header(frame, &head);
        bins.iter().for_each(|(name, kind, value)| reply::op(frame, 1, *kind, name, value));
        reply::end_frame(frame, mark);
        Ok(())
    }
}

/// The answer to a statement, as its file has it.
async fn answer(sql: &Sql, session: &mut Session, statement: &str) -> String {
    let mut lines = format!("{}\n", statement.trim());
    match sql.run(session, statement, &[]).await {
        Ok(Outcome::Rows(rows)) => {
            for row in &rows.rows {
                let cells = row.iter().zip(&rows.columns).map(|(value, (_, ty))| to_json_as(value, ty));
                let _ = writeln!(lines, "=> {}", Json::Array(cells.collect()));
            }
        }
        Ok(Outcome::Count(_)) => {}
        Err(error) => {
            let _ = writeln!(lines, "!! {error}");
        }
    }
    lines
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sql/catalogue");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_ask_the_catalogue() {
    let mut wrong = String::new();
    for file in files() {
        let records = Records::new(Arc::new(Pretended::default()));
        let engine = super::start(64 << 20).expect("an engine");
        let sql = Sql::new(records, Identity::default(), Some(engine));
        let mut session = Session::new("crate");
        let text = std::fs::read_to_string(&file).expect("a text");
        let mut fresh = Vec::new();
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            let statement: Vec<&str> = paragraph
                .lines()
                .filter(|line| !line.starts_with("=> ") && !line.starts_with("!! "))
                .collect();
            fresh.push(answer(&sql, &mut session, &statement.join("\n")).await);
        }
        let fresh = fresh.join("\n");
        if std::env::var_os("SHIPLOAD_WRITE_CASES").is_some() {
            std::fs::write(&file, &fresh).expect("a file");
        }
        for (got, wanted) in fresh.split("\n\n").zip(text.split("\n\n")) {
            if got.trim() != wanted.trim() {
                let _ = writeln!(wrong, "{}:\nwanted {wanted}\ngot {got}\n", file.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
