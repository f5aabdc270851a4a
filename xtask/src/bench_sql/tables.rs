//! What was measured as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::points::Looked;

const POSTGRES: &str = "postgresql";

/// What a server took for one question; or what was wrong.
type Cell = Result<Took, String>;

/// One of its figures.
type Seconds = fn(&Took) -> f64;

/// Medians of seconds and processor seconds, and the seconds of the first time.
#[derive(Debug, Clone, Copy)]
struct Took {
    seconds: f64,
    cpu: f64,
    first: f64,
}

/// All tables.
pub(super) fn markdown(lines: &[Value], looked: &[Looked], rows: u64, scale: f64) -> String {
    let mut text = String::new();
    let titles =
        [("steps", format!("The step counter: {rows} rows")), ("tpch", format!("TPC-H at scale {scale}"))];
    for (part, title) in titles {
        let found = question(lines, part);
        if !found.is_empty() {
            let _ = write!(text, "### {title}\n\n{}\n", table(&found));
        }
    }
    if !looked.is_empty() {
        text.push_str("### Rows by key\n\n| server | door | rows per CPU-second | rows a second |\n|---|---|---:|---:|\n");
        for one in looked {
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {:.0} |",
                one.server, one.door, one.per_cpu_second, one.per_second
            );
        }
        text.push('\n');
    }
    text.push_str(
        "Seconds, and in brackets processor seconds of all the server's processes; the median of the runs. The last two lines of a table are means (geometric) of \
each question's time over PostgreSQL's. All servers share the \
machine, one is asked at a time, and the answers are compared with PostgreSQL's. Shipload keeps two copies when it has several nodes, \
and has an index of the first column where a key has several, because a key of the others serves that, too; \
PostgreSQL runs without `fsync`. DuckDB runs in the process that asks; what that process does itself counts for it. What Shipload was asked before it answers from \
columns that it keeps as long as no record changes.\n",
    );
    text
}

/// Questions in their order, and what each server took.
fn question(lines: &[Value], part: &str) -> Vec<(String, BTreeMap<String, Cell>)> {
    let mut found: Vec<(String, BTreeMap<String, Cell>)> = Vec::new();
    let text = |line: &Value, name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
    for line in lines.iter().filter(|line| text(line, "part").as_deref() == Some(part)) {
        let (Some(name), Some(server)) = (text(line, "name"), text(line, "server")) else { continue };
        let number = |name: &str| line.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let cell = match text(line, "error").or_else(|| text(line, "wrong")) {
            Some(why) => Err(why),
            None => Ok(Took { seconds: number("seconds"), cpu: number("cpu"), first: number("first") }),
        };
        match found.iter_mut().find(|(known, _)| *known == name) {
            // The peers are asked once for each cluster: the quicker one stands.
            Some((_, cells)) => match (cells.get(&server), &cell) {
                (Some(Ok(old)), Ok(new)) if old.seconds <= new.seconds => {}
                _ => drop(cells.insert(server, cell)),
            },
            None => found.push((name, BTreeMap::from([(server, cell)]))),
        }
    }
    found
}

fn table(found: &[(String, BTreeMap<String, Cell>)]) -> String {
    let mut servers: Vec<&String> = Vec::new();
    for server in found.iter().flat_map(|(_, cells)| cells.keys()) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    // Ours first, then the peers.
    servers.sort_by_key(|server| (!server.starts_with("shipload"), *server));
    let mut text = String::from("| |");
    for server in &servers {
        let _ = write!(text, " {server} |");
    }
    text.push_str("\n|---|");
    servers.iter().for_each(|_| text.push_str("---:|"));
    text.push('\n');
    for (name, cells) in found {
        let _ = write!(text, "| {name} |");
        for server in &servers {
            let _ = match cells.get(*server) {
                Some(Ok(Took { seconds, cpu, .. })) => write!(text, " {seconds:.3} ({cpu:.2}) |"),
                Some(Err(why)) => write!(text, " {} |", why.replace('|', "/")),
                None => write!(text, " - |"),
            };
        }
        text.push('\n');
    }
    text.push_str("| all but the load |");
    for server in &servers {
        let _ = match total(found, server) {
            Some(seconds) => write!(text, " {seconds:.3} |"),
            None => write!(text, " - |"),
        };
    }
    text.push('\n');
    let summaries: [(&str, Seconds); 2] =
        [("times PostgreSQL's seconds", |took| took.seconds), ("the first time of each", |took| took.first)];
    for (title, seconds) in summaries {
        let _ = write!(text, "| {title} |");
        for server in &servers {
            let questions = found.iter().filter(|(name, _)| name != "load");
            let logs: Vec<f64> = questions.filter_map(|(_, cells)| ratio(cells, server, seconds)).collect();
            let _ = write!(text, " **{:.2}** |", (logs.iter().sum::<f64>() / logs.len().max(1) as f64).exp());
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The seconds of all questions; none where one has no answer.
fn total(found: &[(String, BTreeMap<String, Cell>)], server: &str) -> Option<f64> {
    let questions = found.iter().filter(|(name, _)| name != "load");
    questions.map(|(_, cells)| Some(cells.get(server)?.as_ref().ok()?.seconds)).sum()
}

/// The logarithm of how much longer a server took than PostgreSQL.
fn ratio(cells: &BTreeMap<String, Cell>, server: &str, seconds: Seconds) -> Option<f64> {
    let of = |server: &str| cells.get(server)?.as_ref().ok().map(|took| seconds(took).max(1e-6).ln());
    Some(of(server)? - of(POSTGRES)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_become_a_table() {
        let line = |server: &str, seconds: f64| json!({"part": "tpch", "name": "q1", "server": server, "seconds": seconds, "cpu": 1.5, "first": 2.0 * seconds});
        let lines = [line(POSTGRES, 2.0), line("shipload, 1 node", 5.0), line(POSTGRES, 3.0)];
        let text = markdown(&lines, &[], 10, 0.1);
        assert!(text.contains("| q1 | 5.000 (1.50) | 2.000 (1.50) |"), "{text}");
        assert!(text.contains("| all but the load | 5.000 | 2.000 |"), "{text}");
        assert!(text.contains("| times PostgreSQL's seconds | **2.50** | **1.00** |"), "{text}");
        assert!(text.contains("| the first time of each | **2.50** | **1.00** |"), "{text}");
    }
}
