//! `COPY TO STDOUT`: rows that go out on the connection as they come.
//!
//! Lines are sent while the statement runs, so an error may come after some of them. Where a text has other statements before
//! this one, whose answers have to go first, the lines are held until then.

use super::encode;
use super::handlers::Handlers;
use crate::column_type::Type;
use crate::engine_door::RowSink;
use crate::error::{Kind, SqlError};
use crate::execute::copy::Format;
use crate::front::statement::Copy;
use crate::front::{Parsed, Statement};
use crate::value::Value;
use async_trait::async_trait;
use futures::{Sink, SinkExt as _, stream};
use pgwire::api::results::{CopyResponse, Response, Tag};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::timeout;

/// How long a client may take nothing. It would have one of the few turns of the engine for itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of lines that are held.
const HELD_MAX: usize = 256 << 20;

/// The copy that a statement is, when its rows go out on the connection.
pub(super) fn outgoing(parsed: &Parsed) -> Option<&Copy> {
    match &parsed.statement {
        Statement::CopyTo(copy) if copy.place.is_none() => Some(copy),
        _ => None,
    }
}

/// Rows on their way to a client.
struct Lines<'a, C> {
    client: &'a mut C,
    format: Format,
    columns: Vec<(String, Type)>,
    /// Goes with the first row.
    header: String,
    rows: usize,
    /// Bytes that still may be held; none where nothing is.
    room: Option<usize>,
}

impl<C> Lines<'_, C>
where
    C: Sink<PgWireBackendMessage> + Unpin + Send,
    C::Error: Debug,
{
    async fn send(&mut self, message: PgWireBackendMessage) -> Result<(), SqlError> {
        match timeout(PATIENCE, self.client.feed(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(SqlError::new(Kind::Killed, "the client has gone")),
            Err(_) => Err(SqlError::new(Kind::Killed, "the client has taken no rows for a minute")),
        }
    }

    async fn line(&mut self, line: String) -> Result<(), SqlError> {
        if let Some(room) = &mut self.room {
            let more =
                || format!("more than {HELD_MAX} bytes go out behind other statements; alone they could");
            *room = room.checked_sub(line.len()).ok_or_else(|| SqlError::new(Kind::QueryFailed, more()))?;
        }
        self.send(PgWireBackendMessage::CopyData(CopyData::new(line.into()))).await
    }

    async fn end(&mut self) -> Result<(), SqlError> {
        let header = std::mem::take(&mut self.header);
        if !header.is_empty() {
            self.line(header).await?;
        }
        self.send(PgWireBackendMessage::CopyDone(CopyDone::new())).await
    }
}

#[async_trait]
impl<C> RowSink for Lines<'_, C>
where
    C: Sink<PgWireBackendMessage> + Unpin + Send,
    C::Error: Debug,
{
    async fn begin(&mut self, columns: &[(String, Type)]) -> Result<(), SqlError> {
        self.columns = columns.to_vec();
        self.header = self.format.header(columns);
        let width = columns.len();
        let begins = CopyOutResponse::new(0, i16::try_from(width).unwrap_or(i16::MAX), vec![0; width]);
        self.send(PgWireBackendMessage::CopyOutResponse(begins)).await
    }

    async fn rows(&mut self, rows: Vec<Vec<Value>>) -> Result<(), SqlError> {
        for row in &rows {
            let text = |(value, (_, ty)): (&Value, &(String, Type))| {
                (!value.is_null()).then(|| encode::text(value, ty))
            };
            let fields: Vec<Option<String>> = row.iter().zip(&self.columns).map(text).collect();
            let mut line = std::mem::take(&mut self.header);
            self.format.write(&mut line, &fields);
            self.line(line).await?;
            self.rows += 1;
        }
        Ok(())
    }
}

impl Handlers {
    /// Sends all rows while they come. The answer that is left is their number.
    pub(super) async fn send_all<C>(
        &self,
        client: &mut C,
        copy: &Copy,
        text: &str,
    ) -> Result<Response, SqlError>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
    {
        let rows = self.pour(client, copy, text, None).await?;
        Ok(Response::Execution(Tag::new("COPY").with_rows(rows)))
    }

    /// All rows, held until the answers before them have gone.
    pub(super) async fn hold_all(&self, copy: &Copy, text: &str) -> Result<Response, SqlError> {
        let mut held: Vec<PgWireBackendMessage> = Vec::new();
        self.pour(&mut held, copy, text, Some(HELD_MAX)).await?;
        let width = held.iter().find_map(|message| match message {
            PgWireBackendMessage::CopyOutResponse(begins) => usize::try_from(begins.columns).ok(),
            _ => None,
        });
        let lines = held.into_iter().filter_map(|message| match message {
            PgWireBackendMessage::CopyData(line) => Some(Ok(line)),
            _ => None,
        });
        Ok(Response::CopyOut(CopyResponse::new(0, width.unwrap_or_default(), stream::iter(lines))))
    }

    async fn pour<C>(
        &self,
        client: &mut C,
        copy: &Copy,
        text: &str,
        room: Option<usize>,
    ) -> Result<usize, SqlError>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
    {
        let session = self.session.lock().await.beside();
        let wishes = self.sql.wishes(&session, copy)?;
        let format = wishes.format.clone();
        let mut lines = Lines { client, format, columns: Vec::new(), header: String::new(), rows: 0, room };
        self.sql.outflow(&session, copy, &wishes, text, &mut lines).await?;
        lines.end().await?;
        Ok(lines.rows)
    }
}
