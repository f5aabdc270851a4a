//! The doors in a process of their own, beside a node: for trying things out.
//!
//! `door NODE_ADDRESS HTTP_ADDRESS [PG_ADDRESS]`, each `HOST:PORT`.

use shipload_sql::records::{Records, Tcp};
use shipload_sql::system::Identity;
use shipload_sql::{Sql, http};
use std::sync::Arc;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(node), Some(http)) = (args.first(), args.get(1)) else {
        return Err("door NODE_ADDRESS HTTP_ADDRESS [PG_ADDRESS]".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(shipload_sql::STACK)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let records = Records::new(Arc::new(Tcp::new(node.clone())));
        let identity = Identity { http: http.clone(), ..Identity::default() };
        #[cfg(feature = "engine")]
        let engine = Some(shipload_sql::engine::start(64 << 20)?);
        #[cfg(not(feature = "engine"))]
        let engine = None;
        let sql = Sql::new(records, identity, engine);
        #[cfg(feature = "engine")]
        if let Some(pg) = args.get(2) {
            let listener = TcpListener::bind(pg).await?;
            tokio::spawn(shipload_sql::pg::serve(Arc::clone(&sql), listener));
        }
        let listener = TcpListener::bind(http).await?;
        http::serve(sql, listener).await?;
        Ok(())
    })
}
