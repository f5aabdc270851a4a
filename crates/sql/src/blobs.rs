//! Blobs: a record that describes each, and records with its pieces in a set beside the table's.
//!
//! Pieces are named by the upload and not by the digest, so that somebody who sends wrong bytes under a digest can't
//! touch the pieces of the right ones. The describing record comes last and goes first.

use crate::catalog::{BLOB_SCHEMA, Kind as TableKind, Table};
use crate::error::{Kind, Result, SqlError};
use crate::execute::Sql;
use crate::jobs::now_ms;
use crate::records::{Bins, Digest, Mode, Place, Write, digest_of};
use crate::value::Value;
use std::sync::Arc;

/// Bytes of one piece.
pub const PIECE: usize = 256 << 10;
/// Pieces that are removed at once.
const AT_ONCE: u64 = 500;

/// A blob that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its bytes.
    pub size: u64,
    upload: String,
}

/// A blob on its way in.
#[derive(Debug)]
pub struct Upload {
    name: String,
    pieces: u64,
    size: u64,
}

impl Upload {
    /// An upload that has no bytes yet.
    #[must_use]
    pub fn new() -> Upload {
        Upload { name: uuid::Uuid::new_v4().simple().to_string(), pieces: 0, size: 0 }
    }
}

impl Default for Upload {
    fn default() -> Upload {
        Upload::new()
    }
}

/// Where a table's pieces are.
#[must_use]
pub fn pieces_of(table: &Table) -> Place {
    Place { namespace: table.namespace.clone(), set: format!("__sql.{}", table.set) }
}

fn piece_name(place: &Place, upload: &str, number: u64) -> (Value, Digest) {
    let key = Value::Text(format!("{upload}/{number}"));
    let digest = digest_of(&place.set, &key).unwrap_or_default();
    (key, digest)
}

impl Sql {
    /// A table of blobs.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn blob_table(&self, name: &str) -> Result<Arc<Table>> {
        let table = self.catalogs.table(BLOB_SCHEMA, name).await?;
        if table.kind == TableKind::Blob { Ok(table) } else { Err(SqlError::unknown_relation(name)) }
    }

    /// A blob; none when there is none of this digest.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn blob(&self, table: &Table, digest: &str) -> Result<Option<Blob>> {
        let Some(name) = table.digest(&Value::text(digest)) else { return Ok(None) };
        let record = self.records.get(&table.place(), &name, &Bins::All).await?;
        Ok(record.and_then(|record| {
            let size = record.bin("size").as_int().and_then(|size| u64::try_from(size).ok())?;
            Some(Blob { size, upload: record.bin("upload").as_text()?.to_owned() })
        }))
    }

    /// A piece of a blob.
    ///
    /// # Errors
    /// When it can't be read, or is gone because the blob was deleted meanwhile.
    pub async fn blob_piece(&self, table: &Table, blob: &Blob, number: u64) -> Result<Vec<u8>> {
        let place = pieces_of(table);
        let (_, digest) = piece_name(&place, &blob.upload, number);
        let record = self.records.get(&place, &digest, &Bins::All).await?;
        match record.map(|record| record.bin("b").clone()) {
            Some(Value::Blob(bytes)) => Ok(bytes),
            _ => Err(SqlError::new(Kind::TaskFailed, "a piece of the blob is gone")),
        }
    }

    /// Appends a piece to an upload. All but the last one have [`PIECE`] bytes.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn push_blob(&self, table: &Table, upload: &mut Upload, bytes: Vec<u8>) -> Result<()> {
        let place = pieces_of(table);
        let (key, digest) = piece_name(&place, &upload.name, upload.pieces);
        upload.pieces += 1;
        upload.size += bytes.len() as u64;
        let bins = vec![("b".to_owned(), Value::Blob(bytes))];
        let write = Write { digest, key: Some(key), mode: Mode::Create, generation: None, bins };
        self.records.write(&place, &write).await?;
        Ok(())
    }

    /// Makes an upload a blob; false when there is one already, which stays.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn finish_blob(&self, table: &Table, upload: Upload, digest: &str) -> Result<bool> {
        let key = Value::text(digest);
        let name = table.digest(&key).unwrap_or_default();
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let bins = vec![
            ("digest".to_owned(), key.clone()),
            ("last_modified".to_owned(), Value::Int(now_ms())),
            ("size".to_owned(), int(upload.size)),
            ("upload".to_owned(), Value::text(&upload.name)),
        ];
        let write = Write { digest: name, key: Some(key), mode: Mode::Create, generation: None, bins };
        match self.records.write(&table.place(), &write).await.map_err(SqlError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.kind == Kind::DuplicateKey => {
                self.drop_pieces(table, &upload.name, upload.pieces).await;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes back an upload.
    pub async fn abandon_blob(&self, table: &Table, upload: &Upload) {
        self.drop_pieces(table, &upload.name, upload.pieces).await;
    }

    /// Deletes a blob; false when there is none.
    ///
    /// # Errors
    /// When it can't be deleted.
    pub async fn delete_blob(&self, table: &Table, digest: &str) -> Result<bool> {
        let Some(blob) = self.blob(table, digest).await? else { return Ok(false) };
        let name = table.digest(&Value::text(digest)).unwrap_or_default();
        let gone = self.records.delete(&table.place(), &name, None).await?;
        self.drop_pieces(table, &blob.upload, blob.size.div_ceil(PIECE as u64)).await;
        Ok(gone)
    }

    /// What can't be removed now stays behind unseen, until its table is dropped.
    async fn drop_pieces(&self, table: &Table, upload: &str, count: u64) {
        let place = pieces_of(table);
        for first in (0..count).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let numbers = first..count.min(first.saturating_add(AT_ONCE));
            let which: Vec<_> = numbers.map(|number| (piece_name(&place, upload, number).1, None)).collect();
            for outcome in self.records.delete_many(&place, &which).await {
                if let Err(error) = outcome {
                    tracing::debug!("a piece of a blob stays behind: {error}");
                }
            }
        }
    }
}
