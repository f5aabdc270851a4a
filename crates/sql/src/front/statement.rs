//! Statements: the stock parser's, and those that it lacks.

use super::ddl::{AlterTable, CreateTable, WithOption};
use sqlparser::ast::{Expr, SelectItem, Statement as Stock};

/// A statement with what is known of it before it runs.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// How many arguments it takes.
    pub arguments: usize,
    /// Its text.
    pub text: String,
}

/// A qualified name, in parts.
pub type Name = Vec<String>;

/// How far a setting reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This connection.
    Session,
    /// The cluster.
    Global,
}

/// `UPDATE`, with paths on the left.
#[derive(Debug, Clone)]
pub struct Update {
    /// The table.
    pub table: Name,
    /// What it is called in the statement.
    pub alias: Option<String>,
    /// Columns with paths into them, and their new values.
    pub sets: Vec<(Vec<String>, Expr)>,
    /// Which rows.
    pub selection: Option<Expr>,
    /// What is answered of the rows.
    pub returning: Option<Vec<SelectItem>>,
}

/// `COPY`.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The table.
    pub table: Name,
    /// Columns; all when empty.
    pub columns: Vec<String>,
    /// The rows that go out.
    pub selection: Option<Expr>,
    /// What goes out instead of a table's rows.
    pub query: Option<Box<sqlparser::ast::Query>>,
    /// Where from or where to; none for the connection itself, `STDIN` and `STDOUT`.
    pub place: Option<Expr>,
    /// Options.
    pub options: Vec<WithOption>,
    /// Answer what happened to each file.
    pub summary: bool,
}

/// What `SHOW` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// The statement that makes a table.
    CreateTable(Name),
    /// A setting; none for all.
    Setting(Option<String>),
    /// Tables of a schema, with a pattern.
    Tables(Option<String>, Option<String>),
    /// Columns of a table.
    Columns(Name),
    /// Schemas, with a pattern.
    Schemas(Option<String>),
}

/// A statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// What the stock parser knows.
    Stock(Box<Stock>),
    /// `UPDATE`.
    Update(Update),
    /// `CREATE TABLE`.
    CreateTable(Box<CreateTable>),
    /// `CREATE TABLE ... AS`.
    CreateTableAs {
        /// The table.
        name: Name,
        /// No error when there is one.
        if_not_exists: bool,
        /// Its rows.
        query: Box<sqlparser::ast::Query>,
    },
    /// `CREATE VIEW`.
    CreateView {
        /// The view.
        name: Name,
        /// An older one goes.
        or_replace: bool,
        /// Its definition.
        query: Box<sqlparser::ast::Query>,
    },
    /// `DROP TABLE`, `DROP VIEW`, `DROP BLOB TABLE`.
    Drop {
        /// TABLE, VIEW or BLOB TABLE.
        what: &'static str,
        /// No error when there is none.
        if_exists: bool,
        /// Which.
        names: Vec<Name>,
    },
    /// `CREATE INDEX`.
    CreateIndex {
        /// Its name.
        name: Name,
        /// No error when there is one of that name.
        if_not_exists: bool,
        /// Of which table.
        table: Name,
        /// Of which columns.
        columns: Vec<Name>,
    },
    /// `DROP INDEX`.
    DropIndex {
        /// No error when there is none.
        if_exists: bool,
        /// Which.
        names: Vec<Name>,
    },
    /// `ALTER TABLE`.
    AlterTable(Name, AlterTable),
    /// `REFRESH TABLE`: reads are current, so that only names are checked.
    Refresh(Vec<Name>),
    /// `OPTIMIZE TABLE`, `ANALYZE` and others that are accepted: upkeep goes on by itself.
    Accepted(Vec<Name>),
    /// `KILL ALL` without, `KILL 'id'` with an expression.
    Kill(Option<Expr>),
    /// `SET`.
    Set(Scope, Vec<(String, Vec<Expr>)>),
    /// `RESET`.
    Reset(Vec<String>),
    /// `SHOW`.
    Show(Show),
    /// `DECLARE ... CURSOR FOR`.
    Declare {
        /// The cursor.
        name: String,
        /// It outlives the transaction.
        hold: bool,
        /// Its rows.
        query: Box<sqlparser::ast::Query>,
    },
    /// `FETCH` and `MOVE`.
    Fetch {
        /// The cursor.
        name: String,
        /// How many rows; none for all.
        count: Option<u64>,
        /// The rows are stepped over.
        skip: bool,
    },
    /// `CLOSE`: one cursor, or all.
    Close(Option<String>),
    /// `COPY ... FROM`.
    CopyFrom(Box<Copy>),
    /// `COPY ... TO`.
    CopyTo(Box<Copy>),
    /// `BEGIN`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `DEALLOCATE`, `DISCARD`, `SAVEPOINT`: words only.
    Forget(&'static str),
}

impl Statement {
    /// The word or words that PostgreSQL's command tag begins with.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        match self {
            Statement::Stock(stock) => match stock.as_ref() {
                Stock::Insert(_) => "INSERT",
                Stock::Delete(_) => "DELETE",
                Stock::Explain { .. } => "EXPLAIN",
                _ => "SELECT",
            },
            Statement::Update(_) => "UPDATE",
            Statement::CreateTable(_) | Statement::CreateTableAs { .. } => "CREATE TABLE",
            Statement::CreateView { .. } => "CREATE VIEW",
            Statement::Drop { what, .. } if *what == "VIEW" => "DROP VIEW",
            Statement::Drop { .. } => "DROP TABLE",
            Statement::CreateIndex { .. } => "CREATE INDEX",
            Statement::DropIndex { .. } => "DROP INDEX",
            Statement::AlterTable(..) => "ALTER TABLE",
            Statement::Refresh(_) => "REFRESH",
            Statement::Accepted(_) => "OPTIMIZE",
            Statement::Kill(_) => "KILL",
            Statement::Set(..) => "SET",
            Statement::Reset(_) => "RESET",
            Statement::Show(_) => "SHOW",
            Statement::Declare { .. } => "DECLARE CURSOR",
            Statement::Fetch { skip: false, .. } => "FETCH",
            Statement::Fetch { skip: true, .. } => "MOVE",
            Statement::Close(_) => "CLOSE CURSOR",
            Statement::CopyFrom(_) | Statement::CopyTo(_) => "COPY",
            Statement::Begin => "BEGIN",
            Statement::Commit => "COMMIT",
            Statement::Rollback => "ROLLBACK",
            Statement::Forget(tag) => tag,
        }
    }

    /// The word by which `sys.jobs_metrics` groups.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self.tag() {
            "SELECT" | "SHOW" | "EXPLAIN" | "DECLARE CURSOR" | "FETCH" => "SELECT",
            "INSERT" => "INSERT",
            "UPDATE" => "UPDATE",
            "DELETE" => "DELETE",
            "COPY" => "COPY",
            "CREATE TABLE" | "CREATE VIEW" | "DROP TABLE" | "DROP VIEW" | "ALTER TABLE" | "CREATE INDEX"
            | "DROP INDEX" => "DDL",
            _ => "MANAGEMENT",
        }
    }
}
