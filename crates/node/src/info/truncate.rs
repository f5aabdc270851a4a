//! Truncation: `truncate`, `truncate-namespace`, and taking them back.
//!
//! An unknown namespace or set has no records, so there is nothing to do and nothing to complain about.

use super::answer::{Answer, InfoError};
use super::ask::Ask;
use crate::cluster::TRUNCATE;
use crate::truncate::Target;

pub(super) fn set(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace_name(&["namespace"])?;
    apply(ask, namespace, Target::Set(set_name(ask)?))
}

pub(super) fn namespace(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace_name(&["namespace"])?;
    refuse_set(ask)?;
    apply(ask, namespace, Target::Namespace)
}

pub(super) fn undo_set(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace_name(&["namespace"])?;
    undo(ask, namespace, Target::Set(set_name(ask)?))
}

pub(super) fn undo_namespace(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace_name(&["namespace"])?;
    refuse_set(ask)?;
    undo(ask, namespace, Target::Namespace)
}

fn apply(ask: &Ask<'_>, namespace: &str, target: Target<'_>) -> Answer {
    let lut_unix_ns = match ask.param(&["lut"]) {
        None => None,
        Some("") => return Err(InfoError::parameter("missing 'lut' value")),
        Some(text) => Some(text.parse::<u64>().map_err(|_| InfoError::parameter("bad 'lut' value"))?),
    };
    if let Some(namespace) = ask.node.namespace(namespace.as_bytes()) {
        let cut = namespace.truncate(target, lut_unix_ns, ask.now);
        let cut_ms = cut.map_err(|error| InfoError::parameter(error.to_string()))?;
        ask.spread(&cut_name(&namespace.name, target), Some(cut_ms.to_string().as_bytes()));
    }
    Ok("ok".to_owned())
}

fn undo(ask: &Ask<'_>, namespace: &str, target: Target<'_>) -> Answer {
    if let Some(namespace) = ask.node.namespace(namespace.as_bytes()) {
        namespace.truncate_undo(target).map_err(|fault| InfoError::parameter(fault.to_string()))?;
        ask.spread(&cut_name(&namespace.name, target), None);
    }
    Ok("ok".to_owned())
}

/// The name of a cut-off among what all nodes know.
fn cut_name(namespace: &str, target: Target<'_>) -> String {
    match target {
        Target::Namespace => format!("{TRUNCATE}{namespace}"),
        Target::Set(set) => format!("{TRUNCATE}{namespace}/{}", String::from_utf8_lossy(set)),
    }
}

fn set_name<'a>(ask: &Ask<'a>) -> Result<&'a [u8], InfoError> {
    let name = ask.set_name()?.ok_or_else(|| InfoError::parameter("missing 'set'"))?;
    Ok(name.as_bytes())
}

fn refuse_set(ask: &Ask<'_>) -> Result<(), InfoError> {
    match ask.param(&["set"]) {
        Some(_) => Err(InfoError::parameter("unexpected set name")),
        None => Ok(()),
    }
}
