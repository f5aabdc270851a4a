//! What nodes say to each other to agree on a view; travels over the fabric.
//!
//! Guarantees: decoding is bounded and never panics. Bytes: kind, then the fields in order, little endian.

use std::sync::Arc;

use super::view::{Committed, Standing};
use crate::cursor::{self, Malformed, Reader};
use crate::identity::NodeId;

/// Names a proposal. Ordered by epoch first, so that of two proposals of one epoch the higher node's wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// The epoch that the view would have.
    pub epoch: u64,
    /// Who proposes.
    pub proposer: NodeId,
}

/// A message of the agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Asks for a promise and a standing.
    Propose {
        /// The proposal.
        ballot: Ballot,
    },
    /// Promises, and says where the member stands.
    Accept {
        /// The proposal.
        ballot: Ballot,
        /// Where the member stands.
        standing: Standing,
    },
    /// Does not promise, or does not install.
    Refuse {
        /// The proposal.
        ballot: Ballot,
        /// A ballot has to be above this epoch.
        epoch: u64,
    },
    /// Makes the members install.
    Commit {
        /// The proposal that the member accepted.
        ballot: Ballot,
        /// What to install.
        committed: Arc<Committed>,
    },
    /// The view is installed here.
    Acknowledge {
        /// Its epoch.
        epoch: u64,
        /// Its key.
        key: u64,
    },
    /// The view that holds here; zeros for none.
    Status {
        /// Its epoch.
        epoch: u64,
        /// Its key.
        key: u64,
        /// The highest epoch that was heard of.
        epoch_seen: u64,
    },
}

impl Message {
    /// Appends the encoded message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Message::Propose { ballot } => put(out, 1, &[ballot.epoch, ballot.proposer.0]),
            Message::Accept { ballot, standing } => {
                put(out, 2, &[ballot.epoch, ballot.proposer.0]);
                standing.encode(out);
            }
            Message::Refuse { ballot, epoch } => put(out, 3, &[ballot.epoch, ballot.proposer.0, *epoch]),
            Message::Commit { ballot, committed } => {
                put(out, 4, &[ballot.epoch, ballot.proposer.0]);
                committed.encode(out);
            }
            Message::Acknowledge { epoch, key } => put(out, 5, &[*epoch, *key]),
            Message::Status { epoch, key, epoch_seen } => put(out, 6, &[*epoch, *key, *epoch_seen]),
        }
    }

    /// Reads what [`Message::encode`] wrote; nothing may be left over.
    pub fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = match reader.u8()? {
            1 => Message::Propose { ballot: ballot(&mut reader)? },
            2 => Message::Accept { ballot: ballot(&mut reader)?, standing: Standing::decode(&mut reader)? },
            3 => Message::Refuse { ballot: ballot(&mut reader)?, epoch: reader.u64()? },
            4 => {
                let ballot = ballot(&mut reader)?;
                Message::Commit { ballot, committed: Arc::new(Committed::decode(&mut reader)?) }
            }
            5 => Message::Acknowledge { epoch: reader.u64()?, key: reader.u64()? },
            6 => Message::Status { epoch: reader.u64()?, key: reader.u64()?, epoch_seen: reader.u64()? },
            _ => return Err(Malformed("an unknown kind of agreement message")),
        };
        reader.finish()?;
        Ok(message)
    }
}

fn put(out: &mut Vec<u8>, kind: u8, numbers: &[u64]) {
    out.push(kind);
    numbers.iter().for_each(|number| cursor::put_u64(out, *number));
}

fn ballot(reader: &mut Reader<'_>) -> Result<Ballot, Malformed> {
    Ok(Ballot { epoch: reader.u64()?, proposer: NodeId(reader.u64()?) })
}
