//! Tests of the answers, most of them against the exact texts of `guide/protocol.md` part 12.1.

use super::{BUILD, COMMANDS, InfoContext, Spreading, VERSION, commands, reference_markdown};
use crate::config::Config;
use crate::jobs::{JobKind, JobSpec, JobStatus};
use crate::node::{Identity, Node};
use crate::now::{EPOCH_2010_S, Now};
use crate::peer::Peer;
use proptest::prelude::{any, prop, proptest};
use shipload_value::Digest;
use shipload_wire::message::Header;
use shipload_wire::{Cut, Limits, frame, request, response};
use std::collections::BTreeMap;

mod exact;
mod modules;
mod quota;
mod records;
mod rules;
mod sketch;
mod statements;
mod versions;

/// 600,000,000 seconds after 2010.
const NOW: Now = Now { unix_ns: (EPOCH_2010_S + 600_000_000) * 1_000_000_000, mono_ns: 100_000_000_000 };
const CONTEXT: InfoContext = InfoContext { local: None };

fn later(ms: u64) -> Now {
    Now { unix_ns: NOW.unix_ns + ms * 1_000_000, mono_ns: NOW.mono_ns + ms * 1_000_000 }
}

fn node() -> Node {
    let mut config = Config::new();
    config.add_namespace("test").unwrap();
    let identity = Identity { node_id: 0x0C1D_0100_0000_FC02, cluster_key: 0xD21C_D6FF_C8C3 };
    Node::new(config, identity).unwrap()
}

fn ask(node: &Node, line: &str) -> String {
    node.info_text(line, &CONTEXT, NOW)
}

fn peer() -> Peer {
    let address = "127.0.0.1:50000".parse().unwrap();
    Peer { address, local: "10.1.2.3:3000".parse().unwrap() }
}

/// Takes `key=value` pairs apart.
fn pairs(text: &str, separator: char) -> BTreeMap<&str, &str> {
    text.split(separator).filter_map(|pair| pair.split_once('=')).collect()
}

/// Writes records with keys 0, 1, 2... and one bin into a set, and gives the result codes.
fn put_results(node: &Node, set: &str, count: u64, now: Now) -> Vec<u8> {
    let mut worker = node.worker();
    let mut put_one = |key: u64| {
        let digest = Digest::of(set.as_bytes(), 1, &key.to_be_bytes());
        let key = request::Key::new("test", set, &digest.0);
        let mut bytes = Vec::new();
        request::put(&mut bytes, &Header::default(), &key, &[request::write_op(b"a", 1, &[0; 8])]);
        execute(node, &mut worker, &bytes, now)
    };
    (0..count).map(&mut put_one).collect()
}

/// The same where every write must succeed.
fn put(node: &Node, set: &str, count: u64, now: Now) {
    assert!(put_results(node, set, count, now).into_iter().all(|code| code == 0));
}

/// Reads one record and gives the result code.
fn get(node: &Node, set: &str, key: u64, now: Now) -> u8 {
    let digest = Digest::of(set.as_bytes(), 1, &key.to_be_bytes());
    let mut bytes = Vec::new();
    request::get(&mut bytes, &request::Key::new("test", set, &digest.0), 0);
    execute(node, &mut node.worker(), &bytes, now)
}

fn execute(node: &Node, worker: &mut crate::worker::Worker, bytes: &[u8], now: Now) -> u8 {
    let Cut::Frame { frame, .. } = frame::cut(bytes, &Limits::default()) else { panic!("a whole frame") };
    let mut out = Vec::new();
    node.execute(worker, &frame, &peer(), now, &mut out);
    let Cut::Frame { frame, .. } = frame::cut(&out, &Limits::default()) else { panic!("a whole answer") };
    response::Response::decode(frame.body).unwrap().header.result
}

#[test]
fn every_command_has_an_answer_and_a_line_of_help() {
    let node = node();
    let mut names = std::collections::BTreeSet::new();
    for command in COMMANDS {
        assert!(names.insert(command.name), "{} stands twice", command.name);
        assert!(!command.help.is_empty());
        for line in [command.name.to_owned(), format!("{}:", command.name)] {
            assert!(!ask(&node, &line).contains("unrecognized command"), "{line}");
        }
    }
}

