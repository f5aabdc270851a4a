//! Shares of a scan along a secondary index: whole, or not at all.
//!
//! Entries of an index come by key before they come by partition, so there is no record after which another node could go
//! on: what a node has sent is kept until all of it is there.

use super::scan::{Bunch, Scan, Sender, Unread};
use super::{RecordError, Records, To};
use shipload_wire::ResultCode;

/// Bytes of a share that are kept: more is read without the index.
const HELD_MAX: usize = 32 << 20;
/// What a record is taken to weigh.
const RECORD_BYTES: usize = 500;

/// How a share along an index ended.
pub(super) enum Along {
    /// All of it is there.
    Whole(Vec<Bunch>),
    /// Nothing counts; whoever masters the partitions then is to be asked.
    Again,
    /// There is no use in the index.
    Without,
}

/// Bunches that are kept until all are there.
#[derive(Default)]
pub(super) struct Held {
    bunches: Vec<Bunch>,
    bytes: usize,
}

/// Where bunches go.
pub(super) enum Out<'a> {
    /// To the reader.
    Stream(&'a Sender),
    /// Nowhere yet.
    Held(&'a mut Held),
}

impl Out<'_> {
    /// Hands over a bunch; false when no more is wanted.
    pub(super) async fn give(&mut self, bunch: Bunch) -> bool {
        match self {
            Out::Stream(sender) => sender.send(Ok(bunch)).await.is_ok(),
            Out::Held(held) => {
                held.bytes = held.bytes.saturating_add(match &bunch {
                    Bunch::Rows(rows) | Bunch::Groups(rows) => rows.frame.len(),
                    Bunch::Records(records) => records.len().saturating_mul(RECORD_BYTES),
                });
                held.bunches.push(bunch);
                held.bytes <= HELD_MAX
            }
        }
    }
}

impl Records {
    /// Reads a share of which nothing has been read.
    pub(super) async fn along(&self, scan: &Scan, to: &To, unread: &Unread) -> Result<Along, RecordError> {
        let mut held = Held::default();
        let mut left = unread.clone();
        match self.read_share(scan, to, &mut left, &mut Out::Held(&mut held)).await {
            Ok(true) if left.is_empty() => Ok(Along::Whole(held.bunches)),
            Ok(true) | Err(RecordError::Io(_)) => Ok(Along::Again),
            Ok(false) => Ok(Along::Without),
            Err(RecordError::Refused(ResultCode::Unavailable | ResultCode::Timeout)) => Ok(Along::Again),
            Err(RecordError::Refused(ResultCode::IndexNotFound | ResultCode::IndexNotReadable)) => {
                Ok(Along::Without)
            }
            Err(error) => Err(error),
        }
    }
}
