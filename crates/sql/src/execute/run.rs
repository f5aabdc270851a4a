//! One statement from its text to its answer.

use super::cursor;
use super::functions::Moment;
use super::insert::moment_of;
use crate::catalog::Catalogs;
use crate::column_type::Type;
use crate::engine_door::{Engine, Query};
use crate::error::{Kind, Result, SqlError};
use crate::front::{Parsed, Statement, parse};
use crate::jobs::{Job, Jobs, Running};
use crate::records::Records;
use crate::session::Session;
use crate::system::Identity;
use crate::value::Value;
use futures::FutureExt as _;
use parking_lot::Mutex;
use sqlparser::ast::{Query as AstQuery, Statement as Stock};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::sleep;

/// Statements that are kept parsed, by text.
const KEPT_MAX: usize = 1024;
/// Longer texts are not kept.
const KEPT_TEXT_MAX: usize = 4096;

/// Rows with the names and types of their columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowSet {
    /// Title and type.
    pub columns: Vec<(String, Type)>,
    /// Values in the columns' order.
    pub rows: Vec<Vec<Value>>,
}

/// What a statement answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Rows.
    Rows(RowSet),
    /// A number of rows.
    Count(i64),
}

/// How one row of a bulk request ended.
pub type BulkOutcome = std::result::Result<i64, SqlError>;

/// A statement under way.
pub struct Call<'a> {
    /// Its session.
    pub session: &'a Session,
    /// Its arguments.
    pub args: &'a [Value],
    /// Its job.
    pub job: &'a Job,
    /// Time and names for functions.
    pub moment: Moment,
}

/// Everything that statements need.
pub struct Sql {
    /// The records of the cluster.
    pub records: Records,
    /// The catalogue of the cluster.
    pub catalogs: Catalogs,
    /// The statements of this node.
    pub jobs: Jobs,
    /// Who this node is.
    pub identity: Identity,
    /// Runs what the fast path does not know.
    pub engine: Option<Arc<dyn Engine>>,
    kept: Mutex<HashMap<String, Arc<Parsed>>>,
    /// Itself, for work that outlives its statement.
    own: Weak<Sql>,
}

impl Sql {
    /// Statements over these records. Without an engine only the fast path works.
    #[must_use]
    pub fn new(records: Records, identity: Identity, engine: Option<Arc<dyn Engine>>) -> Arc<Sql> {
        let catalogs = Catalogs::new(records.clone());
        Arc::new_cyclic(|own| Sql {
            records,
            catalogs,
            jobs: Jobs::default(),
            identity,
            engine,
            kept: Mutex::default(),
            own: Weak::clone(own),
        })
    }

    /// Itself, for work that outlives its statement; none when this node ends.
    pub(super) fn own(&self) -> Option<Arc<Sql>> {
        self.own.upgrade()
    }

    /// Parses a statement, or finds it parsed.
    ///
    /// # Errors
    /// For a text that is no statement.
    pub fn parse(&self, text: &str) -> Result<Arc<Parsed>> {
        if let Some(parsed) = self.kept.lock().get(text) {
            return Ok(Arc::clone(parsed));
        }
        let parsed = Arc::new(parse(text)?);
        let mut kept = self.kept.lock();
        if text.len() <= KEPT_TEXT_MAX {
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(text.to_owned(), Arc::clone(&parsed));
        }
        Ok(parsed)
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// Whatever is wrong with it, or befell it.
    pub async fn run(&self, session: &mut Session, text: &str, args: &[Value]) -> Result<Outcome> {
        let parsed = self.parse(text)?;
        self.run_parsed(session, &parsed, args).await
    }

    /// Runs a statement that was parsed before.
    ///
    /// # Errors
    /// As [`Sql::run`].
    pub async fn run_parsed(
        &self,
        session: &mut Session,
        parsed: &Parsed,
        args: &[Value],
    ) -> Result<Outcome> {
        let running = self.begin(session, parsed);
        let limit = timeout_of(session);
        let work = self.dispatch(session, parsed, args, &running.job);
        let outcome = bounded(work, &running.job, limit).await;
        self.jobs.end(&running.job, outcome.as_ref().err().map(ToString::to_string));
        outcome
    }

    pub(super) fn begin(&self, session: &Session, parsed: &Parsed) -> Running<'_> {
        let class = parsed.statement.class();
        Running::new(&self.jobs, self.jobs.begin(&session.user, &session.id, &parsed.text, class))
    }

