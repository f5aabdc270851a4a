//! The interactive prompt: what it completes, where a statement ends, and where its history lies.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use tokio::runtime::Runtime;

use super::parser;
use super::session::{Next, Session};
use super::show;
use crate::terminal;

/// Words that Tab completes, beside the tables of the cluster.
const WORDS: &[&str] = &[
    "insert into",
    "select * from",
    "delete from",
    "truncate",
    "show namespaces",
    "show sets",
    "show bins",
    "show nodes",
    "where pk =",
    "values",
    "limit",
    "set output json",
    "set output table",
    "set rows",
    "set timeout",
    "set send_key",
    "set ttl",
    "help",
    "exit",
];

/// Asks for statements until the user leaves.
pub(crate) fn run(runtime: &Runtime, session: &mut Session) -> Result<ExitCode> {
    let nodes = session.client().nodes().len();
    let plural = if nodes == 1 { "" } else { "s" };
    println!("Connected to {nodes} node{plural}. `help` shows the statements, Ctrl-D leaves.");
    let tables = runtime.block_on(show::table_names(session.client())).unwrap_or_default();
    let shell = terminal::Shell {
        name: "aql",
        words: WORDS.iter().map(|word| (*word).to_owned()).chain(tables).collect(),
        inclusions: &['.', '_', '-'],
        is_whole,
        history: history_path(
            std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).as_deref(),
            std::env::var_os("HOME").map(PathBuf::from).as_deref(),
        ),
    };
    shell.run(|line| Ok(answer(runtime, session, line) == Next::Leave))?;
    Ok(ExitCode::SUCCESS)
}

/// Carries out what was typed; a failure is shown and the session goes on.
fn answer(runtime: &Runtime, session: &mut Session, line: &str) -> Next {
    let mut out = std::io::stdout().lock();
    for (_, statement) in parser::split(line) {
        match runtime.block_on(session.run(&statement, &mut out)) {
            Ok(Next::Continue) => {}
            Ok(Next::Leave) => return Next::Leave,
            Err(failure) => {
                out.flush().ok();
                eprintln!("{}", failure.explain(&statement));
                return Next::Continue;
            }
        }
        if !session.options.json {
            println!();
        }
    }
    Next::Continue
}

/// The history file; none without a home.
fn history_path(state_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let absolute = |path: &&Path| path.is_absolute();
    match state_home.filter(absolute) {
        Some(state_home) => Some(state_home.join("shipload").join("aql_history")),
        None => home.filter(absolute).map(|home| home.join(".shipload_history")),
    }
}

/// Enter ends a statement only when it is complete. A blank line ends what can't be completed.
fn is_whole(line: &str) -> bool {
    line.ends_with('\n') || !parser::parse(line).is_err_and(|error| error.unfinished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_lies_where_state_belongs() {
        let path =
            |state: Option<&str>, home: Option<&str>| history_path(state.map(Path::new), home.map(Path::new));
        assert_eq!(path(Some("/s"), Some("/h")), Some(PathBuf::from("/s/shipload/aql_history")));
        assert_eq!(path(None, Some("/h")), Some(PathBuf::from("/h/.shipload_history")));
        assert_eq!(path(Some("relative"), Some("/h")), Some(PathBuf::from("/h/.shipload_history")));
        assert_eq!(path(None, None), None);
    }

    #[test]
    fn enter_ends_only_what_is_complete() {
        assert!(is_whole("select * from t.s"));
        assert!(!is_whole("select * from"));
        assert!(is_whole("select * form t.s"), "a wrong statement is answered, not prolonged");
        assert!(is_whole("select * from\n\n"), "a blank line gives up");
        assert!(is_whole(""));
    }
}
