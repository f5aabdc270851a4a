//! Where log lines go, and how much of each part of the node.
//!
//! This is only the wish: the shell reads it, and reads it again when [`Logging::generation`] has moved.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::error::ConfigError;

/// The parts of a node whose lines can be turned up and down, by the names that `log-set` uses.
pub const LOG_CONTEXTS: &[&str] = &[
    "misc",
    "alloc",
    "arenax",
    "hardware",
    "msg",
    "os",
    "secrets",
    "socket",
    "tls",
    "vault",
    "vmapx",
    "xmem",
    "aggr",
    "appeal",
    "as",
    "audit",
    "batch",
    "batch-sub",
    "bin",
    "config",
    "clustering",
    "drv-mem",
    "drv_pmem",
    "drv_ssd",
    "exchange",
    "exp",
    "expression",
    "fabric",
    "flat",
    "geo",
    "hb",
    "health",
    "hlc",
    "index",
    "info",
    "info-command",
    "info-port",
    "key-busy",
    "masking",
    "migrate",
    "mrt-audit",
    "mrt-monitor",
    "namespace",
    "nsup",
    "particle",
    "partition",
    "proto",
    "proxy",
    "proxy-divert",
    "query",
    "record",
    "roster",
    "rw",
    "rw-client",
    "security",
    "service",
    "service-list",
    "sindex",
    "skew",
    "smd",
    "storage",
    "truncate",
    "tsvc",
    "udf",
    "xdr",
    "xdr-client",
];

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The node cannot go on.
    Critical,
    /// Something needs a look.
    Warning,
    /// What happened.
    Info,
    /// What happened inside.
    Debug,
    /// Everything.
    Detail,
}

impl Severity {
    /// Reads the word that files and `log-set` use, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Severity> {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Some(Severity::Critical),
            "warning" => Some(Severity::Warning),
            "info" => Some(Severity::Info),
            "debug" => Some(Severity::Debug),
            "detail" => Some(Severity::Detail),
            _ => None,
        }
    }

    /// The word that `log/ID` shows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Critical => "CRITICAL",
            Severity::Warning => "WARNING",
            Severity::Info => "INFO",
            Severity::Debug => "DEBUG",
            Severity::Detail => "DETAIL",
        }
    }
}

/// Where the lines of a sink go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkTarget {
    /// Standard error.
    Console,
    /// A file, by path.
    File(String),
    /// The system log; its path if one was given.
    Syslog(Option<String>),
}

/// One place for log lines, with a severity for each part of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Where its lines go.
    pub target: SinkTarget,
    /// One severity for each entry of [`LOG_CONTEXTS`], in that order.
    levels: Vec<Severity>,
}

impl Sink {
    fn new(target: SinkTarget) -> Sink {
        Sink { target, levels: vec![Severity::Info; LOG_CONTEXTS.len()] }
    }

    /// All parts with their severities.
    pub fn levels(&self) -> impl Iterator<Item = (&'static str, Severity)> + '_ {
        LOG_CONTEXTS.iter().copied().zip(self.levels.iter().copied())
    }

    /// The name that `logs` shows.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.target {
            SinkTarget::Console => "stderr",
            SinkTarget::File(path) => path,
            SinkTarget::Syslog(path) => path.as_deref().unwrap_or("syslog"),
        }
    }

    fn set(&mut self, context: &str, severity: Severity) -> bool {
        let mut known = false;
        for (name, level) in LOG_CONTEXTS.iter().zip(&mut self.levels) {
            if context == "any" || context == *name {
                *level = severity;
                known = true;
            }
        }
        known
    }
}

/// All sinks. Without any in the file there is one: the console, at `info`.
#[derive(Debug)]
pub struct Logging {
    sinks: RwLock<Vec<Sink>>,
    /// Whether the only sink is the one that nobody asked for.
    implied: bool,
    generation: AtomicU64,
}

impl Default for Logging {
    fn default() -> Logging {
        let console = Sink::new(SinkTarget::Console);
        Logging { sinks: RwLock::new(vec![console]), implied: true, generation: AtomicU64::new(0) }
    }
}

impl Logging {
    /// A copy of the sinks; the place of a sink is its id.
    #[must_use]
    pub fn sinks(&self) -> Vec<Sink> {
        self.sinks.read().clone()
    }

    /// Moves whenever a severity changes.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Adds a sink and returns its id.
    pub(super) fn add(&mut self, target: SinkTarget) -> usize {
        let mut sinks = self.sinks.write();
        if self.implied {
            sinks.clear();
            self.implied = false;
        }
        sinks.push(Sink::new(target));
        self.generation.fetch_add(1, Ordering::Release);
        sinks.len().saturating_sub(1)
    }

    /// Sets the severity of one part, or of `any` for all.
    ///
    /// # Errors
    /// Unknown part, severity or sink.
    pub fn set_level(&self, sink: usize, context: &str, severity: &str) -> Result<(), ConfigError> {
        let level = Severity::parse(severity).ok_or_else(|| ConfigError::BadValue {
            name: format!("context {context}"),
            value: severity.to_owned(),
            allowed: "critical, warning, info, debug, detail".to_owned(),
        })?;
        let known = self.sinks.write().get_mut(sink).is_some_and(|sink| sink.set(context, level));
        if !known {
            return Err(ConfigError::UnknownKey {
                context: "logging".to_owned(),
                name: context.to_owned(),
                hint: String::new(),
            });
        }
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }
}
