//! A scan through the columns that are kept: what is still the same is given at once, the rest is read, given and kept.

use super::kept::{Fill, id_of};
use super::provider::{Part, Source, external};
use super::whole::Together;
use crate::records::Bunch;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where batches go.
type Sender = mpsc::Sender<Result<RecordBatch>>;

/// Sends the rows of these partitions.
///
/// # Errors
/// When they can't be read.
pub(super) async fn send(source: &Source, partitions: &[u16], sender: &Sender) -> Result<()> {
    let (place, records, kept) = (source.table.place(), &source.from.records, &source.from.kept);
    let asked = source.began.get_or_try_init(|| records.versions(&place)).await;
    let began = asked.map_err(|error| external(error.into()))?;
    let ids: Vec<_> = source.parts.iter().map(|part| id_of(&source.table, part)).collect();
    let look = kept.look(&place, (&ids, &source.parts), began, partitions);
    if let Some(whole) = look.whole {
        for batch in whole.batches(&ids, &source.schema) {
            if sender.send(Ok(batch?)).await.is_err() {
                break;
            }
        }
        return Ok(());
    }
    let mut together = Together::new(&look.found, &ids, &source.schema);
    while let Some(batch) = together.next() {
        if sender.send(Ok(batch?)).await.is_err() {
            return Ok(());
        }
    }
    if look.missing.is_empty() {
        kept.put_whole(&place, partitions, together);
        return Ok(());
    }
    let (wanted, parts): (Vec<_>, Vec<Part>) = look.wanted.into_iter().unzip();
    let reading = source.with(parts);
    let Some(layout) = reading.layout.clone() else { return Ok(()) };
    // Where each column of the query is among those that are read.
    let places: Vec<usize> = ids.iter().filter_map(|id| wanted.iter().position(|one| one == id)).collect();
    let mut fill = Fill::new(kept, place.clone(), wanted);
    let mut stream = records.scan(reading.scan(look.missing.clone()));
    while let Some(bunch) = stream.next().await {
        let bunch = bunch.map_err(external)?;
        let made = match &bunch {
            Bunch::Rows(rows) => {
                let made = layout.batches(rows)?;
                fill.take(&made, rows.parts());
                made
            }
            // A node that doesn't know rows leaves records out that have none of the bins.
            Bunch::Records(_) | Bunch::Groups(_) => {
                fill.give_up();
                reading.batches(&bunch)?
            }
        };
        for batch in made {
            let columns = batch.project(&places)?.with_schema(Arc::clone(&source.schema))?;
            if sender.send(Ok(columns)).await.is_err() {
                return Ok(());
            }
        }
    }
    let after = records.versions(&place).await.map_err(|error| external(error.into()))?;
    fill.finish(&look.missing, began, &after, &reading.schema)
}
