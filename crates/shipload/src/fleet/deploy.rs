//! `shipload deploy`: looks whether a stack can run here, makes its network, and hands its file to Docker.
//!
//! The file stays Docker's: what Docker refuses is refused here in the same words, and nothing that runs is touched.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use super::{At, tell};

/// Flags of `shipload deploy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The name of the stack, and of its network
    #[arg(value_name = "STACK")]
    stack: String,
    /// A file for Swarm mode
    #[arg(long, short = 'c', default_value = "deploy/stack.yaml", value_name = "FILE")]
    file: PathBuf,
    /// The image of database and pages
    #[arg(long, env = "SHIPLOAD_IMAGE", default_value = "shipload:dev", value_name = "IMAGE")]
    image: String,
    /// Take images as they are on the engines, without asking a registry
    #[arg(long)]
    local_images: bool,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    if !args.file.is_file() {
        bail!("{} is no file; name one with --file", args.file.display());
    }
    let engine = args.at.connect().await?;
    let engines = engine.engines().await?;
    engine.ensure_overlay(&args.stack).await?;
    tell(format!("{} engines are ready; network {} is there", engines.len(), args.stack));
    let mut docker = Command::new("docker");
    if !args.at.engine.is_empty() {
        docker.env("DOCKER_HOST", &args.at.engine);
    }
    docker.env("SHIPLOAD_IMAGE", &args.image).args(["stack", "deploy", "-c"]).arg(&args.file);
    if args.local_images {
        docker.args(["--resolve-image", "never"]);
    }
    let status =
        docker.arg(&args.stack).status().context("cannot run docker, whose client reads stack files")?;
    if !status.success() {
        bail!("Docker did not take {}; what ran before runs on", args.file.display());
    }
    Ok(ExitCode::SUCCESS)
}
