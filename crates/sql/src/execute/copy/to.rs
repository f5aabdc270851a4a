//! `COPY TO`: rows go out as they come. Of a table's rows each node writes those of the partitions that it masters.

use super::place::Place;
use super::share::{Asked, no_summary, outgoing_statement, written};
use super::{Format, TableKind, Wishes, files, wishes_of};
use crate::catalog::SYSTEM_SCHEMAS;
use crate::column_type::Type;
use crate::engine_door::{self, RowPacker, RowSink};
use crate::error::{Kind, Result, SqlError};
use crate::execute::eval::{Env, no_row};
use crate::execute::run::{Call, Outcome, Sql};
use crate::front::statement::Copy;
use crate::front::{Statement, parse, quoted};
use crate::network::{Object, Remote, Upload};
use crate::records::{NodeAddress, To};
use crate::value::Value;
use crate::value::cast::text;
use crate::value::json::to_json_as;
use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::{try_join, try_join_all};
use serde_json::{Map, Value as Json};
use shipload_value::digest::PARTITION_COUNT;
use sqlparser::ast::{Query, Statement as Stock};
use std::io::Write as _;

/// Bytes that are written at once.
const CHUNK: usize = 256 << 10;

/// Rows on their way into a file or an object.
struct Outflow<'a> {
    sql: &'a Sql,
    call: &'a Call<'a>,
    format: Format,
    columns: Vec<(String, Type)>,
    packer: Option<Box<dyn RowPacker>>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    ready: Vec<u8>,
    upload: Box<dyn Upload>,
    rows: i64,
}

impl<'a> Outflow<'a> {
    fn new(sql: &'a Sql, call: &'a Call<'a>, wishes: &Wishes, upload: Box<dyn Upload>) -> Outflow<'a> {
        let gzip = (wishes.gzip == Some(true)).then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Outflow {
            sql,
            call,
            format: wishes.format.clone(),
            columns: Vec::new(),
            packer: None,
            gzip,
            ready: Vec::new(),
            upload,
            rows: 0,
        }
    }

    /// Bytes for the file.
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.gzip {
            Some(packer) => {
                packer.write_all(bytes).map_err(|error| SqlError::new(Kind::Internal, error.to_string()))?;
                self.ready.append(packer.get_mut());
            }
            None => self.ready.extend_from_slice(bytes),
        }
        if self.ready.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let ready = std::mem::take(&mut self.ready);
        self.call.job.progress.add_bytes(ready.len() as u64);
        self.upload.put(ready.into()).await
    }

    async fn finish(&mut self) -> Result<()> {
        if let Some(packer) = self.packer.take() {
            let last = packer.finish()?;
            self.send(&last).await?;
        }
        if let Some(packer) = self.gzip.take() {
            let last = packer.finish().map_err(|error| SqlError::new(Kind::Internal, error.to_string()))?;
            self.ready.extend(last);
        }
        if !self.ready.is_empty() {
            self.flush().await?;
        }
        self.upload.finish().await
    }

    /// A row as a line.
    fn line(&self, out: &mut String, row: &[Value]) {
        if self.format == Format::Json {
            let members = row.iter().zip(&self.columns).filter(|(value, _)| !value.is_null());
            let object: Map<String, Json> =
                members.map(|(value, (name, ty))| (name.clone(), to_json_as(value, ty))).collect();
            out.push_str(&Json::Object(object).to_string());
            out.push('\n');
        } else {
            let field = |value: &Value| if value.is_null() { None } else { Some(text(value)) };
            self.format.write(out, &row.iter().map(field).collect::<Vec<_>>());
        }
    }
}

#[async_trait]
impl RowSink for Outflow<'_> {
    async fn begin(&mut self, columns: &[(String, Type)]) -> Result<()> {
        self.columns = columns.to_vec();
        if self.format == Format::Parquet {
            self.packer = Some(self.sql.engine()?.pack(columns)?);
        }
        let header = self.format.header(columns);
        if header.is_empty() { Ok(()) } else { self.send(header.as_bytes()).await }
    }

    async fn rows(&mut self, rows: Vec<Vec<Value>>) -> Result<()> {
        let bytes = if let Some(packer) = &mut self.packer {
            packer.rows(&rows)?
        } else {
            let mut lines = String::new();
            rows.iter().for_each(|row| self.line(&mut lines, row));
            lines.into_bytes()
        };
        self.rows += i64::try_from(rows.len()).unwrap_or(0);
        self.call.job.progress.add_rows(rows.len());
        self.send(&bytes).await
    }
}

