//! The reference in `docs/configuration.md`, written from the tables.

use std::fmt::Write as _;

use super::aliases;
use super::key::{Key, Standing, TableKey};
use super::value;
use super::{ModLuaKey, NamespaceKey, NetworkKey, ServiceKey, SetKey};

/// The whole reference as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    section::<ServiceKey>(&mut out, "service { ... }", "The node as a whole. `get-config:context=service`.");
    section::<NetworkKey>(
        &mut out,
        "network { service { ... } ... }",
        "The part of a name before the dot is the stanza inside `network`. `get-config:context=network`.",
    );
    section::<NamespaceKey>(
        &mut out,
        "namespace NAME { ... }",
        "`storage-engine.` and `geo2dsphere-within.` stand for stanzas inside. \
         `get-config:context=namespace;namespace=NAME`.",
    );
    section::<SetKey>(
        &mut out,
        "namespace NAME { set NAME { ... } }",
        "`set-config:context=namespace;namespace=NAME;set=SET;KEY=VALUE`.",
    );
    section::<ModLuaKey>(&mut out, "mod-lua { ... }", "Functions in Lua.");
    out.push_str(LOGGING);
    old_names(&mut out);
    out
}

fn section<K: TableKey>(out: &mut String, title: &str, note: &str) {
    let _ = writeln!(out, "\n## `{title}`\n\n{note}\n");
    out.push_str("| key | default | allowed | at run time | what it does |\n|---|---|---|---|---|\n");
    for key in K::TABLE.iter().filter(|key| key.standing != Standing::Inert) {
        row(out, key);
    }
    let inert: Vec<&Key> = K::TABLE.iter().filter(|key| key.standing == Standing::Inert).collect();
    if inert.is_empty() {
        return;
    }
    out.push_str("\nKnown, checked and shown, but nothing reads them yet:\n\n");
    out.push_str("| key | default | allowed | what it is elsewhere |\n|---|---|---|---|\n");
    for key in inert {
        let allowed = value::allowed(key.kind);
        let _ = writeln!(out, "| `{}` | {} | {allowed} | {} |", key.name, shown(key.default), key.help);
    }
}

fn row(out: &mut String, key: &Key) {
    let changes = if key.standing == Standing::Dynamic { "yes" } else { "no" };
    let allowed = value::allowed(key.kind);
    let _ =
        writeln!(out, "| `{}` | {} | {allowed} | {changes} | {} |", key.name, shown(key.default), key.help);
}

fn shown(default: &str) -> String {
    if default.is_empty() { String::new() } else { format!("`{default}`") }
}

fn old_names(out: &mut String) {
    out.push_str(
        "\n## Old names\n\nTaken, with a warning, for the key of today:\n\n| old | now |\n|---|---|\n",
    );
    for (old, now) in aliases::renamed() {
        let _ = writeln!(out, "| `{old}` | `{now}` |");
    }
    out.push_str("\nTaken, with a warning, without effect: ");
    let gone: Vec<String> = aliases::gone().map(|name| format!("`{name}`")).collect();
    out.push_str(&gone.join(", "));
    out.push_str(
        ".\n\n## Refused\n\nThe node does not start with these, because it would break the promise:\n\n",
    );
    out.push_str("| what | why |\n|---|---|\n");
    for (name, why) in aliases::refused() {
        let _ = writeln!(out, "| `{name}` | {why} |");
    }
    out.push_str(REFUSED_STANZAS);
}

const INTRODUCTION: &str = "# Configuration\n\n\
<!-- Written by `config::reference_markdown()` in crates/node; a test compares. Do not edit by hand. -->\n\n\
A node reads an `aerospike.conf`. Unknown keys and stanzas are named in a warning and skipped; a wrong value \
stops the start with file, line and what is allowed. `#` begins a comment. Keys with `yes` in the column \
\"at run time\" can be changed with `set-config`; `get-config` shows them all.\n";

const LOGGING: &str = "\n## `logging { ... }`\n\n\
`console { context any info }`, `file PATH { context any info }`, `syslog { ... }`: where log lines go. \
Severities are `critical`, `warning`, `info`, `debug`, `detail`. Without the stanza, lines go to the \
console at `info`. At run time: `log-set:id=0;any=debug`.\n";

const REFUSED_STANZAS: &str = "| `security { ... }` | users and access control are not there yet |\n\
| `storage-engine device`, `storage-engine pmem` | records live in memory only in this version |\n\
| `strong-consistency true` | consistent namespaces are not there yet |\n\
| `index-type flash`, `index-type pmem` | indexes live in memory only |\n\n\
`xdr { ... }` and `network { tls NAME { ... } }` are skipped with a warning.\n";
