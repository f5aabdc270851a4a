//! The tables of `cargo xtask bench records`: medians over the rounds, and the ratio to each peer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::counters::PerOperation;
use super::load::{Figures, Mix};
use super::servers::Peer;

/// System calls for each operation that we want to stay under.
const CALLS_AIM: f64 = 2.2;
/// The part of the other server's processor time that we want to stay under.
const CPU_AIM: f64 = 2.0 / 3.0;

/// How the columns come about.
const NOTES: &str = "\
100-byte values, one request on its way on each connection, no pipelining; load and server share the machine. Each \
figure is the median over the rounds; the ratio is the median of the rounds' own ratios, with the lowest and the \
highest. *CPU* is user and kernel time of the server process. Where a mix has two kinds of operations, latencies are \
of reads / of writes. System calls are counted by strace in runs of their own. strace slows the server down, so that more \
requests wait at each turn of its loop and `epoll_wait` shares are lower than at full speed. Redis runs with its \
defaults but without snapshots.";

const PEER_NOTES: &str = "\
*Other server*: CPU time of a request measured on this kind of machine with the stock tools against the current \
community edition of the server whose protocol we speak, with its defaults; it does not run here. The aim is two thirds.";

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Measured {
    runs: BTreeMap<(Mix, Peer), Vec<Figures>>,
    calls: BTreeMap<(Mix, Peer), PerOperation>,
    /// Why system calls were not counted.
    pub(super) untraced: Option<String>,
}

impl Measured {
    pub(super) fn add(&mut self, mix: Mix, peer: Peer, figures: Figures) {
        self.runs.entry((mix, peer)).or_default().push(figures);
    }

    pub(super) fn trace(&mut self, mix: Mix, peer: Peer, calls: PerOperation) {
        self.calls.insert((mix, peer), calls);
    }

