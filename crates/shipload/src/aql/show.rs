//! `show ...`: what the nodes say about namespaces, sets, bins and themselves, added up over the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use aerospike::query::PartitionFilter;
use aerospike::{AdminPolicy, Bins, Client, IndexMap, QueryPolicy, Value};
use tokio::sync::mpsc;

use super::session::Failure;
use super::statement::Show;
use super::table::Table;

/// Records of each set that are looked at for `show bins`: nodes keep no list of bins.
const SAMPLE_RECORDS: u64 = 1000;

/// A line of the answer: columns and cells.
type Cells = Vec<(&'static str, serde_json::Value)>;

/// Asks the nodes and prints the answer.
pub(crate) async fn run(client: &Client, what: Show, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = match what {
        Show::Namespaces => namespaces(client).await?,
        Show::Sets => sets(client).await?,
        Show::Bins => bins(client).await?,
        Show::Indexes => indexes(client).await?,
        Show::Nodes => nodes(client).await?,
    };
    print(&rows, json, out)
}

fn print(rows: &[Cells], json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        for row in rows {
            let object: serde_json::Map<_, _> =
                row.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            writeln!(out, "{}", serde_json::Value::from(object))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&mut *out);
    for row in rows {
        table.push(row.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect())?;
    }
    table.finish()?;
    let plural = if rows.len() == 1 { "" } else { "s" };
    writeln!(out, "{} row{plural} in set", rows.len())?;
    Ok(())
}

/// One command's answer from every node.
async fn ask_all(client: &Client, command: &str) -> Result<Vec<String>, Failure> {
    let mut answers = Vec::new();
    for node in client.nodes() {
        let mut answer: IndexMap<String, String> = node.info(&AdminPolicy::default(), &[command]).await?;
        answers.extend(answer.swap_remove(command));
    }
    Ok(answers)
}

async fn namespaces(client: &Client) -> Result<Vec<Cells>, Failure> {
    let names = namespace_names(client).await?;
    Ok(names.into_iter().map(|name| vec![("namespace", name.into())]).collect())
}

async fn namespace_names(client: &Client) -> Result<BTreeSet<String>, Failure> {
    let answers = ask_all(client, "namespaces").await?;
    let names = answers.iter().flat_map(|answer| answer.split(';')).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// The counters of a set that are added up over the nodes: our word, the node's words.
const SET_COUNTERS: &[(&str, &[&str])] = &[
    ("copies", &["objects"]),
    ("tombstones", &["tombstones"]),
    ("data_used_bytes", &["data_used_bytes", "memory_data_bytes"]),
];

/// Sets with their records: each is counted by all nodes that hold a copy, so copies are divided by how many there are of each.
/// While copies are made or removed that is near the truth only.
async fn sets(client: &Client) -> Result<Vec<Cells>, Failure> {
    let mut rows = sum_sets(&ask_all(client, "sets").await?);
    let mut factors = BTreeMap::new();
    for namespace in namespace_names(client).await? {
        let answers = ask_all(client, &format!("namespace/{namespace}")).await?;
        factors.insert(namespace, replication_factor(&answers));
    }
    for row in &mut rows {
        let factor = row.first().and_then(|(_, name)| factors.get(name.as_str()?)).copied().unwrap_or(1);
        let copies = row.get(2).and_then(|(_, copies)| copies.as_u64()).unwrap_or(0);
        row.insert(2, ("records", copies.div_ceil(factor).into()));
    }
    Ok(rows)
}

/// How many copies of each record there are to be, as most nodes see it; at least 1.
fn replication_factor(answers: &[String]) -> u64 {
    let pairs = answers.iter().flat_map(|answer| answer.split(';')).filter_map(|pair| pair.split_once('='));
    let factors = pairs.filter(|(name, _)| *name == "effective_replication_factor");
    factors.filter_map(|(_, value)| value.parse().ok()).max().unwrap_or(1).max(1)
}

/// Adds up the answers of several nodes, set by set.
fn sum_sets(answers: &[String]) -> Vec<Cells> {
    let mut sums: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for entry in answers.iter().flat_map(|answer| answer.split(';')) {
        let values: BTreeMap<&str, &str> = entry.split(':').filter_map(|pair| pair.split_once('=')).collect();
        let (Some(namespace), Some(set)) = (values.get("ns"), values.get("set")) else { continue };
        let name = ((*namespace).to_owned(), (*set).to_owned());
        let sum = sums.entry(name).or_insert_with(|| vec![0; SET_COUNTERS.len()]);
        for (total, (_, words)) in sum.iter_mut().zip(SET_COUNTERS) {
            let value = words.iter().find_map(|word| values.get(word)?.parse::<u64>().ok());
            *total = total.saturating_add(value.unwrap_or(0));
        }
    }
    let cells = |((namespace, set), sum): ((String, String), Vec<u64>)| -> Cells {
        let names: Cells = vec![("namespace", namespace.into()), ("set", set.into())];
        let counters = SET_COUNTERS.iter().zip(sum).map(|((name, _), sum)| (*name, sum.into()));
        names.into_iter().chain(counters).collect()
    };
    sums.into_iter().map(cells).collect()
}

/// Namespaces and sets as they are typed, for the prompt's completion.
pub(crate) async fn table_names(client: &Client) -> Result<Vec<String>, Failure> {
    let join = |(namespace, set): (String, String)| {
        if set.is_empty() { namespace } else { format!("{namespace}.{set}") }
    };
    Ok(tables(client).await?.into_iter().map(join).collect())
}

/// All namespaces (with the empty set) and all sets.
async fn tables(client: &Client) -> Result<BTreeSet<(String, String)>, Failure> {
    let mut tables: BTreeSet<(String, String)> =
        namespace_names(client).await?.into_iter().map(|namespace| (namespace, String::new())).collect();
    for row in sum_sets(&ask_all(client, "sets").await?) {
        if let [(_, namespace), (_, set), ..] = row.as_slice() {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            tables.insert((text(namespace), text(set)));
        }
    }
    Ok(tables)
}

/// Bins and their types in a sample of each set.
async fn bins(client: &Client) -> Result<Vec<Cells>, Failure> {
    let mut rows = Vec::new();
    for (namespace, set) in &tables(client).await? {
        for ((bin, kind), records) in sample(client, namespace, set).await? {
            rows.push(vec![
                ("namespace", namespace.as_str().into()),
                ("set", set.as_str().into()),
                ("bin", bin.into()),
                ("type", kind.into()),
                ("sampled_records", records.into()),
            ]);
        }
    }
    Ok(rows)
}

/// How many records of a sample have which bin with which type. The empty set stands for records without a
/// set: those of other sets, which such a scan returns too, are left out.
async fn sample(
    client: &Client,
    namespace: &str,
    set: &str,
) -> Result<BTreeMap<(String, &'static str), u64>, Failure> {
    let policy = QueryPolicy { max_records: SAMPLE_RECORDS, ..QueryPolicy::default() };
    let statement = aerospike::Statement::new(namespace, set, Bins::All);
    let (sender, mut receiver) = mpsc::channel(256);
    let forward = move |record| {
        let sender = sender.clone();
        async move { sender.send(record).await.is_ok() }
    };
    let _ = client.query_foreach(&policy, PartitionFilter::all(), statement, forward).await?;
    let mut found = BTreeMap::new();
    while let Some(record) = receiver.recv().await {
        let record = record?;
        if record.key.as_ref().is_none_or(|key| key.set_name() == set) {
            for (name, value) in record.bins {
                *found.entry((name, kind(&value))).or_insert(0) += 1;
            }
        }
    }
    Ok(found)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) => "integer",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Blob(_) => "blob",
        Value::List(_) | Value::MultiResult(_) => "list",
        Value::HashMap(_) | Value::OrderedMap(_) | Value::SortedMap(_) | Value::KeyValueList(_) => "map",
        Value::GeoJson(_) => "geojson",
        Value::Hll(_) => "hll",
        Value::Unknown(..) | Value::Infinity | Value::Wildcard | _ => "other",
    }
}

