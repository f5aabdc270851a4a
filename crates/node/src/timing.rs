//! What the shell measures: which latency histogram a finished command belongs to.

/// The latency histograms of `latencies:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Histogram {
    /// Whole batches, of the node rather than of a namespace.
    BatchIndex,
    /// Single-record reads.
    Read,
    /// Single-record writes and deletes.
    Write,
    /// Single-record UDF calls.
    Udf,
    /// Read rows of batches.
    BatchSubRead,
    /// Write rows of batches.
    BatchSubWrite,
    /// UDF rows of batches.
    BatchSubUdf,
    /// Primary-index queries.
    PiQuery,
    /// Secondary-index queries.
    SiQuery,
}

/// A finished command's place in the histograms; the shell adds how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Index into [`crate::Node::namespaces`]; 0 for [`Histogram::BatchIndex`].
    pub namespace: usize,
    /// Which histogram.
    pub histogram: Histogram,
}