    fn runs(&self, mix: Mix, peer: Peer) -> &[Figures] {
        self.runs.get(&(mix, peer)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Shipload over Redis in operations per CPU-second, one for each round, lowest first.
    fn ratios(&self, mix: Mix) -> Vec<f64> {
        let pairs = self.runs(mix, Peer::Shipload).iter().zip(self.runs(mix, Peer::Redis));
        let mut ratios: Vec<f64> =
            pairs.map(|(ours, theirs)| ours.per_cpu_second / theirs.per_cpu_second).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

/// Everything as Markdown.
pub(super) fn markdown(measured: &Measured) -> String {
    let mut out = String::from("### Beside Redis in the same run\n\n");
    out.push_str("| mix | server | operations per CPU-second | CPU µs an operation | operations a second | p50 µs | p99 µs ");
    out.push_str("| system calls an operation |\n|---|---|---:|---:|---:|---:|---:|---:|\n");
    for mix in Mix::ALL {
        for peer in [Peer::Shipload, Peer::Redis] {
            server_row(&mut out, measured, mix, peer);
        }
    }
    out.push_str("\n| mix | Shipload / Redis, operations per CPU-second | lowest, highest | aim |\n|---|---:|---:|---:|\n");
    for mix in Mix::ALL {
        let ratios = measured.ratios(mix);
        let (lowest, highest) = (ratios.first().copied(), ratios.last().copied());
        let ends = format!("{:.2}, {:.2}", lowest.unwrap_or(f64::NAN), highest.unwrap_or(f64::NAN));
        line(&mut out, &format!("| {} | **{:.2}** | {ends} | 1 |", mix.name(), median(&ratios)));
    }
    line(&mut out, &format!("\n{NOTES}"));
    calls_lines(&mut out, measured);
    out.push_str("\n### Beside the other server's figures\n\n");
    other_server(&mut out, measured);
    out
}

fn server_row(out: &mut String, measured: &Measured, mix: Mix, peer: Peer) {
    let runs = measured.runs(mix, peer);
    let of = |figure: fn(&Figures) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
    let (cpu, rate) = (of(|run| run.per_cpu_second), of(|run| run.per_second));
    let (p50, p99) = (latencies(runs, |run| &run.p50_us), latencies(runs, |run| &run.p99_us));
    let calls = measured.calls.get(&(mix, peer)).map_or("-".to_owned(), |calls| format!("{:.2}", calls.all));
    let (mix, peer) = (mix.name(), peer.name());
    line(
        out,
        &format!("| {mix} | {peer} | {cpu:.0} | {:.2} | {rate:.0} | {p50} | {p99} | {calls} |", 1e6 / cpu),
    );
}

/// The medians of each kind of operation, `reads / writes`.
fn latencies(runs: &[Figures], figure: fn(&Figures) -> &Vec<f64>) -> String {
    let kinds = runs.first().map_or(0, |run| figure(run).len());
    let medians = (0..kinds).map(|kind| {
        let values: Vec<f64> = runs.iter().filter_map(|run| figure(run).get(kind).copied()).collect();
        format!("{:.0}", median(&values))
    });
    medians.collect::<Vec<_>>().join(" / ")
}

fn calls_lines(out: &mut String, measured: &Measured) {
    if let Some(reason) = &measured.untraced {
        line(out, &format!("\nSystem calls were not counted: {reason}"));
        return;
    }
    line(out, &format!("\nThe system calls by name; the aim is {CALLS_AIM} or fewer in all:\n"));
    for ((mix, peer), calls) in &measured.calls {
        let names: Vec<String> =
            calls.by_name.iter().map(|(name, share)| format!("`{name}` {share:.2}")).collect();
        line(out, &format!("- {}, {}: {}", mix.name(), peer.name(), names.join(", ")));
    }
}

/// Microseconds of processor time that the other server takes for a request.
fn other_server_us(mix: Mix) -> f64 {
    match mix {
        Mix::Get => 11.6,
        Mix::EightyTwenty => 12.1,
        Mix::Set => 15.8,
    }
}

fn other_server(out: &mut String, measured: &Measured) {
    out.push_str("| mix | other server, CPU µs | aim | Shipload, CPU µs | Shipload / other server |\n");
    out.push_str("|---|---:|---:|---:|---:|\n");
    for mix in Mix::ALL {
        let runs = measured.runs(mix, Peer::Shipload);
        let ours = median(&runs.iter().map(|run| 1e6 / run.per_cpu_second).collect::<Vec<_>>());
        let theirs = other_server_us(mix);
        let (aim, ratio) = (theirs * CPU_AIM, ours / theirs);
        line(out, &format!("| {} | {theirs:.1} | {aim:.1} | {ours:.2} | **{ratio:.2}** |", mix.name()));
    }
    line(out, &format!("\n{PEER_NOTES}"));
}

fn line(out: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{text}");
}

/// The middle value, or the mean of the two in the middle; no number when there is none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(sorted[middle - 1], *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(per_cpu_second: f64) -> Figures {
        let (p50_us, p99_us) = (vec![100.0, 200.0], vec![900.0, 950.0]);
        Figures { mix: Mix::Get, per_cpu_second, per_second: 50_000.0, p50_us, p99_us }
    }

    fn measured() -> Measured {
        let mut measured = Measured::default();
        for (ours, theirs) in [(100_000.0, 50_000.0), (100_000.0, 100_000.0), (90_000.0, 60_000.0)] {
            measured.add(Mix::Get, Peer::Shipload, run(ours));
            measured.add(Mix::Get, Peer::Redis, run(theirs));
        }
        measured
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let text = markdown(&measured());
        assert!(text.contains("| get | **1.50** | 1.00, 2.00 | 1 |\n"), "{text}");
        assert!(
            text.contains("| get | shipload | 100000 | 10.00 | 50000 | 100 / 200 | 900 / 950 | - |\n"),
            "{text}"
        );
        assert!(text.contains("| get | 11.6 | 7.7 | 10.00 | **0.86** |\n"), "{text}");
    }

    #[test]
    fn calls_are_shown_or_their_absence_is_explained() {
        let mut measured = measured();
        let by_name = vec![("recvfrom".to_owned(), 1.0)];
        measured.trace(Mix::Get, Peer::Redis, PerOperation { all: 2.1, by_name });
        assert!(markdown(&measured).contains("- get, redis: `recvfrom` 1.00\n"));
        measured.untraced = Some("no strace".to_owned());
        assert!(markdown(&measured).contains("System calls were not counted: no strace\n"));
    }
}
