//! The tree that a packed expression is compiled to.

use super::Kind;
use super::payload::Payload;
use super::value::Value;
use regex::bytes::Regex;

/// One operation with its operands. Variables are numbers: the n-th definition that is in scope.
#[derive(Debug)]
pub(super) enum Node {
    /// A constant.
    Literal(Value<'static>),
    /// Never has a value.
    Unknown,
    /// Removes the element that a path operation is looking at.
    RemoveResult,
    /// Compares two values of one type.
    Compare(Comparison, Box<[Node; 2]>),
    /// Whether the pattern is found in a text.
    Regex(Box<Regex>, Box<Node>),
    /// Whether one shape is inside the other.
    GeoCompare(Box<[Node; 2]>),
    /// Whether a value is an element of a list.
    InList(Box<[Node; 2]>),
    /// True when all are.
    And(Vec<Node>),
    /// True when one is.
    Or(Vec<Node>),
    /// The other truth.
    Not(Box<Node>),
    /// True when exactly one is.
    Exclusive(Vec<Node>),
    /// Arithmetic on numbers.
    Number(NumberOp, Vec<Node>),
    /// What is known about the record.
    Metadata(Metadata),
    /// The stored key, when it has this type.
    Key(Kind),
    /// A bin, when it has this type.
    Bin(Kind, Box<[u8]>),
    /// The particle type number of a bin; 0 when it is missing.
    BinType(Box<[u8]>),
    /// All keys of a map.
    MapKeys(Box<Node>),
    /// All values of a map.
    MapValues(Box<Node>),
    /// The text of a number, a string or a blob.
    ToText(Box<Node>),
    /// A part of the element that a path operation is looking at.
    LoopVariable(Kind, LoopPart),
    /// The first action whose test is true, or the default.
    Cond(Vec<(Node, Node)>, Box<Node>),
    /// A variable.
    Variable(usize),
    /// Definitions that the body (and later definitions) can use.
    Let(Vec<Node>, Box<Node>),
    /// An operation on a container, a blob or an HLL.
    Call(Box<Call>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// An arithmetic operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberOp {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Log,
    Mod,
    Abs,
    Floor,
    Ceil,
    ToInt,
    ToFloat,
    And,
    Or,
    Xor,
    Not,
    ShiftLeft,
    ShiftRight,
    ShiftRightSigned,
    Count,
    ScanLeft,
    ScanRight,
    Min,
    Max,
}

/// A question about the record as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metadata {
    DigestModulo(i64),
    DeviceSize,
    LastUpdate,
    SinceUpdate,
    VoidTime,
    Ttl,
    SetName,
    KeyExists,
    IsTombstone,
    MemorySize,
    RecordSize,
}

/// Which part of an element a loop variable stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopPart {
    Key,
    Value,
    Index,
}

/// An operation of another module on the value of an expression.
#[derive(Debug)]
pub(super) struct Call {
    /// The type that the result must have.
    pub(super) kind: Kind,
    /// Whose operation it is.
    pub(super) system: System,
    /// Whether it modifies a copy, which is then the result.
    pub(super) modify: bool,
    /// The operation and its arguments.
    pub(super) payload: Payload,
    /// What it works on.
    pub(super) bin: Node,
}

/// Whose operation a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// Lists and maps.
    Cdt,
    /// Bits of a blob.
    Bits,
    /// `HyperLogLog`.
    Hll,
    /// Strings.
    Strings,
}
