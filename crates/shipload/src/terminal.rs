//! What the shells have in common at a terminal: history, completion by Tab, statements over several lines.

use std::borrow::Cow;
use std::path::PathBuf;

use anyhow::Result;
use reedline::{
    ColumnarMenu, DefaultCompleter, DefaultHinter, Emacs, FileBackedHistory, KeyCode, KeyModifiers,
    MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    ValidationResult, Validator, default_emacs_keybindings,
};

/// Lines of history that are kept.
const HISTORY_LINES: usize = 1000;

/// One shell.
pub(crate) struct Shell {
    /// What stands before the line.
    pub(crate) name: &'static str,
    /// What Tab completes.
    pub(crate) words: Vec<String>,
    /// What belongs to a word beside letters and digits.
    pub(crate) inclusions: &'static [char],
    /// Whether Enter ends what was typed.
    pub(crate) is_whole: fn(&str) -> bool,
    /// Without a file, or permission for it, the shell works and forgets.
    pub(crate) history: Option<PathBuf>,
}

impl Shell {
    /// Asks for lines until the user leaves or `take` says so.
    pub(crate) fn run(self, mut take: impl FnMut(&str) -> Result<bool>) -> Result<()> {
        let prompt = Name(self.name);
        let mut editor = self.editor();
        loop {
            match editor.read_line(&prompt) {
                Ok(Signal::Success(line)) => {
                    if take(&line)? {
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

    fn editor(self) -> Reedline {
        let mut completer = DefaultCompleter::with_inclusions(self.inclusions).set_min_word_len(1);
        completer.insert(self.words);
        let mut keys = default_emacs_keybindings();
        let menu = "completions";
        keys.add_binding(
            KeyModifiers::NONE,
            KeyCode::Tab,
            ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(menu.to_owned()), ReedlineEvent::MenuNext]),
        );
        let editor = Reedline::create()
            .with_validator(Box::new(Whole(self.is_whole)))
            .with_completer(Box::new(completer))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(
                ColumnarMenu::default().with_name(menu).with_marker("> "),
            )))
            .with_edit_mode(Box::new(Emacs::new(keys)))
            .with_hinter(Box::new(DefaultHinter::default()));
        match self.history.and_then(|path| FileBackedHistory::with_file(HISTORY_LINES, path).ok()) {
            Some(history) => editor.with_history(Box::new(history)),
            None => editor,
        }
    }
}

struct Whole(fn(&str) -> bool);

impl Validator for Whole {
    fn validate(&self, line: &str) -> ValidationResult {
        if (self.0)(line) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

/// `name> `, and dots for lines that go on.
struct Name(&'static str);

impl Prompt for Name {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
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
