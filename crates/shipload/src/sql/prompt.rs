//! The shell at a terminal: what it completes, and where a statement ends.

use super::Shell;
use super::command;
use super::watch::Interrupt;
use crate::terminal;
use std::path::PathBuf;

/// Names beside the built-in words that are completed, at most.
const NAMES: &str = "SELECT table_name FROM information_schema.tables \
    UNION SELECT column_name FROM information_schema.columns \
    WHERE table_schema NOT IN ('sys', 'information_schema', 'pg_catalog') ORDER BY 1 LIMIT 5000";
const WORDS: &[&str] = &[
    "select",
    "from",
    "where",
    "group by",
    "order by",
    "having",
    "limit",
    "offset",
    "join",
    "left join",
    "on",
    "and",
    "or",
    "not",
    "null",
    "is null",
    "between",
    "like",
    "in",
    "case",
    "when",
    "then",
    "else",
    "end",
    "distinct",
    "count(*)",
    "insert into",
    "values",
    "on conflict",
    "do nothing",
    "do update set",
    "returning",
    "update",
    "set",
    "delete from",
    "create table",
    "primary key",
    "integer",
    "bigint",
    "text",
    "boolean",
    "double precision",
    "timestamp with time zone",
    "object",
    "array",
    "clustered into",
    "partitioned by",
    "drop table",
    "alter table",
    "add column",
    "create view",
    "create blob table",
    "copy",
    "to directory",
    "return summary",
    "explain",
    "analyze",
    "refresh table",
    "show tables",
    "show columns from",
    "show create table",
    "kill",
    "sys.nodes",
    "sys.cluster",
    "sys.jobs",
    "sys.jobs_log",
    "sys.shards",
    "sys.health",
    "sys.checks",
    "information_schema.tables",
    "information_schema.columns",
];

/// Asks for statements until the user leaves.
pub(super) fn run(shell: &mut Shell) -> anyhow::Result<()> {
    crate::print("\\? shows the commands, a semicolon ends a statement, Ctrl-D leaves.\n")?;
    let words = WORDS.iter().chain(&command::NAMES).map(|word| (*word).to_owned());
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let terminal = terminal::Shell {
        name: "sql",
        words: words.chain(shell.names(NAMES)).collect(),
        inclusions: &['.', '_', '\\'],
        is_whole: command::is_whole,
        history: home.map(|home| home.join(".shipload_sql_history")),
    };
    terminal.run(|line| {
        let leaves = shell.texts(line)?;
        // Ctrl-C ended a statement; the shell goes on.
        let interrupted = shell.interrupted();
        shell.interrupt.iter().for_each(Interrupt::forget);
        Ok(leaves && !interrupted)
    })
}
