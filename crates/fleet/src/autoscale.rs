//! Policies that change how many tasks a service has: what Swarm itself does not do.
//!
//! Guarantees: pure; one step at a time; after a change it waits, longer before it shrinks than before it grows; it
//! never wants what can't be placed or, of a database, what could not hold the copies of records. A measurement that is
//! missing changes nothing. A policy is a few words, on labels of the service or in a [`File`].

mod file;

pub use file::File;

use std::collections::BTreeMap;

/// What a policy says about one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The fewest tasks.
    pub min: u64,
    /// The most tasks.
    pub max: u64,
    /// Processor time of a task, in percent of one processor, that it should have.
    pub cpu_pct: Option<f64>,
    /// Requests a second of a task.
    pub requests: Option<f64>,
    /// Memory in use, in percent of the limit.
    pub memory_pct: Option<f64>,
    /// Storage in use, in percent of what a database has.
    pub disk_pct: Option<f64>,
    /// The load balancer's name for the service; the service's own when empty.
    pub backend: String,
    /// Only say what would be changed.
    pub dry_run: bool,
    /// Milliseconds after a change before it grows again.
    pub grow_after_ms: u64,
    /// Milliseconds after a change before it shrinks.
    pub shrink_after_ms: u64,
}

/// What was measured, as means over a service's tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// See [`Policy::cpu_pct`].
    pub cpu_pct: Option<f64>,
    /// See [`Policy::requests`].
    pub requests: Option<f64>,
    /// See [`Policy::memory_pct`].
    pub memory_pct: Option<f64>,
    /// See [`Policy::disk_pct`].
    pub disk_pct: Option<f64>,
}

/// How much a mean must be below its target before a task is taken away: what is left must carry it easily.
const SHRINK_BELOW: f64 = 0.7;
const MINUTE_MS: u64 = 60_000;

/// The words of a policy.
const WORDS: [&str; 11] = [
    "min",
    "max",
    "cpu-pct",
    "requests",
    "memory-pct",
    "disk-pct",
    "cooldown-s",
    "grow-after-s",
    "shrink-after-s",
    "backend",
    "dry-run",
];

/// Reads the labels `shipload.autoscale.*` of a service; none when there are none.
///
/// # Errors
/// Which label can't be followed.
pub fn policy(labels: &BTreeMap<String, String>) -> Result<Option<Policy>, String> {
    let prefix = "shipload.autoscale.";
    let said: BTreeMap<&str, &str> = labels
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
        .collect();
    if said.is_empty() {
        return Ok(None);
    }
    read(&said, prefix).map(Some)
}

/// Reads a policy from its words; `prefix` stands before each word in a complaint.
fn read(said: &BTreeMap<&str, &str>, prefix: &str) -> Result<Policy, String> {
    if let Some(other) = said.keys().find(|name| !WORDS.contains(*name)) {
        return Err(format!("{prefix}{other} is not known; there are: {}", WORDS.join(", ")));
    }
    let wrong = |name: &str, text: &str, form: &str| format!("{prefix}{name}: '{text}' is {form}");
    let whole = |name: &str, default: u64| match said.get(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| wrong(name, text, "no number")),
    };
    let target = |name: &str| match said.get(name).map(|text| (text, text.parse::<f64>())) {
        None => Ok(None),
        Some((_, Ok(value))) if value > 0.0 && value.is_finite() => Ok(Some(value)),
        Some((text, _)) => Err(wrong(name, text, "no number above 0")),
    };
    let dry_run = match said.get("dry-run").copied() {
        Some("true") => true,
        Some("false") | None => false,
        Some(text) => return Err(wrong("dry-run", text, "neither true nor false")),
    };
    // One pause for both directions, or each its own.
    let pause = |name: &str, default: u64| whole(name, whole("cooldown-s", default)?);
    let policy = Policy {
        min: whole("min", 1)?,
        max: whole("max", 10)?,
        cpu_pct: target("cpu-pct")?,
        requests: target("requests")?,
        memory_pct: target("memory-pct")?,
        disk_pct: target("disk-pct")?,
        backend: said.get("backend").copied().unwrap_or_default().to_owned(),
        dry_run,
        grow_after_ms: pause("grow-after-s", 60)?.saturating_mul(1000),
        shrink_after_ms: pause("shrink-after-s", 300)?.saturating_mul(1000).max(MINUTE_MS / 60),
    };
    if policy.min > policy.max {
        return Err(format!("{prefix}min {} is more than {prefix}max {}", policy.min, policy.max));
    }
    if policy.targets().next().is_none() {
        let whose = if prefix.is_empty() { "it".to_owned() } else { format!("{prefix}*") };
        return Err(format!("{whose} has no target: cpu-pct, requests, memory-pct or disk-pct"));
    }
    Ok(policy)
}

