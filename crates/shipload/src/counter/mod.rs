//! `shipload counter`: the page that counts its visitors, alone, against a cluster elsewhere.
//!
//! Guarantees: it opens its port at once and waits for a node for ever, since nobody orders the start of
//! containers; SIGTERM lets it answer on for a moment, so that a load balancer that has not heard yet fails no visitor.

mod host_address;
pub(crate) mod page;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::net::TcpListener;

use self::page::Page;
use crate::ending::Signals;

/// Between two attempts to reach a node.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Reasons that change all the time are told no more often than this.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What can be given on the command line.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// A node of the cluster: name or address
    #[arg(long, short = 'h', env = "AEROSPIKE_HOST", default_value = "db", value_name = "HOST")]
    host: String,
    /// Its service port
    #[arg(long, short = 'p', env = "AEROSPIKE_PORT", default_value_t = 3000, value_name = "PORT")]
    port: u16,
    /// Where the page listens
    #[arg(long, env = "LISTEN_ADDRESS", default_value = "0.0.0.0", value_name = "ADDRESS")]
    listen_address: String,
    /// The page's port
    #[arg(long, env = "LISTEN_PORT", default_value_t = 5000, value_name = "PORT")]
    listen_port: u16,
    /// How long it answers on after SIGTERM, in milliseconds
    #[arg(long, env = "DRAIN_MS", default_value_t = 1000, value_name = "MS")]
    drain_ms: u64,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Serves the page until a signal ends it.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    let code = runtime.block_on(serve(args));
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

async fn serve(args: &Args) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let address = (args.listen_address.as_str(), args.listen_port);
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("the page can't be opened on {}:{}", args.listen_address, args.listen_port)
    })?;
    let page = Page::serve(listener).await;
    tokio::select! {
        () = connect(&page, args) => eprintln!("the page counts on {}:{}", args.host, args.port),
        () = signals.wait() => return Ok(ExitCode::SUCCESS),
    }
    signals.wait().await;
    page.say_farewell();
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(args.drain_ms)) => {}
        () = signals.wait() => {}
    }
    page.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Tries for as long as it takes. The first reason is told at once, later ones when they are others.
async fn connect(page: &Page, args: &Args) {
    let mut told: Option<(String, Instant)> = None;
    while let Err(error) = page.connect(&args.host, args.port).await {
        let reason = format!("{error:#}");
        if told.as_ref().is_none_or(|(old, at)| *old != reason && at.elapsed() >= TELL_AGAIN) {
            eprintln!("{}:{}: {reason}; it is tried again", args.host, args.port);
            told = Some((reason, Instant::now()));
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}
