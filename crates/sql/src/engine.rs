//! General queries: DataFusion plans them, joins and aggregates; tables are ours.
//!
//! A query is planned against tables that are made for it alone, with the columns that it names: a path such as
//! `o['a']` and a system column such as `_version` are columns of their own here. Records come from all nodes'
//! partitions, filtered and projected there; joins, groups and orders are done on the node that was asked.

mod arrow;
mod filters;
mod functions;
mod provider;
mod rewrite;
mod rows;
mod run;
mod scan_exec;
mod tables;
mod wrong;

pub use run::start;
