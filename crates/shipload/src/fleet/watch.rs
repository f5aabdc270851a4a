//! `shipload watch`: keeps a load balancer and clusters of real Aerospike images current.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use shipload_fleet::aerospike;
use shipload_fleet::haproxy::{Balancer, Settings};
use shipload_fleet::watch::{Front, Watcher};

use super::{At, log};
use crate::ending::Signals;

/// What is used when nobody chose a name and a password.
const STATISTICS: &str = "stats:interlock";

/// Flags of `shipload watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The load balancer's program; `none` for no load balancer
    #[arg(long, default_value = "haproxy", value_name = "PROGRAM")]
    haproxy: String,
    /// Where its file, its socket and its number are kept
    #[arg(long, default_value = "/run/shipload", value_name = "DIR")]
    folder: PathBuf,
    /// Where visitors come in
    #[arg(long, default_value = "*:80", value_name = "ADDRESS")]
    bind: String,
    /// Where visitors with TLS come in, once there is a certificate
    #[arg(long, default_value = "*:443", value_name = "ADDRESS")]
    bind_tls: String,
    /// Who may see /haproxy?stats
    #[arg(long, env = "STATISTICS", default_value = STATISTICS, value_name = "NAME:PASSWORD")]
    statistics: String,
    /// Networks that the load balancer is on; all when none is named
    #[arg(long, value_name = "NETWORK")]
    network: Vec<String>,
    /// The network of real Aerospike images, which are introduced to each other; none are without it
    #[arg(
        long,
        env = "AEROSPIKE_NETWORK_NAME",
        default_value = "",
        hide_default_value = true,
        value_name = "NETWORK"
    )]
    aerospike_network: String,
    /// Only those whose label com.aerospike.cluster has this value
    #[arg(
        long,
        env = "AEROSPIKE_CLUSTER_NAME",
        default_value = "",
        hide_default_value = true,
        value_name = "NAME"
    )]
    aerospike_cluster: String,
    /// Their port for heartbeats
    #[arg(long, env = "AEROSPIKE_MESH_PORT", default_value_t = 3002, value_name = "PORT")]
    aerospike_mesh_port: u16,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    log()?;
    let engine = args.at.connect().await?;
    let front = if args.haproxy == "none" { None } else { Some(front(args)?) };
    let aerospike = (!args.aerospike_network.is_empty()).then(|| aerospike::Settings {
        cluster: args.aerospike_cluster.clone(),
        network: args.aerospike_network.clone(),
        mesh_port: args.aerospike_mesh_port,
    });
    let mut signals = Signals::catch()?;
    let watcher = Watcher::new(engine, front, aerospike);
    tokio::select! {
        () = watcher.run() => {}
        () = signals.wait() => eprintln!("the watch ends; the load balancer runs on"),
    }
    Ok(ExitCode::SUCCESS)
}

fn front(args: &Args) -> Result<Front> {
    std::fs::create_dir_all(&args.folder)
        .with_context(|| format!("{} can't be made; choose another with --folder", args.folder.display()))?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain(&args.statistics) || !args.statistics.contains(':') {
        bail!("--statistics: allowed is NAME:PASSWORD, without blanks");
    }
    if !plain(&args.bind) || !plain(&args.bind_tls) {
        bail!("--bind: allowed is ADDRESS:PORT, such as *:80");
    }
    if args.statistics == STATISTICS {
        eprintln!(
            "/haproxy?stats has the well-known password of the example; choose another with --statistics"
        );
    }
    let balancer = Balancer {
        program: PathBuf::from(&args.haproxy),
        file: args.folder.join("haproxy.cfg"),
        pid_file: args.folder.join("haproxy.pid"),
    };
    Ok(Front {
        settings: Settings {
            bind: args.bind.clone(),
            bind_tls: args.bind_tls.clone(),
            socket: args.folder.join("haproxy.sock").display().to_string(),
            statistics: args.statistics.clone(),
            connections_max: 2048,
        },
        balancer,
        networks: args.network.iter().cloned().collect(),
        signal: load_anew,
    })
}

/// Lets the program's first process load its file.
fn load_anew(id: u32) -> io::Result<()> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    Ok(kill_process(id, Signal::USR2)?)
}
