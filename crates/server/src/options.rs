//! What a user may say about a node outside of a configuration file: flags and environment variables.
//!
//! Order, later wins: defaults, the variables of the official container image (only in a container, and only
//! when no file is given, as in that image), the configuration file, flags. Each flag has a `SHIPLOAD_` variable
//! of its own, which stands in for the flag.

use crate::conf::ConfError;
use crate::host::container;
use crate::image_variables::ImageVariables;
use crate::overlay::Overlay;
use shipload_node::config::{Config, ConfigError};
use std::path::PathBuf;
use thiserror::Error;

/// Where a container looks for a file that nobody named, as the official image has it.
const MOUNTED: &str = "/etc/aerospike/aerospike.conf";

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Flags of `shipload serve`, already read from the command line and its environment variables.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--config`: an `aerospike.conf`.
    pub config: Option<PathBuf>,
    /// `--address`: an IP address, an interface, `localhost` or `any`; several add up.
    pub addresses: Vec<String>,
    /// `--port`, `--fabric-port`, `--heartbeat-port`, `--info-port`, `--http-port`, `--pg-port`.
    pub ports: Ports,
    /// `--seed HOST[:PORT]`: where other nodes may be; several add up, also in one text with commas or blanks.
    pub seeds: Vec<String>,
    /// `--namespace NAME[:KEY=VALUE]...`.
    pub namespaces: Vec<String>,
    /// `--set PATH=VALUE`, such as `namespace.test.default-ttl=30`.
    pub settings: Vec<String>,
    /// `--data`: where the node keeps its id and the records of namespaces without files of their own.
    pub data: Option<PathBuf>,
    /// `--sql-files`: the folder that the statement COPY may read and write.
    pub sql_files: Option<PathBuf>,
    /// `--sql-hosts`: hosts that the statement COPY may reach, with commas between.
    pub sql_hosts: Option<String>,
    /// `--service-threads`.
    pub service_threads: Option<u64>,
    /// `--log-level`: a level, or directives of `tracing`'s filter.
    pub log_level: Option<String>,
    /// `--log-format`.
    pub log_format: LogFormat,
    /// `--check`: read the configuration, tell what is wrong with it, and end.
    pub check: bool,
}

/// Ports that flags choose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// `--port`.
    pub service: Option<u16>,
    /// `--fabric-port`.
    pub fabric: Option<u16>,
    /// `--heartbeat-port`.
    pub heartbeat: Option<u16>,
    /// `--info-port`.
    pub info: Option<u16>,
    /// `--http-port`.
    pub http: Option<u16>,
    /// `--pg-port`.
    pub pg: Option<u16>,
}

/// A configuration that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigureError {
    /// In the file, with its line.
    #[error("{0}")]
    File(#[from] ConfError),
    /// In a flag or an environment variable.
    #[error("{origin}: {error}")]
    Flag {
        /// Where it was said.
        origin: String,
        /// What is wrong with it.
        error: ConfigError,
    },
    /// A flag that is not of the right form.
    #[error("{origin}: '{value}' has the wrong form; allowed: {allowed}")]
    Form {
        /// Where it was said.
        origin: String,
        /// What was said.
        value: String,
        /// What it should look like.
        allowed: &'static str,
    },
    /// The configuration as a whole.
    #[error("configuration: {0}")]
    Whole(ConfigError),
}

/// A configuration, and what is doubtful about it.
#[derive(Debug)]
pub struct Configured {
    /// The configuration.
    pub config: Config,
    /// Texts to log once logging works.
    pub warnings: Vec<String>,
}

/// Reads the file, then lays variables and flags over it.
///
/// # Errors
/// What can't be used, with the place where it was said.
pub fn configure(options: &Options) -> Result<Configured, ConfigureError> {
    let mounted = PathBuf::from(MOUNTED);
    if options.config.is_none() && container::is_container() && mounted.is_file() {
        return configure(&Options { config: Some(mounted), ..options.clone() });
    }
    let image = if container::is_container() { ImageVariables::read() } else { ImageVariables::default() };
    Overlay { options, config: Config::new(), warnings: Vec::new() }.run(&image)
}
