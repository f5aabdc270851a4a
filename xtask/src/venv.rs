//! Python's virtual environments, for tools and clients from PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::succeed;

/// The interpreter of the environment in a folder, which `base` makes when it is not there.
pub(crate) fn python(base: &Path, folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if !python.exists() {
        succeed(Command::new(base).args(["-m", "venv"]).arg(folder))?;
    }
    Ok(python)
}

/// Installs what these words of pip name. What is there already in that version is not asked for again.
pub(crate) fn install(python: &Path, words: &[&str]) -> Result<()> {
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    succeed(Command::new(python).args(pip).args(words))
}

/// A program that a package brings, in the environment in a folder.
pub(crate) fn tool(folder: &Path, name: &str, package: &str) -> Result<PathBuf> {
    let tool = folder.join("bin").join(name);
    if !tool.exists() {
        install(&python(Path::new("python3"), folder)?, &[package])?;
    }
    Ok(tool)
}
