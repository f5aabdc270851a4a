//! Rows from Parquet files, and into them.
//!
//! A file is read row group by row group: what the columns in use take in one of them is held, packed. One is written the
//! same way.

use super::arrow::{column, field, type_of, values};
use crate::column_type::Type;
use crate::engine_door::{RowPacker, RowSource};
use crate::error::{Kind, Result, SqlError};
use crate::network::Ranges;
use crate::value::Value;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::arrow::async_reader::{
    AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Rows that are read at once.
const BATCH: usize = 1000;
/// Packed bytes that a row group may have in the columns that are read.
const GROUP_MAX: i64 = 512 << 20;
/// Bytes and rows after which a row group is written.
const GROUP_BYTES: usize = 16 << 20;
const GROUP_ROWS: usize = 128 << 10;

fn wrong(error: &dyn std::fmt::Display) -> SqlError {
    SqlError::new(Kind::Validation, format!("Parquet: {error}"))
}

/// The file as its reader wants it.
struct File(Arc<dyn Ranges>);

impl AsyncFileReader for File {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, std::result::Result<Bytes, ParquetError>> {
        async move { self.0.range(range).await.map_err(|error| ParquetError::External(Box::new(error))) }
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, std::result::Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.0.size();
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            reader.load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}

struct Source {
    stream: ParquetRecordBatchStream<File>,
    total: u64,
}

/// The rows of a file: these columns of it, or all.
pub(super) async fn unpack(file: Arc<dyn Ranges>, columns: &[String]) -> Result<Box<dyn RowSource>> {
    let mut builder =
        ParquetRecordBatchStreamBuilder::new(File(file)).await.map_err(|error| wrong(&error))?;
    if !columns.is_empty() {
        let fields = builder.schema().fields().iter().enumerate();
        let wanted: Vec<usize> =
            fields.filter(|(_, field)| columns.contains(field.name())).map(|(place, _)| place).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        builder = builder.with_projection(mask);
    }
    let metadata = builder.metadata();
    if let Some(size) = metadata.row_groups().iter().map(RowGroupMetaData::compressed_size).max()
        && size > GROUP_MAX
    {
        return Err(wrong(&format_args!("a row group has {size} bytes, and may have {GROUP_MAX}")));
    }
    let total = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
    let stream = builder.with_batch_size(BATCH).build().map_err(|error| wrong(&error))?;
    Ok(Box::new(Source { stream, total }))
}

#[async_trait]
impl RowSource for Source {
    fn total(&self) -> u64 {
        self.total
    }

    async fn next(&mut self) -> Result<Option<Vec<BTreeMap<String, Value>>>> {
        let Some(batch) = self.stream.next().await else { return Ok(None) };
        let batch = batch.map_err(|error| wrong(&error))?;
        let mut rows = vec![BTreeMap::new(); batch.num_rows()];
        for (array, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
            for (row, value) in rows.iter_mut().zip(values(array, &type_of(field))?) {
                row.insert(field.name().clone(), value);
            }
        }
        Ok(Some(rows))
    }
}

struct Packer {
    columns: Vec<Type>,
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
}

/// Begins a file of rows with these columns.
pub(super) fn pack(columns: &[(String, Type)]) -> Result<Box<dyn RowPacker>> {
    let fields: Vec<_> = columns.iter().map(|(name, ty)| field(name, ty)).collect();
    let schema = Arc::new(Schema::new(fields));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))
        .map_err(|error| wrong(&error))?;
    let columns = columns.iter().map(|(_, ty)| ty.clone()).collect();
    Ok(Box::new(Packer { columns, schema, writer }))
}

impl RowPacker for Packer {
    fn rows(&mut self, rows: &[Vec<Value>]) -> Result<Vec<u8>> {
        let arrays = self.columns.iter().enumerate().map(|(place, ty)| {
            let cells: Vec<&Value> = rows.iter().map(|row| row.get(place).unwrap_or(&Value::Null)).collect();
            column(&cells, ty)
        });
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays.collect())
            .map_err(|error| wrong(&error))?;
        self.writer.write(&batch).map_err(|error| wrong(&error))?;
        if self.writer.in_progress_size() > GROUP_BYTES {
            self.writer.flush().map_err(|error| wrong(&error))?;
        }
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        self.writer.into_inner().map_err(|error| wrong(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ranges, pack, unpack};
    use crate::column_type::Type;
    use crate::error::Result;
    use crate::value::Value;
    use async_trait::async_trait;
    use bytes::Bytes;
    use std::ops::Range;
    use std::sync::Arc;

    struct Memory(Vec<u8>);

    #[async_trait]
    impl Ranges for Memory {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        async fn range(&self, range: Range<u64>) -> Result<Bytes> {
            let place = |at| usize::try_from(at).expect("in memory");
            Ok(Bytes::copy_from_slice(&self.0[place(range.start)..place(range.end)]))
        }
    }

    fn packed(columns: &[(String, Type)], rows: &[Vec<Value>], step: usize) -> Vec<u8> {
        let mut packer = pack(columns).expect("columns");
        let mut file = Vec::new();
        for some in rows.chunks(step) {
            file.extend(packer.rows(some).expect("rows"));
        }
        file.extend(packer.finish().expect("an end"));
        file
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let object = Value::Map(vec![("x".to_owned(), Value::List(vec![Value::Int(1), Value::text("y")]))]);
        let columns = [
            ("i", Type::Int, Value::Int(-5)),
            ("d", Type::Double, Value::Double(1.5)),
            ("t", Type::Text, Value::text("hällo")),
            ("b", Type::Bool, Value::Bool(true)),
            ("at", Type::TimestampTz, Value::Int(1_700_000_000_123)),
            ("n", Type::Numeric(10, 2), Value::text("-1.25")),
            ("o", Type::Object, object),
            ("l", Type::array(Type::Long), Value::List(vec![Value::Int(1), Value::Null])),
        ];
        let named: Vec<(String, Type)> =
            columns.iter().map(|(name, ty, _)| ((*name).to_owned(), ty.clone())).collect();
        let row: Vec<Value> = columns.iter().map(|(_, _, value)| value.clone()).collect();
        let mut rows = vec![row; 2500];
        rows[1] = vec![Value::Null; columns.len()];
        let file = Arc::new(Memory(packed(&named, &rows, 700)));

        let mut source = unpack(file.clone(), &[]).await.expect("a file");
        assert_eq!(source.total(), 2500);
        let mut all = Vec::new();
        while let Some(some) = source.next().await.expect("rows") {
            assert!(some.len() <= super::BATCH);
            all.extend(some);
        }
        assert_eq!(all.len(), 2500);
        for (place, (name, _, _)) in columns.iter().enumerate() {
            for (read, written) in all.iter().zip(&rows) {
                assert_eq!(read.get(*name), written.get(place), "{name}");
            }
        }
        let mut some = unpack(file, &["t".to_owned()]).await.expect("a file");
        let first = some.next().await.expect("rows").expect("a row");
        assert_eq!(first[0].keys().collect::<Vec<_>>(), ["t"]);
    }

    #[tokio::test]
    async fn what_is_none_is_refused() {
        let columns = [("a".to_owned(), Type::Text)];
        let good = packed(&columns, &vec![vec![Value::text("x")]; 10], 10);
        let mut bad = good.clone();
        let end = bad.len() - 8;
        bad.truncate(end);
        for file in [Vec::new(), b"PAR1".to_vec(), bad, b"{\"a\": 1}\n".repeat(10)] {
            assert!(unpack(Arc::new(Memory(file)), &[]).await.is_err());
        }
    }
}
