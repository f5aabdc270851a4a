//! The cluster and where its records are.

use super::{columns, empty, object, unknown};
use crate::catalog::{Kind as TableKind, Table};
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::records::To;
use crate::session::Session;
use crate::value::Value;
use std::collections::HashMap;

pub(super) async fn table(sql: &Sql, session: &Session, name: &str) -> Result<RowSet> {
    match name {
        "cluster" => cluster(sql).await,
        "shards" => shards(sql).await,
        "health" => health(sql).await,
        "cluster_health" => cluster_health(sql).await,
        "checks" => checks(sql).await,
        "users" | "roles" => {
            let spec = [
                ("name", Type::Text),
                ("superuser", Type::Bool),
                ("granted_roles", Type::array(Type::Text)),
                ("password", Type::Text),
            ];
            let row =
                vec![Value::text(&session.user), Value::Bool(true), Value::List(Vec::new()), Value::Null];
            Ok(RowSet { columns: columns(&spec), rows: vec![row] })
        }
        "privileges" => Ok(empty(&[
            ("grantee", Type::Text),
            ("grantor", Type::Text),
            ("class", Type::Text),
            ("ident", Type::Text),
            ("state", Type::Text),
            ("type", Type::Text),
        ])),
        "repositories" => {
            Ok(empty(&[("name", Type::Text), ("type", Type::Text), ("settings", Type::Object)]))
        }
        "snapshots" => Ok(empty(&[("name", Type::Text), ("repository", Type::Text), ("state", Type::Text)])),
        "allocations" => Ok(empty(&[
            ("table_schema", Type::Text),
            ("table_name", Type::Text),
            ("shard_id", Type::Int),
            ("explanation", Type::Text),
        ])),
        _ => Err(unknown("sys", name)),
    }
}

async fn cluster(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("id", Type::Text),
        ("name", Type::Text),
        ("master_node", Type::Text),
        ("settings", Type::Object),
        ("license", Type::Object),
    ];
    let name = sql.records.info(&To::Own, "cluster-name").await?;
    let statistics = sql.records.info(&To::Own, "statistics").await?;
    let find = |key: &str| {
        statistics.split(';').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key)
    };
    let text = |key: &str| find(key).map_or(Value::Null, |(_, value)| Value::text(value));
    let name = if name == "null" { "shipload".to_owned() } else { name };
    let settings = object(&[(
        "stats",
        object(&[("enabled", Value::Bool(true)), ("jobs_log_size", Value::Int(10_000))]),
    )]);
    let row = vec![text("cluster_key"), Value::Text(name), text("cluster_principal"), settings, Value::Null];
    Ok(RowSet { columns: columns(&spec), rows: vec![row] })
}

/// What a node says of a table's namespace and set.
struct Holding {
    id: String,
    /// Copies of the table's records on the node.
    objects: i64,
    bytes: i64,
    /// Partitions whose records are still to come or to go.
    moving: i64,
    /// The shares of partitions that the node masters, and of which it keeps another copy.
    masters: f64,
    copies: f64,
    replication: i64,
    unavailable: i64,
}

async fn holdings(sql: &Sql, table: &Table) -> Result<Vec<Holding>> {
    let mut all = Vec::new();
    for node in sql.records.nodes().await? {
        let Ok(sets) = sql.records.info(&node.to, &format!("sets/{}/{}", table.namespace, table.set)).await
        else {
            continue;
        };
        let Ok(space) = sql.records.info(&node.to, &format!("namespace/{}", table.namespace)).await else {
            continue;
        };
        let replicas = sql.records.info(&node.to, "replicas").await.unwrap_or_default();
        let set: HashMap<&str, &str> =
            sets.split([':', ';']).filter_map(|pair| pair.split_once('=')).collect();
        let space: HashMap<&str, &str> = space.split(';').filter_map(|pair| pair.split_once('=')).collect();
        let number = |map: &HashMap<&str, &str>, key: &str| {
            map.get(key).and_then(|text| text.parse().ok()).unwrap_or(0i64)
        };
        let (masters, copies) = shares(&replicas, &table.namespace);
        all.push(Holding {
            id: node.id,
            objects: number(&set, "objects"),
            bytes: number(&set, "data_used_bytes"),
            moving: number(&space, "migrate_tx_partitions_remaining")
                + number(&space, "migrate_rx_partitions_remaining"),
            masters,
            copies,
            replication: number(&space, "effective_replication_factor"),
            unavailable: number(&space, "unavailable_partitions") + number(&space, "dead_partitions"),
        });
    }
    Ok(all)
}

