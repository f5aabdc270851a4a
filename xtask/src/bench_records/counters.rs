//! What the operating system counts of a process: its processor time, and with strace its system calls.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::Process;

/// Processor seconds of all threads, in user space and in the kernel, since the process began.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = cpu_ticks(&text).with_context(|| format!("{path} is not as expected"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// `utime` and `stime`. The name before them may hold spaces and brackets, so fields count from the last bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// strace at work on a process.
pub(super) struct Tracer(Process);

impl Tracer {
    /// Begins to count. Fails in words when strace is missing or may not look at other processes.
    pub(super) fn attach(process: u32) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-p", &process.to_string()]).env("LC_ALL", "C");
        let mut tracer =
            Process::start("strace", &mut command).context("strace is missing: apt-get install strace")?;
        tracer
            .wait_for(Duration::from_secs(10), |line| line.contains(" attached").then_some(()))
            .context("strace may not look at the server")?;
        Ok(Self(tracer))
    }

    /// Ends the count and lets the process go on.
    pub(super) fn detach(mut self) -> Result<Calls> {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).context("strace without id")?;
        kill_process(id, Signal::INT).context("cannot signal strace")?;
        if self.0.wait(Duration::from_secs(20))?.is_none() {
            bail!("strace does not end");
        }
        let printed = self.0.printed_to_the_end();
        read_summary(&printed).with_context(|| format!("strace printed:\n{printed}"))
    }
}

/// System calls by name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Calls(BTreeMap<String, u64>);

/// System calls for each operation: all of them, and the most frequent by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PerOperation {
    pub(super) all: f64,
    pub(super) by_name: Vec<(String, f64)>,
}

impl Calls {
    /// What is too rare to show has less than a hundredth of a call for each operation.
    pub(super) fn per_operation(&self, operations: u64) -> PerOperation {
        let each = |count: u64| count as f64 / operations.max(1) as f64;
        let all = each(self.0.values().sum());
        let mut by_name: Vec<(String, f64)> =
            self.0.iter().map(|(name, count)| (name.clone(), each(*count))).collect();
        by_name.retain(|(_, share)| *share >= 0.01);
        by_name.sort_by(|left, right| right.1.total_cmp(&left.1));
        PerOperation { all, by_name }
    }
}

/// Reads the lines between strace's two rulers: the fourth column counts, the last one names.
fn read_summary(text: &str) -> Result<Calls> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("------"));
    lines.next().context("there is no summary")?;
    let mut calls = Calls::default();
    for line in lines.take_while(|line| !line.starts_with("------")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(count), Some(name)) = (words.get(3), words.last()) else { bail!("unexpected: {line}") };
        let count: u64 = count.parse().with_context(|| format!("no count: {line}"))?;
        *calls.0.entry((*name).to_owned()).or_default() += count;
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) b) R 1 1 1 0 -1 4194304 1 2 3 4 120 30 5 6 20 0 4 0 99 1 2";
        assert_eq!(cpu_ticks(stat), Some(150));
        assert_eq!(cpu_ticks("7 (a) R 1"), None);
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
    }

    #[test]
    fn a_summary_is_read() {
        let text = "strace: Process 1 attached with 3 threads\n^Cstrace: Process 1 detached\n\
            % time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n 60.00    0.000123           1       \
            200        12 recvfrom\n 40.00    0.000100           1       100           sendto\n  0.00    0.000000       \
            \x20   0         1           read\n\
            ------ ----------- ----------- --------- --------- ----------------\n100.00    0.000223           1       \
            301        12 total\n";
        let calls = read_summary(text).unwrap().per_operation(100);
        assert_eq!(calls.by_name[0], ("recvfrom".to_owned(), 2.0));
        assert_eq!(calls.by_name[1], ("sendto".to_owned(), 1.0));
        assert!((calls.all - 3.01).abs() < 1e-9, "the rare ones count: {}", calls.all);
        assert!(read_summary("strace: attach: Operation not permitted").is_err());
    }
}
