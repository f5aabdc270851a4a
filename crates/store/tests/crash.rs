//! Crashes, failing and full disks at every point of a run: what comes back is what was promised.
//!
//! A world is a volume on faulty disks, some stripes, and a model that knows for each record all that may come back:
//! what it was when the last flush ended well, and what it became since.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod faulty;

use faulty::{Fault, FaultyDisk, Random};
use shipload_store::volume::{Flushed, JournalError, JournalGiven};
use shipload_store::{
    BinRef, Budget, Compression, Cutoffs, Decision, Disk, KeptValues, Key, LoadReport, LogConfig, Mark, Meta,
    Owner, SetId, Stripe, Volume, VolumeError, stripe_of,
};
use shipload_value::{Digest, ParticleType, PartitionId};
use std::collections::BTreeMap;
use std::sync::Arc;

const KEYS: u64 = 60;
const DISK_BYTES: u64 = 4 << 20;
const STRIPES: usize = 64;
/// Room for some commits and not for many.
const JOURNAL_BYTES: u64 = 128 << 10;
/// The name of a disk that is the journal of the others.
const JOURNAL: &str = "journal";

/// Records of two partitions of two stripes.
fn digest(key: u64) -> Digest {
    let mut bytes = [0u8; 20];
    bytes[0] = u8::try_from(3 + key % 2).unwrap();
    bytes[2..10].copy_from_slice(&key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Digest(bytes)
}

/// What a record is: nothing, or the version that was written; the version says all about it.
type Version = Option<u64>;

fn value(version: u64) -> Vec<u8> {
    let mut random = Random(version);
    let length = match random.below(40) {
        0 => 20_000 + random.below(30_000),
        1..=20 => 500,
        _ => 100 + random.below(2000),
    };
    let mut bytes = vec![u8::try_from(version % 251).unwrap(); usize::try_from(length).unwrap()];
    bytes[..8].copy_from_slice(&version.to_le_bytes());
    bytes
}

fn owner() -> Owner {
    Owner { namespace: "test".to_owned(), cluster: String::new() }
}

/// With an even number all records stay in memory; with an odd one, written blocks leave it at once or soon.
fn config(number: u64) -> LogConfig {
    let resident_bytes = (number % 2 == 1).then_some(number % 3 * (16 << 10));
    let compression = [None, Some(Compression::Lz4), None, Some(Compression::Zstd(3))];
    let compression = compression[usize::try_from(number / 2 % 4).unwrap()];
    LogConfig { tombstones_min: 3, resident_bytes, compression, ..LogConfig::default() }
}

/// A life of the volume, between two crashes.
struct Life {
    kept: KeptValues,
    disks: Vec<FaultyDisk>,
    volume: Arc<Volume>,
    stripes: Vec<Stripe>,
}

impl Life {
    /// Devices of one of three styles: plain, encrypted, in whole pages.
    fn format(devices: usize, style: u64) -> Vec<FaultyDisk> {
        let names = if style % 3 == 1 { ["a!", "b!"] } else { ["a", "b"] };
        let align = [1, 512, 4096][usize::try_from(style % 3).unwrap()];
        let disk = |name: &&str| FaultyDisk::new(name, DISK_BYTES).aligned(align);
        let disks: Vec<_> = names[..devices].iter().map(disk).collect();
        Volume::format_with(&boxed(&disks), *b"0123456789abcdef", &owner(), key(&disks)).unwrap();
        disks
    }

    /// The same with a journal behind them.
    fn format_journaled(devices: usize, style: u64) -> Vec<FaultyDisk> {
        let mut disks = Life::format(devices, style);
        let journal = FaultyDisk::new(JOURNAL, JOURNAL_BYTES).aligned(disks[0].align());
        open(&disks, 1).unwrap().format_journal(&journal).unwrap();
        disks.push(journal);
        disks
    }

    fn begin(disks: Vec<FaultyDisk>, salt: u64) -> (Life, LoadReport) {
        let volume = Arc::new(open(&disks, salt).unwrap());
        Life::load(disks, volume, salt)
    }

    fn load(disks: Vec<FaultyDisk>, volume: Arc<Volume>, salt: u64) -> (Life, LoadReport) {
        let stripe = |number| Stripe::attached(number, config(salt), Arc::clone(&volume));
        let mut stripes: Vec<Stripe> = (0..64).map(stripe).collect();
        let kept = volume.kept().unwrap();
        kept.drops
            .iter()
            .for_each(|(partition, mark)| stripes[stripe_of(*partition)].heed(*partition, *mark));
        let mut report = LoadReport::default();
        for (device, &slots) in (0..).zip(volume.slot_counts()) {
            // In two parts, the later one first: order must not matter.
            for range in [slots / 2..slots, 0..slots / 2] {
                report.merge(volume.load(device, range, |number, load| load(&mut stripes[number])).unwrap());
            }
        }
        report.settle(&volume);
        stripes.iter_mut().for_each(|stripe| stripe.finish_load(true));
        stripes[3..5].iter().for_each(Stripe::assert_invariants);
        (Life { kept, disks, volume, stripes }, report)
    }

    /// Everything is flushed and described; the sections of the stripes.
    fn end_in_order(&mut self, mark: Mark) -> Option<Vec<Vec<u8>>> {
        // The second flush syncs what the first one wiped.
        self.flush().and_then(|_| self.flush()).ok()?;
        let sections = self.stripes.iter().map(Stripe::snapshot).collect();
        self.volume.set_mark(&mark).ok()?;
        Some(sections)
    }

    /// A life that begins with a snapshot instead of a look at the slots.
    fn begin_from(disks: Vec<FaultyDisk>, salt: u64, mark: Mark, sections: &[Vec<u8>]) -> Option<Life> {
        let volume = Arc::new(open(&disks, salt).unwrap());
        if volume.mark() != Some(mark) {
            return None;
        }
        let stripe = |number| Stripe::attached(number, config(salt), Arc::clone(&volume));
        let mut stripes: Vec<Stripe> = (0..64).map(stripe).collect();
        let kept = volume.kept().unwrap();
        kept.drops
            .iter()
            .for_each(|(partition, mark)| stripes[stripe_of(*partition)].heed(*partition, *mark));
        for (stripe, section) in stripes.iter_mut().zip(sections) {
            stripe.load_snapshot(section, &volume).unwrap();
        }
        stripes[3..5].iter().for_each(Stripe::assert_invariants);
        Some(Life { kept, disks, volume, stripes })
    }

    fn flush(&mut self) -> Result<Flushed, shipload_store::Fault> {
        let (stripes, volume, kept) = (&mut self.stripes, &self.volume, &self.kept);
        let keep = || volume.keep(|| kept.clone());
        let flushed = volume.flush(|number, take| take(&mut stripes[number]), keep)?;
        // Dropping a partition may leave nothing to write.
        keep().map(|()| flushed)
    }

    /// What `commit-to-device` does before replies leave.
    fn commit(&mut self) -> Result<Flushed, shipload_store::Fault> {
        let (stripes, volume, kept) = (&mut self.stripes, &self.volume, &self.kept);
        let keep = || volume.keep(|| kept.clone());
        let flushed = volume.commit(|number, take| take(&mut stripes[number]), keep)?;
        keep().map(|()| flushed)
    }

    fn is_journaled(&self) -> bool {
        self.disks.iter().any(|disk| disk.name() == JOURNAL)
    }

    fn stripe(&mut self, key: u64) -> &mut Stripe {
        &mut self.stripes[3 + usize::try_from(key % 2).unwrap()]
    }

    fn version(&self, key: u64) -> Version {
        let record = self.stripes[3 + usize::try_from(key % 2).unwrap()].get(&digest(key))?;
        let bytes = record.bin(b"v").unwrap().value;
        let version = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        assert_eq!(bytes, value(version), "a record is wholly what was written once");
        assert_eq!(record.meta().last_update_ms, 1_000_000 - version, "times step back and must not matter");
        Some(version)
    }

    fn is_dead(&self) -> bool {
        self.disks.iter().any(FaultyDisk::is_dead)
    }

    fn crash(&self, random: &mut Random) -> Vec<FaultyDisk> {
        self.disks.iter().map(|disk| disk.crash(random)).collect()
    }
}

const KEY: Key = {
    let mut key = [7; 64];
    key[0] = 8;
    key
};

/// The key of disks that are encrypted.
fn key(disks: &[FaultyDisk]) -> Option<&'static Key> {
    disks[0].name().ends_with('!').then_some(&KEY)
}

