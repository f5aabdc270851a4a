//! `shipload backup`: every partition from whoever masters it.
//!
//! The way: each node is asked for all partitions that are still missing; it answers those that it masters and says
//! of the others that they are elsewhere. Rounds follow until none is missing, so a cluster may change meanwhile.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use shipload_wire::code::ResultCode;
use shipload_wire::request::{self, Query};
use shipload_wire::response::{self, Response};

use super::BackupArgs;
use super::entry::{Bin, Entry};
use super::link::Link;
use super::text_out;

/// Rounds over all nodes before giving up, with a pause in between.
const ROUNDS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// Writes a backup.
pub(crate) fn run(args: &BackupArgs) -> Result<ExitCode> {
    let began = Instant::now();
    let (host, port) = args.seed.address();
    let seed = (host.as_str(), port)
        .to_socket_addrs()
        .with_context(|| format!("cannot find the host `{host}`"))?
        .next()
        .with_context(|| format!("the host `{host}` has no address"))?;
    let (mut out, place) = output(args)?;
    out.write_all(&text_out::head(&args.namespace, true)).context("cannot write the backup")?;
    let mut missing: BTreeSet<u16> = (0..4096).collect();
    let mut records = 0;
    for round in 0..ROUNDS {
        if round > 0 {
            std::thread::sleep(PAUSE);
        }
        for node in nodes(seed)? {
            if !missing.is_empty() {
                records += save_from(node, args, &mut missing, &mut out)?;
            }
        }
        if missing.is_empty() {
            break;
        }
    }
    ensure!(missing.is_empty(), "{} partitions have no master: the backup is not complete", missing.len());
    out.flush().context("cannot write the backup")?;
    out.get_mut().sync().context("cannot write the backup")?;
    eprintln!("{records} records to {place} in {:.1} seconds", began.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Where a backup goes.
enum Output {
    File(File),
    Standard(io::Stdout),
}

impl Output {
    fn sync(&mut self) -> io::Result<()> {
        match self {
            Output::File(file) => file.sync_all(),
            Output::Standard(_) => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::File(file) => file.write(bytes),
            Output::Standard(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::File(file) => file.flush(),
            Output::Standard(out) => out.flush(),
        }
    }
}

fn output(args: &BackupArgs) -> Result<(BufWriter<Output>, String)> {
    let path = match (&args.output_file, &args.directory) {
        (Some(file), _) if file == Path::new("-") => {
            return Ok((BufWriter::new(Output::Standard(io::stdout())), "standard output".to_owned()));
        }
        (Some(file), _) => file.clone(),
        (None, Some(directory)) => {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make the directory {}", directory.display()))?;
            directory.join(format!("{}_00000.asb", args.namespace))
        }
        (None, None) => bail!("neither a directory nor a file is given"),
    };
    let place = path.display().to_string();
    // A backup never writes over another one.
    let file = File::create_new(&path).with_context(|| format!("cannot make {place}"))?;
    Ok((BufWriter::with_capacity(1 << 20, Output::File(file)), place))
}

/// All nodes: the seed, and those that it knows.
fn nodes(seed: SocketAddr) -> Result<Vec<SocketAddr>> {
    let peers = Link::connect(seed)?.info("peers-clear-std")?;
    let others = crate::info::peer_addresses(&peers);
    let found = others.into_iter().filter_map(|(host, port)| (host, port).to_socket_addrs().ok()?.next());
    Ok(std::iter::once(seed).chain(found).collect())
}

/// Writes the records of the missing partitions that this node masters.
fn save_from(
    node: SocketAddr,
    args: &BackupArgs,
    missing: &mut BTreeSet<u16>,
    out: &mut BufWriter<Output>,
) -> Result<u64> {
    let Ok(mut link) = Link::connect(node) else { return Ok(0) };
    let partitions: Vec<u16> = missing.iter().copied().collect();
    let mut bytes = Vec::new();
    let query = Query {
        namespace: &args.namespace,
        set: &args.set,
        partitions: &partitions,
        task_id: task_id(),
        socket_timeout_ms: 30_000,
        ..Query::default()
    };
    request::query(&mut bytes, &query);
    link.send(&bytes)?;
    let mut records = 0;
    let mut text = Vec::new();
    // The node tells only of partitions that it does not master, or not to their end.
    let mut elsewhere = BTreeSet::new();
    loop {
        let body = link.frame().with_context(|| format!("node {node}"))?;
        for message in response::messages(&body) {
            let message = message.context("an answer that can't be read")?;
            let result = message.result().context("an unknown result code")?;
            if message.is_partition_done() {
                elsewhere.extend(u16::try_from(message.header.generation));
                continue;
            }
            if message.is_last() {
                ensure!(result == ResultCode::Ok, "node {node}: {}", result.text());
                missing.retain(|partition| elsewhere.contains(partition));
                return Ok(records);
            }
            ensure!(result == ResultCode::Ok, "node {node}: {}", result.text());
            text.clear();
            text_out::record(&mut text, &entry(&args.namespace, &message)?)?;
            out.write_all(&text).context("cannot write the backup")?;
            records += 1;
        }
    }
}

/// Another number at each call, and most likely one that nobody else uses.
fn task_id() -> u64 {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    (now.as_secs() << 32 | u64::from(now.subsec_nanos())) ^ u64::from(std::process::id()).rotate_right(8)
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
