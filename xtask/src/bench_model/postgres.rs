//! PostgreSQL under load: a cluster of its own in a temporary folder, asked by `psql`.
//!
//! Each measurement is a few runs of `psql` with scripts of many statements. Their backends end with them, and then the
//! server's first process knows what processor time they took.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Case, ELEMENTS, FILTERED, Work};
use crate::postgres;

/// A server with the data.
pub(super) struct Postgres {
    server: postgres::Postgres,
    records: i64,
}

impl Postgres {
    /// Makes a cluster, starts it and writes the data.
    pub(super) fn start(programs: Option<&Path>, records: i64) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("bench-model-{}", std::process::id()));
        let settings = [
            "fsync=off",
            "synchronous_commit=off",
            "autovacuum=off",
            "shared_buffers=1GB",
            "max_parallel_workers_per_gather=0",
        ];
        let server = postgres::Postgres::start(programs, folder, &settings)?;
        server.ask(&setup(records))?;
        Ok(Self { server, records })
    }

    /// Works for about so many seconds.
    pub(super) fn measure(&self, case: Case, seconds: u64) -> Result<Work> {
        let (mut operations, mut count) = (0, 1);
        let before = self.server.cpu_seconds()?;
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            let script: String =
                (0..count).map(|turn| statement(case, turn + operations, self.records)).collect();
            self.server.ask(&script)?;
            operations += count;
            count = (count * 4).min(2000);
        }
        Ok(Work { operations: operations.unsigned_abs(), cpu_seconds: self.server.cpu_seconds()? - before })
    }

    /// Ends the server.
    pub(super) fn stop(self) -> Result<()> {
        self.server.stop()
    }
}

fn setup(records: i64) -> String {
    let last = ELEMENTS - 1;
    format!(
        "create table c (id int primary key, l jsonb, m jsonb);
        insert into c select 1, (select jsonb_agg(i) from generate_series(0, {last}) i),
            (select jsonb_object_agg(i::text, i * 7919 % 10007) from generate_series(0, {last}) i);
        create table n (a bigint, body jsonb);
        insert into n select i, jsonb_build_object('a', i) from generate_series(0, {records} - 1) i;
        create index on n (a);
        analyze;\n"
    )
}

fn statement(case: Case, turn: i64, records: i64) -> String {
    match case {
        Case::Append => format!(
            "update c set l = l || '{turn}'::jsonb where id = 1;\nupdate c set l = l - -1 where id = 1;\n"
        ),
        Case::Put => {
            let key = turn * 7 % ELEMENTS;
            format!("update c set m = jsonb_set(m, '{{{key}}}', '{turn}') where id = 1;\n")
        }
        Case::Rank => {
            "select e.key, e.value from c, jsonb_each(c.m) e where id = 1 order by e.value desc limit 10;\n"
                .to_owned()
        }
        Case::Filter => format!("select count(*) from n where (body->>'a')::bigint % {FILTERED} = 0;\n"),
        Case::Few | Case::Many => {
            let begin = turn % (records - case.selected(records));
            let end = begin + case.selected(records) - 1;
            format!("select count(body->>'a') from n where a between {begin} and {end};\n")
        }
    }
}
