//! The table of all commands.

use super::answer::Answer;
use super::ask::Ask;
use super::{
    changes, cluster, configure, identity, latencies, logs, namespaces, queries, refused, sets, sindex,
    sketch, statements, statistics, truncate, udf, versions,
};

/// One command.
pub struct InfoCommand {
    /// What stands before the first `:` or `/`.
    pub name: &'static str,
    /// One line for the reference.
    pub help: &'static str,
    pub(super) answer: fn(&Ask<'_>) -> Answer,
}

impl std::fmt::Debug for InfoCommand {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

const fn row(name: &'static str, answer: fn(&Ask<'_>) -> Answer, help: &'static str) -> InfoCommand {
    InfoCommand { name, help, answer }
}

/// What an empty request answers, in this order.
pub(super) const DEFAULT_SET: &[&str] = &[
    "features",
    "node",
    "compatibility-id",
    "edition",
    "build_ee_sha",
    "build_sha",
    "build_arch",
    "build_time",
    "build_os",
    "build",
    "version",
    "shipload-version",
    "statistics",
];

const TLS: &str = "Enterprise only: addresses of the TLS port.";
const PAID: &str = "Enterprise only.";
const DUMP: &str = "Accepted; Shipload has nothing to dump into the log.";

/// All commands, by what they are about.
pub static COMMANDS: &[InfoCommand] = &[
    row("help", identity::help, "The names of all commands, between semicolons."),
    row("node", identity::node, "The node's name: upper-case hexadecimal digits."),
    row("name", identity::node, "The same as `node`."),
    row("build", identity::build, "The server version whose protocol this node speaks, as four numbers."),
    row("version", identity::version, "What this program is, with the version it is compatible with."),
    row("edition", identity::edition, "The edition that tools look for."),
    row("shipload-version", identity::shipload_version, "The version of Shipload itself."),
    row("release", identity::release, "Edition, version, operating system and architecture as pairs."),
    row("features", identity::features, "Words that older clients look for."),
    row("compatibility-id", identity::compatibility_id, "The cluster protocol's version."),
    row("build_ee_sha", identity::empty, "Empty."),
    row("build_sha", identity::empty, "Empty."),
    row("build_time", identity::empty, "Empty."),
    row("build_arch", identity::build_arch, "The processor architecture."),
    row("build_os", identity::build_os, "The operating system."),
    row("status", identity::ok, "`ok` while the node serves."),
    row("connection", identity::connection, "Whether this connection came in on the admin port."),
    row("best-practices", identity::best_practices, "Best practices that are not followed."),
    row("health-outliers", identity::empty, "Nothing is watched for outliers: empty."),
    row("health-stats", identity::empty, "Empty."),
    row("user-agent-set", identity::user_agent_set, "`value=<base64>`: a client says what it is."),
    row("user-agents", identity::empty, "Clients by what they are: not counted yet."),
    row("service", cluster::service_addresses, "Where clients reach this node."),
    row("service-clear-std", cluster::service_addresses, "Where clients reach this node."),
    row("service-clear-alt", cluster::alternate_addresses, "Alternate addresses of this node."),
    row("service-tls-std", refused::enterprise_only, TLS),
    row("service-tls-alt", refused::enterprise_only, TLS),
    row("admin-clear-std", cluster::admin_addresses, "Addresses of the admin port, if there is one."),
    row("admin-tls-std", identity::empty, "Addresses of an admin port with TLS: there is none."),
    row("services", identity::empty, "Old form of the peers: empty."),
    row("services-alternate", identity::empty, "Old form of the peers: empty."),
    row("services-alumni", identity::empty, "Old form of all nodes ever seen: empty."),
    row("services-alumni-reset", cluster::forget_alumni, "Forgets nodes that went away."),
    row("peers-clear-std", cluster::peers, "Generation, default port and the other nodes."),
    row("peers-clear-alt", cluster::peers_alternate, "The same with alternate addresses."),
    row("peers-tls-std", refused::enterprise_only, TLS),
    row("peers-tls-alt", refused::enterprise_only, TLS),
    row("alumni-clear-std", cluster::peers, "All nodes ever seen, in the form of the peers."),
    row("alumni-clear-alt", cluster::peers_alternate, "The same with alternate addresses."),
    row("alumni-tls-std", refused::enterprise_only, TLS),
    row("alumni-tls-alt", refused::enterprise_only, TLS),
    row("peers-generation", cluster::peers_generation, "Moves when the peers change."),
    row("partition-generation", cluster::partition_generation, "Moves when the partition map changes."),
    row("rebalance-generation", cluster::rebalance_generation, "Moves when racks change."),
    row("replicas", cluster::replicas, "The partitions of this node: regime, copies, a bitmap a copy."),
    row("replicas-all", cluster::replicas_all, "The same without regime."),
    row("replicas-max", cluster::replicas_all, "The same without regime."),
    row("replicas-master", cluster::replicas_master, "Only the partitions of which this node is master."),
    row(
        "shipload-held",
        cluster::held,
        "`namespace=NS`: a letter a partition: `M` served, `F` full, `p` partial, `.` none.",
    ),
    row(
        "shipload-changes",
        changes::changes,
        "`namespace=NS[;since=N]`: what was written since, as far as it is kept, and how its partitions move.",
    ),
    row(
        "shipload-versions",
        versions::versions,
        "`namespace=NS;set=S`: where the numbers come from, and how often each partition's records of the set changed.",
    ),
    row(
        "shipload-lease",
        sketch::lease,
        "`namespace=NS;digest=HEX`: milliseconds that HTTP caches may keep the record, as it is from now on.",
    ),
    row(
        "shipload-sketch",
        sketch::sketch,
        "`namespace=NS`: partitions led and tainted, and records with older copies in HTTP caches.",
    ),
    row(
        "shipload-statements",
        statements::statements,
        "`list=running|ended|measures[;from=N]`: a page of this node's statements of SQL, as JSON in base64.",
    ),
    row(
        "shipload-kill",
        statements::kill,
        "`id=ID`: ends the statement of SQL with this id on this node; `id=all` all of them.",
    ),
    row("partition-info", cluster::partition_info, "One row a partition, with names in the first row."),
    row("cluster-name", cluster::cluster_name, "The cluster's name, or `null`."),
    row(
        "cluster-stable",
        cluster::cluster_stable,
        "`[size=N;][namespace=NS]`: the cluster's key when stable.",
    ),
    row("tip", cluster::tip, "`host=H;port=P`: joins a peer; its name is looked up again and again."),
    row("tip-clear", cluster::tip_clear, "`host-port-list=all|H:P,...`: forgets seeds and tips."),
    row(
        "recluster",
        cluster::recluster,
        "Forms the cluster anew, so that racks and quiesced nodes take effect.",
    ),
    row("mcast", refused::no_multicast, "Multicast heartbeats: there are none."),
    row("rack-ids", cluster::rack_ids, "The rack of this node, for each namespace."),
    row("racks", cluster::racks, "The nodes of every rack, for each namespace."),
    row("roster", refused::enterprise_only, PAID),
    row("roster-set", refused::enterprise_only, PAID),
    row("quiesce", cluster::quiesce, "Hands over what this node masters, before it leaves."),
    row("quiesce-undo", cluster::quiesce_undo, "Takes this node's share again."),
    row("revive", refused::enterprise_only, PAID),
    row("feature-key", refused::enterprise_only, PAID),
    row("masking", refused::enterprise_only, PAID),
    row("masking-show", refused::enterprise_only, PAID),
    row("xdr-set-filter", refused::enterprise_only, PAID),
    row("namespaces", namespaces::namespaces, "The names of all namespaces."),
    row("namespace", namespaces::namespace, "`/NS`: statistics and configuration of a namespace."),
    row("sets", sets::sets, "`[/NS[/SET]]`: objects, bytes and configuration of sets."),
    row("statistics", statistics::statistics, "Statistics of the node."),
    row("get-stats", configure::get_stats, "`context=xdr;dc=D`: statistics of shipping: empty."),
    row("get-config", configure::get_config, "`[context=service|network|namespace[;namespace=NS[;set=S]]]`."),
    row("set-config", configure::set_config, "`context=...;KEY=VALUE`: changes a dynamic key."),
    row("latencies", latencies::latencies, "`[hist=NAME]`: latencies of the last ten to twenty seconds."),
    row("histogram", latencies::histogram, "`namespace=NS;type=ttl|object-size|object-size-linear[;set=S]`."),
    row("logs", logs::logs, "Where log lines go, by id."),
    row("log", logs::log, "`/ID`: the severity of each part of the node."),
    row("log-set", logs::log_set, "`id=I;PART=SEVERITY`: turns a part up or down; `any` for all."),
    row("query-show", queries::show, "`[id=N]`: tracked queries."),
    row("query-abort", queries::abort, "`id=N`: stops a query."),
    row("query-abort-all", queries::abort_all, "Stops all queries."),
    row("truncate", truncate::set, "`namespace=NS;set=S[;lut=NS]`: deletes a set's records, or those older."),
    row("truncate-namespace", truncate::namespace, "`namespace=NS[;lut=NS]`: the same for a namespace."),
    row("truncate-undo", truncate::undo_set, "`namespace=NS;set=S`: forgets the cut-off of a set."),
    row(
        "truncate-namespace-undo",
        truncate::undo_namespace,
        "`namespace=NS`: forgets the namespace's cut-off.",
    ),
    row("sindex", sindex::by_path, "`[/NS[/NAME]]`: secondary indexes, or how far one is."),
    row("sindex-list", sindex::list, "`[namespace=NS][;v=v2][;b64=true]`: secondary indexes."),
    row(
        "sindex-create",
        sindex::create,
        "`namespace=NS[;set=S];indexname=I;bin=B;type=T[;indextype=C][;context=X]`: creates an index.",
    ),
    row("sindex-delete", sindex::delete, "`namespace=NS;indexname=I`: deletes an index."),
    row("sindex-exists", sindex::exists, "`namespace=NS;indexname=I`: whether there is such an index."),
    row("sindex-stat", sindex::stat, "`namespace=NS;indexname=I`: entries and progress of an index."),
    row("udf-list", udf::list, "Registered modules, by name, each with its hash."),
    row(
        "udf-put",
        udf::put,
        "`filename=F;content=<base64>;content-len=N[;udf-type=LUA]`: registers a module.",
    ),
    row("udf-get", udf::get, "`filename=F`: a module's source."),
    row("udf-remove", udf::remove, "`filename=F`: forgets a module."),
    row("udf-clear-cache", identity::ok, "Accepted."),
    row("dump-cluster", identity::ok, DUMP),
    row("dump-fabric", identity::ok, DUMP),
    row("dump-hb", identity::ok, DUMP),
    row("dump-hlc", identity::ok, DUMP),
    row("dump-migrates", identity::ok, DUMP),
    row("dump-rw", identity::ok, DUMP),
    row("dump-skew", identity::ok, DUMP),
];
