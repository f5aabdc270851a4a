//! Puts a tree of stanzas and settings into the node's configuration.
//!
//! What keys exist and what they may hold is the engine's table; this file adds the place in the text: every
//! complaint names file and line. Unknown names are warnings, so that files written for other versions start;
//! a wrong value is an error, because guessing what was meant is worse than not starting.

use super::{ConfError, Item, Setting, Stanza};
use shipload_node::config::{Config, ConfigError, Scope};

/// Applies all items of a file. The answer is a list of warnings, each with file and line.
///
/// # Errors
/// The first value that can't be used.
pub fn apply(file: &str, items: &[Item], config: &mut Config) -> Result<Vec<String>, ConfError> {
    let mut applier = Applier { file, config, warnings: Vec::new() };
    applier.items(&Scope::Root, items)?;
    Ok(applier.warnings)
}

struct Applier<'a> {
    file: &'a str,
    config: &'a mut Config,
    warnings: Vec<String>,
}

impl Applier<'_> {
    fn items(&mut self, scope: &Scope, items: &[Item]) -> Result<(), ConfError> {
        items.iter().try_for_each(|item| match item {
            Item::Setting(setting) => self.setting(scope, setting),
            Item::Stanza(stanza) => self.stanza(scope, stanza),
        })
    }

    fn setting(&mut self, scope: &Scope, setting: &Setting) -> Result<(), ConfError> {
        let warning = match self.config.load(scope, &setting.key, &setting.values.join(" ")) {
            Ok(warning) => warning,
            Err(error) => Some(self.tolerate(setting.line, &error, "ignored")?),
        };
        self.warn(setting.line, warning);
        Ok(())
    }

    fn stanza(&mut self, scope: &Scope, stanza: &Stanza) -> Result<(), ConfError> {
        let (inner, warning) = match self.config.open(scope, &stanza.name, stanza.argument.as_deref()) {
            Ok(opened) => (opened.scope, opened.warning),
            Err(error) => (Scope::Skipped, Some(self.tolerate(stanza.line, &error, "skipped")?)),
        };
        self.warn(stanza.line, warning);
        self.items(&inner, &stanza.items)
    }

    /// The warning for a mistake that can be lived with.
    fn tolerate(&self, line: u32, error: &ConfigError, consequence: &str) -> Result<String, ConfError> {
        if error.is_warning() {
            return Ok(format!("{error} ({consequence})"));
        }
        Err(ConfError::new(self.file, line, "", error.to_string()))
    }

    fn warn(&mut self, line: u32, warning: Option<String>) {
        self.warnings.extend(warning.map(|text| format!("{}:{line}: {text}", self.file)));
    }
}
