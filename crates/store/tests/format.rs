//! The first released format of devices, kept as bytes and read for ever.
//!
//! `SHIPLOAD_WRITE_FIXTURE=1` writes the file anew; that is for a format version that has none yet, never for an old one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod faulty;

use faulty::FaultyDisk;
use shipload_store::{
    BinRef, Disk, JournalGiven, KeptValues, KeyRef, LoadReport, LogConfig, Meta, Owner, SectionPlace, SetId,
    SkippedSlot, SnapshotError, SnapshotHead, Stripe, Trouble, Volume, stripe_of,
};
use shipload_value::{Digest, ParticleType};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const DISK_BYTES: usize = 4 << 20;
const SECTOR: usize = 512;

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/device-v1.bin")
}

fn owner() -> Owner {
    Owner { namespace: "test".to_owned(), cluster: "harbour".to_owned() }
}

fn digest(number: u8) -> Digest {
    let mut bytes = [number; 20];
    bytes[0] = number;
    Digest(bytes)
}

fn meta(number: u8) -> Meta {
    Meta {
        generation: u16::from(number) * 300,
        void_time: if number.is_multiple_of(3) { 0 } else { 0x3000_0000 + u32::from(number) },
        last_update_ms: if number.is_multiple_of(5) {
            (1 << 40) + 7
        } else {
            500_000_000_000 + u64::from(number)
        },
        set: SetId::new(u16::from(number % 3)).unwrap(),
    }
}

fn values(number: u8) -> Vec<(Vec<u8>, ParticleType, Vec<u8>)> {
    let kinds = [ParticleType::Integer, ParticleType::String, ParticleType::Blob, ParticleType::Map];
    let count = if number.is_multiple_of(7) { 20 } else { 1 + number % 4 };
    (0..count)
        .map(|bin| {
            let kind = kinds[usize::from(number + bin) % 4];
            let length = if kind == ParticleType::Integer { 8 } else { usize::from(number) * 20 };
            (format!("bin{bin}").into_bytes(), kind, vec![number ^ bin; length])
        })
        .collect()
}

/// Numbers of the records: 10 is removed again, 20 is longer than a slot.
const NUMBERS: std::ops::Range<u8> = 1..40;

fn is_there(number: u8) -> bool {
    number != 10
}

fn open(disk: &FaultyDisk) -> (Arc<Volume>, Vec<Stripe>, LoadReport) {
    let disks: Vec<Box<dyn Disk>> = vec![Box::new(disk.clone())];
    let volume = Arc::new(Volume::open(disks, &owner(), 7).unwrap());
    let attach = |number| Stripe::attached(number, LogConfig::default(), Arc::clone(&volume));
    let mut stripes: Vec<Stripe> = (0..64).map(attach).collect();
    let slots = 0..volume.slot_counts()[0];
    let report = volume.load(0, slots, |number, load| load(&mut stripes[number])).unwrap();
    stripes.iter_mut().for_each(|stripe| stripe.finish_load(true));
    (volume, stripes, report)
}

fn write_fixture() {
    let disk = FaultyDisk::new("fixture", DISK_BYTES as u64);
    Volume::format(&[Box::new(disk.clone()) as Box<dyn Disk>], *b"a first release!", &owner()).unwrap();
    let (volume, mut stripes, _) = open(&disk);
    let mut kept = KeptValues::default();
    kept.sets.find_or_add(b"demo").unwrap();
    kept.sets.find_or_add(b"bar").unwrap();
    kept.cutoffs.truncate_set(SetId::new(2).unwrap(), 12345);
    volume.keep(|| kept.clone()).unwrap();
    NUMBERS.for_each(|number| put(&mut stripes, number));
    stripes[stripe_of(digest(10).partition())].remove(&digest(10)).unwrap().unwrap();
    volume.flush(|number, take| take(&mut stripes[number]), || Ok(())).unwrap();
    write_sectors(&disk, &fixture());
}

fn put(stripes: &mut [Stripe], number: u8) {
    let stripe = &mut stripes[stripe_of(digest(number).partition())];
    let mut bins = values(number);
    if number == 20 {
        bins.push((b"long".to_vec(), ParticleType::Blob, vec![20; 20_000]));
    }
    let bins = bins.iter().map(|(name, kind, value)| BinRef { name, kind: *kind, value });
    let key = number.is_multiple_of(2).then_some(KeyRef { kind: 3, bytes: b"the key" });
    stripe.put(&digest(number), &meta(number), key, bins).unwrap();
}

