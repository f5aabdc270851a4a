//! What the configuration of a set says about its records; where it is silent, its namespace decides.
//!
//! Most namespaces have no set with a configuration of its own: then looking costs one atomic load.

use crate::command::ttl::TtlRules;
use crate::config::{NamespaceKey, SetConfig, SetKey};
use crate::namespace::Namespace;
use shipload_store::{SetCounts, SetId};
use std::sync::Arc;

impl Namespace {
    fn set_config(&self, name: &[u8]) -> Option<Arc<SetConfig>> {
        if name.is_empty() || self.config.sets_generation() == 0 {
            return None;
        }
        self.config.set(core::str::from_utf8(name).ok()?)
    }

    /// How requested times to live become void times in this set.
    pub(crate) fn ttl_rules(&self, set: &[u8]) -> TtlRules {
        let config = self.set_config(set);
        let own = config.map(|config| config.number(SetKey::DefaultTtl)).filter(|seconds| *seconds > 0);
        let default_ttl_s = own.unwrap_or_else(|| self.config.number(NamespaceKey::DefaultTtl));
        TtlRules {
            default_ttl_s: u32::try_from(default_ttl_s).unwrap_or(u32::MAX),
            ttl_allowed: self.config.number(NamespaceKey::NsupPeriod) != 0
                || self.config.flag(NamespaceKey::AllowTtlWithoutNsup),
            reductions: self.config.flag(NamespaceKey::ApplyTtlReductions),
        }
    }

    /// `default-read-touch-ttl-pct` of the set, or else of the namespace.
    pub(crate) fn read_touch_percent(&self, set: &[u8]) -> u32 {
        let config = self.set_config(set);
        let own = config.map(|config| config.number(SetKey::DefaultReadTouchTtlPct)).filter(|pct| *pct > 0);
        let percent = own.unwrap_or_else(|| self.config.number(NamespaceKey::DefaultReadTouchTtlPct));
        u32::try_from(percent).unwrap_or(0)
    }

    /// Whether records need a set in this namespace and this name is none.
    pub(crate) fn misses_set(&self, set: &[u8]) -> bool {
        set.is_empty() && self.config.flag(NamespaceKey::DisallowNullSetname)
    }

    /// Whether a set has reached one of its own limits, or one of the tenant that it belongs to, so that no record may be
    /// added. Must be called without a stripe locked: it looks at all of them, but only for sets that have a limit.
    pub(crate) fn is_set_full(&self, name: &[u8], set: SetId) -> bool {
        let Some(config) = self.set_config(name) else { return self.is_tenant_full(name) };
        let limits = self.limits(&config);
        limits.are_reached(|| self.set_usage(set)) || self.is_tenant_full(name)
    }

    fn is_tenant_full(&self, name: &[u8]) -> bool {
        if name.is_empty() || self.config.sets_generation() == 0 {
            return false;
        }
        let Some((tenant, config)) =
            core::str::from_utf8(name).ok().and_then(|name| self.config.prefixed(name))
        else {
            return false;
        };
        self.limits(&config).are_reached(|| self.tenant_usage(&tenant))
    }

    fn limits(&self, config: &SetConfig) -> Limits {
        let own = config.number(SetKey::StopWritesSize);
        let share_pct = config.number(SetKey::MemorySharePct);
        let share = self.config.number(NamespaceKey::DataSize) / 100 * share_pct;
        // 0 is no limit: the smaller one of those that there are.
        let size = [own, share].into_iter().filter(|limit| *limit > 0).min();
        Limits { count: config.number(SetKey::StopWritesCount), size: size.unwrap_or(0) }
    }

    /// What the sets hold whose names begin like this one's, up to the `*` at its end. Locks every stripe once for each.
    pub(crate) fn tenant_usage(&self, tenant: &str) -> SetCounts {
        let Some(prefix) = tenant.strip_suffix('*') else { return SetCounts::default() };
        let ids: Vec<SetId> = {
            let sets = self.sets();
            let own = sets.iter().filter(|(_, name)| name.starts_with(prefix.as_bytes()));
            own.map(|(id, _)| id).collect()
        };
        let mut usage = SetCounts::default();
        ids.into_iter().for_each(|set| usage.add(self.set_usage(set)));
        usage
    }
}

/// What a set may hold; 0 is no limit.
struct Limits {
    count: u64,
    size: u64,
}

impl Limits {
    fn are_reached(&self, usage: impl FnOnce() -> SetCounts) -> bool {
        if self.count == 0 && self.size == 0 {
            return false;
        }
        let usage = usage();
        (self.count > 0 && usage.objects >= self.count) || (self.size > 0 && usage.record_bytes >= self.size)
    }
}
