//! The scan of a set in a plan: streams of rows, and how many there may be, from which the order of joins is chosen.

use super::leaf::without_inputs;
use super::provider::Source;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use std::fmt;
use std::sync::Arc;

/// What a text is taken to weigh.
const TEXT_BYTES: usize = 24;

/// A scan with a guess of how much it gives.
#[derive(Debug)]
pub(super) struct ScanExec {
    streams: Arc<StreamingTableExec>,
    rows: Option<usize>,
    source: Option<Arc<Source>>,
    way: Way,
}

/// How records are come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// All are looked at.
    All,
    /// Nodes go along an index.
    Index,
    /// What is kept of them is looked at first.
    Kept,
}

impl ScanExec {
    /// The streams, of which this many rows are expected, and where all rows of all partitions come from, if these are they.
    pub(super) fn new(
        streams: StreamingTableExec,
        rows: Option<usize>,
        source: Option<Arc<Source>>,
        way: Way,
    ) -> ScanExec {
        ScanExec { streams: Arc::new(streams), rows, source, way }
    }

    /// Where all rows of all partitions come from, before any filter; none for some records and limited scans.
    pub(super) fn source(&self) -> Option<&Arc<Source>> {
        self.source.as_ref()
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::All => "ScanExec: ",
            Way::Index => "ScanExec: along an index, ",
            Way::Kept => "ScanExec: through kept columns, ",
        })?;
        self.streams.fmt_as(kind, f)
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &'static str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.streams.properties()
    }

    without_inputs!();

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.streams.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.streams.metrics()
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let schema = self.schema();
        let mut statistics = Statistics::new_unknown(&schema);
        let Some(rows) = self.rows else { return Ok(Arc::new(statistics)) };
        let parts = self.properties().partitioning.partition_count().max(1);
        let rows = if args.partition().is_some() { rows.div_ceil(parts) } else { rows };
        statistics.num_rows = Precision::Inexact(rows);
        statistics.total_byte_size = Precision::Inexact(rows.saturating_mul(width(&schema)));
        Ok(Arc::new(statistics))
    }
}

/// Bytes that a row is taken to have.
pub(super) fn width(schema: &Schema) -> usize {
    schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(TEXT_BYTES)).sum()
}
