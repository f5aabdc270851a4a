//! Clients of others, unmodified: those of Crate and of PostgreSQL. `tests/sql/tools.py` holds what they do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::world::Cluster;
use super::{files, folder};
use crate::venv;

/// Runs the clients: `true` when they get what they want, or can't be had.
pub(super) fn run(cluster: Cluster, binary: &Path) -> Result<bool> {
    let python = match python()? {
        Some(python) => python,
        None => {
            println!("sql: clients skipped: they are not installed, and the package index is not reachable");
            return Ok(true);
        }
    };
    let nodes: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| {
            json!({
                "http": node.http.to_string(),
                "pg": node.pg.to_string(),
                "service": node.service.to_string(),
                "process": node.process.id(),
            })
        })
        .collect();
    let status = Command::new(&python)
        .arg(folder().join("tools.py"))
        .arg(json!(nodes).to_string())
        .env("SHIPLOAD", binary)
        .current_dir(files()?)
        .status()
        .context("cannot run the clients")?;
    drop(cluster);
    Ok(status.success())
}

/// An interpreter with the packages of `tests/sql/requirements.txt`, of these versions.
fn python() -> Result<Option<PathBuf>> {
    let requirements = folder().join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let place = home()?.join(".cache").join("shipload-sql-py").join("venv");
    let python = venv::python(Path::new("python3"), &place)?;
    let noted = place.join("requirements.txt");
    if std::fs::read_to_string(&noted).is_ok_and(|noted| noted == wanted) {
        return Ok(Some(python));
    }
    if let Err(error) = venv::install(&python, &["--no-deps", "-r", &requirements.display().to_string()]) {
        eprintln!("{error:#}");
        return Ok(None);
    }
    std::fs::copy(&requirements, noted)?;
    Ok(Some(python))
}

fn home() -> Result<PathBuf> {
    std::env::var_os("HOME").map(|home| Path::new(&home).to_path_buf()).context("HOME is not set")
}
