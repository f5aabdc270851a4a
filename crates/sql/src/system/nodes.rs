//! The nodes of the cluster, asked one by one; a silent one has nulls.

use super::{CRATE_VERSION, PRODUCT_VERSION, columns, object, unknown};
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::records::To;
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
    for node in sql.records.nodes().await? {
        let asked = timeout(PATIENCE, sql.records.info(&node.to, "statistics")).await;
        let said = asked.ok().and_then(|answer| answer.ok()).unwrap_or_default();
        let stats: HashMap<&str, &str> = said.split(';').filter_map(|pair| pair.split_once('=')).collect();
        rows.push(row(sql, &node.id, &node.to, &stats));
    }
    Ok(RowSet { columns: columns(&SPEC), rows })
}

fn row(sql: &Sql, id: &str, to: &To, stats: &HashMap<&str, &str>) -> Vec<Value> {
    let number = |name: &str| {
        stats.get(name).and_then(|text| text.parse::<i64>().ok()).map_or(Value::Null, Value::Int)
    };
    let kilo = |name: &str| match number(name) {
        Value::Int(number) => Value::Int(number.saturating_mul(1024)),
        other => other,
    };
    let address = match to {
        To::Own => sql.identity.http.clone(),
        To::Node(address) => address.clone(),
    };
    let principal = stats.get("cluster_principal").is_some_and(|principal| *principal == id);
    let free_percent = number("system_free_mem_pct");
    let used_percent = free_percent.as_int().map_or(Value::Null, |free| Value::Int(100 - free));
    let free = kilo("system_free_mem_kbytes");
    let used = match (free.as_int(), free_percent.as_int()) {
        (Some(bytes), Some(percent)) if percent > 0 => Value::Int(bytes / percent * (100 - percent)),
        _ => Value::Null,
    };
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
        Value::text(address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host)),
        Value::text(id),
        Value::Bool(principal),
        object(&[("1", Value::Null), ("5", Value::Null), ("15", Value::Null)]),
        object(&[
            ("free", free),
            ("used", used),
            ("free_percent", free_percent),
            ("used_percent", used_percent),
        ]),
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
        object(&[("http", Value::Null), ("psql", Value::Int(i64::from(sql.identity.pg_port)))]),
        object(&[("cpu", object(&[("percent", number("process_cpu_pct"))]))]),
        Value::text(address),
        Value::text("[\"master\",\"data\"]"),
        version(),
        Value::Int(crate::jobs::now_ms()),
    ]
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
