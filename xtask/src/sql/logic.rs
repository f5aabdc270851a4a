//! Conditions by chance: of every condition, the rows where it holds, does not hold and is unknown are together all rows, each
//! once; and what the nodes leave out by a condition is what the engine leaves out that sees every row.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::world::{Cluster, ask};

/// Conditions nest at most so deep.
const DEPTH: u32 = 3;

/// Asks for a while; the table `n` of the cases must be there.
pub(super) fn run(cluster: &Cluster, seconds: u64, seed: u64) -> Result<bool> {
    println!("sql: conditions by chance, --seed {seed}");
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut chance = Chance(seed | 1);
    let (mut asked, mut failed) = (0usize, 0usize);
    for node in cluster.nodes.iter().cycle() {
        if Instant::now() > deadline {
            break;
        }
        let condition = chance.condition(DEPTH);
        asked += 1;
        if let Some(wrong) = check(node.http, &condition)? {
            failed += 1;
            println!("sql: {condition}\n  {wrong}");
        }
    }
    println!("sql: {asked} conditions by chance, {failed} contradict themselves");
    Ok(failed == 0)
}

/// What is contradictory about a condition.
fn check(node: SocketAddr, condition: &str) -> Result<Option<String>> {
    let some = |text: &str| numbers(node, &format!("select count(*), coalesce(sum(id), 0) from n{text}"));
    let all = some("")?;
    let parts = [
        some(&format!(" where {condition}"))?,
        some(&format!(" where not ({condition})"))?,
        some(&format!(" where ({condition}) is null"))?,
    ];
    let together: Vec<i64> = (0..2).map(|place| parts.iter().map(|part| part[place]).sum()).collect();
    if together != all {
        return Ok(Some(format!("holds, does not hold, unknown: {parts:?}; all: {all:?}")));
    }
    let seen = numbers(
        node,
        &format!(
            "select coalesce(sum(case when {condition} then 1 else 0 end), 0), \
             coalesce(sum(case when {condition} then id else 0 end), 0) from n"
        ),
    )?;
    if seen != parts[0] {
        return Ok(Some(format!("left out by the nodes: {:?}, by the engine: {seen:?}", parts[0])));
    }
    Ok(None)
}

fn numbers(node: SocketAddr, statement: &str) -> Result<Vec<i64>> {
    let answer = ask(node, statement)?;
    let row = answer.pointer("/rows/0").and_then(Value::as_array);
    let row = row.with_context(|| format!("{answer} for {statement}"))?;
    Ok(row.iter().map(|value| value.as_i64().unwrap_or(i64::MIN)).collect())
}

/// Numbers that look like chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % bound
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let place = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        all.get(place).copied().unwrap_or_default()
    }

    fn condition(&mut self, depth: u32) -> String {
        if depth > 0 && self.below(3) > 0 {
            let (left, right) = (self.condition(depth - 1), self.condition(depth - 1));
            return match self.below(5) {
                0 => format!("not ({left})"),
                1 | 2 => format!("({left} and {right})"),
                _ => format!("({left} or {right})"),
            };
        }
        let not = if self.below(3) == 0 { "not " } else { "" };
        match self.below(10) {
            0 => format!("{} is {not}null", self.of(&["k", "v", "d", "s", "b", "ts", "id"])),
            1 => "b".to_owned(),
            2 => format!("{} {not}between {} and {}", self.number(1), self.number(0), self.number(0)),
            3 => {
                let mut list = self.constant();
                for _ in 0..self.below(4) {
                    let _ = write!(list, ", {}", self.constant());
                }
                format!("{} {not}in ({list})", self.of(&["id", "k", "v", "id + 1"]))
            }
            4 => format!("s {not}like '{}'", self.of(&["%a%", "a%", "%e", "_ig", "a\\%b", "", "%"])),
            5 => format!("{} {} {}", self.text(), self.of(&["=", "<>", "<", ">", "<=", ">="]), self.text()),
            6 => format!(
                "ts {} timestamp '2026-0{}-05 03:00:00'",
                self.of(&["<", ">", "="]),
                self.below(9) + 1
            ),
            _ => format!(
                "{} {} {}",
                self.number(1),
                self.of(&["=", "<>", "<", ">", "<=", ">="]),
                self.number(1)
            ),
        }
    }

    fn constant(&mut self) -> String {
        match self.below(5) {
            0 => "null".to_owned(),
            _ => (i64::try_from(self.below(60)).unwrap_or(0) - 20).to_string(),
        }
    }

    fn number(&mut self, depth: u32) -> String {
        match self.below(if depth > 0 { 8 } else { 4 }) {
            0 => self.constant(),
            1 => self.of(&["id", "k"]).to_owned(),
            2 => "v".to_owned(),
            3 => "d".to_owned(),
            4 => format!("({} {} {})", self.number(0), self.of(&["+", "-", "*"]), self.number(0)),
            5 => format!("abs({})", self.number(0)),
            6 => format!("coalesce({}, {})", self.number(0), self.number(0)),
            _ => format!(
                "(case when {} then {} else {} end)",
                self.condition(0),
                self.number(0),
                self.number(0)
            ),
        }
    }

    fn text(&mut self) -> String {
        match self.below(4) {
            0 => format!("'{}'", self.of(&["apple", "fig", "", "Banana", "a%b", "zzz"])),
            1 => "lower(s)".to_owned(),
            _ => "s".to_owned(),
        }
    }
}
