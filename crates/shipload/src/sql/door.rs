//! `shipload sql-door`: the doors for SQL beside a node, in a process of their own.

use anyhow::Context as _;
use shipload_sql::network::Hosts;
use shipload_sql::records::{Records, Tcp};
use shipload_sql::system::Identity;
use shipload_sql::{Sql, engine, http, pg};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Flags of `shipload sql-door`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The record port of the node to ask
    #[arg(long, env = "SHIPLOAD_SQL_NODE", default_value = "127.0.0.1:3000", value_name = "HOST:PORT")]
    node: String,
    /// Where to listen for HTTP
    #[arg(long, env = "SHIPLOAD_SQL_HTTP", default_value = "127.0.0.1:4201", value_name = "ADDRESS:PORT")]
    http: SocketAddr,
    /// Where to listen for PostgreSQL's clients
    #[arg(long, env = "SHIPLOAD_SQL_PG", default_value = "127.0.0.1:5432", value_name = "ADDRESS:PORT")]
    pg: SocketAddr,
    /// The folder that COPY may read and write
    #[arg(long, env = "SHIPLOAD_SQL_FILES", value_name = "DIR")]
    sql_files: Option<std::path::PathBuf>,
    /// Hosts that COPY may reach by HTTP and S3, with commas between; `*` stands for any part
    #[arg(long, env = "SHIPLOAD_SQL_HOSTS", default_value = "", value_name = "HOST,...")]
    sql_hosts: String,
    /// Memory for columns that are kept of the sets that queries read; 0 keeps none
    #[arg(long, env = "SHIPLOAD_SQL_COLUMN_MIB", default_value_t = 64, value_name = "MIB")]
    column_mib: usize,
}

/// Serves until the process is ended.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(shipload_sql::STACK)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let records = Records::new(Arc::new(Tcp::new(args.node.clone())));
        let identity = Identity {
            http: args.http.to_string(),
            pg_port: args.pg.port(),
            files: args.sql_files.clone(),
            hosts: Hosts::parse(&args.sql_hosts),
        };
        let sql = Sql::new(records, identity, Some(engine::start(args.column_mib << 20)?));
        let listener =
            TcpListener::bind(args.pg).await.with_context(|| format!("{} can't be opened", args.pg))?;
        tokio::spawn(pg::serve(Arc::clone(&sql), listener));
        let listener =
            TcpListener::bind(args.http).await.with_context(|| format!("{} can't be opened", args.http))?;
        http::serve(sql, listener).await?;
        Ok(ExitCode::SUCCESS)
    })
}