fn boxed(disks: &[FaultyDisk]) -> Vec<Box<dyn Disk>> {
    let devices = disks.iter().filter(|disk| disk.name() != JOURNAL);
    devices.map(|disk| Box::new(disk.clone()) as Box<dyn Disk>).collect()
}

/// The disk that is the journal.
fn journal(disks: &[FaultyDisk]) -> JournalGiven {
    match disks.iter().find(|disk| disk.name() == JOURNAL) {
        Some(disk) => JournalGiven::Disk(Box::new(disk.clone())),
        None => JournalGiven::None,
    }
}

fn open(disks: &[FaultyDisk], salt: u64) -> Result<Volume, VolumeError> {
    Volume::open_journaled(boxed(disks), &owner(), salt, key(disks), journal(disks))
}

/// What may come back: for each key what it was at the last good flush, and what it became since.
#[derive(Default)]
struct Model {
    history: BTreeMap<u64, Vec<Version>>,
}

impl Model {
    fn now(&self, key: u64) -> Version {
        self.history.get(&key).and_then(|history| *history.last()?)
    }

    fn note(&mut self, key: u64, version: Version) {
        self.history.entry(key).or_insert_with(|| vec![None]).push(version);
    }

    fn flushed(&mut self) {
        for history in self.history.values_mut() {
            history.drain(..history.len() - 1);
        }
    }

