//! Sets: `sets`, `sets/NS`, `sets/NS/SET`.

use super::answer::Answer;
use super::ask::Ask;
use super::inventory;
use crate::config::SetConfig;
use crate::namespace::Namespace;
use core::fmt::Write as _;
use shipload_store::{SetCounts, SetId};
use std::collections::BTreeSet;

pub(super) fn sets(ask: &Ask<'_>) -> Answer {
    let path = ask.command.path().unwrap_or("");
    let (name, set) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() {
        return Ok(ask.node.namespaces().iter().map(all_of).collect());
    }
    Ok(match (ask.node.namespace(name.as_bytes()), set) {
        (None, _) => "ns_type=unknown".to_owned(),
        (Some(namespace), "") => all_of(namespace),
        (Some(namespace), set) => one_of(namespace, set),
    })
}

/// Every set that ever held a record or has a configuration of its own.
fn all_of(namespace: &Namespace) -> String {
    let counts = inventory::set_counts(namespace);
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    for (id, name) in known_sets(namespace) {
        entry(&mut text, namespace, &name, id, counts.get(id.index()).copied());
        shown.insert(name);
    }
    let configured = namespace.config.sets().into_iter().map(|(name, _)| name);
    for name in configured.filter(|name| !shown.contains(name)) {
        entry(&mut text, namespace, &name, SetId::NONE, Some(namespace.tenant_usage(&name)));
    }
    text
}

fn known_sets(namespace: &Namespace) -> Vec<(SetId, String)> {
    let sets = namespace.sets();
    sets.iter().map(|(id, name)| (id, String::from_utf8_lossy(name).into_owned())).collect()
}

/// One set without its name in front, as the answer to `sets/NS/SET` stands alone.
fn one_of(namespace: &Namespace, name: &str) -> String {
    let mut text = String::new();
    match inventory::find_set(namespace, name) {
        Some(id) => entry_values(&mut text, namespace, name, id, namespace.set_usage(id)),
        None if namespace.config.set(name).is_some() => {
            entry_values(&mut text, namespace, name, SetId::NONE, namespace.tenant_usage(name));
        }
        None => {}
    }
    text
}

fn entry(text: &mut String, namespace: &Namespace, name: &str, id: SetId, counts: Option<SetCounts>) {
    // Writing into a String cannot fail.
    let _ = write!(text, "ns={}:set={name}:", namespace.name);
    entry_values(text, namespace, name, id, counts.unwrap_or_default());
}

fn entry_values(text: &mut String, namespace: &Namespace, name: &str, id: SetId, counts: SetCounts) {
    let cut_ms = if id == SetId::NONE { 0 } else { namespace.cutoffs().set_ms(id) };
    let truncating = id != SetId::NONE && namespace.is_truncating(Some(id));
    let indexes = namespace.sindexes.list();
    let own = indexes.iter().filter(|index| id != SetId::NONE && index.set == Some(id));
    let (sindexes, populating) =
        own.fold((0, false), |(count, any), index| (count + 1, any || !index.is_readable()));
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "objects={}:tombstones=0:data_used_bytes={}:truncate_lut={cut_ms}:sindexes={sindexes}:\
         index_populating={populating}:truncating={truncating}",
        counts.objects, counts.record_bytes,
    );
    let refused = namespace.quotas.refused(name);
    if refused > 0 {
        let _ = write!(text, ":requests_refused={refused}");
    }
    let config = namespace.config.set(name);
    let defaults = SetConfig::default();
    for (key, value) in config.as_deref().unwrap_or(&defaults).iter() {
        let _ = write!(text, ":{}={value}", key.name);
    }
    text.push(';');
}
