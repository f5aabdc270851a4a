//! How much processor time and memory this process and the machine use.

use std::fs;

/// Processor time counted so far, in ticks of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    /// All processors together, idle time included.
    total: u64,
    user: u64,
    kernel: u64,
    /// Time of processors that had nothing to do, waiting for disks included.
    idle: u64,
    /// This process.
    own: u64,
    /// Processors of the machine.
    processors: u64,
}

/// Use of the processors between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// This process, in percent of one processor.
    pub process_pct: u64,
    /// The machine, in percent of all processors.
    pub total_pct: u64,
    /// The part of it in user mode.
    pub user_pct: u64,
    /// The part of it in the kernel.
    pub kernel_pct: u64,
    /// What nobody uses, in percent of one processor.
    pub idle_pct: u64,
}

/// Remembers the last look.
#[derive(Debug, Default)]
pub struct LoadMeter {
    last: Ticks,
}

impl LoadMeter {
    /// The load since the last call; since the machine's start at the first.
    pub fn measure(&mut self) -> Option<Load> {
        let now = Ticks {
            own: parse_own(&fs::read_to_string("/proc/self/stat").ok()?)?,
            ..parse_machine(&fs::read_to_string("/proc/stat").ok()?)?
        };
        let load = between(self.last, now);
        self.last = now;
        Some(load)
    }
}

/// Resident memory of this process in KiB, and its number of threads.
#[must_use]
pub fn process_size() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let value = |key: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
    };
    Some((value("VmRSS:")?, value("Threads:")?))
}

/// Processors that this process may use; a container's share counts.
#[must_use]
pub fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

fn between(last: Ticks, now: Ticks) -> Load {
    let total = now.total.saturating_sub(last.total).max(1);
    let pct = |ticks: u64, last: u64, of: u64| ticks.saturating_sub(last).saturating_mul(of) / total;
    let user_pct = pct(now.user, last.user, 100);
    let kernel_pct = pct(now.kernel, last.kernel, 100);
    Load {
        process_pct: pct(now.own, last.own, 100 * now.processors),
        total_pct: user_pct + kernel_pct,
        idle_pct: pct(now.idle, last.idle, 100 * now.processors),
        user_pct,
        kernel_pct,
    }
}

/// The first line of `/proc/stat`: user nice system idle iowait irq softirq steal; then a line a processor.
fn parse_machine(text: &str) -> Option<Ticks> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let processors = text.lines().skip(1).take_while(|line| line.starts_with("cpu")).count();
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let &[user, nice, system, idle, iowait, irq, softirq, ..] = ticks.as_slice() else { return None };
    Some(Ticks {
        total: ticks.iter().sum(),
        user: user + nice,
        kernel: system + irq + softirq,
        idle: idle + iowait,
        own: 0,
        processors: processors.max(1) as u64,
    })
}

/// User and kernel ticks in `/proc/self/stat`. The name in brackets may hold anything, so counting starts after.
fn parse_own(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

#[cfg(test)]
mod tests {
    use super::{Load, Ticks, between, parse_machine, parse_own};

    #[test]
    fn load_is_what_happened_between_two_looks() {
        let last =
            parse_machine("cpu  100 0 50 850 0 0 0 0 0 0\ncpu0 1\ncpu1 1\nintr 5\n").expect("well formed");
        let now =
            parse_machine("cpu  130 10 70 990 0 0 0 0 0 0\ncpu0 1\ncpu1 1\nintr 5\n").expect("well formed");
        let now = Ticks { own: 50, ..now };
        let expected = Load { process_pct: 50, total_pct: 30, user_pct: 20, kernel_pct: 10, idle_pct: 140 };
        assert_eq!(between(last, now), expected);
    }

    #[test]
    fn a_process_name_may_hold_brackets_and_blanks() {
        let text = "7 (ship) load) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 3 0 100 1000 10";
        assert_eq!(parse_own(text), Some(42));
    }
}
