//! The operations that change how many bytes a blob has.

use super::{MAX_BYTES, place};
use crate::Refusal;

const FROM_FRONT: u64 = 1;
const GROW_ONLY: u64 = 2;
const SHRINK_ONLY: u64 = 4;

/// The blob with another size: cut or filled with zeros at its end, or at its front.
pub(super) fn resize(blob: &[u8], size: i64, how: u64) -> Result<Vec<u8>, Refusal> {
    let known = FROM_FRONT | GROW_ONLY | SHRINK_ONLY;
    if how & !known != 0 || how & GROW_ONLY != 0 && how & SHRINK_ONLY != 0 {
        return Err(Refusal::Parameter);
    }
    let size = usize::try_from(size).map_err(|_| Refusal::Parameter)?;
    if size < blob.len() && how & GROW_ONLY != 0 || size > blob.len() && how & SHRINK_ONLY != 0 {
        return Err(Refusal::Parameter);
    }
    if size > MAX_BYTES {
        return Err(Refusal::RecordTooBig);
    }
    if how & FROM_FRONT == 0 {
        let mut resized = blob.to_vec();
        resized.resize(size, 0);
        return Ok(resized);
    }
    let mut resized = vec![0; size.saturating_sub(blob.len())];
    let cut = blob.len().saturating_sub(size);
    resized.extend_from_slice(blob.get(cut..).unwrap_or_default());
    Ok(resized)
}

/// The blob with more bytes in front of a byte; behind its end, zeros fill the gap.
pub(super) fn insert(blob: &[u8], offset: i64, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let at = place(offset, blob.len())?;
    if at > MAX_BYTES {
        return Err(Refusal::RecordTooBig);
    }
    let mut inserted = blob.get(..at.min(blob.len())).unwrap_or_default().to_vec();
    inserted.resize(at, 0);
    inserted.extend_from_slice(bytes);
    inserted.extend_from_slice(blob.get(at..).unwrap_or_default());
    Ok(inserted)
}

/// The blob without some bytes; `partial` leaves out those behind its end.
pub(super) fn remove(blob: &[u8], offset: i64, size: i64, partial: bool) -> Result<Vec<u8>, Refusal> {
    let at = place(offset, blob.len())?;
    let size = usize::try_from(size).map_err(|_| Refusal::Parameter)?;
    let end = at.saturating_add(size);
    if at >= blob.len() || end > blob.len() && !partial {
        return Err(Refusal::Parameter);
    }
    let before = blob.get(..at).unwrap_or_default();
    Ok([before, blob.get(end..).unwrap_or_default()].concat())
}
