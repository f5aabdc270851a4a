//! `shipload up`: a cluster to play with, in this process, on this machine only.
//!
//! Its nodes listen on 127.0.0.1, 127.0.0.2 and so on, with the same ports, and find each other by name. Nothing is written to disk and nothing is open to other machines; when
//! it ends, all is gone. `--demo` adds a page that counts its visitors, served through the official client.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use shipload_server::options::Ports;
use shipload_server::{Launch, LogFormat, Options, Running, configure, logging};

use crate::counter::page::Page;
use crate::ending::Signals;

/// What can be given on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Add a page that counts its visitors
    #[arg(long)]
    demo: bool,
    /// How many nodes, on 127.0.0.1, 127.0.0.2 and so on
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// Copies of every record
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    replication_factor: u8,
    /// Directory for records, which survive restarts then: each node has a folder in it, and a write is acknowledged when
    /// it is on stable storage; without it, all is in memory
    #[arg(long, value_name = "DIR")]
    data: Option<std::path::PathBuf>,
    /// Port for clients
    #[arg(long, short = 'p', value_name = "PORT", default_value_t = 3000)]
    port: u16,
    /// Port for info as plain text; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 3003)]
    info_port: u16,
    /// Port for health and metrics; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 4200)]
    http_port: u16,
    /// Port for PostgreSQL's clients on each node's address; 0 for none [default: 5432]
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "PORT")]
    pg_port: Option<u16>,
    /// Port of the page of `--demo`
    #[arg(long, value_name = "PORT", default_value_t = 5000)]
    demo_port: u16,
    /// off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = QUIET)]
    log_level: String,
}

/// Only what somebody should look at; that nodes say farewell to each other when all of them end is not.
const QUIET: &str = "warn,shipload_server::cluster=error";

/// What a node of the cluster is started with. `first` is the heartbeat port of the first one.
fn options(args: &Args, number: u8, first: Option<u16>) -> Options {
    Options {
        addresses: vec![format!("127.0.0.{number}")],
        ports: Ports {
            service: Some(args.port),
            info: Some(args.info_port),
            http: Some(args.http_port),
            #[cfg(feature = "sql")]
            pg: args.pg_port,
            ..Ports::default()
        },
        namespaces: vec![namespace(args)],
        data: args.data.as_ref().map(|directory| directory.join(format!("node-{number}"))),
        seeds: first.map(|port| format!("127.0.0.1:{port}")).into_iter().collect(),
        ..Options::default()
    }
}

/// The namespace and its settings.
fn namespace(args: &Args) -> String {
    let copies = args.replication_factor;
    let durable = if args.data.is_some() { ":storage-engine.commit-to-device=true" } else { "" };
    format!("test:replication-factor={copies}{durable}")
}

/// Starts all nodes; the first one founds the cluster, the others join it.
fn start(args: &Args) -> Result<Vec<Running>> {
    let configured = configure(&options(args, 1, None))?;
    logging::start(&configured.config.logging, Some(&args.log_level), LogFormat::Text)?;
    let mut nodes = vec![Launch::new(configured.config).start()?];
    let heartbeat = nodes[0].ports().heartbeat.map(|address| address.port());
    for number in 2..=args.nodes {
        let configured = configure(&options(args, number, heartbeat))?;
        nodes.push(Launch::new(configured.config).start()?);
    }
    Ok(nodes)
}

/// Waits until all nodes are one cluster and every partition has its copies: `false` when they are not in time.
fn wait_for_cluster(nodes: &[Running]) -> bool {
    let until = Instant::now() + TOGETHER;
    let together = || {
        nodes.iter().all(|running| {
            let node = running.node();
            let status = node.cluster.status();
            let settled = node.namespaces().iter().all(|one| node.migration_status(one).remaining() == 0);
            status.members.len() == nodes.len() && status.integrity && settled
        })
    };
    loop {
        match (together(), Instant::now() < until) {
            (true, _) => return true,
            (false, true) => std::thread::sleep(Duration::from_millis(5)),
            (false, false) => return false,
        }
    }
}

/// How long `up` waits for its nodes to find each other before it says that they have not.
const TOGETHER: Duration = Duration::from_secs(30);

/// Starts the nodes, tells what can be done with them, and waits for Ctrl-C.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    // The page's port opens first, so that a port in use is told before anything runs.
    let listener = if args.demo { Some(runtime.block_on(listen(args.demo_port))?) } else { None };
    let nodes = start(args)?;
    if !wait_for_cluster(&nodes) {
        let seconds = TOGETHER.as_secs();
        eprintln!(
            "The nodes are not one cluster with all its copies after {seconds} s; `shipload info` shows each one's view."
        );
    }
    let code = runtime.block_on(serve(&nodes, listener, args.data.as_deref()))?;
    // The order matters: first the page and its client go, then the nodes that they talk to.
    runtime.shutdown_timeout(Duration::from_millis(200));
    std::thread::scope(|scope| {
        for running in nodes {
            scope.spawn(move || running.stop());
        }
    });
    Ok(code)
}

/// Opens the page's port on this machine.
async fn listen(port: u16) -> Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!(
            "the page can't be opened on port {port}; choose another with --demo-port, or stop what uses it"
        )
    })
}

async fn serve(
    nodes: &[Running],
    listener: Option<tokio::net::TcpListener>,
    data: Option<&std::path::Path>,
) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let service = nodes.first().context("no node runs")?.ports().service;
    let page = match &listener {
        Some(listener) => Some(listener.local_addr().context("the page has no address")?),
        None => None,
    };
    let demo = match listener {
        Some(listener) => {
            let demo = Page::serve(listener).await;
            demo.connect(&service.ip().to_string(), service.port()).await?;
            Some(demo)
        }
        None => None,
    };
    crate::print(&welcome(nodes, page, data))?;
    signals.wait().await;
    if let Some(demo) = demo {
        demo.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// What to open and what to type.
fn welcome(nodes: &[Running], page: Option<std::net::SocketAddr>, data: Option<&std::path::Path>) -> String {
    let Some(ports) = nodes.first().map(Running::ports) else { return String::new() };
    let command = command_name();
    let port = ports.service.port();
    let flag = if port == 3000 { String::new() } else { format!(" -p {port}") };
    let size = match nodes.len() {
        1 => "one node".to_owned(),
        count => format!("{count} nodes"),
    };
    let place = data.map_or_else(|| "in memory".to_owned(), |data| format!("records in {}", data.display()));
    let mut text = format!(
        "Shipload {} is up: {size}, {place}, open to this machine only.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut line = |name: &str, address: String, what: &str| {
        text.push_str(&format!("  {name:<9}{address:<31}{what}\n"));
    };
    line("records", ports.service.to_string(), "any Aerospike client; namespace `test`");
    if nodes.len() > 1 {
        let others: Vec<String> =
            nodes.iter().skip(1).map(|node| node.ports().service.ip().to_string()).collect();
        line("", others.join(", "), "the other nodes; clients find them");
    }
    if let Some(info) = ports.info {
        line("info", info.to_string(), "plain text, one command a line");
    }
    if let Some(http) = ports.http {
        line("health", format!("http://{http}/healthz"), "and /metrics");
    }
    if let Some(pg) = ports.pg {
        line("sql", pg.to_string(), "psql and other clients of PostgreSQL; user `crate`, database `doc`");
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
