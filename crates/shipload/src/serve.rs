//! `shipload serve`: a node in the foreground.
//!
//! This file only knows how flags are spelled; what they mean is decided in `shipload-server`. Every flag has an
//! environment variable, so that a container needs no file.

use shipload_server::options::Ports;
use shipload_server::{LogFormat, Options};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// What follows the flags in the help.
pub(crate) const EXAMPLES: &str = "\
Without a file there is one namespace, `test`, in memory, on 127.0.0.1 (in a container: on all interfaces).
With --data its records survive restarts.

Examples:
  shipload serve
  shipload serve --address any --port 3100 --namespace test:default-ttl=3600
  shipload serve --address any --seed db:3002 --seed 10.0.0.7:3002
  shipload serve --data /var/lib/shipload
  shipload serve --config aerospike.conf --set service.proto-fd-max=50000
  shipload serve --config aerospike.conf --check

Exit statuses: 0 stopped by SIGTERM or SIGINT, 2 the configuration can't be used, 3 an address or port can't be
opened, 4 the machine does not give what is needed, 5 files, devices
or the data directory can't be used, 130 a second signal came. SIGHUP opens log files anew.";

/// Flags of `shipload serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An aerospike.conf
    #[arg(long, short = 'c', env = "SHIPLOAD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen: an IP address, a network interface, `localhost` or `any`; may be given several times
    #[arg(long, env = "SHIPLOAD_ADDRESS", value_name = "ADDRESS", value_delimiter = ',')]
    address: Vec<String>,
    /// Port for clients [default: 3000]
    #[arg(long, short = 'p', env = "SHIPLOAD_PORT", value_name = "PORT", value_parser = port)]
    port: Option<Port>,
    /// Port for data between nodes [default: 3001]
    #[arg(long, env = "SHIPLOAD_FABRIC_PORT", value_name = "PORT")]
    fabric_port: Option<u16>,
    /// Port for membership between nodes [default: 3002]
    #[arg(long, env = "SHIPLOAD_HEARTBEAT_PORT", value_name = "PORT")]
    heartbeat_port: Option<u16>,
    /// Port for info as plain text, 0 for none [default: 3003]
    #[arg(long, env = "SHIPLOAD_INFO_PORT", value_name = "PORT")]
    info_port: Option<u16>,
    /// Port for health and metrics over HTTP, 0 for none [default: 4200]
    #[arg(long, env = "SHIPLOAD_HTTP_PORT", value_name = "PORT")]
    http_port: Option<u16>,
    /// Port for PostgreSQL's clients, 0 for none [default: 5432]
    #[cfg(feature = "sql")]
    #[arg(long, env = "SHIPLOAD_PG_PORT", value_name = "PORT")]
    pg_port: Option<u16>,
    /// Folder that the statement COPY may read and write; without it, none
    #[cfg(feature = "sql")]
    #[arg(long, env = "SHIPLOAD_SQL_FILES", value_name = "DIR")]
    sql_files: Option<PathBuf>,
    /// Hosts that the statement COPY may reach by HTTP and S3, with commas between; `*` stands for any part; without it, none
    #[cfg(feature = "sql")]
    #[arg(long, env = "SHIPLOAD_SQL_HOSTS", value_name = "HOST,...")]
    sql_hosts: Option<String>,
    /// Where another node may be: name or address; may be given several times, with commas or blanks between them in
    /// the variable. A name stands for all its addresses and is looked up again and again [port: as --heartbeat-port]
    #[arg(long, env = "SHIPLOAD_SEED", value_name = "HOST:PORT")]
    seed: Vec<String>,
    /// A namespace, with settings if wanted; may be given several times [default: test]
    #[arg(
        long,
        short = 'n',
        env = "SHIPLOAD_NAMESPACE",
        value_name = "NAME[:KEY=VALUE]...",
        value_delimiter = ','
    )]
    namespace: Vec<String>,
    /// A setting by its path in the configuration, such as namespace.test.default-ttl=30
    #[arg(long, env = "SHIPLOAD_SET", value_name = "PATH=VALUE", value_delimiter = ',')]
    set: Vec<String>,
    /// Directory for records and the node's id; without it, and without files in the configuration, all is in memory
    #[arg(long, env = "SHIPLOAD_DATA", value_name = "DIR")]
    data: Option<OsString>,
    /// Threads that serve clients, 0 for one for each processor [default: 0]
    #[arg(long, env = "SHIPLOAD_SERVICE_THREADS", value_name = "N")]
    service_threads: Option<u64>,
    /// off, error, warn, info, debug, trace; or directives such as info,shipload_server=debug
    #[arg(long, env = "SHIPLOAD_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look
    #[arg(long, env = "SHIPLOAD_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,
    /// Read the configuration, say what is wrong with it, and end
    #[arg(long)]
    check: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// A port, or none where Kubernetes says something else.
#[derive(Debug, Clone, Copy)]
struct Port(Option<u16>);

/// Reads a port. For a service named `shipload` Kubernetes puts `SHIPLOAD_PORT=tcp://10.0.0.1:3000` into every
/// container, which is not meant for us.
fn port(text: &str) -> Result<Port, String> {
    if text.starts_with("tcp://") {
        return Ok(Port(None));
    }
    text.parse().map(|port| Port(Some(port))).map_err(|_| "allowed: a number from 0 to 65535".to_owned())
}

/// Runs a node until a signal ends it.
pub(crate) fn run(args: &Args) -> ExitCode {
    ExitCode::from(shipload_server::run(&options(args)).status())
}

fn options(args: &Args) -> Options {
    Options {
        config: args.config.clone(),
        addresses: args.address.clone(),
        ports: Ports {
            service: args.port.and_then(|port| port.0),
            fabric: args.fabric_port,
            heartbeat: args.heartbeat_port,
            info: args.info_port,
            http: args.http_port,
            #[cfg(feature = "sql")]
            pg: args.pg_port,
            #[cfg(not(feature = "sql"))]
            pg: None,
        },
        seeds: args.seed.clone(),
        namespaces: args.namespace.clone(),
        settings: args.set.clone(),
        // An empty variable means what no variable means.
        data: args.data.clone().filter(|data| !data.is_empty()).map(PathBuf::from),
        #[cfg(feature = "sql")]
        sql_files: args.sql_files.clone(),
        #[cfg(not(feature = "sql"))]
        sql_files: None,
        #[cfg(feature = "sql")]
        sql_hosts: args.sql_hosts.clone(),
        #[cfg(not(feature = "sql"))]
        sql_hosts: None,
        service_threads: args.service_threads,
        log_level: args.log_level.clone(),
        log_format: match args.log_format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        },
        check: args.check,
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, options, port};
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn flags_become_options() {
        let line = "serve -p 3100 --address any --address ::1 --seed db:3002 --seed db2 -n test:default-ttl=5 \
                    -n bar --set a.b=c --check";
        let options = options(&Line::try_parse_from(line.split(' ')).expect("these flags are fine").args);
        assert_eq!(options.ports.service, Some(3100));
        assert_eq!(options.addresses, ["any", "::1"]);
        assert_eq!(options.seeds, ["db:3002", "db2"]);
        assert_eq!(options.namespaces, ["test:default-ttl=5", "bar"]);
        assert_eq!(options.settings, ["a.b=c"]);
        assert!(options.check);
    }

    #[test]
    fn a_port_of_kubernetes_is_none_of_ours() {
        assert_eq!(port("tcp://10.0.0.1:3000").map(|port| port.0), Ok(None));
        assert_eq!(port("3000").map(|port| port.0), Ok(Some(3000)));
        assert!(port("70000").is_err());
    }
}
