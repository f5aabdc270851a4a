//! Secondary indexes: `sindex-create`, `sindex-delete`, `sindex-exists`, `sindex-list`, `sindex-stat`.

use super::answer::{Answer, InfoError, Pairs};
use super::ask::Ask;
use crate::cluster::INDEX;
use crate::namespace::Namespace;
use crate::sindex::{Collection, CreateError, Definition, Index, ValueType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt::Write as _;
use shipload_value::expr::{Kind, Program};
use shipload_value::{cdt, describe};
use shipload_wire::ResultCode;

/// Here the old spelling `ns` is still understood.
const NAMESPACE: [&str; 2] = ["namespace", "ns"];
const NAME_MAX: usize = 63;
const BIN_NAME_MAX: usize = 15;

/// How a list is to be written.
#[derive(Debug, Clone, Copy, Default)]
struct Style {
    /// Contexts and expressions as they were sent, not as text.
    base64: bool,
    /// Indexes of sets as well.
    sets: bool,
    /// The newer name of the numeric type.
    integer: bool,
}

impl Style {
    fn of(ask: &Ask<'_>) -> Style {
        let base64 = ask.param(&["b64"]).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let newer = matches!(ask.param(&["v"]), Some("v2" | "v3"));
        Style { base64, sets: base64 || newer, integer: newer }
    }
}

/// `sindex`, `sindex/NS`, `sindex/NS/NAME`.
pub(super) fn by_path(ask: &Ask<'_>) -> Answer {
    let path = ask.command.path().unwrap_or("");
    let (namespace, name) = path.split_once('/').unwrap_or((path, ""));
    if namespace.is_empty() {
        return Ok(all_of(ask.node.namespaces(), Style::default()));
    }
    match (ask.node.namespace(namespace.as_bytes()), name) {
        (None, _) => Ok("ns_type=unknown".to_owned()),
        (Some(namespace), "") => Ok(all_of([namespace], Style::default())),
        (Some(namespace), name) => statistics(namespace, name),
    }
}

pub(super) fn list(ask: &Ask<'_>) -> Answer {
    let style = Style::of(ask);
    if ask.param(&NAMESPACE).is_none() {
        return Ok(all_of(ask.node.namespaces(), style));
    }
    match ask.namespace(&NAMESPACE) {
        Ok(namespace) => Ok(all_of([namespace], style)),
        // The real server says this one twice, and clients have seen nothing else.
        Err(error) if error == InfoError::unknown_namespace() => Ok(format!("{error};{error}")),
        Err(error) => Err(error),
    }
}

pub(super) fn exists(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&NAMESPACE)?;
    Ok(namespace.sindexes.find(index_name(ask)?).is_some().to_string())
}

pub(super) fn stat(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&NAMESPACE)?;
    statistics(namespace, index_name(ask)?)
}

/// Deleting what is not there succeeds, as everywhere.
pub(super) fn delete(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace_name(&NAMESPACE)?;
    ask.set_name()?;
    let name = index_name(ask)?;
    if let Some(namespace) = ask.node.namespace(namespace.as_bytes()) {
        namespace.delete_index(name);
        ask.spread(&format!("{INDEX}{}/{name}", namespace.name), None);
    }
    Ok("ok".to_owned())
}

pub(super) fn create(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace_name(&NAMESPACE)?;
    let set = ask.set_name()?.map(str::to_owned);
    let name = index_name(ask)?;
    let mut definition = Definition { set, ..Definition::of(collection(ask)?) };
    let mut program = None;
    if definition.collection == Collection::Set {
        if definition.set.is_none() {
            return Err(InfoError::parameter("missing 'set'"));
        }
    } else {
        source(ask, &mut definition)?;
        if !definition.expression.is_empty() {
            program = Some(compile(&definition)?);
        }
        definition.context = context(ask)?;
    }
    if let Some(namespace) = ask.node.namespace(namespace.as_bytes()) {
        namespace.create_index(name, definition, program).map_err(refused)?;
        ask.spread(&format!("{INDEX}{}/{name}", namespace.name), Some(ask.line.as_bytes()));
    }
    Ok("ok".to_owned())
}

fn refused(error: CreateError) -> InfoError {
    let code = match error {
        CreateError::Conflict => ResultCode::IndexFound,
        CreateError::TooMany => ResultCode::IndexTooMany,
        CreateError::TooManySets => ResultCode::IndexGeneric,
    };
    InfoError::new(code, error.to_string())
}

fn no_index() -> InfoError {
    InfoError::new(ResultCode::IndexNotFound, "no index")
}

fn statistics(namespace: &Namespace, name: &str) -> Answer {
    let index = namespace.sindexes.find(name).ok_or_else(no_index)?;
    let mut pairs = Pairs::default();
    let usage = namespace.index_usage(&index);
    pairs.push("entries", usage.entries);
    pairs.push("used_bytes", usage.bytes);
    pairs.push("entries_per_bval", 0);
    pairs.push("entries_per_rec", 0);
    pairs.push("load_pct", index.load_pct());
    pairs.push("load_time", index.load_time_s());
    pairs.push("stat_gc_recs", 0);
    Ok(pairs.finish())
}

fn all_of<'n>(namespaces: impl IntoIterator<Item = &'n Namespace>, style: Style) -> String {
    let mut text = String::new();
    for namespace in namespaces {
        for index in namespace.sindexes.list().iter() {
            if style.sets || index.definition.collection != Collection::Set {
                text.push_str(if text.is_empty() { "" } else { ";" });
                entry(&mut text, namespace, index, style);
            }
        }
    }
    text
}

