//! Indexes and functions: what `create index`, `drop index` and `execute` do, and which index serves a condition.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use aerospike::query::Filter;
use aerospike::{AdminPolicy, Client, IndexMap, Task, Value, WritePolicy};

use super::filter;
use super::literal::{show, to_json};
use super::session::{Failure, as_key};
use super::statement::{Comparison, Condition, Execute, Index, Operand, Relation, Table};

/// Longest wait for an index to be built or a background job to end.
const PATIENCE: Duration = Duration::from_secs(600);

/// Creates an index and waits until it is built.
pub(crate) async fn create(client: &Client, index: &Index) -> Result<(), Failure> {
    let Index { table, name, bin, kind, collection } = index;
    let policy = AdminPolicy::default();
    let task = client
        .create_index_on_bin(
            &policy,
            &table.namespace,
            &table.set,
            bin,
            name,
            kind.clone(),
            *collection,
            None,
        )
        .await?;
    task.wait_till_complete(Some(PATIENCE)).await?;
    Ok(())
}

/// Deletes an index.
pub(crate) async fn drop(client: &Client, table: &Table, name: &str) -> Result<(), Failure> {
    let task = client.drop_index(&AdminPolicy::default(), &table.namespace, &table.set, name).await?;
    task.wait_till_complete(Some(PATIENCE)).await?;
    Ok(())
}

/// Calls a function on one record and prints what it gives, or on many in the background.
pub(crate) async fn execute(
    client: &Client,
    policy: &WritePolicy,
    execute: &Execute,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Execute { module, function, arguments, table, condition } = execute;
    if let Condition::One(identity) = condition {
        let key = as_key(table, identity)?;
        let value = client.execute_udf(policy, &key, module, function, arguments).await?;
        let value = value.unwrap_or(Value::Nil);
        if json {
            writeln!(out, "{}", serde_json::json!({ "result": to_json(&value) }))?;
        } else {
            writeln!(out, "{}", show(&value))?;
        }
        return Ok(());
    }
    let mut statement = aerospike::Statement::new(&table.namespace, &table.set, aerospike::Bins::None);
    let mut policy = policy.clone();
    if let Condition::Bins(comparisons) = condition {
        if let Some(filter) = serving(client, table, comparisons).await? {
            statement.set_filter(filter);
        }
        policy.base_policy.filter_expression = filter::expression(comparisons);
    }
    let task = client.query_execute_udf(&policy, statement, module, function, arguments).await?;
    task.wait_till_complete(Some(PATIENCE)).await?;
    if !json {
        writeln!(out, "OK")?;
    }
    Ok(())
}

/// All indexes, as the nodes tell of them.
pub(crate) async fn list(client: &Client) -> Result<Vec<BTreeMap<String, String>>, Failure> {
    let mut found: BTreeMap<(String, String), BTreeMap<String, String>> = BTreeMap::new();
    for node in client.nodes() {
        let mut answer: IndexMap<String, String> =
            node.info(&AdminPolicy::default(), &["sindex-list:"]).await?;
        for row in rows(&answer.swap_remove("sindex-list:").unwrap_or_default()) {
            let of = |key: &str| row.get(key).cloned().unwrap_or_default();
            found.entry((of("ns"), of("indexname"))).or_insert(row);
        }
    }
    Ok(found.into_values().collect())
}

/// The rows of `sindex-list`.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let pairs = |row: &str| {
        let pairs = row.split(':').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
    };
    text.split(';').map(pairs).filter(|row| row.contains_key("indexname")).collect()
}

/// The filter by which an index finds what fits a condition; none when no index does.
pub(crate) async fn serving(
    client: &Client,
    table: &Table,
    comparisons: &[Comparison],
) -> Result<Option<Filter>, Failure> {
    let candidates = wanted(comparisons);
    if candidates.is_empty() {
        return Ok(None);
    }
    let indexes = list(client).await?;
    let serves = |(bin, kind): (&str, &str)| {
        indexes.iter().any(|row| {
            let is = |key: &str, value: &str| row.get(key).is_some_and(|known| known == value);
            let of_set = is("set", &table.set) || (table.set.is_empty() && is("set", "NULL"));
            is("ns", &table.namespace)
                && of_set
                && is("bin", bin)
                && is("type", kind)
                && is("indextype", "default")
                && is("context", "null")
                && is("exp", "null")
                && is("state", "RW")
        })
    };
    Ok(candidates.into_iter().find(|(bin, kind, _)| serves((bin, kind))).map(|(_, _, filter)| filter))
}

/// What indexes could serve: bin, type, and the filter.
fn wanted(comparisons: &[Comparison]) -> Vec<(&str, &'static str, Filter)> {
    let mut found: Vec<(&str, &'static str, Filter)> = Vec::new();
    let mut ranges: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for Comparison { bin, relation, operand } in comparisons {
        match (relation, operand) {
            (Relation::Equal, Operand::Text(text)) => {
                found.push((bin, "string", Filter::equal(bin, text.clone())));
            }
            (Relation::Equal, Operand::Blob(bytes)) => {
                found.push((bin, "blob", Filter::equal(bin, bytes.clone())));
            }
            (relation, Operand::Integer(number)) => {
                let (begin, end) = ranges.entry(bin).or_insert((i64::MIN, i64::MAX));
                match relation {
                    Relation::Equal => (*begin, *end) = ((*begin).max(*number), (*end).min(*number)),
                    Relation::Greater => *begin = (*begin).max(number.saturating_add(1)),
                    Relation::GreaterOrEqual => *begin = (*begin).max(*number),
                    Relation::Less => *end = (*end).min(number.saturating_sub(1)),
                    Relation::LessOrEqual => *end = (*end).min(*number),
                    Relation::NotEqual => {}
                }
            }
            (_, Operand::Text(_) | Operand::Blob(_) | Operand::Double(_) | Operand::Bool(_)) => {}
        }
    }
    let bounded =
        ranges.into_iter().filter(|(_, (begin, end))| (*begin, *end) != (i64::MIN, i64::MAX) && begin <= end);
    found.extend(bounded.map(|(bin, (begin, end))| (bin, "numeric", Filter::range(bin, begin, end))));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(bin: &str, relation: Relation, operand: Operand) -> Comparison {
        Comparison { bin: bin.to_owned(), relation, operand }
    }

    #[test]
    fn equal_values_and_ranges_can_be_served() {
        let between = [
            comparison("a", Relation::GreaterOrEqual, Operand::Integer(1)),
            comparison("a", Relation::LessOrEqual, Operand::Integer(9)),
            comparison("s", Relation::Equal, Operand::Text("x".to_owned())),
            comparison("d", Relation::Less, Operand::Double(1.5)),
        ];
        let found: Vec<(&str, &str)> = wanted(&between).iter().map(|(bin, kind, _)| (*bin, *kind)).collect();
        assert_eq!(found, [("s", "string"), ("a", "numeric")]);
        assert!(wanted(&[comparison("a", Relation::NotEqual, Operand::Integer(1))]).is_empty());
        let never = [
            comparison("a", Relation::Greater, Operand::Integer(5)),
            comparison("a", Relation::Less, Operand::Integer(2)),
        ];
        assert!(wanted(&never).is_empty());
    }

    #[test]
    fn rows_of_a_list_are_read() {
        let text = "ns=test:indexname=i:set=demo:bin=a:type=numeric:indextype=default:context=null:exp=null:state=RW";
        let rows = rows(text);
        assert_eq!((rows.len(), rows[0]["bin"].as_str()), (1, "a"));
        assert!(super::rows("").is_empty());
    }
}
