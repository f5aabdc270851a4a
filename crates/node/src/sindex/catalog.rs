//! Which keys a record has: all definitions of a namespace, by set.

use super::registry::Index;
use super::value::{SET_KEY, Value, Wanted};
use crate::command::view::{Header, StoredView};
use crate::now::EPOCH_2010_S;
use parking_lot::RwLock;
use shipload_store::{IndexKey, KeySource, RecordRef, SetId, SetTable};
use shipload_value::cdt;
use shipload_value::expr::Clock;
use std::collections::HashMap;
use std::sync::Arc;

/// The definitions, as the stripes ask for them.
#[derive(Debug)]
pub(crate) struct Catalog {
    by_set: HashMap<SetId, Vec<Arc<Index>>>,
    /// Indexes of the whole namespace.
    everywhere: Vec<Arc<Index>>,
    sets: Arc<RwLock<SetTable>>,
}

impl Catalog {
    /// A catalog of these indexes; `sets` tells the names of sets to expressions.
    pub(crate) fn new(indexes: &[Arc<Index>], sets: Arc<RwLock<SetTable>>) -> Catalog {
        let mut catalog = Catalog { by_set: HashMap::new(), everywhere: Vec::new(), sets };
        for index in indexes {
            let same = match index.set {
                Some(set) => catalog.by_set.entry(set).or_default(),
                None => &mut catalog.everywhere,
            };
            same.push(Arc::clone(index));
        }
        catalog
    }
}

impl KeySource for Catalog {
    fn keys(&self, record: &RecordRef<'_>, only: Option<u16>, out: &mut Vec<IndexKey>) {
        let of_set = self.by_set.get(&record.meta().set).map_or(&[][..], Vec::as_slice);
        let indexes = of_set.iter().chain(&self.everywhere);
        for index in indexes.filter(|index| only.is_none_or(|only| only == index.slot)) {
            let slot = index.slot;
            index.visit(record, &self.sets, &mut |value| {
                value.keys(&mut |key| out.push(IndexKey { index: slot, key }));
            });
        }
    }
}

impl Index {
    /// Finds the values of a record in this index. Expressions are evaluated for the moment of the record's last
    /// update, so that they always find the same.
    pub(crate) fn visit(
        &self,
        record: &RecordRef<'_>,
        sets: &RwLock<SetTable>,
        out: &mut dyn FnMut(&Value<'_>),
    ) {
        let Some(value_type) = self.definition.value_type else { return out(&Value::Int(SET_KEY)) };
        let wanted = Wanted { collection: self.definition.collection, value_type };
        if let Some(program) = &self.program {
            let set = sets.read().name(record.meta().set).to_vec();
            let header = Header::stored(record, &set);
            let clock = Clock { unix_ms: record.meta().last_update_ms + EPOCH_2010_S * 1000 };
            if let Ok(Some(value)) = program.evaluate(&StoredView { record, header: &header }, clock) {
                wanted.in_particle(value.as_particle(), out);
            }
            return;
        }
        let bin = self.definition.bin.as_ref().and_then(|name| record.bin(name.as_bytes()));
        match bin {
            None => {}
            Some(bin) if self.definition.context.is_empty() => wanted.in_particle(bin.particle(), out),
            Some(bin) => {
                if let Some(encoded) = cdt::find(bin.particle(), &self.definition.context) {
                    wanted.in_encoding(encoded, out);
                }
            }
        }
    }
}
