//! Policies that change how many tasks a service has: what Swarm itself does not do.
//!
//! Guarantees: pure; one step at a time; after a change it waits, longer before it shrinks than before it grows; it
//! never wants what can't be placed or, of a database, what could not hold the copies of records. A measurement that is
//! missing changes nothing.

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
}

/// How much a mean must be below its target before a task is taken away: what is left must carry it easily.
const SHRINK_BELOW: f64 = 0.7;
const MINUTE_MS: u64 = 60_000;

/// Reads the labels `shipload.autoscale.*` of a service; none when there are none.
///
/// # Errors
/// Which label can't be followed.
pub fn policy(labels: &BTreeMap<String, String>) -> Result<Option<Policy>, String> {
    let said: BTreeMap<&str, &str> = labels
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("shipload.autoscale.")?, value.as_str())))
        .collect();
    if said.is_empty() {
        return Ok(None);
    }
    let known = ["min", "max", "cpu-pct", "requests", "memory-pct", "grow-after-s", "shrink-after-s"];
    if let Some(other) = said.keys().find(|name| !known.contains(*name)) {
        return Err(format!("shipload.autoscale.{other} is not known; there are: {}", known.join(", ")));
    }
    let whole = |name: &str, default: u64| {
        said.get(name).map_or(Ok(default), |text| {
            text.parse().map_err(|_| format!("shipload.autoscale.{name}: '{text}' is no number"))
        })
    };
    let target = |name: &str| {
        said.get(name)
            .map(|text| match text.parse::<f64>() {
                Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
                Ok(_) | Err(_) => Err(format!("shipload.autoscale.{name}: '{text}' is no number above 0")),
            })
            .transpose()
    };
    let policy = Policy {
        min: whole("min", 1)?,
        max: whole("max", 10)?,
        cpu_pct: target("cpu-pct")?,
        requests: target("requests")?,
        memory_pct: target("memory-pct")?,
        grow_after_ms: whole("grow-after-s", 60)?.saturating_mul(1000),
        shrink_after_ms: whole("shrink-after-s", 300)?.saturating_mul(1000).max(MINUTE_MS / 60),
    };
    if policy.min > policy.max {
        return Err(format!("shipload.autoscale: min {} is more than max {}", policy.min, policy.max));
    }
    if policy.cpu_pct.is_none() && policy.requests.is_none() && policy.memory_pct.is_none() {
        return Err("shipload.autoscale has no target: cpu-pct, requests or memory-pct".to_owned());
    }
    Ok(Some(policy))
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
    let pairs = [
        ("processor", policy.cpu_pct, measured.cpu_pct),
        ("requests", policy.requests, measured.requests),
        ("memory", policy.memory_pct, measured.memory_pct),
    ];
    let known: Vec<(&str, f64, f64)> =
        pairs.into_iter().filter_map(|(name, target, mean)| Some((name, target?, mean?))).collect();
    if let Some((name, target, mean)) = known.iter().find(|(_, target, mean)| mean > target)
        && now < policy.max
        && since_ms >= policy.grow_after_ms
    {
        return Some(Wish { replicas: now + 1, why: format!("{name} {mean:.1} is above {target:.1}") });
    }
    // Every target that the policy names must be measured and low, also for those that are left.
    let named = pairs.iter().filter(|(_, target, _)| target.is_some()).count();
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
                .is_err_and(|why| why.contains("more than max"))
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
