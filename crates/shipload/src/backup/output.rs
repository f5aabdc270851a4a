//! Where a backup goes: a file in a directory, a file, or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::BackupArgs;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// A place, and how many bytes went there.
pub(super) struct Output {
    place: String,
    file: Option<File>,
    buffer: Vec<u8>,
    bytes: u64,
}

impl Output {
    /// Opens the place that the flags name; with `from` the one of an interrupted backup, of which so many bytes count.
    pub(super) fn open(args: &BackupArgs, from: Option<u64>) -> Result<Output> {
        let path = match (&args.output_file, &args.directory) {
            (Some(file), _) if file == Path::new("-") => {
                ensure!(from.is_none(), "what went to standard output can't go on");
                let place = "standard output".to_owned();
                return Ok(Output { place, file: None, buffer: Vec::new(), bytes: 0 });
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
        let file = match from {
            // A backup never writes over another one.
            None => File::create_new(&path).with_context(|| format!("cannot make {place}"))?,
            Some(bytes) => {
                let mut file = OpenOptions::new().write(true).open(&path)?;
                ensure!(file.metadata()?.len() >= bytes, "{place} is shorter than its state says");
                file.set_len(bytes).and_then(|()| file.seek(SeekFrom::End(0)))?;
                file
            }
        };
        Ok(Output { place, file: Some(file), buffer: Vec::new(), bytes: from.unwrap_or(0) })
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Adds text.
    pub(super) fn write(&mut self, text: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(text);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.buffer),
            None => io::stdout().lock().write_all(&self.buffer),
        };
        written.context("cannot write the backup")?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Puts everything on stable storage; how many bytes that are.
    pub(super) fn sync(&mut self) -> Result<u64> {
        self.flush()?;
        match &self.file {
            Some(file) => file.sync_all(),
            None => io::stdout().flush(),
        }
        .context("cannot write the backup")?;
        Ok(self.bytes)
    }
}
