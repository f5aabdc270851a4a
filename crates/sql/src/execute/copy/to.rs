//! `COPY TO`: rows go out as they come.

use super::place::Place;
use super::{Format, Wishes, files, wishes_of};
use crate::column_type::Type;
use crate::engine_door::{RowPacker, RowSink};
use crate::error::{Kind, Result, SqlError};
use crate::execute::eval::{Env, no_row};
use crate::execute::run::{Call, Outcome, RowSet, Sql};
use crate::front::statement::Copy;
use crate::front::{Statement, parse, quoted};
use crate::network::{Object, Remote, Upload};
use crate::value::Value;
use crate::value::cast::text;
use crate::value::json::to_json_as;
use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value as Json};
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
        if !matches!(self.format, Format::Csv { header: true, .. }) {
            return Ok(());
        }
        let mut header = String::new();
        self.format
            .write(&mut header, &columns.iter().map(|(name, _)| Some(name.clone())).collect::<Vec<_>>());
        self.send(header.as_bytes()).await
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
        let wishes = wishes_of(call, copy, false)?;
        if wishes.format == Format::Parquet && wishes.gzip == Some(true) {
            return Err(super::format::wrong("Parquet packs its columns itself: leave compression away"));
        }
        let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
        let place = Place::parse(&text(&env.eval(place)?), wishes.plain)?;
        let query = outgoing(copy)?;
        let id = self.records.info(&crate::records::To::Own, "node").await?;
        let name = copy.table.last().map_or("query", String::as_str);
        let gz = if wishes.gzip == Some(true) { ".gz" } else { "" };
        let name = format!("{name}_{id}.{}{gz}", wishes.format.extension());
        let upload = self.upload(place, &name).await?;
        let mut out = Outflow::new(self, call, &wishes, upload);
        let poured = match self.pour(call, &query, &mut out).await {
            Ok(()) => out.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = poured {
            out.upload.abandon().await;
            return Err(error);
        }
        Ok(Outcome::Count(out.rows))
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

    /// Gives the rows of a query to a sink: by keys where it names them, as the engine has them else.
    async fn pour(&self, call: &Call<'_>, query: &Query, sink: &mut dyn RowSink) -> Result<()> {
        if let Some(set) = self.point(call, query).await? {
            sink.begin(&set.columns).await?;
            return sink.rows(set.rows).await;
        }
        self.engine()?.pour(self, call.query(query), sink).await
    }

    /// The rows that go out on a connection.
    pub(super) async fn copied(&self, call: &Call<'_>, copy: &Copy) -> Result<RowSet> {
        let query = outgoing(copy)?;
        self.query(call, &query).await
    }
}

/// The query whose rows go out.
fn outgoing(copy: &Copy) -> Result<Box<Query>> {
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
