//! `cargo xtask golden`: plays recorded answers of a real server against ours, over TCP.
//!
//! Every answer must be the recorded one, byte for byte but for what follows the clock. Cases that differ for a reason
//! stand in `tests/golden/known-differences.txt`; a difference that is not there fails, and so does a line there that
//! no case needs any more.

pub(crate) mod corpus;
mod known;
pub(crate) mod target;

use crate::workspace;
use anyhow::{Context as _, Result, anyhow, ensure};
use corpus::Case;
use known::Known;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use target::Connection;

/// The files that must agree: every file that there is, in the order in which they are played.
const GATING: [&str; 16] = [
    "kv",
    "policies-ttl-generation",
    "operate",
    "batch",
    "scan",
    "list",
    "list-nested",
    "map",
    "map-nested",
    "bit",
    "hll",
    "geo-values",
    "expressions",
    "sindex-query",
    "udf",
    "own/cases",
];

/// Flags of `cargo xtask golden`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of tests/golden to play, without .jsonl.gz [default: all]
    files: Vec<String>,
    /// An empty server that runs already; without it one is built and started
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// How many unexpected differences are shown in full
    #[arg(long, default_value_t = 5, value_name = "N")]
    show: usize,
}

/// Plays the files; true when nothing differs but what may.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let folder = workspace::root().join("tests/golden");
    let started = if args.address.is_none() { Some(target::start()?) } else { None };
    let address = match (&args.address, &started) {
        (Some(text), _) => resolve(text)?,
        (None, Some(started)) => started.service,
        (None, None) => return Err(anyhow!("no server")),
    };
    let mut connection = Connection::open(address)?;
    connection.info(&corpus::load_setup(&folder).map_err(|text| anyhow!(text))?)?;
    let known = Known::load(&folder.join("known-differences.txt")).map_err(|text| anyhow!(text))?;
    let mut play = Play { connection, known, show: args.show, unexpected: 0 };
    for file in wanted(&args.files, &folder)? {
        play.file(&folder, &file)?;
    }
    Ok(play.verdict())
}

fn resolve(text: &str) -> Result<SocketAddr> {
    let mut addresses = text.to_socket_addrs().with_context(|| format!("'{text}' is no HOST:PORT"))?;
    addresses.next().with_context(|| format!("'{text}' has no address"))
}

/// The files to play: those that were asked for, or all. A recorded file that is not in the list would never be
/// played, so it is an error.
fn wanted(files: &[String], folder: &Path) -> Result<Vec<String>> {
    let mut forgotten = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let file = name.strip_suffix(".jsonl.gz").filter(|file| !GATING.contains(file));
        forgotten.extend(file.map(str::to_owned));
    }
    ensure!(forgotten.is_empty(), "no list of xtask/src/golden.rs holds {}", forgotten.join(", "));
    Ok(if files.is_empty() { GATING.map(str::to_owned).to_vec() } else { files.to_vec() })
}

/// A run over several files.
struct Play {
    connection: Connection,
    known: Known,
    show: usize,
    unexpected: usize,
}

impl Play {
    fn file(&mut self, folder: &Path, file: &str) -> Result<()> {
        let cases = corpus::load(&folder.join(format!("{file}.jsonl.gz"))).map_err(|text| anyhow!(text))?;
        let (mut passed, mut expected, mut differ) = (0, 0, 0);
        for case in &cases {
            let difference = self.case(case).with_context(|| case.name.clone())?;
            let covered = self.known.note(&case.name, difference.is_some());
            match difference {
                None => passed += 1,
                Some(_) if covered => expected += 1,
                Some((step, text)) => {
                    differ += 1;
                    if self.unexpected + differ <= self.show {
                        println!("{} differs at step {step}:\n{text}", case.name);
                    }
                }
            }
        }
        self.unexpected += differ;
        println!("{file:<24} {passed:>4} passed, {expected:>3} differ as known, {differ:>4} differ");
        Ok(())
    }

    /// Plays all steps of a case; the first that differs, with an explanation.
    fn case(&mut self, case: &Case) -> Result<Option<(usize, String)>> {
        let mut first = None;
        for (number, step) in case.steps.iter().enumerate() {
            let got = self.connection.ask(&step.request)?;
            if first.is_none() && !step.accepts(&got) {
                first = Some((number, corpus::explain(step, &got)));
            }
        }
        Ok(first)
    }

    fn verdict(&self) -> bool {
        let stale = self.known.stale();
        for line in &stale {
            println!("does not differ any more, remove it from known-differences.txt: {line}");
        }
        if self.unexpected > 0 {
            println!("{} cases differ and are not in known-differences.txt", self.unexpected);
        }
        self.unexpected == 0 && stale.is_empty()
    }
}