/// What `guide/protocol.md` part 9.3 says that asadm asks.
#[test]
fn asadm_finds_every_command() {
    let asked = "node build peers-generation connection service-clear-std service-tls-std service-clear-alt \
        peers-clear-std peers-clear-alt alumni-clear-std statistics cluster-name version release namespaces \
        namespace/test rack-ids racks: sets sindex-list: sindex-list:v=v2 get-config:context=xdr \
        get-stats:context=xdr;dc=D sets/test/<ERO~MRT feature-key get-config: get-config:context=service \
        get-config:context=network get-config:context=security logs log/0 latencies: \
        histogram:namespace=test;type=ttl histogram:namespace=test;type=object-size partition-info roster: \
        roster:namespace=test best-practices query-show udf-list user-agents masking-show: health-outliers \
        health-stats recluster: quiesce: quiesce-undo: revive:namespace=test \
        roster-set:namespace=test;nodes=a,b cluster-stable:ignore_migrations=true query-abort-all: \
        user-agent-set:value=MQ==";
    let node = node();
    for line in asked.split_whitespace() {
        assert!(!ask(&node, line).contains("unrecognized"), "{line}");
    }
}

#[test]
fn info_network_finds_its_keys() {
    let node = node();
    let text = ask(&node, "statistics");
    let statistics = pairs(&text, ';');
    let expected = [
        ("cluster_size", "1"),
        ("cluster_key", "D21CD6FFC8C3"),
        ("cluster_integrity", "true"),
        ("cluster_principal", "C1D01000000FC02"),
        ("paxos_principal", "C1D01000000FC02"),
        ("uptime", "100"),
        ("migrate_partitions_remaining", "0"),
        ("objects", "0"),
        ("client_connections", "0"),
        ("system_free_mem_pct", "0"),
        ("batch_index_initiate", "0"),
        ("fabric_rw_recv_rate", "0"),
    ];
    for (key, value) in expected {
        assert_eq!(statistics.get(key), Some(&value), "{key}");
    }
    assert!(text.starts_with("failed_best_practices=") && !text.ends_with(';'));
    assert!(!statistics.contains_key("deprecated_requests"));
    ask(&node, "get-config:context=namespace;id=test");
    assert!(ask(&node, "statistics").ends_with(";deprecated_requests=1"));
}

#[test]
fn keys_of_statistics_stand_once() {
    let node = node();
    for line in ["statistics", "namespace/test", "get-config:"] {
        let text = ask(&node, line);
        assert_eq!(text.split(';').count(), pairs(&text, ';').len(), "{line}");
    }
}

#[test]
fn addresses_are_ones_that_the_client_can_reach() {
    let node = node();
    let context = InfoContext::from(&peer());
    node.facts.listen.write().service = vec!["0.0.0.0:3100".parse().unwrap()];
    assert_eq!(node.info_text("service-clear-std", &context, NOW), "10.1.2.3:3100");
    assert_eq!(ask(&node, "service-clear-std"), "127.0.0.1:3100");
    let bound = ["127.0.0.1:3100", "[fe80::1]:3100"];
    node.facts.listen.write().service = bound.map(|address| address.parse().unwrap()).to_vec();
    assert_eq!(node.info_text("service", &context, NOW), bound.join(","));
    assert_eq!(ask(&node, "service-clear-alt"), "");
    assert_eq!(
        (ask(&node, "admin-clear-std"), ask(&node, "connection")),
        (String::new(), "admin=false".to_owned())
    );
    node.facts.listen.write().admin = vec!["0.0.0.0:3000".parse().unwrap()];
    assert_eq!(node.info_text("admin-clear-std", &context, NOW), "10.1.2.3:3000");
    assert_eq!(node.info_text("connection", &context, NOW), "admin=true");
    assert_eq!(ask(&node, "connection"), "admin=false");
    node.facts.listen.write().access = vec!["db.example.com:4000".to_owned()];
    node.facts.listen.write().alternate = vec!["192.0.2.1:4001".to_owned()];
    assert_eq!(ask(&node, "service-clear-std"), "db.example.com:4000");
    assert_eq!(ask(&node, "service-clear-alt"), "192.0.2.1:4001");
}

