//! What happens to each message of a client.

use super::copy::Copying;
use super::copy_out::outgoing;
use super::{arguments, encode};
use crate::column_type::Type;
use crate::error::SqlError;
use crate::execute::{Outcome, Sql};
use crate::front::{Parsed, Statement, tokens};
use crate::session::Session;
use crate::value::Value;
use async_trait::async_trait;
use futures::Sink;
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::copy::CopyHandler;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler, send_describe_response};
use pgwire::api::results::{
    DescribePortalResponse, DescribeResponse, DescribeStatementResponse, FieldInfo, Response, Tag,
};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{
    ClientInfo, ClientPortalStore, ConnectionManager, DEFAULT_NAME, PgWireServerHandlers, Type as PgType,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{Bind, Describe, TARGET_TYPE_BYTE_STATEMENT};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::Mutex;

/// One connection.
#[derive(Clone)]
pub(super) struct Handlers {
    pub(super) sql: Arc<Sql>,
    pub(super) session: Arc<Mutex<Session>>,
    pub(super) manager: Arc<ConnectionManager>,
    pub(super) copying: Arc<Mutex<Option<Copying>>>,
}

impl Handlers {
    pub(super) fn new(sql: Arc<Sql>, session: Session, manager: Arc<ConnectionManager>) -> Handlers {
        Handlers { sql, session: Arc::new(Mutex::new(session)), manager, copying: Arc::default() }
    }

    /// Runs a statement and words its answer.
    async fn run(&self, parsed: &Parsed, args: &[Value], format: &Format) -> Result<Response, SqlError> {
        if let Some(response) = self.copy_in(parsed).await? {
            return Ok(response);
        }
        let mut session = self.session.lock().await;
        let outcome = self.sql.run_parsed(&mut session, parsed, args).await?;
        let tag = parsed.statement.tag();
        Ok(match (outcome, &parsed.statement) {
            (_, Statement::Begin) => Response::TransactionStart(Tag::new(tag)),
            (_, Statement::Commit | Statement::Rollback) => Response::TransactionEnd(Tag::new(tag)),
            (Outcome::Rows(rows), _) => {
                let mut response = encode::response(rows, format);
                if tag == "INSERT" {
                    response.set_command_tag("INSERT 0");
                } else {
                    response.set_command_tag(tag);
                }
                Response::Query(response)
            }
            (Outcome::Count(count), _) => {
                let rows = usize::try_from(count).unwrap_or(0);
                match tag {
                    "INSERT" => Response::Execution(Tag::new(tag).with_oid(0).with_rows(rows)),
                    "UPDATE" | "DELETE" | "SELECT" | "COPY" | "MOVE" => {
                        Response::Execution(Tag::new(tag).with_rows(rows))
                    }
                    _ => Response::Execution(Tag::new(tag)),
                }
            }
        })
    }

    /// The columns of what a statement will answer; none when it answers no rows.
    async fn describe(
        &self,
        parsed: &Parsed,
        args: &[Value],
        format: &Format,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let session = self.session.lock().await;
        let columns: Option<Vec<(String, Type)>> =
            self.sql.describe(&session, parsed, args).await.map_err(|error| refused(&error))?;
        Ok(columns.map(|columns| encode::fields(&columns, format)).unwrap_or_default())
    }
}

/// An error as PostgreSQL's clients read it.
fn information(error: &SqlError) -> ErrorInfo {
    ErrorInfo::new("ERROR".to_owned(), error.kind.sqlstate().to_owned(), error.message.clone())
}

pub(super) fn refused(error: &SqlError) -> PgWireError {
    PgWireError::UserError(Box::new(information(error)))
}

#[async_trait]
impl SimpleQueryHandler for Handlers {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut responses = Vec::new();
        for text in tokens::split(query).map_err(|error| refused(&error))? {
            let done = match self.sql.parse(&text) {
                Ok(parsed) => match outgoing(&parsed) {
                    Some(copy) if responses.is_empty() => self.send_all(client, copy, &text).await,
                    Some(copy) => self.hold_all(copy, &text).await,
                    None => self.run(&parsed, &[], &Format::UnifiedText).await,
                },
                Err(error) => Err(error),
            };
            match done {
                Ok(response) => responses.push(response),
                Err(error) => {
                    responses.push(Response::Error(Box::new(information(&error))));
                    break;
                }
            }
        }
        if responses.is_empty() {
            responses.push(Response::EmptyQuery);
        }
        Ok(responses)
    }
}

#[async_trait]
impl QueryParser for Handlers {
    type Statement = Arc<Parsed>;

