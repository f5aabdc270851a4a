//! A program without SQL: nothing is served.

use crate::ports::Bound;
use crate::service::{Crew, Shared};
use shipload_web::More;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// No doors.
#[derive(Debug)]
pub(crate) struct Sql;

impl Sql {
    /// Starts nothing.
    #[expect(clippy::unnecessary_wraps, reason = "as the doors that are there")]
    pub(crate) fn start(_: &Arc<Shared>, _: &Arc<Crew>, _: &Bound, _: Vec<TcpListener>) -> io::Result<Sql> {
        Ok(Sql)
    }

    /// No paths.
    #[expect(clippy::unused_self, reason = "as the doors that are there")]
    pub(crate) fn paths(&self) -> Option<More> {
        None
    }
}
