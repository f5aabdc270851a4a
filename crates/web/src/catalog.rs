//! Namespaces, sets, indexes, modules and nodes: what there is, and the few things that can be changed about it.

use crate::Web;
use crate::cluster::{NamespaceView, look};
use crate::extract::{Content, Name, Params};
use crate::info::{self, check_name, pairs};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Namespaces.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamespacesView {
    namespaces: Vec<NamespaceView>,
}

/// The namespaces, over all nodes.
#[utoipa::path(get, path = "/v1/namespaces", tag = "catalog", responses((status = 200, body = NamespacesView)))]
pub async fn namespaces(State(web): State<Web>) -> Json<NamespacesView> {
    Json(NamespacesView { namespaces: look(&web).await.namespaces })
}

/// A set over all nodes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetView {
    /// Its name.
    name: String,
    /// Copies of records.
    copies: u64,
    /// Bytes of records in all copies.
    data_bytes: u64,
}

/// Sets.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetsView {
    sets: Vec<SetView>,
}

/// The sets of a namespace.
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/sets", tag = "catalog",
    params(("namespace" = String, Path)), responses((status = 200, body = SetsView),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn sets(State(web): State<Web>, Name(namespace): Name) -> Result<Json<SetsView>, Problem> {
    known(&web, &namespace)?;
    let answers = info::everywhere(&web, &[format!("sets/{namespace}")]).await;
    let mut found: BTreeMap<String, SetView> = BTreeMap::new();
    for row in answers.iter().flat_map(|(_, texts)| rows(texts)) {
        let of = |key: &str| pairs(row, ':').find(|(name, _)| *name == key).map_or("", |(_, value)| value);
        let number = |key: &str| of(key).parse::<u64>().unwrap_or(0);
        let name = of("set").to_owned();
        let set = found.entry(name.clone()).or_insert(SetView { name, copies: 0, data_bytes: 0 });
        set.copies += number("objects");
        set.data_bytes += number("data_used_bytes");
    }
    Ok(Json(SetsView { sets: found.into_values().collect() }))
}

/// The rows of the first answer of a node.
fn rows(texts: &info::Answers) -> impl Iterator<Item = &str> {
    let first = texts.as_ref().ok().and_then(|texts| texts.first()).map_or("", String::as_str);
    let first = if info::refusal(first).is_some() { "" } else { first };
    first.split(';').filter(|row| !row.is_empty())
}

fn known(web: &Web, namespace: &str) -> Result<(), Problem> {
    if web.records.namespaces().iter().any(|name| name == namespace) {
        return Ok(());
    }
    Err(shipload_wire::ResultCode::NamespaceNotFound.into())
}

/// A secondary index.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct IndexView {
    /// Its name.
    name: String,
    /// The set's name; empty for all.
    set: String,
    /// The bin's name.
    bin: String,
    /// `numeric`, `string`, `blob`, `geo2dsphere`.
    #[serde(rename = "type")]
    kind: String,
    /// `default`, `list`, `mapkeys`, `mapvalues`.
    #[serde(rename = "in")]
    collection: String,
    /// `RW` once it can be used on the node that answers.
    state: String,
}

/// Secondary indexes.
#[derive(Debug, Serialize, ToSchema)]
pub struct IndexesView {
    indexes: Vec<IndexView>,
}

