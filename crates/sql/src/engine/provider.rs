//! A set as a table of the engine.

use super::arrow::{column, field};
use super::filters;
use super::kept::Kept;
use super::rows::Layout;
use super::scan_exec::{ScanExec, Way, width};
use super::through;
use crate::catalog::{LAST_UPDATE, SetIndex, Table, bin_name};
use crate::column_type::Type;
use crate::error::SqlError;
use crate::execute::push;
use crate::records::{Bins, Bunch, Record, Records, Scan, Versions};
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
use shipload_value::digest::PARTITION_COUNT;
use std::fmt;
use std::sync::Arc;
use tokio::sync::OnceCell;

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
    from: From,
    indexes: Vec<SetIndex>,
    streams: u16,
    /// About how many records it has, where that is known.
    rows: Option<usize>,
    /// The only partitions that are read, where not all are.
    among: Option<Vec<u16>>,
}

/// Where records are, and columns of some of them.
#[derive(Clone)]
pub(super) struct From {
    pub(super) records: Records,
    pub(super) kept: Arc<Kept>,
}

impl SetTable {
    pub(super) fn new(
        table: Arc<Table>,
        parts: Vec<Part>,
        from: From,
        indexes: Vec<SetIndex>,
        (streams, rows): (u16, Option<usize>),
    ) -> SetTable {
        let fields: Vec<_> = parts.iter().map(|part| field(&part.name, &part.ty)).collect();
        SetTable {
            table,
            parts,
            schema: Arc::new(Schema::new(fields)),
            from,
            indexes,
            streams: streams.max(1),
            rows,
            among: None,
        }
    }

    /// The same, of which only these partitions are read.
    pub(super) fn among(self, among: Option<&[u16]>) -> SetTable {
        SetTable { among: among.map(<[u16]>::to_vec), ..self }
    }

    /// The partitions of one of the streams.
    fn share(&self, stream: u16) -> Vec<u16> {
        let mut share = share(stream, self.streams);
        if let Some(among) = &self.among {
            share.retain(|partition| among.binary_search(partition).is_ok());
        }
        share
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
        // Records that are named by keys may be of any partition.
        let all_partitions = self.among.is_none();
        let named = |filter| filters::keys(&self.table, filter).filter(|_| all_partitions);
        let keys = filters.iter().find_map(named);
        let place = self.table.place();
        let along = filters::along_value(&self.table, &self.indexes, filters).or_else(|| {
            // A range may be wide: what is kept of the set is quicker to look through than an index.
            let without = self.from.kept.has_some(&place);
            if without { None } else { filters::along_range(&self.table, &self.indexes, filters) }
        });
        let along = along.unwrap_or_default();
        let whole = all_partitions && keys.is_none() && limit.is_none() && along.is_empty();
        let source = Arc::new(Source::new(&self.table, parts, &schema, self.from.clone()));
        // What is kept is filtered above.
        let unlimited = limit.is_none() || !filters.is_empty();
        let keeps = all_partitions && keys.is_none() && unlimited && along.is_empty();
        let wanted = |rows: usize| self.from.kept.is_wanted(&place, rows.saturating_mul(width(&schema)));
        let kept = keeps && source.layout.is_some() && self.rows.is_some_and(wanted);
        let leaf = |partitions: Vec<u16>, keys: Option<Vec<Value>>| {
            // With a filter above, rows may still fall away.
            let max_records = if filters.is_empty() { limit.map_or(0, |limit| limit as u64) } else { 0 };
            let (along, filter) = (along.clone(), filter.clone());
            let scan = Scan { along, filter, max_records, ..source.scan(partitions) };
            Arc::new(Leaf { source: Arc::clone(&source), scan, keys, keeps, kept })
                as Arc<dyn PartitionStream>
        };
        let leaves: Vec<Arc<dyn PartitionStream>> = match keys {
            Some(keys) => vec![leaf(Vec::new(), Some(keys))],
            None => (0..self.streams).map(|stream| leaf(self.share(stream), None)).collect(),
        };
        let exec = StreamingTableExec::try_new(Arc::clone(&schema), leaves, None, None, false, limit)?;
        let source = (whole && !kept).then_some(source);
        let way = match (kept, along.is_empty()) {
            (true, _) => Way::Kept,
            (false, true) => Way::All,
            (false, false) => Way::Index,
        };
        Ok(Arc::new(ScanExec::new(exec, self.rows, source, way)))
    }
}

/// The partitions of one of so many streams.
pub(super) fn share(stream: u16, streams: u16) -> Vec<u16> {
    (0..PARTITION_COUNT).filter(|one| one % streams.max(1) == stream).collect()
}

