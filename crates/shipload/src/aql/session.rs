//! A connection to a cluster, the session's options, and how each statement is carried out.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aerospike::query::PartitionFilter;
use aerospike::{
    AdminPolicy, Bin, Bins, Client, ClientPolicy, Expiration, Key, QueryPolicy, ReadPolicy, Record,
    ResultCode, Value, WritePolicy,
};
use anyhow::anyhow;
use tokio::sync::mpsc;

use super::aggregate;
use super::define;
use super::filter;
use super::lexer::SyntaxError;
use super::output::Output;
use super::parser;
use super::show;
use super::statement::{Condition, Identity, Select, Setting, Statement, Table};
use crate::seed::{self, Seed};

/// What `set` changes.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) rows: u64,
    pub(crate) timeout_ms: u32,
    pub(crate) send_key: bool,
    pub(crate) ttl_seconds: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { json: false, rows: 0, timeout_ms: 0, send_key: true, ttl_seconds: 0 }
    }
}

/// Whether more statements may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    Leave,
}

/// Why a statement was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    #[error("{}", client_text(.0))]
    Client(#[from] aerospike::Error),
    #[error("{0}")]
    Refused(String),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error("stopped")]
    Stopped,
}

impl Failure {
    /// True when nobody reads the output any more, as in `shipload aql ... | head`.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The failure as the user sees it; a syntax error points at its place in the statement.
    pub(crate) fn explain(&self, statement: &str) -> String {
        match self {
            Self::Syntax(error) => point_at(statement, error),
            Self::Client(_) | Self::Refused(_) | Self::Output(_) | Self::Stopped => format!("error: {self}"),
        }
    }
}

