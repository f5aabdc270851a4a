//! Statements of the other nodes: asked for, and ended, by info commands between nodes.
//!
//! A node that has no SQL, or does not answer in time, has no statements here.

use super::told::{List, read};
use crate::records::{Records, To};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long the other nodes may take, all pages together.
const PATIENCE: Duration = Duration::from_secs(1);

/// What every other node tells, with its id.
pub(crate) async fn told<T: DeserializeOwned + Send>(records: &Records, list: List) -> Vec<(String, Vec<T>)> {
    let others = others(records).await;
    join_all(others.iter().map(|(id, to)| async move { (id.clone(), pages(records, to, list).await) })).await
}

/// Ends the statement with this id, or all of them, on every other node. Gives the number of those that were found in time.
pub(crate) async fn kill(records: &Records, id: Option<&str>) -> usize {
    if id.is_some_and(|id| uuid::Uuid::try_parse(id).is_err()) {
        return 0;
    }
    let command = format!("shipload-kill:id={}", id.unwrap_or("all"));
    let (others, command) = (others(records).await, command.as_str());
    let one = async |to: &To| {
        let told = timeout(PATIENCE, records.info(to, command)).await.ok()?.ok()?;
        told.parse::<usize>().ok()
    };
    let counts = join_all(others.iter().map(|(_, to)| one(to))).await;
    counts.into_iter().flatten().sum()
}

/// The other nodes; none while the own one does not tell them.
async fn others(records: &Records) -> Vec<(String, To)> {
    let members = timeout(PATIENCE, records.members()).await.ok().and_then(Result::ok).unwrap_or_default();
    let others = members.into_iter().filter(|node| node.to != To::Own);
    others.map(|node| (node.id, node.to)).collect()
}

/// The pages of a list that come in time.
async fn pages<T: DeserializeOwned>(records: &Records, to: &To, list: List) -> Vec<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut rows = Vec::new();
    let mut from: Option<u64> = None;
    loop {
        let next = from.map(|from| format!(";from={from}")).unwrap_or_default();
        let command = format!("shipload-statements:list={}{next}", list.name());
        let asked = timeout_at(deadline, records.info(to, &command)).await;
        let Ok(Ok(answer)) = asked else { return rows };
        let Some(page) = STANDARD.decode(answer).ok().and_then(|text| read::<T>(&text)) else { return rows };
        let is_empty = page.rows.is_empty();
        rows.extend(page.rows);
        match page.next {
            Some(next) if !is_empty => from = Some(next),
            _ => return rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{kill, told};
    use crate::jobs::told::{Measures, Told};
    use crate::jobs::{Jobs, List};
    use crate::records::{Answers, Records, To, Transport};
    use async_trait::async_trait;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use shipload_wire::frame::HEADER_SIZE;
    use std::io;
    use std::sync::Arc;

    /// The asked node A; B with statements; C without SQL; D that is gone; E that never answers.
    struct Cluster(Jobs);

    struct Line(Vec<u8>);

    #[async_trait]
    impl Answers for Line {
        async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
            Ok(Some((1, std::mem::take(&mut self.0))))
        }

        fn finish(self: Box<Self>) {}
    }

    #[async_trait]
    impl Transport for Cluster {
        async fn send(&self, to: &To, request: Vec<u8>) -> io::Result<Box<dyn Answers>> {
            let line =
                String::from_utf8_lossy(request.get(HEADER_SIZE..).unwrap_or_default()).trim().to_owned();
            let to = match to {
                To::Own => "A",
                To::Node(address) => address.split(':').next().unwrap_or_default(),
            };
            let from = line.split("from=").nth(1).and_then(|from| from.parse().ok());
            let list = |list| STANDARD.encode(self.0.page(list, from));
            let value = match (to, line.split(";from").next().unwrap_or_default()) {
                ("A", "node") => "A".to_owned(),
                ("A", "peers-clear-std") => "7,3000,[[B,,[b]],[C,,[c]],[D,,[d]],[E,,[e]]]".to_owned(),
                ("b", "shipload-statements:list=running") => list(List::Running),
                ("b", "shipload-statements:list=ended") => list(List::Ended),
                ("b", "shipload-statements:list=measures") => list(List::Measures),
                ("b", kill) => {
                    let id = kill.strip_prefix("shipload-kill:id=").expect("a command");
                    self.0.kill((id != "all").then_some(id), "").to_string()
                }
                ("c", _) => "ERROR:4:unrecognized command".to_owned(),
                ("d", _) => return Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                _ => std::future::pending().await,
            };
            Ok(Box::new(Line(format!("{line}\t{value}\n").into_bytes())))
        }
    }

    #[tokio::test]
    async fn nodes_that_tell_nothing_have_nothing() {
        let cluster = Arc::new(Cluster(Jobs::default()));
        let records = Records::new(Arc::clone(&cluster) as Arc<dyn Transport>);
        let text = "select 1 ".repeat(100);
        let jobs: Vec<_> = (0..300).map(|_| cluster.0.begin("crate", "s", &text, "SELECT")).collect();
        jobs.iter().skip(100).for_each(|job| cluster.0.end(job, None));
        let (running, ended, measures, killed, all, none) = tokio::join!(
            told::<Told>(&records, List::Running),
            told::<Told>(&records, List::Ended),
            told::<Measures>(&records, List::Measures),
            kill(&records, Some(&jobs[0].id)),
            kill(&records, None),
            kill(&records, Some("no id; at all")),
        );
        let counts = |all: &[(String, usize)]| {
            all.iter().map(|(id, count)| format!("{id}{count} ")).collect::<String>()
        };
        let count = |all: Vec<(String, Vec<Told>)>| {
            all.into_iter().map(|(id, rows)| (id, rows.len())).collect::<Vec<_>>()
        };
        assert_eq!(counts(&count(running)), "B100 C0 D0 E0 ");
        assert_eq!(counts(&count(ended)), "B200 C0 D0 E0 ");
        assert_eq!(measures[0].1[0].total, 200);
        assert_eq!((killed, all, none), (1, 100, 0));
    }
}
