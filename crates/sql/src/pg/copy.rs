//! `COPY FROM STDIN`: rows that come in on the connection.

use super::handlers::{Handlers, refused};
use crate::error::{Kind, SqlError};
use crate::execute::copy::{Format, Inflow, Reader};
use crate::front::statement::Copy;
use crate::front::{Parsed, Statement};
use async_trait::async_trait;
use futures::{Sink, SinkExt as _, stream};
use pgwire::api::ClientInfo;
use pgwire::api::copy::CopyHandler;
use pgwire::api::results::{CopyResponse, Response, Tag};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};
use std::fmt::Debug;

/// Rows that come in on a connection.
pub(super) struct Copying {
    inflow: Inflow,
    reader: Reader,
    wrong: Option<SqlError>,
}

impl Handlers {
    /// Begins to take rows in; none when the statement is another one, or is about files.
    pub(super) async fn copy_in(&self, parsed: &Parsed) -> Result<Option<Response>, SqlError> {
        match &parsed.statement {
            Statement::CopyFrom(copy) if copy.place.is_none() => self.begin(copy).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn begin(&self, copy: &Copy) -> Result<Response, SqlError> {
        let session = self.session.lock().await;
        let wishes = self.sql.wishes(&session, copy)?;
        if wishes.format == Format::Json {
            return Err(SqlError::unsupported("COPY FROM STDIN takes text and CSV"));
        }
        let inflow = self.sql.inflow(&session, copy, wishes).await?;
        let width = inflow.width();
        let reader = inflow.reader();
        *self.copying.lock().await = Some(Copying { inflow, reader, wrong: None });
        Ok(Response::CopyIn(CopyResponse::new(0, width, stream::empty())))
    }

    /// Takes what has come, and writes it when it is much.
    async fn take(&self, copying: &mut Copying, ends: bool) -> i64 {
        if copying.wrong.is_some() {
            return 0;
        }
        let session = self.session.lock().await;
        let flown = self.sql.flow(&session, &mut copying.inflow, &mut copying.reader, ends).await;
        flown.unwrap_or_else(|error| {
            copying.wrong = Some(error);
            0
        })
    }
}

#[async_trait]
impl CopyHandler for Handlers {
    async fn on_copy_data<C>(&self, _: &mut C, data: CopyData) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut copying = self.copying.lock().await;
        if let Some(copying) = copying.as_mut() {
            copying.reader.push(&data.data);
            // What is wrong is told at the end: the client goes on sending until then.
            self.take(copying, false).await;
        }
        Ok(())
    }

    async fn on_copy_done<C>(&self, client: &mut C, _: CopyDone) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let copying = self.copying.lock().await.take();
        let mut copying =
            copying.ok_or_else(|| refused(&SqlError::new(Kind::Internal, "nothing is copied")))?;
        copying.reader.end();
        let written = self.take(&mut copying, true).await;
        if let Some(error) = copying.wrong {
            return Err(refused(&error));
        }
        let tag = Tag::new("COPY").with_rows(usize::try_from(written).unwrap_or(0));
        client.send(PgWireBackendMessage::CommandComplete(tag.into())).await?;
        Ok(())
    }

    async fn on_copy_fail<C>(&self, _: &mut C, fail: CopyFail) -> PgWireError
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        *self.copying.lock().await = None;
        refused(&SqlError::new(Kind::Killed, format!("COPY from stdin failed: {}", fail.message)))
    }
}
