//! Limits of the event loops that no configuration key names.

use std::time::Duration;

/// Bounds of one service thread. The defaults are right for a server; tests use smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Bytes that one read of a socket may bring; also what a service thread holds for reading.
    pub read_size: usize,
    /// Unsent bytes of a connection above which nothing more is executed for it or read from it.
    pub unsent_high: usize,
    /// Bytes that one slice of a query may append.
    pub query_slice: usize,
    /// Bytes that all connections of a thread may hold in partly received frames and unsent replies together.
    /// Above this a frame that keeps growing closes its connection, and `unsent_high` shrinks to a sixteenth.
    pub held_max: usize,
    /// How long a connection may leave replies unread before it is closed.
    pub stall: Duration,
    /// How long a stop waits for replies to leave.
    pub drain: Duration,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            read_size: 64 << 10,
            unsent_high: 1 << 20,
            query_slice: 256 << 10,
            held_max: 256 << 20,
            stall: Duration::from_secs(60),
            drain: Duration::from_millis(500),
        }
    }
}
