//! What only the shell knows about the process and the machine.
//!
//! The shell writes these numbers about once a second; the engine reads them for info answers and for the
//! memory limits of stop-writes and eviction. Nothing here is asked from the operating system.

use crate::statements::Statements;
use core::net::SocketAddr;
use parking_lot::RwLock;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

/// Numbers and addresses that the shell keeps up to date.
#[derive(Debug, Default)]
pub struct Facts {
    /// Open client connections.
    pub client_connections: AtomicU64,
    /// Client connections accepted since the start.
    pub client_connections_opened: AtomicU64,
    /// Client connections closed since the start.
    pub client_connections_closed: AtomicU64,
    /// Client connections closed because they were idle too long.
    pub reaped_fds: AtomicU64,
    /// Resident memory of this process, in KiB.
    pub process_memory_kbytes: AtomicU64,
    /// CPU use of this process, in percent of one core.
    pub process_cpu_pct: AtomicU64,
    /// CPU use of the machine, in percent.
    pub system_total_cpu_pct: AtomicU64,
    /// CPU use of the machine in user mode, in percent.
    pub system_user_cpu_pct: AtomicU64,
    /// CPU use of the machine in kernel mode, in percent.
    pub system_kernel_cpu_pct: AtomicU64,
    /// Memory that this process may still take (of the machine or of its cgroup), in KiB.
    pub system_free_mem_kbytes: AtomicU64,
    /// The same in percent of the limit. 0 until the shell has measured it.
    pub system_free_mem_pct: AtomicU64,
    /// Bytes that the allocator holds for live objects, in KiB.
    pub heap_allocated_kbytes: AtomicU64,
    /// Bytes in the allocator's active pages, in KiB.
    pub heap_active_kbytes: AtomicU64,
    /// Bytes that the allocator mapped, in KiB.
    pub heap_mapped_kbytes: AtomicU64,
    /// When the node started: monotonic nanoseconds, as in [`crate::Now::mono_ns`].
    pub started_mono_ns: AtomicU64,
    /// Threads that run.
    pub threads: AtomicU64,
    /// Really bound addresses.
    pub listen: RwLock<Listen>,
    /// The doors for SQL, where there are some.
    pub statements: OnceLock<Box<dyn Statements>>,
}

/// The addresses on which the shell listens, with real port numbers.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// Client protocol (3000).
    pub service: Vec<SocketAddr>,
    /// What clients should be told instead, when configured (access addresses).
    pub access: Vec<String>,
    /// What clients that ask for alternate addresses are told.
    pub alternate: Vec<String>,
    /// Client protocol without records, for tools; empty when there is no such port.
    pub admin: Vec<SocketAddr>,
    /// Plain-text info (3003).
    pub info: Vec<SocketAddr>,
    /// HTTP (4200).
    pub http: Vec<SocketAddr>,
}