    /// Checks what came back, and goes on from there. Answers how many records are not what they may be.
    fn check(&mut self, life: &Life, what: &str) -> usize {
        let mut wrong = 0;
        for key in 0..KEYS {
            let found = life.version(key);
            let allowed = self.history.entry(key).or_insert_with(|| vec![None]);
            if !allowed.contains(&found) {
                println!("{what}: key {key} is {found:?}, may be {allowed:?}");
                wrong += 1;
            }
            *allowed = vec![found];
        }
        wrong
    }
}

struct World {
    life: Life,
    model: Model,
    random: Random,
    versions: u64,
    seed: u64,
    flush_errors: u64,
}

impl World {
    fn new(seed: u64, devices: usize) -> World {
        World::on(Life::format(devices, seed), seed)
    }

    /// A world whose writes are committed to a journal, and flushed now and then.
    fn journaled(seed: u64, devices: usize) -> World {
        World::on(Life::format_journaled(devices, seed), seed)
    }

    fn on(disks: Vec<FaultyDisk>, seed: u64) -> World {
        let (life, _) = Life::begin(disks, seed);
        World { life, model: Model::default(), random: Random(seed), versions: 0, seed, flush_errors: 0 }
    }

    fn step(&mut self) {
        self.life.stripes[3..5].iter_mut().for_each(Stripe::settle_reads);
        let key = self.random.below(KEYS);
        match self.random.below(100) {
            0..=54 => self.put(key),
            55..=69 => {
                let removed = self.life.stripe(key).remove(&digest(key));
                if let Ok(removed) = removed {
                    assert_eq!(removed.is_some(), self.model.now(key).is_some());
                    if removed.is_some() {
                        self.model.note(key, None);
                    }
                }
            }
            70..=79 => {
                let tight = self.random.below(3) == 0;
                let _ = tight && self.life.stripe(key).defrag_sparsest(85);
                let _ = self.life.stripe(key).defrag(8000);
            }
            80..=84 => {
                let flushes = self.life.volume.counts().flushes.load(std::sync::atomic::Ordering::Relaxed);
                let _ = self.life.stripe(key).raid(20_000, flushes);
            }
            85..=86 => self.evict(key),
            87 => self.drop_partition(key),
            _ if self.life.is_journaled() && self.random.below(5) > 0 => self.commit(),
            _ => self.flush(),
        }
    }

    fn commit(&mut self) {
        match self.life.commit() {
            Ok(_) => self.model.flushed(),
            Err(_) => self.flush_errors += 1,
        }
    }

    fn put(&mut self, key: u64) {
        self.versions += 1;
        let version = self.versions;
        let value = value(version);
        let bin = BinRef { name: b"v", kind: ParticleType::Blob, value: &value };
        let meta = Meta { generation: 1, last_update_ms: 1_000_000 - version, ..Meta::default() };
        if self.life.stripe(key).put(&digest(key), &meta, None, [bin].into_iter()).is_ok() {
            self.model.note(key, Some(version));
        }
    }

    fn evict(&mut self, key: u64) {
        let partition = digest(key).partition();
        let budget = Budget { entries: 3, removals: 3 };
        let before: Vec<Digest> = ids(self.life.stripe(key), partition);
        let _ = self.life.stripe(key).sweep(partition, None, budget, 0, &Cutoffs::new(), |_| Decision::Evict);
        let after = ids(self.life.stripe(key), partition);
        for gone in before.iter().filter(|digest| !after.contains(digest)) {
            let key = (0..KEYS).find(|&key| digest(key) == *gone).unwrap();
            self.model.note(key, None);
        }
    }

    fn drop_partition(&mut self, key: u64) {
        let partition = digest(key).partition();
        if let Some(mark) = self.life.stripe(key).drop_partition(partition) {
            self.life.kept.drops.insert(partition, mark);
        }
        for key in (0..KEYS).filter(|&key| digest(key).partition() == partition) {
            if self.model.now(key).is_some() {
                self.model.note(key, None);
            }
        }
    }

