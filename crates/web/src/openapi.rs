//! The description of the API, made from the handlers themselves.

use crate::{batch, catalog, cluster, history, jobs, operate, partitions, problem, record, select};
use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shipload",
        description = "Records over HTTP. What JSON lacks is tagged: `{\"$bytes\": \"base64\"}`, `{\"$int\": \"9223372036854775807\"}`.",
    ),
    paths(
        record::get, record::put, record::post, record::patch, record::delete,
        operate::operate, batch::run, select::list, select::query,
        cluster::cluster, partitions::partitions, history::history, jobs::jobs, jobs::abort,
        catalog::namespaces, catalog::sets, catalog::indexes, catalog::create_index, catalog::delete_index,
        catalog::modules, catalog::module, catalog::node, catalog::quiesce, catalog::addresses,
    ),
    components(schemas(problem::Problem)),
    tags(
        (name = "records", description = "One record, or many at once"),
        (name = "queries", description = "Listings and queries"),
        (name = "catalog", description = "What there is"),
        (name = "cluster", description = "How the cluster is"),
    )
)]
struct Api;

/// The description.
#[must_use]
pub fn document() -> openapi::OpenApi {
    Api::openapi()
}

/// The description, as JSON.
pub async fn get() -> Json<openapi::OpenApi> {
    Json(document())
}
