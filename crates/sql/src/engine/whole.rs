//! Kept columns of many partitions in few pieces, so that a query over records that nobody changes need not look at each partition.
//!
//! What partitions keep become parts of these pieces: nothing is held twice. Where a partition has changed, its old rows stay with their
//! piece until a query puts the partitions together again, so that for a while up to twice the bytes are held that are counted.

use super::kept::{ColumnId, KeptPart};
use crate::records::{Version, Versions};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows of a batch, about.
const BATCH: usize = 8192;

/// The rows of some partitions.
#[derive(Debug)]
pub(super) struct Whole {
    partitions: Vec<u16>,
    versions: Vec<Version>,
    /// How many rows each piece has.
    rows: Vec<usize>,
    /// The pieces of each column.
    columns: HashMap<ColumnId, Vec<ArrayRef>>,
}

impl Whole {
    /// Whether it is of exactly these partitions, with these columns, and still true.
    pub(super) fn has(&self, ids: &[ColumnId], partitions: &[u16], now: &Versions) -> bool {
        self.partitions == partitions
            && ids.iter().all(|id| self.columns.contains_key(id))
            && partitions
                .iter()
                .zip(&self.versions)
                .all(|(partition, version)| now.of(*partition) == Some(version))
    }

    /// These columns of all rows.
    ///
    /// # Errors
    /// When columns are not those of the schema.
    pub(super) fn batches<'w>(
        &'w self,
        ids: &'w [ColumnId],
        schema: &'w SchemaRef,
    ) -> impl Iterator<Item = Result<RecordBatch>> + 'w {
        self.rows.iter().enumerate().map(move |(number, rows)| {
            let column = |id: &ColumnId| self.columns.get(id)?.get(number).cloned();
            let columns: Vec<ArrayRef> = ids.iter().filter_map(column).collect();
            of_columns(schema, columns, *rows)
        })
    }

    /// The same with the columns of an older one of the same rows.
    pub(super) fn with_those_of(mut self, older: &Whole) -> Whole {
        if (&self.partitions, &self.versions, &self.rows) == (&older.partitions, &older.versions, &older.rows)
        {
            for (id, pieces) in &older.columns {
                self.columns.entry(Arc::clone(id)).or_insert_with(|| pieces.clone());
            }
        }
        self
    }
}

/// Puts partitions' columns together, piece by piece.
pub(super) struct Together<'p> {
    parts: &'p [Arc<KeptPart>],
    ids: &'p [ColumnId],
    schema: &'p SchemaRef,
    next: usize,
    /// For each piece, the parts it was made of and its batch.
    made: Vec<(std::ops::Range<usize>, RecordBatch)>,
}

impl<'p> Together<'p> {
    pub(super) fn new(
        parts: &'p [Arc<KeptPart>],
        ids: &'p [ColumnId],
        schema: &'p SchemaRef,
    ) -> Together<'p> {
        Together { parts, ids, schema, next: 0, made: Vec::new() }
    }

    /// What is put together.
    pub(super) fn parts(&self) -> &'p [Arc<KeptPart>] {
        self.parts
    }

    /// The next piece; none at the end.
    pub(super) fn next(&mut self) -> Option<Result<RecordBatch>> {
        let begin = self.next;
        let mut rows = 0;
        while let Some(part) = self.parts.get(self.next) {
            if rows > 0 && rows + part.rows() > BATCH {
                break;
            }
            rows += part.rows();
            self.next += 1;
        }
        if rows == 0 {
            return None;
        }
        let some = begin..self.next;
        let batch = self.parts.get(some.clone()).map(|parts| batch(parts, rows, self.ids, self.schema))?;
        if let Ok(batch) = &batch {
            self.made.push((some, batch.clone()));
        }
        Some(batch)
    }

    /// All that was put together, of parts that are those of these partitions, and the parts as parts of it.
    pub(super) fn finish(self, partitions: &[u16]) -> (Whole, Vec<KeptPart>) {
        let mut parts: Vec<KeptPart> = Vec::with_capacity(self.parts.len());
        let mut columns: HashMap<ColumnId, Vec<ArrayRef>> =
            self.ids.iter().map(|id| (Arc::clone(id), Vec::new())).collect();
        let mut rows = Vec::new();
        for (some, batch) in &self.made {
            rows.push(batch.num_rows());
            for (id, array) in self.ids.iter().zip(batch.columns()) {
                columns.entry(Arc::clone(id)).or_default().push(Arc::clone(array));
            }
            let mut at = 0;
            for part in self.parts.get(some.clone()).unwrap_or_default() {
                let slices = self.ids.iter().zip(batch.columns());
                let slices = slices.map(|(id, array)| (Arc::clone(id), array.slice(at, part.rows())));
                parts.push(part.with(slices));
                at += part.rows();
            }
        }
        // Behind the last piece stand only parts without rows.
        parts.extend(self.parts.iter().skip(parts.len()).map(|part| part.with(std::iter::empty())));
        let versions = self.parts.iter().map(|part| part.version().clone()).collect();
        (Whole { partitions: partitions.to_vec(), versions, rows, columns }, parts)
    }
}

fn batch(parts: &[Arc<KeptPart>], rows: usize, ids: &[ColumnId], schema: &SchemaRef) -> Result<RecordBatch> {
    let column = |id: &ColumnId| -> Result<ArrayRef> {
        let arrays: Vec<&ArrayRef> = parts.iter().filter_map(|part| part.column(id)).collect();
        match arrays.as_slice() {
            [array] => Ok(Arc::clone(array)),
            arrays => Ok(concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>())?),
        }
    };
    of_columns(schema, ids.iter().map(column).collect::<Result<Vec<_>>>()?, rows)
}

fn of_columns(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