    /// The process stops in order and starts again, from a snapshot if the state allows one.
    fn restart(&mut self, what: &str) -> bool {
        let mark = self.random.next().to_le_bytes().repeat(2).try_into().unwrap();
        let sections = self.life.end_in_order(mark);
        if sections.is_some() {
            self.model.flushed();
        }
        let disks = self.life.crash(&mut self.random);
        self.seed += 1;
        let life = sections.and_then(|sections| Life::begin_from(disks.clone(), self.seed, mark, &sections));
        let from_snapshot = life.is_some();
        self.life = life.unwrap_or_else(|| Life::begin(disks, self.seed).0);
        assert_eq!(self.model.check(&self.life, what), 0, "{what}: see above");
        from_snapshot
    }

    fn flush(&mut self) {
        match self.life.flush() {
            Ok(_) => self.model.flushed(),
            Err(_) => self.flush_errors += 1,
        }
    }

    /// The machine dies and comes back; nothing may be wrong then.
    fn crash(&mut self, what: &str) {
        assert_eq!(self.crash_and_count(what), 0, "{what}: see above");
    }

    /// The same; how many records are wrong.
    fn crash_and_count(&mut self, what: &str) -> usize {
        let disks = self.life.crash(&mut self.random);
        // Lives with all records in memory and lives without take turns.
        self.seed += 1;
        let (life, report) = Life::begin(disks, self.seed);
        assert!(report.skipped.len() < 20, "{what}: {:?}", report.skipped);
        self.life = life;
        self.model.check(&self.life, what)
    }
}

fn ids(stripe: &Stripe, partition: PartitionId) -> Vec<Digest> {
    stripe.scan(partition, None).map(|record| record.digest()).collect()
}

const STEPS: usize = 150;

/// A world of two devices, with a journal or without.
fn world_of(seed: u64, journaled: bool) -> World {
    if journaled { World::journaled(seed, 2) } else { World::new(seed, 2) }
}

/// Runs a world up to the fault, then on, and lets it crash twice.
fn run_with_fault((seed, journaled): (u64, bool), device: usize, operation: u64, fault: Fault) {
    let what = format!("seed {seed} journal {journaled} device {device} operation {operation} {fault:?}");
    let mut world = world_of(seed, journaled);
    (0..STEPS).for_each(|_| world.step());
    world.life.disks[device].arm(operation, fault);
    for _ in 0..STEPS {
        world.step();
        if world.life.is_dead() {
            break;
        }
    }
    if fault == Fault::Full {
        world.flush();
        assert!(world.life.volume.fault().is_none(), "{what}: room came back");
    }
    if fault == Fault::Fails && world.flush_errors > 0 {
        let operations: Vec<u64> = world.life.disks.iter().map(FaultyDisk::operations).collect();
        (0..20).for_each(|_| world.step());
        assert!(world.life.flush().is_err(), "{what}: out of service stays out of service");
        let after: Vec<u64> = world.life.disks.iter().map(FaultyDisk::operations).collect();
        assert_eq!(operations, after, "{what}: nothing is written any more");
    }
    world.crash(&what);
    (0..STEPS).for_each(|_| world.step());
    world.crash(&what);
}

#[test]
fn whatever_fails_wherever_what_was_flushed_comes_back() {
    // One seed begins with all records in memory, the other with none.
    fail_everywhere(0..2, false, 300);
}

#[test]
fn whatever_fails_wherever_what_was_committed_comes_back() {
    // The devices of one are encrypted, those of the other take whole pages.
    fail_everywhere(1..3, true, 150);
}

