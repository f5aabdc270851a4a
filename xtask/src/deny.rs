//! `cargo xtask deny`: licences, sources and doubled crates, checked by cargo-deny.
//!
//! cargo-deny is no crate of ours and not on every machine; where it is missing, the licences are read from
//! cargo's own metadata, which is the most important half. Advisories need a database from the network and are
//! never checked here.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace;

/// Licences that a dependency may have. The same list stands in `.cargo/deny.toml`; a test compares them.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "CDLA-Permissive-2.0",
    "0BSD",
];

/// Where cargo-deny's own rules stand, relative to the root.
const RULES: &str = ".cargo/deny.toml";

/// Checks with cargo-deny, or without it.
pub(crate) fn run() -> Result<bool> {
    println!("deny: advisories are not checked: their database comes from the network");
    let installed = Command::new(workspace::cargo()).args(["deny", "--version"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        println!(
            "deny: cargo-deny is not installed; only licences and sources are checked, from cargo's metadata"
        );
        return check_metadata();
    }
    let status = Command::new(workspace::cargo())
        // It finds its rules itself; the flag for them has moved between versions.
        .args([
            "deny",
            "--offline",
            "--all-features",
            "check",
            "--hide-inclusion-graph",
            "licenses",
            "bans",
            "sources",
        ])
        .current_dir(workspace::root())
        .status()
        .context("cannot run cargo deny")?;
    Ok(status.success())
}

fn check_metadata() -> Result<bool> {
    let output = Command::new(workspace::cargo())
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut holds = true;
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        *versions.entry(name).or_default() += 1;
        if let Some(problem) = check_package(package) {
            eprintln!("{name} {}: {problem}", package["version"].as_str().unwrap_or_default());
            holds = false;
        }
    }
    let doubled: Vec<&str> =
        versions.iter().filter(|(_, count)| **count > 1).map(|(name, _)| *name).collect();
    println!("deny: {} packages; in several versions: {}", packages.len(), doubled.join(", "));
    Ok(holds)
}

fn check_package(package: &Value) -> Option<String> {
    if let Some(source) = package["source"].as_str()
        && !source.starts_with("registry+https://github.com/rust-lang/crates.io-index")
    {
        return Some(format!("comes from {source}, only crates.io is allowed"));
    }
    match package["license"].as_str() {
        None => Some("names no licence".to_owned()),
        Some(licence) if is_allowed(licence) => None,
        Some(licence) => Some(format!("its licence `{licence}` is not on the list in {RULES}")),
    }
}

/// Reads an SPDX expression: `A OR (B AND C)`, also in the old form `A/B`.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut at = 0;
    let allowed = one_of(&words, &mut at);
    allowed && at == words.len()
}

fn one_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(words, at);
    }
    allowed
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = licence(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= licence(words, at);
    }
    allowed
}

fn licence(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let allowed = one_of(words, at);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return allowed && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return ALLOWED.contains(&format!("{word} WITH {exception}").as_str());
    }
    ALLOWED.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_has_them() {
        for allowed in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/GPL-3.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert!(is_allowed(allowed), "{allowed}");
        }
        for refused in ["AGPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "GPL-2.0 WITH LLVM-exception", ""] {
            assert!(!is_allowed(refused), "{refused}");
        }
    }

    #[test]
    fn both_lists_of_licences_are_the_same() {
        let text = std::fs::read_to_string(workspace::root().join(RULES)).unwrap();
        let list = text.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
        let mut listed: Vec<&str> =
            list.split(',').map(|word| word.trim().trim_matches('"')).filter(|w| !w.is_empty()).collect();
        let mut ours = ALLOWED.to_vec();
        listed.sort_unstable();
        ours.sort_unstable();
        assert_eq!(listed, ours);
    }
}
