//! The description of the API, made from the handlers themselves.

use crate::{
    Web, batch, catalog, changes, cluster, history, jobs, live, operate, partitions, problem, record, select,
    sketch, slow, socket,
};
use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shipload",
        description = "Records over HTTP. What JSON lacks is tagged: `{\"$bytes\": \"base64\"}`, `{\"$int\": \"9223372036854775807\"}`.",
    ),
    paths(
        record::get, record::put, record::post, record::patch, record::delete,
        operate::operate, batch::run, select::list, select::query,
        changes::stream, live::live, socket::socket, sketch::sketch,
        cluster::cluster, partitions::partitions, history::history, jobs::jobs, jobs::abort, slow::slow,
        catalog::namespaces, catalog::sets, catalog::indexes, catalog::create_index, catalog::delete_index,
        catalog::modules, catalog::module, catalog::node, catalog::quiesce, catalog::addresses,
    ),
    components(schemas(problem::Problem)),
    tags(
        (name = "records", description = "One record, or many at once"),
        (name = "queries", description = "Listings and queries"),
        (name = "live", description = "Changes as they happen"),
        (name = "caches", description = "Caches that stay fresh"),
        (name = "catalog", description = "What there is"),
        (name = "cluster", description = "How the cluster is"),
    )
)]
struct Api;

/// The description; its namespaces are those that there are.
#[must_use]
pub fn document(namespaces: &[String]) -> Value {
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    let operations = document.pointer_mut("/paths").and_then(Value::as_object_mut).into_iter();
    let operations = operations.flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut);
    for operation in operations.flat_map(|verbs| verbs.values_mut()) {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            if parameter.get("name").and_then(Value::as_str) == Some("namespace") {
                parameter["schema"]["enum"] = Value::from(namespaces.to_vec());
            }
        }
    }
    document
}

/// The description, as JSON.
pub async fn get(State(web): State<Web>) -> Json<Value> {
    Json(document(&web.records.namespaces()))
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn every_operation_says_what_it_answers() {
        let document = document(&["test".to_owned()]);
        let paths = document["paths"].as_object().expect("paths");
        assert!(paths.len() >= 20);
        for (path, verbs) in paths {
            for (verb, operation) in verbs.as_object().expect("verbs") {
                assert!(operation["summary"].is_string(), "{verb} {path}");
                assert!(operation["tags"].is_array(), "{verb} {path}");
                assert!(
                    operation["responses"].as_object().is_some_and(|all| !all.is_empty()),
                    "{verb} {path}"
                );
            }
        }
        let namespace = &document["paths"]["/v1/db/{namespace}/{set}"]["get"]["parameters"][0];
        assert_eq!(namespace["schema"]["enum"][0], "test");
    }
}