    async fn parse_sql<C>(&self, _: &C, sql: &str, _: &[Option<PgType>]) -> PgWireResult<Option<Arc<Parsed>>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        self.sql.parse(sql).map(Some).map_err(|error| refused(&error))
    }

    fn get_parameter_types(&self, statement: &Arc<Parsed>) -> PgWireResult<Vec<PgType>> {
        Ok(vec![PgType::UNKNOWN; statement.arguments])
    }

    fn get_result_schema(&self, _: &Arc<Parsed>, _: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        Ok(Vec::new())
    }
}

/// What a prepared statement will answer. One that has arguments and answers no rows is told so: drivers count changed rows only then.
struct Described(DescribeStatementResponse);

impl DescribeResponse for Described {
    fn parameters(&self) -> Option<&[PgType]> {
        self.0.parameters()
    }

    fn fields(&self) -> &[FieldInfo] {
        self.0.fields()
    }

    fn no_data() -> Described {
        Described(DescribeStatementResponse::no_data())
    }

    fn is_no_data(&self) -> bool {
        self.0.fields.is_empty()
    }
}

/// A portal that gives all rows of a cursor.
fn portal_of(name: &str) -> PgWireResult<Portal<Arc<Parsed>>> {
    let statement = Statement::Fetch { name: name.to_owned(), count: None, skip: false };
    let parsed = Arc::new(Parsed { statement, arguments: 0, text: format!("FETCH ALL FROM {name}") });
    let bind = Bind::new(Some(name.to_owned()), None, Vec::new(), Vec::new(), Vec::new());
    Portal::try_new(&bind, Arc::new(StoredStatement::new(String::new(), parsed, Vec::new())))
}

/// The arguments that a portal binds.
fn bound(portal: &Portal<Arc<Parsed>>) -> PgWireResult<Vec<Value>> {
    let one = |(place, bytes): (usize, &Option<bytes::Bytes>)| match bytes {
        None => Ok(Value::Null),
        Some(bytes) => {
            let ty =
                portal.statement.parameter_types.get(place).cloned().flatten().unwrap_or(PgType::UNKNOWN);
            arguments::value(bytes, &ty, portal.parameter_format.is_binary(place))
                .map_err(|error| refused(&error))
        }
    };
    portal.parameters.iter().enumerate().map(one).collect()
}

#[async_trait]
impl ExtendedQueryHandler for Handlers {
    type Statement = Arc<Parsed>;
    type QueryParser = Handlers;

    fn query_parser(&self) -> Arc<Handlers> {
        Arc::new(self.clone())
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Arc<Parsed>>,
        _: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Parsed>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let args = bound(portal)?;
        let parsed = &portal.statement.statement;
        let response = match outgoing(parsed) {
            Some(copy) => self.send_all(client, copy, &parsed.text).await,
            None => self.run(parsed, &args, &portal.result_column_format).await,
        };
        let response = response.map_err(|error| refused(&error))?;
        // A cursor is a portal too: drivers ask for its columns under its name.
        match &parsed.statement {
            Statement::Declare { name, .. } => client.portal_store().put_portal(Arc::new(portal_of(name)?)),
            Statement::Close(Some(name)) => client.portal_store().rm_portal(name),
            _ => {}
        }
        Ok(response)
    }

    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Parsed>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let found = match message.target_type {
            TARGET_TYPE_BYTE_STATEMENT => client.portal_store().get_statement(name),
            _ => None,
        };
        match found {
            Some(Entry::Value(statement)) => {
                let described = Described(self.do_describe_statement(client, &statement).await?);
                send_describe_response(client, &described).await
            }
            _ => self._on_describe(client, message).await,
        }
    }

    async fn do_describe_statement<C>(
        &self,
        _: &mut C,
        target: &StoredStatement<Arc<Parsed>>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Parsed>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let parsed = &target.statement;
        let known = |place| target.parameter_types.get(place).cloned().flatten().unwrap_or(PgType::UNKNOWN);
        let types = (0..parsed.arguments).map(known).collect();
        let nulls = vec![Value::Null; parsed.arguments];
        let fields = self.describe(parsed, &nulls, &Format::UnifiedText).await?;
        Ok(DescribeStatementResponse::new(types, fields))
    }

    async fn do_describe_portal<C>(
        &self,
        _: &mut C,
        portal: &Portal<Arc<Parsed>>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Parsed>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let args = bound(portal)?;
        let fields = self.describe(&portal.statement.statement, &args, &portal.result_column_format).await?;
        if fields.is_empty() {
            return Ok(DescribePortalResponse::no_data());
        }
        Ok(DescribePortalResponse::new(fields))
    }
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::new(self.clone())
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::new(self.clone())
    }

    fn copy_handler(&self) -> Arc<impl CopyHandler> {
        Arc::new(self.clone())
    }

    fn startup_handler(&self) -> Arc<impl pgwire::api::auth::StartupHandler> {
        Arc::new(self.clone())
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::new(DefaultCancelHandler::new(Arc::clone(&self.manager)))
    }
}
