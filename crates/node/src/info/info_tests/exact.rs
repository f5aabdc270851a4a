//! Commands with the exact answers that a real server gave.

use super::{ask, node};

const PAID: &str = "ERROR:25:enterprise only";
const UNKNOWN: &str = "ERROR:4:unrecognized command";
const NO_NAMESPACE: &str = "ERROR:20:namespace not found on node";
const BAD_TYPE: &str = "ERROR:4:bad 'type' - must be one of 'numeric', 'string', 'blob', 'geo2dsphere'";
const BAD_KIND: &str = "ERROR:4:bad 'indextype' - must be one of 'default', 'list', 'mapkeys', 'mapvalues'";

const ANSWERS: &[(&str, &str)] = &[
    ("node", "C1D01000000FC02"),
    ("name", "C1D01000000FC02"),
    ("node:", "C1D01000000FC02"),
    ("node/x", "C1D01000000FC02"),
    ("build", "8.1.2.0"),
    ("edition", "Aerospike Community Edition"),
    (
        "features",
        "batch-any;batch-index;blob-bits;cdt-index;cdt-list;cdt-map;cluster-stable;float;geo;sindex-exists;peers;\
         pipelining;pquery;pscans;query-show;relaxed-sc;replicas;replicas-all;replicas-master;replicas-max;\
         truncate-namespace;udf",
    ),
    ("compatibility-id", "15"),
    ("services", ""),
    ("services-alternate", ""),
    ("services-alumni", ""),
    ("user-agents", ""),
    ("health-outliers", ""),
    ("health-stats", ""),
    ("service-clear-alt", ""),
    ("peers-clear-std", "0,3000,[]"),
    ("peers-clear-alt", "0,3000,[]"),
    ("alumni-clear-std", "0,3000,[]"),
    ("alumni-clear-alt", "0,3000,[]"),
    ("service-tls-std", PAID),
    ("service-tls-alt", PAID),
    ("peers-tls-std", PAID),
    ("peers-tls-alt", PAID),
    ("alumni-tls-std", PAID),
    ("alumni-tls-alt", PAID),
    ("rack-ids", "test:0"),
    ("roster:", PAID),
    ("quiesce:", "ok"),
    ("quiesce-undo:", "ok"),
    ("revive:", PAID),
    ("feature-key", PAID),
    ("masking-show:", PAID),
    ("admin-tls-std", ""),
    ("peers-generation", "0"),
    ("partition-generation", "0"),
    ("rebalance-generation", "1"),
    ("cluster-name", "null"),
    ("cluster-stable:", "D21CD6FFC8C3"),
    ("cluster-stable:size=1", "D21CD6FFC8C3"),
    ("cluster-stable:namespace=test", "D21CD6FFC8C3"),
    ("cluster-stable:size=2", "ERROR:7:cluster not specified size"),
    ("cluster-stable:namespace=nope", NO_NAMESPACE),
    ("connection", "admin=false"),
    ("status", "ok"),
    ("dump-rw", "ok"),
    ("recluster:", "ok"),
    ("user-agent-set:value=MQ==", "ok"),
    ("user-agent-set:", "ERROR:4:missing 'value'"),
    ("logs", "0:stderr"),
    ("log/5", "ERROR::bad-id"),
    ("log/x", "ERROR:4:bad sink-id"),
    ("log-set:id=0;misc=INFO", "ok"),
    ("log-set:id=0", "ERROR:4:bad parameter"),
    ("namespaces", "test"),
    ("namespace/nope", "type=unknown"),
    ("namespace/", "type=unknown"),
    ("namespace", "type=unknown"),
    ("sets", ""),
    ("sets/test/nope", ""),
    ("sets/nope", "ns_type=unknown"),
    ("get-stats:", "ERROR:4:missing 'context'"),
    ("get-stats:context=foo", "ERROR:4:unknown context"),
    ("get-stats:context=xdr;dc=D", ""),
    ("get-config:context=namespace", "ERROR:20:missing 'namespace'"),
    ("get-config:context=namespace;namespace=nope", NO_NAMESPACE),
    ("get-config:context=security", ""),
    ("get-config:context=xdr", ""),
    ("get-config:context=foo", "ERROR:4:invalid context"),
    ("get-config:foo=bar", "ERROR:4:missing 'context'"),
    ("set-config:context=service;query-max-done=100", "ok"),
    ("set-config:context=service;no-such-key=1", "ERROR:4:invalid set-config parameter"),
    ("set-config:context=service;query-max-done=many", "ERROR:4:invalid set-config parameter"),
    ("set-config:context=service", "ERROR:4:invalid set-config parameter"),
    ("set-config:query-max-done=100", "ERROR:4:missing 'context'"),
    ("set-config:context=foo;a=1", "ERROR:4:invalid context"),
    ("set-config:context=security;a=1", PAID),
    ("set-config:context=xdr;a=1", PAID),
    (
        "latencies:",
        "batch-index:;{test}-read:;{test}-write:;{test}-udf:;{test}-batch-sub-read:;{test}-batch-sub-write:;\
         {test}-batch-sub-udf:;{test}-pi-query:;{test}-si-query:",
    ),
    ("latencies:hist={test}-udf", "{test}-udf:"),
    ("latencies:hist=nope", "ERROR:4:bad hist name"),
    ("histogram:namespace=test;type=ttl", ""),
    ("histogram:namespace=test;type=object-size", ""),
    ("histogram:namespace=test;type=object-size-linear", ""),
    ("histogram:namespace=test", "ERROR:4:missing 'type'"),
    ("histogram:namespace=test;type=other", "ERROR:4:unknown hist name"),
    ("histogram:namespace=test;type=ttl;set=nope", "ERROR:4:unknown set name"),
    ("query-show", ""),
    ("query-show:", ""),
    ("query-show:id=5", "ERROR:2:job not found"),
    ("query-show:trid=5", "ERROR:2:job not found"),
    ("query-abort:", "ERROR:4:missing 'id'"),
    ("query-abort:id=5", "ERROR:2:id not active"),
    ("query-abort-all:", "number-of-queries-killed:0"),
    ("jobs:", UNKNOWN),
    ("scan-show", UNKNOWN),
    ("scan-abort:id=1", UNKNOWN),
    ("scan-abort-all:", UNKNOWN),
    ("bins/test", UNKNOWN),
    ("bins", UNKNOWN),
    ("throughput:", UNKNOWN),
    ("latency:", UNKNOWN),
    ("stats", UNKNOWN),
    ("peers:", UNKNOWN),
    ("sindex-histogram", UNKNOWN),
    ("", UNKNOWN),
    ("BUILD", UNKNOWN),
    (" build", UNKNOWN),
    ("build ", UNKNOWN),
    ("build\r", UNKNOWN),
    ("sindex", ""),
    ("sindex/test", ""),
    ("sindex-list:", ""),
    ("sindex-list:ns=test;v=v2", ""),
    ("sindex/nope", "ns_type=unknown"),
    ("sindex-list:ns=nope", "ERROR:20:namespace not found on node;ERROR:20:namespace not found on node"),
    ("sindex-stat:namespace=test;indexname=i", "ERROR:201:no index"),
    ("sindex/test/i", "ERROR:201:no index"),
    ("sindex-exists:ns=test;indexname=i", "false"),
    ("sindex-exists:ns=nope;indexname=i", NO_NAMESPACE),
    ("sindex-delete:ns=test;set=other;indexname=i", "ok"),
    ("sindex-delete:ns=nope;indexname=i", "ok"),
    ("sindex-create:ns=nope;indexname=i;bin=a;type=numeric", "ok"),
    ("sindex-create:ns=test", "ERROR:4:missing 'indexname'"),
    ("sindex-create:ns=test;indexname=i", "ERROR:4:both 'indexdata' and 'type' are missing"),
    ("sindex-create:ns=test;indexname=i;type=string", "ERROR:4:both 'bin' and 'exp' are missing"),
    (
        "sindex-create:ns=test;indexname=i;type=string;bin=a;exp=kQA=",
        "ERROR:4:both 'bin' and 'exp' are specified",
    ),
    ("sindex-create:ns=test;indexname=i;type=string;bin=0123456789abcdef", "ERROR:4:'bin' value too long"),
    ("sindex-create:ns=test;set=;indexname=i;type=string;bin=a", "ERROR:4:missing 'set' value"),
    ("sindex-create:ns=test;indexname=i;type=text;bin=a", BAD_TYPE),
    ("sindex-create:ns=test;indexname=i;type=integer;bin=a", BAD_TYPE),
    ("sindex-create:ns=test;indexname=i;type=string;bin=a;indextype=tree", BAD_KIND),
    ("sindex-create:ns=test;indexname=i;type=string;bin=a;context=!", "ERROR:4:'context' invalid base64"),
    ("sindex-create:ns=test;indexname=i;type=string;exp=!", "ERROR:4:bad 'exp'"),
    ("sindex-create:ns=test;indexname=i;indexdata=a", "ERROR:4:'indexdata' missing bin type"),
    ("udf-list", ""),
    ("udf-put:filename=;content=YQ==;content-len=4", "error=invalid_filename"),
    ("udf-put:filename=a;content=YQ==;content-len=4", "error=invalid_filename"),
    ("udf-put:filename=a.lua;content=YQ==", "error=invalid_content_len"),
    ("udf-put:filename=a.lua;content=!;content-len=1", "error=invalid_base64_content"),
    ("udf-put:filename=a.lua;content=;content-len=0", "error=invalid_base64_content"),
    ("udf-put:filename=a.lua;content=YQ==;content-len=4;udf-type=JS;", "error=invalid_udf_type"),
    ("udf-get:filename=a.lua;", "error=not_found"),
    ("udf-get:filename=", "error=invalid_filename"),
    ("udf-get:", "error=invalid_filename"),
    ("udf-remove:filename=a.lua;", "ok"),
    ("udf-remove:", "error=invalid_filename"),
    ("truncate:namespace=test;set=demo", "ok"),
    ("truncate:namespace=nope;set=demo", "ok"),
    ("truncate:ns=test;set=demo", "ERROR:20:missing 'namespace'"),
    ("truncate:namespace=;set=demo", "ERROR:20:missing 'namespace' value"),
    ("truncate:namespace=01234567890123456789012345678901;set=a", "ERROR:20:'namespace' value too long"),
    ("truncate:namespace=test", "ERROR:4:missing 'set'"),
    ("truncate:namespace=test;set=", "ERROR:4:missing 'set' value"),
    ("truncate:namespace=test;set=demo;lut=1", "ERROR:4:would truncate to 0"),
    ("truncate:namespace=test;set=demo;lut=18446744073709551615", "ERROR:4:would truncate in the future"),
    ("truncate:namespace=test;set=demo;lut=", "ERROR:4:missing 'lut' value"),
    ("truncate-namespace:namespace=test", "ok"),
    ("truncate-namespace:namespace=test;set=demo", "ERROR:4:unexpected set name"),
    ("truncate-undo:namespace=test;set=demo", "ok"),
    ("truncate-namespace-undo:namespace=test", "ok"),
    ("truncate-namespace-undo:", "ERROR:20:missing 'namespace'"),
    ("tip-clear:host-port-list=all", "ERROR::0 cleared, 0 not found"),
    ("tip-clear:host-port-list=a:3002,b:3002", "ERROR::0 cleared, 2 not found"),
];

#[test]
fn answers_like_a_real_server() {
    let node = node();
    for (line, answer) in ANSWERS {
        assert_eq!(ask(&node, line), *answer, "{line}");
    }
}

#[test]
fn names_that_are_too_long_are_refused() {
    let node = node();
    let long = "x".repeat(64);
    let cases = [
        (format!("truncate:namespace=test;set={long}"), "ERROR:4:'set' value too long"),
        (format!("sindex-create:ns=test;set={long};indexname=i"), "ERROR:4:'set' value too long"),
        (format!("sindex-create:ns=test;indexname={long}"), "ERROR:4:'indexname' value too long"),
    ];
    for (line, answer) in cases {
        assert_eq!(ask(&node, &line), answer, "{line}");
    }
}

#[test]
fn replica_maps_hold_every_partition() {
    let node = node();
    let bitmap = format!("{}8=", "/".repeat(682));
    assert_eq!(bitmap.len(), 684);
    assert_eq!(ask(&node, "replicas"), format!("test:0,1,{bitmap}"));
    assert_eq!(ask(&node, "replicas-all"), format!("test:1,{bitmap}"));
    assert_eq!(ask(&node, "replicas-master"), format!("test:{bitmap};"));
}
