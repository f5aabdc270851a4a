//! The keys of the `service` stanza.

use super::key::{Kind, key_table};

const BYTES_IN_NAME: Kind = Kind::Text { max: 64 };
const PATH: Kind = Kind::Text { max: 1024 };

const fn count(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

key_table! {
    /// Keys of the `service` stanza.
    SERVICE,
    /// Names the keys of [`SERVICE`].
    ServiceKey;
    AdvertiseIpv6 "advertise-ipv6", Kind::Bool, "false", Inert, "Whether IPv6 addresses are announced to clients and peers.";
    AutoPin "auto-pin", Kind::Choice(&["none", "cpu", "numa", "adq"]), "none", Inert, "Pins service threads to processors.";
    BatchIndexThreads "batch-index-threads", count(1, 256), "2", Inert, "Threads for batches. Shipload runs a batch on the thread that read it.";
    BatchMaxBuffersPerQueue "batch-max-buffers-per-queue", count(0, 100_000), "255", Inert, "Response buffers of a batch queue.";
    BatchMaxRequests "batch-max-requests", count(0, 1_000_000_000), "0", Dynamic, "The most rows of one batch; 0: no limit.";
    BatchMaxUnusedBuffers "batch-max-unused-buffers", count(0, 100_000), "256", Inert, "Batch buffers that are kept for later.";
    ClusterName "cluster-name", BYTES_IN_NAME, "null", Dynamic, "The name that clients and peers may insist on; null for none.";
    DataDirectory "data-directory", PATH, "", Static, "Where the node keeps its id, its metadata, and the records of namespaces without a file of their own; empty: nowhere.";
    DisableUdfExecution "disable-udf-execution", Kind::Bool, "false", Dynamic, "Refuses to run Lua functions.";
    EnableBenchmarksFabric "enable-benchmarks-fabric", Kind::Bool, "false", Inert, "Histograms of messages between nodes.";
    EnableHealthCheck "enable-health-check", Kind::Bool, "false", Inert, "Watches peers and devices for outliers.";
    EnableHistInfo "enable-hist-info", Kind::Bool, "false", Inert, "A histogram of info requests.";
    EnforceBestPractices "enforce-best-practices", Kind::Bool, "false", Inert, "Refuses to start when a best practice is not followed.";
    FeatureKeyFile "feature-key-file", PATH, "", Inert, "Accepted from existing files; Shipload has no feature keys.";
    Group "group", BYTES_IN_NAME, "", Inert, "The group to run as. Use the container's or the unit's setting.";
    IndentAllocations "indent-allocations", Kind::Bool, "false", Inert, "A debugging aid of another allocator.";
    InfoMaxMs "info-max-ms", count(500, 10_000), "10000", Inert, "The longest time for one info request, in milliseconds.";
    InfoThreads "info-threads", count(1, 256), "16", Inert, "Threads for info requests. Shipload answers on the thread that read them.";
    KeepCapsSsdHealth "keep-caps-ssd-health", Kind::Bool, "false", Inert, "Keeps the rights to ask devices for their health.";
    LogLocalTime "log-local-time", Kind::Bool, "false", Inert, "Local time in log lines.";
    LogMillis "log-millis", Kind::Bool, "false", Inert, "Milliseconds in log lines.";
    MicrosecondHistograms "microsecond-histograms", Kind::Bool, "false", Dynamic, "Latencies in microseconds instead of milliseconds.";
    MigrateFillDelay "migrate-fill-delay", Kind::Duration { max_s: 86_400 * 30 }, "0", Inert, "Time before copies are filled after a change of the cluster.";
    MigrateMaxNumIncoming "migrate-max-num-incoming", count(0, 256), "4", Dynamic, "Partitions that may arrive at the same time.";
    MigrateThreads "migrate-threads", count(0, 100), "1", Dynamic, "Threads that send partitions.";
    MinClusterSize "min-cluster-size", count(0, 256), "1", Inert, "The smallest cluster that serves.";
    NodeId "node-id", Kind::Text { max: 16 }, "", Static, "The node's id: up to 16 hexadecimal digits. Empty: from the data volume, or made up.";
    NodeIdInterface "node-id-interface", BYTES_IN_NAME, "", Inert, "The interface whose address makes the node id.";
    OsGroupPerms "os-group-perms", Kind::Bool, "false", Inert, "Group rights on files.";
    Pidfile "pidfile", PATH, "", Inert, "Where the process id is written when run as a daemon.";
    PoisonAllocations "poison-allocations", Kind::Bool, "false", Inert, "A debugging aid of another allocator.";
    ProtoFdIdleMs "proto-fd-idle-ms", count(0, 86_400_000), "0", Dynamic, "Closes client connections that were idle for so many milliseconds; 0 never.";
    ProtoFdMax "proto-fd-max", count(1, 2_000_000), "15000", Dynamic, "The most client connections at the same time.";
    QuarantineAllocations "quarantine-allocations", count(0, 100_000_000), "0", Inert, "A debugging aid of another allocator.";
    QueryMaxDone "query-max-done", count(0, 10_000), "100", Dynamic, "How many finished long queries query-show remembers.";
    QueryThreadsLimit "query-threads-limit", count(1, 1024), "128", Inert, "The most long queries that run at the same time.";
    RunAsDaemon "run-as-daemon", Kind::Bool, "true", Inert, "Shipload stays in the foreground; a supervisor or container runs it.";
    ServiceThreads "service-threads", count(0, 4096), "0", Static, "Threads that serve clients; 0: one for each processor.";
    SindexBuilderThreads "sindex-builder-threads", count(1, 32), "4", Inert, "Threads that fill a new secondary index.";
    SindexGcPeriod "sindex-gc-period", count(0, 86_400), "10", Inert, "Seconds between sweeps of secondary indexes.";
    SqlColumnMemoryPct "sql-column-memory-pct", count(0, 50), "10", Static, "Shipload: percent of the memory that is free at the start, for columns that SQL keeps of the sets it reads; 0: none.";
    SqlFiles "sql-files", PATH, "", Static, "Shipload: the folder that the statement COPY may read and write, in a program with SQL; empty: none.";
    SqlHosts "sql-hosts", PATH, "", Static, "Shipload: hosts that the statement COPY may reach by HTTP and S3, in a program with SQL, with commas between; a star stands for any part, but for no address of this machine or its wire; empty: none.";
    StayQuiesced "stay-quiesced", Kind::Bool, "false", Inert, "Starts without taking partitions.";
    TickerInterval "ticker-interval", Kind::Duration { max_s: 3_600 }, "10", Inert, "Seconds between the lines with statistics in the log; 0: none.";
    TlsRefreshPeriod "tls-refresh-period", Kind::Duration { max_s: 86_400 * 30 }, "60", Inert, "Seconds between looks at certificate files.";
    TransactionMaxMs "transaction-max-ms", count(0, 86_400_000), "1000", Dynamic, "The longest a request may wait for a thread for functions, in milliseconds; 0: no limit.";
    TransactionRetryMs "transaction-retry-ms", count(10, 86_400_000), "1002", Inert, "Milliseconds before a replica write is sent again.";
    User "user", BYTES_IN_NAME, "", Inert, "The user to run as. Use the container's or the unit's setting.";
    WorkDirectory "work-directory", PATH, "/opt/aerospike", Inert, "Where the node keeps its own files.";
}
