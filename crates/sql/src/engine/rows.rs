//! Rows of nodes straight into columns, without a value for each cell.

use super::arrow::{column, field};
use super::provider::{Part, external};
use crate::catalog::{Table, bin_name};
use crate::column_type::Type;
use crate::error::{Kind, SqlError};
use crate::records::{Record, RowBunch};
use crate::value::moment::DAY_MS;
use crate::value::{Value, particle};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder,
    RecordBatch, RecordBatchOptions, StringBuilder, TimestampMillisecondBuilder,
};
use datafusion::arrow::datatypes::{
    Date32Type, Float64Type, Int32Type, Int64Type, Schema, SchemaRef, TimestampMillisecondType,
};
use datafusion::common::Result;
use shipload_value::ParticleType;
use shipload_wire::DecodeError;
use shipload_wire::rows::{HEADS, KEYS, RowHead, RowReader};
use std::sync::Arc;

/// Rows of a batch: what fits into caches.
const BATCH: usize = 8192;
const NOTHING: u8 = 0;
const INTEGER: u8 = ParticleType::Integer as u8;
const DOUBLE: u8 = ParticleType::Double as u8;
const STRING: u8 = ParticleType::String as u8;

/// Where a column comes from.
#[derive(Debug, Clone)]
enum Source {
    /// The cell of a bin.
    Bin(usize),
    /// The same, or the user key where there is none.
    BinOrKey(usize),
    /// A member of what is in a bin.
    Member(usize, Vec<String>),
    /// A column that every table has, or one with such a name.
    System(Vec<String>, Option<usize>),
}

/// How rows become columns.
#[derive(Debug)]
pub(super) struct Layout {
    table: Arc<Table>,
    schema: SchemaRef,
    types: Vec<Type>,
    sources: Vec<Source>,
    bins: Vec<String>,
    /// Cells of a row.
    cells: usize,
    flags: u32,
}

impl Layout {
    /// How the columns come from rows; none when one needs whole records.
    pub(super) fn new(table: &Arc<Table>, parts: &[Part], schema: &SchemaRef) -> Option<Layout> {
        let mut bins: Vec<String> = parts.iter().filter_map(|part| stored(table, part)).collect();
        // Records of this door have their bins in this order.
        bins.sort_unstable();
        bins.dedup();
        let mut flags = 0;
        let mut sources = Vec::with_capacity(parts.len());
        for part in parts {
            let (name, rest) = part.path.split_first()?;
            let bin = stored(table, part).and_then(|bin| bins.binary_search(&bin).ok());
            sources.push(match (bin, rest) {
                _ if matches!(name.as_str(), "_raw" | "_doc") => return None,
                (bin, []) if name.starts_with('_') => {
                    flags |= HEADS | KEYS;
                    Source::System(part.path.clone(), bin)
                }
                (Some(bin), _) if table.key.as_slice() == [name.clone()] => {
                    flags |= KEYS;
                    if rest.is_empty() { Source::BinOrKey(bin) } else { Source::Member(bin, rest.to_vec()) }
                }
                (Some(bin), []) => Source::Bin(bin),
                (Some(bin), rest) => Source::Member(bin, rest.to_vec()),
                (None, _) => return None,
            });
        }
        let types = parts.iter().map(|part| part.ty.clone()).collect();
        let (table, schema) = (Arc::clone(table), Arc::clone(schema));
        let cells = bins.len();
        Some(Layout { table, schema, types, sources, bins, cells, flags })
    }

    /// Columns of these types, each from one cell.
    pub(super) fn of_cells(table: &Arc<Table>, types: Vec<Type>) -> Layout {
        let fields = types.iter().enumerate().map(|(place, ty)| field(&format!("c{place}"), ty));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let sources = (0..types.len()).map(Source::Bin).collect();
        let (table, cells) = (Arc::clone(table), types.len());
        Layout { table, schema, types, sources, bins: Vec::new(), cells, flags: 0 }
    }

    /// Where each column's values are: the place of the bin, and whether the user key stands in for it. None when one needs
    /// more than a cell.
    pub(super) fn cells(&self) -> Option<Vec<(usize, bool)>> {
        let cell = |source: &Source| match source {
            Source::Bin(bin) => Some((*bin, false)),
            Source::BinOrKey(bin) => Some((*bin, true)),
            Source::Member(..) | Source::System(..) => None,
        };
        self.sources.iter().map(cell).collect()
    }

