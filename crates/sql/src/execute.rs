//! Statements, run.

mod bulk;
pub mod copy;
mod cursor;
mod ddl;
mod definition;
mod describe;
pub mod eval;
mod functions;
mod index;
mod insert;
mod key;
mod like;
mod modify;
mod point;
pub mod push;
mod row;
mod run;
mod set;
mod show;

#[cfg(feature = "engine")]
pub(crate) use insert::moment_of as eval_moment;
pub use run::{BulkOutcome, Call, Outcome, RowSet, Sql};
