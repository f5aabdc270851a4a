//! `shipload backup`: every partition from whoever masters it.
//!
//! The way: each node is asked for all partitions that are still missing; it answers those that it masters and says
//! of the others that they are elsewhere. Rounds follow until none is missing, so a cluster may change meanwhile. What
//! was written of a partition is remembered by its last digest: a node that dies half way costs nothing, and neither
//! does an interruption, when there is a state file.

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use shipload_value::Digest;
use shipload_wire::code::ResultCode;
use shipload_wire::request::{self, Query};
use shipload_wire::response::{self, Response};

use super::entry::{Bin, Entry};
use super::link::Link;
use super::output::Output;
use super::state::State;
use super::{BackupArgs, filter, globals, text_out};

/// Rounds over all nodes before giving up, with a pause in between.
const ROUNDS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);
/// How often the state is written down.
const STATE_EVERY: Duration = Duration::from_secs(1);

/// Writes a backup.
pub(crate) fn run(args: &BackupArgs) -> Result<ExitCode> {
    let began = Instant::now();
    let mut backup = Backup::begin(args)?;
    for round in 0..ROUNDS {
        if round > 0 {
            std::thread::sleep(PAUSE);
        }
        for node in backup.nodes()? {
            if !backup.state.missing.is_empty() && !backup.is_stopped() {
                backup.save_from(node)?;
            }
        }
        if backup.state.missing.is_empty() || backup.is_stopped() {
            break;
        }
    }
    backup.end(began)
}

