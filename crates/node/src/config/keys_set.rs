//! The keys of a `set` stanza inside a namespace, and of the `mod-lua` stanza.

use super::key::{Kind, key_table};

key_table! {
    /// Keys of a `set` stanza.
    SET,
    /// Names the keys of [`SET`].
    SetKey;
    DefaultReadTouchTtlPct "default-read-touch-ttl-pct", Kind::Integer { min: 0, max: 100 }, "0", Dynamic, "A read that comes in the last so many percent of a record's life renews it; 0: as the namespace says.";
    DefaultTtl "default-ttl", Kind::Duration { max_s: 315_360_000 }, "0", Dynamic, "Life of a record that is written without one, in seconds; 0: as the namespace says.";
    DisableEviction "disable-eviction", Kind::Bool, "false", Dynamic, "Records of this set are never evicted.";
    EnableIndex "enable-index", Kind::Bool, "false", Inert, "Keeps an index of the set's records.";
    MaxRequestsPerSecond "max-requests-per-second", Kind::Integer { min: 0, max: 1_000_000_000 }, "0", Dynamic, "Shipload: refuses what is asked of the set beyond so many requests a second on all nodes together; 0: no limit. A set named `PREFIX*` stands for all sets that begin with it.";
    MemorySharePct "memory-share-pct", Kind::Integer { min: 0, max: 100 }, "0", Dynamic, "Shipload: refuses new records once the set's data takes so many percent of the namespace's `data-size` on a node; 0, or no `data-size`: no limit.";
    StopWritesCount "stop-writes-count", Kind::Integer { min: 0, max: u64::MAX }, "0", Dynamic, "Refuses new records once the set has so many; 0: no limit.";
    StopWritesSize "stop-writes-size", Kind::Size { min: 0, max: u64::MAX }, "0", Dynamic, "Refuses new records once the set's data takes so many bytes; 0: no limit.";
}

key_table! {
    /// Keys of the `mod-lua` stanza.
    MOD_LUA,
    /// Names the keys of [`MOD_LUA`].
    ModLuaKey;
    CacheEnabled "cache-enabled", Kind::Bool, "true", Inert, "Keeps Lua states between calls.";
    MaxInstructions "max-instructions", Kind::Integer { min: 10_000, max: 1 << 40 }, "200000000", Dynamic, "Instructions of one call of a function; more end it with an error.";
    MaxMemory "max-memory", Kind::Size { min: 1 << 20, max: 1 << 32 }, "64M", Dynamic, "Bytes that one Lua state may take; there are as many states as calls at the same time.";
    MaxMs "max-ms", Kind::Integer { min: 0, max: 86_400_000 }, "1000", Dynamic, "Milliseconds that one call of a function may take, which holds a thread for functions for as long; 0: no limit but that of instructions.";
    UserPath "user-path", Kind::Text { max: 1024 }, "", Inert, "Where Lua modules of users are kept.";
}
