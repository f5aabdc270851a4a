//! What nodes say to each other about metadata; travels over the fabric.
//!
//! Guarantees: decoding is bounded and never panics. Bytes: kind, then the fields in order, little endian.

use std::collections::BTreeMap;

use crate::cursor::{self, Malformed, Reader};
use crate::identity::NodeId;

/// Most names that there may be, with those of removed values.
pub const ENTRIES_MAX: usize = 16_384;
/// Longest name, in bytes.
pub const NAME_MAX: usize = 255;
/// Longest value, in bytes.
pub const BYTES_MAX: usize = 4 << 20;

/// Orders the values of a name: the later view, then the later write, then the higher node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Epoch of the view in which it was written.
    pub epoch: u64,
    /// Counts the writes of the name in that epoch.
    pub counter: u64,
    /// Who wrote it.
    pub node: NodeId,
}

/// A message about metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// "My map has this hash": to the principal.
    Compare {
        /// The hash.
        hash: u64,
    },
    /// "So has mine."
    Equal {
        /// The hash.
        hash: u64,
    },
    /// "Mine is another one: this is what I have."
    Stamps {
        /// Stamps by name.
        stamps: BTreeMap<String, Stamp>,
    },
    /// "Send me these."
    Want {
        /// Their names.
        names: Vec<String>,
    },
    /// A value.
    Value {
        /// Its name.
        name: String,
        /// Its stamp.
        stamp: Stamp,
        /// The value; none for one that was removed.
        bytes: Option<Vec<u8>>,
    },
    /// "I have this, or something newer."
    Have {
        /// The name.
        name: String,
        /// The stamp.
        stamp: Stamp,
    },
}

impl Message {
    /// Appends the encoded message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Message::Compare { hash } => put_hash(out, 1, *hash),
            Message::Equal { hash } => put_hash(out, 2, *hash),
            Message::Stamps { stamps } => {
                out.push(3);
                cursor::put_count(out, stamps.len());
                stamps.iter().for_each(|(name, stamp)| put_stamp(out, name, *stamp));
            }
            Message::Want { names } => {
                out.push(4);
                cursor::put_count(out, names.len());
                names.iter().for_each(|name| cursor::put_bytes(out, name.as_bytes()));
            }
            Message::Value { name, stamp, bytes } => {
                out.push(5);
                put_stamp(out, name, *stamp);
                out.push(u8::from(bytes.is_some()));
                cursor::put_bytes(out, bytes.as_deref().unwrap_or_default());
            }
            Message::Have { name, stamp } => {
                out.push(6);
                put_stamp(out, name, *stamp);
            }
        }
    }

    /// Reads what [`Message::encode`] wrote; nothing may be left over.
    pub fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = match reader.u8()? {
            1 => Message::Compare { hash: reader.u64()? },
            2 => Message::Equal { hash: reader.u64()? },
            3 => {
                let count = reader.count(ENTRIES_MAX, 26)?;
                let stamps = (0..count).map(|_| read_stamp(&mut reader)).collect::<Result<_, _>>()?;
                Message::Stamps { stamps }
            }
            4 => {
                let count = reader.count(ENTRIES_MAX, 2)?;
                Message::Want { names: (0..count).map(|_| read_name(&mut reader)).collect::<Result<_, _>>()? }
            }
            5 => {
                let (name, stamp) = read_stamp(&mut reader)?;
                let present = reader.bool()?;
                let bytes = reader.bytes(BYTES_MAX)?;
                Message::Value { name, stamp, bytes: present.then(|| bytes.to_vec()) }
            }
            6 => {
                let (name, stamp) = read_stamp(&mut reader)?;
                Message::Have { name, stamp }
            }
            _ => return Err(Malformed("an unknown kind of metadata message")),
        };
        reader.finish()?;
        Ok(message)
    }
}

fn put_hash(out: &mut Vec<u8>, kind: u8, hash: u64) {
    out.push(kind);
    cursor::put_u64(out, hash);
}

fn put_stamp(out: &mut Vec<u8>, name: &str, stamp: Stamp) {
    cursor::put_bytes(out, name.as_bytes());
    [stamp.epoch, stamp.counter, stamp.node.0].iter().for_each(|number| cursor::put_u64(out, *number));
}

fn read_name(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let name = reader.text(NAME_MAX)?;
    if name.is_empty() { Err(Malformed("an empty name")) } else { Ok(name.to_owned()) }
}

fn read_stamp(reader: &mut Reader<'_>) -> Result<(String, Stamp), Malformed> {
    let name = read_name(reader)?;
    Ok((name, Stamp { epoch: reader.u64()?, counter: reader.u64()?, node: NodeId(reader.u64()?) }))
}
