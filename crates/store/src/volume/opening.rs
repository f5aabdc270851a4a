//! Making devices and opening them: whose they are, and whether all are there.
//!
//! Guarantees: nothing is written to a device that is opened, but what its journal holds, and that only when everything
//! was checked.

use super::cipher::{Cipher, Key, SECTOR};
use super::keep::Kept;
use super::slots::Slots;
use super::{
    DEVICE_HEADER_SIZE, DeviceHeader, JournalGiven, KeptValues, Owner, SLOT_BYTES_MAX, SLOT_BYTES_MIN,
    SLOTS_AT, SLOTS_MIN, SLOTS_WANTED, Volume, VolumeCounts, VolumeError, flush, keep, mark,
};
use crate::disk::Disk;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};

impl Volume {
    /// Writes headers and empty copies of what is kept to devices that hold nothing worth keeping, and syncs them.
    /// `id` is 16 random bytes.
    ///
    /// # Errors
    /// When a device is too small or can't be written.
    pub fn format(disks: &[Box<dyn Disk>], id: [u8; 16], owner: &Owner) -> Result<(), VolumeError> {
        Volume::format_with(disks, id, owner, None)
    }

    /// The same, for devices that are encrypted with this key.
    ///
    /// # Errors
    /// As [`Volume::format`].
    pub fn format_with(
        disks: &[Box<dyn Disk>],
        id: [u8; 16],
        owner: &Owner,
        key: Option<&Key>,
    ) -> Result<(), VolumeError> {
        let cipher = key.map(Cipher::new);
        let key_check = cipher.as_ref().map(Cipher::check);
        let count =
            u16::try_from(disks.len()).ok().filter(|&count| count > 0).ok_or(VolumeError::NoDevice)?;
        let room = |disk: &dyn Disk| disk.size().saturating_sub(SLOTS_AT);
        let total: u64 = disks.iter().map(|disk| room(&**disk)).sum();
        let wanted = u32::try_from(total / SLOTS_WANTED).unwrap_or(u32::MAX).max(1);
        let slot_bytes = (1u32 << wanted.ilog2()).clamp(SLOT_BYTES_MIN, SLOT_BYTES_MAX);
        for (index, disk) in (0u16..).zip(disks) {
            let slots = u32::try_from(room(&**disk) / u64::from(slot_bytes)).unwrap_or(u32::MAX);
            let least = (SLOTS_MIN / u64::from(count)).max(1);
            if u64::from(slots) < least {
                let wants = SLOTS_AT + least * u64::from(slot_bytes);
                let (device, has) = (disk.name().to_owned(), disk.size());
                return Err(VolumeError::TooSmall { device, has, wants });
            }
            let cipher_of_volume = cipher.as_ref();
            let Owner { namespace, cluster } = owner.clone();
            let header =
                DeviceHeader { volume: id, index, count, slot_bytes, slots, namespace, cluster, key_check };
            let kept = Kept { bytes: KeptValues::default().encode(), ..Kept::default() };
            let written = keep::keep(&**disk, cipher_of_volume, &kept)
                .and_then(|()| disk.write_at(0, &header.encode()))
                .and_then(|()| disk.sync());
            written.map_err(|error| VolumeError::Disk { device: disk.name().to_owned(), error })?;
        }
        Ok(())
    }

    /// Opens formatted devices, in any order. `salt` is a random number, another one at each start.
    ///
    /// # Errors
    /// When they are not exactly the devices of this owner. Nothing was written then.
    pub fn open(disks: Vec<Box<dyn Disk>>, owner: &Owner, salt: u64) -> Result<Volume, VolumeError> {
        Volume::open_with(disks, owner, salt, None)
    }

    /// The same, for devices that are encrypted with this key.
    ///
    /// # Errors
    /// As [`Volume::open`], and when the devices are not encrypted with this key.
    pub fn open_with(
        disks: Vec<Box<dyn Disk>>,
        owner: &Owner,
        salt: u64,
        key: Option<&Key>,
    ) -> Result<Volume, VolumeError> {
        Volume::open_journaled(disks, owner, salt, key, JournalGiven::None)
    }

    /// The same, for devices that may have a commit journal. What is in it and not in its place is put there.
    ///
    /// # Errors
    /// As [`Volume::open_with`], and when the devices need a journal that is not given, or can't be used.
    pub fn open_journaled(
        disks: Vec<Box<dyn Disk>>,
        owner: &Owner,
        salt: u64,
        key: Option<&Key>,
        journal: JournalGiven,
    ) -> Result<Volume, VolumeError> {
        let mut volume = Volume::open_devices(disks, owner, salt, key)?;
        // What the devices are without the journal, no snapshot describes.
        volume.mark = volume.mark.filter(|_| !volume.needs_journal());
        volume.take_journal(journal)?;
        volume.forget_blocks();
        Ok(volume)
    }

