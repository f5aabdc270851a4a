//! The fleet's commands: what they are told, and what they print. What they do is `shipload-fleet`'s business.

mod autoscale;
mod deploy;
mod doctor;
mod services;
mod watch;

pub(crate) use autoscale::Args as AutoscaleArgs;
pub(crate) use deploy::Args as DeployArgs;
pub(crate) use doctor::Args as DoctorArgs;
pub(crate) use services::{RolloutArgs, ScaleArgs, StatusArgs};
pub(crate) use watch::Args as WatchArgs;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use shipload_fleet::engine::{Engine, Tls};

/// Which engine is asked.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct At {
    /// The engine: `unix:///PATH` or `tcp://HOST:PORT` [default: the usual socket]
    #[arg(long, env = "DOCKER_HOST", default_value = "", hide_default_value = true, value_name = "ADDRESS")]
    engine: String,
    /// The authority that signed the engine's certificate
    #[arg(long, requires_all = ["tls_cert", "tls_key"], value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Our certificate for the engine
    #[arg(long, requires = "tls_ca", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, requires = "tls_ca", value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

impl At {
    async fn connect(&self) -> Result<Engine> {
        let tls = match (&self.tls_ca, &self.tls_cert, &self.tls_key) {
            (Some(authority), Some(certificate), Some(key)) => {
                for file in [authority, certificate, key] {
                    if !file.is_file() {
                        bail!("{} is no file", file.display());
                    }
                }
                Some(Tls { authority: authority.clone(), certificate: certificate.clone(), key: key.clone() })
            }
            _ => None,
        };
        Ok(Engine::connect(&self.engine, tls.as_ref()).await?)
    }
}

/// Any of the fleet's commands.
pub(crate) enum Fleet {
    Autoscale(AutoscaleArgs),
    Deploy(DeployArgs),
    Doctor(DoctorArgs),
    Rollout(RolloutArgs),
    Scale(ScaleArgs),
    Status(StatusArgs),
    Watch(WatchArgs),
}

/// Runs one command on a runtime of its own.
pub(crate) fn run(command: Fleet) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    runtime.block_on(async {
        match command {
            Fleet::Autoscale(args) => autoscale::run(&args).await,
            Fleet::Deploy(args) => deploy::run(&args).await,
            Fleet::Doctor(args) => doctor::run(&args).await,
            Fleet::Rollout(args) => services::rollout(&args).await,
            Fleet::Scale(args) => services::scale(&args).await,
            Fleet::Status(args) => services::status(&args).await,
            Fleet::Watch(args) => watch::run(&args).await,
        }
    })
}

/// Says a step to whoever waits.
#[expect(clippy::needless_pass_by_value, reason = "steps are told as texts of their own")]
fn tell(text: String) {
    eprintln!("{text}");
}

/// Log lines for commands that run for long.
fn log() -> Result<()> {
    let logging = shipload_server::configure(&shipload_server::Options::default())?.config.logging;
    shipload_server::logging::start(&logging, Some("info"), shipload_server::LogFormat::Text)
        .map(|_| ())
        .context("log lines can't be written")
}
