//! A node's share of a `COPY`, done by that node: it is asked with a statement of its own.

use super::Wishes;
use super::from::{Done, Share};
use super::partitions::ranges;
use super::place::Place;
use crate::error::{Kind, Result, SqlError};
use crate::execute::run::{Call, Sql};
use crate::front::quoted;
use crate::front::statement::Copy;
use crate::network::Unasked;
use crate::records::{NodeAddress, To};
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::time::timeout;

/// How often it is looked whether a node that works is still in the cluster, and how often it may be missing.
const LOOK: Duration = Duration::from_secs(1);
const MISSING_MAX: u32 = 3;

/// Statuses of a node that takes no statements, or none from here.
const NOT_FOUND: u16 = 404;
const REFUSALS: [u16; 4] = [403, NOT_FOUND, 405, 421];

/// How a node did its share, and what it told of it.
pub(super) enum Asked<T> {
    /// It has done it.
    Done(T),
    /// It has done nothing of it.
    NotBegun {
        why: SqlError,
        /// It has no SQL, so nothing for `COPY` either.
        elsewhere: bool,
    },
    /// It has begun, and nobody knows how far it came.
    Lost(SqlError),
}

impl Sql {
    /// Asks a node to do its share. An error only when the whole statement shall end.
    pub(super) async fn ask_share(
        &self,
        call: &Call<'_>,
        copy: &Copy,
        wishes: &Wishes,
        share: &Share,
    ) -> Result<Asked<Vec<Done>>> {
        let (schema, name) = crate::catalog::qualify(&copy.table, &call.session.schema)?;
        let statement = statement(&[schema, name], copy, wishes, share);
        Ok(match self.ask_node(&share.node, &statement).await? {
            Asked::NotBegun { why, elsewhere } => Asked::NotBegun { why, elsewhere },
            Asked::Lost(why) => Asked::Lost(why),
            Asked::Done(text) => match read(&share.node.id, share, &text) {
                Some(done) => {
                    let rows: i64 = done.iter().filter_map(|done| done.written).sum();
                    call.job.progress.add_rows(usize::try_from(rows).unwrap_or(0));
                    Asked::Done(done)
                }
                None => Asked::Lost(no_summary(&share.node.id, &text)),
            },
        })
    }

    /// Asks a node to do a statement. An error only when the whole of which it is a share shall end.
    pub(super) async fn ask_node(&self, node: &NodeAddress, statement: &str) -> Result<Asked<String>> {
        let NodeAddress { id: node, to } = node;
        let Some(door) = self.door_of(to).await else {
            let why = SqlError::new(Kind::TaskFailed, format!("node {node} has no door for statements"));
            return Ok(Asked::NotBegun { why, elsewhere: true });
        };
        let network = self.engine()?.network(&self.identity.hosts)?;
        let body = json!({ "stmt": statement }).to_string();
        let mut asked = network.ask(&door, body);
        let mut missing = 0;
        let answer = loop {
            if let Ok(answer) = timeout(LOOK, &mut asked).await {
                break answer;
            }
            let nodes = self.records.nodes().await.unwrap_or_default();
            missing = if nodes.iter().any(|there| there.id == *node) { 0 } else { missing + 1 };
            if missing > MISSING_MAX {
                break Err(Unasked::Broken("it has left the cluster".to_owned()));
            }
        };
        let failed =
            |what: &str, why: String| SqlError::new(Kind::TaskFailed, format!("node {node} {what}: {why}"));
        Ok(match answer {
            Err(Unasked::NotReached(why)) => {
                Asked::NotBegun { why: failed("can't be asked", why), elsewhere: false }
            }
            Err(Unasked::Broken(why)) => {
                Asked::Lost(failed("went away, and a part of this may have been written", why))
            }
            Ok((200, text)) => Asked::Done(text),
            Ok((status, text)) => match error_of(&text) {
                None if REFUSALS.contains(&status) => {
                    let why = failed("has no door for statements", format!("status {status}"));
                    Asked::NotBegun { why, elsewhere: status == NOT_FOUND }
                }
                None => Asked::Lost(failed(
                    "went away, and a part of this may have been written",
                    status.to_string(),
                )),
                Some((code, message)) if code == Kind::Unavailable.code() || code == Kind::TooMany.code() => {
                    Asked::NotBegun { why: failed("can't be asked", message), elsewhere: false }
                }
                Some((_, message)) => return Err(failed("ended", message)),
            },
        })
    }

    /// Where a node takes statements, as `HOST:PORT`.
    async fn door_of(&self, to: &To) -> Option<String> {
        let To::Node(address) = to else { return None };
        let said = self.records.info(to, "get-config:context=network").await.ok()?;
        let port = said.split(';').find_map(|pair| pair.strip_prefix("http.port="))?;
        let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
        let (host, _) = address.rsplit_once(':')?;
        Some(format!("{host}:{port}"))
    }
}

