//! What this room wants of an engine for general queries. The engine stands behind a feature; this does not.

use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::jobs::Job;
use crate::session::Session;
use crate::value::Value;
use async_trait::async_trait;

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
}