/// How many partitions a node masters, and of how many it has another copy, as shares of all.
fn shares(replicas: &str, namespace: &str) -> (f64, f64) {
    use base64::Engine as _;
    let entry =
        replicas.split(';').filter_map(|entry| entry.split_once(':')).find(|(name, _)| *name == namespace);
    let bitmaps = entry.map_or("", |(_, rest)| rest).split(',').skip(2);
    let ones = bitmaps.map(|bits| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(bits).unwrap_or_default();
        f64::from(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>()) / 4096.0
    });
    let ones: Vec<f64> = ones.collect();
    (ones.first().copied().unwrap_or(0.0), ones.iter().skip(1).sum())
}

const SHARDS: [(&str, Type); 18] = [
    ("schema_name", Type::Text),
    ("table_name", Type::Text),
    ("id", Type::Int),
    ("partition_ident", Type::Text),
    ("node", Type::Object),
    ("primary", Type::Bool),
    ("state", Type::Text),
    ("routing_state", Type::Text),
    ("relocating_node", Type::Text),
    ("num_docs", Type::Long),
    ("size", Type::Long),
    ("orphan_partition", Type::Bool),
    ("min_lucene_version", Type::Text),
    ("recovery", Type::Object),
    ("path", Type::Text),
    ("blob_path", Type::Text),
    ("closed", Type::Bool),
    ("last_write_before", Type::TimestampTz),
];

