//! `shipload cache`: a caching proxy in front of nodes, for readers that are no clients of their own, such as plain browsers.
//!
//! Guarantees: no record that it answers is older than `--staleness`; its memory is bounded; what is not the reading of one
//! record goes through as it is. How it knows: `docs/web.md`.

mod figures;
mod follow;
mod origin;
mod proxy;
mod sketch;
mod store;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;

use self::proxy::{Proxy, Settings, handle};
use crate::ending::Signals;

/// What can be given on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Nodes, as HOST:PORT of their web door; the first that answers is asked
    #[arg(
        long,
        env = "ORIGIN",
        value_delimiter = ',',
        default_value = "127.0.0.1:4200",
        value_name = "HOST:PORT"
    )]
    origin: Vec<String>,
    /// Where it listens
    #[arg(long, env = "LISTEN_ADDRESS", default_value = "127.0.0.1", value_name = "ADDRESS")]
    listen_address: String,
    /// Its port
    #[arg(long, env = "LISTEN_PORT", default_value_t = 8080, value_name = "PORT")]
    listen_port: u16,
    /// No answer is older, in milliseconds
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(500..=3_600_000), value_name = "MS")]
    staleness: u64,
    /// Mebibytes of copies
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    memory: usize,
    /// Browsers may keep what they get as well: for readers that use `client.js`
    #[arg(long)]
    pass_life: bool,
}

/// Serves until a signal ends it.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    let code = runtime.block_on(serve(args));
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

async fn serve(args: &Args) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let place = format!("{}:{}", args.listen_address, args.listen_port);
    let listener = TcpListener::bind(&place).await.with_context(|| format!("can't listen on {place}"))?;
    let settings = Settings {
        staleness_ms: args.staleness,
        bytes_max: args.memory.saturating_mul(1 << 20),
        pass_life: args.pass_life,
    };
    let proxy = Proxy::new(args.origin.clone(), settings);
    let router = Router::new().fallback(handle).with_state(proxy);
    eprintln!("caching {} on {}", args.origin.join(", "), listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = signals.wait() => {}
    }
    Ok(ExitCode::SUCCESS)
}