fn fail_everywhere(seeds: std::ops::Range<u64>, journaled: bool, least: u32) {
    let mut runs = 0;
    for seed in seeds {
        let mut world = world_of(seed, journaled);
        (0..STEPS).for_each(|_| world.step());
        let before: Vec<u64> = world.life.disks.iter().map(FaultyDisk::operations).collect();
        (0..STEPS).for_each(|_| world.step());
        for (device, before) in before.into_iter().enumerate() {
            for operation in 0..world.life.disks[device].operations() - before {
                for fault in [Fault::Crash, Fault::Fails, Fault::Full] {
                    run_with_fault((seed, journaled), device, operation, fault);
                    runs += 1;
                }
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > least, "{runs}");
}

#[test]
fn a_bit_that_flips_on_its_way_costs_one_record_at_every_point_of_a_run() {
    let run = |operation: Option<u64>| {
        let mut world = World::new(0, 1);
        (0..STEPS).for_each(|_| world.step());
        let before = world.life.disks[0].operations();
        if let Some(operation) = operation {
            world.life.disks[0].arm(operation, Fault::Flips);
        }
        (0..STEPS).for_each(|_| world.step());
        world.flush();
        let operations = world.life.disks[0].operations() - if operation.is_some() { 0 } else { before };
        (world, operations)
    };
    let (_, operations) = run(None);
    let (mut flips, mut lost) = (0, 0);
    for operation in 0..operations {
        let (mut world, _) = run(Some(operation));
        let Some(at) = world.life.disks[0].flipped() else { continue };
        let slot_offset = at.wrapping_sub(1 << 20) % (16 << 10);
        // What is kept beside the records has a second copy, which may be older; a head stands for all its block.
        let costs_more = at < 1 << 20 || slot_offset < 64;
        let wrong = world.crash_and_count(&format!("operation {operation}, a bit at {at}"));
        assert!(wrong <= 1 || costs_more, "operation {operation}: a bit at {at} cost {wrong} records");
        flips += 1;
        lost += wrong;
    }
    assert!(flips > 50 && lost > 0, "{flips} flips cost {lost} records");
}

#[test]
fn a_disk_that_lies_about_its_syncs_is_found_out() {
    let mut found = 0;
    for seed in 0..10 {
        let mut world = World::new(seed, 1);
        (0..STEPS).for_each(|_| world.step());
        world.life.disks[0].arm(0, Fault::Lies);
        (0..STEPS).for_each(|_| world.step());
        world.flush();
        found += world.crash_and_count(&format!("seed {seed} with a lying disk"));
    }
    // The checker can fail: a promise that a disk broke does not pass.
    assert!(found > 20, "{found} records were missing");
}

#[test]
fn many_lives_of_one_volume() {
    for (seed, journaled) in (100..104).map(|seed| (seed, false)).chain((104..110).map(|seed| (seed, true))) {
        let mut world = if journaled { World::journaled(seed, 1) } else { World::new(seed, 1) };
        let (mut freed, mut tombs) = (0, 0);
        for life in 0..25 {
            let steps = world.random.below(400);
            (0..steps).for_each(|_| world.step());
            world.life.stripes[3..5].iter().for_each(Stripe::assert_invariants);
            let counts = world.life.volume.counts();
            freed += counts.freed_blocks.load(std::sync::atomic::Ordering::Relaxed);
            tombs = tombs.max(world.life.stripes.iter().map(Stripe::tombstones).sum());
            if life % 3 == 0 {
                // An orderly end: everything is flushed, and nothing may be missing.
                world.flush();
            }
            world.crash(&format!("seed {seed} life {life}"));
        }
        assert!(freed > 100, "slots are used again: {freed}");
        assert!(tombs > 0 && tombs <= 2 * KEYS, "tombstones come and go: {tombs}");
    }
}

#[test]
fn lives_that_end_in_order_begin_from_a_snapshot() {
    for seed in 200..206 {
        let mut world = world_of(seed, seed > 202);
        let mut snapshots = 0;
        for life in 0..30 {
            let steps = world.random.below(300);
            (0..steps).for_each(|_| world.step());
            let what = format!("seed {seed} life {life}");
            match world.random.below(4) {
                0 => world.crash(&what),
                _ => snapshots += u32::from(world.restart(&what)),
            }
            // Where all records are to be in memory they come back a little at a time.
            let some = world.random.below(200_000);
            world.life.stripes.iter_mut().for_each(|stripe| while stripe.warm(4000) && some > 100_000 {});
        }
        assert!(snapshots > 10, "{snapshots} starts from a snapshot");
    }
}

#[test]
fn a_snapshot_of_another_state_is_not_used() {
    let mut world = World::new(300, 2);
    (0..200).for_each(|_| world.step());
    let mark = [7; 16];
    let sections = world.life.end_in_order(mark).unwrap();
    let begin = |disks: &[FaultyDisk]| Life::begin_from(disks.to_vec(), 301, mark, &sections);
    let mut life = begin(&world.life.disks).unwrap();
    // Reading changes nothing, and so the same snapshot counts again.
    assert!((0..KEYS).any(|key| life.version(key).is_some()) && begin(&life.disks).is_some());
    // One written record, and it does not.
    let bin = BinRef { name: b"v", kind: ParticleType::Blob, value: &value(1) };
    life.stripe(0)
        .put(&digest(0), &Meta { generation: 1, ..Meta::default() }, None, [bin].into_iter())
        .unwrap();
    assert!(begin(&life.disks).is_some());
    life.flush().unwrap();
    assert!(begin(&life.disks).is_none());
    // A device that was exchanged for an older copy of itself has no mark, or another one.
    let older = world.life.disks[0].damage(|bytes| bytes[4096..4140].fill(0));
    assert!(begin(&[older, world.life.disks[1].clone()]).is_none());
}

#[test]
fn a_damaged_section_is_refused_and_never_panics() {
    let mut world = World::new(400, 1);
    (0..300).for_each(|_| world.step());
    let sections = world.life.end_in_order([7; 16]).unwrap();
    let volume =
        Arc::new(Volume::open_with(boxed(&world.life.disks), &owner(), 401, key(&world.life.disks)).unwrap());
    let section = &sections[3];
    let (mut refused, mut random) = (0, Random(5));
    for round in 0..3000 {
        let mut bytes = section.clone();
        match round % 3 {
            0 => bytes.truncate(usize::try_from(random.below(bytes.len() as u64)).unwrap()),
            _ => {
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                bytes[at] ^= 1 << random.below(8);
            }
        }
        volume.forget_blocks();
        let mut stripe = Stripe::attached(3, config(0), Arc::clone(&volume));
        refused += u32::from(stripe.load_snapshot(&bytes, &volume).is_err());
    }
    // What slips through here (a flipped bit in a generation, say) is refused by the checksum in the head.
    assert!(refused > 1500, "{refused}");
}

#[test]
fn what_is_encrypted_is_not_to_be_seen_and_other_keys_are_refused() {
    let mut world = World::journaled(1, 2);
    (0..300).for_each(|_| world.step());
    world.flush();
    world.commit();
    let disks = world.life.disks.clone();
    for disk in &disks {
        disk.damage(|bytes| {
            let same = |bytes: &[u8]| bytes.iter().all(|&byte| byte == bytes[0] && byte != 0);
            assert!(!bytes.windows(60).any(same), "a value lies in clear on the disk");
            assert!(!bytes.windows(8).any(|bytes| bytes == shipload_store::block::MAGIC));
        });
    }
    assert!(world.life.volume.counts().commits.load(std::sync::atomic::Ordering::Relaxed) > 10);
    let open = |key: Option<&Key>| {
        Volume::open_journaled(boxed(&disks), &owner(), 1, key, journal(&disks)).map(|_| ())
    };
    assert!(matches!(open(None), Err(VolumeError::NeedsKey { .. })));
    assert!(matches!(open(Some(&[3; 64])), Err(VolumeError::WrongKey { .. })));
    open(Some(&KEY)).unwrap();
    let plain = Life::format(1, 0);
    let open = Volume::open_with(boxed(&plain), &owner(), 1, Some(&KEY));
    assert!(matches!(open, Err(VolumeError::NotEncrypted { .. })));
}

#[test]
fn compressed_records_come_back_and_take_less() {
    let mut sizes = Vec::new();
    for compression in [None, Some(Compression::Lz4), Some(Compression::Zstd(9))] {
        let disks = Life::format(1, 0);
        let volume = Arc::new(Volume::open(boxed(&disks), &owner(), 1).unwrap());
        let config = LogConfig { compression, resident_bytes: Some(0), ..LogConfig::default() };
        let mut stripe = Stripe::attached(3, config, Arc::clone(&volume));
        let text = b"ships and ".repeat(100);
        for number in 0..200u8 {
            let bins = [
                (&b"text"[..], ParticleType::String, &text[..]),
                (b"n", ParticleType::Integer, &[number; 8]),
            ];
            let bins = bins.map(|(name, kind, value)| BinRef { name, kind, value });
            let meta = Meta { generation: 7, void_time: 9, last_update_ms: 5, set: SetId::new(2).unwrap() };
            let key = shipload_store::KeyRef { kind: 3, bytes: b"the key" };
            stripe.put(&digest(u64::from(number) * 2), &meta, Some(key), bins.into_iter()).unwrap();
            // Metadata of a compressed record changes without its content.
            let touched = Meta { generation: 8, ..meta };
            stripe.touch(&digest(u64::from(number) * 2), &touched).unwrap();
            let record = stripe.get(&digest(u64::from(number) * 2)).unwrap();
            assert_eq!((record.meta(), record.key(), record.bin_count()), (touched, Some(key), 2));
            assert!(record.bins().eq(bins));
        }
        stripe.assert_invariants();
        sizes.push(stripe.counts().record_bytes);
    }
    assert!(sizes[1] < sizes[0] / 4 && sizes[2] < sizes[0] / 4, "{sizes:?}");
}

#[test]
fn a_flipped_bit_costs_one_record_and_is_told() {
    let mut world = World::new(9, 1);
    (0..200).for_each(|_| world.step());
    world.flush();
    let expected: Vec<Version> = (0..KEYS).map(|key| world.life.version(key)).collect();
    let (mut told, mut silent) = (0, 0);
    let mut used: Vec<usize> = Vec::new();
    world.life.disks[0].damage(|bytes| used.extend((1 << 20..bytes.len()).filter(|&at| bytes[at] != 0)));
    for round in 0..300u64 {
        let mut random = Random(round);
        let mut flipped = 0;
        let disk = world.life.disks[0].damage(|bytes| {
            flipped = used[usize::try_from(random.below(used.len() as u64)).unwrap()];
            bytes[flipped] ^= 1 << random.below(8);
        });
        let (life, report) = Life::begin(vec![disk], 2 * (1000 + round));
        told += report.skipped.len();
        let header = flipped % (16 << 10) < 64;
        let lost = (0..KEYS).filter(|&key| life.version(key) != expected[usize::try_from(key).unwrap()]);
        let lost = lost.count();
        assert!(lost <= 1 || header, "round {round}: a bit at {flipped} cost {lost} records");
        silent += usize::from(lost > 0 && report.skipped.is_empty());
    }
    // A block's last record looks like one that was never wholly written; and wiped blocks are not looked at.
    assert!(told > 80 && silent < told / 5, "{told} were told of, {silent} not");
}

#[test]
fn what_is_kept_survives_any_crash_of_the_next_attempt() {
    let kept = |cut_ms: u64| {
        let mut kept = KeptValues::default();
        for number in 0..cut_ms {
            kept.sets.find_or_add(number.to_string().as_bytes()).unwrap();
        }
        kept.cutoffs.truncate_set(SetId::new(1).unwrap(), cut_ms);
        kept
    };
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut disks = Life::format(1, seed);
        let mut present = 0;
        for round in 1..6 {
            let (life, _) = Life::begin(disks.clone(), seed);
            let found = life.volume.kept().unwrap();
            present = found.cutoffs.set_ms(SetId::new(1).unwrap());
            assert_eq!(found.sets.len() as u64, present);
            disks[0].arm(random.below(4), Fault::Crash);
            for cut_ms in present + 1..present + 1 + round {
                match life.volume.keep(|| kept(cut_ms)) {
                    Ok(()) => present = cut_ms,
                    Err(_) => break,
                }
            }
            disks = life.crash(&mut random);
            let (life, _) = Life::begin(disks.clone(), seed);
            let found = life.volume.kept().unwrap().cutoffs.set_ms(SetId::new(1).unwrap());
            assert!(
                found == present || found == present + 1,
                "{found} is not {present} or the attempt after it"
            );
        }
        assert!(present > 0);
    }
}

#[test]
fn stripes_are_as_many_as_the_test_thinks() {
    assert_eq!(shipload_store::STRIPE_COUNT, STRIPES);
}

#[test]
fn what_was_committed_comes_back_however_often_the_start_fails() {
    let (mut replayed, mut tries) = (0, 0);
    for seed in 0..30 {
        let mut world = World::journaled(seed, 2);
        for life in 0..4 {
            let what = format!("seed {seed} life {life}");
            (0..100 + world.random.below(100)).for_each(|_| world.step());
            let mut disks = world.life.crash(&mut world.random);
            for operation in 0..40 {
                // Whatever goes wrong while the journal is put in place, the next start finds all of it again.
                let device = usize::try_from(world.random.below(disks.len() as u64)).unwrap();
                let fault =
                    [Fault::Crash, Fault::Fails, Fault::Full][usize::try_from(operation % 3).unwrap()];
                disks[device].arm(operation / 3, fault);
                if open(&disks, 7).is_ok() {
                    break;
                }
                tries += 1;
                disks = disks.iter().map(|disk| disk.crash(&mut world.random)).collect();
            }
            let disks: Vec<FaultyDisk> = disks.iter().map(|disk| disk.crash(&mut world.random)).collect();
            world.seed += 1;
            let volume = open(&disks, world.seed).unwrap();
            replayed += volume.replayed().map_or(0, |replayed| replayed.commits);
            world.life = Life::load(disks, Arc::new(volume), world.seed).0;
            assert_eq!(world.model.check(&world.life, &what), 0, "{what}: see above");
        }
    }
    assert!(tries > 100, "{tries} starts failed");
    println!("{replayed} commits replayed, {tries} starts failed");
}

#[test]
fn a_start_without_the_journal_is_refused_and_would_lose_writes() {
    let mut lost = 0;
    for seed in 0..20 {
        let mut world = World::journaled(seed, 2);
        (0..200).for_each(|_| world.step());
        world.commit();
        let disks = world.life.crash(&mut world.random);
        let needs = world.life.volume.counts().commits.load(std::sync::atomic::Ordering::Relaxed) > 0;
        let without = Volume::open_with(boxed(&disks), &owner(), 1, key(&disks)).map(|_| ());
        assert_eq!(matches!(without, Err(VolumeError::Journal { error: JournalError::Missing, .. })), needs);
        // The checker can fail: somebody decides to go on without what is in the journal.
        world.seed += 1;
        let volume =
            Volume::open_journaled(boxed(&disks), &owner(), world.seed, key(&disks), JournalGiven::Lost);
        world.life = Life::load(disks, Arc::new(volume.unwrap()), world.seed).0;
        lost += world.model.check(&world.life, &format!("seed {seed} without its journal"));
        // From then on it is not needed any more.
        assert!(Volume::open_with(boxed(&world.life.disks), &owner(), 1, key(&world.life.disks)).is_ok());
    }
    assert!(lost > 20, "{lost} records were missing");
}

#[test]
fn a_journal_of_others_a_damaged_one_and_a_later_one_are_refused() {
    let mut world = World::journaled(0, 1);
    (0..200).for_each(|_| world.step());
    world.commit();
    let disks = world.life.disks.clone();
    let before = disks[0].operations();
    let refused = |journal: FaultyDisk| {
        let error = open(&[disks[0].clone(), journal], 9).map(|_| ()).unwrap_err();
        assert_eq!(disks[0].operations(), before, "nothing is written: {error}");
        let VolumeError::Journal { error, .. } = error else { panic!("{error}") };
        error
    };
    let zero = |range: std::ops::Range<usize>| disks[1].damage(|bytes| bytes[range].fill(0));
    assert_eq!(refused(zero(0..8192)), JournalError::Damaged);
    assert_eq!(refused(FaultyDisk::new(JOURNAL, JOURNAL_BYTES)), JournalError::Damaged);
    assert_eq!(refused(FaultyDisk::new(JOURNAL, 4096)), JournalError::Truncated);
    let cut = disks[1].damage(|bytes| bytes.truncate(64 << 10));
    assert_eq!(refused(cut), JournalError::Truncated);
    let others = Life::format(1, 3);
    let volume = Volume::format_with(&boxed(&others), [9; 16], &owner(), None);
    volume.unwrap();
    let other = FaultyDisk::new(JOURNAL, JOURNAL_BYTES);
    open(&others, 1).unwrap().format_journal(&other).unwrap();
    assert_eq!(refused(other), JournalError::OtherVolume);
    let older = FaultyDisk::new(JOURNAL, JOURNAL_BYTES);
    world.life.volume.format_journal(&older).unwrap();
    assert_eq!(refused(older), JournalError::Older);
    let later = disks[1].damage(|bytes| {
        bytes[8] = 2;
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    });
    assert_eq!(refused(later), JournalError::Newer(2));
    // One head is enough, whichever it is.
    open(&[disks[0].clone(), zero(0..4096)], 9).unwrap();
}

#[test]
fn after_an_orderly_end_nobody_needs_the_journal() {
    for seed in 0..10 {
        let mut world = World::journaled(seed, 2);
        (0..300).for_each(|_| world.step());
        world.commit();
        let sections = world.life.end_in_order([7; 16]).unwrap();
        world.model.flushed();
        let disks: Vec<FaultyDisk> = world.life.crash(&mut world.random);
        let alone = disks[..2].to_vec();
        let life = Life::begin_from(alone, 1000, [7; 16], &sections).unwrap();
        assert_eq!(world.model.check(&life, "from the snapshot"), 0);
        let (life, _) = Life::begin(disks[..2].to_vec(), 1001);
        assert_eq!(world.model.check(&life, "from the blocks"), 0);
    }
}

#[test]
fn a_bit_that_flips_in_the_journal_is_told_and_costs_one_commit() {
    let (mut told, mut silent, mut wrong) = (0, 0, 0);
    for round in 0..200u64 {
        let mut world = World::journaled(3 * (round % 5), 1);
        (0..150).for_each(|_| world.step());
        world.flush();
        (0..60).for_each(|_| world.step());
        world.commit();
        let mut random = Random(round);
        let mut disks = world.life.crash(&mut random);
        disks[1] = disks[1].damage(|bytes| {
            let used: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
            bytes[used[usize::try_from(random.below(used.len() as u64)).unwrap()]] ^= 1 << random.below(8);
        });
        let volume = open(&disks, 9000 + round).unwrap();
        let damaged = volume.replayed().map_or(0, |replayed| replayed.damaged);
        assert!(damaged <= 1, "round {round}: {damaged} commits");
        world.life = Life::load(disks, Arc::new(volume), 9000 + round).0;
        let lost = world.model.check(&world.life, &format!("round {round}"));
        told += damaged;
        silent += u64::from(lost > 0 && damaged == 0);
        wrong += lost;
    }
    // The last commit of all looks like one that was never acknowledged; and most bits are of former epochs.
    println!("{told} told, {silent} silent, {wrong} records");
    assert!(told > 10 && silent < told, "{told} told of, {silent} not");
}
