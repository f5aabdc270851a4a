//! What can be typed after `shipload bench`.

use super::shape::ObjectShape;
use super::workload::Workload;
use crate::seed::Seed;
use std::time::Duration;

/// Loads a node over the protocol and measures it from outside.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(super) seed: Seed,
    /// Namespace of the records
    #[arg(short = 'n', long, default_value = "test")]
    pub(super) namespace: String,
    /// Set of the records; empty for none
    #[arg(short = 's', long, default_value = "bench")]
    pub(super) set: String,
    /// How many different keys
    #[arg(short = 'k', long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) keys: u64,
    /// Text before the number of a key
    #[arg(long, default_value = "k", value_name = "TEXT")]
    pub(super) key_prefix: String,
    /// Store the keys with the records
    #[arg(long)]
    pub(super) send_key: bool,
    /// Bins of a record: I<1-8> integer, D double, S<length> string, B<length> blob
    #[arg(short = 'o', long, default_value = "B100", value_name = "I1,S20,B100")]
    pub(super) object: ObjectShape,
    /// I inserts every key once, R reads, U updates, RU,80 reads 80 of 100 times
    #[arg(short = 'w', long, default_value = "RU,80", value_name = "MIX")]
    pub(super) workload: Workload,
    /// Connections, each with one operation in flight
    #[arg(short = 'c', long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_000))]
    pub(super) connections: u32,
    /// Threads that serve the connections; by default half of the cores
    #[arg(short = 't', long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) threads: Option<u32>,
    /// Operations a second, sent on time whether or not the server keeps up; by default as fast as it answers
    #[arg(short = 'r', long, value_name = "OPS")]
    pub(super) rate: Option<u64>,
    /// How long to measure, as 10s or 2m; inserting ends with the last key
    #[arg(short = 'd', long, default_value = "10s", value_parser = duration, value_name = "TIME")]
    pub(super) duration: Duration,
    /// Time before measuring; by default 1s, and none when inserting or counting operations
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(super) warmup: Option<Duration>,
    /// End after this many operations instead of a time
    #[arg(long, value_name = "COUNT", conflicts_with = "duration")]
    pub(super) operations: Option<u64>,
    /// Give up on an operation after this long
    #[arg(long, default_value = "1s", value_parser = duration, value_name = "TIME")]
    pub(super) timeout: Duration,
    /// Seed of the random choices: the same seed asks for the same keys
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(super) random_seed: u64,
    /// A line each second, also when nobody watches
    #[arg(long)]
    pub(super) progress: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Protocol of the server
    #[arg(long, hide = true, value_enum, default_value_t = Peer::Shipload)]
    pub(super) peer: Peer,
}

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Peer {
    /// Ours.
    Shipload,
    /// The Redis protocol, for comparisons in the same run.
    Redis,
}

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Peer::Shipload => "shipload",
            Peer::Redis => "redis",
        }
    }
}

/// Reads a time such as `500ms`, `10s`, `2m` or plain seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| "a time is a number with ms, s, m or h".to_owned())?;
    let ms_each = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{unit}` is no unit of time: use ms, s, m or h")),
    };
    let longest_ms = 30 * 24 * 3_600_000;
    match number.checked_mul(ms_each) {
        Some(ms) if ms <= longest_ms => Ok(Duration::from_millis(ms)),
        Some(_) | None => Err("longer than 30 days".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{BenchArgs, Duration, duration};
    use clap::Parser;

    #[derive(Debug, Parser)]
    #[command(disable_help_flag = true)]
    struct Wrapper {
        #[command(flatten)]
        bench: BenchArgs,
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "-1s", "1.5s", "3 s", "5d", "99999999999999999999s", "9999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arguments_are_understood_and_nonsense_is_not() {
        let line = "bench -h db -p 3100 -k 1000 -o I1,S20 -w RU,50 -c 4 -r 2000 --operations 10 --json";
        let args = Wrapper::try_parse_from(line.split(' ')).unwrap().bench;
        assert_eq!(
            (args.keys, args.connections, args.rate, args.operations),
            (1000, 4, Some(2000), Some(10))
        );
        assert_eq!(args.seed.address(), ("db".to_owned(), 3100));
        for wrong in ["-k 0", "-c 0", "-o X", "-w RU,200", "-d 5x", "-d 5s --operations 5"] {
            let line = format!("bench {wrong}");
            assert!(Wrapper::try_parse_from(line.split(' ')).is_err(), "{wrong}");
        }
    }
}
