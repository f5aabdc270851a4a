//! The cases: statements with the rows that PostgreSQL gave.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::world::{Cluster, ask};
use super::{folder, read};

/// A statement, its rows, and the file that it stands in.
struct Case {
    file: String,
    statement: String,
    rows: Vec<Value>,
}

/// Runs every case on every cluster, on the nodes of a cluster in turn.
pub(super) fn run(clusters: &[&Cluster], only: Option<&str>) -> Result<bool> {
    let cases = all(only)?;
    let mut failed = 0usize;
    for cluster in clusters {
        cluster.script(&read("setup.sql")?)?;
        failed += wrong(&cases, &cluster.doors())?;
    }
    let held = cases.len() * clusters.len() - failed;
    println!("sql: {} cases on {} clusters: {held} hold, {failed} do not", cases.len(), clusters.len());
    Ok(failed == 0)
}

/// Runs every case on nodes that have the tables already, and whose records move meanwhile.
pub(super) fn again(nodes: &[SocketAddr]) -> Result<bool> {
    let cases = all(None)?;
    let failed = wrong(&cases, nodes)?;
    println!("sql: {} cases while nodes joined and left: {failed} do not hold", cases.len());
    Ok(failed == 0)
}

/// How many cases give something else.
fn wrong(cases: &[Case], nodes: &[SocketAddr]) -> Result<usize> {
    let mut failed = 0;
    for (case, node) in cases.iter().zip(nodes.iter().cycle()) {
        let answer = ask(*node, &case.statement)?;
        let got = answer.get("rows").and_then(Value::as_array);
        let same = got.is_some_and(|got| {
            got.len() == case.rows.len() && got.iter().zip(&case.rows).all(|(got, wanted)| alike(got, wanted))
        });
        if !same {
            failed += 1;
            let (file, size, statement, rows) = (&case.file, nodes.len(), &case.statement, &case.rows);
            println!("{file}, {size} nodes: {statement}\n  wanted {rows:?}\n  got    {answer}");
        }
    }
    Ok(failed)
}

fn all(only: Option<&str>) -> Result<Vec<Case>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder())?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.retain(|path| only.is_none_or(|only| path.to_string_lossy().contains(only)));
    files.sort();
    let mut cases = Vec::new();
    for path in &files {
        let text = read(path)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            let (statement, rows) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
            let rows = rows
                .lines()
                .filter_map(|line| line.strip_prefix("=> "))
                .map(|line| serde_json::from_str(line).with_context(|| format!("{file}: {line}")))
                .collect::<Result<_>>()?;
            cases.push(Case { file: file.clone(), statement: statement.to_owned(), rows });
        }
    }
    Ok(cases)
}

/// Whether two values are the same but for the last digits of a float.
fn alike(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| alike(got, wanted))
        }
        (Value::Number(got), Value::Number(wanted)) => match (got.as_f64(), wanted.as_f64()) {
            (Some(got), Some(wanted)) => (got - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
            _ => got == wanted,
        },
        _ => got == wanted,
    }
}