impl Sql {
    pub(in crate::execute) async fn copy_to(&self, call: &Call<'_>, copy: &Copy) -> Result<Outcome> {
        let Some(place) = &copy.place else {
            return Err(SqlError::unsupported("COPY TO STDOUT needs a connection of PostgreSQL's wire"));
        };
        let wishes = wishes_of(call, copy, false)?.waiting()?;
        if wishes.format == Format::Parquet && wishes.gzip == Some(true) {
            return Err(super::format::wrong("Parquet packs its columns itself: leave compression away"));
        }
        let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
        let place = Place::parse(&text(&env.eval(place)?), wishes.plain)?;
        let query = outgoing(copy)?;
        let goal = Goal { call, copy, wishes: &wishes, place, query: &query };
        let own = self.own_id().await?;
        let rows = match self.outgoing_shares(&goal).await? {
            None => self.write(&goal, &own, wishes.partitions.as_deref()).await?,
            Some((table, shares)) => self.write_shares(&goal, &table, &own, shares).await?,
        };
        Ok(Outcome::Count(rows))
    }

    /// The table's whole name, and which node writes which partitions; none where one node does it all: for what is no table, and what
    /// refers to arguments, which are not sent around.
    async fn outgoing_shares(&self, goal: &Goal<'_>) -> Result<Option<([String; 2], Vec<OutShare>)>> {
        let Goal { call, copy, wishes, .. } = goal;
        let speaks_of_arguments = copy.selection.is_some() && !call.args.is_empty();
        if copy.query.is_some() || speaks_of_arguments {
            return Ok(None);
        }
        let (schema, name) = crate::catalog::qualify(&copy.table, &call.session.schema)?;
        if SYSTEM_SCHEMAS.contains(&schema.as_str()) {
            return Ok(None);
        }
        let table = self.catalogs.table(&schema, &name).await?;
        let nodes = self.readers(wishes).await?;
        if table.kind != TableKind::Base || matches!(nodes.as_slice(), [node] if node.to == To::Own) {
            return Ok(None);
        }
        let all = wishes.partitions.clone().unwrap_or_else(|| (0..PARTITION_COUNT).collect());
        let mastered = self.records.shares(&table.place().namespace, &all, false).await?;
        Ok(Some(([schema, name], deal(nodes, mastered))))
    }

    /// All nodes write their shares at the same time. What a node has not begun is done here.
    async fn write_shares(
        &self,
        goal: &Goal<'_>,
        table: &[String],
        own: &str,
        shares: Vec<OutShare>,
    ) -> Result<i64> {
        let (here, others): (Vec<OutShare>, Vec<OutShare>) =
            shares.into_iter().partition(|(node, _)| node.to == To::Own);
        let asked = try_join_all(others.iter().map(async |(node, partitions)| {
            let words = (node.id.as_str(), partitions.as_slice(), &goal.place);
            self.ask_node(node, &outgoing_statement(table, goal.copy, goal.wishes, words)).await
        }));
        let written_here = async {
            let mut rows = 0;
            for (_, partitions) in &here {
                rows += self.write(goal, own, Some(partitions)).await?;
            }
            Ok::<i64, SqlError>(rows)
        };
        let (asked, mut rows) = try_join(asked, written_here).await?;
        for ((node, partitions), heard) in others.iter().zip(asked) {
            rows += match heard {
                Asked::Done(answer) => {
                    let count = written(&answer).ok_or_else(|| no_summary(&node.id, &answer))?;
                    goal.call.job.progress.add_rows(usize::try_from(count).unwrap_or(0));
                    count
                }
                Asked::NotBegun { .. } => {
                    self.write(goal, &format!("{own}_{}", node.id), Some(partitions)).await?
                }
                Asked::Lost(why) => return Err(why),
            };
        }
        Ok(rows)
    }