fn entry(text: &mut String, namespace: &Namespace, index: &Index, style: Style) {
    let Definition { set, bin, expression, context, collection, value_type } = &index.definition;
    let set = set.as_deref().unwrap_or("null");
    // Writing into a String cannot fail.
    let _ = write!(text, "ns={}:indexname={}:set={set}", namespace.name, index.name);
    let Some(value_type) = value_type else {
        let _ = write!(text, ":indextype={}", collection.name());
        return;
    };
    let value_type = match value_type {
        ValueType::Numeric if style.integer => "integer",
        ValueType::Numeric | ValueType::Text | ValueType::Blob | ValueType::Geo => value_type.name(),
    };
    let _ = write!(text, ":bin={}:type={value_type}", bin.as_deref().unwrap_or("null"));
    let _ = write!(text, ":indextype={}", collection.name());
    let shown = |bytes: &[u8], describe: fn(&[u8]) -> String| match bytes {
        [] => "null".to_owned(),
        bytes if style.base64 => STANDARD.encode(bytes),
        bytes => describe(bytes),
    };
    let _ = write!(text, ":context={}", shown(context, describe::context));
    let _ = write!(text, ":exp={}", shown(expression, describe::expression));
    let _ = write!(text, ":state={}", if index.is_readable() { "RW" } else { "WO" });
}

fn bounded<'a>(key: &str, value: &'a str, max: usize) -> Result<&'a str, InfoError> {
    if value.is_empty() {
        return Err(InfoError::parameter(format!("missing '{key}' value")));
    }
    if value.len() > max {
        return Err(InfoError::parameter(format!("'{key}' value too long")));
    }
    Ok(value)
}

fn index_name<'a>(ask: &Ask<'a>) -> Result<&'a str, InfoError> {
    bounded("indexname", ask.present("indexname")?, NAME_MAX)
}

fn collection(ask: &Ask<'_>) -> Result<Collection, InfoError> {
    let text = "bad 'indextype' - must be one of 'default', 'list', 'mapkeys', 'mapvalues'";
    let Some(name) = ask.param(&["indextype"]) else { return Ok(Collection::Default) };
    Collection::parse(name).ok_or_else(|| InfoError::parameter(text))
}

/// What is indexed: a bin (`bin` or the first half of the old `indexdata`) or an expression, and its type.
fn source(ask: &Ask<'_>, definition: &mut Definition) -> Result<(), InfoError> {
    if let Some(old) = ask.param(&["indexdata"]) {
        let (bin, kind) =
            old.split_once(',').ok_or_else(|| InfoError::parameter("'indexdata' missing bin type"))?;
        definition.bin = Some(bounded("bin", bin, BIN_NAME_MAX)?.to_owned());
        definition.value_type = Some(value_type(kind)?);
        return Ok(());
    }
    let kind = ask.param(&["type"]);
    let kind = kind.ok_or_else(|| InfoError::parameter("both 'indexdata' and 'type' are missing"))?;
    match (ask.param(&["bin"]), ask.param(&["exp"])) {
        (None, None) => return Err(InfoError::parameter("both 'bin' and 'exp' are missing")),
        (Some(_), Some(_)) => return Err(InfoError::parameter("both 'bin' and 'exp' are specified")),
        (Some(bin), None) => definition.bin = Some(bounded("bin", bin, BIN_NAME_MAX)?.to_owned()),
        (None, Some(packed)) => match STANDARD.decode(packed) {
            Ok(packed) if !packed.is_empty() => definition.expression = packed,
            Ok(_) | Err(_) => return Err(InfoError::parameter("bad 'exp'")),
        },
    }
    definition.value_type = Some(value_type(kind)?);
    Ok(())
}

fn value_type(name: &str) -> Result<ValueType, InfoError> {
    let text = "bad 'type' - must be one of 'numeric', 'string', 'blob', 'geo2dsphere'";
    ValueType::parse(name).ok_or_else(|| InfoError::parameter(text))
}

/// Compiles the definition's expression, whose type must be the one that is indexed.
fn compile(definition: &Definition) -> Result<Program, InfoError> {
    let program = Program::compile(&definition.expression).map_err(|_| InfoError::parameter("bad 'exp'"))?;
    let wanted = match (definition.collection, definition.value_type) {
        (Collection::List, _) => Kind::List,
        (Collection::MapKeys | Collection::MapValues, _) => Kind::Map,
        (_, Some(ValueType::Numeric) | None) => Kind::Int,
        (_, Some(ValueType::Text)) => Kind::Text,
        (_, Some(ValueType::Blob)) => Kind::Blob,
        (_, Some(ValueType::Geo)) => Kind::Geo,
    };
    if program.kind() == wanted || program.kind() == Kind::Any {
        return Ok(program);
    }
    let (is, wanted) = (kind_name(program.kind()), kind_name(wanted));
    let text = format!("bad 'exp' - expression type '{is}' does not match expected type '{wanted}'");
    Err(InfoError::parameter(text))
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Nil => "nil",
        Kind::Bool => "bool",
        Kind::Int => "numeric",
        Kind::Text => "string",
        Kind::List => "list",
        Kind::Map => "map",
        Kind::Blob => "blob",
        Kind::Float => "float",
        Kind::Geo => "geo2dsphere",
        Kind::Hll => "hll",
        Kind::Any => "unknown",
    }
}

/// The encoded context; empty without one.
fn context(ask: &Ask<'_>) -> Result<Vec<u8>, InfoError> {
    let Some(text) = ask.param(&["context"]) else { return Ok(Vec::new()) };
    let packed = STANDARD.decode(text).map_err(|_| InfoError::parameter("'context' invalid base64"))?;
    if cdt::is_context(&packed) {
        Ok(packed)
    } else {
        Err(InfoError::parameter("'context' invalid cdt context"))
    }
}