    /// The bins that rows must have, in this order.
    pub(super) fn bins(&self) -> &[String] {
        &self.bins
    }

    /// What else they must have: bits of [`shipload_wire::rows`].
    pub(super) fn flags(&self) -> u32 {
        self.flags
    }

    /// The columns of rows, in batches.
    ///
    /// # Errors
    /// For bytes that are no rows.
    pub(super) fn batches(&self, bunch: &RowBunch) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        let mut left = bunch.count();
        let mut filling = Filling::new(self, left.min(BATCH));
        for (count, mut rows) in bunch.blocks() {
            for _ in 0..count {
                filling.row(&mut rows).map_err(|error| {
                    external(SqlError::new(Kind::TaskFailed, format!("a node's rows can't be read: {error}")))
                })?;
                if filling.count == BATCH {
                    left = left.saturating_sub(BATCH);
                    let full = std::mem::replace(&mut filling, Filling::new(self, left.min(BATCH)));
                    batches.push(full.finish()?);
                }
            }
        }
        if filling.count > 0 {
            batches.push(filling.finish()?);
        }
        Ok(batches)
    }
}

/// The bin that a column needs.
fn stored(table: &Table, part: &Part) -> Option<String> {
    let first = part.path.first()?;
    (!first.starts_with('_') || table.column(first).is_some()).then(|| bin_name(first))
}

/// A batch that is being filled.
struct Filling<'a> {
    layout: &'a Layout,
    builders: Vec<Builder>,
    count: usize,
}

