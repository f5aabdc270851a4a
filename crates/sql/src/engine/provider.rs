//! A set as a table of the engine.

use super::arrow::{column, field};
use super::filters;
use super::rows::Layout;
use super::scan_exec::ScanExec;
use crate::catalog::{Table, bin_name};
use crate::column_type::Type;
use crate::error::SqlError;
use crate::execute::push;
use crate::records::{Bins, Bunch, Record, Records, Scan};
use crate::value::Value;
use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::fmt;
use std::sync::Arc;

const PARTITIONS: u16 = 4096;

/// A column of the engine's table: its name there, the path into the record, and its type.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) ty: Type,
}

/// A table over a set, for one query.
pub(super) struct SetTable {
    table: Arc<Table>,
    parts: Vec<Part>,
    schema: SchemaRef,
    records: Records,
    streams: u16,
    /// About how many records it has, where that is known.
    rows: Option<usize>,
}

impl SetTable {
    pub(super) fn new(
        table: Arc<Table>,
        parts: Vec<Part>,
        records: Records,
        (streams, rows): (u16, Option<usize>),
    ) -> SetTable {
        let fields: Vec<_> = parts.iter().map(|part| field(&part.name, &part.ty)).collect();
        SetTable {
            table,
            parts,
            schema: Arc::new(Schema::new(fields)),
            records,
            streams: streams.max(1),
            rows,
        }
    }
}

impl fmt::Debug for SetTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetTable({})", self.table.full_name())
    }
}

/// Turns one of our errors into one of the engine's; it comes out again whole.
pub(super) fn external(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[async_trait]
impl TableProvider for SetTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let judge = |filter: &&Expr| match filters::pack(&self.table, filter) {
            // It is looked at again above: a value of another type than the column's reads as null there.
            Some(_) => TableProviderFilterPushDown::Inexact,
            None if filters::keys(&self.table, filter).is_some() => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(judge).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.parts.len()).collect();
        let chosen = projection.unwrap_or(&all);
        let parts: Vec<Part> = chosen.iter().filter_map(|place| self.parts.get(*place).cloned()).collect();
        let schema = Arc::new(self.schema.project(chosen)?);
        let packed = filters.iter().filter_map(|filter| filters::pack(&self.table, filter));
        let filter = packed.fold(Vec::new(), push::both);
        let keys = filters.iter().find_map(|filter| filters::keys(&self.table, filter));
        let bins = bins_of(&self.table, &parts);
        let layout = Layout::new(&self.table, &parts, &schema).map(Arc::new);
        let leaf = |partitions: Vec<u16>, keys: Option<Vec<Value>>| {
            let scan = Scan {
                place: self.table.place(),
                partitions,
                bins: match &layout {
                    Some(layout) if keys.is_none() => Bins::Some(layout.bins().to_vec()),
                    _ => bins.clone(),
                },
                rows: layout.as_ref().map(|layout| layout.flags()),
                filter: filter.clone(),
                // With a filter above, rows may still fall away.
                max_records: if filters.is_empty() { limit.map_or(0, |limit| limit as u64) } else { 0 },
            };
            let (table, parts, schema) = (Arc::clone(&self.table), parts.clone(), Arc::clone(&schema));
            let records = self.records.clone();
            let layout = layout.clone();
            Arc::new(Leaf { table, parts, schema, records, scan, keys, layout }) as Arc<dyn PartitionStream>
        };
        let leaves: Vec<Arc<dyn PartitionStream>> = match keys {
            Some(keys) => vec![leaf(Vec::new(), Some(keys))],
            None => (0..self.streams)
                .map(|stream| {
                    leaf((0..PARTITIONS).filter(|one| one % self.streams == stream).collect(), None)
                })
                .collect(),
        };
        let exec = StreamingTableExec::try_new(Arc::clone(&schema), leaves, None, None, false, limit)?;
        Ok(match self.rows {
            Some(rows) => Arc::new(ScanExec::new(exec, rows)),
            None => Arc::new(exec),
        })
    }
}

/// The bins that whole records are read with. A node leaves out records that have none of the bins that were named, and a
/// row of nulls is a row: so all bins are read as soon as a column is. Rows need only what is named: see [`Layout`].
fn bins_of(table: &Table, parts: &[Part]) -> Bins {
    let stored = |part: &Part| {
        part.path.first().is_some_and(|first| !first.starts_with('_') || table.column(first).is_some())
    };
    let whole = |part: &Part| matches!(part.path.first().map(String::as_str), Some("_raw" | "_doc"));
    if parts.iter().any(|part| stored(part) || whole(part)) { Bins::All } else { Bins::None }
}

/// One stream of records.
struct Leaf {
    table: Arc<Table>,
    parts: Vec<Part>,
    schema: SchemaRef,
    records: Records,
    scan: Scan,
    keys: Option<Vec<Value>>,
    layout: Option<Arc<Layout>>,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({}, {} partitions)", self.table.full_name(), self.scan.partitions.len())
    }
}

impl PartitionStream for Leaf {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        const AHEAD: usize = 4;
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), AHEAD);
        let sender = builder.tx();
        let (table, parts, schema) = (Arc::clone(&self.table), self.parts.clone(), Arc::clone(&self.schema));
        let (records, scan, keys) = (self.records.clone(), self.scan.clone(), self.keys.clone());
        let layout = self.layout.clone();
        builder.spawn(async move {
            if let Some(keys) = keys {
                let digests: Vec<_> = keys.iter().filter_map(|key| table.digest(key)).collect();
                let found = records.get_many(&scan.place, &digests, &scan.bins).await;
                let found = found.map_err(|error| external(error.into()))?;
                let bunch: Vec<Record> = found.into_iter().flatten().collect();
                let _ = sender.send(batch(&table, &parts, &schema, &bunch)).await;
                return Ok(());
            }
            let mut stream = records.scan(scan);
            while let Some(bunch) = stream.next().await {
                let batches = match (bunch.map_err(external)?, &layout) {
                    (Bunch::Records(records), _) => vec![batch(&table, &parts, &schema, &records)?],
                    (Bunch::Rows(rows), Some(layout)) => layout.batches(&rows)?,
                    (Bunch::Rows(_), None) => Vec::new(),
                };
                for batch in batches {
                    if sender.send(Ok(batch)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        builder.build()
    }
}

/// Records as a batch of columns.
pub(super) fn batch(
    table: &Table,
    parts: &[Part],
    schema: &SchemaRef,
    records: &[Record],
) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(parts.len());
    for part in parts {
        let owned: Vec<Value>;
        let plain = match part.path.as_slice() {
            [name] if !name.starts_with('_') && !table.key.contains(name) => Some(bin_name(name)),
            _ => None,
        };
        let values: Vec<&Value> = match plain {
            Some(bin) => records.iter().map(|record| record.bin(&bin)).collect(),
            None => {
                owned = records.iter().map(|record| table.value_in(record, &part.path)).collect();
                owned.iter().collect()
            }
        };
        columns.push(column(&values, &part.ty));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(records.len()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
