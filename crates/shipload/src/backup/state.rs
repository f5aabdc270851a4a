//! How far a backup has come, in a file beside it: so that one that was interrupted goes on where it was.
//!
//! Text, a line for each partition that is not done: its number, and the last digest that was written. The first line
//! says how many bytes of the backup belong to that; what is behind them is cut off when it goes on.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::filter::Missing;

const HEAD: &str = "shipload backup state 1";

/// How far a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Names what is backed up, so that a state is not used for something else.
    pub(super) what: String,
    /// Bytes of the backup that are surely there.
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) missing: Missing,
}

impl State {
    /// Writes the state in place of an older one.
    pub(super) fn store(&self, path: &Path) -> Result<()> {
        let mut text = format!("{HEAD}\n{}\n{} {}\n", self.what, self.bytes, self.records);
        for (partition, digest) in &self.missing {
            let digest = digest.map_or_else(|| "-".to_owned(), |digest| STANDARD.encode(digest));
            // Writing into a string can't fail.
            let _ = writeln!(text, "{partition} {digest}");
        }
        text.push_str("end\n");
        let beside = path.with_extension("new");
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads a state.
    pub(super) fn load(path: &Path) -> Result<State> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        State::parse(&text).with_context(|| format!("{} is no state of a backup", path.display()))
    }

    fn parse(text: &str) -> Result<State> {
        let mut lines = text.lines();
        ensure!(lines.next() == Some(HEAD), "its first line is another one");
        let what = lines.next().context("it is cut off")?.to_owned();
        let (bytes, records) = lines.next().and_then(|line| line.split_once(' ')).context("it is cut off")?;
        let mut state =
            State { what, bytes: bytes.parse()?, records: records.parse()?, missing: Missing::new() };
        for line in lines {
            if line == "end" {
                return Ok(state);
            }
            let (partition, digest) = line.split_once(' ').context("a line without a blank")?;
            let digest = match digest {
                "-" => None,
                digest => Some(STANDARD.decode(digest)?.try_into().ok().context("a digest has 20 bytes")?),
            };
            state.missing.insert(partition.parse()?, digest);
        }
        bail!("it is cut off")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_and_no_part_of_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let missing = [(7, None), (4095, Some([9; 20]))].into_iter().collect();
        let state = State { what: "namespace test".to_owned(), bytes: 1 << 40, records: 5, missing };
        state.store(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), state);
        let text = fs::read_to_string(&path).unwrap();
        for length in 0..text.len() - 1 {
            assert!(State::parse(&text[..length]).is_err(), "{length}");
        }
    }
}