    pub(super) async fn dispatch(
        &self,
        session: &mut Session,
        parsed: &Parsed,
        args: &[Value],
        job: &Job,
    ) -> Result<Outcome> {
        if let Statement::Set(scope, settings) = &parsed.statement {
            return self.set(session, *scope, settings, args);
        }
        if let Statement::Reset(names) = &parsed.statement {
            names.iter().for_each(|name| drop(session.settings.remove(name)));
            return Ok(Outcome::Count(0));
        }
        match &parsed.statement {
            Statement::Declare { name, hold, query } => {
                let call = Call { session, args, job, moment: moment_of(session) };
                let cursor = self.declare(&call, *hold, query).await?;
                session.cursors.insert(name.clone(), cursor);
                return Ok(Outcome::Count(0));
            }
            Statement::Fetch { name, count, skip } => return cursor::fetch(session, name, *count, *skip),
            Statement::Close(name) => return cursor::close(session, name.as_deref()),
            Statement::Commit | Statement::Rollback => session.cursors.retain(|_, cursor| cursor.hold),
            _ => {}
        }
        let call = Call { session, args, job, moment: moment_of(session) };
        match &parsed.statement {
            Statement::Stock(stock) => self.stock(&call, stock).await,
            Statement::Update(update) => self.update(&call, update).await,
            Statement::CreateTable(table) => self.create_table(&call, table).await,
            Statement::CreateTableAs { name, if_not_exists, query } => {
                self.create_table_as(&call, name, *if_not_exists, query).await
            }
            Statement::CreateView { name, or_replace, query } => {
                self.create_view(&call, name, *or_replace, query).await
            }
            Statement::Drop { what, if_exists, names } => {
                self.drop_relations(&call, what, *if_exists, names).await
            }
            Statement::CreateIndex { name, if_not_exists, table, columns } => {
                self.create_index(&call, (name, *if_not_exists), table, columns).await
            }
            Statement::DropIndex { if_exists, names } => self.drop_indexes(names, *if_exists).await,
            Statement::AlterTable(name, change) => self.alter_table(&call, name, change).await,
            Statement::Refresh(names) | Statement::Accepted(names) => self.check_names(&call, names).await,
            Statement::Kill(id) => self.kill(&call, id.as_ref()).await,
            Statement::Show(show) => self.show(&call, show).await,
            Statement::CopyFrom(copy) => self.copy_from(&call, copy).await,
            Statement::CopyTo(copy) => self.copy_to(&call, copy).await,
            Statement::Begin | Statement::Commit | Statement::Rollback | Statement::Forget(_) => {
                Ok(Outcome::Count(0))
            }
            Statement::Set(..) | Statement::Reset(_) => Ok(Outcome::Count(0)),
            Statement::Declare { .. } | Statement::Fetch { .. } | Statement::Close(_) => {
                Ok(Outcome::Count(0))
            }
        }
    }

    async fn stock(&self, call: &Call<'_>, stock: &Stock) -> Result<Outcome> {
        match stock {
            Stock::Query(query) => self.query(call, query).await.map(Outcome::Rows),
            Stock::Insert(insert) => self.insert(call, insert).await,
            Stock::Delete(delete) => self.delete(call, delete).await,
            Stock::Explain { statement, analyze, verbose, .. } => {
                let Stock::Query(query) = statement.as_ref() else {
                    return Err(SqlError::unsupported("EXPLAIN of anything but a query"));
                };
                let engine = self.engine()?;
                engine.explain(self, call.query(query), *analyze, *verbose).await.map(Outcome::Rows)
            }
            Stock::Truncate(_) => {
                Err(SqlError::unsupported("TRUNCATE; DELETE without a condition does the same"))
            }
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                Err(SqlError::unsupported(format!("Unsupported statement: {text}")))
            }
        }
    }

    /// The rows of a query: by keys where it names them, by the engine else.
    pub(super) async fn query(&self, call: &Call<'_>, query: &AstQuery) -> Result<RowSet> {
        if let Some(rows) = self.point(call, query).await? {
            return Ok(rows);
        }
        self.engine()?.query(self, call.query(query)).await
    }

    pub(super) fn engine(&self) -> Result<&Arc<dyn Engine>> {
        let missing = || {
            SqlError::unsupported(
                "this binary was built without the engine for general queries (feature sql)",
            )
        };
        self.engine.as_ref().ok_or_else(missing)
    }
}

impl<'a> Call<'a> {
    /// The engine's view of a query in this statement.
    pub(super) fn query(&self, query: &'a AstQuery) -> Query<'a> {
        Query { query, session: self.session, args: self.args, job: self.job, among: None }
    }
}

/// How long a statement of this session may take.
pub(super) fn timeout_of(session: &Session) -> Option<Duration> {
    let text = session.setting("statement_timeout")?;
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    Some(match text.trim_start_matches(char::is_numeric).trim() {
        "s" => Duration::from_secs(number),
        "m" | "min" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        _ => Duration::from_millis(number),
    })
}

/// Work until it is done, killed, or out of time.
pub(super) async fn bounded<T>(
    work: impl Future<Output = Result<T>>,
    job: &Job,
    limit: Option<Duration>,
) -> Result<T> {
    let late = async {
        match limit {
            Some(limit) => sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let panicked = |_| {
        let message = "the statement's work has panicked; the node's log tells where";
        Err(SqlError::new(Kind::Internal, message))
    };
    tokio::select! {
        done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(panicked),
        () = job.killed() => Err(SqlError::new(Kind::Killed, format!("Job killed. {}", job.id))),
        () = late => Err(SqlError::new(Kind::Killed, "Job killed. statement_timeout")),
    }
}

#[cfg(test)]
mod tests {
    use super::bounded;
    use crate::error::{Kind, Result};
    use crate::jobs::Jobs;
    use std::time::Duration;

    #[tokio::test]
    async fn work_ends_with_an_answer() {
        let jobs = Jobs::default();
        let job = jobs.begin("crate", "session", "select 1", "SELECT");
        let kind = |done: Result<i64>| done.expect_err("an error").kind;
        let broken = async { if jobs.running().len() == 1 { panic!("on purpose") } else { Ok(1) } };
        assert_eq!(kind(bounded(broken, &job, None).await), Kind::Internal);
        let endless = || std::future::pending::<Result<i64>>();
        assert_eq!(kind(bounded(endless(), &job, Some(Duration::from_millis(1))).await), Kind::Killed);
        assert_eq!(jobs.kill(Some(&job.id), ""), 1);
        assert_eq!(kind(bounded(endless(), &job, None).await), Kind::Killed);
    }
}