/// Where the rows of a scan come from, and how they become columns.
pub(super) struct Source {
    pub(super) table: Arc<Table>,
    pub(super) parts: Vec<Part>,
    pub(super) schema: SchemaRef,
    pub(super) from: From,
    pub(super) layout: Option<Arc<Layout>>,
    /// The states of the partitions when the query began to ask for it.
    pub(super) began: OnceCell<Versions>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.table.full_name())
    }
}

impl Source {
    fn new(table: &Arc<Table>, parts: Vec<Part>, schema: &SchemaRef, from: From) -> Source {
        let layout = Layout::new(table, &parts, schema).map(Arc::new);
        let (table, schema) = (Arc::clone(table), Arc::clone(schema));
        Source { table, parts, schema, from, layout, began: OnceCell::new() }
    }

    /// The same records with other columns.
    pub(super) fn with(&self, parts: Vec<Part>) -> Source {
        let fields: Vec<_> = parts.iter().map(|part| field(&part.name, &part.ty)).collect();
        Source::new(&self.table, parts, &Arc::new(Schema::new(fields)), self.from.clone())
    }

    /// A scan of these partitions without a filter.
    pub(super) fn scan(&self, partitions: Vec<u16>) -> Scan {
        Scan {
            place: self.table.place(),
            partitions,
            bins: match &self.layout {
                Some(layout) => Bins::Some(layout.bins().to_vec()),
                None => bins_of(&self.table, &self.parts),
            },
            rows: self.layout.as_ref().map(|layout| layout.flags()),
            groups: Vec::new(),
            along: Vec::new(),
            filter: Vec::new(),
            max_records: 0,
        }
    }

    /// Notes that these columns were asked for.
    pub(super) fn note(&self) {
        if self.layout.is_some() {
            self.from.kept.note(&self.table.place(), &self.table, &self.parts);
        }
    }

    /// What has arrived as columns. Groups are no rows.
    pub(super) fn batches(&self, bunch: &Bunch) -> Result<Vec<RecordBatch>> {
        match (bunch, &self.layout) {
            (Bunch::Records(records), _) => Ok(vec![self.batch(records)?]),
            (Bunch::Rows(rows), Some(layout)) => layout.batches(rows),
            (Bunch::Rows(_), None) | (Bunch::Groups(_), _) => Ok(Vec::new()),
        }
    }

    fn batch(&self, records: &[Record]) -> Result<RecordBatch> {
        batch(&self.table, &self.parts, &self.schema, records)
    }
}

/// The bins that whole records are read with. A node leaves out records that have none of the bins that were named, and a
/// row of nulls is a row: so all bins are read as soon as a column is. Rows need only what is named: see [`Layout`].
fn bins_of(table: &Table, parts: &[Part]) -> Bins {
    let stored = |part: &Part| {
        part.path.first().is_some_and(|first| !first.starts_with('_') || table.column(first).is_some())
    };
    let whole = |part: &Part| matches!(part.path.first().map(String::as_str), Some("_raw" | "_doc"));
    let time = |part: &Part| {
        part.path.first().is_some_and(|first| first == LAST_UPDATE && table.column(first).is_none())
    };
    match parts.iter().any(|part| stored(part) || whole(part)) {
        _ if parts.iter().any(time) => Bins::AllAndTime,
        true => Bins::All,
        false => Bins::None,
    }
}

/// One stream of records.
struct Leaf {
    source: Arc<Source>,
    scan: Scan,
    keys: Option<Vec<Value>>,
    /// Its columns may be kept.
    keeps: bool,
    /// It reads through what is kept.
    kept: bool,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({}, {} partitions)", self.source.table.full_name(), self.scan.partitions.len())
    }
}

impl PartitionStream for Leaf {
    fn schema(&self) -> &SchemaRef {
        &self.source.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        const AHEAD: usize = 4;
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.source.schema), AHEAD);
        let sender = builder.tx();
        let (source, scan, keys) = (Arc::clone(&self.source), self.scan.clone(), self.keys.clone());
        // Once for all streams of a scan.
        if self.keeps && !self.kept && scan.partitions.first() == Some(&0) {
            source.note();
        }
        let kept = self.kept;
        builder.spawn(async move {
            if kept {
                return through::send(&source, &scan.partitions, &sender).await;
            }
            if let Some(keys) = keys {
                let digests: Vec<_> = keys.iter().filter_map(|key| source.table.digest(key)).collect();
                let bins = bins_of(&source.table, &source.parts);
                let found = source.from.records.get_many(&scan.place, &digests, &bins).await;
                let found = found.map_err(|error| external(error.into()))?;
                let bunch: Vec<Record> = found.into_iter().flatten().collect();
                let _ = sender.send(source.batch(&bunch)).await;
                return Ok(());
            }
            let mut stream = source.from.records.scan(scan);
            while let Some(bunch) = stream.next().await {
                for batch in source.batches(&bunch.map_err(external)?)? {
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
