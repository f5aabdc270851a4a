//! The suite: found in cargo's registry, copied beside the build, compiled, and its tests listed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::workspace;

/// The crate that brings the suite.
const CRATE: &str = "aerospike";

/// A compiled test program of the suite.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    /// `lib`, `client`, ...
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The copy of the suite.
    pub(crate) directory: PathBuf,
}

/// One test.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// The program's name, `::`, and the test's own name.
    pub(crate) name: String,
    /// Its own name, as the program knows it.
    pub(crate) own_name: String,
    pub(crate) binary: PathBuf,
    /// Where the suite's own files lie: the directory that cargo would run the test in.
    pub(crate) directory: PathBuf,
    /// The suite runs it only on demand.
    pub(crate) ignored: bool,
}

#[cfg(test)]
impl Test {
    /// A test of which only the name matters.
    pub(crate) fn named(name: &str) -> Self {
        let (name, own_name) = (name.to_owned(), String::new());
        Self { name, own_name, binary: PathBuf::new(), directory: PathBuf::new(), ignored: false }
    }
}

/// Compiles the suite; the second time this takes a second.
pub(crate) fn build() -> Result<Vec<Binary>> {
    let directory = workspace::target_dir().join("conform");
    let (version, source) = find()?;
    let copy = directory.join(format!("{CRATE}-{version}"));
    if !copy.join("Cargo.toml").exists() {
        copy_tree(&source, &copy).with_context(|| format!("cannot copy {}", source.display()))?;
        leave_workspace(&copy)?;
    }
    // The crate's examples are no tests; compiling them would take most of the time.
    let output = Command::new(workspace::cargo())
        .args(["test", "--tests", "--no-run", "--message-format=json", "--manifest-path"])
        .arg(copy.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(directory.join("target"))
        .current_dir(&copy)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo test")?;
    ensure!(output.status.success(), "the suite does not compile");
    let text = String::from_utf8(output.stdout).context("cargo printed no UTF-8")?;
    let binaries: Vec<Binary> = text.lines().filter_map(|line| read_artifact(line, &copy)).collect();
    ensure!(!binaries.is_empty(), "the suite has no test programs");
    Ok(binaries)
}

/// The version of the crate that the workspace uses, and where cargo keeps its source.
fn find() -> Result<(String, PathBuf)> {
    let output = Command::new(workspace::cargo())
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let package = packages.iter().find(|package| package["name"] == CRATE);
    let package = package.with_context(|| format!("the workspace does not depend on `{CRATE}`"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata: not a text");
    let manifest = PathBuf::from(text(&package["manifest_path"])?);
    let directory = manifest.parent().context("a manifest without directory")?;
    ensure!(directory.join("tests").is_dir(), "{} has no tests", directory.display());
    Ok((text(&package["version"])?, directory.to_path_buf()))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// The copy may lie below our own workspace; an empty `[workspace]` makes it one of its own.
fn leave_workspace(copy: &Path) -> Result<()> {
    let manifest = copy.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest)?;
    if !text.lines().any(|line| line.trim() == "[workspace]") {
        std::fs::write(&manifest, format!("{text}\n[workspace]\n"))?;
    }
    Ok(())
}

/// A test program in a line of cargo's messages.
fn read_artifact(line: &str, copy: &Path) -> Option<Binary> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test =
        message["reason"] == "compiler-artifact" && message["target"]["kind"] == serde_json::json!(["test"]);
    let path = message["executable"].as_str().filter(|_| is_test)?;
    Some(Binary {
        name: message["target"]["name"].as_str()?.to_owned(),
        path: PathBuf::from(path),
        directory: copy.to_path_buf(),
    })
}

/// The tests of all programs; with filters, those whose name contains one of them.
pub(crate) fn list(binaries: &[Binary], filters: &[String]) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for binary in binaries {
        let ignored = names(binary, &["--ignored"])?;
        for own_name in names(binary, &[])? {
            let name = format!("{}::{own_name}", binary.name);
            if filters.is_empty() || filters.iter().any(|filter| name.contains(filter)) {
                let ignored = ignored.contains(&own_name);
                tests.push(Test {
                    name,
                    own_name,
                    binary: binary.path.clone(),
                    directory: binary.directory.clone(),
                    ignored,
                });
            }
        }
    }
    if tests.is_empty() {
        bail!("no test has such a name");
    }
    Ok(tests)
}

fn names(binary: &Binary, flags: &[&str]) -> Result<Vec<String>> {
    let output = Command::new(&binary.path).args(["--list", "--format", "terse"]).args(flags).output();
    let output = output.with_context(|| format!("cannot run {}", binary.path.display()))?;
    ensure!(output.status.success(), "{} does not list its tests", binary.path.display());
    let text = String::from_utf8(output.stdout).context("a test's name is not UTF-8")?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_found_in_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"lib"},"executable":"/t/lib-1"}"#;
        let binary = read_artifact(line, Path::new("/copy")).unwrap();
        assert_eq!((binary.name.as_str(), binary.path.to_str()), ("lib", Some("/t/lib-1")));
        assert!(read_artifact(&line.replace("\"test\"", "\"lib\""), Path::new("/copy")).is_none());
        assert!(read_artifact(r#"{"reason":"build-finished"}"#, Path::new("/copy")).is_none());
    }

    #[test]
    fn the_copy_is_a_workspace_of_its_own() {
        let directory = std::env::temp_dir().join(format!("conform-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("a/tests")).unwrap();
        std::fs::write(directory.join("a/Cargo.toml"), "[package]\n").unwrap();
        let copy = directory.join("b");
        copy_tree(&directory.join("a"), &copy).unwrap();
        leave_workspace(&copy).unwrap();
        leave_workspace(&copy).unwrap();
        let manifest = std::fs::read_to_string(copy.join("Cargo.toml")).unwrap();
        assert_eq!(manifest, "[package]\n\n[workspace]\n");
        assert!(copy.join("tests").is_dir());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
