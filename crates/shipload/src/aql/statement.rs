//! What can be asked for, as plain values: the parser makes them, the session carries them out.

use aerospike::{CollectionIndexType, IndexType, Value};

/// A place for records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) namespace: String,
    /// Empty for all sets of the namespace.
    pub(crate) set: String,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Insert {
        table: Table,
        key: Value,
        bins: Vec<(String, Value)>,
    },
    Select(Select),
    Delete {
        table: Table,
        key: Identity,
    },
    Truncate(Table),
    CreateIndex(Index),
    DropIndex {
        table: Table,
        name: String,
    },
    Execute(Execute),
    Aggregate(Execute),
    Show(Show),
    /// `set` with nothing behind it shows the options.
    Set(Option<Setting>),
    Help,
    Exit,
}

/// `create index ...`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Index {
    pub(crate) table: Table,
    pub(crate) name: String,
    pub(crate) bin: String,
    pub(crate) kind: IndexType,
    pub(crate) collection: CollectionIndexType,
}

/// `execute module.function(...) on ...`, `aggregate module.function(...) on ...`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Execute {
    pub(crate) module: String,
    pub(crate) function: String,
    pub(crate) arguments: Vec<Value>,
    pub(crate) table: Table,
    pub(crate) condition: Condition,
}

/// `select ... from ... where ... limit ...`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) table: Table,
    /// Empty for `*`.
    pub(crate) bins: Vec<String>,
    pub(crate) condition: Condition,
    pub(crate) limit: Option<u64>,
}

/// Which records are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    All,
    One(Identity),
    /// All of these hold; checked by the nodes while they scan.
    Bins(Vec<Comparison>),
}

/// How one record is named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Identity {
    Key(Value),
    Digest([u8; 20]),
}

/// A bin beside a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) bin: String,
    pub(crate) relation: Relation,
    pub(crate) operand: Operand,
}

/// What a bin can be compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Integer(i64),
    Double(f64),
    Text(String),
    Blob(Vec<u8>),
    Bool(bool),
}

/// How a bin and a value relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What `show` can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Namespaces,
    Sets,
    Bins,
    Indexes,
    Nodes,
}

/// An option of the session and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Rows as tables or as JSON lines.
    Json(bool),
    /// Most rows that a table shows; 0 for all.
    Rows(u64),
    /// Time for one statement, in milliseconds; 0 for none.
    TimeoutMs(u32),
    /// Store the key beside the record, so that a select can show it.
    SendKey(bool),
    /// Seconds that an inserted record lives; 0 for the namespace's default, -1 for ever.
    TtlSeconds(i64),
}