impl Policy {
    /// Names of the targets and what they should be.
    fn targets(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all = [
            ("processor", self.cpu_pct),
            ("requests", self.requests),
            ("memory", self.memory_pct),
            ("storage", self.disk_pct),
        ];
        all.into_iter().filter_map(|(name, target)| Some((name, target?)))
    }

    /// The targets that nothing was measured for; as long as there are some it never shrinks.
    #[must_use]
    pub fn unmeasured(&self, measured: &Measured) -> Vec<&'static str> {
        self.targets().map(|(name, _)| name).filter(|name| measured.of(name).is_none()).collect()
    }
}

impl Measured {
    fn of(&self, name: &str) -> Option<f64> {
        match name {
            "processor" => self.cpu_pct,
            "requests" => self.requests,
            "memory" => self.memory_pct,
            _ => self.disk_pct,
        }
    }
}

/// A wish, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// How many tasks.
    pub replicas: u64,
    /// Why.
    pub why: String,
}

/// What to change now; none when all is well or it is too early. `since_ms` is how long ago it last changed.
#[must_use]
pub fn wish(policy: &Policy, now: u64, measured: &Measured, since_ms: u64) -> Option<Wish> {
    let clamped = now.clamp(policy.min, policy.max);
    if clamped != now {
        let why = format!("{now} is outside of {} to {}", policy.min, policy.max);
        return Some(Wish { replicas: clamped, why });
    }
    let known: Vec<(&str, f64, f64)> =
        policy.targets().filter_map(|(name, target)| Some((name, target, measured.of(name)?))).collect();
    if let Some((name, target, mean)) = known.iter().find(|(_, target, mean)| mean > target)
        && now < policy.max
        && since_ms >= policy.grow_after_ms
    {
        return Some(Wish { replicas: now + 1, why: format!("{name} {mean:.1} is above {target:.1}") });
    }
    // Every target that the policy names must be measured and low, also for those that are left.
    let named = policy.targets().count();
    let spread = |mean: f64| if now > 1 { mean * to_float(now) / to_float(now - 1) } else { f64::INFINITY };
    let easy =
        known.len() == named && known.iter().all(|(_, target, mean)| spread(*mean) < target * SHRINK_BELOW);
    if easy && now > policy.min && since_ms >= policy.shrink_after_ms {
        return Some(Wish { replicas: now - 1, why: "what is left carries it easily".to_owned() });
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "counts of tasks are small")]
fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{Measured, Policy, policy, wish};
    use std::collections::BTreeMap;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| (format!("shipload.autoscale.{name}"), (*value).to_owned()))
            .collect()
    }

    fn cpu(target: &str) -> Policy {
        policy(&labels(&[("min", "2"), ("max", "4"), ("cpu-pct", target)])).expect("fine").expect("some")
    }

    fn at(pct: f64) -> Measured {
        Measured { cpu_pct: Some(pct), ..Measured::default() }
    }

    #[test]
    fn labels_are_read_or_refused() {
        assert_eq!(policy(&BTreeMap::new()), Ok(None));
        assert!(
            policy(&labels(&[("min", "3"), ("max", "2"), ("cpu-pct", "5")]))
                .is_err_and(|why| why.contains("is more than"))
        );
        assert!(policy(&labels(&[("min", "1")])).is_err_and(|why| why.contains("no target")));
        assert!(policy(&labels(&[("mim", "1")])).is_err_and(|why| why.contains("not known")));
        assert!(policy(&labels(&[("cpu-pct", "NaN")])).is_err());
    }

    #[test]
    fn it_grows_soon_and_shrinks_late() {
        let policy = cpu("50");
        let later = 10_000_000;
        let size = |now, pct, since| wish(&policy, now, &at(pct), since).map(|wish| wish.replicas);
        assert_eq!(size(2, 80.0, later), Some(3));
        assert_eq!(size(2, 80.0, 1000), None, "too early");
        assert_eq!(size(4, 99.0, later), None, "no more than max");
        assert_eq!(size(3, 10.0, later), Some(2));
        assert_eq!(size(3, 10.0, 100_000), None, "shrinking waits longer");
        assert_eq!(size(3, 30.0, later), None, "two would have 45 %");
        assert_eq!(size(2, 1.0, later), None, "no fewer than min");
        assert_eq!(size(9, 10.0, 0), Some(4), "outside of the bounds at once");
        assert_eq!(wish(&policy, 3, &Measured::default(), later), None, "nothing measured, nothing changed");
    }
}