/// The line with the mistake, and carets below the mistake.
fn point_at(statement: &str, error: &SyntaxError) -> String {
    use unicode_width::UnicodeWidthStr;
    let start = error.place.start.min(statement.len());
    let line_start = statement[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = statement[start..].find('\n').map_or(statement.len(), |at| start + at);
    let line = &statement[line_start..line_end];
    let marked = &statement[start..error.place.end.clamp(start, line_end)];
    let blanks = " ".repeat(statement[line_start..start].width());
    let carets = "^".repeat(marked.width().max(1));
    format!("error: {error}\n  {line}\n  {blanks}{carets}")
}

/// The client's error in one line: what the server said, or what happened to the connection.
fn client_text(error: &aerospike::Error) -> String {
    match error.server_result_code() {
        Some(code) => format!("{code} (code {})", u8::from(code)),
        None => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// How long a session waits for a cluster whose nodes answer but have not agreed yet who has which partition.
const FORMING: Duration = Duration::from_secs(10);

/// What the client says of such a cluster.
const NO_MAP: &str = "partition table never formed";

/// Why there is no session. The client tells one line for each host; the last one has the reason.
fn unreachable(address: &str, error: &str) -> anyhow::Error {
    let reason = error.lines().last().unwrap_or_default().trim();
    if error.contains(NO_MAP) {
        let seconds = FORMING.as_secs();
        return anyhow!(
            "{address} has no whole map after {seconds} s; `shipload info` shows each node's view: {reason}"
        );
    }
    anyhow!("no node answers at {address}; `shipload up` starts one, `-h` and `-p` name another: {reason}")
}

/// A connected session.
pub(crate) struct Session {
    client: Arc<Client>,
    pub(crate) options: Options,
}

impl Session {
    /// Connects to the cluster that the seed belongs to.
    pub(crate) async fn connect(seed: &Seed, options: Options) -> anyhow::Result<Self> {
        let (host, port) = seed.address();
        let address = seed::join(&host, port);
        let hosts = vec![aerospike::Host::new(&host, port)];
        let policy = ClientPolicy { timeout: 2_000, ..ClientPolicy::default() };
        let until = Instant::now() + FORMING;
        let client = loop {
            match Client::new(&policy, &hosts).await {
                Ok(client) => break client,
                // Nodes that answer but have no map yet are still finding each other.
                Err(error) if error.to_string().contains(NO_MAP) && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(unreachable(&address, &error.to_string())),
            }
        };
        Ok(Self { client: Arc::new(client), options })
    }

    /// Ends the connections.
    pub(crate) async fn close(&self) {
        // Whatever is wrong with a connection that nobody needs any more does not matter.
        self.client.close().await.ok();
    }

    /// The client, for what only looks.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Reads one statement and carries it out. Ctrl-C stops a statement, not the session.
    pub(crate) async fn run(&mut self, text: &str, out: &mut dyn Write) -> Result<Next, Failure> {
        let Some(statement) = parser::parse(text)? else { return Ok(Next::Continue) };
        if statement == Statement::Exit {
            return Ok(Next::Leave);
        }
        tokio::select! {
            result = self.carry_out(statement, out) => result?,
            _ = tokio::signal::ctrl_c() => return Err(Failure::Stopped),
        }
        Ok(Next::Continue)
    }

    async fn carry_out(&mut self, statement: Statement, out: &mut dyn Write) -> Result<(), Failure> {
        match statement {
            Statement::Insert { table, key, bins } => self.insert(&table, key, bins, out).await,
            Statement::Select(select) => self.select(&select, out).await,
            Statement::Delete { table, key } => self.delete(&table, key, out).await,
            Statement::Truncate(table) => self.truncate(&table, out).await,
            Statement::CreateIndex(index) => {
                define::create(&self.client, &index).await?;
                self.done(out)
            }
            Statement::DropIndex { table, name } => {
                define::drop(&self.client, &table, &name).await?;
                self.done(out)
            }
            Statement::Execute(execute) => {
                define::execute(&self.client, &self.write_policy(), &execute, self.options.json, out).await
            }
            Statement::Aggregate(call) => {
                aggregate::run(&self.client, self.options.timeout_ms, &call, self.options.json, out).await
            }
            Statement::Show(what) => show::run(&self.client, what, self.options.json, out).await,
            Statement::Set(setting) => self.set(setting.as_ref(), out),
            Statement::Help => Ok(out.write_all(HELP.as_bytes())?),
            Statement::Exit => Ok(()),
        }
    }

    async fn insert(
        &self,
        table: &Table,
        key: Value,
        bins: Vec<(String, Value)>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        if bins.is_empty() {
            return Err(Failure::Refused("a record needs at least one bin beside `pk`".to_owned()));
        }
        let key = Key::new(&table.namespace, &table.set, key)?;
        let bins: Vec<Bin> = bins.into_iter().map(|(name, value)| Bin::new(name, value)).collect();
        self.client.put(&self.write_policy(), &key, &bins).await?;
        self.affected(1, out)
    }

    async fn delete(&self, table: &Table, identity: Identity, out: &mut dyn Write) -> Result<(), Failure> {
        let key = as_key(table, &identity)?;
        let existed = self.client.delete(&self.write_policy(), &key).await?;
        self.affected(u64::from(existed), out)
    }

    fn affected(&self, records: u64, out: &mut dyn Write) -> Result<(), Failure> {
        if self.options.json {
            writeln!(out, "{}", serde_json::json!({ "affected": records }))?;
        } else {
            let plural = if records == 1 { "" } else { "s" };
            writeln!(out, "OK, {records} record{plural} affected.")?;
        }
        Ok(())
    }

    async fn truncate(&self, table: &Table, out: &mut dyn Write) -> Result<(), Failure> {
        self.client.truncate(&AdminPolicy::default(), &table.namespace, &table.set, 0).await?;
        self.done(out)
    }

    fn done(&self, out: &mut dyn Write) -> Result<(), Failure> {
        if !self.options.json {
            writeln!(out, "OK")?;
        }
        Ok(())
    }

    fn write_policy(&self) -> WritePolicy {
        let expiration = match self.options.ttl_seconds {
            -1 => Expiration::Never,
            0 => Expiration::NamespaceDefault,
            seconds => Expiration::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX / 2)),
        };
        let mut policy = WritePolicy::new(0, expiration);
        policy.send_key = self.options.send_key;
        if self.options.timeout_ms > 0 {
            policy.base_policy.total_timeout = self.options.timeout_ms;
        }
        policy
    }

    async fn select(&self, select: &Select, out: &mut dyn Write) -> Result<(), Failure> {
        let started = Instant::now();
        let mut output = Output::new(out, self.options.json, &select.bins);
        let (rows, is_cut) = match &select.condition {
            Condition::One(identity) => (self.select_one(select, identity, &mut output).await?, false),
            Condition::All | Condition::Bins(_) => self.select_many(select, &mut output).await?,
        };
        output.finish()?;
        if self.options.json {
            return Ok(());
        }
        writeln!(out, "{}", summary(rows, started.elapsed()))?;
        if is_cut {
            writeln!(out, "stopped after {rows} rows; `set rows 0` shows all")?;
        }
        Ok(())
    }

    /// Reads one record; a record that is not there is an empty result and no error.
    async fn select_one(
        &self,
        select: &Select,
        identity: &Identity,
        output: &mut Output<'_>,
    ) -> Result<u64, Failure> {
        let key = as_key(&select.table, identity)?;
        let mut policy = ReadPolicy::default();
        if self.options.timeout_ms > 0 {
            policy.base_policy.total_timeout = self.options.timeout_ms;
        }
        let mut record = match self.client.get(&policy, &key, wanted_bins(select)).await {
            Ok(record) => record,
            Err(error) if error.server_result_code() == Some(ResultCode::KeyNotFoundError) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        if select.limit == Some(0) {
            return Ok(0);
        }
        record.key = Some(key);
        output.push(&record, None)?;
        Ok(1)
    }

    /// Scans; the rows, and whether the table's limit cut them off.
    async fn select_many(&self, select: &Select, output: &mut Output<'_>) -> Result<(u64, bool), Failure> {
        let table_limit =
            if self.options.json || self.options.rows == 0 { u64::MAX } else { self.options.rows };
        let limit = select.limit.unwrap_or(u64::MAX).min(table_limit);
        let mut rows = 0;
        let mut records = self.scan(select).await?;
        while rows < limit {
            let Some(record) = records.recv().await else { return Ok((rows, false)) };
            output.push(&record?, None)?;
            rows += 1;
        }
        let is_cut = select.limit.is_none_or(|limit| limit > table_limit) && records.recv().await.is_some();
        Ok((rows, is_cut))
    }

    /// Starts a scan. The channel holds a few records; when its reader goes, the scan ends.
    async fn scan(&self, select: &Select) -> Result<mpsc::Receiver<aerospike::Result<Record>>, Failure> {
        let mut policy = QueryPolicy::default();
        policy.base_policy.total_timeout = self.options.timeout_ms;
        if let Condition::Bins(comparisons) = &select.condition {
            policy.base_policy.filter_expression = filter::expression(comparisons);
        }
        if let Some(limit) = select.limit {
            policy.max_records = limit;
        }
        let mut statement =
            aerospike::Statement::new(&select.table.namespace, &select.table.set, wanted_bins(select));
        if let Condition::Bins(comparisons) = &select.condition
            && let Some(filter) = define::serving(&self.client, &select.table, comparisons).await?
        {
            statement.set_filter(filter);
        }
        let (sender, receiver) = mpsc::channel(256);
        let forward = move |record| {
            let sender = sender.clone();
            async move { sender.send(record).await.is_ok() }
        };
        // The handle is not needed: errors arrive in the channel, and the channel's end ends the scan.
        let _ = self.client.query_foreach(&policy, PartitionFilter::all(), statement, forward).await?;
        Ok(receiver)
    }

    fn set(&mut self, setting: Option<&Setting>, out: &mut dyn Write) -> Result<(), Failure> {
        match setting {
            None => return Ok(self.show_options(out)?),
            Some(Setting::Json(json)) => self.options.json = *json,
            Some(Setting::Rows(rows)) => self.options.rows = *rows,
            Some(Setting::TimeoutMs(timeout_ms)) => self.options.timeout_ms = *timeout_ms,
            Some(Setting::SendKey(send_key)) => self.options.send_key = *send_key,
            Some(Setting::TtlSeconds(seconds)) => self.options.ttl_seconds = *seconds,
        }
        Ok(())
    }

    fn show_options(&self, out: &mut dyn Write) -> io::Result<()> {
        let Options { json, rows, timeout_ms, send_key, ttl_seconds } = &self.options;
        let output = if *json { "json" } else { "table" };
        writeln!(
            out,
            "output {output}\nrows {rows}\ntimeout {timeout_ms}\nsend_key {send_key}\nttl {ttl_seconds}"
        )
    }
}

pub(crate) fn as_key(table: &Table, identity: &Identity) -> Result<Key, Failure> {
    Ok(match identity {
        Identity::Key(value) => Key::new(&table.namespace, &table.set, value.clone())?,
        Identity::Digest(digest) => Key::with_digest(&table.namespace, &table.set, None, *digest),
    })
}

fn wanted_bins(select: &Select) -> Bins {
    if select.bins.is_empty() { Bins::All } else { Bins::Some(select.bins.clone()) }
}

/// `5 rows in set (0.025 secs)`.
pub(crate) fn summary(rows: u64, elapsed: Duration) -> String {
    let plural = if rows == 1 { "" } else { "s" };
    format!("{rows} row{plural} in set ({:.3} secs)", elapsed.as_secs_f64())
}

/// What `help` prints.
const HELP: &str = "\
  insert into NS.SET (pk, BIN, ...) values (KEY, VALUE, ...)
  select * | BIN, ... from NS.SET [where pk = KEY | where BIN = VALUE and BIN between A and B ...] [limit N]
  delete from NS.SET where pk = KEY
  truncate NS[.SET]
  create [list | mapkeys | mapvalues] index NAME on NS.SET (BIN) numeric | string | blob | geo2dsphere
  drop index NS.SET NAME
  execute MODULE.FUNCTION(VALUE, ...) on NS.SET [where ...]
  aggregate MODULE.FUNCTION(VALUE, ...) on NS[.SET] [where ...]
  show namespaces | sets | bins | indexes | nodes
  set                         the session's options
  set output table | json     rows as tables, or as JSON lines
  set rows N                  most rows of a table, 0 for all
  set timeout MS              time for one statement, 0 for no limit
  set send_key true | false   store the key beside the record
  set ttl SECONDS             life of inserted records: 0 default of the namespace, -1 for ever
  help, exit

  values: 1  2.5  'text'  true  null  x'0aff'  [1, 'a']  {\"a\": 1}  geojson('{...}')
  a bin that gets null goes away; Ctrl-C stops a statement, Ctrl-D leaves
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_is_shown_below_its_place() {
        let statement = "select *\n  form test.foo";
        let error = parser::parse(statement).unwrap_err();
        let wanted = "error: expected `from`, found `form`\n    form test.foo\n    ^^^^";
        assert_eq!(Failure::from(error).explain(statement), wanted);
        let error = parser::parse("select * from").unwrap_err();
        assert!(
            Failure::from(error).explain("select * from").ends_with("\n  select * from\n               ^")
        );
    }

    #[test]
    fn the_summary_is_the_seeds() {
        assert_eq!(summary(5, Duration::from_millis(25)), "5 rows in set (0.025 secs)");
        assert_eq!(summary(1, Duration::ZERO), "1 row in set (0.000 secs)");
    }
}
