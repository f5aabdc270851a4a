//! HAProxy: its file, and its commands at run time.

mod certificates;
mod file;
mod process;
mod runtime;
mod statistics;

pub use certificates::{Certificates, Usable};
pub use file::{Settings, frame_of, render};
pub use process::{Balancer, ProcessError};
pub use runtime::{Runtime, RuntimeError, command};
pub use statistics::Statistics;
