//! `cargo xtask voyage`: the scenario of the containers on real Docker engines, with the image of this tree.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{image, workspace};

/// What is passed on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the parts whose name contains this text: development, limits, watch, production
    #[arg(long)]
    only: Option<String>,
    /// Leave engines running when a step fails, to look at them
    #[arg(long)]
    hold: bool,
}

/// Builds the image's folder, then runs the scenario: `true` when every row holds.
pub(crate) fn run(args: &Args) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        println!("NOT RUN: engines in namespaces of their own need root");
        return Ok(true);
    }
    let context = image::context()?;
    let mut command = Command::new(workspace::cargo());
    command.args(["run", "--quiet", "--locked", "--package", "shipload-voyage", "--"]);
    command.arg("--context").arg(context).arg("--deploy").arg(workspace::root().join("deploy"));
    command.args(args.only.iter().flat_map(|only| ["--only", only]));
    command.args(args.hold.then_some("--hold"));
    let status = command.current_dir(workspace::root()).status().context("cannot run cargo")?;
    Ok(status.success())
}
