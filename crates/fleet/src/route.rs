//! Which visitors go to which containers: from labels to what a load balancer should hold.
//!
//! Guarantees: pure; the same list gives the same answer in any order; one host name with one path belongs to one
//! service, and who had it keeps it; only texts that can't mean anything else get into a configuration.

mod desired;
mod labels;
mod plan;

pub use desired::{Backend, Container, Desired, Owners, Skipped, desire};
pub use labels::{Label, Reading, Route, read};
pub use plan::{Action, Planner, Proxy, Server};
