//! Configuration at run time: `get-config`, `set-config`, `get-stats`.

use super::answer::{Answer, InfoError, Pairs};
use super::ask::Ask;
use super::refused::enterprise_only;
use crate::config::Scope;

/// `id` is how older clients say `namespace`.
const NAMESPACE: [&str; 2] = ["namespace", "id"];

pub(super) fn get_config(ask: &Ask<'_>) -> Answer {
    let Some(context) = ask.param(&["context"]) else {
        if ask.command.params().next().is_some() {
            return Err(InfoError::parameter("missing 'context'"));
        }
        return shown(ask, &[Scope::Service, Scope::Network]);
    };
    match context {
        "service" => shown(ask, &[Scope::Service]),
        "network" => shown(ask, &[Scope::Network]),
        "security" | "xdr" => Ok(String::new()),
        "namespace" => shown(ask, &[namespace_scope(ask)?]),
        _ => Err(InfoError::parameter("invalid context")),
    }
}

/// The scope of a namespace, or of a set inside it when one is named.
fn namespace_scope(ask: &Ask<'_>) -> Result<Scope, InfoError> {
    let namespace = ask.namespace(&NAMESPACE)?.name.clone();
    Ok(match ask.set_name()? {
        Some(set) => Scope::Set { namespace, set: set.to_owned() },
        None => Scope::Namespace(namespace),
    })
}

fn shown(ask: &Ask<'_>, scopes: &[Scope]) -> Answer {
    let mut pairs = Pairs::default();
    for scope in scopes {
        let values = ask.node.config().pairs(scope).map_err(|_| InfoError::unknown_namespace())?;
        for (name, value) in values {
            pairs.push(&name, value);
        }
    }
    Ok(pairs.finish())
}

pub(super) fn set_config(ask: &Ask<'_>) -> Answer {
    let scope = match ask.present("context")? {
        "service" => Scope::Service,
        "network" => Scope::Network,
        "namespace" => namespace_scope(ask)?,
        "security" | "xdr" => return enterprise_only(ask),
        _ => return Err(InfoError::parameter("invalid context")),
    };
    let invalid = || InfoError::parameter("invalid set-config parameter");
    let mut changed = false;
    for (name, value) in ask.command.params().filter(|(key, _)| !is_address(&scope, key)) {
        ask.node.config().set(&scope, name, value).map_err(|_| invalid())?;
        changed = true;
    }
    if changed { Ok("ok".to_owned()) } else { Err(invalid()) }
}

/// Whether a parameter says where the change belongs, rather than being the change.
fn is_address(scope: &Scope, key: &str) -> bool {
    let in_namespace = matches!(scope, Scope::Namespace(_) | Scope::Set { .. });
    key == "context" || (in_namespace && (NAMESPACE.contains(&key) || key == "set"))
}

pub(super) fn get_stats(ask: &Ask<'_>) -> Answer {
    match ask.present("context")? {
        "xdr" => Ok(String::new()),
        _ => Err(InfoError::parameter("unknown context")),
    }
}