/// The secondary indexes of a namespace.
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/indexes", tag = "catalog",
    params(("namespace" = String, Path)), responses((status = 200, body = IndexesView),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn indexes(State(web): State<Web>, Name(namespace): Name) -> Result<Json<IndexesView>, Problem> {
    known(&web, &namespace)?;
    let text = info::ask(&web, web.records.id(), format!("sindex-list:namespace={namespace}")).await?;
    let index = |row: &str| {
        let of = |key: &str| {
            let value = pairs(row, ':').find(|(name, _)| *name == key).map_or("", |(_, value)| value);
            if value == "NULL" || value == "null" { String::new() } else { value.to_owned() }
        };
        IndexView {
            name: of("indexname"),
            set: of("set"),
            bin: of("bin"),
            kind: of("type"),
            collection: of("indextype"),
            state: of("state"),
        }
    };
    let indexes = text.split(';').filter(|row| !row.is_empty()).map(index).collect();
    Ok(Json(IndexesView { indexes }))
}

/// An index to be made.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes a body that is read by hand")]
pub struct NewIndex {
    /// Its name.
    name: String,
    /// The set's name; all without it.
    set: Option<String>,
    /// The bin's name.
    bin: String,
    /// `numeric`, `string`, `blob` or `geo2dsphere`.
    #[schema(rename = "type")]
    kind: String,
    /// `list`, `mapkeys` or `mapvalues` for what is inside of them.
    #[schema(rename = "in")]
    collection: Option<String>,
}

/// Makes a secondary index; it can be used once its state is `RW`.
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/indexes", tag = "catalog",
    params(("namespace" = String, Path)), request_body = NewIndex,
    responses((status = 201, description = "it is being made"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create_index(
    State(web): State<Web>,
    Name(namespace): Name,
    content: Content,
) -> Result<StatusCode, Problem> {
    known(&web, &namespace)?;
    let body = content.object()?;
    let name = text(&body, "name")?.ok_or_else(|| Problem::unprocessable("'name' is missing"))?;
    let bin = text(&body, "bin")?.ok_or_else(|| Problem::unprocessable("'bin' is missing"))?;
    let kind = text(&body, "type")?.unwrap_or("numeric");
    let mut command = format!("sindex-create:namespace={namespace};indexname={name};bin={bin};type={kind}");
    for (key, member) in [("set", "set"), ("indextype", "in")] {
        if let Some(value) = text(&body, member)? {
            command.push_str(&format!(";{key}={value}"));
        }
    }
    info::ask(&web, web.records.id(), command).await?;
    Ok(StatusCode::CREATED)
}

/// A member that is a name; none when it is missing or empty.
fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Result<Option<&'b str>, Problem> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => check_name(name, text).map(|()| Some(text.as_str())),
        Some(_) => Err(Problem::unprocessable(format!("'{name}' must be text"))),
    }
}

/// Deletes a secondary index.
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/indexes/{index}", tag = "catalog",
    params(("namespace" = String, Path), ("index" = String, Path)),
    responses((status = 204, description = "it is not there any more"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_index(
    State(web): State<Web>,
    Path((namespace, index)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    known(&web, &namespace)?;
    check_name("index", &index)?;
    let command = format!("sindex-delete:namespace={namespace};indexname={index}");
    info::ask(&web, web.records.id(), command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A module of functions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModuleView {
    /// Its file name.
    name: String,
    /// The hash of its source.
    hash: String,
    /// Its source; only of one that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// Modules of functions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModulesView {
    modules: Vec<ModuleView>,
}

/// The modules of functions.
#[utoipa::path(get, path = "/v1/modules", tag = "catalog", responses((status = 200, body = ModulesView),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn modules(State(web): State<Web>) -> Result<Json<ModulesView>, Problem> {
    let text = info::ask(&web, web.records.id(), "udf-list".to_owned()).await?;
    let module = |row: &str| {
        let of = |key: &str| pairs(row, ',').find(|(name, _)| *name == key).map_or("", |(_, value)| value);
        ModuleView { name: of("filename").to_owned(), hash: of("hash").to_owned(), source: None }
    };
    Ok(Json(ModulesView { modules: text.split(';').filter(|row| !row.is_empty()).map(module).collect() }))
}

/// A module's source.
#[utoipa::path(get, path = "/v1/modules/{name}", tag = "catalog", params(("name" = String, Path)),
    responses((status = 200, body = ModuleView),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn module(State(web): State<Web>, Name(name): Name) -> Result<Json<ModuleView>, Problem> {
    check_name("module", &name)?;
    let text = info::ask(&web, web.records.id(), format!("udf-get:filename={name}")).await?;
    let content = text.split(';').find_map(|pair| pair.strip_prefix("content="));
    let source = content.and_then(|content| STANDARD.decode(content).ok());
    let source = source.ok_or_else(|| Problem::not_found(format!("there is no module '{name}'")))?;
    let source = Some(String::from_utf8_lossy(&source).into_owned());
    Ok(Json(ModuleView { name, hash: String::new(), source }))
}

/// A node's own words.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeDetail {
    /// Its id.
    id: String,
    /// `statistics`, as they are.
    statistics: BTreeMap<String, String>,
    /// `namespace/NS` of each namespace.
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// All statistics of a node; `here` is the one that answers.
#[utoipa::path(get, path = "/v1/nodes/{id}", tag = "cluster", params(("id" = String, Path)),
    responses((status = 200, body = NodeDetail),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn node(State(web): State<Web>, Name(id): Name) -> Result<Json<NodeDetail>, Problem> {
    let node = info::node(&web, &id)?;
    let names = web.records.namespaces();
    let commands = names.iter().map(|name| format!("namespace/{name}"));
    let texts =
        web.records.info(node, std::iter::once("statistics".to_owned()).chain(commands).collect()).await?;
    let table =
        |text: &String| pairs(text, ';').map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let statistics = texts.first().map(table).unwrap_or_default();
    let namespaces = names.into_iter().zip(texts.iter().skip(1).map(table)).collect();
    Ok(Json(NodeDetail { id: node.to_string(), statistics, namespaces }))
}

/// Whether a node is to leave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiesce {
    /// True: it hands over what it masters; false: it takes its share again.
    quiesced: bool,
}

/// Has a node hand over what it masters, before it leaves; or take its share again.
#[utoipa::path(post, path = "/v1/nodes/{id}/quiesce", tag = "cluster", params(("id" = String, Path)),
    request_body = Quiesce, responses((status = 204, description = "the cluster forms anew"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn quiesce(
    State(web): State<Web>,
    Name(id): Name,
    content: Content,
) -> Result<StatusCode, Problem> {
    let node = info::node(&web, &id)?;
    let wish: Quiesce =
        serde_json::from_value(content.0).map_err(|error| Problem::unprocessable(error.to_string()))?;
    let command = if wish.quiesced { "quiesce:" } else { "quiesce-undo:" };
    info::ask(&web, node, command.to_owned()).await?;
    info::everywhere(&web, &["recluster:".to_owned()]).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Nothing may stand behind the question mark.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// Where clients find the nodes, for snippets that can be pasted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Addresses {
    /// `host:port` of the record door of each node.
    records: Vec<String>,
    /// Names of the namespaces.
    namespaces: Vec<String>,
}

/// Where clients of the record door find the cluster.
#[utoipa::path(get, path = "/v1/addresses", tag = "cluster", responses((status = 200, body = Addresses)))]
pub async fn addresses(State(web): State<Web>, Params(NoParams {}): Params<NoParams>) -> Json<Addresses> {
    let records = web.records.members().into_iter().filter_map(|member| member.service.into_iter().next());
    Json(Addresses { records: records.collect(), namespaces: web.records.namespaces() })
}
