//! `shipload backup` and `shipload restore`: a namespace as text, in the format of the field's own backup tools.
//!
//! Guarantees: every record is written as it was at one moment; a backup that could not read every partition, or not
//! write every byte, ends with an error. Restoring twice is restoring once: a record that is newer than its copy in the
//! backup stays. Format: the section "Backup File Format" of
//! <https://github.com/aerospike/aerospike-tools-backup>, version 3.1.

mod entry;
mod filter;
mod globals;
pub(crate) mod link;
mod output;
mod restore;
mod save;
mod state;
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
    /// Only records that were last changed then or later: YYYY-MM-DD_HH:MM:SS in UTC, or seconds since 1970
    #[arg(short = 'a', long, value_name = "TIME")]
    modified_after: Option<String>,
    /// Only records that were last changed before this
    #[arg(short = 'b', long, value_name = "TIME")]
    modified_before: Option<String>,
    /// Only partitions that these nodes master: host:port, separated by commas
    #[arg(short = 'l', long, value_name = "NODES", value_delimiter = ',')]
    node_list: Vec<String>,
    /// Only these partitions: 7, or 0-1024 for 1024 of them from 0 on, separated by commas
    #[arg(short = 'X', long, value_name = "PARTITIONS")]
    partition_list: Option<String>,
    /// Records that a node sends each second at most, 0 for no limit
    #[arg(short = 'L', long, value_name = "COUNT", default_value_t = 0)]
    records_per_second: u32,
    /// Leave definitions of indexes out
    #[arg(short = 'I', long)]
    no_indexes: bool,
    /// Leave modules of functions out
    #[arg(short = 'u', long)]
    no_udfs: bool,
    /// Where it is written down how far the backup is, so that it can go on after an interruption
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    state_file: Option<PathBuf>,
    /// Go on with the interrupted backup of this state file; all other flags as before
    #[arg(long = "continue", value_name = "FILE")]
    resume: Option<PathBuf>,
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
    /// Records each second at most, 0 for no limit
    #[arg(short = 'L', long, value_name = "COUNT", default_value_t = 0)]
    records_per_second: u32,
    /// Only records of these sets, separated by commas
    #[arg(short = 's', long, value_name = "SETS", value_delimiter = ',')]
    set_list: Vec<String>,
    /// Leave definitions of indexes out
    #[arg(short = 'I', long)]
    no_indexes: bool,
    /// Leave modules of functions out
    #[arg(short = 'u', long)]
    no_udfs: bool,
    /// Replace records also when they are newer than the backup
    #[arg(short = 'g', long)]
    no_generation: bool,
}
