//! Filling a server over its own protocol: requests in batches, all answers read before the next batch.

use anyhow::{Context, ensure};
use shipload_value::Digest;
use shipload_wire::code::ResultCode;
use shipload_wire::frame::{self, Cut};
use shipload_wire::limits::Limits;
use shipload_wire::message::Header;
use shipload_wire::{request, response::Response};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Requests that are under way at once.
const BATCH: usize = 256;
/// What Redis answers to each `SET`.
const REDIS_OK: &[u8] = b"+OK\r\n";
/// Particle type numbers: the key and the value are strings.
const STRING: u8 = 3;

/// The user key of a record, the same for both servers.
fn key(number: u64) -> String {
    format!("key:{number:012}")
}

/// Puts records 0 to `records` into namespace `test`, set `bench`, bin `v`.
pub(super) fn shipload(mut stream: TcpStream, records: u64, value: &[u8]) -> anyhow::Result<()> {
    let (mut out, mut answers) = (Vec::new(), Vec::new());
    for first in (0..records).step_by(BATCH) {
        out.clear();
        let count = (records - first).min(BATCH as u64);
        for number in first..first + count {
            let digest = Digest::of(b"bench", STRING, key(number).as_bytes());
            let name = request::Key::new("test", "bench", &digest.0);
            let op = request::write_op(b"v", STRING, value);
            request::put(&mut out, &Header::default(), &name, &[op]);
        }
        stream.write_all(&out).context("sending puts")?;
        read_puts(&mut stream, &mut answers, count)?;
    }
    Ok(())
}

fn read_puts(stream: &mut TcpStream, answers: &mut Vec<u8>, count: u64) -> anyhow::Result<()> {
    answers.clear();
    let (mut seen, mut at) = (0, 0);
    while seen < count {
        match frame::cut(&answers[at..], &Limits::default()) {
            Cut::Frame { frame, consumed } => {
                let result = Response::decode(frame.body)?.result();
                ensure!(result == Some(ResultCode::Ok), "a put was answered with {result:?}");
                at += consumed;
                seen += 1;
            }
            Cut::Incomplete { .. } => read_some(stream, answers)?,
            Cut::Refuse(refusal) => anyhow::bail!("the server sent no frame: {refusal:?}"),
        }
    }
    ensure!(at == answers.len(), "more answers than requests");
    Ok(())
}

/// Puts the same records into Redis.
pub(super) fn redis(mut stream: TcpStream, records: u64, value: &[u8]) -> anyhow::Result<()> {
    let (mut out, mut answers) = (Vec::new(), Vec::new());
    for first in (0..records).step_by(BATCH) {
        out.clear();
        let count = (records - first).min(BATCH as u64);
        for number in first..first + count {
            let key = key(number);
            write!(out, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), value.len())?;
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        stream.write_all(&out).context("sending SET")?;
        answers.clear();
        while (answers.len() as u64) < count * REDIS_OK.len() as u64 {
            read_some(&mut stream, &mut answers)?;
        }
        ensure!(answers.chunks(REDIS_OK.len()).all(|answer| answer == REDIS_OK), "a SET was refused");
    }
    Ok(())
}

fn read_some(stream: &mut TcpStream, into: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut buffer = [0u8; 16 << 10];
    let count = stream.read(&mut buffer).context("reading answers")?;
    ensure!(count > 0, "the server closed the connection");
    into.extend_from_slice(&buffer[..count]);
    Ok(())
}
