//! How the server's process ends: one number for each kind of end.

use std::fmt;

/// Exit statuses of `shipload serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to stop, and did; or the configuration was checked and is fine.
    Done = 0,
    /// The configuration can't be used.
    BadConfiguration = 2,
    /// An address or port can't be opened.
    Address = 3,
    /// The machine does not give what is needed: threads, file descriptors, log files.
    Environment = 4,
    /// Files, devices or the data directory can't be used.
    Storage = 5,
    /// A second signal came while the first one was being followed.
    Impatient = 130,
}

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub fn status(self) -> u8 {
        self as u8
    }
}

/// Ends the process because what it stands on is gone. Nothing above this can repair it.
pub(crate) fn environment(what: &str, error: &dyn fmt::Display) -> ! {
    tracing::error!(%error, "{what}; the process ends");
    std::process::exit(i32::from(Exit::Environment.status()))
}
