//! What stands in the way of running here, and what to do about it.

use crate::engine::{Engine, EngineError};
use std::time::{Duration, Instant};

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// It works, with a limit that one should know.
    Limited,
    /// It won't work.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub text: String,
}

/// How a fact of the machine is judged.
fn finding(what: &'static str, verdict: Verdict, text: impl Into<String>) -> Finding {
    Finding { what, verdict, text: text.into() }
}

/// Looks at an engine and the machine that this runs on.
pub async fn examine(engine: Result<&Engine, &EngineError>) -> Vec<Finding> {
    let mut found = vec![kernel_ipvs(), kernel_esp(), memory_limit()];
    found.push(name_server().await);
    match engine {
        Ok(engine) => found.extend(engine.examine().await),
        Err(error) => found.push(finding("engine", Verdict::Broken, error.to_string())),
    }
    found
}

fn kernel_ipvs() -> Finding {
    if std::path::Path::new("/proc/net/ip_vs").exists() {
        return finding("kernel: IPVS", Verdict::Fine, "there");
    }
    let text = "not loaded: virtual addresses of services and the ingress mesh may time out; use `endpoint_mode: dnsrr` \
                and `mode: host` for ports, as deploy/stack.yaml does";
    finding("kernel: IPVS", Verdict::Limited, text)
}

fn kernel_esp() -> Finding {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let lists = ["modules.dep", "modules.builtin"];
    let known = |list| {
        let path = format!("/lib/modules/{}/{list}", release.trim());
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("/esp4.ko"))
    };
    if std::path::Path::new("/sys/module/esp4").exists() || lists.into_iter().any(known) {
        return finding("kernel: ESP", Verdict::Fine, "there");
    }
    let text = "not found: overlay networks with `--opt encrypted` may carry nothing; leave the option out";
    finding("kernel: ESP", Verdict::Limited, text)
}

fn memory_limit() -> Finding {
    let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit =
        read("/sys/fs/cgroup/memory.max").or_else(|| read("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    match limit.filter(|bytes| *bytes < 1 << 50) {
        Some(bytes) if bytes < 128 << 20 => {
            let text = format!("{} MiB: too little for records; give it 256 MiB or more", bytes >> 20);
            finding("memory limit", Verdict::Limited, text)
        }
        Some(bytes) => {
            finding("memory limit", Verdict::Fine, format!("{} MiB, and nodes stay below", bytes >> 20))
        }
        None => finding("memory limit", Verdict::Fine, "none here; nodes share what the machine has"),
    }
}

/// A name server that keeps silent about unknown names makes each start wait.
async fn name_server() -> Finding {
    let began = Instant::now();
    let asked =
        tokio::time::timeout(Duration::from_secs(3), tokio::net::lookup_host("no-such-name.invalid:1")).await;
    let took_ms = began.elapsed().as_millis();
    match asked {
        Ok(_) if took_ms < 1000 => {
            finding("name server", Verdict::Fine, format!("says no within {took_ms} ms"))
        }
        Ok(_) | Err(_) => finding(
            "name server",
            Verdict::Limited,
            format!(
                "silent about unknown names ({took_ms} ms): programs that use the system's resolver wait ten seconds for \
                 each; nodes ask for themselves and do not. Give the engine a name server that answers"
            ),
        ),
    }
}

/// Whether clocks are near enough to each other.
pub(crate) fn clock(difference_ms: u64) -> Finding {
    if difference_ms < 2000 {
        return finding(
            "clock",
            Verdict::Fine,
            format!("{difference_ms} ms between this machine and the engine"),
        );
    }
    let text = format!(
        "{difference_ms} ms between this machine and the engine: expiry times differ; run an NTP client"
    );
    finding("clock", Verdict::Limited, text)
}

/// What an engine's version is good for.
pub(crate) fn version(text: &str, interface: &str) -> Finding {
    let number = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some(major.parse::<u32>().ok()? * 1000 + minor.parse::<u32>().ok()?)
    };
    if number(interface).is_some_and(|number| number >= 1040) {
        return finding("engine", Verdict::Fine, format!("version {text}, interface {interface}"));
    }
    let text = format!(
        "version {text}, interface {interface}: older than 1.40, has no limit of tasks per engine; update it"
    );
    finding("engine", Verdict::Broken, text)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, clock, version};

    #[test]
    fn facts_are_judged() {
        assert_eq!(version("20.10.24", "1.41").verdict, Verdict::Fine);
        assert_eq!(version("1.12", "1.24").verdict, Verdict::Broken);
        assert_eq!(clock(5000).verdict, Verdict::Limited);
    }
}
