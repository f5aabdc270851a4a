//! Tests of the configuration: tables, files, changes at run time, the reference.

use std::collections::BTreeSet;

use super::key::TableKey;
use super::{
    Config, ConfigError, LOG_CONTEXTS, ModLuaKey, NamespaceKey, NetworkKey, NetworkPart, Scope, ServiceKey,
    SetKey, Values, reference_markdown, value,
};

fn check_table<K: TableKey>() {
    let mut names = BTreeSet::new();
    for key in K::TABLE {
        assert!(names.insert(key.name), "{} stands twice in its table", key.name);
        assert!(value::parse(key, key.default).is_some(), "default of {}", key.name);
        assert!(key.help.ends_with('.'), "help of {} is a sentence", key.name);
        assert!(!key.help.contains('|'), "help of {} would break the reference", key.name);
    }
}

#[test]
fn tables_are_sound() {
    check_table::<ServiceKey>();
    check_table::<NetworkKey>();
    check_table::<NamespaceKey>();
    check_table::<SetKey>();
    check_table::<ModLuaKey>();
    let contexts: BTreeSet<_> = LOG_CONTEXTS.iter().collect();
    assert_eq!(contexts.len(), LOG_CONTEXTS.len());
}

fn with_namespace() -> Config {
    let mut config = Config::new();
    config.add_namespace("test").unwrap();
    config
}

fn namespace() -> Scope {
    Scope::Namespace("test".to_owned())
}

#[test]
fn reads_values_with_suffixes() {
    let config = with_namespace();
    let storage = Scope::Inner { namespace: "test".to_owned(), prefix: "storage-engine." };
    config.load(&namespace(), "default-ttl", "30d").unwrap();
    config.load(&storage, "data-size", "4G").unwrap();
    config.load(&Scope::Service, "proto-fd-max", "20K").unwrap();
    let keys = &config.namespace("test").unwrap().keys;
    assert_eq!(keys.number(NamespaceKey::DefaultTtl), 30 * 86_400);
    assert_eq!(keys.number(NamespaceKey::DataSize), 4 << 30);
    assert_eq!(config.service.number(ServiceKey::ProtoFdMax), 20_000);
}

#[test]
fn wrong_values_say_what_is_allowed() {
    let config = with_namespace();
    let cases = [
        (Scope::Service, "proto-fd-max", "many", "a whole number from 1 to 2000000"),
        (Scope::Service, "proto-fd-max", "0", "a whole number from 1 to 2000000"),
        (namespace(), "default-ttl", "20000d", "a time from 0 to 315360000 seconds"),
        (namespace(), "max-record-size", "9M", "a size from 0 to 8M"),
        (namespace(), "disallow-null-setname", "maybe", "true or false"),
        (namespace(), "conflict-resolution-policy", "mine", "generation, last-update-time"),
        (namespace(), "evict-used-pct", "101", "a whole number from 0 to 100"),
    ];
    for (scope, name, value, allowed) in cases {
        let error = match name {
            "evict-used-pct" => config.set(&scope, name, value).unwrap_err(),
            _ => config.load(&scope, name, value).unwrap_err(),
        };
        assert!(!error.is_warning(), "{name}");
        let text = error.to_string();
        assert!(text.contains(allowed) && text.contains(value) && text.contains(name), "{text}");
    }
    for number in ["", "-1", "1.5", "18446744073709551616", "99999999999999999999G", "16777216T"] {
        assert!(config.load(&Scope::Service, "proto-fd-max", number).is_err(), "{number}");
    }
}

#[test]
fn unknown_names_are_warnings_with_a_hint() {
    let mut config = with_namespace();
    let error = config.load(&Scope::Service, "proto-fd-mx", "1").unwrap_err();
    assert!(error.is_warning());
    assert_eq!(error.to_string(), "unknown key 'proto-fd-mx' in service: did you mean 'proto-fd-max'?");
    let error = config.open(&Scope::Root, "weather", None).unwrap_err();
    assert!(error.is_warning());
    assert_eq!(error.to_string(), "unknown stanza 'weather' in the file");
}

#[test]
fn old_names_keep_their_meaning() {
    let config = with_namespace();
    let warning = config.load(&namespace(), "memory-size", "1G").unwrap().unwrap();
    assert!(warning.contains("storage-engine.data-size"), "{warning}");
    assert_eq!(config.namespace("test").unwrap().number(NamespaceKey::DataSize), 1 << 30);
    assert!(config.load(&Scope::Service, "paxos-single-replica-limit", "1").unwrap().is_some());
    assert_eq!(config.deprecated_requests(), 0);
    config.set(&namespace(), "high-water-memory-pct", "60").unwrap();
    assert_eq!(config.namespace("test").unwrap().number(NamespaceKey::EvictUsedPct), 60);
    assert_eq!(config.deprecated_requests(), 1);
}

#[test]
fn promises_that_cannot_be_kept_are_refused() {
    let mut config = with_namespace();
    let device = config.open(&namespace(), "storage-engine", Some("pmem")).unwrap_err();
    assert!(matches!(device, ConfigError::Refused { .. }), "{device}");
    let mut config = with_namespace();
    assert!(config.load(&namespace(), "strong-consistency", "true").is_err());
    assert!(config.open(&Scope::Root, "security", None).is_err());
    let service = Scope::NetworkPart(NetworkPart::Service);
    assert!(config.load(&service, "tls-port", "4333").unwrap_err().to_string().contains("TLS"));
}

