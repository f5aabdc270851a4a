//! General queries: DataFusion plans them, joins and aggregates; tables are ours.
//!
//! A query is planned against tables that are made for it alone, with the columns that it names: a path such as
//! `o['a']` and a system column such as `_version` are columns of their own here. Records come from all nodes'
//! partitions, filtered, projected and where it can be measured there; joins, orders and what is left of groups are done on
//! the node that was asked. Columns that queries read are kept there, as long as nobody changes them.

mod arrow;
#[cfg(test)]
mod catalogue_tests;
mod filters;
mod functions;
mod groups;
mod groups_exec;
mod kept;
#[cfg(test)]
mod kept_tests;
mod leaf;
mod measures;
mod moments;
mod network;
mod parquet;
mod provider;
mod rewrite;
mod rows;
mod run;
mod scan_exec;
mod tables;
mod through;
mod whole;
mod wrong;
mod yielding;

pub use run::start;
