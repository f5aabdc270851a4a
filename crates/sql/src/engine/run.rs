//! A query from its text to its rows.

use super::arrow::{type_of, values};
use super::groups::MeasureAtNodes;
use super::kept::Kept;
use super::moments::NumbersAsMoments;
use super::rewrite::{Rewritten, rewrite};
use super::tables::{Means, resolve};
use super::yielding::JoinsYield;
use super::{functions, network, parquet, wrong};
use crate::catalog::SYSTEM_SCHEMAS;
use crate::column_type::Type;
use crate::engine_door::{Engine, Query, RowPacker, RowSink, RowSource};
use crate::error::{Kind, Result, SqlError};
use crate::execute::{RowSet, Sql};
use crate::front::parts_of;
use crate::network::{Hosts, Network, Ranges};
use crate::system::Definitions;
use crate::value::Value;
use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::CatalogProviderList;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as EngineStatement;
use futures::StreamExt as _;
use sqlparser::ast::{Query as AstQuery, Statement as Stock, visit_relations};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that the work of one query may hold before it spills or fails.
const WORK_MAX: usize = 256 << 20;
/// Queries that run at the same time; others wait for their turn. Records by key need no turn.
const AT_ONCE: usize = 8;
/// Bytes of columns that one answer may have.
const ANSWER_MAX: usize = 256 << 20;
const CATALOG: &str = "crate";
const SCHEMA: &str = "doc";

/// The engine.
struct DataFusion {
    state: SessionState,
    streams: usize,
    turns: Semaphore,
    /// For queries of what the node says of itself: those that see who has the turns.
    looks: Semaphore,
    kept: Arc<Kept>,
}

/// Starts the engine, which may keep so many bytes of columns that queries read.
///
/// # Errors
/// When its parts do not fit together.
pub fn start(column_bytes: usize) -> Result<Arc<dyn Engine>> {
    let streams = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 16);
    let mut config = SessionConfig::new()
        .with_target_partitions(streams)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.default_null_ordering = "nulls_max".to_owned();
    let mut builder = SessionStateBuilder::new().with_config(config).with_default_features();
    // Before the engine's own, which would refuse what these understand.
    builder.expr_planners().get_or_insert_default().insert(0, Arc::new(NumbersAsMoments));
    builder.analyzer().get_or_insert_default().rules.insert(0, Arc::new(NumbersAsMoments));
    let mut state = builder
        .with_physical_optimizer_rule(Arc::new(MeasureAtNodes))
        .with_physical_optimizer_rule(Arc::new(JoinsYield))
        .build();
    functions::register(&mut state).map_err(wrong::from_engine)?;
    let kept = Arc::new(Kept::new(column_bytes));
    Ok(Arc::new(DataFusion {
        state,
        streams,
        turns: Semaphore::new(AT_ONCE),
        looks: Semaphore::new(AT_ONCE),
        kept,
    }))
}

#[async_trait]
impl Engine for DataFusion {
    async fn query(&self, sql: &Sql, query: Query<'_>) -> Result<RowSet> {
        let _turn = self.turn(&query).await?;
        let (state, plan, rewritten) = self.plan(sql, &query).await?;
        let physical = physical(&state, &plan).await?;
        collect(work_of(&state)?, physical, &rewritten).await
    }

    async fn pour(&self, sql: &Sql, query: Query<'_>, sink: &mut dyn RowSink) -> Result<()> {
        let _turn = self.turn(&query).await?;
        let (state, plan, rewritten) = self.plan(sql, &query).await?;
        let plan = physical(&state, &plan).await?;
        let columns = titled(&plan.schema(), &rewritten);
        sink.begin(&columns).await?;
        let mut stream = execute_stream(plan, work_of(&state)?).map_err(wrong::from_engine)?;
        while let Some(batch) = stream.next().await {
            sink.rows(rows_of(&batch.map_err(wrong::from_engine)?, &columns)?).await?;
        }
        Ok(())
    }

    async fn unpack(&self, file: Arc<dyn Ranges>, columns: &[String]) -> Result<Box<dyn RowSource>> {
        parquet::unpack(file, columns).await
    }

    fn pack(&self, columns: &[(String, Type)]) -> Result<Box<dyn RowPacker>> {
        parquet::pack(columns)
    }

    fn network(&self, hosts: &Hosts) -> Result<Box<dyn Network>> {
        network::reach(hosts)
    }

    async fn describe(&self, sql: &Sql, query: Query<'_>) -> Result<Vec<(String, Type)>> {
        let (_, plan, rewritten) = self.plan(sql, &query).await?;
        Ok(titled(plan.schema().as_arrow(), &rewritten))
    }

