//! Statements of SQL, as far as info commands tell of them and end them.
//!
//! The engine knows no SQL. A program with doors for it puts in what does ([`crate::Facts::statements`]); nodes ask each other
//! through the info commands `shipload-statements` and `shipload-kill`.

use core::fmt::Debug;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Statements under way.
    Running,
    /// Statements that have ended, newest first.
    Ended,
    /// Figures of those that have ended, by class.
    Measures,
}

/// The doors for SQL, from the side of the engine. Called by service threads: answers at once.
pub trait Statements: Debug + Send + Sync {
    /// One page of a list, as text of any characters; `from` is what the page before gave as the place of the next one. None
    /// while there are no doors.
    fn page(&self, list: List, from: Option<u64>) -> Option<String>;

    /// Ends the statement with this id, or all of them. Gives their number; none while there are no doors.
    fn kill(&self, id: Option<&str>) -> Option<usize>;
}