/// What is durable of a disk, sector by sector.
fn write_sectors(disk: &FaultyDisk, path: &Path) {
    let mut out = Vec::new();
    disk.damage(|bytes| {
        for (index, sector) in
            bytes.chunks(SECTOR).enumerate().filter(|(_, sector)| sector.iter().any(|&b| b != 0))
        {
            out.extend_from_slice(&u32::try_from(index).unwrap().to_le_bytes());
            out.extend_from_slice(sector);
        }
    });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, out).unwrap();
}

fn read_fixture() -> FaultyDisk {
    read_sectors(&fixture(), DISK_BYTES)
}

fn read_sectors(path: &Path, size: usize) -> FaultyDisk {
    let mut bytes = vec![0; size];
    for part in std::fs::read(path).unwrap().chunks(4 + SECTOR) {
        let (index, sector) = part.split_first_chunk::<4>().unwrap();
        let at = u32::from_le_bytes(*index) as usize * SECTOR;
        bytes[at..at + SECTOR].copy_from_slice(sector);
    }
    FaultyDisk::with("fixture", bytes)
}

#[test]
fn the_first_format_is_read_for_ever() {
    if std::env::var_os("SHIPLOAD_WRITE_FIXTURE").is_some() {
        write_fixture();
    }
    let disk = read_fixture();
    let (volume, stripes, report) = open(&disk);
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert_eq!(volume.id(), *b"a first release!");
    let kept = volume.kept().unwrap();
    assert!(kept.sets.iter().map(|(_, name)| name).eq([&b"demo"[..], b"bar"]));
    assert_eq!(kept.cutoffs.set_ms(SetId::new(2).unwrap()), 12345);
    assert_records(&stripes);
}

fn assert_records(stripes: &[Stripe]) {
    for number in NUMBERS {
        let record = stripes[stripe_of(digest(number).partition())].get(&digest(number));
        assert_eq!(record.is_some(), is_there(number), "record {number}");
        let Some(record) = record else { continue };
        assert_eq!(record.meta(), meta(number), "record {number}");
        assert_eq!(record.key().is_some(), number.is_multiple_of(2));
        let expected = values(number);
        let found: Vec<_> =
            record.bins().map(|bin| (bin.name.to_vec(), bin.kind, bin.value.to_vec())).collect();
        assert_eq!(found[..expected.len()], expected[..], "record {number}");
        assert_eq!(found.len() > expected.len(), number == 20);
    }
}

const MARK: [u8; 16] = *b"the first mark..";

fn snapshot_fixture() -> PathBuf {
    fixture().with_file_name("snapshot-v1.bin")
}

/// The device of the fixture, with the mark of its snapshot.
fn marked_device() -> FaultyDisk {
    let disk = read_fixture();
    let (volume, ..) = open(&disk);
    volume.set_mark(&MARK).unwrap();
    disk
}

fn write_snapshot_fixture() {
    let (volume, stripes, report) = open(&read_fixture());
    let mut out = vec![0; shipload_store::SNAPSHOT_HEAD_SIZE];
    let sections = std::array::from_fn(|stripe| {
        let section = stripes[stripe].snapshot();
        let offset = out.len() as u64;
        out.extend_from_slice(&section);
        SectionPlace { offset, length: section.len() as u64, checksum: crc32c::crc32c(&section) }
    });
    let head = SnapshotHead { volume: volume.id(), mark: MARK, latest_ms: report.latest_ms, sections };
    out[..shipload_store::SNAPSHOT_HEAD_SIZE].copy_from_slice(&head.encode());
    std::fs::write(snapshot_fixture(), out).unwrap();
}

/// The stripes of the fixture, begun from its snapshot; `resident_bytes` as in the settings.
fn begin(disk: &FaultyDisk, resident_bytes: Option<u64>) -> (Arc<Volume>, Vec<Stripe>) {
    let bytes = std::fs::read(snapshot_fixture()).unwrap();
    let disks: Vec<Box<dyn Disk>> = vec![Box::new(disk.clone())];
    let volume = Arc::new(Volume::open(disks, &owner(), 7).unwrap());
    let head = SnapshotHead::decode(&bytes, &volume.id(), volume.mark()).unwrap();
    let config = LogConfig { resident_bytes, ..LogConfig::default() };
    let stripe = |(number, place): (u16, &SectionPlace)| {
        let mut stripe = Stripe::attached(number, config, Arc::clone(&volume));
        let from = usize::try_from(place.offset).unwrap();
        stripe.load_snapshot(&bytes[from..from + usize::try_from(place.length).unwrap()], &volume).unwrap();
        stripe
    };
    let stripes = (0..).zip(&head.sections).map(stripe).collect();
    (volume, stripes)
}

