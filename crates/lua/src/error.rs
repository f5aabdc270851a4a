//! Why a function could not be called, or failed.

use thiserror::Error;

/// Why there is no state to call a function of a module in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// No such module is registered.
    #[error("no such module")]
    NoModule,
    /// The module failed while it was loaded.
    #[error("{0}")]
    Failed(String),
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The module has no such function.
    #[error("function not found")]
    NoFunction,
    /// The script raised an error, or passed a limit.
    #[error("{0}")]
    Failed(String),
}
