//! Info commands: to one node or to all, and what their answers say.

use crate::Web;
use crate::problem::Problem;
use crate::records::{Member, NodeId, Trouble};
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a node is waited for when all are asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a node answered.
pub type Answers = Result<Vec<String>, Trouble>;

/// Asks all nodes at once; a node that does not answer in time is told as late.
pub async fn everywhere(web: &Web, commands: &[String]) -> Vec<(Member, Answers)> {
    let mut asked = JoinSet::new();
    for member in web.records.members() {
        let (records, commands) = (Arc::clone(&web.records), commands.to_vec());
        asked.spawn(async move {
            let answers = tokio::time::timeout(PATIENCE, records.info(member.id, commands)).await;
            (member, answers.unwrap_or(Err(Trouble::Late)))
        });
    }
    let mut all = asked.join_all().await;
    all.sort_by_key(|(member, _)| member.id);
    all
}

/// Asks one node one command.
///
/// # Errors
/// When the node does not answer, or refuses.
pub async fn ask(web: &Web, node: NodeId, command: String) -> Result<String, Problem> {
    let answers = web.records.info(node, vec![command]).await?;
    let answer = answers.into_iter().next().ok_or(Trouble::Garbled)?;
    refusal(&answer).map_or(Ok(answer), Err)
}

/// The problem that an answer tells of, if it does.
#[must_use]
pub fn refusal(answer: &str) -> Option<Problem> {
    let upper = answer.get(..5).unwrap_or(answer).to_ascii_uppercase();
    if !(upper.starts_with("ERROR") || upper.starts_with("FAIL")) {
        return None;
    }
    let mut parts = answer.splitn(3, ':').skip(1);
    let code = parts.next().and_then(|code| code.parse::<u8>().ok());
    let text = parts.next().unwrap_or(answer);
    let known = code.and_then(shipload_wire::ResultCode::from_number).map(Problem::from);
    let problem = known.unwrap_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-possible", ""));
    Some(Problem { detail: text.to_owned(), ..problem })
}

/// `key=value` pairs with a separator between them.
pub fn pairs(text: &str, separator: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(separator).filter_map(|pair| pair.split_once('='))
}

/// The value of a key among pairs.
#[must_use]
pub fn value<'t>(text: &'t str, separator: char, key: &str) -> Option<&'t str> {
    pairs(text, separator).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// A number among statistics; 0 when it is missing.
#[must_use]
pub fn number(text: &str, key: &str) -> u64 {
    value(text, ';', key).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Whether a name can stand in an info command without meaning something else.
///
/// # Errors
/// Separators, blanks and control characters, and texts above 63 bytes.
pub fn check_name(what: &str, name: &str) -> Result<(), Problem> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ';' | ':' | '=' | '/' | ',' | '&');
    if name.is_empty() || name.len() > 63 || name.chars().any(odd) {
        return Err(Problem::unprocessable(format!("'{what}' can't be '{name}'")));
    }
    Ok(())
}

/// The node with this id in hexadecimal digits; `here` is the one that answers.
///
/// # Errors
/// When no such node is up.
pub fn node(web: &Web, id: &str) -> Result<NodeId, Problem> {
    if id == "here" {
        return Ok(web.records.id());
    }
    let wanted = u64::from_str_radix(id, 16).ok().map(NodeId);
    let found = web.records.members().into_iter().map(|member| member.id).find(|id| Some(*id) == wanted);
    found.ok_or_else(|| Problem::not_found(format!("no node '{id}' is up")))
}

#[cfg(test)]
mod tests {
    use super::{check_name, number, refusal, value};

    #[test]
    fn answers_are_read() {
        assert_eq!(number("a=1;objects=25;b=x", "objects"), 25);
        assert_eq!(number("a=1", "objects"), 0);
        assert_eq!(value("ns=test:set=demo", ':', "set"), Some("demo"));
        assert!(refusal("ok").is_none());
        let problem = refusal("ERROR:20:namespace not found").expect("a problem");
        assert_eq!((problem.status, problem.detail.as_str()), (404, "namespace not found"));
        assert_eq!(refusal("FAIL:4: bad").expect("a problem").status, 422);
    }

    #[test]
    fn names_mean_only_names() {
        assert!(check_name("set", "demo-1").is_ok());
        for odd in ["", "a;b", "a:b", "a b", "a\nb", "a/b"] {
            assert!(check_name("set", odd).is_err(), "{odd:?}");
        }
    }
}
