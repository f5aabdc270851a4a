//! `shipload up`: a node to play with, in this process, on this machine only.
//!
//! One node until clusters are built. Nothing is written to disk and nothing is open to other machines; when
//! it ends, all is gone. `--demo` adds a page that counts its visitors, served through the official client.

mod demo;
mod host_address;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use shipload_server::options::Ports;
use shipload_server::{Launch, LogFormat, Options, Running, configure, logging};

use self::demo::Demo;

/// What can be given on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Add a page that counts its visitors
    #[arg(long)]
    demo: bool,
    /// Port for clients
    #[arg(long, short = 'p', value_name = "PORT", default_value_t = 3000)]
    port: u16,
    /// Port for info as plain text; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 3003)]
    info_port: u16,
    /// Port for health and metrics; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 4200)]
    http_port: u16,
    /// Port of the page of `--demo`
    #[arg(long, value_name = "PORT", default_value_t = 5000)]
    demo_port: u16,
    /// off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: String,
}

/// Starts the node, tells what can be done with it, and waits for Ctrl-C.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let options = Options {
        addresses: vec!["127.0.0.1".to_owned()],
        ports: Ports {
            service: Some(args.port),
            info: Some(args.info_port),
            http: Some(args.http_port),
            ..Ports::default()
        },
        ..Options::default()
    };
    let configured = configure(&options)?;
    logging::start(&configured.config.logging, Some(&args.log_level), LogFormat::Text)?;
    let runtime = crate::runtime::start()?;
    // The page's port opens first, so that a port in use is told before anything runs.
    let listener = if args.demo { Some(runtime.block_on(demo::listen(args.demo_port))?) } else { None };
    let running = Launch::new(configured.config).start()?;
    let code = runtime.block_on(serve(&running, listener))?;
    // The order matters: first the page and its client go, then the node that they talk to.
    runtime.shutdown_timeout(Duration::from_millis(200));
    running.stop();
    Ok(code)
}

async fn serve(running: &Running, listener: Option<tokio::net::TcpListener>) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let service = running.ports().service;
    let page = match &listener {
        Some(listener) => Some(listener.local_addr().context("the page has no address")?),
        None => None,
    };
    let demo = match listener {
        Some(listener) => Some(Demo::start(listener, service).await?),
        None => None,
    };
    crate::print(&welcome(running, page))?;
    signals.wait().await;
    if let Some(demo) = demo {
        demo.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// What ends it: Ctrl-C, or a supervisor's SIGTERM.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn catch() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What to open and what to type.
fn welcome(running: &Running, page: Option<std::net::SocketAddr>) -> String {
    let ports = running.ports();
    let command = command_name();
    let port = ports.service.port();
    let flag = if port == 3000 { String::new() } else { format!(" -p {port}") };
    let mut text = format!(
        "Shipload {} is up: one node (clusters are not built yet), in memory, open to this machine only.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut line = |name: &str, address: String, what: &str| {
        text.push_str(&format!("  {name:<9}{address:<31}{what}\n"));
    };
    line("records", ports.service.to_string(), "any Aerospike client; namespace `test`");
    if let Some(info) = ports.info {
        line("info", info.to_string(), "plain text, one command a line");
    }
    if let Some(http) = ports.http {
        line("health", format!("http://{http}/healthz"), "and /metrics");
    }
    if let Some(page) = page {
        line("counter", format!("http://{page}/"), "a page that counts its visitors");
    }
    text.push_str("\nTry in another terminal:\n");
    if let Some(page) = page {
        text.push_str(&format!(
            "  curl http://{page}/\n  {command} aql{flag} -c 'select * from test.summary'\n"
        ));
    } else {
        text.push_str(&format!(
            "  {command} aql{flag} -c \"insert into test.foo (pk, val1) values (1, 'abc')\"\n  \
             {command} aql{flag} -c 'select * from test.foo'\n"
        ));
    }
    text.push_str(&format!("  {command} info{flag}\n\nCtrl-C ends it.\n"));
    text
}

/// How this program can be called again: by its name when the shell would find it, else by its path.
fn command_name() -> String {
    let Ok(program) = std::env::current_exe() else { return "shipload".to_owned() };
    let name = program.file_name().unwrap_or_default();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&paths).map(|directory| directory.join(name)).find(|path| path.is_file());
    if found.is_some_and(|found| found.canonicalize().is_ok_and(|found| found == program)) {
        return name.display().to_string();
    }
    let current = std::env::current_dir().unwrap_or_default();
    program.strip_prefix(current).unwrap_or(&program).display().to_string()
}
