//! The first released format of devices, kept as bytes and read for ever.
//!
//! `SHIPLOAD_WRITE_FIXTURE=1` writes the file anew; that is for a format version that has none yet, never for an old one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod faulty;

use faulty::FaultyDisk;
use shipload_store::{
    BinRef, Disk, KeptValues, KeyRef, LoadReport, LogConfig, Meta, Owner, SetId, Stripe, Volume, stripe_of,
};
use shipload_value::{Digest, ParticleType};
use std::path::PathBuf;
use std::sync::Arc;

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
    for number in NUMBERS {
        let stripe = &mut stripes[stripe_of(digest(number).partition())];
        let mut bins = values(number);
        if number == 20 {
            bins.push((b"long".to_vec(), ParticleType::Blob, vec![20; 20_000]));
        }
        let bins = bins.iter().map(|(name, kind, value)| BinRef { name, kind: *kind, value });
        let key = number.is_multiple_of(2).then_some(KeyRef { kind: 3, bytes: b"the key" });
        stripe.put(&digest(number), &meta(number), key, bins).unwrap();
    }
    stripes[stripe_of(digest(10).partition())].remove(&digest(10)).unwrap().unwrap();
    volume.flush(|number, take| take(&mut stripes[number]), || Ok(())).unwrap();
    let mut out = Vec::new();
    disk.damage(|bytes| {
        for (index, sector) in
            bytes.chunks(SECTOR).enumerate().filter(|(_, sector)| sector.iter().any(|&b| b != 0))
        {
            out.extend_from_slice(&u32::try_from(index).unwrap().to_le_bytes());
            out.extend_from_slice(sector);
        }
    });
    std::fs::create_dir_all(fixture().parent().unwrap()).unwrap();
    std::fs::write(fixture(), out).unwrap();
}

fn read_fixture() -> FaultyDisk {
    let mut bytes = vec![0; DISK_BYTES];
    for part in std::fs::read(fixture()).unwrap().chunks(4 + SECTOR) {
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
