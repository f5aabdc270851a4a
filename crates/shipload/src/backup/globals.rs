//! Definitions of secondary indexes, and modules of functions: what a backup holds beside records.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::link::Link;

/// The definition of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexLine {
    pub(super) namespace: Vec<u8>,
    /// Empty for all sets.
    pub(super) set: Vec<u8>,
    pub(super) name: Vec<u8>,
    /// `N` on bins, `L` list elements, `K` map keys, `V` map values.
    pub(super) collection: u8,
    pub(super) bin: Vec<u8>,
    /// `N` numeric, `S` string, `G` geo2dsphere, `B` blob.
    pub(super) value_type: u8,
    /// Base 64; empty for none.
    pub(super) context: Vec<u8>,
}

/// A module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) name: Vec<u8>,
    pub(super) content: Vec<u8>,
}

/// Letters and the words of the info protocol.
const COLLECTIONS: [(u8, &str); 4] =
    [(b'N', "default"), (b'L', "list"), (b'K', "mapkeys"), (b'V', "mapvalues")];
const VALUE_TYPES: [(u8, &str); 4] =
    [(b'N', "numeric"), (b'S', "string"), (b'G', "geo2dsphere"), (b'B', "blob")];

fn word(table: &[(u8, &'static str)], letter: u8) -> Result<&'static str> {
    let found = table.iter().find(|(known, _)| *known == letter).map(|(_, word)| *word);
    found.with_context(|| format!("unknown letter '{}' of an index", letter.escape_ascii()))
}

fn letter(table: &[(u8, &str)], word: &str) -> Option<u8> {
    table.iter().find(|(_, known)| known.eq_ignore_ascii_case(word)).map(|(letter, _)| *letter)
}

/// The indexes of a namespace; those that the format has no line for are named.
pub(super) fn indexes(link: &mut Link, namespace: &str) -> Result<(Vec<IndexLine>, Vec<String>)> {
    let text = link.info(&format!("sindex-list:namespace={namespace};b64=true"))?;
    let (mut lines, mut others) = (Vec::new(), Vec::new());
    for row in text.split(';').filter(|row| !row.trim().is_empty()) {
        let value = |key: &str| {
            let value = row.split(':').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
            value.filter(|value| *value != "null").unwrap_or_default()
        };
        let name = value("indexname");
        let collection = letter(&COLLECTIONS, value("indextype"));
        let value_type = letter(&VALUE_TYPES, value("type"));
        match (collection, value_type) {
            (Some(collection), Some(value_type)) if value("exp").is_empty() && !value("bin").is_empty() => {
                lines.push(IndexLine {
                    namespace: namespace.into(),
                    set: value("set").into(),
                    name: name.into(),
                    collection,
                    bin: value("bin").into(),
                    value_type,
                    context: value("context").into(),
                });
            }
            _ => others.push(name.to_owned()),
        }
    }
    Ok((lines, others))
}

/// All modules.
pub(super) fn modules(link: &mut Link) -> Result<Vec<Module>> {
    let list = link.info("udf-list")?;
    let mut modules = Vec::new();
    for row in list.split(';') {
        let Some(name) = row.split(',').find_map(|pair| pair.trim().strip_prefix("filename=")) else {
            continue;
        };
        let answer = link.info(&format!("udf-get:filename={name}"))?;
        let content = answer.split(';').find_map(|pair| pair.strip_prefix("content="));
        let content = content.with_context(|| format!("module {name}: {answer}"))?;
        let content = STANDARD.decode(content).with_context(|| format!("module {name}"))?;
        modules.push(Module { name: name.into(), content });
    }
    Ok(modules)
}

/// Makes an index; one that is there with the same definition is left as it is.
pub(super) fn make_index(link: &mut Link, line: &IndexLine, namespace: Option<&str>) -> Result<()> {
    let text = |bytes: &[u8]| plain(bytes).with_context(|| "a name of an index".to_owned());
    let namespace = match namespace {
        Some(namespace) => namespace.to_owned(),
        None => text(&line.namespace)?,
    };
    let mut command = format!("sindex-create:namespace={namespace};indexname={}", text(&line.name)?);
    if !line.set.is_empty() {
        command.push_str(&format!(";set={}", text(&line.set)?));
    }
    command.push_str(&format!(";indextype={}", word(&COLLECTIONS, line.collection)?));
    command.push_str(&format!(";bin={};type={}", text(&line.bin)?, word(&VALUE_TYPES, line.value_type)?));
    if !line.context.is_empty() {
        command.push_str(&format!(";context={}", text(&line.context)?));
    }
    let answer = link.info(&command)?;
    // 200 says that there is one of this name, which is then as it was at the first restore, or somebody's choice.
    let done = answer.eq_ignore_ascii_case("ok") || answer.to_ascii_uppercase().starts_with("FAIL:200");
    ensure!(
        done || answer.to_ascii_uppercase().starts_with("ERROR:200"),
        "index {}: {answer}",
        text(&line.name)?
    );
    Ok(())
}

/// Registers a module, over one of the same name.
pub(super) fn put_module(link: &mut Link, module: &Module) -> Result<()> {
    let name = plain(&module.name).context("a name of a module")?;
    let content = STANDARD.encode(&module.content);
    let length = content.len();
    let answer =
        link.info(&format!("udf-put:filename={name};content={content};content-len={length};udf-type=LUA;"))?;
    if !answer.is_empty() && answer != "ok" {
        bail!("module {name}: {answer}");
    }
    Ok(())
}

/// Text that means nothing to the info protocol.
fn plain(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    (!text.contains([';', ':', '\n', '\t'])).then_some(text)
}
