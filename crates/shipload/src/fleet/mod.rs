//! The fleet's commands: what they are told, and what they print. What they do is `shipload-fleet`'s business.

mod autoscale;
mod deploy;
mod doctor;
mod services;
mod stack_file;
mod watch;

pub(crate) use autoscale::Args as AutoscaleArgs;
pub(crate) use deploy::Args as DeployArgs;
pub(crate) use doctor::Args as DoctorArgs;
pub(crate) use services::{RolloutArgs, ScaleArgs, StatusArgs};
pub(crate) use watch::Args as WatchArgs;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use shipload_fleet::engine::{Engine, Tls};

/// Which engine is asked, said as to Docker's own client.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct At {
    /// The engine: `unix:///PATH` or `tcp://HOST:PORT` [default: the usual socket]
    #[arg(long, env = "DOCKER_HOST", default_value = "", hide_default_value = true, value_name = "ADDRESS")]
    engine: String,
    /// The authority that signed the engine's certificate [default: with DOCKER_TLS_VERIFY, ca.pem in DOCKER_CERT_PATH]
    #[arg(long, requires_all = ["tls_cert", "tls_key"], value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Our certificate for the engine [default: cert.pem there]
    #[arg(long, requires = "tls_ca", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its key [default: key.pem there]
    #[arg(long, requires = "tls_ca", value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

impl At {
    async fn connect(&self) -> Result<Engine> {
        let tls = self.tls()?;
        Ok(Engine::connect(&self.engine, tls.as_ref()).await?)
    }

    /// The files for TLS: those of the flags, else those that Docker's own client would take.
    fn tls(&self) -> Result<Option<Tls>> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let tls = match (&self.tls_ca, &self.tls_cert, &self.tls_key) {
            (Some(authority), Some(certificate), Some(key)) => {
                Tls { authority: authority.clone(), certificate: certificate.clone(), key: key.clone() }
            }
            _ if variable("DOCKER_TLS_VERIFY").is_none() => return Ok(None),
            _ => {
                let home = || variable("HOME").map(|home| PathBuf::from(home).join(".docker"));
                let folder = variable("DOCKER_CERT_PATH").map(PathBuf::from).or_else(home);
                Tls::in_folder(&folder.context("DOCKER_TLS_VERIFY is set, but not DOCKER_CERT_PATH")?)
            }
        };
        // A socket of this machine is used without.
        let local =
            self.engine.is_empty() || self.engine.starts_with("unix://") || self.engine.starts_with('/');
        if local && self.tls_ca.is_none() {
            return Ok(None);
        }
        for file in [&tls.authority, &tls.certificate, &tls.key] {
            if !file.is_file() {
                bail!(
                    "{} is no file; an engine with TLS needs the authority, our certificate and its key",
                    file.display()
                );
            }
        }
        Ok(Some(tls))
    }

    /// Docker's own client towards the same engine.
    fn docker(&self) -> Result<Command> {
        let mut docker = Command::new("docker");
        if !self.engine.is_empty() {
            docker.env("DOCKER_HOST", &self.engine);
        }
        if let Some(tls) = self.tls()? {
            docker.arg("--tlsverify").arg("--tlscacert").arg(tls.authority);
            docker.arg("--tlscert").arg(tls.certificate).arg("--tlskey").arg(tls.key);
        }
        Ok(docker)
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
