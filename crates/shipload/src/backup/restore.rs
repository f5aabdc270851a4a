//! `shipload restore`: the records of a backup into a cluster, many under way at once over one connection.
//!
//! A node hands requests on to whoever masters their partitions, so one connection serves for all of them.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use shipload_wire::bits::{info2, info3};
use shipload_wire::code::ResultCode;
use shipload_wire::message::Header;
use shipload_wire::ops::Op;
use shipload_wire::request::{self, Key};
use shipload_wire::response::Response;

use super::entry::Entry;
use super::link::Link;
use super::text_in::{Item, Reader};
use super::{RestoreArgs, globals};

/// Requests that are under way at once.
const WINDOW: usize = 128;
/// Seconds from the Unix epoch to 2010-01-01.
const EPOCH_2010_S: u64 = 1_262_304_000;

/// What became of the records.
#[derive(Debug, Default)]
struct Tally {
    restored: u64,
    fresher: u64,
    expired: u64,
    skipped: u64,
    indexes: u64,
    modules: u64,
}

/// Restores a backup.
pub(crate) fn run(args: &RestoreArgs) -> Result<ExitCode> {
    let began = Instant::now();
    let (host, port) = args.seed.address();
    let mut addresses =
        (host.as_str(), port).to_socket_addrs().with_context(|| format!("cannot find the host `{host}`"))?;
    let address = addresses.next().with_context(|| format!("the host `{host}` has no address"))?;
    let mut restorer = Restorer {
        link: Link::connect(address)?,
        under_way: VecDeque::new(),
        args,
        now_s: now_s(),
        began,
        sent: 0,
        bar: bar()?,
    };
    let mut tally = Tally::default();
    match (&args.input_file, &args.directory) {
        (Some(file), _) if file == Path::new("-") => restorer.file(io::stdin().lock(), &mut tally)?,
        (Some(file), _) => restorer.path(file, &mut tally)?,
        (None, Some(directory)) => {
            let files = files(directory)?;
            ensure!(!files.is_empty(), "{} holds no file of a backup (*.asb)", directory.display());
            files.iter().try_for_each(|file| restorer.path(file, &mut tally))?;
        }
        (None, None) => bail!("neither a directory nor a file is given"),
    }
    restorer.bar.finish_and_clear();
    let Tally { restored, fresher, expired, skipped, indexes, modules } = tally;
    eprintln!(
        "{restored} records restored, {fresher} left as they are newer, {expired} have expired, in {:.1} seconds",
        began.elapsed().as_secs_f64()
    );
    if indexes + modules + skipped > 0 {
        eprintln!(
            "{indexes} indexes and {modules} modules restored, {skipped} records of other sets left out"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn bar() -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec}, {elapsed}")?;
    Ok(ProgressBar::no_length().with_style(style))
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "asb") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn now_s() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
    since_1970.saturating_sub(EPOCH_2010_S)
}

struct Restorer<'a> {
    link: Link,
    /// Digests of the requests that wait for an answer.
    under_way: VecDeque<[u8; 20]>,
    args: &'a RestoreArgs,
    now_s: u64,
    began: Instant,
    sent: u64,
    bar: ProgressBar,
}

impl Restorer<'_> {
    fn path(&mut self, path: &Path, tally: &mut Tally) -> Result<()> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        self.file(BufReader::with_capacity(1 << 20, file), tally)
            .with_context(|| format!("restoring {}", path.display()))
    }

    fn file(&mut self, input: impl BufRead, tally: &mut Tally) -> Result<()> {
        let mut reader = Reader::open(input)?;
        while let Some(item) = reader.next()? {
            let entry = match item {
                Item::Record(entry) => entry,
                global @ (Item::Index(_) | Item::Module(_)) => {
                    self.global(&global, tally)?;
                    continue;
                }
            };
            if !self.is_wanted(&entry) {
                tally.skipped += 1;
                continue;
            }
            self.pace();
            if entry.void_time != 0 && u64::from(entry.void_time) <= self.now_s {
                tally.expired += 1;
                continue;
            }
            self.put(&entry)?;
            if self.under_way.len() >= WINDOW {
                self.answer(tally)?;
            }
        }
        while !self.under_way.is_empty() {
            self.answer(tally)?;
        }
        Ok(())
    }

    /// An index or a module; answers to records that are under way come first on the connection.
    fn global(&mut self, item: &Item, tally: &mut Tally) -> Result<()> {
        while !self.under_way.is_empty() {
            self.answer(tally)?;
        }
        match item {
            Item::Index(index) if !self.args.no_indexes => {
                globals::make_index(&mut self.link, index, self.args.namespace.as_deref())?;
                tally.indexes += 1;
            }
            Item::Module(module) if !self.args.no_udfs => {
                globals::put_module(&mut self.link, module)?;
                tally.modules += 1;
            }
            Item::Record(_) | Item::Index(_) | Item::Module(_) => {}
        }
        Ok(())
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        let sets = &self.args.set_list;
        sets.is_empty() || sets.iter().any(|set| set.as_bytes() == entry.set)
    }

    /// Waits until the next record is due.
    fn pace(&mut self) {
        self.bar.inc(1);
        self.sent += 1;
        let rate = f64::from(self.args.records_per_second);
        if rate > 0.0 {
            let due = Duration::from_secs_f64(self.sent as f64 / rate);
            std::thread::sleep(due.saturating_sub(self.began.elapsed()));
        }
    }

    fn put(&mut self, entry: &Entry) -> Result<()> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).context("a name that is no text");
        let namespace = match &self.args.namespace {
            Some(namespace) => namespace.clone(),
            None => text(&entry.namespace)?,
        };
        let set = text(&entry.set)?;
        let generation_rule = if self.args.no_generation { 0 } else { info2::GENERATION_GT };
        let header = Header {
            info2: generation_rule,
            info3: info3::CREATE_OR_REPLACE,
            generation: entry.generation,
            record_ttl: match entry.void_time {
                0 => u32::MAX,
                void_time => u32::try_from(u64::from(void_time) - self.now_s).unwrap_or(1),
            },
            ..Header::default()
        };
        let key = Key {
            namespace: &namespace,
            set: &set,
            digest: &entry.digest,
            user_key: entry.key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice())),
        };
        let ops: Vec<Op<'_>> =
            entry.bins.iter().map(|bin| request::write_op(&bin.name, bin.kind, &bin.value)).collect();
        let mut bytes = Vec::new();
        request::put(&mut bytes, &header, &key, &ops);
        self.link.send(&bytes)?;
        self.under_way.push_back(entry.digest);
        Ok(())
    }

    fn answer(&mut self, tally: &mut Tally) -> Result<()> {
        let body = self.link.frame()?;
        let digest = self.under_way.pop_front().unwrap_or_default();
        match Response::decode(&body)?.result() {
            Some(ResultCode::Ok) => tally.restored += 1,
            Some(ResultCode::Generation) => tally.fresher += 1,
            Some(other) => bail!("record {}: {}", hex(&digest), other.text()),
            None => bail!("record {}: an unknown result code", hex(&digest)),
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
