//! Cursors: a query's rows, kept with the connection and handed out in parts.

use super::run::{Call, Outcome, RowSet, Sql};
use crate::error::{Kind, Result, SqlError};
use crate::session::{Cursor, Session};

/// Open cursors of one connection, at most.
const OPEN_MAX: usize = 16;

impl Sql {
    /// Runs a query for a cursor.
    pub(super) async fn declare(
        &self,
        call: &Call<'_>,
        hold: bool,
        query: &sqlparser::ast::Query,
    ) -> Result<Cursor> {
        if call.session.cursors.len() >= OPEN_MAX {
            return Err(SqlError::new(Kind::TooMany, format!("{OPEN_MAX} cursors are open")));
        }
        let set = self.query(call, query).await?;
        Ok(Cursor { columns: set.columns, rows: set.rows.into(), hold })
    }
}

/// Takes rows from a cursor.
pub(super) fn fetch(session: &mut Session, name: &str, count: Option<u64>, skip: bool) -> Result<Outcome> {
    let cursor = session.cursors.get_mut(name).ok_or_else(|| unknown(name))?;
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let rows = cursor.rows.drain(..count.min(cursor.rows.len())).collect::<Vec<_>>();
    if skip {
        return Ok(Outcome::Count(i64::try_from(rows.len()).unwrap_or(i64::MAX)));
    }
    Ok(Outcome::Rows(RowSet { columns: cursor.columns.clone(), rows }))
}

/// Closes a cursor, or all.
pub(super) fn close(session: &mut Session, name: Option<&str>) -> Result<Outcome> {
    match name {
        None => session.cursors.clear(),
        Some(name) => drop(session.cursors.remove(name).ok_or_else(|| unknown(name))?),
    }
    Ok(Outcome::Count(0))
}

/// There is no such cursor.
pub(super) fn unknown(name: &str) -> SqlError {
    SqlError::new(Kind::UnknownCursor, format!("No cursor named `{name}` available"))
}

#[cfg(test)]
mod tests {
    use super::{close, fetch};
    use crate::execute::Outcome;
    use crate::session::{Cursor, Session};
    use crate::value::Value;

    #[test]
    fn rows_come_once() {
        let mut session = Session::new("crate");
        let rows = (0..5).map(|number| vec![Value::Int(number)]).collect();
        session.cursors.insert("c".to_owned(), Cursor { rows, ..Cursor::default() });
        let mut count = |wanted, skip| match fetch(&mut session, "c", wanted, skip) {
            Ok(Outcome::Rows(set)) => set.rows.len(),
            Ok(Outcome::Count(count)) => usize::try_from(count).unwrap_or(0),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(
            [count(Some(2), false), count(Some(1), true), count(None, false), count(Some(1), false)],
            [2, 1, 2, 0]
        );
        assert!(close(&mut session, Some("c")).is_ok());
        assert!(close(&mut session, Some("c")).is_err() && fetch(&mut session, "c", None, false).is_err());
    }
}
