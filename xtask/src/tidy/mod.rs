//! `cargo xtask tidy`: the house rules that a compiler does not know, checked in seconds.
//!
//! Import direction between rooms, the outside world below the shell, sizes of files and functions,
//! inherited lints, names, unfinished work, the root directory, and commands and links in documents.
//! Each rule is a pure function from text to findings, so that each has tests of its own.

mod documents;
mod levels;
mod names;
mod sizes;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(crate) use self::documents::{Directive, is_document, read_directive};
use crate::console::{self, Finding};
use crate::workspace::{self, Package};

/// Most entries that the root directory may have, so that a newcomer sees all of it at once.
const ROOT_ENTRIES_MAX: usize = 20;

/// Marks of unfinished work; written in two parts so that this line does not find itself.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Check the house rules.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the sizes of the largest files and functions as well
    #[arg(long)]
    largest: bool,
}

/// Runs all rules over the working tree.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let root = workspace::root();
    let packages = workspace::packages(&root)?;
    let files = workspace::files(&root)?;
    let mut findings = levels::check(&packages);
    findings.extend(check_manifests(&root, &packages)?);
    findings.extend(check_root(&files));
    findings.extend(files.iter().filter_map(|path| names::check_file_name(path)));
    let mut measured = Vec::new();
    let subcommands = documents::subcommands(&root);
    for path in &files {
        let Ok(text) = std::fs::read_to_string(root.join(path)) else { continue };
        if is_code(path) {
            findings.extend(check_unfinished(path, &text));
        }
        if path.extension().is_some_and(|extension| extension == "rs") {
            check_rust(path, &text, &packages, &mut measured, &mut findings);
        } else if is_document(path) {
            findings.extend(documents::check(&root, path, &text, &subcommands));
        }
    }
    findings.extend(check_sizes(&root, &measured));
    if args.largest {
        print_largest(&measured);
    }
    console::report(&mut findings);
    let sources = files.iter().filter(|path| is_code(path)).count();
    if findings.is_empty() {
        println!("tidy: {sources} source files and {} packages keep the house rules", packages.len());
    } else {
        eprintln!("tidy: {} findings in {sources} source files", findings.len());
    }
    Ok(findings.is_empty())
}

/// Every manifest of the workspace inherits the workspace's lints.
fn check_manifests(root: &Path, packages: &[Package]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in packages {
        let text = std::fs::read_to_string(root.join(&package.manifest))
            .with_context(|| format!("cannot read {}", package.manifest.display()))?;
        findings.extend(check_lints(&package.manifest, &text));
    }
    Ok(findings)
}

fn check_lints(manifest: &Path, text: &str) -> Option<Finding> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    let inherits =
        lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line == "workspace = true");
    let text = "lints are not inherited; add `[lints]` with `workspace = true`";
    (!inherits).then(|| Finding::file(manifest, text))
}

fn check_root(files: &[PathBuf]) -> Option<Finding> {
    let mut entries: Vec<_> = files.iter().filter_map(|path| path.iter().next()).collect();
    entries.dedup();
    let count = entries.len();
    let text = format!("the root directory has {count} entries, {ROOT_ENTRIES_MAX} are allowed");
    (count > ROOT_ENTRIES_MAX).then(|| Finding::file(Path::new("."), text))
}

fn is_code(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    matches!(extension.as_ref(), "rs" | "toml" | "py" | "sh" | "yml" | "yaml" | "html" | "css" | "js")
}

/// Unfinished work belongs into an issue; a comment is forgotten.
fn check_unfinished(path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        if let Some(mark) = words.find(|word| UNFINISHED.contains(word)) {
            let text = format!("`{mark}`: do it now, or write an issue");
            findings.push(Finding::line(path, index.saturating_add(1), text));
        }
    }
    findings
}

fn check_rust(
    path: &Path,
    text: &str,
    packages: &[Package],
    measured: &mut Vec<sizes::Sized>,
    findings: &mut Vec<Finding>,
) {
    let is_test_file = source::is_test_file(path);
    match source::read(text, is_test_file) {
        Ok(source) => {
            measured.extend(sizes::measure(path, &source, is_test_file));
            if owner(path, packages).is_some_and(|package| levels::is_pure(&package.name)) {
                findings.extend(names::check_purity(path, &source));
            }
        }
        Err(problem) => findings.push(Finding::file(path, problem)),
    }
}

/// The package that a file belongs to: the one whose manifest lies closest above it.
fn owner<'a>(path: &Path, packages: &'a [Package]) -> Option<&'a Package> {
    packages
        .iter()
        .filter_map(|package| Some((package.manifest.parent()?, package)))
        .filter(|(directory, _)| path.starts_with(directory))
        .max_by_key(|(directory, _)| directory.as_os_str().len())
        .map(|(_, package)| package)
}

fn check_sizes(root: &Path, measured: &[sizes::Sized]) -> Vec<Finding> {
    let list = std::fs::read_to_string(root.join(sizes::LIST)).unwrap_or_default();
    match sizes::read_list(&list) {
        Ok(list) => sizes::check(measured, &list),
        Err(finding) => vec![finding],
    }
}

fn print_largest(measured: &[sizes::Sized]) {
    let mut sorted: Vec<&sizes::Sized> = measured.iter().collect();
    sorted.sort_by_key(|sized| std::cmp::Reverse(sized.size.saturating_mul(1000) / sized.limit.max(1)));
    for sized in sorted.into_iter().take(20) {
        println!("{:>5} of {:>3}  {}", sized.size, sized.limit, sized.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_must_be_inherited() {
        let manifest = Path::new("Cargo.toml");
        assert_eq!(check_lints(manifest, "[package]\n[lints]\nworkspace = true\n"), None);
        assert!(check_lints(manifest, "[package]\nworkspace = true\n").is_some());
        assert!(check_lints(manifest, "[lints]\n[other]\nworkspace = true\n").is_some());
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        let text = format!("a\n// {}: later\nlet {}S = 1;\n", UNFINISHED[0], UNFINISHED[0]);
        let found = check_unfinished(Path::new("a.rs"), &text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "a.rs:2");
    }

    #[test]
    fn the_root_directory_stays_small() {
        let files = |count: usize| (0..count).map(|i| PathBuf::from(format!("f{i:02}"))).collect::<Vec<_>>();
        assert_eq!(check_root(&files(20)), None);
        assert!(check_root(&files(21)).is_some());
        let nested: Vec<PathBuf> = (0..30).map(|i| PathBuf::from(format!("a/f{i:02}"))).collect();
        assert_eq!(check_root(&nested), None);
    }

    #[test]
    fn a_file_belongs_to_the_closest_manifest() {
        let package = |name: &str, manifest: &str| Package {
            name: name.to_owned(),
            manifest: PathBuf::from(manifest),
            dependencies: Vec::new(),
        };
        let packages = [package("a", "crates/a/Cargo.toml"), package("ab", "crates/ab/Cargo.toml")];
        let name = |path: &str| owner(Path::new(path), &packages).map(|package| package.name.as_str());
        assert_eq!(name("crates/ab/src/lib.rs"), Some("ab"));
        assert_eq!(name("crates/a/src/lib.rs"), Some("a"));
        assert_eq!(name("tests/x.rs"), None);
    }
}
