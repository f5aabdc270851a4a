//! Listings and queries over the whole cluster: pages with a cursor, or sorted results.
//!
//! ```text
//!  partitions ──► by master ──► one query a node, all at once ──► records by partition ──► page, cursor
//! ```
//!
//! Each node reads its partitions in the order in which they are asked for, so what it sends is a complete beginning. A
//! page takes records only up to where every node's beginning reaches; its cursor is the last record's digest. When a
//! partition changes its master meanwhile, the round is repeated. Refuses results that do not fit into memory.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

mod gather;
mod sort;

use crate::Web;
use crate::command::Projection;
use crate::extract::{Content, InSet, Params};
use crate::filter;
use crate::live::board::Spec;
use crate::problem::Problem;
use crate::record::projection;
use crate::records::NodeId;
use crate::schema::RecordView;
use axum::Json;
use axum::extract::State;
use gather::{Ask, Range};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shipload_value::Digest;
use shipload_value::expr::{self, Program};
use sort::Order;
use std::sync::atomic::{AtomicU64, Ordering};
use utoipa::{IntoParams, ToSchema};

/// Records of a page without `limit`.
const LIMIT: usize = 100;
/// Records of a page, at most; with `sort`, offset and limit together.
const LIMIT_MAX: usize = 1000;

/// Parameters of a listing.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Names of the bins wanted, with commas between; all without it.
    bins: Option<String>,
    /// A filter as JSON, such as `{"age": {"$gte": 18}}`.
    filter: Option<String>,
    /// Bins to sort by, with commas between; `-` before a name sorts downwards.
    sort: Option<String>,
    /// Records wanted, 1 to 1000; 100 without it.
    limit: Option<usize>,
    /// Records to leave out; only with `sort`.
    offset: Option<usize>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of records.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page {
    /// The records.
    records: Vec<RecordView>,
    /// Give it back for the next page; `null` at the end.
    cursor: Option<String>,
}

/// A query.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes a body that is read by hand")]
pub struct QueryBody {
    /// Which records: `{"city": "Hamburg", "age": {"$gte": 18}}`.
    #[schema(value_type = Object)]
    filter: Value,
    /// Bins wanted; all without it.
    bins: Option<Vec<String>>,
    /// Bins to sort by; `-` before a name sorts downwards.
    sort: Option<Vec<String>>,
    /// Records wanted, 1 to 1000.
    limit: Option<usize>,
    /// Records to leave out; only with `sort`.
    offset: Option<usize>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// A range of an index: `{"bin": "age", "from": 18, "to": 65}`; both ends belong to it.
    #[schema(value_type = Option<Object>)]
    range: Option<Value>,
}

/// Lists the records of a set, page by page; `~` lists those of all sets.
#[utoipa::path(get, path = "/v1/db/{namespace}/{set}", tag = "queries",
    params(("namespace" = String, Path), ("set" = String, Path), ListParams),
    responses((status = 200, body = Page),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(
    State(web): State<Web>,
    place: InSet,
    Params(params): Params<ListParams>,
) -> Result<Json<Page>, Problem> {
    let filter = match &params.filter {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Problem::bad_request(format!("'filter' is no JSON: {error}")))?,
        None => Value::Null,
    };
    let split = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let wish = Wish {
        filter,
        projection: projection(params.bins.as_deref())?,
        sort: params.sort.as_deref().map(split).unwrap_or_default(),
        limit: params.limit,
        offset: params.offset,
        cursor: params.cursor,
        range: None,
    };
    wish.run(&web, place).await.map(Json)
}