#[test]
fn walks_a_typical_file() {
    let mut config = Config::new();
    let network = config.open(&Scope::Root, "network", None).unwrap().scope;
    let heartbeat = config.open(&network, "heartbeat", None).unwrap().scope;
    config.load(&heartbeat, "mode", "mesh").unwrap();
    config.load(&heartbeat, "mesh-seed-address-port", "10.0.0.1 3002").unwrap();
    config.load(&heartbeat, "mesh-seed-address-port", "db   3002").unwrap();
    config.load(&heartbeat, "mesh-seed-address-port", "fd00::1 3002").unwrap();
    let seeds = config.network.list(NetworkKey::HeartbeatMeshSeed);
    assert_eq!(seeds, ["10.0.0.1:3002", "db:3002", "[fd00::1]:3002"]);
    let service = config.open(&network, "service", None).unwrap().scope;
    config.load(&service, "address", "any").unwrap();
    assert_eq!(config.network.list(NetworkKey::ServiceAddress), ["any"]);
    let test = config.open(&Scope::Root, "namespace", Some("test")).unwrap().scope;
    let storage = config.open(&test, "storage-engine", Some("memory")).unwrap().scope;
    config.load(&storage, "stop-writes-used-pct", "80").unwrap();
    let set = config.open(&test, "set", Some("demo")).unwrap().scope;
    config.load(&set, "disable-eviction", "true").unwrap();
    assert!(config.namespace("test").unwrap().set("demo").unwrap().flag(SetKey::DisableEviction));
    let logging = config.open(&Scope::Root, "logging", None).unwrap().scope;
    let file = config.open(&logging, "file", Some("/var/log/x.log")).unwrap().scope;
    config.load(&file, "context", "any warning").unwrap();
    config.load(&file, "context", "nsup debug").unwrap();
    let sinks = config.logging.sinks();
    assert_eq!((sinks.len(), sinks[0].name()), (1, "/var/log/x.log"));
    let xdr = config.open(&Scope::Root, "xdr", None).unwrap();
    assert!(xdr.warning.is_some());
    let dc = config.open(&xdr.scope, "dc", Some("west")).unwrap().scope;
    config.load(&dc, "period-ms", "100").unwrap();
    assert_eq!(config.check().unwrap(), Vec::<String>::new());
}

#[test]
fn checks_the_whole() {
    assert!(Config::new().check().is_err());
    let config = with_namespace();
    config.load(&namespace(), "default-ttl", "30d").unwrap();
    assert_eq!(config.check().unwrap().len(), 1);
    assert_eq!(config.namespace("test").unwrap().number(NamespaceKey::NsupPeriod), 120);
}

#[test]
fn names_of_namespaces_and_sets_are_plain() {
    let mut config = with_namespace();
    for bad in ["", "a b", "a;b", "a:b", "a=b", "a/b", &"x".repeat(32)] {
        assert!(config.add_namespace(bad).is_err(), "{bad}");
    }
    config.add_namespace(&"x".repeat(31)).unwrap();
    let namespace = config.namespace("test").unwrap();
    assert!(namespace.set_or_default(&"s".repeat(64)).is_err());
    namespace.set_or_default(&"s".repeat(63)).unwrap();
}

#[test]
fn changes_at_run_time() {
    let config = with_namespace();
    config.set(&namespace(), "nsup-period", "10m").unwrap();
    assert_eq!(config.get(&namespace(), "nsup-period").unwrap(), "600");
    config.set(&namespace(), "storage-engine.evict-used-pct", "50").unwrap();
    config.set(&namespace(), "evict-used-pct", "51").unwrap();
    assert_eq!(config.get(&namespace(), "storage-engine.evict-used-pct").unwrap(), "51");
    config.set(&namespace(), "replication-factor", "3").unwrap();
    let fixed = config.set(&namespace(), "storage-engine.commit-to-device", "true").unwrap_err();
    assert_eq!(fixed, ConfigError::Static { name: "storage-engine.commit-to-device".to_owned() });
    assert!(config.set(&namespace(), "no-such-key", "3").is_err());
    assert!(config.set(&Scope::Namespace("none".to_owned()), "nsup-period", "1").is_err());
    let set = Scope::Set { namespace: "test".to_owned(), set: "demo".to_owned() };
    assert!(config.set(&set, "no-such-key", "3").is_err());
    assert!(config.namespace("test").unwrap().set("demo").is_none());
    config.set(&set, "stop-writes-count", "5").unwrap();
    assert_eq!(config.get(&set, "stop-writes-count").unwrap(), "5");
    assert_eq!(config.namespace("test").unwrap().sets_generation(), 1);
}

#[test]
fn lists_values_in_a_steady_order() {
    let config = with_namespace();
    let service = config.pairs(&Scope::Service).unwrap();
    assert_eq!(service[0], ("advertise-ipv6".to_owned(), "false".to_owned()));
    assert_eq!(service[1], ("auto-pin".to_owned(), "none".to_owned()));
    assert_eq!(config.pairs(&namespace()).unwrap()[0].0, "active-rack");
    assert_eq!(config.pairs(&Scope::Network).unwrap()[0].0, "service.port");
    let values: Values<SetKey> = Values::default();
    assert_eq!(values.iter().count(), SetKey::TABLE.len());
}

/// Run with `SHIPLOAD_WRITE_DOCS=1` to write the file anew.
#[test]
fn the_committed_reference_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    if std::env::var_os("SHIPLOAD_WRITE_DOCS").is_some() {
        std::fs::write(path, reference_markdown()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == reference_markdown(),
        "run the tests with SHIPLOAD_WRITE_DOCS=1 and commit the result"
    );
}
