//! Statements as nodes tell them to each other, in pages of JSON.

use super::{Ended, Job, Jobs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of statements' texts in a page, about; a page has one statement at least.
const PAGE_MAX: usize = 128 << 10;
/// What a statement takes in a page beside its texts.
const FRAME: usize = 256;
/// Shares of the statements of a class, in percent, whose longest time is told.
pub(crate) const SHARES: [usize; 6] = [25, 50, 75, 90, 95, 99];

/// What nodes tell of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Those under way.
    Running,
    /// Those that have ended, newest first.
    Ended,
    /// Figures of those that have ended, by class.
    Measures,
}

impl List {
    /// Its name in the info command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            List::Running => "running",
            List::Ended => "ended",
            List::Measures => "measures",
        }
    }
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) session: String,
    pub(crate) statement: String,
    pub(crate) class: String,
    pub(crate) started_ms: i64,
    /// Rows, bytes and all bytes.
    pub(crate) progress: (u64, u64, u64),
    pub(crate) end: Option<End>,
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) ended_ms: i64,
    pub(crate) error: Option<String>,
}

/// Figures of a class, times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measures {
    pub(crate) class: String,
    pub(crate) total: usize,
    pub(crate) failed: usize,
    pub(crate) sum: f64,
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// As [`SHARES`].
    pub(crate) shares: Vec<f64>,
}

/// Part of a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    /// Where the next page begins; none when this is the last one.
    pub(crate) next: Option<u64>,
}

/// A page as another node told it; none for what is no page.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Option<Page<T>> {
    serde_json::from_slice(text).ok()
}

impl From<&Job> for Told {
    fn from(job: &Job) -> Told {
        Told {
            id: job.id.clone(),
            user: job.user.clone(),
            session: job.session.clone(),
            statement: job.statement.clone(),
            class: job.class.to_owned(),
            started_ms: job.started_ms,
            progress: job.progress.told(),
            end: None,
        }
    }
}

impl From<&Ended> for Told {
    fn from(ended: &Ended) -> Told {
        let end = End { ended_ms: ended.ended_ms, error: ended.error.clone() };
        Told { end: Some(end), ..Told::from(&ended.job) }
    }
}

impl Jobs {
    /// One page of a list, as JSON; `from` is the `next` of the page before.
    #[must_use]
    pub fn page(&self, list: List, from: Option<u64>) -> String {
        let json = match list {
            List::Running => {
                let running = self.running.lock();
                serde_json::to_string(&paged(
                    running.range(from.unwrap_or(0)..).map(|(place, job)| (*place, job)),
                ))
            }
            List::Ended => {
                let log = self.log.lock();
                let newest = log.iter().rev().skip_while(|ended| from.is_some_and(|from| ended.place > from));
                serde_json::to_string(&paged(newest.map(|ended| (ended.place, ended))))
            }
            List::Measures => serde_json::to_string(&Page { rows: self.measures(), next: None }),
        };
        json.unwrap_or_default()
    }

    /// All statements under way.
    pub(crate) fn told_running(&self) -> Vec<Told> {
        self.running.lock().values().map(Told::from).collect()
    }

    /// All statements that have ended.
    pub(crate) fn told_ended(&self) -> Vec<Told> {
        self.log.lock().iter().map(Told::from).collect()
    }

    /// Figures of the statements that have ended, by class.
    pub(crate) fn measures(&self) -> Vec<Measures> {
        let mut classes: BTreeMap<&'static str, Vec<(f64, bool)>> = BTreeMap::new();
        for ended in self.log.lock().iter() {
            classes.entry(ended.job.class).or_default().push((ended.took_ms, ended.error.is_some()));
        }
        classes.into_iter().map(|(class, all)| measure(class, &all)).collect()
    }
}

