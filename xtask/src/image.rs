//! `cargo xtask image`: one static program, and the folder that the container image is built from.
//!
//! The program is linked without any shared library, so that the image needs no distribution. Only the last step of
//! its making differs from that of `cargo build --release`, so everything else is compiled once for both. Cargo knows
//! the two apart; in `release/` lies the one that was asked for last.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Directories that belong to the image's user.
const FOLDERS: [&str; 3] = ["var/lib/shipload", "opt/aerospike/data", "etc/aerospike"];

/// What to make.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only prepare the folder, without an engine
    #[arg(long)]
    context_only: bool,
    /// With SQL and its engine, which takes long to compile
    #[arg(long)]
    full: bool,
    /// The image's name [default: shipload:dev, with SQL shipload:full]
    #[arg(long)]
    tag: Option<String>,
}

/// Builds the program, the folder, and with `docker build` the image.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let context = prepare(args.full)?;
    if args.context_only {
        println!("{}", context.display());
        return Ok(true);
    }
    let tag = args.tag.as_deref().unwrap_or(if args.full { "shipload:full" } else { "shipload:dev" });
    let mut build = Command::new("docker");
    build.env("DOCKER_BUILDKIT", "0").args(["build", "-t", tag]).arg(&context);
    let status = build.status().context("cannot run docker; install an engine, or use --context-only")?;
    Ok(status.success())
}

/// Builds the static program, and prepares the folder for `docker build`.
pub(crate) fn context() -> Result<PathBuf> {
    prepare(false)
}

/// The same, with SQL if wanted.
fn prepare(full: bool) -> Result<PathBuf> {
    let program = program(full)?;
    let context = workspace::target_dir().join("image");
    // What an earlier run has left must not get into the image.
    if context.exists() {
        fs::remove_dir_all(&context)?;
    }
    let root = context.join("rootfs");
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::create_dir_all(root.join("tmp"))?;
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let stripped = root.join("shipload");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(&program).status();
    if !status.context("cannot run strip, of binutils")?.success() {
        bail!("strip {} failed", program.display());
    }
    let mut steps = fs::read_to_string(workspace::root().join("deploy/Dockerfile"))?;
    if full {
        steps.push_str("# PostgreSQL's wire.\nEXPOSE 5432\n");
    }
    fs::write(context.join("Dockerfile"), steps)?;
    Ok(context)
}

/// Builds the static program, with SQL if wanted, when it is not new.
pub(crate) fn program(full: bool) -> Result<PathBuf> {
    let profile = if full { "full" } else { "release" };
    let features: &[&str] = if full { &["--features", "sql"] } else { &[] };
    let status = Command::new(workspace::cargo())
        .args(["rustc", "--profile", profile, "--locked", "--package", "shipload", "--bin", "shipload"])
        .args(features)
        // What follows is for the program itself, not for what it is made of.
        .args(["--", "-C", "target-feature=+crt-static"])
        .current_dir(workspace::root())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the static program can't be built");
    }
    let program = workspace::target_dir().join(profile).join("shipload");
    is_static(&program)?;
    Ok(program)
}

/// Fails when the program asks for a loader or a shared library.
fn is_static(program: &Path) -> Result<()> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if text.contains("=>") {
        bail!("{} is not static:\n{text}", program.display());
    }
    Ok(())
}