    fn open_devices(
        disks: Vec<Box<dyn Disk>>,
        owner: &Owner,
        salt: u64,
        key: Option<&Key>,
    ) -> Result<Volume, VolumeError> {
        let cipher = key.map(Cipher::new);
        let mut named = Vec::with_capacity(disks.len());
        for disk in disks {
            let header = read_header(&*disk)?;
            check_owner(&*disk, &header, owner)?;
            check_key(&*disk, &header, cipher.as_ref())?;
            named.push((header, disk));
        }
        named.sort_by_key(|(header, _)| header.index);
        let Some((first, first_disk)) = named.first() else { return Err(VolumeError::NoDevice) };
        if let Some((_, disk)) = named.iter().find(|(header, _)| header.volume != first.volume) {
            let (device, other) = (disk.name().to_owned(), first_disk.name().to_owned());
            return Err(VolumeError::Mixed { device, other });
        }
        let all = named.iter().zip(0..first.count).all(|((header, _), index)| header.index == index);
        if !all || named.len() != usize::from(first.count) {
            let (device, count) = (first_disk.name().to_owned(), first.count);
            return Err(VolumeError::Missing { device, count, given: named.len() });
        }
        let kept = keep::load(&**first_disk, cipher.as_ref())?;
        let slot_counts: Vec<u32> = named.iter().map(|(header, _)| header.slots).collect();
        let (id, slot_bytes) = (first.volume, first.slot_bytes);
        let disks: Vec<Box<dyn Disk>> = named.into_iter().map(|(_, disk)| disk).collect();
        let mark = mark::load(&disks, &id)?;
        let slots: u64 = slot_counts.iter().map(|&count| u64::from(count)).sum();
        let margin_bytes = (slots / 32).clamp(8, 64) * u64::from(slot_bytes);
        Ok(Volume {
            id,
            // 0 is what blocks in memory have.
            salt: salt.max(1),
            slot_bytes,
            flush: Mutex::new(flush::State::new(disks.len())),
            align: disks.iter().map(|disk| disk.align()).max().unwrap_or(1).max(if cipher.is_some() {
                SECTOR
            } else {
                1
            }),
            cipher,
            disks,
            slots: Mutex::new(Slots::new(&slot_counts)),
            slot_counts,
            kept: Mutex::new(kept),
            replayed: None,
            mark,
            is_marked: AtomicBool::new(mark.is_some()),
            health: AtomicU8::new(0),
            available_bytes: AtomicU64::new(0),
            fault: Mutex::default(),
            closed_bytes: AtomicU64::new(0),
            write_cache_bytes: AtomicU64::new(u64::MAX),
            margin_bytes,
            counts: VolumeCounts::default(),
            troubles: Mutex::default(),
        })
    }
}

fn read_header(disk: &dyn Disk) -> Result<DeviceHeader, VolumeError> {
    let device = || disk.name().to_owned();
    if disk.size() < SLOTS_AT {
        return Err(VolumeError::TooSmall { device: device(), has: disk.size(), wants: SLOTS_AT });
    }
    let mut bytes = [0; DEVICE_HEADER_SIZE];
    disk.read_at(0, &mut bytes).map_err(|error| VolumeError::Disk { device: device(), error })?;
    DeviceHeader::decode(&bytes).map_err(|error| VolumeError::Header { device: device(), error })
}

fn check_owner(disk: &dyn Disk, header: &DeviceHeader, owner: &Owner) -> Result<(), VolumeError> {
    let device = disk.name().to_owned();
    if header.namespace != owner.namespace {
        let (found, wanted) = (header.namespace.clone(), owner.namespace.clone());
        return Err(VolumeError::OtherNamespace { device, found, wanted });
    }
    if !header.cluster.is_empty() && !owner.cluster.is_empty() && header.cluster != owner.cluster {
        let (found, wanted) = (header.cluster.clone(), owner.cluster.clone());
        return Err(VolumeError::OtherCluster { device, found, wanted });
    }
    let wants = SLOTS_AT + u64::from(header.slots) * u64::from(header.slot_bytes);
    if disk.size() < wants {
        return Err(VolumeError::Truncated { device, has: disk.size(), wants });
    }
    Ok(())
}

fn check_key(disk: &dyn Disk, header: &DeviceHeader, cipher: Option<&Cipher>) -> Result<(), VolumeError> {
    let device = disk.name().to_owned();
    match (header.key_check, cipher) {
        (None, None) => Ok(()),
        (Some(check), Some(cipher)) if check == cipher.check() => Ok(()),
        (Some(_), Some(_)) => Err(VolumeError::WrongKey { device }),
        (Some(_), None) => Err(VolumeError::NeedsKey { device }),
        (None, Some(_)) => Err(VolumeError::NotEncrypted { device }),
    }
}
