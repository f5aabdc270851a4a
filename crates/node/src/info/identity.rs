//! Who this node is and what it can do.

use super::answer::{Answer, InfoError, Pairs};
use super::ask::Ask;
use super::commands::COMMANDS;

/// The server version whose protocol this node speaks. Clients switch features by it, so it must stay four numbers.
pub const BUILD: &str = "8.1.2.0";
/// The version of Shipload itself.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Tools look for the word "Community" or "Enterprise" to know which features may exist.
const EDITION: &str = "Aerospike Community Edition";

/// What this program was built for, which is a constant and not asked from the environment.
const ARCH: &str = if cfg!(target_arch = "x86_64") {
    "x86_64"
} else if cfg!(target_arch = "aarch64") {
    "aarch64"
} else {
    "other"
};
const OS: &str = if cfg!(target_os = "linux") {
    "linux"
} else if cfg!(target_os = "macos") {
    "macos"
} else {
    "other"
};

const FEATURES: &str = "batch-any;batch-index;blob-bits;cdt-index;cdt-list;cdt-map;cluster-stable;float;geo;\
    sindex-exists;peers;pipelining;pquery;pscans;query-show;relaxed-sc;replicas;replicas-all;replicas-master;\
    replicas-max;truncate-namespace;udf";

pub(super) fn help(_ask: &Ask<'_>) -> Answer {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    Ok(names.join(";"))
}

pub(super) fn node(ask: &Ask<'_>) -> Answer {
    Ok(node_name(ask))
}

/// The node's name as it stands in maps and lists.
pub(super) fn node_name(ask: &Ask<'_>) -> String {
    format!("{:X}", ask.node.identity.node_id)
}

/// The cluster's key as it stands in statistics.
pub(super) fn cluster_key(ask: &Ask<'_>) -> String {
    format!("{:X}", ask.node.cluster.status().key)
}

pub(super) fn features(_: &Ask<'_>) -> Answer {
    Ok(FEATURES.to_owned())
}

pub(super) fn build(_: &Ask<'_>) -> Answer {
    Ok(BUILD.to_owned())
}

pub(super) fn edition(_: &Ask<'_>) -> Answer {
    Ok(EDITION.to_owned())
}

pub(super) fn version(_: &Ask<'_>) -> Answer {
    Ok(format!("Shipload {VERSION}, compatible with {EDITION} build {BUILD}"))
}

pub(super) fn shipload_version(_: &Ask<'_>) -> Answer {
    Ok(VERSION.to_owned())
}

pub(super) fn release(_: &Ask<'_>) -> Answer {
    let mut pairs = Pairs::default();
    pairs.push("edition", EDITION);
    pairs.push("version", BUILD);
    pairs.push("os", OS);
    pairs.push("arch", ARCH);
    pairs.push("sha", "shipload");
    pairs.push("shipload", VERSION);
    Ok(pairs.finish())
}

pub(super) fn compatibility_id(_: &Ask<'_>) -> Answer {
    Ok("15".to_owned())
}

pub(super) fn build_arch(_: &Ask<'_>) -> Answer {
    Ok(ARCH.to_owned())
}

pub(super) fn build_os(_: &Ask<'_>) -> Answer {
    Ok(OS.to_owned())
}

/// Facts about a build that this program does not carry with it.
pub(super) fn empty(_: &Ask<'_>) -> Answer {
    Ok(String::new())
}

pub(super) fn ok(_: &Ask<'_>) -> Answer {
    Ok("ok".to_owned())
}

/// Whether the connection came in on the admin port, which tools that only look prefer.
pub(super) fn connection(ask: &Ask<'_>) -> Answer {
    let listen = ask.node.facts.listen.read();
    let port = ask.context.local.map(|local| local.port());
    let admin = listen.admin.iter().any(|bound| Some(bound.port()) == port);
    Ok(format!("admin={admin}"))
}

pub(super) fn best_practices(_: &Ask<'_>) -> Answer {
    Ok("failed_best_practices=none".to_owned())
}

pub(super) fn user_agent_set(ask: &Ask<'_>) -> Answer {
    match ask.present("value")? {
        "" => Err(InfoError::parameter("missing 'value' value")),
        _ => ok(ask),
    }
}