pub(super) fn no_summary(node: &str, text: &str) -> SqlError {
    let start: String = text.chars().take(200).collect();
    SqlError::new(Kind::TaskFailed, format!("node {node} answers what is no summary: {start}"))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The words of a statement that all nodes are told: the table with its columns, and the options with the node as the only one that
/// takes part.
fn told(table: &[String], copy: &Copy, wishes: &Wishes, node: &str) -> (String, String) {
    let list = |names: &[String], between: &str| {
        names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(between)
    };
    let columns =
        if copy.columns.is_empty() { String::new() } else { format!(" ({})", list(&copy.columns, ", ")) };
    let mut options: Vec<String> =
        wishes.told.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
    options.push(format!("node_filters = {{id = {}}}", literal(node)));
    (format!("{}{columns}", list(table, ".")), options.join(", "))
}

/// The statement for one node: its addresses, and itself as the only one that reads.
fn statement(table: &[String], copy: &Copy, wishes: &Wishes, share: &Share) -> String {
    let places = share.shared.iter().chain(&share.own).map(Place::address);
    let addresses: Vec<String> = places.map(|address| literal(&address)).collect();
    let (table, options) = told(table, copy, wishes, &share.node.id);
    format!("COPY {table} FROM [{}] WITH ({options}) RETURN SUMMARY", addresses.join(", "))
}

/// The statement for one node that writes the rows of these partitions into a folder.
pub(super) fn outgoing_statement(
    table: &[String],
    copy: &Copy,
    wishes: &Wishes,
    (node, partitions, folder): (&str, &[u16], &Place),
) -> String {
    let (table, options) = told(table, copy, wishes, node);
    let condition = copy.selection.as_ref().map(|expr| format!(" WHERE {expr}")).unwrap_or_default();
    let (folder, partitions) = (literal(&folder.address()), literal(&ranges(partitions)));
    format!("COPY {table}{condition} TO DIRECTORY {folder} WITH ({options}, partitions = {partitions})")
}

/// How many rows a node has written; none when its answer does not tell.
pub(super) fn written(text: &str) -> Option<i64> {
    serde_json::from_str::<Json>(text).ok()?.get("rowcount")?.as_i64().filter(|count| *count >= 0)
}

/// What a node has told in its summary; none when it is none.
fn read(node: &str, share: &Share, text: &str) -> Option<Vec<Done>> {
    let answer: Json = serde_json::from_str(text).ok()?;
    let rows = answer.get("rows")?.as_array()?;
    let row = |row: &Json| {
        let (address, written) = (row.get(1)?.as_str()?.to_owned(), row.get(2)?.as_i64());
        let errors = row.get(4)?.as_object()?.iter();
        let errors: Vec<(String, i64)> = errors
            .map(|(text, count)| (text.clone(), count.get("count").and_then(Json::as_i64).unwrap_or(1)))
            .collect();
        let failed = row.get(3)?.as_i64();
        let broken = failed.is_none().then(|| {
            let why = errors.last().map_or("it can't be read", |(text, _)| text);
            SqlError::new(Kind::TaskFailed, format!("node {node}: {address}: {why}"))
        });
        let elsewhere = written.is_none() && share.own.iter().any(|place| place.to_string() == address);
        Some(Done { node: node.to_owned(), address, written, failed, errors, broken, elsewhere })
    };
    rows.iter().map(row).collect()
}

/// Code and message of an error.
fn error_of(text: &str) -> Option<(u16, String)> {
    let answer: Json = serde_json::from_str(text).ok()?;
    let error = answer.get("error")?;
    let code = error.get("code")?.as_u64()?;
    Some((u16::try_from(code).ok()?, error.get("message")?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{NodeAddress, Place, Share, To, error_of, read, written};

    #[test]
    fn summaries_are_read() {
        let file = Place::parse("/x/a.json", false).expect("a place");
        let share = Share {
            node: NodeAddress { id: "A1".to_owned(), to: To::Own },
            shared: Vec::new(),
            own: vec![file],
        };
        let text = r#"{"rows": [
            [{"id": "A1"}, "s3://h/b/x", 5, 1, {"bad": {"count": 1}}],
            [{"id": "A1"}, "file:///x/a.json", null, null, {"not there": {"count": 1}}],
            [{"id": "A1"}, "s3://h/b/y", 7, null, {"cut off": {"count": 1}}]]}"#;
        let done = read("A1", &share, text).expect("a summary");
        assert_eq!((done[0].written, done[0].failed), (Some(5), Some(1)));
        assert!(done[0].broken.is_none() && done[1].elsewhere);
        assert!(done[2].broken.as_ref().is_some_and(|error| error.message.contains("cut off")));
        assert!(read("A1", &share, "{}").is_none() && read("A1", &share, "<html>").is_none());
        let text = r#"{"error": {"message": "m", "code": 5030}}"#;
        assert_eq!(error_of(text), Some((5030, "m".to_owned())));
        assert_eq!(error_of("not found"), None);
        assert_eq!((written(r#"{"rowcount": 7}"#), written(r#"{"rowcount": -1}"#)), (Some(7), None));
    }
}
