//! Tables that nobody created: sets that the other doors wrote.

use super::table::{Column, Policy, Table};
use crate::column_type::Type;
use crate::error::Result;
use crate::records::{Bins, Place, Records, Scan};
use crate::value::Value;
use crate::value::cast::{type_of, wider};
use parking_lot::Mutex;
use shipload_value::digest::PARTITION_COUNT;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many records of each node are looked at for columns.
const SAMPLE: u64 = 500;
/// How long what was found is believed.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// The shards that are shown of a set.
const SHARDS: u32 = 6;

/// When a set was looked at, and what it is as a table.
type Finding = (Instant, Option<Arc<Table>>);

/// What was found of sets a moment ago.
pub struct Discovered {
    records: Records,
    tables: Mutex<HashMap<(String, String), Finding>>,
    counts: Mutex<HashMap<(String, String), (Instant, usize)>>,
}

impl Discovered {
    /// Nothing yet.
    #[must_use]
    pub fn new(records: Records) -> Discovered {
        Discovered { records, tables: Mutex::default(), counts: Mutex::default() }
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.tables.lock().clear();
    }

    /// About how many records a set has on all nodes, as of a moment ago; none when a node does not tell.
    pub async fn rows(&self, namespace: &str, set: &str) -> Option<usize> {
        let key = (namespace.to_owned(), set.to_owned());
        let kept = self.counts.lock().get(&key).filter(|(since, _)| since.elapsed() < FRESH).copied();
        if let Some((_, rows)) = kept {
            return Some(rows);
        }
        let mut rows = 0usize;
        for node in self.records.nodes().await.ok()? {
            let text = self.records.info(&node.to, &format!("sets/{namespace}/{set}")).await.ok()?;
            let count = text.split([':', ';']).find_map(|pair| pair.strip_prefix("objects="));
            rows = rows.saturating_add(count.and_then(|count| count.parse().ok()).unwrap_or(0));
        }
        self.counts.lock().insert(key, (Instant::now(), rows));
        Some(rows)
    }

    /// The names of the sets of a namespace that hold records, on any node.
    ///
    /// # Errors
    /// When the own node does not answer.
    pub async fn sets(&self, namespace: &str) -> Result<BTreeSet<String>> {
        let mut sets = BTreeSet::new();
        for node in self.records.nodes().await? {
            let Ok(text) = self.records.info(&node.to, &format!("sets/{namespace}")).await else { continue };
            for entry in text.split(';').filter(|entry| !entry.is_empty()) {
                let mut set = "";
                let mut objects = 0u64;
                for (key, value) in entry.split(':').filter_map(|pair| pair.split_once('=')) {
                    match key {
                        "set" => set = value,
                        "objects" => objects = value.parse().unwrap_or(0),
                        _ => {}
                    }
                }
                if objects > 0 && !set.is_empty() {
                    sets.insert(set.to_owned());
                }
            }
        }
        Ok(sets)
    }

    /// A set as a table; none when it holds nothing.
    ///
    /// # Errors
    /// When its records can't be read.
    pub async fn table(&self, schema: &str, namespace: &str, set: &str) -> Result<Option<Arc<Table>>> {
        let key = (schema.to_owned(), set.to_owned());
        let kept = self.tables.lock().get(&key).filter(|(since, _)| since.elapsed() < FRESH).cloned();
        if let Some((_, table)) = kept {
            return Ok(table);
        }
        let found = self.look(schema, namespace, set).await?;
        self.tables.lock().insert(key, (Instant::now(), found.clone()));
        Ok(found)
    }

    async fn look(&self, schema: &str, namespace: &str, set: &str) -> Result<Option<Arc<Table>>> {
        if !self.sets(namespace).await?.contains(set) {
            return Ok(None);
        }
        let scan = Scan {
            place: Place { namespace: namespace.to_owned(), set: set.to_owned() },
            partitions: (0..PARTITION_COUNT).collect(),
            bins: Bins::All,
            rows: None,
            groups: Vec::new(),
            along: Vec::new(),
            filter: Vec::new(),
            max_records: SAMPLE,
        };
        let mut columns: BTreeMap<String, Column> = BTreeMap::new();
        let records = self.records.scan(scan).all().await?;
        if records.is_empty() {
            return Ok(None);
        }
        for record in records {
            for (name, value) in record.bins.iter().filter(|(name, _)| name != "_") {
                merge(&mut columns, name, value);
            }
        }
        Ok(Some(Arc::new(Table {
            schema: schema.to_owned(),
            name: set.to_owned(),
            namespace: namespace.to_owned(),
            set: set.to_owned(),
            columns: columns.into_values().collect(),
            key: vec!["_id".to_owned()],
            policy: Policy::Dynamic,
            shards: SHARDS,
            replicas: "0-1".to_owned(),
            discovered: true,
            ..Table::default()
        })))
    }
}

/// Widens what is known of a column, or of a member, by one more value.
pub(super) fn merge(columns: &mut BTreeMap<String, Column>, name: &str, value: &Value) {
    let ty = type_of(value);
    let column = columns.entry(name.to_owned()).or_insert_with(|| Column::new(name, &Type::Null));
    let both = wider(&column.ty(), &ty);
    column.set_ty(&both);
    let mut children: BTreeMap<String, Column> =
        std::mem::take(&mut column.children).into_iter().map(|child| (child.name.clone(), child)).collect();
    let items: &[Value] = match value {
        Value::List(items) => items,
        other => std::slice::from_ref(other),
    };
    for item in items {
        if let Value::Map(pairs) = item {
            pairs.iter().for_each(|(name, value)| merge(&mut children, name, value));
        }
    }
    column.children = children.into_values().collect();
}
