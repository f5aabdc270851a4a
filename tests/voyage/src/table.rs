//! What was asserted and what was measured, row by row.

use std::time::Instant;

use anyhow::Result;

/// One asserted step.
#[derive(Debug)]
struct Row {
    number: &'static str,
    name: &'static str,
    held: bool,
    took_ms: u128,
    found: String,
}

/// All steps in the order in which they ran.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Runs a step: its text tells what was found. A failed step is written down, and ends the part by its error.
    pub(crate) fn step<T>(
        &mut self,
        number: &'static str,
        name: &'static str,
        work: impl FnOnce() -> Result<(T, String)>,
    ) -> Result<T> {
        let began = Instant::now();
        let result = work();
        let took_ms = began.elapsed().as_millis();
        let (held, found) = match &result {
            Ok((_, found)) => (true, found.clone()),
            Err(error) => (false, format!("{error:#}")),
        };
        let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
        let mark = if held { "ok" } else { "FAILED" };
        println!("[{mark}] {number} {name}: {found} ({took_ms} ms)");
        self.rows.push(Row { number, name, held, took_ms, found });
        result.map(|(value, _)| value)
    }

    /// Whether no step failed, and there was one.
    pub(crate) fn all_hold(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.held)
    }

    /// Prints all rows.
    pub(crate) fn print(&self) {
        println!("\n{:<4} {:<46} {:<7} {:>8}  found", "row", "step", "result", "ms");
        for row in &self.rows {
            let result = if row.held { "holds" } else { "FAILED" };
            println!("{:<4} {:<46} {result:<7} {:>8}  {}", row.number, row.name, row.took_ms, row.found);
        }
        let all: u128 = self.rows.iter().map(|row| row.took_ms).sum();
        println!("\nall steps: {} s", all / 1000);
        let held = self.rows.iter().filter(|row| row.held).count();
        println!("rows: {held} passed, {} failed", self.rows.len() - held);
    }
}
