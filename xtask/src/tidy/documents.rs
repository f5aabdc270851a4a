//! Commands and links in documents exist.
//!
//! Every ```` ```sh ```` block of a document is run by `cargo xtask docs`. That takes minutes, so tidy asks
//! the quick half of the question: does each `cargo xtask ...` line parse with the definition that xtask
//! itself uses, is each `shipload ...` a subcommand of the binary, does each relative link lead somewhere,
//! and does each block's directive make sense.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::source;
use crate::cli::Cli;
use crate::console::Finding;
use crate::markdown;
use crate::markdown::Block;

/// Where the binary's subcommands are declared, relative to the root: the variants of `enum Command`.
const SUBCOMMANDS: &str = "crates/shipload/src/cli.rs";

/// True for documents whose commands are promises to a reader.
pub(crate) fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// What may stand in a directive before a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    /// The command stays; go on when its output holds this text.
    Background { ready: String },
    /// Not run by the documents' check, for a reason that is given.
    Skip { because: String },
    /// The text block is an example: its values differ from run to run.
    Example,
}

/// Reads a directive such as `run: background until "ready"`, `run: not here, it takes an hour` or `output: example`.
pub(crate) fn read_directive(text: &str) -> Option<Result<Directive, String>> {
    if let Some(rest) = text.strip_prefix("run:") {
        return Some(read_run(rest.trim()));
    }
    let rest = text.strip_prefix("output:")?.trim();
    Some(match rest {
        "example" => Ok(Directive::Example),
        other => Err(format!("unknown `output: {other}`; there is only `output: example`")),
    })
}

fn read_run(text: &str) -> Result<Directive, String> {
    if let Some(because) = text.strip_prefix("not here,") {
        return Ok(Directive::Skip { because: because.trim().to_owned() });
    }
    let ready = text
        .strip_prefix("background until")
        .and_then(|rest| rest.trim().strip_prefix('"')?.strip_suffix('"'))
        .filter(|ready| !ready.is_empty());
    match ready {
        Some(ready) => Ok(Directive::Background { ready: ready.to_owned() }),
        None => Err(format!(
            "unknown `run: {text}`; there are `run: background until \"text\"` and `run: not here, reason`"
        )),
    }
}

/// The binary's subcommands, read from its source.
pub(crate) fn subcommands(root: &Path) -> Vec<String> {
    std::fs::read_to_string(root.join(SUBCOMMANDS)).map_or_else(|_| Vec::new(), |text| variants(&text))
}

/// The variants of `enum Command` in kebab-case, as clap names them.
fn variants(text: &str) -> Vec<String> {
    let Ok(names) = source::variants_of(text, "Command") else { return Vec::new() };
    names.iter().map(|name| kebab(name)).collect()
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// Checks one document.
pub(crate) fn check(root: &Path, path: &Path, text: &str, subcommands: &[String]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = markdown::relative_links(text)
        .into_iter()
        .filter(|(_, target)| !leads_somewhere(root, path, target))
        .map(|(line, target)| Finding::line(path, line, format!("the link to `{target}` leads nowhere")))
        .collect();
    for block in markdown::blocks(text) {
        if let Some(Err(problem)) = block.directive.as_deref().and_then(read_directive) {
            findings.push(Finding::line(path, block.line, problem));
        }
        if block.language == "sh" {
            findings.extend(check_block(path, &block, subcommands));
        }
    }
    findings
}

fn leads_somewhere(root: &Path, document: &Path, target: &str) -> bool {
    let base = document.parent().map(Path::to_path_buf).unwrap_or_default();
    let joined: PathBuf = root.join(base).join(target);
    joined.exists()
}

fn check_block(path: &Path, block: &Block, subcommands: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in block.text.lines().enumerate() {
        let number = block.line.saturating_add(index).saturating_add(1);
        for words in commands(line) {
            if let Some(problem) = check_command(&words, subcommands) {
                findings.push(Finding::line(path, number, problem));
            }
        }
    }
    findings
}

/// The simple commands of a shell line, cut at pipes, `&&`, `;` and comments. Quoting is only followed as
/// far as the names of commands need it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default();
    line.split(['|', ';', '&'])
        .map(|command| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|words| !words.is_empty() && !words.first().is_some_and(|word| word.starts_with('#')))
        .collect()
}

