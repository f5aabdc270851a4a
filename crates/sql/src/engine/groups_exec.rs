//! Groups from nodes: the first step of an aggregation, done where records are.
//!
//! Nodes hand out the rows that they can't measure; these take the way that all rows took before. What comes out is what
//! the replaced step would give: groups and the states of their measures, several times for a group that several have.

use super::groups::below;
use super::leaf::without_inputs;
use super::measures::Measured;
use super::provider::{Source, external, share};
use super::rows::Layout;
use super::scan_exec::ScanExec;
use crate::records::{Bunch, RowBunch, Scan};
use datafusion::arrow::array::{ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{cast, nullif};
use datafusion::arrow::datatypes::{DataType, SchemaRef, UInt64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, channel};

/// Batches that wait.
const AHEAD: usize = 4;

/// The step.
#[derive(Debug)]
pub(super) struct GroupsExec {
    /// What it replaces.
    partial: Arc<dyn ExecutionPlan>,
    source: Arc<Source>,
    /// How groups become columns.
    layout: Arc<Layout>,
    /// What nodes are asked for.
    wanted: Vec<u8>,
    filter: Vec<u8>,
}

impl GroupsExec {
    /// What nodes measure of the records for which the filter holds, in the place of a step over a scan of them.
    pub(super) fn new(
        partial: &Arc<dyn ExecutionPlan>,
        source: Arc<Source>,
        measured: Measured,
        filter: Vec<u8>,
    ) -> GroupsExec {
        let layout = Arc::new(Layout::of_cells(&source.table, measured.types));
        let wanted = measured.wanted.encode();
        GroupsExec { partial: Arc::clone(partial), source, layout, wanted, filter }
    }

    /// The replaced step over rows that are sent to it.
    fn rest(&self, rows: Receiver<Result<RecordBatch>>) -> Result<Arc<dyn ExecutionPlan>> {
        let stream = Sent { schema: Arc::clone(&self.source.schema), rows: Mutex::new(Some(rows)) };
        let leaf = StreamingTableExec::try_new(
            Arc::clone(&self.source.schema),
            vec![Arc::new(stream) as Arc<dyn PartitionStream>],
            None,
            None,
            false,
            None,
        )?;
        with_leaf(&self.partial, &(Arc::new(leaf) as Arc<dyn ExecutionPlan>))
    }
}

/// A chain of steps with another end.
fn with_leaf(plan: &Arc<dyn ExecutionPlan>, leaf: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if plan.is::<ScanExec>() {
        return Ok(Arc::clone(leaf));
    }
    if let Some(input) = below(plan) {
        return with_leaf(input, leaf);
    }
    let children = plan.children();
    let inputs = children.into_iter().map(|input| with_leaf(input, leaf)).collect::<Result<Vec<_>>>()?;
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan).replace_children(inputs, options)
}

/// The columns of groups, as the replaced step has them.
fn batches(layout: &Layout, schema: &SchemaRef, bunch: &RowBunch) -> Result<Vec<RecordBatch>> {
    let made = layout.batches(bunch)?.into_iter();
    let batches = made.map(|batch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| fitted(column, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    });
    batches.collect()
}

/// A column as the replaced step has it.
fn fitted(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if wanted == column.data_type() {
        return Ok(Arc::clone(column));
    }
    let made = cast(column, wanted)?;
    // Averages count in these, and a group without values has no count there.
    let none =
        made.as_primitive_opt::<UInt64Type>().map(|counts| counts.iter().map(|one| Some(one == Some(0))));
    Ok(match none {
        Some(none) => nullif(&made, &none.collect::<BooleanArray>())?,
        None => made,
    })
}

impl DisplayAs for GroupsExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filtered = if self.filter.is_empty() { "" } else { " where the condition holds" };
        write!(f, "GroupsExec: measured by nodes in {}{filtered}, for ", self.source.table.full_name())?;
        self.partial.fmt_as(kind, f)
    }
}

impl ExecutionPlan for GroupsExec {
    fn name(&self) -> &'static str {
        "GroupsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.partial.properties()
    }

    without_inputs!();

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let number = |size: usize| u16::try_from(size).map_err(|error| external(to_error(&error)));
        if partition == 0 {
            self.source.note();
        }
        let streams = number(self.properties().partitioning.partition_count())?;
        let scan = Scan {
            groups: self.wanted.clone(),
            filter: self.filter.clone(),
            ..self.source.scan(share(number(partition)?, streams))
        };
        let (rows, received) = channel(AHEAD);
        let mut rest = self.rest(received)?.execute(0, context)?;
        let schema = self.schema();
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&schema), AHEAD);
        let (groups, left) = (builder.tx(), builder.tx());
        let (source, layout) = (Arc::clone(&self.source), Arc::clone(&self.layout));
        builder.spawn(async move {
            let mut stream = source.from.records.scan(scan);
            while let Some(bunch) = stream.next().await {
                let bunch = bunch.map_err(external)?;
                let (made, to) = match &bunch {
                    Bunch::Groups(bunch) => (batches(&layout, &schema, bunch)?, &groups),
                    Bunch::Records(_) | Bunch::Rows(_) => (source.batches(&bunch)?, &rows),
                };
                for batch in made {
                    if to.send(Ok(batch)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        builder.spawn(async move {
            while let Some(batch) = rest.next().await {
                if left.send(batch).await.is_err() {
                    return Ok(());
                }
            }
            Ok(())
        });
        Ok(builder.build())
    }
}

fn to_error(why: &dyn fmt::Display) -> crate::error::SqlError {
    crate::error::SqlError::new(crate::error::Kind::Internal, why.to_string())
}

/// Rows that another task sends; they can be read once.
struct Sent {
    schema: SchemaRef,
    rows: Mutex<Option<Receiver<Result<RecordBatch>>>>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}

impl PartitionStream for Sent {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().take();
        let again = || Err(DataFusionError::Internal("rows are read twice".to_owned()));
        let stream = futures::stream::unfold(Some(rows), move |state| async move {
            match state? {
                Some(mut rows) => rows.recv().await.map(|batch| (batch, Some(Some(rows)))),
                None => Some((again(), None)),
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}