/// All indexes with what they stand on.
async fn indexes(client: &Client) -> Result<Vec<Cells>, Failure> {
    let columns =
        [("namespace", "ns"), ("set", "set"), ("index", "indexname"), ("bin", "bin"), ("type", "type")];
    let more = [("on", "indextype"), ("context", "context"), ("expression", "exp"), ("state", "state")];
    let cells = |row: BTreeMap<String, String>| {
        let cell =
            |(name, key): (&'static str, &str)| (name, row.get(key).cloned().unwrap_or_default().into());
        columns.into_iter().chain(more).map(cell).collect()
    };
    Ok(super::define::list(client).await?.into_iter().map(cells).collect())
}

async fn nodes(client: &Client) -> Result<Vec<Cells>, Failure> {
    let mut rows = Vec::new();
    for node in client.nodes() {
        let build =
            node.info(&AdminPolicy::default(), &["build"]).await?.swap_remove("build").unwrap_or_default();
        rows.push(vec![
            ("node", node.name().into()),
            ("address", node.host().to_string().into()),
            ("build", build.into()),
        ]);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_added_up_over_the_nodes() {
        let answers = [
            "ns=test:set=a:objects=2:tombstones=0:data_used_bytes=100;ns=test:set=b:objects=1:tombstones=0:data_used_bytes=5"
                .to_owned(),
            "ns=test:set=a:objects=3:tombstones=0:memory_data_bytes=50".to_owned(),
            String::new(),
        ];
        let rows = sum_sets(&answers);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][1], ("set", "a".into()));
        assert_eq!(rows[0][2], ("copies", 5.into()));
        assert_eq!(rows[0][4], ("data_used_bytes", 150.into()));
    }

    #[test]
    fn the_replication_factor_is_what_nodes_say() {
        let answers = ["objects=1;effective_replication_factor=2;ns=x".to_owned(), String::new()];
        assert_eq!(replication_factor(&answers), 2);
        assert_eq!(replication_factor(&["effective_replication_factor=0".to_owned()]), 1);
        assert_eq!(replication_factor(&[]), 1);
    }

    #[test]
    fn answers_are_printed_as_table_or_json() {
        let rows = [vec![("node", "A".into()), ("objects", 5.into())]];
        let print = |json| {
            let mut out = Vec::new();
            print(&rows, json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(print(false).contains("| \"A\"  | 5       |\n"));
        assert!(print(false).ends_with("1 row in set\n"));
        assert_eq!(print(true), "{\"node\":\"A\",\"objects\":5}\n");
    }
}
