//! The catalogue's record, and a copy of it that is checked before it is used.

use super::indexes::Seen;
use super::table::Table;
use super::{DEFAULT_SCHEMA, Discovered, RESERVED, SYSTEM_SCHEMAS};
use crate::error::{Kind, Result, SqlError};
use crate::records::{Bins, Digest, Mode, Place, RecordError, Records, To, Write, digest_of};
use crate::value::Value;
use parking_lot::Mutex;
use shipload_wire::ResultCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The record's key in the reserved set.
const KEY: &str = "catalog";
const BIN: &str = "tables";
/// Attempts at a change when others change the catalogue at the same time.
const ATTEMPTS: u32 = 20;

/// The tables that were created, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By schema and name.
    pub tables: BTreeMap<(String, String), Arc<Table>>,
    /// The generation of the record; 0 when there is none.
    pub generation: u32,
}

/// The catalogue of the cluster.
#[derive(Clone)]
pub struct Catalogs {
    pub(super) records: Records,
    pub(super) indexes: Arc<Mutex<Seen>>,
    kept: Arc<Mutex<Arc<Catalog>>>,
    namespaces: Arc<Mutex<Vec<String>>>,
    discovered: Arc<Discovered>,
}

impl Catalogs {
    /// The catalogue behind these records.
    #[must_use]
    pub fn new(records: Records) -> Catalogs {
        let discovered = Arc::new(Discovered::new(records.clone()));
        Catalogs {
            records,
            indexes: Arc::default(),
            kept: Arc::default(),
            namespaces: Arc::default(),
            discovered,
        }
    }