    async fn explain(&self, sql: &Sql, query: Query<'_>, analyze: bool, verbose: bool) -> Result<RowSet> {
        let _turn = self.turn(&query).await?;
        let (state, plan, rewritten) = self.plan(sql, &query).await?;
        let physical = physical(&state, &plan).await?;
        let text = if analyze {
            collect(work_of(&state)?, Arc::clone(&physical), &rewritten).await?;
            DisplayableExecutionPlan::with_metrics(physical.as_ref()).indent(verbose).to_string()
        } else if verbose {
            let logical = plan.display_indent().to_string();
            format!("{logical}\n{}", DisplayableExecutionPlan::new(physical.as_ref()).indent(true))
        } else {
            DisplayableExecutionPlan::new(physical.as_ref()).indent(false).to_string()
        };
        let rows = text.lines().map(|line| vec![Value::text(line)]).collect();
        Ok(RowSet { columns: vec![("QUERY PLAN".to_owned(), Type::Text)], rows })
    }
}

impl DataFusion {
    async fn turn(&self, query: &Query<'_>) -> Result<SemaphorePermit<'_>> {
        let turns = if is_of_system(query.query) { &self.looks } else { &self.turns };
        turns.acquire().await.map_err(|_| SqlError::new(Kind::Unavailable, "the engine has ended"))
    }

    async fn plan(&self, sql: &Sql, query: &Query<'_>) -> Result<(SessionState, LogicalPlan, Rewritten)> {
        let mut ast = query.query.clone();
        let mut rewritten = rewrite(&mut ast, query.session, query.args)?;
        let streams = u16::try_from(self.streams).unwrap_or(1);
        let means = Means { streams, kept: &self.kept, among: query.among };
        let tables = resolve(sql, query.session, &mut ast, &mut rewritten, &means).await?;
        let schema = MemorySchemaProvider::new();
        for (name, table) in tables {
            schema.register_table(name, table).map_err(wrong::from_engine)?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(wrong::from_engine)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        // A copy: building one anew would register each of the engine's functions again.
        let mut state = self.state.clone();
        state.register_catalog_list(Arc::new(catalogs));
        state.mark_start_execution();
        if rewritten.defines {
            let definitions = Definitions::now(sql).await?;
            functions::register_definitions(&mut state, definitions).map_err(wrong::from_engine)?;
        }
        let statement = EngineStatement::Statement(Box::new(Stock::Query(Box::new(ast))));
        let plan = state.statement_to_plan(statement).await.map_err(wrong::from_engine)?;
        Ok((state, plan, rewritten))
    }
}

/// Whether a query reads tables of the system, and no others.
fn is_of_system(query: &AstQuery) -> bool {
    let mut of_system = false;
    let others = visit_relations(query, |name| {
        let parts = parts_of(name);
        of_system = matches!(parts.as_slice(), [.., schema, _] if SYSTEM_SCHEMAS.contains(&schema.as_str()));
        if of_system { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    of_system && others.is_continue()
}

async fn physical(state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    state.create_physical_plan(plan).await.map_err(wrong::from_engine)
}

/// What one query's work has to itself: its memory. Plans bring their functions along, so that none need be found by name.
fn work_of(state: &SessionState) -> Result<Arc<TaskContext>> {
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(WORK_MAX)));
    let runtime = runtime.build_arc().map_err(wrong::from_engine)?;
    let context = TaskContext::default().with_session_config(state.config().clone()).with_runtime(runtime);
    Ok(Arc::new(context))
}

/// Runs a plan and takes its rows.
async fn collect(
    work: Arc<TaskContext>,
    plan: Arc<dyn ExecutionPlan>,
    rewritten: &Rewritten,
) -> Result<RowSet> {
    let columns = titled(&plan.schema(), rewritten);
    let mut stream = execute_stream(plan, work).map_err(wrong::from_engine)?;
    let mut rows: Vec<Vec<Value>> = Vec::new();
    let mut size = 0usize;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(wrong::from_engine)?;
        size = size.saturating_add(batch.get_array_memory_size());
        if size > ANSWER_MAX {
            let message = format!("the answer has more than {ANSWER_MAX} bytes; a LIMIT makes it smaller");
            return Err(SqlError::new(Kind::QueryFailed, message));
        }
        rows.extend(rows_of(&batch, &columns)?);
    }
    Ok(RowSet { columns, rows })
}

/// The rows of a batch.
fn rows_of(batch: &RecordBatch, columns: &[(String, Type)]) -> Result<Vec<Vec<Value>>> {
    let mut made: Vec<std::vec::IntoIter<Value>> = Vec::with_capacity(columns.len());
    for (array, (_, ty)) in batch.columns().iter().zip(columns) {
        made.push(values(array, ty)?.into_iter());
    }
    let row = |_| made.iter_mut().map(|column| column.next().unwrap_or_default()).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

/// The columns of a result, with the titles that clients expect.
fn titled(schema: &Schema, rewritten: &Rewritten) -> Vec<(String, Type)> {
    let title = |name: &String| {
        rewritten
            .titles
            .iter()
            .find(|(made, _)| made == name)
            .map_or_else(|| name.clone(), |(_, title)| title.clone())
    };
    schema.fields().iter().map(|field| (title(field.name()), type_of(field))).collect()
}