/// Where the longest value of record 39, which no other record has, lies on the device.
fn value_of_39(bytes: &[u8]) -> usize {
    let (_, _, value) = values(39).pop().unwrap();
    bytes.windows(value.len()).position(|window| window == value).unwrap()
}

/// Where the block begins in which a place lies.
fn block_of(bytes: &[u8], at: usize) -> usize {
    let slot = u32::from_le_bytes(bytes[32..36].try_into().unwrap()) as usize;
    (1 << 20) + (at - (1 << 20)) / slot * slot
}

#[test]
fn a_header_that_was_damaged_before_a_start_from_a_snapshot_costs_nothing() {
    let disk = marked_device().damage(|bytes| {
        let block = block_of(bytes, value_of_39(bytes));
        bytes[block + 20] ^= 1;
    });
    // A start that reads all blocks does not use this one.
    assert_eq!(open(&disk).2.skipped.len(), 1);
    let (volume, mut stripes) = begin(&disk, None);
    assert!(volume.take_troubles().is_empty(), "no block was read");
    stripes.iter_mut().for_each(|stripe| while stripe.warm(1 << 20) {});
    let troubles = volume.take_troubles();
    assert_eq!(troubles.iter().map(|slot| &slot.trouble).collect::<Vec<_>>(), [&Trouble::HeaderAlone]);
    assert_records(&stripes);
    // Its records are moved, and now every start finds them.
    stripes.iter_mut().for_each(|stripe| while stripe.defrag(1 << 20).more {});
    for _ in 0..2 {
        volume.flush(|number, take| take(&mut stripes[number]), || Ok(())).unwrap();
    }
    let (_, stripes, report) = open(&disk);
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert_records(&stripes);
}

/// The device with a damaged record 39.
fn device_with_damage() -> FaultyDisk {
    marked_device().damage(|bytes| {
        let at = value_of_39(bytes);
        bytes[at] ^= 1;
    })
}

#[test]
fn a_record_that_was_damaged_before_a_start_from_a_snapshot_is_told_of_and_no_other_one_suffers() {
    let disk = device_with_damage();
    let (volume, mut stripes) = begin(&disk, None);
    assert!(volume.mark().is_some());
    for _ in 0..2 {
        stripes.iter_mut().for_each(|stripe| while stripe.warm(1 << 20) {});
    }
    let troubles = volume.take_troubles();
    assert!(
        matches!(troubles[..], [SkippedSlot { trouble: Trouble::Unreadable { .. }, .. }]),
        "{troubles:?}"
    );
    assert_eq!(volume.counts().damaged_blocks.load(Ordering::Relaxed), 1);
    for number in NUMBERS.filter(|&number| is_there(number) && number != 39) {
        let record = stripes[stripe_of(digest(number).partition())].get(&digest(number)).unwrap();
        assert_eq!(record.meta(), meta(number), "record {number}");
    }
    // The snapshot counts no more: the next start looks at all blocks, and steps over the damage.
    assert!(volume.mark().is_none());
    let (volume, stripes, _) = open(&disk);
    assert!(volume.mark().is_none());
    let left = |number: &u8| stripes[stripe_of(digest(*number).partition())].get(&digest(*number)).is_some();
    assert!(NUMBERS.filter(left).eq(NUMBERS.filter(|&number| is_there(number) && number != 39)));
}

#[test]
fn a_damaged_record_is_never_served_and_ends_a_start_from_a_snapshot_only_once() {
    for (resident_bytes, warm) in [(None, false), (None, true), (Some(0), false)] {
        let disk = device_with_damage();
        let (volume, mut stripes) = begin(&disk, resident_bytes);
        if warm {
            stripes.iter_mut().for_each(|stripe| while stripe.warm(1 << 20) {});
        }
        let stripe = &stripes[stripe_of(digest(39).partition())];
        let read =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stripe.get(&digest(39)).is_some()));
        let why = *read.unwrap_err().downcast::<String>().unwrap();
        assert!(why.contains("fixture at byte") && why.contains("checksum"), "{why}");
        assert!(volume.mark().is_none());
        assert!(open(&disk).0.mark().is_none(), "the next start reads all blocks");
    }
}

