//! Rows of one file or object, wherever it is.

use super::format::Reader;
use super::place::Place;
use super::{Format, Inflow, Wishes, files};
use crate::engine_door::RowSource;
use crate::error::{Kind, Result, SqlError};
use crate::execute::run::{Call, Sql};
use crate::jobs::Progress;
use crate::network::{Download, Network, Pieces, Ranges, Remote};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures::StreamExt as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Packed bytes that are unpacked at once: they may become a thousand times as many.
const PACKED: usize = 16 << 10;

/// Bytes of a file, unpacked, piece by piece.
pub(super) struct Chunks {
    pieces: Pieces,
    unpacker: Option<MultiGzDecoder<Vec<u8>>>,
    packed: Bytes,
    progress: Arc<Progress>,
}

impl Chunks {
    pub(super) fn new(download: Download, gzip: bool, progress: &Arc<Progress>) -> Chunks {
        progress.expect_bytes(download.size.unwrap_or(0));
        let unpacker = gzip.then(|| MultiGzDecoder::new(Vec::new()));
        Chunks { pieces: download.pieces, unpacker, packed: Bytes::new(), progress: Arc::clone(progress) }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let broken = |error| SqlError::new(Kind::Validation, format!("gzip: {error}"));
        loop {
            if let Some(unpacker) = self.unpacker.as_mut().filter(|_| !self.packed.is_empty()) {
                let some = self.packed.split_to(self.packed.len().min(PACKED));
                unpacker.write_all(&some).map_err(broken)?;
                let plain = std::mem::take(unpacker.get_mut());
                if plain.is_empty() {
                    continue;
                }
                return Ok(Some(plain.into()));
            }
            match self.pieces.next().await {
                Some(piece) => {
                    let piece = piece?;
                    self.progress.add_bytes(piece.len() as u64);
                    if self.unpacker.is_none() {
                        return Ok(Some(piece));
                    }
                    self.packed = piece;
                }
                None => {
                    let Some(unpacker) = self.unpacker.take() else { return Ok(None) };
                    let plain = unpacker.finish().map_err(broken)?;
                    return Ok((!plain.is_empty()).then(|| plain.into()));
                }
            }
        }
    }
}

/// Rows of a file.
pub(super) enum Source {
    /// In lines.
    Lines(Box<Chunks>, Reader),
    /// In columns, with the file's size.
    Columns(Box<dyn RowSource>, u64),
}

impl Sql {
    /// The network, as far as this node may go.
    pub(super) fn network(&self) -> Result<Box<dyn Network>> {
        self.identity.hosts.any()?;
        self.engine()?.network(&self.identity.hosts)
    }

    /// Begins to read one file or object.
    pub(super) async fn source(
        &self,
        call: &Call<'_>,
        place: &Place,
        wishes: &Wishes,
        columns: &[String],
    ) -> Result<Source> {
        if wishes.format == Format::Parquet {
            let engine = self.engine()?;
            let file: Arc<dyn Ranges> = match place {
                Place::File(path) => Arc::new(files::Parts::open(&self.readable(path)?)?),
                Place::Remote(remote) => self.network()?.ranges(remote).await?,
            };
            let size = file.size();
            call.job.progress.expect_bytes(size);
            return Ok(Source::Columns(engine.unpack(file, columns).await?, size));
        }
        let download = match place {
            Place::File(path) => files::open(&self.readable(path)?)?,
            Place::Remote(remote) => self.network()?.read(remote).await?,
        };
        let chunks = Chunks::new(download, wishes.gzip == Some(true), &call.job.progress);
        Ok(Source::Lines(Box::new(chunks), Reader::new(wishes.format.clone(), wishes.skip)))
    }

    /// A file that may be read, by its real path.
    fn readable(&self, path: &Path) -> Result<PathBuf> {
        files::readable(self.identity.files.as_deref(), path)
    }

    /// What a place names: itself, or what fits its stars.
    pub(super) async fn named(&self, place: Place) -> Result<Vec<Place>> {
        match place {
            Place::File(path) => {
                let found = files::find(self.identity.files.as_deref(), &path)?;
                Ok(found.into_iter().map(Place::File).collect())
            }
            Place::Remote(Remote::Object(object)) if object.path.contains('*') => {
                let found = self.network()?.list(&object).await?;
                Ok(found.into_iter().map(|object| Place::Remote(Remote::Object(object))).collect())
            }
            other => Ok(vec![other]),
        }
    }

    /// Reads a file or object into a table. What is wrong with it from some place on is told beside what came before.
    pub(super) async fn read_all(
        &self,
        call: &Call<'_>,
        inflow: &mut Inflow,
        source: &mut Source,
    ) -> Result<()> {
        loop {
            let ended = match source {
                Source::Lines(chunks, reader) => {
                    let chunk = chunks.next().await;
                    match &chunk {
                        Ok(Some(chunk)) => reader.push(chunk),
                        Ok(None) => reader.end(),
                        // The rows before it are whole.
                        Err(_) => {}
                    }
                    inflow.take(reader);
                    chunk.map(|chunk| chunk.is_none())
                }
                Source::Columns(rows, size) => match rows.next().await {
                    Ok(Some(some)) => {
                        let share = u128::from(*size) * some.len() as u128 / u128::from(rows.total().max(1));
                        call.job.progress.add_bytes(u64::try_from(share).unwrap_or(0));
                        inflow.rows.extend(some);
                        Ok(false)
                    }
                    Ok(None) => Ok(true),
                    Err(error) => Err(error),
                },
            };
            let fail_fast = inflow.wishes.fail_fast && inflow.tally.first.is_some();
            if inflow.rows.len() >= inflow.wishes.bunch || !matches!(ended, Ok(false)) {
                self.put(call, inflow).await?;
            }
            if ended? || fail_fast {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Chunks, Download, Progress, Result};
    use bytes::Bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures::stream;
    use std::io::Write as _;

    async fn read(packed: &[u8], step: usize, gzip: bool) -> Result<Vec<u8>> {
        let pieces: Vec<Result<Bytes>> =
            packed.chunks(step).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let size = Some(packed.len() as u64);
        let progress = Arc::new(Progress::default());
        let download = Download { size, pieces: Box::pin(stream::iter(pieces)) };
        let mut chunks = Chunks::new(download, gzip, &progress);
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            all.extend_from_slice(&chunk);
        }
        let told = progress.told();
        assert_eq!((told.1, told.2), (packed.len() as u64, packed.len() as u64));
        Ok(all)
    }

    #[tokio::test]
    async fn pieces_are_unpacked() {
        let plain = b"{\"a\": 1}\n".repeat(100_000);
        let mut packed = Vec::new();
        for half in plain.chunks(plain.len() / 2) {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(half).expect("memory");
            packed.extend(packer.finish().expect("memory"));
        }
        assert_eq!(read(&plain, 1000, false).await.expect("bytes"), plain);
        for step in [1, 777, 1 << 20] {
            assert_eq!(read(&packed, step, true).await.expect("bytes"), plain, "{step}");
        }
        packed.truncate(packed.len() - 5);
        assert!(read(&packed, 777, true).await.is_err());
        assert!(read(b"no gzip at all", 777, true).await.is_err());
    }
}
