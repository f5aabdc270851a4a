//! Records, from the side of SQL: by key, in batches, and by partitions.
//!
//! Everything goes through [`Transport`], the narrow end: frames of the client protocol to a node and its answers
//! back. Single records and batches go to the own node, which hands them on to their owners; scans go to each
//! partition's master.

mod along;
mod answer;
mod batch;
mod map;
mod scan;
mod single;
mod tcp;
mod versions;

pub use map::{NodeAddress, Nodes};
pub use scan::{Bunch, RowBunch, Scan, ScanStream};
pub use single::{Mode, Write};
pub use tcp::Tcp;
pub use versions::{Version, Versions};

use crate::error::{Kind, SqlError};
use crate::value::Value;
use async_trait::async_trait;
use shipload_wire::{Response, ResultCode};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::sleep;

/// How often something is asked again that has no master, and how long is waited before. Partitions are handed over, and taken from
/// the dead, in less.
const ASKED_AGAIN: u32 = 50;
/// How often a read is asked again that took too long.
const LATE_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a record's name.
pub type Digest = [u8; 20];

/// Where frames go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum To {
    /// The node that this process is.
    Own,
    /// Another node, by `HOST:PORT`.
    Node(String),
}

/// Bodies of the frames that answer one request.
#[async_trait]
pub trait Answers: Send {
    /// The next frame's kind and body; none when the node has closed the connection.
    async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>>;
    /// The last frame has been read: the way may be used again.
    fn finish(self: Box<Self>);
}

/// Carries frames to nodes.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request frame and gives its answers.
    async fn send(&self, to: &To, request: Vec<u8>) -> io::Result<Box<dyn Answers>>;

    /// The body of the answer to a read of one record, where the own node has it at hand; none when it has to be asked for.
    fn glance(&self, _request: &[u8], _namespace: &str, _partition: u16) -> Option<Vec<u8>> {
        None
    }
}

/// Why records could not be read or written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The node said so.
    #[error("{0}")]
    Refused(ResultCode),
    /// The node can't be reached, or answered what is no answer.
    #[error("node: {0}")]
    Io(#[from] io::Error),
}

impl From<RecordError> for SqlError {
    fn from(error: RecordError) -> SqlError {
        let kind = match &error {
            RecordError::Refused(ResultCode::RecordExists) => Kind::DuplicateKey,
            RecordError::Refused(ResultCode::Generation) => Kind::VersionConflict,
            RecordError::Refused(ResultCode::Unavailable | ResultCode::Timeout) => Kind::ShardsUnavailable,
            RecordError::Refused(ResultCode::NamespaceNotFound) => Kind::UnknownSchema,
            RecordError::Refused(
                ResultCode::RecordTooBig
                | ResultCode::BinName
                | ResultCode::GeoJson
                | ResultCode::Parameter
                | ResultCode::IncompatibleType,
            ) => Kind::Validation,
            RecordError::Refused(_) | RecordError::Io(_) => Kind::TaskFailed,
        };
        SqlError::new(kind, error.to_string())
    }
}

/// Where the records of a table are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Namespace name.
    pub namespace: String,
    /// Set name.
    pub set: String,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Its name.
    pub digest: Digest,
    /// Its user key, when it is stored with the record.
    pub key: Option<Value>,
    /// Bins by name.
    pub bins: Vec<(String, Value)>,
    /// How often it was written.
    pub generation: u32,
    /// When it expires, in seconds since 2010; 0 is never.
    pub void_time: u32,
    /// When it was written last, in milliseconds since 1970, where that was asked for.
    pub last_update_ms: Option<i64>,
}

impl Record {
    /// A bin's value; null where there is none.
    #[must_use]
    pub fn bin(&self, name: &str) -> &Value {
        self.bins.iter().find(|(bin, _)| bin == name).map_or(&Value::Null, |(_, value)| value)
    }
}

/// Which bins a read wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bins {
    /// All of them.
    All,
    /// All of them, and when the record was written last.
    AllAndTime,
    /// These.
    Some(Vec<String>),
    /// None: only that the record is there, with its metadata.
    None,
}

/// The records of the cluster.
#[derive(Clone)]
pub struct Records {
    transport: Arc<dyn Transport>,
    nodes: Arc<Nodes>,
}

impl Records {
    /// Records behind this transport.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>) -> Records {
        Records { transport, nodes: Arc::default() }
    }

    /// The value of one info command on a node.
    ///
    /// # Errors
    /// When the node can't be reached.
    pub async fn info(&self, to: &To, command: &str) -> Result<String, RecordError> {
        Ok(self.infos(to, &[command]).await?.into_iter().next().unwrap_or_default())
    }

    /// The values of some info commands on a node, in their order.
    async fn infos(&self, to: &To, commands: &[&str]) -> Result<Vec<String>, RecordError> {
        let mut request = Vec::new();
        shipload_wire::request::info(&mut request, commands);
        let body = self.call(to, request).await?;
        Ok(shipload_wire::response::info_answers(&body).map(|(_, value)| value.to_owned()).collect())
    }

    /// Asks the own node for one record. While its partition has no master, which is refused without being done, it is
    /// asked again for a while; what only reads may be asked again a few times when it took too long, too.
    async fn ask(&self, request: Vec<u8>, reads: bool) -> Result<Vec<u8>, RecordError> {
        let mut body = self.call(&To::Own, request.clone()).await?;
        let mut late = 0;
        for _ in 0..ASKED_AGAIN {
            match Response::decode(&body).ok().and_then(|response| response.result()) {
                Some(ResultCode::Unavailable) => {}
                Some(ResultCode::Timeout) if reads && late < LATE_MAX => late += 1,
                _ => break,
            }
            sleep(PAUSE).await;
            body = self.call(&To::Own, request.clone()).await?;
        }
        Ok(body)
    }

    /// Sends a request that one frame answers.
    async fn call(&self, to: &To, request: Vec<u8>) -> Result<Vec<u8>, RecordError> {
        let mut answers = self.transport.send(to, request).await?;
        let (_, body) = answers.next().await?.ok_or_else(closed)?;
        answers.finish();
        Ok(body)
    }
}

/// The connection ended before the answer.
fn closed() -> RecordError {
    RecordError::Io(io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// The digest of a user key in a set; none for a value that can be no key.
#[must_use]
pub fn digest_of(set: &str, key: &Value) -> Option<Digest> {
    let (kind, bytes) = key_particle(key)?;
    Some(shipload_value::Digest::of(set.as_bytes(), kind, &bytes).0)
}

/// The particle of a user key; none for a value that can be no key.
pub(crate) fn key_particle(key: &Value) -> Option<(u8, Vec<u8>)> {
    match key {
        Value::Int(_) | Value::Text(_) | Value::Blob(_) | Value::Double(_) => {
            Some(crate::value::particle::encode(key))
        }
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Geo(_) => None,
    }
}
