//! The nodes of the cluster, asked one by one; a silent one has nulls.

use super::{CRATE_VERSION, PRODUCT_VERSION, columns, object, unknown};
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::records::{NodeAddress, To};
use crate::value::Value;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long a node may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn table(sql: &Sql, name: &str) -> Result<RowSet> {
    match name {
        "nodes" => nodes(sql).await,
        "node_checks" => Ok(super::empty(&[
            ("id", Type::Int),
            ("node_id", Type::Text),
            ("severity", Type::Int),
            ("description", Type::Text),
            ("passed", Type::Bool),
            ("acknowledged", Type::Bool),
        ])),
        _ => Err(unknown("sys", name)),
    }
}

const SPEC: [(&str, Type); 19] = [
    ("attributes", Type::Object),
    ("connections", Type::Object),
    ("fs", Type::Object),
    ("heap", Type::Object),
    ("hostname", Type::Text),
    ("id", Type::Text),
    ("is_master", Type::Bool),
    ("load", Type::Object),
    ("mem", Type::Object),
    ("name", Type::Text),
    ("network", Type::Object),
    ("os", Type::Object),
    ("os_info", Type::Object),
    ("port", Type::Object),
    ("process", Type::Object),
    ("rest_url", Type::Text),
    ("roles", Type::Text),
    ("version", Type::Object),
    ("timestamp", Type::TimestampTz),
];

async fn nodes(sql: &Sql) -> Result<RowSet> {
    let mut rows = Vec::new();
    let all = sql.records.nodes().await?;
    let own = own_host(sql, &all).await;
    for node in &all {
        let ask = async |command| {
            let asked = timeout(PATIENCE, sql.records.info(&node.to, command)).await;
            asked.ok().and_then(|answer| answer.ok()).unwrap_or_default()
        };
        let said = [ask("statistics").await, ask("get-config:context=network").await].join(";");
        let stats: HashMap<&str, &str> = said.split(';').filter_map(|pair| pair.split_once('=')).collect();
        rows.push(row(sql, &node.id, (&node.to, &own), &stats));
    }
    Ok(RowSet { columns: columns(&SPEC), rows })
}

/// The host of an address `HOST:PORT`.
fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Where the own node is reached: one that listens on all addresses is told so by others.
async fn own_host(sql: &Sql, nodes: &[NodeAddress]) -> String {
    let bound = host_of(&sql.identity.http);
    let alone = match bound {
        "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        bound => return bound.to_owned(),
    };
    let told = timeout(PATIENCE, sql.records.as_others_tell(nodes)).await.ok().flatten();
    host_of(told.as_deref().unwrap_or(alone)).to_owned()
}

fn row(sql: &Sql, id: &str, (to, own): (&To, &str), stats: &HashMap<&str, &str>) -> Vec<Value> {
    let number = |name: &str| {
        stats.get(name).and_then(|text| text.parse::<i64>().ok()).map_or(Value::Null, Value::Int)
    };
    let kilo = |name: &str| match number(name) {
        Value::Int(number) => Value::Int(number.saturating_mul(1024)),
        other => other,
    };
    let host = match to {
        To::Own => own,
        To::Node(address) => host_of(address),
    };
    let (http, pg) = ports(sql, to, stats);
    let rest_url = http.as_int().map_or(Value::Null, |port| Value::Text(format!("{host}:{port}")));
    let principal = stats.get("cluster_principal").is_some_and(|principal| *principal == id);
    let uptime =
        number("uptime").as_int().map_or(Value::Null, |seconds| Value::Int(seconds.saturating_mul(1000)));
    vec![
        object(&[]),
        object(&[
            ("http", object(&[("open", Value::Null)])),
            ("transport", object(&[("open", number("client_connections"))])),
        ]),
        object(&[(
            "total",
            object(&[("size", Value::Null), ("used", Value::Null), ("available", Value::Null)]),
        )]),
        object(&[
            ("used", kilo("heap_allocated_kbytes")),
            ("free", Value::Null),
            ("max", kilo("heap_mapped_kbytes")),
        ]),
        Value::text(host),
        Value::text(id),
        Value::Bool(principal),
        object(&[("1", Value::Null), ("5", Value::Null), ("15", Value::Null)]),
        memory(stats),
        Value::text(id),
        object(&[]),
        object(&[
            ("uptime", uptime),
            (
                "cpu",
                object(&[
                    ("used", number("system_total_cpu_pct")),
                    ("user", number("system_user_cpu_pct")),
                    ("system", number("system_kernel_cpu_pct")),
                ]),
            ),
        ]),
        os_info(),
        object(&[("http", http), ("psql", pg)]),
        object(&[("cpu", object(&[("percent", number("process_cpu_pct"))]))]),
        rest_url,
        Value::text("[\"master\",\"data\"]"),
        version(),
        Value::Int(crate::jobs::now_ms()),
    ]
}

/// HTTP and PostgreSQL's port. A node says on which it should listen; of itself this one knows on which it does.
fn ports(sql: &Sql, to: &To, stats: &HashMap<&str, &str>) -> (Value, Value) {
    let told = |name: &str| {
        stats.get(name).and_then(|text| text.parse::<i64>().ok()).map_or(Value::Null, Value::Int)
    };
    match to {
        To::Own => {
            let http = sql.identity.http.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            (http.map_or(Value::Null, Value::Int), Value::Int(i64::from(sql.identity.pg_port)))
        }
        To::Node(_) => (told("http.port"), told("pg.port")),
    }
}

/// Memory of the machine, in bytes.
fn memory(stats: &HashMap<&str, &str>) -> Value {
    let number = |name: &str| stats.get(name).and_then(|text| text.parse::<i64>().ok());
    let shown = |number: Option<i64>| number.map_or(Value::Null, Value::Int);
    let free = number("system_free_mem_kbytes").map(|kilo| kilo.saturating_mul(1024));
    let free_percent = number("system_free_mem_pct");
    let used = match (free, free_percent) {
        (Some(bytes), Some(percent)) if percent > 0 => Some(bytes / percent * (100 - percent)),
        _ => None,
    };
    object(&[
        ("free", shown(free)),
        ("used", shown(used)),
        ("free_percent", shown(free_percent)),
        ("used_percent", shown(free_percent.map(|free| 100 - free))),
    ])
}

/// What this program calls itself, beside the version that clients look at.
fn version() -> Value {
    object(&[
        ("number", Value::text(CRATE_VERSION)),
        ("build_hash", Value::text(PRODUCT_VERSION)),
        ("build_snapshot", Value::Bool(false)),
        ("product", Value::text("shipload")),
        ("product_number", Value::text(PRODUCT_VERSION)),
    ])
}

/// The machine; what clients expect of a virtual machine says that there is none.
fn os_info() -> Value {
    let jvm = object(&[
        ("java_version", Value::Null),
        ("vm_name", Value::text("none: Rust")),
        ("vm_vendor", Value::text("shipload")),
        ("vm_version", Value::text(PRODUCT_VERSION)),
    ]);
    let cores = std::thread::available_parallelism()
        .map_or(Value::Null, |n| Value::Int(i64::try_from(n.get()).unwrap_or(0)));
    object(&[
        ("available_processors", cores),
        ("name", Value::text(std::env::consts::OS)),
        ("arch", Value::text(std::env::consts::ARCH)),
        ("version", Value::Null),
        ("jvm", jvm),
    ])
}
