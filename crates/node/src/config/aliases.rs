//! Names from older files: what they are called now, which ones are gone, which ones are refused.

/// Which stanza a name belongs to, for the lists below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Service,
    Network,
    Namespace,
    Set,
}

/// Old names that still mean something: place, old name, new name.
const RENAMED: &[(Place, &str, &str)] = &[
    (Place::Namespace, "memory-size", "storage-engine.data-size"),
    (Place::Namespace, "high-water-memory-pct", "storage-engine.evict-used-pct"),
    (Place::Namespace, "high-water-disk-pct", "storage-engine.evict-used-pct"),
    (Place::Namespace, "storage-engine.max-used-pct", "storage-engine.stop-writes-used-pct"),
    (Place::Namespace, "storage-engine.min-avail-pct", "storage-engine.stop-writes-avail-pct"),
    (Place::Namespace, "stop-writes-pct", "storage-engine.stop-writes-used-pct"),
    (Place::Namespace, "evict-tenths", "evict-tenths-pct"),
    (Place::Namespace, "background-scan-max-rps", "background-query-max-rps"),
    (Place::Service, "scan-max-done", "query-max-done"),
    (Place::Service, "scan-threads-limit", "query-threads-limit"),
    (Place::Set, "set-disable-eviction", "disable-eviction"),
    (Place::Set, "set-stop-writes-count", "stop-writes-count"),
    (Place::Set, "set-default-ttl", "default-ttl"),
    (Place::Network, "service.access-addresses", "service.access-address"),
    (Place::Network, "service.alternate-address", "service.alternate-access-address"),
    (Place::Network, "heartbeat.multicast-address", "heartbeat.multicast-group"),
];

/// Names that did something once and are taken without effect.
const GONE: &[(Place, &str)] = &[
    (Place::Service, "paxos-single-replica-limit"),
    (Place::Service, "paxos-protocol"),
    (Place::Service, "paxos-recovery-policy"),
    (Place::Service, "transaction-queues"),
    (Place::Service, "transaction-threads-per-queue"),
    (Place::Service, "transaction-pending-limit"),
    (Place::Service, "batch-threads"),
    (Place::Service, "nsup-period"),
    (Place::Service, "nsup-delete-sleep"),
    (Place::Service, "proto-slow-netio-sleep-ms"),
    (Place::Service, "allow-inline-transactions"),
    (Place::Service, "respond-client-on-master-completion"),
    (Place::Service, "query-threads"),
    (Place::Service, "query-worker-threads"),
    (Place::Service, "scan-threads"),
    (Place::Service, "ldt-benchmarks"),
    (Place::Service, "log-milliseconds"),
    (Place::Namespace, "single-bin"),
    (Place::Namespace, "data-in-index"),
    (Place::Namespace, "enable-xdr"),
    (Place::Namespace, "ldt-enabled"),
    (Place::Namespace, "max-ttl"),
    (Place::Namespace, "cold-start-evict-ttl"),
    (Place::Namespace, "partition-tree-locks"),
    (Place::Namespace, "allow-versions"),
    (Place::Namespace, "ns-forward-xdr-writes"),
    (Place::Namespace, "storage-engine.write-block-size"),
    (Place::Namespace, "storage-engine.data-in-memory"),
    (Place::Namespace, "storage-engine.data-in-memory-and-device"),
    (Place::Namespace, "storage-engine.write-threads"),
    (Place::Namespace, "storage-engine.cold-start-empty"),
    (Place::Namespace, "storage-engine.post-write-queue"),
    (Place::Namespace, "storage-engine.scheduler-mode"),
    (Place::Namespace, "storage-engine.disable-odsync"),
    (Place::Namespace, "storage-engine.disable-odirect"),
    (Place::Namespace, "storage-engine.cache-replica-writes"),
    (Place::Namespace, "storage-engine.serialize-tomb-raider"),
    (Place::Namespace, "storage-engine.sindex-startup-device-scan"),
    (Place::Set, "set-enable-xdr"),
    (Place::Set, "set-evict-hwm-count"),
    (Place::Network, "service.reuse-address"),
    (Place::Network, "service.network-interface-name"),
    (Place::Network, "heartbeat.interface-address"),
    (Place::Network, "heartbeat.protocol-version"),
    (Place::Network, "heartbeat.mesh-rw-retry-timeout"),
];

const NO_TLS: &str = "TLS is not there yet; remove the line, or put a TLS proxy in front of the clear port";

/// Names that ask for a promise which this version cannot keep: place, name, why.
const REFUSED: &[(Place, &str, &str)] = &[
    (Place::Network, "service.tls-port", NO_TLS),
    (Place::Network, "service.tls-name", NO_TLS),
    (Place::Network, "service.tls-authenticate-client", NO_TLS),
    (Place::Network, "service.tls-address", NO_TLS),
    (Place::Network, "admin.tls-port", NO_TLS),
    (Place::Network, "admin.tls-name", NO_TLS),
    (Place::Network, "fabric.tls-port", NO_TLS),
    (Place::Network, "fabric.tls-name", NO_TLS),
    (Place::Network, "heartbeat.tls-port", NO_TLS),
    (Place::Network, "heartbeat.tls-name", NO_TLS),
];

/// What a name that is not in the table turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    /// It has a new name.
    Renamed(&'static str),
    /// It is taken without effect.
    Gone,
    /// It is refused, for this reason.
    Refused(&'static str),
    /// Nobody knows it.
    Unknown,
}

/// Looks an unknown name up among the old ones.
pub(super) fn look_up(place: Place, name: &str) -> Old {
    if let Some((_, _, now)) = RENAMED.iter().find(|(at, old, _)| (*at, *old) == (place, name)) {
        return Old::Renamed(now);
    }
    if let Some((_, _, why)) = REFUSED.iter().find(|(at, old, _)| (*at, *old) == (place, name)) {
        return Old::Refused(why);
    }
    if GONE.contains(&(place, name)) { Old::Gone } else { Old::Unknown }
}

/// The renamed keys, for the reference.
pub(super) fn renamed() -> impl Iterator<Item = (&'static str, &'static str)> {
    RENAMED.iter().map(|(_, old, now)| (*old, *now))
}

/// The keys that are refused, for the reference.
pub(super) fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFUSED.iter().map(|(_, name, why)| (*name, *why))
}

/// The keys that are taken without effect, for the reference.
pub(super) fn gone() -> impl Iterator<Item = &'static str> {
    GONE.iter().map(|(_, name)| *name)
}
