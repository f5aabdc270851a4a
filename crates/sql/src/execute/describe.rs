//! What a statement will answer, before it runs.

use super::cursor;
use super::insert::moment_of;
use super::run::{Call, Outcome, Sql};
use crate::column_type::Type;
use crate::error::Result;
use crate::front::{Parsed, Statement};
use crate::jobs::Running;
use crate::session::Session;
use crate::value::Value;
use sqlparser::ast::Statement as Stock;

impl Sql {
    /// The columns of the rows that a statement will answer; none when it answers a number.
    ///
    /// # Errors
    /// What is wrong with the statement.
    pub async fn describe(
        &self,
        session: &Session,
        parsed: &Parsed,
        args: &[Value],
    ) -> Result<Option<Vec<(String, Type)>>> {
        let job =
            Running::new(&self.jobs, self.jobs.begin(&session.user, &session.id, &parsed.text, "MANAGEMENT"));
        let call = Call { session, args, job: &job.job, moment: moment_of(session) };
        let described = match &parsed.statement {
            Statement::Stock(stock) => match stock.as_ref() {
                Stock::Query(query) => match self.point_columns(&call, query).await {
                    Some(columns) => Ok(Some(columns)),
                    None => self.engine()?.describe(self, call.query(query)).await.map(Some),
                },
                Stock::Explain { .. } => Ok(Some(vec![("QUERY PLAN".to_owned(), Type::Text)])),
                Stock::Insert(insert) => match &insert.returning {
                    Some(items) => {
                        let table = self.insert_table(&call, insert).await?;
                        super::point::project(&table, items, &[], &call).map(|set| Some(set.columns))
                    }
                    None => Ok(None),
                },
                _ => Ok(None),
            },
            Statement::Update(update) => match &update.returning {
                Some(items) => {
                    let (schema, name) = crate::catalog::qualify(&update.table, &session.schema)?;
                    let table = self.catalogs.table(&schema, &name).await?;
                    super::point::project(&table, items, &[], &call).map(|set| Some(set.columns))
                }
                None => Ok(None),
            },
            Statement::Fetch { name, skip: false, .. } => match session.cursors.get(name) {
                Some(cursor) => Ok(Some(cursor.columns.clone())),
                None => Err(cursor::unknown(name)),
            },
            Statement::CopyFrom(copy) if copy.summary => Ok(Some(super::copy::summary_columns())),
            Statement::Show(show) => match self.show(&call, show).await? {
                Outcome::Rows(rows) => Ok(Some(rows.columns)),
                Outcome::Count(_) => Ok(None),
            },
            _ => Ok(None),
        };
        self.jobs.forget(&job.job);
        described
    }
}
