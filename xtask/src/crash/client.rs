//! A connection that asks one thing at a time.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use shipload_value::Digest;
use shipload_wire::bits::op;
use shipload_wire::code::ResultCode;
use shipload_wire::message::Header;
use shipload_wire::ops::Op;
use shipload_wire::request::{self, Key};
use shipload_wire::response::Response;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Particle type number of keys and values.
const BLOB: u8 = 4;
const INTEGER: u8 = 1;

/// A connection to the node.
#[derive(Debug)]
pub(super) struct Client {
    socket: TcpStream,
    out: Vec<u8>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Result<Client> {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(Client { socket, out: Vec::new() })
    }

    /// The record's value; none when there is no record.
    pub(super) fn get(&mut self, set: &str, key: u64) -> Result<Option<Vec<u8>>> {
        let digest = digest(set, key);
        self.out.clear();
        request::get(&mut self.out, &Key::new("test", set, &digest.0), 10_000);
        let body = self.ask()?;
        let answer = Response::decode(&body)?;
        match answer.result() {
            Some(ResultCode::Ok) => {
                let op = answer.ops.clone().next().context("a record without bins")?;
                Ok(Some(op.value.to_vec()))
            }
            Some(ResultCode::NotFound) => Ok(None),
            other => bail!("a read was answered with {other:?}"),
        }
    }

    /// Writes a record; how the node answered.
    pub(super) fn put(&mut self, set: &str, key: u64, value: &[u8]) -> Result<ResultCode> {
        let digest = digest(set, key);
        self.out.clear();
        let op = request::write_op(b"v", BLOB, value);
        request::put(&mut self.out, &Header::default(), &Key::new("test", set, &digest.0), &[op]);
        self.result()
    }

    /// Adds one to a record's number; how the node answered.
    pub(super) fn increment(&mut self, set: &str, key: u64) -> Result<ResultCode> {
        let digest = digest(set, key);
        self.out.clear();
        let one = 1u64.to_be_bytes();
        let op = Op { code: op::INCR, ..request::write_op(b"v", INTEGER, &one) };
        request::put(&mut self.out, &Header::default(), &Key::new("test", set, &digest.0), &[op]);
        self.result()
    }

    /// Deletes a record; how the node answered.
    pub(super) fn delete(&mut self, set: &str, key: u64) -> Result<ResultCode> {
        let digest = digest(set, key);
        self.out.clear();
        request::delete(&mut self.out, &Header::default(), &Key::new("test", set, &digest.0));
        self.result()
    }

    /// Truncates a set.
    pub(super) fn truncate(&mut self, set: &str) -> Result<()> {
        self.out.clear();
        request::info(&mut self.out, &[&format!("truncate:namespace=test;set={set}")]);
        let body = self.ask()?;
        let text = String::from_utf8_lossy(&body);
        ensure!(text.trim_end().ends_with("\tok"), "truncate was answered with {text}");
        Ok(())
    }

    fn result(&mut self) -> Result<ResultCode> {
        let body = self.ask()?;
        Response::decode(&body)?.result().context("an unknown result code")
    }

    fn ask(&mut self) -> Result<Vec<u8>> {
        self.socket.write_all(&self.out)?;
        let mut head = [0; 8];
        self.socket.read_exact(&mut head)?;
        let [_, _, size @ ..] = head;
        let size = size.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let mut body = vec![0; usize::try_from(size)?];
        self.socket.read_exact(&mut body)?;
        Ok(body)
    }
}

fn digest(set: &str, key: u64) -> Digest {
    Digest::of(set.as_bytes(), BLOB, &key.to_le_bytes())
}