/// A backup under way.
struct Backup<'a> {
    args: &'a BackupArgs,
    seed: SocketAddr,
    filter: Vec<u8>,
    output: Output,
    state: State,
    stored: Instant,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl<'a> Backup<'a> {
    fn begin(args: &'a BackupArgs) -> Result<Backup<'a>> {
        let seed = address(&args.seed.address())?;
        let filter = filter::expression(args)?;
        let what = format!(
            "namespace {} set '{}' partitions {:?} after {:?} before {:?}",
            args.namespace, args.set, args.partition_list, args.modified_after, args.modified_before
        );
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The second signal ends the program at once.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        let (state, output) = match &args.resume {
            Some(path) => {
                let state = State::load(path)?;
                ensure!(state.what == what, "{} is of another backup: {}", path.display(), state.what);
                let output = Output::open(args, Some(state.bytes))?;
                (state, output)
            }
            None => {
                let missing = filter::partitions(args.partition_list.as_deref())?;
                (State { what, missing, ..State::default() }, Output::open(args, None)?)
            }
        };
        let bar = ProgressBar::no_length();
        let style = "{bar:30} {human_pos} of {human_len} records, {per_sec}, {elapsed}";
        bar.set_style(ProgressStyle::with_template(style)?);
        let mut backup = Backup { args, seed, filter, output, state, stored: Instant::now(), stop, bar };
        if args.resume.is_none() {
            backup.head()?;
        }
        backup.bar.set_length(backup.expected().unwrap_or(0));
        backup.bar.set_position(backup.state.records);
        Ok(backup)
    }

    /// The first lines, indexes and modules.
    fn head(&mut self) -> Result<()> {
        self.output.write(&text_out::head(&self.args.namespace, true))?;
        let mut link = Link::connect(self.seed)?;
        let mut text = Vec::new();
        if !self.args.no_indexes {
            let (lines, others) = globals::indexes(&mut link, &self.args.namespace)?;
            lines.iter().for_each(|line| text_out::index(&mut text, line));
            for name in others {
                eprintln!("index {name}: the format has no line for it, it is left out");
            }
        }
        if !self.args.no_udfs {
            globals::modules(&mut link)?.iter().for_each(|module| text_out::module(&mut text, module));
        }
        self.output.write(&text)
    }

    /// How many records there are, about, for the bar.
    fn expected(&self) -> Result<u64> {
        let mut all = 0;
        for node in self.nodes()? {
            let text = Link::connect(node)?.info(&format!("namespace/{}", self.args.namespace))?;
            let objects = text.split(';').find_map(|pair| pair.strip_prefix("master_objects="));
            all += objects.and_then(|objects| objects.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(all)
    }

    /// Where the state is written down: a backup that goes on writes into the file that it began with.
    fn state_path(&self) -> Option<&'a std::path::Path> {
        self.args.state_file.as_deref().or(self.args.resume.as_deref())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The nodes that are asked: those of the list, or the seed and those that it knows.
    fn nodes(&self) -> Result<Vec<SocketAddr>> {
        if !self.args.node_list.is_empty() {
            let port = self.args.seed.address().1;
            let each = self.args.node_list.iter().map(|node| match node.rsplit_once(':') {
                Some((host, port)) => address(&(host.to_owned(), port.parse().context("a port")?)),
                None => address(&(node.clone(), port)),
            });
            return each.collect();
        }
        let peers = Link::connect(self.seed)?.info("peers-clear-std")?;
        let others = crate::info::peer_addresses(&peers);
        let found = others.into_iter().filter_map(|(host, port)| (host, port).to_socket_addrs().ok()?.next());
        Ok(std::iter::once(self.seed).chain(found).collect())
    }

    /// Writes the records of the missing partitions that this node masters. A node that goes away is asked again in
    /// the next round, for what is missing then.
    fn save_from(&mut self, node: SocketAddr) -> Result<()> {
        let Ok(mut link) = Link::connect(node) else { return Ok(()) };
        let begun: Vec<[u8; 20]> = self.state.missing.values().flatten().copied().collect();
        let fresh = self.state.missing.iter().filter(|(_, digest)| digest.is_none());
        let partitions: Vec<u16> = fresh.map(|(partition, _)| *partition).collect();
        let mut bytes = Vec::new();
        let query = Query {
            namespace: &self.args.namespace,
            set: &self.args.set,
            partitions: &partitions,
            digests: &begun,
            records_per_second: self.args.records_per_second,
            task_id: filter::task_id(),
            socket_timeout_ms: 30_000,
            filter: &self.filter,
            ..Query::default()
        };
        request::query(&mut bytes, &query);
        if link.send(&bytes).is_err() {
            return Ok(());
        }
        // The node tells only of partitions that it does not master, or not to their end.
        let mut elsewhere = BTreeSet::new();
        while !self.is_stopped() {
            let Ok(body) = link.frame() else { return Ok(()) };
            for message in response::messages(&body) {
                let message = message.context("an answer that can't be read")?;
                let result = message.result().context("an unknown result code")?;
                if message.is_partition_done() {
                    elsewhere.extend(u16::try_from(message.header.generation));
                } else if message.is_last() {
                    ensure!(result == ResultCode::Ok, "node {node}: {}", result.text());
                    self.state.missing.retain(|partition, _| elsewhere.contains(partition));
                    return self.keep_state();
                } else {
                    ensure!(result == ResultCode::Ok, "node {node}: {}", result.text());
                    self.record(&message)?;
                }
            }
            if self.stored.elapsed() >= STATE_EVERY {
                self.keep_state()?;
            }
        }
        Ok(())
    }

    fn record(&mut self, message: &Response<'_>) -> Result<()> {
        let entry = entry(&self.args.namespace, message)?;
        let mut text = Vec::new();
        text_out::record(&mut text, &entry)?;
        self.output.write(&text)?;
        self.state.missing.insert(Digest(entry.digest).partition().number(), Some(entry.digest));
        self.state.records += 1;
        self.bar.inc(1);
        Ok(())
    }

    fn keep_state(&mut self) -> Result<()> {
        self.stored = Instant::now();
        let Some(path) = self.state_path() else { return Ok(()) };
        self.state.bytes = self.output.sync()?;
        self.state.store(path)
    }

    fn end(mut self, began: Instant) -> Result<ExitCode> {
        self.bar.finish_and_clear();
        let missing = self.state.missing.len();
        if self.is_stopped() && missing > 0 {
            self.keep_state()?;
            match self.state_path() {
                Some(path) => bail!(
                    "interrupted, {missing} partitions are missing; go on with --continue {}",
                    path.display()
                ),
                None => bail!("interrupted, {missing} partitions are missing"),
            }
        }
        if self.args.node_list.is_empty() {
            ensure!(missing == 0, "{missing} partitions have no master: the backup is not complete");
        }
        self.output.sync()?;
        if let Some(path) = self.state_path() {
            // The backup is whole; nobody has to go on with it.
            let _ = std::fs::remove_file(path);
        }
        let (records, place) = (self.state.records, self.output.place());
        eprintln!("{records} records to {place} in {:.1} seconds", began.elapsed().as_secs_f64());
        Ok(ExitCode::SUCCESS)
    }
}

fn address((host, port): &(String, u16)) -> Result<SocketAddr> {
    let mut found =
        (host.as_str(), *port).to_socket_addrs().with_context(|| format!("cannot find the host `{host}`"))?;
    found.next().with_context(|| format!("the host `{host}` has no address"))
}

fn entry(namespace: &str, message: &Response<'_>) -> Result<Entry> {
    let fields = &message.fields;
    Ok(Entry {
        key: fields.user_key().map(|(kind, bytes)| (kind, bytes.to_vec())),
        namespace: namespace.as_bytes().to_vec(),
        digest: *fields.digest20().context("a record without a digest")?,
        set: fields.set.unwrap_or_default().to_vec(),
        generation: message.header.generation,
        void_time: message.header.record_ttl,
        bins: message
            .ops
            .clone()
            .map(|op| Bin { name: op.name.to_vec(), kind: op.kind, value: op.value.to_vec() })
            .collect(),
    })
}
