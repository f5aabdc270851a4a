//! `SET` and `KILL`.

use super::eval::{Env, no_row};
use super::insert::moment_of;
use super::run::{Call, Outcome, Sql};
use crate::error::{Kind, Result, SqlError};
use crate::front::statement::Scope;
use crate::jobs::elsewhere;
use crate::session::Session;
use crate::value::Value;
use crate::value::cast::text;
use sqlparser::ast::Expr;

impl Sql {
    pub(super) fn set(
        &self,
        session: &mut Session,
        scope: Scope,
        settings: &[(String, Vec<Expr>)],
        args: &[Value],
    ) -> Result<Outcome> {
        let moment = moment_of(session);
        let env = Env { args, moment: &moment, lookup: &no_row };
        for (name, values) in settings {
            let name = name.to_ascii_lowercase();
            let values = values
                .iter()
                .map(|value| env.eval(value).map(|value| text(&value)))
                .collect::<Result<Vec<_>>>()?;
            if scope == Scope::Global {
                return Err(SqlError::unsupported(format!(
                    "SET GLOBAL {name}: settings of the cluster are set by configuration or by the info protocol"
                )));
            }
            if values.is_empty() && name != "search_path" {
                session.settings.remove(&name);
            } else if name == "search_path" {
                session.schema =
                    values.into_iter().find(|one| one != "pg_catalog").unwrap_or_else(|| "doc".to_owned());
            } else {
                session.settings.insert(name, values.join(", "));
            }
        }
        Ok(Outcome::Count(0))
    }

    /// Ends statements of any node.
    pub(super) async fn kill(&self, call: &Call<'_>, id: Option<&Expr>) -> Result<Outcome> {
        let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
        let id = id.map(|id| env.eval(id)).transpose()?;
        let wanted = match &id {
            None => None,
            Some(Value::Text(id)) => Some(id.as_str()),
            Some(_) => return Err(SqlError::new(Kind::Validation, "KILL takes the id of a job, a text")),
        };
        let mut killed = self.jobs.kill(wanted, &call.job.id);
        if wanted.is_none() || killed == 0 {
            killed += elsewhere::kill(&self.records, wanted).await;
        }
        Ok(Outcome::Count(i64::try_from(killed).unwrap_or(i64::MAX)))
    }
}
