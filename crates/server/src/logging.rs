//! Log lines: where they go, how they look, and how much of them.
//!
//! The sinks are those of the configuration's `logging` stanza; without one, standard error. `--log-level` wins
//! over the severities there. `log-set` works at run time, and SIGHUP opens log files anew, for log rotation.

use crate::options::LogFormat;
use parking_lot::Mutex;
use shipload_node::config::{Logging, Severity, Sink, SinkTarget};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

type Filter = reload::Handle<EnvFilter, Registry>;
type SinkLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Logging that can't be set up.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// `--log-level` is no level and no list of filter directives.
    #[error(
        "--log-level: '{0}' is no level; allowed: off, error, warn, info, debug, trace, or directives such as info,shipload_server=debug"
    )]
    Level(String),
    /// A log file that can't be opened.
    #[error("log file {0}: {1}")]
    File(PathBuf, io::Error),
}

/// Logging while the process runs.
#[derive(Debug)]
pub struct LogControl {
    filters: Vec<Filter>,
    files: Vec<Arc<LogFile>>,
    /// The level was given by a flag, which the configuration can't change.
    fixed: bool,
    generation: u64,
}

/// Starts logging for the whole process.
///
/// # Errors
/// A level that is none, or a file that can't be opened.
pub fn start(logging: &Logging, level: Option<&str>, format: LogFormat) -> Result<LogControl, LoggingError> {
    let generation = logging.generation();
    let mut control =
        LogControl { filters: Vec::new(), files: Vec::new(), fixed: level.is_some(), generation };
    let mut layers: Vec<SinkLayer> = Vec::new();
    for sink in logging.sinks() {
        let directives = level.map_or_else(|| word(&sink).to_owned(), str::to_owned);
        let filter = EnvFilter::try_new(&directives).map_err(|_| LoggingError::Level(directives))?;
        let (filter, handle) = reload::Layer::new(filter);
        control.filters.push(handle);
        let layer = match &sink.target {
            SinkTarget::File(path) => {
                let file = Arc::new(LogFile::open(PathBuf::from(path))?);
                control.files.push(Arc::clone(&file));
                layer(format, false, move || Line(Arc::clone(&file)))
            }
            // There is no syslog writer; a supervisor or container engine collects standard error.
            SinkTarget::Console | SinkTarget::Syslog(_) => {
                layer(format, io::stderr().is_terminal(), io::stderr)
            }
        };
        layers.push(layer.with_filter(filter).boxed());
    }
    // Only a test that set up logging itself makes this fail; then its choice holds.
    let _ = tracing_subscriber::registry().with(layers).try_init();
    Ok(control)
}

fn layer<W>(format: LogFormat, colour: bool, writer: impl Fn() -> W + Send + Sync + 'static) -> SinkLayer
where
    W: Write + 'static,
{
    let base = fmt::layer().with_writer(writer).with_ansi(colour);
    match format {
        LogFormat::Text => base.with_target(false).boxed(),
        LogFormat::Json => base.json().flatten_event(true).boxed(),
    }
}

/// The level that most parts of a sink have; our lines are not split into the protocol's parts.
fn word(sink: &Sink) -> &'static str {
    let count = |severity: Severity| sink.levels().filter(|(_, level)| *level == severity).count();
    let all = [Severity::Critical, Severity::Warning, Severity::Info, Severity::Debug, Severity::Detail];
    match all.into_iter().max_by_key(|severity| count(*severity)) {
        Some(Severity::Critical) => "error",
        Some(Severity::Warning) => "warn",
        Some(Severity::Info) | None => "info",
        Some(Severity::Debug) => "debug",
        Some(Severity::Detail) => "trace",
    }
}

impl LogControl {
    /// Follows changes that `log-set` made since the last call.
    pub fn follow(&mut self, logging: &Logging) {
        let generation = logging.generation();
        if self.fixed || generation == self.generation {
            return;
        }
        self.generation = generation;
        for (filter, sink) in self.filters.iter().zip(logging.sinks()) {
            // The filter lives as long as the process; an error would mean that logging is gone already.
            let _ = filter.reload(EnvFilter::new(word(&sink)));
        }
    }

    /// Opens all log files anew.
    pub fn reopen(&self) {
        for file in &self.files {
            if let Err(error) = file.reopen() {
                tracing::warn!(%error, "the old log file stays in use");
            }
        }
    }
}

/// A log file that can be moved away while it is written.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    fn open(path: PathBuf) -> Result<LogFile, LoggingError> {
        let file = Mutex::new(append(&path)?);
        Ok(LogFile { path, file })
    }

    fn reopen(&self) -> Result<(), LoggingError> {
        *self.file.lock() = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &PathBuf) -> Result<File, LoggingError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| LoggingError::File(path.clone(), error))
}

/// A writer of one line: the formatter writes each line at once.
struct Line(Arc<LogFile>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.file.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.file.lock().flush()
    }
}
