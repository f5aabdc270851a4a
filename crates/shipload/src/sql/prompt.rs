//! The shell at a terminal: history, completion of words and names, statements over several lines.

use super::Shell;
use super::command;
use reedline::{
    ColumnarMenu, DefaultCompleter, DefaultHinter, Emacs, FileBackedHistory, KeyCode, KeyModifiers,
    MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    ValidationResult, Validator, default_emacs_keybindings,
};
use std::borrow::Cow;
use std::path::PathBuf;

/// Lines of history that are kept.
const HISTORY_LINES: usize = 1000;
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
    let mut editor = editor(shell.names(NAMES));
    loop {
        match editor.read_line(&Sql) {
            Ok(Signal::Success(line)) => {
                if shell.texts(&line)? {
                    return Ok(());
                }
            }
            Ok(Signal::CtrlD) => return Ok(()),
            // Ctrl-C drops the line that is being typed.
            Ok(_) => {}
            Err(error) => return Err(anyhow::Error::new(error).context("cannot read from the terminal")),
        }
    }
}

fn editor(names: Vec<String>) -> Reedline {
    let mut completer = DefaultCompleter::with_inclusions(&['.', '_', '\\']).set_min_word_len(1);
    let commands = command::NAMES.iter().map(|name| (*name).to_owned());
    completer.insert(WORDS.iter().map(|word| (*word).to_owned()).chain(commands).chain(names).collect());
    let mut keys = default_emacs_keybindings();
    let menu = "completions";
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(menu.to_owned()), ReedlineEvent::MenuNext]),
    );
    let editor = Reedline::create()
        .with_validator(Box::new(Ended))
        .with_completer(Box::new(completer))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(
            ColumnarMenu::default().with_name(menu).with_marker("> "),
        )))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_hinter(Box::new(DefaultHinter::default()));
    // Without a home the shell works and forgets.
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    match home
        .and_then(|home| FileBackedHistory::with_file(HISTORY_LINES, home.join(".shipload_sql_history")).ok())
    {
        Some(history) => editor.with_history(Box::new(history)),
        None => editor,
    }
}

/// Enter ends a statement only where a semicolon does.
struct Ended;

impl Validator for Ended {
    fn validate(&self, line: &str) -> ValidationResult {
        if command::is_whole(line) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

/// `sql> `, and dots for lines that go on.
struct Sql;

impl Prompt for Sql {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("sql")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("...> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}
