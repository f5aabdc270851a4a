//! What a run found, for people and for programs.

use super::stats::{ClassStats, Stats};
use super::workload::Class;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The percentiles that are told.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// A finished run.
#[derive(Debug)]
pub(super) struct Report {
    /// What was run, as it was asked for.
    pub(super) setting: Setting,
    pub(super) stats: Stats,
    /// Seconds that the measurements span.
    pub(super) seconds: f64,
    /// The texts of result codes.
    pub(super) code_text: fn(u8) -> String,
}

/// What was run.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) peer: &'static str,
    pub(super) target: String,
    pub(super) connections: u32,
    pub(super) threads: u32,
    pub(super) keys: u64,
    pub(super) object: String,
    pub(super) workload: String,
    pub(super) rate: Option<u64>,
}

impl Report {
    fn per_second(&self, operations: u64) -> f64 {
        if self.seconds > 0.0 { operations as f64 / self.seconds } else { 0.0 }
    }

    fn used_classes(&self) -> impl Iterator<Item = (Class, &ClassStats)> {
        let all = Class::ALL.into_iter().map(|class| (class, self.stats.class(class)));
        all.filter(|(_, stats)| stats.operations() > 0 || stats.errors() > 0)
    }

    /// A table and, below it, what went wrong.
    pub(super) fn text(&self) -> String {
        let setting = &self.setting;
        let mut out = format!(
            "{} at {}: {} on {}, {} keys, object {}, workload {}, {}\n\n",
            setting.peer,
            setting.target,
            counted(setting.connections, "connection"),
            counted(setting.threads, "thread"),
            setting.keys,
            setting.object,
            setting.workload,
            setting.rate.map_or("no rate set".to_owned(), |rate| format!("{rate} operations a second")),
        );
        row(&mut out, ["", "operations", "a second", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "max µs"]);
        for (class, stats) in self.used_classes() {
            let [p50, p90, p99, p999] = PERCENTILES.map(|(_, percentile)| micros_at(stats, percentile));
            let max = micros(stats.latencies.max());
            let count = stats.operations();
            let numbers = [p50, p90, p99, p999, max].map(|value| format!("{value:.0}"));
            let [p50, p90, p99, p999, max] = numbers.each_ref().map(String::as_str);
            let rate = format!("{:.0}", self.per_second(count));
            row(&mut out, [class.name(), &count.to_string(), &rate, p50, p90, p99, p999, max]);
        }
        let total = self.stats.operations();
        let rate = format!("{:.0}", self.per_second(total));
        row(&mut out, ["total", &total.to_string(), &rate, "", "", "", "", ""]);
        for (what, count) in self.troubles() {
            writeln!(out, "{count} × {what}").expect("invariant: writing to a string does not fail");
        }
        out
    }

    /// Everything that did not go well, by what it is.
    fn troubles(&self) -> Vec<(String, u64)> {
        let mut troubles = Vec::new();
        for (class, stats) in self.used_classes() {
            let name = class.name();
            troubles.push((format!("{name}: record not found"), stats.missing));
            for (code, count) in &stats.refused {
                troubles.push((format!("{name}: {}", (self.code_text)(*code)), *count));
            }
            troubles.push((format!("{name}: connection lost"), stats.lost));
            troubles.push((format!("{name}: no answer in time"), stats.timeouts));
        }
        troubles
            .push(("due but never finished: the server did not keep up".to_owned(), self.stats.unfinished));
        troubles.retain(|(_, count)| *count > 0);
        troubles
    }

    /// One object with everything that [`Report::text`] says.
    pub(super) fn json(&self) -> Value {
        let setting = &self.setting;
        let classes: Map<String, Value> = self
            .used_classes()
            .map(|(class, stats)| (class.name().to_owned(), self.class_json(stats)))
            .collect();
        json!({
            "peer": setting.peer,
            "target": setting.target,
            "connections": setting.connections,
            "threads": setting.threads,
            "keys": setting.keys,
            "object": setting.object,
            "workload": setting.workload,
            "rate": setting.rate,
            "seconds": self.seconds,
            "operations": self.stats.operations(),
            "operations_per_second": self.per_second(self.stats.operations()),
            "errors": self.stats.errors(),
            "unfinished": self.stats.unfinished,
            "classes": classes,
        })
    }

    fn class_json(&self, stats: &ClassStats) -> Value {
        let mut latency: Map<String, Value> =
            PERCENTILES.iter().map(|(name, at)| ((*name).to_owned(), micros_at(stats, *at).into())).collect();
        latency.insert("max".to_owned(), micros(stats.latencies.max()).into());
        latency.insert("mean".to_owned(), (stats.latencies.mean() / 1000.0).into());
        let refused: Map<String, Value> =
            stats.refused.iter().map(|(code, count)| ((self.code_text)(*code), (*count).into())).collect();
        json!({
            "operations": stats.operations(),
            "operations_per_second": self.per_second(stats.operations()),
            "latency_us": latency,
            "missing": stats.missing,
            "refused": refused,
            "lost": stats.lost,
            "timeouts": stats.timeouts,
        })
    }
}

/// The line that tells how the last second went.
pub(super) fn progress_line(second: u64, interval_seconds: f64, stats: &Stats) -> String {
    let mut line = format!("{second:>5} s");
    for class in Class::ALL {
        let of_class = stats.class(class);
        let per_second = of_class.operations() as f64 / interval_seconds.max(f64::EPSILON);
        if of_class.operations() > 0 {
            let p99 = micros_at(of_class, 99.0);
            let text = format!("   {} {per_second:>8.0}/s p99 {p99:>6.0} µs", class.name());
            line.push_str(&text);
        }
    }
    if stats.operations() == 0 {
        line.push_str("   nothing measured yet");
    }
    if stats.errors() > 0 {
        line.push_str(&format!("   {} errors", stats.errors()));
    }
    line
}

fn counted(count: u32, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}

fn row(out: &mut String, cells: [&str; 8]) {
    let [name, numbers @ ..] = cells;
    let mut line = format!("{name:<6}");
    for number in numbers {
        line.push_str(&format!("{number:>12}"));
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

fn micros_at(stats: &ClassStats, percentile: f64) -> f64 {
    micros(stats.latencies.value_at_percentile(percentile))
}

fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}