/// One row for each shard group, node and role. Records are counted by node and set; a group has its share of them.
async fn shards(sql: &Sql) -> Result<RowSet> {
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await?.iter().filter(|table| table.kind != TableKind::View) {
        let holdings = holdings(sql, table).await?;
        let groups = i64::from(table.shards.max(1));
        let nodes = i64::try_from(holdings.len()).unwrap_or(1).max(1);
        for group in 0..groups {
            for (place, holding) in (0i64..).zip(&holdings) {
                // Groups go round the nodes; a node's records are shared by the groups that it shows.
                let roles = [
                    (true, group % nodes == place),
                    (false, (group + 1) % nodes == place && nodes > 1 && holding.replication > 1),
                ];
                for (primary, _) in roles.iter().filter(|(_, here)| *here) {
                    rows.push(shard_row(table, group, holding, *primary, groups, nodes));
                }
            }
        }
    }
    Ok(RowSet { columns: columns(&SHARDS), rows })
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn shard_row(
    table: &Table,
    group: i64,
    holding: &Holding,
    primary: bool,
    groups: i64,
    nodes: i64,
) -> Vec<Value> {
    let total = holding.masters + holding.copies;
    let mine = if primary { holding.masters } else { holding.copies };
    let share = if total > 0.0 { mine / total } else { 1.0 };
    let mine = |count: i64| {
        let all = (count as f64 * share).round() as i64;
        // The groups of this node in this role: numbers that leave its place when divided by the nodes.
        let first = group % nodes;
        let groups_here = (groups - first + nodes - 1) / nodes;
        let nth = group / nodes;
        let groups_here = groups_here.max(1);
        all / groups_here + i64::from(nth < all % groups_here)
    };
    let (state, stage, percent) = if holding.moving > 0 && !primary {
        ("INITIALIZING", "INDEX", 50.0)
    } else {
        ("STARTED", "DONE", 100.0)
    };
    let size = mine(holding.bytes);
    let recovered = object(&[
        ("used", Value::Int(size)),
        ("reused", Value::Int(0)),
        ("recovered", Value::Int(size)),
        ("percent", Value::Double(percent)),
    ]);
    let files = object(&[
        ("used", Value::Int(0)),
        ("reused", Value::Int(0)),
        ("recovered", Value::Int(0)),
        ("percent", Value::Double(percent)),
    ]);
    vec![
        Value::text(&table.schema),
        Value::text(&table.name),
        Value::Int(group),
        Value::text(""),
        object(&[("id", Value::text(&holding.id)), ("name", Value::text(&holding.id))]),
        Value::Bool(primary),
        Value::text(state),
        Value::text(state),
        Value::Null,
        Value::Int(mine(holding.objects)),
        Value::Int(size),
        Value::Bool(false),
        Value::Null,
        object(&[
            ("stage", Value::text(stage)),
            ("type", Value::text("EMPTY_STORE")),
            ("total_time", Value::Int(0)),
            ("size", recovered),
            ("files", files),
        ]),
        Value::Null,
        Value::Null,
        Value::Bool(false),
        Value::Null,
    ]
}

async fn health(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("health", Type::Text),
        ("missing_shards", Type::Long),
        ("partition_ident", Type::Text),
        ("severity", Type::Short),
        ("table_name", Type::Text),
        ("table_schema", Type::Text),
        ("underreplicated_shards", Type::Long),
    ];
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await?.iter().filter(|table| table.kind != TableKind::View) {
        let holdings = holdings(sql, table).await?;
        let missing = i64::from(holdings.iter().any(|one| one.unavailable > 0));
        let moving = i64::from(holdings.iter().any(|one| one.moving > 0));
        let (word, severity) = word(missing, moving);
        rows.push(vec![
            Value::text(word),
            Value::Int(missing),
            Value::Null,
            Value::Int(severity),
            Value::text(&table.name),
            Value::text(&table.schema),
            Value::Int(moving),
        ]);
    }
    Ok(RowSet { columns: columns(&spec), rows })
}

fn word(missing: i64, moving: i64) -> (&'static str, i64) {
    match (missing, moving) {
        (0, 0) => ("GREEN", 1),
        (0, _) => ("YELLOW", 2),
        _ => ("RED", 3),
    }
}

async fn cluster_health(sql: &Sql) -> Result<RowSet> {
    let all = health(sql).await?;
    let worst = all.rows.iter().filter_map(|row| row.get(3)?.as_int()).max().unwrap_or(1);
    let (word, severity) = word(i64::from(worst == 3), i64::from(worst == 2));
    let spec = [
        ("health", Type::Text),
        ("severity", Type::Short),
        ("description", Type::Text),
        ("pending_tasks", Type::Int),
    ];
    let row = vec![Value::text(word), Value::Int(severity), Value::text(""), Value::Int(0)];
    Ok(RowSet { columns: columns(&spec), rows: vec![row] })
}

async fn checks(sql: &Sql) -> Result<RowSet> {
    let spec =
        [("id", Type::Int), ("severity", Type::Int), ("description", Type::Text), ("passed", Type::Bool)];
    let worst = health(sql).await?.rows.iter().filter_map(|row| row.get(3)?.as_int()).max().unwrap_or(1);
    let check = |id: i64, severity: i64, text: &str, passed: bool| {
        vec![Value::Int(id), Value::Int(severity), Value::text(text), Value::Bool(passed)]
    };
    let rows = vec![
        check(1, 3, "All partitions have a master.", worst < 3),
        check(2, 2, "All copies are where they belong; otherwise records are being moved.", worst < 2),
    ];
    Ok(RowSet { columns: columns(&spec), rows })
}