impl<'a> Filling<'a> {
    fn new(layout: &'a Layout, rows: usize) -> Filling<'a> {
        let builders = layout.types.iter().map(|ty| Builder::new(ty, rows)).collect();
        Filling { layout, builders, count: 0 }
    }

    fn row(&mut self, rows: &mut RowReader<'_>) -> std::result::Result<(), DecodeError> {
        const AT_HAND: usize = 32;
        let layout = self.layout;
        let head = if layout.flags & HEADS == 0 { RowHead::default() } else { rows.head()? };
        let key = if layout.flags & KEYS == 0 { (NOTHING, [].as_slice()) } else { rows.cell()? };
        let mut at_hand = [(NOTHING, [].as_slice()); AT_HAND];
        let mut many = Vec::new();
        let cells = match at_hand.get_mut(..layout.cells) {
            Some(cells) => cells,
            None => {
                many.resize(layout.cells, (NOTHING, [].as_slice()));
                &mut many
            }
        };
        for cell in cells.iter_mut() {
            *cell = rows.cell()?;
        }
        let cell = |bin: usize| cells.get(bin).copied().unwrap_or((NOTHING, &[]));
        for ((source, builder), ty) in layout.sources.iter().zip(&mut self.builders).zip(&layout.types) {
            match source {
                Source::Bin(bin) => builder.cell(ty, cell(*bin)),
                Source::BinOrKey(bin) => {
                    let found = cell(*bin);
                    builder.cell(ty, if found.0 == NOTHING { key } else { found });
                }
                Source::Member(bin, path) => {
                    let (kind, bytes) = cell(*bin);
                    builder.value(ty, particle::decode(kind, bytes).at(path));
                }
                Source::System(path, bin) => {
                    let bins = bin.iter().zip(path).map(|(bin, name)| {
                        let (kind, bytes) = cell(*bin);
                        (bin_name(name), particle::decode(kind, bytes))
                    });
                    let key = Some(particle::decode(key.0, key.1)).filter(|key| !key.is_null());
                    let RowHead { digest, generation, void_time, last_update_ms } = head;
                    let last_update_ms = i64::try_from(last_update_ms).ok();
                    let record =
                        Record { digest, key, bins: bins.collect(), generation, void_time, last_update_ms };
                    builder.value(ty, layout.table.value_in(&record, path));
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<RecordBatch> {
        let columns = self.builders.into_iter().zip(&self.layout.types);
        let columns: Vec<ArrayRef> = columns.map(|(builder, ty)| builder.finish(ty)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.layout.schema), columns, &options)?)
    }
}

/// A column that is being filled. Kinds of cells that a column seldom has take the way over a value.
enum Builder {
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Double(Float64Builder),
    Moment(TimestampMillisecondBuilder),
    Date(Date32Builder),
    Text(StringBuilder),
    Other(Vec<Value>),
}

impl Builder {
    fn new(ty: &Type, rows: usize) -> Builder {
        match ty {
            Type::Bool => Builder::Bool(BooleanBuilder::with_capacity(rows)),
            Type::Int => Builder::Int(Int32Builder::with_capacity(rows)),
            Type::Long => Builder::Long(Int64Builder::with_capacity(rows)),
            Type::Double => Builder::Double(Float64Builder::with_capacity(rows)),
            Type::TimestampTz => {
                Builder::Moment(TimestampMillisecondBuilder::with_capacity(rows).with_timezone("UTC"))
            }
            Type::Timestamp => Builder::Moment(TimestampMillisecondBuilder::with_capacity(rows)),
            Type::Date => Builder::Date(Date32Builder::with_capacity(rows)),
            Type::Byte | Type::Short | Type::Real | Type::Numeric(..) | Type::Array(_) => {
                Builder::Other(Vec::with_capacity(rows))
            }
            _ => Builder::Text(StringBuilder::with_capacity(rows, 0)),
        }
    }

    #[inline]
    fn cell(&mut self, ty: &Type, (kind, bytes): (u8, &[u8])) {
        let int = || bytes.try_into().map_or(0, i64::from_be_bytes);
        match (&mut *self, kind) {
            (Builder::Int(builder), INTEGER) => builder.append_option(int().try_into().ok()),
            (Builder::Long(builder), INTEGER) => builder.append_value(int()),
            (Builder::Moment(builder), INTEGER) => builder.append_value(int()),
            (Builder::Date(builder), INTEGER) => {
                builder.append_option(int().div_euclid(DAY_MS).try_into().ok());
            }
            (Builder::Double(builder), DOUBLE) => {
                builder.append_value(bytes.try_into().map_or(0.0, f64::from_be_bytes));
            }
            (Builder::Text(builder), STRING) => match std::str::from_utf8(bytes) {
                Ok(text) => builder.append_value(text),
                Err(_) => builder.append_value(String::from_utf8_lossy(bytes)),
            },
            _ => self.value(ty, particle::decode(kind, bytes)),
        }
    }

    fn value(&mut self, ty: &Type, value: Value) {
        if let Builder::Other(values) = self {
            values.push(value);
            return;
        }
        let one = column(&[&value], ty);
        let there = one.is_valid(0);
        match self {
            Builder::Bool(builder) => builder.append_option(there.then(|| one.as_boolean().value(0))),
            Builder::Int(builder) => {
                builder.append_option(there.then(|| one.as_primitive::<Int32Type>().value(0)));
            }
            Builder::Long(builder) => {
                builder.append_option(there.then(|| one.as_primitive::<Int64Type>().value(0)));
            }
            Builder::Double(builder) => {
                builder.append_option(there.then(|| one.as_primitive::<Float64Type>().value(0)));
            }
            Builder::Moment(builder) => {
                builder.append_option(there.then(|| one.as_primitive::<TimestampMillisecondType>().value(0)));
            }
            Builder::Date(builder) => {
                builder.append_option(there.then(|| one.as_primitive::<Date32Type>().value(0)));
            }
            Builder::Text(builder) => builder.append_option(there.then(|| one.as_string::<i32>().value(0))),
            Builder::Other(_) => {}
        }
    }

    fn finish(self, ty: &Type) -> ArrayRef {
        match self {
            Builder::Bool(mut builder) => Arc::new(builder.finish()),
            Builder::Int(mut builder) => Arc::new(builder.finish()),
            Builder::Long(mut builder) => Arc::new(builder.finish()),
            Builder::Double(mut builder) => Arc::new(builder.finish()),
            Builder::Moment(mut builder) => Arc::new(builder.finish()),
            Builder::Date(mut builder) => Arc::new(builder.finish()),
            Builder::Text(mut builder) => Arc::new(builder.finish()),
            Builder::Other(values) => column(&values.iter().collect::<Vec<_>>(), ty),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, Schema, field};
    use crate::catalog::{Column, Table};
    use crate::column_type::Type;
    use crate::engine::provider::{Part, batch};
    use crate::records::{Record, RowBunch};
    use crate::value::{Value, particle};
    use datafusion::arrow::compute::concat_batches;
    use shipload_wire::rows::{HEADS, KEYS, Open, RowHead, cell, head};
    use std::sync::Arc;

    /// A frame with a row for each record, as a node writes it.
    fn frame(layout: &Layout, records: &[Record]) -> Vec<u8> {
        let mut out = Vec::new();
        for some in records.chunks(5000) {
            let mut open = Open::begin(&mut out);
            for record in some {
                if layout.flags() & HEADS != 0 {
                    let last_update_ms = record.last_update_ms.unwrap_or_default().unsigned_abs();
                    let Record { digest, generation, void_time, .. } = *record;
                    head(&mut out, &RowHead { digest, generation, void_time, last_update_ms });
                }
                let key = record.key.as_ref().map(particle::encode);
                if layout.flags() & KEYS != 0 {
                    cell(&mut out, key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice())));
                }
                for bin in layout.bins() {
                    let (kind, bytes) = particle::encode(record.bin(bin));
                    cell(&mut out, (kind != 0).then_some((kind, bytes.as_slice())));
                }
                open.count(&mut out, &record.digest);
            }
            open.end(&mut out);
        }
        out
    }

    #[test]
    fn rows_give_what_records_give() {
        let types = [
            ("id", Type::Long),
            ("i", Type::Int),
            ("d", Type::Double),
            ("r", Type::Real),
            ("b", Type::Bool),
            ("t", Type::Text),
            ("day", Type::Date),
            ("ts", Type::Timestamp),
            ("tz", Type::TimestampTz),
            ("n", Type::Numeric(10, 2)),
            ("o", Type::Object),
            ("a", Type::array(Type::Long)),
        ];
        let columns = types.iter().map(|(name, ty)| Column::new(*name, ty)).collect();
        let table = Arc::new(Table { columns, key: vec!["id".to_owned()], ..Table::default() });
        let mut parts: Vec<Part> = types
            .iter()
            .map(|(name, ty)| Part {
                name: (*name).to_owned(),
                path: vec![(*name).to_owned()],
                ty: ty.clone(),
            })
            .collect();
        let member = ["o", "x"].map(str::to_owned).to_vec();
        parts.push(Part { name: "o['x']".to_owned(), path: member, ty: Type::Long });
        let system = [("_id", Type::Text), ("_version", Type::Long), ("_partition", Type::Int)];
        for (name, ty) in system.into_iter().chain([("_last_update", Type::TimestampTz)]) {
            parts.push(Part { name: name.to_owned(), path: vec![name.to_owned()], ty });
        }
        // Each kind of value in each column, and none.
        let object = Value::Map(vec![("x".to_owned(), Value::Int(5))]);
        let kinds = [
            Value::Null,
            Value::Int(3_000_000_000),
            Value::Int(-7),
            Value::Double(2.5),
            Value::Bool(true),
            Value::text("12"),
            object,
            Value::List(vec![Value::Int(1), Value::Null]),
            Value::Blob(vec![1, 2]),
        ];
        let record = |number: u32| {
            let value = |column: usize| kinds[(number as usize + column) % kinds.len()].clone();
            let bins =
                types.iter().enumerate().map(|(column, (name, _))| ((*name).to_owned(), value(column)));
            let bins = bins.filter(|(_, value)| !value.is_null()).collect();
            let key = (!number.is_multiple_of(3)).then(|| Value::Int(i64::from(number)));
            let last_update_ms = Some(1_700_000_000_000 + i64::from(number));
            let digest = [number.to_le_bytes()[0]; 20];
            Record { digest, key, bins, generation: number + 1, void_time: 0, last_update_ms }
        };
        let records: Vec<Record> = (0..9000).map(record).collect();
        let fields: Vec<_> = parts.iter().map(|part| field(&part.name, &part.ty)).collect();
        let schema = Arc::new(Schema::new(fields));
        let layout = Layout::new(&table, &parts, &schema).expect("no column wants whole records");
        let batches = layout.batches(&RowBunch::of_frame(frame(&layout, &records))).expect("rows");
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(), [8192, 808]);
        let wanted = batch(&table, &parts, &schema, &records).expect("a batch");
        assert_eq!(concat_batches(&schema, &batches).expect("one schema"), wanted);
        let mut cut = frame(&layout, &records[..1]);
        cut.truncate(cut.len() - 3);
        assert!(layout.batches(&RowBunch::of_frame(cut)).expect("nothing").is_empty());
    }
}