/// As many of these as a page takes; places tell where the next one begins.
fn paged<'a, T: 'a>(all: impl Iterator<Item = (u64, &'a T)>) -> Page<Told>
where
    Told: From<&'a T>,
{
    let mut page = Page { rows: Vec::new(), next: None };
    let mut size = 0usize;
    for (place, one) in all {
        if size >= PAGE_MAX {
            page.next = Some(place);
            break;
        }
        let told = Told::from(one);
        let error = told.end.as_ref().and_then(|end| end.error.as_ref()).map_or(0, String::len);
        size = size.saturating_add(told.statement.len()).saturating_add(error).saturating_add(FRAME);
        page.rows.push(told);
    }
    page
}

#[allow(clippy::cast_precision_loss)]
fn measure(class: &str, all: &[(f64, bool)]) -> Measures {
    let mut times: Vec<f64> = all.iter().map(|(took, _)| *took).collect();
    times.sort_by(f64::total_cmp);
    let count = times.len().max(1) as f64;
    let sum: f64 = times.iter().sum();
    let mean = sum / count;
    let spread = times.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count;
    let at = |share: &usize| {
        let place = times.len().saturating_sub(1) * share / 100;
        times.get(place).copied().unwrap_or(0.0)
    };
    Measures {
        class: class.to_owned(),
        total: all.len(),
        failed: all.iter().filter(|(_, failed)| *failed).count(),
        sum,
        mean,
        deviation: spread.sqrt(),
        min: times.first().copied().unwrap_or(0.0),
        max: times.last().copied().unwrap_or(0.0),
        shares: SHARES.iter().map(at).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{List, Measures, PAGE_MAX, Told, read};
    use crate::jobs::{Jobs, TEXT_MAX};

    fn all(jobs: &Jobs, list: List) -> (Vec<Told>, usize) {
        let (mut rows, mut from, mut pages) = (Vec::new(), None, 0);
        loop {
            let text = jobs.page(list, from);
            assert!(text.len() < 2 * PAGE_MAX, "{}", text.len());
            let page = read(text.as_bytes()).expect("a page");
            rows.extend(page.rows);
            pages += 1;
            from = page.next;
            if from.is_none() {
                return (rows, pages);
            }
        }
    }

    #[test]
    fn pages_hold_every_statement_once() {
        let jobs = Jobs::default();
        assert_eq!(all(&jobs, List::Running), (Vec::new(), 1));
        let text = "select '\t\"ö' ".repeat(50);
        for number in 0..1_000usize {
            let job = jobs.begin("crate", "s", &text, "SELECT");
            job.progress.add_rows(number);
            if number % 2 == 0 {
                jobs.end(&job, (number == 500).then(|| "no".to_owned()));
            }
        }
        let (running, pages) = all(&jobs, List::Running);
        assert!(pages > 1);
        assert_eq!(running, jobs.told_running());
        assert_eq!(running.len(), 500);
        assert_eq!(running[3].statement, text);
        let (mut ended, pages) = all(&jobs, List::Ended);
        assert!(pages > 1);
        ended.reverse();
        assert_eq!(ended, jobs.told_ended());
        assert_eq!(ended.len(), 500);
        assert_eq!(ended[250].end.as_ref().and_then(|end| end.error.as_deref()), Some("no"));
        assert_eq!(ended[250].progress, (500, 0, 0));
        let figures = read::<Measures>(jobs.page(List::Measures, None).as_bytes()).expect("figures").rows;
        assert_eq!((figures[0].class.as_str(), figures[0].total, figures[0].failed), ("SELECT", 500, 1));
        assert!(read::<Told>(b"ERROR:4:unrecognized command").is_none());
    }

    #[test]
    fn long_texts_are_cut() {
        let jobs = Jobs::default();
        let job = jobs.begin("crate", "s", &"ä".repeat(TEXT_MAX), "SELECT");
        assert_eq!(job.statement, format!("{}...", "ä".repeat(TEXT_MAX / 2)));
        jobs.end(&job, Some("ä".repeat(TEXT_MAX)));
        assert!(jobs.log()[0].error.as_ref().is_some_and(|error| error.len() < TEXT_MAX + 4));
    }
}