    /// The namespaces, the default one first.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn namespaces(&self) -> Result<Vec<String>> {
        let known = self.namespaces.lock().clone();
        if !known.is_empty() {
            return Ok(known);
        }
        let text = self.records.info(&To::Own, "namespaces").await?;
        let names: Vec<String> = text.split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if names.is_empty() {
            return Err(SqlError::new(Kind::Unavailable, "the node has no namespace"));
        }
        self.namespaces.lock().clone_from(&names);
        Ok(names)
    }

    async fn place(&self) -> Result<(Place, Digest)> {
        let namespace = self.namespaces().await?.into_iter().next().unwrap_or_default();
        let digest = digest_of(RESERVED, &Value::text(KEY)).unwrap_or_default();
        Ok((Place { namespace, set: RESERVED.to_owned() }, digest))
    }

    /// The tables that were created, as of now.
    ///
    /// # Errors
    /// When the record can't be read.
    pub async fn now(&self) -> Result<Arc<Catalog>> {
        let (place, digest) = self.place().await?;
        let seen = self.records.get(&place, &digest, &Bins::None).await?;
        let generation = seen.map_or(0, |record| record.generation);
        let kept = Arc::clone(&self.kept.lock());
        if kept.generation == generation {
            return Ok(kept);
        }
        let fresh = Arc::new(self.read().await?);
        *self.kept.lock() = Arc::clone(&fresh);
        Ok(fresh)
    }

    async fn read(&self) -> Result<Catalog> {
        let (place, digest) = self.place().await?;
        let Some(record) = self.records.get(&place, &digest, &Bins::All).await? else {
            return Ok(Catalog::default());
        };
        let text = record.bin(BIN).as_text().unwrap_or("[]");
        let tables: Vec<Table> = serde_json::from_str(text).map_err(|error| {
            SqlError::new(Kind::Internal, format!("the catalogue can't be read: {error}"))
        })?;
        let tables =
            tables.into_iter().map(|one| ((one.schema.clone(), one.name.clone()), Arc::new(one))).collect();
        Ok(Catalog { tables, generation: record.generation })
    }

    /// Changes the catalogue; `change` is called again when somebody else was faster.
    ///
    /// # Errors
    /// What `change` refuses, or when the record can't be written.
    pub async fn change<T: Send>(
        &self,
        mut change: impl FnMut(&mut BTreeMap<(String, String), Arc<Table>>) -> Result<T> + Send,
    ) -> Result<T> {
        let (place, digest) = self.place().await?;
        for _ in 0..ATTEMPTS {
            let mut catalog = self.read().await?;
            let before = catalog.tables.clone();
            let made = change(&mut catalog.tables)?;
            if before == catalog.tables {
                return Ok(made);
            }
            let tables: Vec<&Table> = catalog.tables.values().map(Arc::as_ref).collect();
            let text = serde_json::to_string(&tables).map_err(|error| {
                SqlError::new(Kind::Internal, format!("the catalogue can't be written: {error}"))
            })?;
            let fresh = catalog.generation == 0;
            let write = Write {
                digest,
                key: Some(Value::text(KEY)),
                mode: if fresh { Mode::Create } else { Mode::Update },
                generation: (!fresh).then_some(catalog.generation),
                bins: vec![(BIN.to_owned(), Value::Text(text))],
            };
            match self.records.write(&place, &write).await {
                Ok(_) => return Ok(made),
                Err(RecordError::Refused(
                    ResultCode::Generation | ResultCode::RecordExists | ResultCode::NotFound,
                )) => {}
                // It may have been written, and is the newest one then, or not.
                Err(RecordError::Refused(ResultCode::Timeout)) => {
                    if self.read().await?.tables == catalog.tables {
                        return Ok(made);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(SqlError::new(Kind::TaskFailed, "the catalogue is changed by too many at the same time"))
    }

    /// The table of this name: one that was created, or else a set.
    ///
    /// # Errors
    /// When there is neither.
    pub async fn table(&self, schema: &str, name: &str) -> Result<Arc<Table>> {
        let catalog = self.now().await?;
        if let Some(table) = catalog.tables.get(&(schema.to_owned(), name.to_owned())) {
            return Ok(Arc::clone(table));
        }
        if let Some(namespace) = self.namespace_of(schema).await?
            && let Some(table) = self.discovered.table(schema, &namespace, name).await?
        {
            return Ok(table);
        }
        let known =
            SYSTEM_SCHEMAS.contains(&schema) || schema == super::BLOB_SCHEMA || schema == DEFAULT_SCHEMA;
        let used = catalog.tables.keys().any(|(one, _)| one == schema);
        if !known && !used && self.namespace_of(schema).await?.is_none() {
            return Err(SqlError::new(Kind::UnknownSchema, format!("Schema '{schema}' unknown")));
        }
        Err(SqlError::unknown_relation(&format!("{schema}.{name}")))
    }

    /// All tables: those that were created, and the sets that have none.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn all(&self) -> Result<Vec<Arc<Table>>> {
        let catalog = self.now().await?;
        let mut all: Vec<Arc<Table>> = catalog.tables.values().cloned().collect();
        for (place, namespace) in self.namespaces().await?.iter().enumerate() {
            let schema = if place == 0 { DEFAULT_SCHEMA } else { namespace };
            let taken: Vec<&str> = catalog
                .tables
                .values()
                .filter(|one| one.namespace == *namespace)
                .map(|one| one.set.as_str())
                .collect();
            let sets = self.discovered.sets(namespace).await?;
            for set in sets.iter().filter(|set| !taken.contains(&set.as_str()) && !set.starts_with(RESERVED))
            {
                if let Some(table) = self.discovered.table(schema, namespace, set).await? {
                    all.push(table);
                }
            }
        }
        all.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        Ok(all)
    }

    /// The namespace that a schema shows; none for a schema that is only a name.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn namespace_of(&self, schema: &str) -> Result<Option<String>> {
        let namespaces = self.namespaces().await?;
        if schema == DEFAULT_SCHEMA {
            return Ok(namespaces.into_iter().next());
        }
        Ok(namespaces.into_iter().find(|namespace| namespace == schema))
    }

    /// A table with the members of its objects that no definition names, as its records show them.
    ///
    /// # Errors
    /// When its records can't be read.
    pub async fn described(&self, table: &Arc<Table>) -> Result<Arc<Table>> {
        let Some(seen) = self.discovered.table(&table.schema, &table.namespace, &table.set).await? else {
            return Ok(Arc::clone(table));
        };
        let mut whole = Table::clone(table);
        for column in &mut whole.columns {
            let bin = column.bin();
            let members = seen.columns.iter().filter(|one| one.name == bin).flat_map(|one| &one.children);
            for member in members {
                if column.children.iter().all(|child| child.name != member.name) {
                    column.children.push(member.clone());
                }
            }
        }
        Ok(Arc::new(whole))
    }

    /// About how many records a table has, copies counted; none when nobody tells.
    pub async fn rows(&self, table: &Table) -> Option<usize> {
        self.discovered.rows(&table.namespace, &table.set).await
    }

    /// Forgets what was found of sets.
    pub fn forget_sets(&self) {
        self.discovered.forget();
    }
}