#[test]
fn the_first_snapshot_is_read_for_ever() {
    if std::env::var_os("SHIPLOAD_WRITE_FIXTURE").is_some() {
        write_snapshot_fixture();
    }
    let bytes = std::fs::read(snapshot_fixture()).unwrap();
    let disks: Vec<Box<dyn Disk>> = vec![Box::new(marked_device())];
    let volume = Arc::new(Volume::open(disks, &owner(), 7).unwrap());
    let head = SnapshotHead::decode(&bytes, &volume.id(), volume.mark()).unwrap();
    assert_eq!(head.latest_ms, (1 << 40) + 7);
    let attach = |number| Stripe::attached(number, LogConfig::default(), Arc::clone(&volume));
    let mut stripes: Vec<Stripe> = (0..64).map(attach).collect();
    for (stripe, place) in stripes.iter_mut().zip(&head.sections) {
        let from = usize::try_from(place.offset).unwrap();
        let section = &bytes[from..from + usize::try_from(place.length).unwrap()];
        place.check(section).unwrap();
        stripe.load_snapshot(section, &volume).unwrap();
        stripe.assert_invariants();
    }
    assert_records(&stripes);
    assert_eq!(stripes.iter().map(Stripe::tombstones).sum::<u64>(), 1);
    let other = |mark| SnapshotHead::decode(&bytes, &volume.id(), mark);
    assert_eq!(other(None), Err(SnapshotError::OtherState));
    assert_eq!(other(Some([0; 16])), Err(SnapshotError::OtherState));
    assert_eq!(SnapshotHead::decode(&bytes, &[0; 16], Some(MARK)), Err(SnapshotError::OtherState));
    for bit in 0..8 * shipload_store::SNAPSHOT_HEAD_SIZE {
        let mut broken = bytes.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(SnapshotHead::decode(&broken, &volume.id(), Some(MARK)).is_err(), "bit {bit}");
    }
}

const JOURNAL_BYTES: usize = 256 << 10;

/// The files of a device whose last commits are in a journal, and of that journal.
fn journaled_fixture() -> [PathBuf; 2] {
    ["journaled-v1.bin", "journal-v1.bin"].map(|name| fixture().with_file_name(name))
}

fn open_journaled(disk: &FaultyDisk, journal: &FaultyDisk) -> Volume {
    let disks: Vec<Box<dyn Disk>> = vec![Box::new(disk.clone())];
    let given = JournalGiven::Disk(Box::new(journal.clone()));
    Volume::open_journaled(disks, &owner(), 7, None, given).unwrap()
}

fn write_journaled_fixture() {
    let disk = FaultyDisk::new("fixture", DISK_BYTES as u64);
    Volume::format(&[Box::new(disk.clone()) as Box<dyn Disk>], *b"a first journal!", &owner()).unwrap();
    let journal = FaultyDisk::new("journal", JOURNAL_BYTES as u64);
    open(&disk).0.format_journal(&journal).unwrap();
    let volume = Arc::new(open_journaled(&disk, &journal));
    let attach = |number| Stripe::attached(number, LogConfig::default(), Arc::clone(&volume));
    let mut stripes: Vec<Stripe> = (0..64).map(attach).collect();
    for number in NUMBERS {
        put(&mut stripes, number);
        if number == 11 {
            stripes[stripe_of(digest(10).partition())].remove(&digest(10)).unwrap().unwrap();
        }
        let take = |number: usize, take: &mut dyn FnMut(&mut Stripe)| take(&mut stripes[number]);
        match number {
            // An epoch ends.
            7 => volume.flush(take, || Ok(())).unwrap(),
            _ => volume.commit(take, || Ok(())).unwrap(),
        };
    }
    let [device, in_journal] = journaled_fixture();
    write_sectors(&disk, &device);
    write_sectors(&journal, &in_journal);
}

#[test]
fn the_first_journal_is_read_for_ever() {
    if std::env::var_os("SHIPLOAD_WRITE_FIXTURE").is_some() {
        write_journaled_fixture();
    }
    let [device, journal] = journaled_fixture();
    let (disk, journal) = (read_sectors(&device, DISK_BYTES), read_sectors(&journal, JOURNAL_BYTES));
    let volume = open_journaled(&disk, &journal);
    let replayed = volume.replayed().unwrap();
    assert_eq!((replayed.commits, replayed.damaged), (NUMBERS.count() as u64 - 7, 0));
    // Whoever opens the device now finds all of it in its place.
    let (_, stripes, report) = open(&disk);
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert_records(&stripes);
}
