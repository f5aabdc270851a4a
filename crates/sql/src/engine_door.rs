//! What this room wants of an engine for general queries. The engine stands behind a feature; this does not.

use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::jobs::Job;
use crate::network::{Hosts, Network, Ranges};
use crate::session::Session;
use crate::value::Value;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A query with what it may refer to.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The query.
    pub query: &'a sqlparser::ast::Query,
    /// Its session.
    pub session: &'a Session,
    /// Its arguments.
    pub args: &'a [Value],
    /// The statement that it belongs to.
    pub job: &'a Job,
    /// The partitions whose records it reads, in order; all of them without.
    pub among: Option<&'a [u16]>,
}

/// Takes rows as they come.
#[async_trait]
pub trait RowSink: Send {
    /// Their columns: told once, before the first row.
    ///
    /// # Errors
    /// When no row of these columns can be taken.
    async fn begin(&mut self, columns: &[(String, Type)]) -> Result<()>;

    /// Some rows.
    ///
    /// # Errors
    /// When they can't be taken.
    async fn rows(&mut self, rows: Vec<Vec<Value>>) -> Result<()>;
}

/// Rows of a file, bunch by bunch.
#[async_trait]
pub trait RowSource: Send {
    /// How many there are in all.
    fn total(&self) -> u64;

    /// The next ones, by column; none at the end.
    ///
    /// # Errors
    /// When the file can't be read.
    async fn next(&mut self) -> Result<Option<Vec<BTreeMap<String, Value>>>>;
}

/// Rows on their way into a file: bytes are given as they are ready.
pub trait RowPacker: Send {
    /// More rows.
    ///
    /// # Errors
    /// When they do not fit the file.
    fn rows(&mut self, rows: &[Vec<Value>]) -> Result<Vec<u8>>;

    /// The last bytes.
    ///
    /// # Errors
    /// When the file can't be ended.
    fn finish(self: Box<Self>) -> Result<Vec<u8>>;
}

/// Runs queries over tables.
#[async_trait]
pub trait Engine: Send + Sync {
    /// All rows of a query.
    ///
    /// # Errors
    /// What is wrong with it, or [`crate::Kind::QueryFailed`] when it takes too much.
    async fn query(&self, sql: &Sql, query: Query<'_>) -> Result<RowSet>;

    /// The columns of a query's rows.
    ///
    /// # Errors
    /// What is wrong with it.
    async fn describe(&self, sql: &Sql, query: Query<'_>) -> Result<Vec<(String, Type)>>;

    /// The plan of a query as text, one line a row.
    ///
    /// # Errors
    /// As [`Engine::query`].
    async fn explain(&self, sql: &Sql, query: Query<'_>, analyze: bool, verbose: bool) -> Result<RowSet>;

    /// Gives the rows of a query to a sink, as they come.
    ///
    /// # Errors
    /// As [`Engine::query`], and those of the sink.
    async fn pour(&self, sql: &Sql, query: Query<'_>, sink: &mut dyn RowSink) -> Result<()>;

    /// The rows of a Parquet file: these columns of it, or all.
    ///
    /// # Errors
    /// When it is none.
    async fn unpack(&self, file: Arc<dyn Ranges>, columns: &[String]) -> Result<Box<dyn RowSource>>;

    /// Begins a Parquet file of rows with these columns.
    ///
    /// # Errors
    /// For columns that no such file has.
    fn pack(&self, columns: &[(String, Type)]) -> Result<Box<dyn RowPacker>>;

    /// The network, as far as these hosts.
    ///
    /// # Errors
    /// When this machine has none.
    fn network(&self, hosts: &Hosts) -> Result<Box<dyn Network>>;
}
