//! Where the project lies, which files belong to it, and what cargo knows about its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checkout that the current directory lies in; else the one that this program was built from. So one
/// built xtask serves several worktrees.
pub(crate) fn root() -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    if let Some(root) = current.ancestors().find(|directory| directory.join("xtask/Cargo.toml").is_file()) {
        return root.to_path_buf();
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo puts what it builds: this very program lies there, also when a configuration of cargo's own says where.
pub(crate) fn target_dir() -> PathBuf {
    if let Some(said) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(said);
    }
    let program = std::env::current_exe().ok();
    let above = program.as_deref().and_then(Path::parent).and_then(Path::parent);
    above
        .filter(|folder| folder.join("CACHEDIR.TAG").exists())
        .map_or_else(|| root().join("target"), Path::to_owned)
}

/// Every file that git tracks or would add, relative to the root; files that are gone are left out.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("a tracked path is not UTF-8")?;
    let mut files: Vec<PathBuf> = text
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .filter(|path| root.join(path).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// One package of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its manifest, relative to the root.
    pub(crate) manifest: PathBuf,
    /// The workspace's own packages that it depends on, for whatever purpose.
    pub(crate) dependencies: Vec<Dependency>,
}

/// An arrow between two packages of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `normal`, `dev` or `build`.
    pub(crate) kind: String,
}

/// The packages of the workspace, from `cargo metadata`.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    packages.iter().map(|package| read_package(package, root)).collect()
}

fn read_package(package: &Value, root: &Path) -> Result<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata: not a text");
    let manifest = PathBuf::from(text(&package["manifest_path"])?);
    let manifest = manifest.strip_prefix(root).map(Path::to_path_buf).unwrap_or(manifest);
    let listed = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let dependencies = listed
        .iter()
        .filter(|dependency| dependency["path"].is_string())
        .map(|dependency| {
            let kind = dependency["kind"].as_str().unwrap_or("normal").to_owned();
            Ok(Dependency { name: text(&dependency["name"])?, kind })
        })
        .collect::<Result<_>>()?;
    Ok(Package { name: text(&package["name"])?, manifest, dependencies })
}

/// The cargo that runs us, so that a pinned toolchain stays the pinned one.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_sees_itself() {
        let files = files(&root()).unwrap();
        assert!(files.contains(&PathBuf::from("xtask/src/workspace.rs")), "untracked or tracked, it is ours");
        let packages = packages(&root()).unwrap();
        let node = packages.iter().find(|package| package.name == "shipload-node").unwrap();
        assert_eq!(node.manifest, PathBuf::from("crates/node/Cargo.toml"));
        assert!(node.dependencies.iter().any(|dependency| dependency.name == "shipload-store"));
    }
}
