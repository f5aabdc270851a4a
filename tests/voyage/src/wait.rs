//! Waiting for something to become true, with a deadline that a loaded machine does not reach.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const LOOK: Duration = Duration::from_millis(50);

/// Looks until `look` gives a value; how long that took. What it said last stands in the error.
pub(crate) fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<T>,
) -> Result<(T, Duration)> {
    let began = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok((value, began.elapsed())),
            Err(error) if began.elapsed() > patience => {
                bail!("{what} did not come true in {} s: {error:#}", patience.as_secs());
            }
            Err(_) => sleep(LOOK),
        }
    }
}