    /// Writes rows into one file or object, which is named by table and `who`. Gives their number.
    async fn write(&self, goal: &Goal<'_>, who: &str, among: Option<&[u16]>) -> Result<i64> {
        let Goal { call, copy, wishes, place, query } = goal;
        let name = copy.table.last().map_or("query", String::as_str);
        let gz = if wishes.gzip == Some(true) { ".gz" } else { "" };
        let name = format!("{name}_{who}.{}{gz}", wishes.format.extension());
        let upload = self.upload(place.clone(), &name).await?;
        let mut out = Outflow::new(self, call, wishes, upload);
        let poured = match self.pour(call, query, among, &mut out).await {
            Ok(()) => out.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = poured {
            out.upload.abandon().await;
            return Err(error);
        }
        Ok(out.rows)
    }

    /// Begins a file or an object of this name in a folder.
    async fn upload(&self, folder: Place, name: &str) -> Result<Box<dyn Upload>> {
        match folder {
            Place::File(path) => {
                let folder = files::make(self.identity.files.as_deref(), &path)?;
                Ok(Box::new(files::Writing::begin(&folder, name)?))
            }
            Place::Remote(Remote::Http(_)) => {
                Err(SqlError::unsupported("COPY TO an address of HTTP; files and s3 can be written"))
            }
            Place::Remote(Remote::Object(object)) => {
                let slash = if object.path.is_empty() { "" } else { "/" };
                let path = format!("{}{slash}{name}", object.path);
                self.network()?.write(&Object { path, ..object }).await
            }
        }
    }

    /// Gives the rows of a query to a sink: by keys where it names them, as the engine has them else. The engine reads only these
    /// partitions.
    pub(super) async fn pour(
        &self,
        call: &Call<'_>,
        query: &Query,
        among: Option<&[u16]>,
        sink: &mut dyn RowSink,
    ) -> Result<()> {
        let point = if among.is_none() { self.point(call, query).await? } else { None };
        if let Some(set) = point {
            sink.begin(&set.columns).await?;
            return sink.rows(set.rows).await;
        }
        self.engine()?.pour(self, engine_door::Query { among, ..call.query(query) }, sink).await
    }
}

/// What goes out, and where to.
struct Goal<'a> {
    call: &'a Call<'a>,
    copy: &'a Copy,
    wishes: &'a Wishes,
    place: Place,
    query: &'a Query,
}

/// A node and the partitions that it writes.
type OutShare = (NodeAddress, Vec<u16>);

/// Deals partitions out: to their masters, and those of others to all in turn. Each node's are in order.
fn deal(nodes: Vec<NodeAddress>, mastered: Vec<(To, Vec<u16>)>) -> Vec<OutShare> {
    let mut shares: Vec<OutShare> = nodes.into_iter().map(|node| (node, Vec::new())).collect();
    let mut left = Vec::new();
    for (master, partitions) in mastered {
        match shares.iter_mut().find(|(node, _)| node.to == master) {
            Some((_, share)) => share.extend(partitions),
            None => left.extend(partitions),
        }
    }
    let count = shares.len().max(1);
    for (turn, partition) in left.into_iter().enumerate() {
        if let Some((_, share)) = shares.get_mut(turn % count) {
            share.push(partition);
        }
    }
    shares.retain(|(_, share)| !share.is_empty());
    shares.iter_mut().for_each(|(_, share)| share.sort_unstable());
    shares
}

/// The query whose rows go out.
pub(super) fn outgoing(copy: &Copy) -> Result<Box<Query>> {
    if let Some(query) = &copy.query {
        return Ok(query.clone());
    }
    let columns: Vec<String> = copy.columns.iter().map(|name| quoted(name)).collect();
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    let table: Vec<String> = copy.table.iter().map(|name| quoted(name)).collect();
    let condition = copy.selection.as_ref().map(|expr| format!(" WHERE {expr}")).unwrap_or_default();
    let parsed = parse(&format!("SELECT {columns} FROM {}{condition}", table.join(".")))?;
    match parsed.statement {
        Statement::Stock(stock) => match *stock {
            Stock::Query(query) => Ok(query),
            _ => Err(SqlError::new(Kind::Internal, "no query")),
        },
        _ => Err(SqlError::new(Kind::Internal, "no query")),
    }
}

#[cfg(test)]
mod tests {
    use super::{NodeAddress, To, deal};

    #[test]
    fn every_partition_is_dealt_once() {
        let node = |name: &str| NodeAddress { id: name.to_owned(), to: To::Node(name.to_owned()) };
        let mastered = || {
            let of = |name: &str, from: u16| (To::Node(name.to_owned()), (from..4096).step_by(3).collect());
            vec![of("c", 2), of("a", 0), of("b", 1)]
        };
        for nodes in [vec!["a", "b", "c"], vec!["b", "c"], vec!["d", "e"], vec!["a"]] {
            let shares = deal(nodes.iter().map(|name| node(name)).collect(), mastered());
            assert_eq!(shares.len(), nodes.len());
            assert!(shares.iter().all(|(_, share)| share.is_sorted()));
            let mut all: Vec<u16> = shares.into_iter().flat_map(|(_, share)| share).collect();
            all.sort_unstable();
            assert_eq!(all, (0..4096).collect::<Vec<_>>(), "{nodes:?}");
        }
        let few = deal(vec![node("a"), node("b")], vec![(To::Node("b".to_owned()), vec![7])]);
        assert_eq!(few, [(node("b"), vec![7])]);
    }
}
