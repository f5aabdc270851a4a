//! The interactive prompt: history, completion of keywords and tables, several lines for one statement.

use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use reedline::{
    ColumnarMenu, DefaultCompleter, DefaultHinter, Emacs, FileBackedHistory, KeyCode, KeyModifiers,
    MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    ValidationResult, Validator, default_emacs_keybindings,
};
use tokio::runtime::Runtime;

use super::parser;
use super::session::{Next, Session};
use super::show;

/// Lines of history that are kept.
const HISTORY_LINES: usize = 1000;

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
    let mut editor = editor(&tables);
    loop {
        match editor.read_line(&Aql) {
            Ok(Signal::Success(line)) => {
                if answer(runtime, session, &line) == Next::Leave {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Ok(Signal::CtrlD) => return Ok(ExitCode::SUCCESS),
            // Ctrl-C drops the line that is being typed.
            Ok(_) => {}
            Err(error) => return Err(anyhow::Error::new(error).context("cannot read from the terminal")),
        }
    }
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

fn editor(tables: &[String]) -> Reedline {
    let words: Vec<String> =
        WORDS.iter().map(|word| (*word).to_owned()).chain(tables.iter().cloned()).collect();
    let mut completer = DefaultCompleter::with_inclusions(&['.', '_', '-']).set_min_word_len(1);
    completer.insert(words);
    let mut keys = default_emacs_keybindings();
    let menu = "completions";
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(menu.to_owned()), ReedlineEvent::MenuNext]),
    );
    let editor = Reedline::create()
        .with_validator(Box::new(Finished))
        .with_completer(Box::new(completer))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(
            ColumnarMenu::default().with_name(menu).with_marker("> "),
        )))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_hinter(Box::new(DefaultHinter::default()));
    match history() {
        Some(history) => editor.with_history(Box::new(history)),
        None => editor,
    }
}

/// The history file; without one (no home, no permission) the session works and forgets.
fn history() -> Option<FileBackedHistory> {
    let path = history_path(
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).as_deref(),
        std::env::var_os("HOME").map(PathBuf::from).as_deref(),
    )?;
    FileBackedHistory::with_file(HISTORY_LINES, path).ok()
}

fn history_path(state_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let absolute = |path: &&Path| path.is_absolute();
    match state_home.filter(absolute) {
        Some(state_home) => Some(state_home.join("shipload").join("aql_history")),
        None => home.filter(absolute).map(|home| home.join(".shipload_history")),
    }
}

/// Enter ends a statement only when it is complete.
struct Finished;

impl Validator for Finished {
    fn validate(&self, line: &str) -> ValidationResult {
        // A blank line ends what can't be completed.
        let gives_up = line.ends_with('\n');
        if !gives_up && parser::parse(line).is_err_and(|error| error.unfinished) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Complete
        }
    }
}

/// `aql> `, and dots for lines that go on.
struct Aql;

impl Prompt for Aql {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("aql")
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
        let complete = |line: &str| matches!(Finished.validate(line), ValidationResult::Complete);
        assert!(complete("select * from t.s"));
        assert!(!complete("select * from"));
        assert!(complete("select * form t.s"), "a wrong statement is answered, not prolonged");
        assert!(complete("select * from\n\n"), "a blank line gives up");
        assert!(complete(""));
    }
}
