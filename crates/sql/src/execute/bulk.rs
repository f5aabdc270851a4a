//! One statement with many lists of arguments.

use super::insert::moment_of;
use super::run::{BulkOutcome, Call, Outcome, Sql, bounded, timeout_of};
use crate::error::{Kind, Result, SqlError};
use crate::front::{Parsed, Statement};
use crate::jobs::Job;
use crate::session::Session;
use crate::value::Value;
use sqlparser::ast::Statement as Stock;

impl Sql {
    /// Runs a statement once for each list of arguments.
    ///
    /// # Errors
    /// For a statement that has no place here; what befalls one list stands in its outcome.
    pub async fn run_bulk(
        &self,
        session: &mut Session,
        text: &str,
        lists: &[Vec<Value>],
    ) -> Result<Vec<BulkOutcome>> {
        let parsed = self.parse(text)?;
        let running = self.begin(session, &parsed);
        let limit = timeout_of(session);
        let work = self.bulk(session, &parsed, lists, &running.job);
        let outcome = bounded(work, &running.job, limit).await;
        self.jobs.end(&running.job, outcome.as_ref().err().map(ToString::to_string));
        outcome
    }

    async fn bulk(
        &self,
        session: &mut Session,
        parsed: &Parsed,
        lists: &[Vec<Value>],
        job: &Job,
    ) -> Result<Vec<BulkOutcome>> {
        let returns =
            matches!(&parsed.statement, Statement::Stock(stock) if matches!(stock.as_ref(), Stock::Query(_)));
        if returns {
            let message = "Bulk operations for statements that return result sets is not supported";
            return Err(SqlError::new(Kind::NotSupported, message));
        }
        let insert = match &parsed.statement {
            Statement::Stock(stock) => match stock.as_ref() {
                Stock::Insert(insert) if insert.returning.is_none() => Some(insert),
                _ => None,
            },
            _ => None,
        };
        if let Some(insert) = insert {
            return self.bulk_insert(session, insert, lists, job).await;
        }
        let mut outcomes = Vec::with_capacity(lists.len());
        for args in lists {
            outcomes.push(match self.dispatch(session, parsed, args, job).await {
                Ok(Outcome::Count(count)) => Ok(count),
                Ok(Outcome::Rows(rows)) => Ok(i64::try_from(rows.rows.len()).unwrap_or(i64::MAX)),
                Err(error) if is_of_statement(&error) => return Err(error),
                Err(error) => Err(error),
            });
        }
        Ok(outcomes)
    }

    async fn bulk_insert(
        &self,
        session: &Session,
        insert: &sqlparser::ast::Insert,
        lists: &[Vec<Value>],
        job: &Job,
    ) -> Result<Vec<BulkOutcome>> {
        let first = lists.first().map(Vec::as_slice).unwrap_or_default();
        let call = Call { session, args: first, job, moment: moment_of(session) };
        let table = self.insert_table(&call, insert).await?;
        let mut outcomes = Vec::with_capacity(lists.len());
        const AT_ONCE: usize = 500;
        for chunk in lists.chunks(AT_ONCE) {
            let calls: Vec<Call<'_>> =
                chunk.iter().map(|args| Call { session, args, job, moment: call.moment.clone() }).collect();
            let all = calls.iter().map(|call| self.insert_rows(call, insert, &table));
            for inserted in futures::future::join_all(all).await {
                match inserted {
                    Ok(inserted) => outcomes.push(inserted.outcomes.into_iter().sum()),
                    Err(error) if is_of_statement(&error) => return Err(error),
                    Err(error) => outcomes.push(Err(error)),
                }
            }
        }
        Ok(outcomes)
    }
}

/// Whether an error is the statement's own, and so every row's.
fn is_of_statement(error: &SqlError) -> bool {
    matches!(
        error.kind,
        Kind::Syntax
            | Kind::Analysis
            | Kind::UnknownRelation
            | Kind::UnknownColumn
            | Kind::UnknownSchema
            | Kind::NotSupported
            | Kind::Killed
    )
}
