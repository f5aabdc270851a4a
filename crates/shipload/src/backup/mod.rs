//! `shipload backup` and `shipload restore`: a namespace as text, in the format of the field's own backup tools.
//!
//! Guarantees: every record is written as it was at one moment; a backup that could not read every partition, or not
//! write every byte, ends with an error. Restoring twice is restoring once: a record that is newer than its copy in the
//! backup stays. Format: the section "Backup File Format" of
//! <https://github.com/aerospike/aerospike-tools-backup>, version 3.1.

mod entry;
mod link;
mod restore;
mod save;
mod text_in;
mod text_out;

use crate::seed::Seed;
use std::path::PathBuf;

pub(crate) use restore::run as run_restore;
pub(crate) use save::run as run_backup;

/// Flags of `shipload backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    seed: Seed,
    /// Namespace to back up
    #[arg(short = 'n', long, default_value = "test", value_name = "NAMESPACE")]
    namespace: String,
    /// Only records of this set
    #[arg(short = 's', long, default_value = "", value_name = "SET")]
    set: String,
    /// Directory for the backup, which is made; it must not hold one already
    #[arg(short = 'd', long, value_name = "DIR", required_unless_present = "output_file")]
    directory: Option<PathBuf>,
    /// One file for the backup, - for standard output
    #[arg(short = 'o', long, value_name = "FILE", conflicts_with = "directory")]
    output_file: Option<PathBuf>,
}

/// Flags of `shipload restore`.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    seed: Seed,
    /// Namespace to restore into, whatever the backup says
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Directory with the files of a backup (*.asb)
    #[arg(short = 'd', long, value_name = "DIR", required_unless_present = "input_file")]
    directory: Option<PathBuf>,
    /// One file of a backup, - for standard input
    #[arg(short = 'i', long, value_name = "FILE", conflicts_with = "directory")]
    input_file: Option<PathBuf>,
    /// Replace records also when they are newer than the backup
    #[arg(short = 'g', long)]
    no_generation: bool,
}