fn check_command(words: &[String], subcommands: &[String]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).skip_while(|word| word.contains('=')).collect();
    match words.as_slice() {
        ["cargo", "xtask", rest @ ..] => check_xtask(rest),
        ["cargo", "run", rest @ ..] => {
            let after =
                rest.iter().position(|word| *word == "--").and_then(|at| rest.get(at.saturating_add(1)));
            after.and_then(|subcommand| check_subcommand(subcommand, subcommands))
        }
        ["shipload", subcommand, ..] => check_subcommand(subcommand, subcommands),
        _ => None,
    }
}

fn check_xtask(rest: &[&str]) -> Option<String> {
    let words = std::iter::once("xtask").chain(rest.iter().copied());
    match Cli::command().try_get_matches_from(words) {
        Ok(_) => None,
        Err(error) if error.exit_code() == 0 => None,
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Some(format!("`cargo xtask {}` does not exist: {first}", rest.join(" ")))
        }
    }
}

fn check_subcommand(subcommand: &str, subcommands: &[String]) -> Option<String> {
    let known = subcommand.starts_with('-') || subcommands.iter().any(|name| name == subcommand);
    (!known).then(|| format!("`shipload {subcommand}` does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Vec<String> {
        let root = crate::workspace::root();
        let subcommands = ["serve".to_owned(), "up".to_owned()];
        let findings = check(&root, Path::new("README.md"), text, &subcommands);
        findings.into_iter().map(|finding| format!("{} {}", finding.place, finding.text)).collect()
    }

    #[test]
    fn commands_that_exist_pass() {
        let text = "```sh\nRUST_LOG=debug cargo run --release -- up --demo && shipload serve | cat\n\
            shipload --version # a note\n# shipload dance\ncargo xtask tidy\n```\n[a](Cargo.toml)\n";
        assert_eq!(check_text(text), [""; 0]);
    }

    #[test]
    fn commands_that_do_not_exist_are_named_with_their_line() {
        let found = check_text("```sh\nls | shipload dance\ncargo xtask no-such\n```\n[a](no/such.md)\n");
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("no/such.md"));
        assert!(found[1].starts_with("README.md:2 `shipload dance`"));
        assert!(found[2].starts_with("README.md:3 `cargo xtask no-such`"));
    }

    #[test]
    fn output_blocks_are_not_commands() {
        assert_eq!(check_text("```text\nshipload dance\n```\n"), [""; 0]);
    }

    #[test]
    fn directives_are_read_and_wrong_ones_named() {
        let read = |text| read_directive(text);
        assert_eq!(
            read("run: background until \"open http\""),
            Some(Ok(Directive::Background { ready: "open http".to_owned() }))
        );
        assert_eq!(
            read("run: not here, needs Docker"),
            Some(Ok(Directive::Skip { because: "needs Docker".to_owned() }))
        );
        assert_eq!(read("output: example"), Some(Ok(Directive::Example)));
        assert_eq!(read("table: conform"), None);
        assert!(matches!(read("run: sometimes"), Some(Err(_))));
        assert!(matches!(read("run: background"), Some(Err(_))));
        assert_eq!(check_text("<!-- run: maybe -->\n```sh\nls\n```\n").len(), 1);
    }

    #[test]
    fn the_binarys_subcommands_are_read_from_its_source() {
        let text = "enum Other { A }\npub(crate) enum Command {\n    /// Doc\n    Serve(Args),\n    #[command(hide = true)]\n    HealthCheck { a: u8 },\n    Up,\n}";
        assert_eq!(variants(text), ["serve", "health-check", "up"]);
    }
}