/// Runs a query.
#[utoipa::path(post, path = "/v1/query/{namespace}/{set}", tag = "queries",
    params(("namespace" = String, Path), ("set" = String, Path)), request_body = QueryBody,
    responses((status = 200, body = Page),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn query(State(web): State<Web>, place: InSet, content: Content) -> Result<Json<Page>, Problem> {
    Wish::of_body(&content.object()?)?.run(&web, place).await.map(Json)
}

/// What a listing or query asks for.
struct Wish {
    filter: Value,
    projection: Projection,
    sort: Vec<String>,
    limit: Option<usize>,
    offset: Option<usize>,
    cursor: Option<String>,
    range: Option<Range>,
}

impl Wish {
    fn of_body(body: &Map<String, Value>) -> Result<Wish, Problem> {
        const KNOWN: [&str; 7] = ["filter", "bins", "sort", "limit", "offset", "cursor", "range"];
        if let Some(stray) = body.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Problem::unprocessable(format!("'{stray}' is not known in a query")));
        }
        let names = |name: &str| -> Result<Option<Vec<String>>, Problem> {
            let wrong = || Problem::unprocessable(format!("'{name}' must be a list of texts"));
            let Some(value) = body.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
            let items = value.as_array().ok_or_else(wrong)?;
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            texts.map(Some).ok_or_else(wrong)
        };
        let number = |name: &str| -> Result<Option<usize>, Problem> {
            let Some(value) = body.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.map(Some).ok_or_else(|| Problem::unprocessable(format!("'{name}' must be a whole number")))
        };
        let cursor = body.get("cursor").filter(|value| !value.is_null());
        let cursor = cursor.map(|value| value.as_str().map(str::to_owned));
        Ok(Wish {
            filter: body.get("filter").cloned().unwrap_or_default(),
            projection: projection(names("bins")?.map(|names| names.join(",")).as_deref())?,
            sort: names("sort")?.unwrap_or_default(),
            limit: number("limit")?,
            offset: number("offset")?,
            cursor: cursor.map(|text| text.ok_or_else(bad_cursor)).transpose()?,
            range: body.get("range").filter(|value| !value.is_null()).map(Range::of).transpose()?,
        })
    }

    async fn run(self, web: &Web, place: InSet) -> Result<Page, Problem> {
        let limit = self.limit.unwrap_or(LIMIT);
        let offset = self.offset.unwrap_or(0);
        if limit == 0 || limit.saturating_add(offset) > LIMIT_MAX {
            return Err(Problem::unprocessable(format!(
                "'limit' and 'offset' are together 1 to {LIMIT_MAX}"
            )));
        }
        let whole = !self.sort.is_empty() || self.range.is_some();
        if (whole && self.cursor.is_some()) || (!whole && offset > 0) {
            let detail = "'cursor' does not go with 'sort' and 'range', 'offset' not without them";
            return Err(Problem::unprocessable(detail));
        }
        let after = self.cursor.as_deref().map(|text| cursor(text).ok_or_else(bad_cursor)).transpose()?;
        let ask = Ask {
            namespace: place.namespace,
            set: place.set,
            projection: self.projection,
            filter: filter::compile(&self.filter)?,
            range: self.range,
            after,
            limit,
        };
        if !whole {
            return gather::page(web, &ask).await;
        }
        let order = Order::of(&self.sort);
        let records = gather::sorted(web, &ask, &order, offset + limit).await?;
        let records = records.into_iter().skip(offset).map(|(_, record)| record).collect();
        Ok(Page { records, cursor: None })
    }
}

/// Ids that are not given twice by this node, and hardly by two: the time in milliseconds, and 4096 for each, from another one on
/// at each node. Numbers that JavaScript holds.
fn task_id(node: NodeId) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let salt = node.0 ^ (node.0 >> 12) ^ (node.0 >> 24) ^ (node.0 >> 36);
    let now = crate::command::now_ms().saturating_mul(4096) | (salt & 0xfff);
    let next = |last: u64| Some(now.max(last + 1));
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map_or(now, |last| now.max(last + 1))
}

/// A query that stands: it is run now and then, and asked of single records in between.
pub struct Standing {
    ask: Ask,
    order: Order,
    offset: usize,
    program: Option<Program>,
    asks_for_time: bool,
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standing").field("ask", &self.ask).finish_non_exhaustive()
    }
}

impl Standing {
    /// From the parameters of a live query.
    ///
    /// # Errors
    /// A filter that is none.
    pub(crate) fn new(spec: &Spec) -> Result<Standing, Problem> {
        let filter = match &spec.filter {
            Some(text) => serde_json::from_str(text)
                .map_err(|error| Problem::bad_request(format!("'filter' is no JSON: {error}")))?,
            None => Value::Null,
        };
        let names: Vec<String> =
            spec.sort.as_ref().map(|sort| sort.split(',').map(str::to_owned).collect()).unwrap_or_default();
        let packed = filter::compile(&filter)?;
        let program = (!packed.is_empty()).then(|| Program::compile_filter(&packed)).transpose();
        let program = program.map_err(|_| Problem::unprocessable("filter: it can't be used"))?;
        let ask = Ask {
            namespace: spec.namespace.clone(),
            set: spec.set.clone(),
            projection: Projection::All,
            filter: packed,
            range: None,
            after: None,
            limit: spec.limit,
        };
        let asks_for_time = spec.filter.as_ref().is_some_and(|text| text.contains("$ttl"));
        Ok(Standing { ask, order: Order::of(&names), offset: spec.offset, program, asks_for_time })
    }

    /// Its first `most` records now.
    ///
    /// # Errors
    /// What a query answers.
    pub(crate) async fn run(&self, web: &Web, most: usize) -> Result<Vec<(Digest, RecordView)>, Problem> {
        gather::sorted(web, &self.ask, &self.order, most).await
    }

    /// Whether a record passes the filter, decided as a node decides it.
    pub(crate) fn matches(&self, record: &dyn expr::RecordView) -> bool {
        let now = expr::Clock { unix_ms: crate::command::now_ms() };
        self.program.as_ref().is_none_or(|program| program.filter(record, now) == expr::Truth::True)
    }

    /// How two records stand to each other.
    pub(crate) fn compare(&self, a: &RecordView, b: &RecordView) -> std::cmp::Ordering {
        self.order.compare(a, b)
    }

    /// Records that are left out at the beginning.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Records that are wanted after those.
    pub(crate) fn limit(&self) -> usize {
        self.ask.limit
    }

    /// Both together.
    pub(crate) fn wanted(&self) -> usize {
        self.offset + self.ask.limit
    }

    /// Whether its result changes while nothing is written.
    pub(crate) fn asks_for_time(&self) -> bool {
        self.asks_for_time
    }
}

fn bad_cursor() -> Problem {
    Problem::bad_request("'cursor' must be what the page before has given")
}

fn cursor(text: &str) -> Option<Digest> {
    let key = crate::key::RecordKey::parse("", "", &format!("digest:{text}")).ok()?;
    Some(key.digest)
}
