//! The reference in `docs/info.md`, written from the table.

use super::commands::COMMANDS;
use core::fmt::Write as _;

/// The whole reference as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    for command in COMMANDS {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "| `{}` | {} |", command.name, command.help.replace('|', "\\|"));
    }
    out
}

const INTRODUCTION: &str = "# Info commands\n\n\
<!-- Written by `info::reference_markdown()` in crates/node; a test compares. Do not edit by hand. -->\n\n\
A command is a line of text: `NAME`, `NAME/PATH` or `NAME:key=value;key=value`. The answer repeats the line, then \
a tab and the value. Errors read `ERROR:<code>:<text>`; a command that does not exist answers \
`ERROR:4:unrecognized command`. An empty request is answered with a default set.\n\n\
| command | what it answers |\n|---|---|\n";
