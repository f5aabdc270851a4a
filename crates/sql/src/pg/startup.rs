//! The start of a connection: who it is, and what the server is.

use super::handlers::Handlers;
use async_trait::async_trait;
use futures::Sink;
use pgwire::api::auth::{
    DefaultServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{ClientInfo, PidSecretKeyGenerator as _, RandomPidSecretKeyGenerator};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use std::fmt::Debug;

/// The version that drivers compare.
const VERSION: &str = "14.0";

#[async_trait]
impl StartupHandler for Handlers {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let PgWireFrontendMessage::Startup(ref startup) = message else { return Ok(()) };
        protocol_negotiation(client, startup).await?;
        save_startup_parameters_to_metadata(client, startup);
        let (pid, key) = RandomPidSecretKeyGenerator::default().generate(client);
        client.set_pid_and_secret_key(pid, key);
        // Requests to cancel find the connection by these; the guard takes it off the list when it ends.
        let (handle, guard) = self.manager.register(pid, client.pid_and_secret_key().1);
        client.session_extensions().insert(handle);
        client.session_extensions().insert(guard);
        let mut session = self.session.lock().await;
        if let Some(user) = client.metadata().get("user") {
            session.user.clone_from(user);
        }
        // The database names a schema; names that clients use by habit mean the default one.
        if let Some(database) = client.metadata().get("database")
            && !["crate", "postgres", "doc", session.user.as_str()].contains(&database.as_str())
        {
            session.schema.clone_from(database);
        }
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.server_version = VERSION.to_owned();
        parameters.search_path.clone_from(&session.schema);
        parameters.time_zone = "UTC".to_owned();
        finish_authentication(client, &parameters).await
    }
}
