//! Why a volume can't be used, or not any more.

use super::device_header::DeviceHeaderError;
use super::journal::JOURNAL_VERSION;
use crate::disk::DiskError;
use thiserror::Error;

/// Why devices can't be used. Nothing was written when one of these is returned.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VolumeError {
    /// There is none.
    #[error("no device is given")]
    NoDevice,
    /// A device is not one of this namespace's.
    #[error("{device}: {error}; nothing was changed")]
    Header {
        /// Its name.
        device: String,
        /// What is wrong with its header.
        error: DeviceHeaderError,
    },
    /// A device of another namespace.
    #[error("{device}: belongs to namespace '{found}', not '{wanted}'; nothing was changed")]
    OtherNamespace {
        /// Its name.
        device: String,
        /// Whose it is.
        found: String,
        /// Who wants it.
        wanted: String,
    },
    /// A device of another cluster.
    #[error("{device}: belongs to cluster '{found}', not '{wanted}'; nothing was changed")]
    OtherCluster {
        /// Its name.
        device: String,
        /// Whose it is.
        found: String,
        /// Who wants it.
        wanted: String,
    },
    /// An encrypted device, and no key is given.
    #[error("{device}: is encrypted, and no encryption-key-file is given; nothing was changed")]
    NeedsKey {
        /// Its name.
        device: String,
    },
    /// Encrypted with another key.
    #[error("{device}: is encrypted with another key than that of encryption-key-file; nothing was changed")]
    WrongKey {
        /// Its name.
        device: String,
    },
    /// A device that is not encrypted, and a key is given.
    #[error("{device}: is not encrypted, and an encryption-key-file is given; nothing was changed")]
    NotEncrypted {
        /// Its name.
        device: String,
    },
    /// A device that ends too early.
    #[error("{device}: has {has} bytes and should have {wants}: it was truncated; nothing was changed")]
    Truncated {
        /// Its name.
        device: String,
        /// Its size in bytes.
        has: u64,
        /// What its header says.
        wants: u64,
    },
    /// Not all devices of the namespace are there.
    #[error("{device}: is one of {count} devices, {given} are given; nothing was changed")]
    Missing {
        /// The name of one that is there.
        device: String,
        /// How many belong together.
        count: u16,
        /// How many are there.
        given: usize,
    },
    /// Devices that were not formatted together.
    #[error("{device}: does not belong to {other}; nothing was changed")]
    Mixed {
        /// Its name.
        device: String,
        /// The name of the first one.
        other: String,
    },
    /// A device that is too small to hold anything.
    #[error("{device}: has {has} bytes, at least {wants} are needed; nothing was changed")]
    TooSmall {
        /// Its name.
        device: String,
        /// Its size in bytes.
        has: u64,
        /// The least size in bytes.
        wants: u64,
    },
    /// What is kept beside the records is damaged.
    #[error("{device}: set names and cut-off times are damaged; nothing was changed")]
    Kept {
        /// Its name.
        device: String,
    },
    /// The commit journal is needed, or there, and can't be used.
    #[error("{journal}: {error}; nothing was changed")]
    Journal {
        /// Its name, or the device's that needs it.
        journal: String,
        /// What is wrong.
        error: JournalError,
    },
    /// A device can't be read or written.
    #[error("{device}: {error}")]
    Disk {
        /// Its name.
        device: String,
        /// What went wrong.
        error: DiskError,
    },
}

/// Why a commit journal can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JournalError {
    /// There is none, and the last commits are in it.
    #[error("was not stopped in order, and the commit journal with its last writes is not there")]
    Missing,
    /// It has no whole head.
    #[error("is no commit journal of Shipload's, or is damaged")]
    Damaged,
    /// Written by a later version of this program.
    #[error("has format version {0}, this program knows version {JOURNAL_VERSION}")]
    Newer(u16),
    /// Of another volume.
    #[error("is the commit journal of other devices")]
    OtherVolume,
    /// Of an earlier life of the volume than the devices.
    #[error("is an older commit journal than the one with the devices' last writes")]
    Older,
    /// It ends too early.
    #[error("was truncated")]
    Truncated,
    /// A commit holds an impossible value.
    #[error("a commit holds an impossible value")]
    Field,
}

/// Why a volume takes no writes now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// A device has no room left. The volume goes on when there is some.
    #[error("{0}: no space left on the device")]
    Full(String),
    /// A write or sync failed. What is on the device is unknown, so nothing is written to the volume ever again.
    #[error("{0}; the volume is out of service until the node is restarted")]
    Failed(String),
}