#[test]
fn frames_echo_lines_byte_for_byte_and_in_order() {
    let node = node();
    let mut out = Vec::new();
    node.info_frame(b"build\nnode\n\xFF\nno such\n\nbuild", &CONTEXT, NOW, &Spreading::default(), &mut out);
    let unknown = "ERROR:4:unrecognized command";
    let expected = [
        format!("build\t{BUILD}\nnode\tC1D01000000FC02\n").into_bytes(),
        b"\xFF".to_vec(),
        format!("\t{unknown}\nno such\t{unknown}\n\t{unknown}\n").into_bytes(),
    ]
    .concat();
    assert_eq!(out.get(8..), Some(expected.as_slice()));
    let mut nothing = Vec::new();
    node.info_frame(b"build", &CONTEXT, NOW, &Spreading::default(), &mut nothing);
    assert_eq!(nothing, [2, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn an_empty_request_gets_the_default_set() {
    let node = node();
    let mut out = Vec::new();
    node.info_frame(b"", &CONTEXT, NOW, &Spreading::default(), &mut out);
    let text = String::from_utf8(out.split_off(8)).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(names, commands::DEFAULT_SET);
}

#[test]
fn versions_are_what_tools_look_for() {
    let node = node();
    assert_eq!(BUILD.split('.').filter(|part| part.parse::<u8>().is_ok()).count(), 4);
    let version = ask(&node, "version");
    assert!(version.contains("Community") && version.ends_with("build 8.1.2.0"), "{version}");
    assert_eq!(ask(&node, "shipload-version"), VERSION);
}

fn job(trid: u64, kind: JobKind) -> JobSpec {
    JobSpec {
        udf: None,
        sindex_name: String::new(),
        trid,
        namespace: "test".to_owned(),
        set: "sc".to_owned(),
        kind,
        from: "127.0.0.1+49492".to_owned(),
        rps: 10_000,
        socket_timeout_ms: 10_000,
        n_pids_requested: 4_096,
        n_keyds_requested: 0,
        started_mono_ns: NOW.mono_ns - 202_000_000,
    }
}

#[test]
fn shows_and_stops_queries() {
    let node = node();
    let done = node.jobs.start(job(7_001, JobKind::BackgroundOps), 100).unwrap();
    done.recs_succeeded.store(300, std::sync::atomic::Ordering::Relaxed);
    done.finish(JobStatus::DoneOk, NOW.mono_ns - 171_000_000);
    let expected = "trid=7001:ns=test:set=sc:rps=10000:active-threads=0:status=done(ok):job-progress=100.00:\
        run-time=31:time-since-done=171:recs-throttled=0:recs-filtered-meta=0:recs-filtered-bins=0:\
        recs-succeeded=300:recs-failed=0:from=127.0.0.1+49492:job-type=background-ops:net-io-bytes=0:\
        socket-timeout=10000:ops-active=0";
    for line in ["query-show:id=7001", "query-show:trid=7001", "query-show", "query-show:"] {
        assert_eq!(ask(&node, line), expected, "{line}");
    }
    assert_eq!(ask(&node, "set-config:context=service;query-max-done=0"), "ok");
    assert_eq!(ask(&node, "query-show"), "");
    node.jobs.start(job(7_002, JobKind::Basic), 100).unwrap();
    assert_eq!(ask(&node, "query-show").split(';').count(), 1);
    let shown = ask(&node, "query-show:id=7002");
    assert!(shown.contains(":set=sc:n-pids-requested=4096:n-keyds-requested=0:"), "{shown}");
    assert!(shown.contains(":status=active(ok):"), "{shown}");
    assert_eq!(ask(&node, "query-abort:id=7001"), "ERROR:2:id not active");
    assert_eq!(ask(&node, "query-abort:id=7002"), "ok");
    assert_eq!(ask(&node, "query-abort-all:"), "number-of-queries-killed:1");
}

#[test]
fn configuration_is_shown_and_changed() {
    let node = node();
    let service = ask(&node, "get-config:context=service");
    assert!(service.starts_with("advertise-ipv6=false;auto-pin=none;batch-index-threads=2;"), "{service}");
    let network = ask(&node, "get-config:context=network");
    assert!(network.starts_with("service.port=3000;service.address="), "{network}");
    assert_eq!(ask(&node, "get-config"), format!("{service};{network}"));
    let namespace = ask(&node, "get-config:context=namespace;namespace=test");
    let start = "active-rack=0;allow-ttl-without-nsup=false;apply-ttl-reductions=true;";
    assert!(namespace.starts_with(start), "{namespace}");
    assert!(namespace.contains(";strong-consistency=false;"), "{namespace}");
    let changes = [
        ("context=service;proto-fd-max=20000", "ok"),
        ("context=namespace;namespace=test;nsup-period=60", "ok"),
        ("context=namespace;id=test;default-ttl=1d", "ok"),
        ("context=namespace;namespace=test;set=s;stop-writes-count=7", "ok"),
        ("context=network;heartbeat.interval=200", "ok"),
        ("context=service;service-threads=8", "ERROR:4:invalid set-config parameter"),
        ("context=namespace;namespace=nope;nsup-period=60", "ERROR:20:namespace not found on node"),
        ("context=namespace;nsup-period=60", "ERROR:20:missing 'namespace'"),
    ];
    for (change, answer) in changes {
        assert_eq!(ask(&node, &format!("set-config:{change}")), answer, "{change}");
    }
    let shown = ask(&node, "namespace/test");
    let namespace = pairs(&shown, ';');
    assert_eq!((namespace["nsup-period"], namespace["default-ttl"]), ("60", "86400"));
    assert!(ask(&node, "sets/test").contains("set=s:objects=0:"));
    assert!(ask(&node, "sets/test/s").contains(":stop-writes-count=7:"));
    assert!(ask(&node, "get-config:context=service").contains(";proto-fd-max=20000;"));
}

#[test]
fn logs_are_turned_up_and_down() {
    let node = node();
    assert_eq!(ask(&node, "logs"), "0:stderr");
    assert!(ask(&node, "log/0").starts_with("misc:INFO;alloc:INFO;"));
    assert_eq!(ask(&node, "log-set:id=0;misc=DEBUG"), "ok");
    assert!(ask(&node, "log/0").starts_with("misc:DEBUG;alloc:INFO;"));
    for wrong in ["id=0;misc=loud", "id=0;weather=info", "id=9;misc=info", "id=0", "misc=info", ""] {
        assert_eq!(ask(&node, &format!("log-set:{wrong}")), "ERROR:4:bad parameter", "{wrong}");
    }
}

#[test]
fn partition_info_has_a_row_for_every_partition() {
    let text = ask(&node(), "partition-info");
    let rows: Vec<Vec<&str>> = text.split(';').map(|row| row.split(':').collect()).collect();
    assert_eq!(rows.len(), 4_097);
    assert!(rows.iter().all(|row| row.len() == 18));
    let node = "C1D01000000FC02";
    let version = "D21CD6FFC8C3.0.mp-";
    let row = format!("test:0:S:1:0:0:0:{node}:{node}:0:0:0:0:0:0:1:{version}:{version}");
    assert_eq!(rows[1].join(":"), row);
}

/// Run with `SHIPLOAD_WRITE_DOCS=1` to write the file anew.
#[test]
fn the_committed_reference_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/info.md");
    if std::env::var_os("SHIPLOAD_WRITE_DOCS").is_some() {
        std::fs::write(path, reference_markdown()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == reference_markdown(),
        "run the tests with SHIPLOAD_WRITE_DOCS=1 and commit the result"
    );
}

proptest! {
    #[test]
    fn no_text_is_too_odd(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut out = Vec::new();
        node().info_frame(&body, &CONTEXT, NOW, &Spreading::default(), &mut out);
    }

    #[test]
    fn no_parameters_are_too_odd(
        row in 0..COMMANDS.len(),
        join in prop::sample::select(vec![":", "/", ""]),
        parts in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "namespace", "set", "id", "trid", "context", "lut", "indexname", "bin", "type", "exp", "hist",
                    "filename", "content", "content-len", "size", "host", "port", "value", "test", "x",
                ]),
                prop::sample::select(vec!["=", "/", ""]),
                "[a-z0-9=,;/:\\.\\t\u{e9}]{0,70}",
            ),
            0..6,
        ),
    ) {
        let text: Vec<String> = parts.iter().map(|(key, sign, value)| format!("{key}{sign}{value}")).collect();
        let line = format!("{}{join}{}", COMMANDS[row].name, text.join(";"));
        let value = ask(&node(), &line);
        assert!(!value.contains(['\t', '\n']), "{line}");
    }
}
