//! The keys of a `namespace` stanza and of the `storage-engine` stanza inside it.

use super::key::{Kind, key_table};

const TTL: Kind = Kind::Duration { max_s: 315_360_000 };
const PERCENT: Kind = Kind::Integer { min: 0, max: 100 };
const ANY_SIZE: Kind = Kind::Size { min: 0, max: u64::MAX };

const fn count(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

key_table! {
    /// Keys of a `namespace` stanza.
    NAMESPACE,
    /// Names the keys of [`NAMESPACE`].
    NamespaceKey;
    ActiveRack "active-rack", count(0, 1_000_000), "0", Inert, "The rack whose nodes are masters; 0: any.";
    AllowTtlWithoutNsup "allow-ttl-without-nsup", Kind::Bool, "false", Dynamic, "Accepts records that expire although nsup-period is 0.";
    ApplyTtlReductions "apply-ttl-reductions", Kind::Bool, "true", Dynamic, "Whether an update may shorten a record's life.";
    BackgroundQueryMaxRps "background-query-max-rps", count(1, 1_000_000), "10000", Dynamic, "Records a second that a background query may change.";
    CacheMaxTtl "cache-max-ttl", Kind::Duration { max_s: 86_400 }, "0", Static, "Shipload: seconds that HTTP caches may keep a record at most, as long as all nodes say; 0: they ask each time.";
    CacheMinTtl "cache-min-ttl", Kind::Duration { max_s: 86_400 }, "1", Dynamic, "Shipload: a copy in HTTP caches that should live shorter, in seconds, is not kept at all.";
    CacheWriteChancePct "cache-write-chance-pct", count(1, 99), "20", Dynamic, "Shipload: the chance that a record is written while HTTP caches keep it, from which its time there is made.";
    ConflictResolutionPolicy "conflict-resolution-policy", Kind::Choice(&["generation", "last-update-time"]), "generation", Dynamic, "Which copy wins when parts of a cluster meet again.";
    ConflictResolveWrites "conflict-resolve-writes", Kind::Bool, "false", Inert, "Merges bins that were shipped from other clusters.";
    DefaultReadTouchTtlPct "default-read-touch-ttl-pct", PERCENT, "0", Dynamic, "A read that comes in the last so many percent of a record's life renews it; 0: never.";
    DefaultTtl "default-ttl", TTL, "0", Dynamic, "Life of a record that is written without one, in seconds; 0: for ever.";
    DisableColdStartEviction "disable-cold-start-eviction", Kind::Bool, "false", Inert, "No eviction while records are loaded.";
    DisableMrtWrites "disable-mrt-writes", Kind::Bool, "false", Inert, "Refuses writes in transactions.";
    DisableWriteDupRes "disable-write-dup-res", Kind::Bool, "false", Dynamic, "Writes without looking for newer copies.";
    DisallowExpunge "disallow-expunge", Kind::Bool, "false", Inert, "Refuses deletes that leave no tombstone.";
    DisallowNullSetname "disallow-null-setname", Kind::Bool, "false", Dynamic, "Refuses records without a set.";
    EnableBenchmarksBatchSub "enable-benchmarks-batch-sub", Kind::Bool, "false", Inert, "More histograms of batch rows.";
    EnableBenchmarksOpsSub "enable-benchmarks-ops-sub", Kind::Bool, "false", Inert, "More histograms of background operations.";
    EnableBenchmarksRead "enable-benchmarks-read", Kind::Bool, "false", Inert, "More histograms of reads.";
    EnableBenchmarksUdf "enable-benchmarks-udf", Kind::Bool, "false", Inert, "More histograms of functions.";
    EnableBenchmarksUdfSub "enable-benchmarks-udf-sub", Kind::Bool, "false", Inert, "More histograms of background functions.";
    EnableBenchmarksWrite "enable-benchmarks-write", Kind::Bool, "false", Inert, "More histograms of writes.";
    EnableHistProxy "enable-hist-proxy", Kind::Bool, "false", Inert, "A histogram of proxied requests.";
    EvictHistBuckets "evict-hist-buckets", count(100, 10_000_000), "10000", Dynamic, "How finely remaining lives are told apart for eviction.";
    EvictIndexesMemoryPct "evict-indexes-memory-pct", PERCENT, "0", Dynamic, "Evicts above so many percent of indexes-memory-budget; 0: never.";
    EvictSysMemoryPct "evict-sys-memory-pct", PERCENT, "0", Dynamic, "Evicts when so many percent of the machine's or container's memory are in use; 0: never.";
    EvictTenthsPct "evict-tenths-pct", count(0, 1000), "5", Dynamic, "How much one eviction round removes, in tenths of a percent.";
    ForceLongQueries "force-long-queries", Kind::Bool, "false", Inert, "Treats every query as a long one.";
    Geo2dsphereEarthRadius "geo2dsphere-within.earth-radius-meters", count(0, u64::MAX), "6371000", Inert, "The radius of the sphere.";
    Geo2dsphereLevelMod "geo2dsphere-within.level-mod", count(1, 3), "1", Inert, "The step between levels of cells.";
    Geo2dsphereMaxCells "geo2dsphere-within.max-cells", count(1, 256), "12", Inert, "The most cells that cover a region.";
    Geo2dsphereMaxLevel "geo2dsphere-within.max-level", count(0, 30), "20", Inert, "The finest level of cells.";
    Geo2dsphereMinLevel "geo2dsphere-within.min-level", count(0, 30), "1", Inert, "The coarsest level of cells.";
    Geo2dsphereStrict "geo2dsphere-within.strict", Kind::Bool, "true", Inert, "Checks the results of cells against the region.";
    IgnoreMigrateFillDelay "ignore-migrate-fill-delay", Kind::Bool, "false", Inert, "Fills copies at once.";
    IndexStageSize "index-stage-size", ANY_SIZE, "1G", Inert, "Pieces in which another server allocates its index.";
    IndexType "index-type", Kind::Choice(&["shmem", "flash", "pmem"]), "shmem", Static, "Where the primary index lives; only shmem (memory) is there.";
    IndexesMemoryBudget "indexes-memory-budget", ANY_SIZE, "0", Dynamic, "Bytes that all indexes together may take; writes stop above it; 0: no limit.";
    InlineShortQueries "inline-short-queries", Kind::Bool, "false", Inert, "Runs short queries on service threads. Shipload always does.";
    MaxRecordSize "max-record-size", Kind::Size { min: 0, max: 8 << 20 }, "1M", Dynamic, "The largest record that is accepted, in bytes; 0: 8 MiB.";
    MigrateOrder "migrate-order", count(1, 10), "5", Inert, "Namespaces with smaller numbers migrate first.";
    MigrateRetransmitMs "migrate-retransmit-ms", count(0, 86_400_000), "5000", Inert, "Milliseconds before a migrated record is sent again.";
    MigrateSkipUnreadable "migrate-skip-unreadable", Kind::Bool, "false", Inert, "Leaves out records that cannot be read.";
    MigrateSleep "migrate-sleep", count(0, 86_400_000), "1", Inert, "Microseconds between migrated records.";
    MrtDuration "mrt-duration", count(1, 120), "10", Inert, "Seconds after which a transaction ends.";
    NsupHistPeriod "nsup-hist-period", Kind::Duration { max_s: 86_400 * 30 }, "3600", Inert, "Seconds between counts for the ttl and size histograms; 0: never.";
    NsupPeriod "nsup-period", Kind::Duration { max_s: 86_400 * 30 }, "0", Dynamic, "Seconds between sweeps that remove expired records; 0: never.";
    NsupThreads "nsup-threads", count(1, 128), "1", Inert, "Threads of the sweep. Shipload sweeps in small slices between requests.";
    PartitionTreeSprigs "partition-tree-sprigs", count(16, 1 << 28), "256", Inert, "Subtrees of another server's index.";
    PreferUniformBalance "prefer-uniform-balance", Kind::Bool, "true", Inert, "Spreads partitions evenly over nodes.";
    RackId "rack-id", count(0, 1_000_000), "0", Dynamic, "The rack of this node.";
    ReadConsistencyLevelOverride "read-consistency-level-override", Kind::Choice(&["off", "all", "one"]), "off", Dynamic, "Copies that a read asks while copies that contradict each other are merged.";
    RejectNonXdrWrites "reject-non-xdr-writes", Kind::Bool, "false", Inert, "Refuses writes of ordinary clients.";
    RejectXdrWrites "reject-xdr-writes", Kind::Bool, "false", Inert, "Refuses writes shipped from other clusters.";
    ReplicationFactor "replication-factor", count(1, 256), "2", Dynamic, "Copies of every record; in a smaller cluster one a node.";
    SindexStageSize "sindex-stage-size", ANY_SIZE, "1G", Inert, "Pieces in which another server allocates its secondary indexes.";
    SindexType "sindex-type", Kind::Choice(&["shmem", "flash", "pmem"]), "shmem", Static, "Where secondary indexes live; only shmem (memory) is there.";
    SingleQueryThreads "single-query-threads", count(1, 128), "4", Inert, "Threads of one query.";
    StopWritesSysMemoryPct "stop-writes-sys-memory-pct", PERCENT, "90", Dynamic, "Refuses writes when so many percent of the machine's or container's memory are in use; 0: never.";
    StrongConsistency "strong-consistency", Kind::Bool, "false", Static, "Consistent namespaces; refused until they are there.";
    TombRaiderEligibleAge "tomb-raider-eligible-age", Kind::Duration { max_s: 86_400 * 365 }, "86400", Inert, "Age at which a tombstone may go.";
    TombRaiderPeriod "tomb-raider-period", Kind::Duration { max_s: 86_400 * 365 }, "86400", Inert, "Seconds between sweeps of tombstones.";
    TransactionPendingLimit "transaction-pending-limit", count(0, 10_000), "20", Inert, "Requests that may wait for one record.";
    TruncateThreads "truncate-threads", count(1, 128), "4", Inert, "Threads of a truncation. Shipload truncates in small slices between requests.";
    WriteCommitLevelOverride "write-commit-level-override", Kind::Choice(&["off", "all", "master"]), "off", Inert, "Copies that a write waits for, whatever the client says.";
    StorageEngine "storage-engine", Kind::Choice(&["memory", "device", "pmem"]), "memory", Static, "Where records live: memory (with a file or device also there), or a file or device with only the index in memory.";
    CommitToDevice "storage-engine.commit-to-device", Kind::Bool, "false", Static, "Acknowledges a write when it is on stable storage; many writes share one sync.";
    Compression "storage-engine.compression", Kind::Choice(&["none", "lz4", "snappy", "zstd"]), "none", Static, "Compresses the content of records; snappy is taken as lz4.";
    CompressionAcceleration "storage-engine.compression-acceleration", count(0, 65_537), "0", Inert, "Speed over ratio for lz4.";
    CompressionLevel "storage-engine.compression-level", count(0, 9), "0", Static, "Ratio over speed for zstd; 0: 1.";
    DataSize "storage-engine.data-size", ANY_SIZE, "0", Dynamic, "Bytes that records may take; 0: what the memory limit allows.";
    DefragLwmPct "storage-engine.defrag-lwm-pct", count(1, 99), "50", Dynamic, "Blocks that are less than so many percent full are rewritten.";
    DefragQueueMin "storage-engine.defrag-queue-min", count(0, u64::MAX), "0", Inert, "Blocks that may wait before defragmenting begins.";
    DefragSleep "storage-engine.defrag-sleep", count(0, 1_000_000), "1000", Dynamic, "Microseconds between blocks; none when the devices are nearly full.";
    DefragStartupMinimum "storage-engine.defrag-startup-minimum", PERCENT, "0", Inert, "Free blocks needed to start, in percent.";
    Device "storage-engine.device", Kind::List, "", Static, "A raw device for records; several add up.";
    DirectFiles "storage-engine.direct-files", Kind::Bool, "false", Static, "Reads and writes blocks of files past the system's page cache, as those of devices.";
    EnableBenchmarksStorage "storage-engine.enable-benchmarks-storage", Kind::Bool, "false", Inert, "Histograms of the device.";
    Encryption "storage-engine.encryption", Kind::Choice(&["aes-256"]), "aes-256", Static, "How records are encrypted when there is a key file: AES-256 in XTS mode.";
    EncryptionKeyFile "storage-engine.encryption-key-file", Kind::Text { max: 1024 }, "", Static, "A file of 16 bytes or more from which the key is made that encrypts the namespace's files and devices.";
    EvictUsedPct "storage-engine.evict-used-pct", PERCENT, "0", Dynamic, "Evicts when so many percent of data-size are in use; 0: never.";
    File "storage-engine.file", Kind::List, "", Static, "A file for records, made when it is not there; several add up.";
    Filesize "storage-engine.filesize", ANY_SIZE, "0", Static, "Bytes of a file that is made; 0: as much as memory may be used.";
    FlushMaxMs "storage-engine.flush-max-ms", count(0, 86_400_000), "1000", Dynamic, "Milliseconds until what was written is put on stable storage; 0: a second.";
    FlushSize "storage-engine.flush-size", Kind::Size { min: 4096, max: 8 << 20 }, "1M", Inert, "Bytes of one write to the device.";
    MaxWriteCache "storage-engine.max-write-cache", ANY_SIZE, "64M", Static, "Bytes that may wait for the device.";
    PostWriteCache "storage-engine.post-write-cache", ANY_SIZE, "256M", Static, "Bytes that stay in memory after they were written.";
    ReadPageCache "storage-engine.read-page-cache", Kind::Bool, "false", Static, "Reads and writes raw devices through the system's page cache.";
    StopWritesAvailPct "storage-engine.stop-writes-avail-pct", PERCENT, "5", Dynamic, "Refuses writes when less than so many percent of data-size are free blocks; 0: never.";
    StopWritesUsedPct "storage-engine.stop-writes-used-pct", PERCENT, "70", Dynamic, "Refuses writes when so many percent of data-size are in use; 0: never.";
    TombRaiderSleep "storage-engine.tomb-raider-sleep", count(0, 1_000_000), "1000", Inert, "Microseconds between steps of a tombstone sweep.";
}
