//! `cargo xtask manifests`: the files for Kubernetes against its published schemas, without any cluster.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::{venv, workspace};

/// The checker from PyPI; it brings the schemas with it.
const CHECKER: &str = "kubernetes-validate==1.37.0";

/// Checks every file in `deploy/kubernetes`: `true` when all are valid, with no key that the schema does not know.
pub(crate) fn run() -> Result<bool> {
    let folder = workspace::target_dir().join("tools/manifests");
    let tool = venv::tool(&folder, "kubernetes-validate", CHECKER)?;
    let mut checked = 0;
    let mut valid = true;
    for entry in fs::read_dir(workspace::root().join("deploy/kubernetes"))? {
        let path = entry?.path();
        valid &= Command::new(&tool).arg("--strict").arg(&path).status()?.success();
        checked += 1;
    }
    println!("manifests: {checked} files, {}", if valid { "all valid" } else { "NOT all valid" });
    Ok(valid && checked > 0)
}
