//! From packed bytes to a tree, with every check that needs no record.
//!
//! The packed form is an array `[code, operand, ...]` or a bare constant. Operands are compiled in order; each tells
//! its static type, and the operation checks that they fit. Whatever is wrong is the same bad parameter.

mod flow;
mod leaf;

use super::Kind;
use super::node::{Comparison, Node};
use super::value::Value;
use super::{posix, signature};
use crate::Refusal;
use crate::msgpack::{Item, Malformed, Reader};

/// Deepest nesting of expressions that is accepted.
pub(super) const MAX_DEPTH: usize = 128;

/// A compiled operand and its type.
pub(super) type Typed = (Node, Kind);

/// Reads packed expressions one after the other.
pub(super) struct Compiler<'p> {
    /// What is left to read.
    pub(super) reader: Reader<'p>,
    /// The variables in scope, in order of definition.
    variables: Vec<(&'p [u8], Kind)>,
    /// How many operations enclose the one that is read.
    depth: usize,
}

/// Compiles one expression that takes all bytes.
pub(super) fn whole(packed: &[u8]) -> Result<Typed, Refusal> {
    let mut compiler = Compiler { reader: Reader::new(packed), variables: Vec::new(), depth: 0 };
    let typed = compiler.expression()?;
    if compiler.reader.at_end() { Ok(typed) } else { Err(Refusal::Parameter) }
}

impl<'p> Compiler<'p> {
    /// The next expression.
    pub(super) fn expression(&mut self) -> Result<Typed, Refusal> {
        if !matches!(self.peek()?, Item::Array(_)) {
            return self.literal();
        }
        if self.depth >= MAX_DEPTH {
            return Err(Refusal::Parameter);
        }
        self.depth = self.depth.saturating_add(1);
        let operands = self.reader.array_head().map_err(bad)?.checked_sub(1).ok_or(Refusal::Parameter)?;
        let code = self.int()?;
        let typed = self.operation(code, operands);
        self.depth = self.depth.saturating_sub(1);
        typed
    }

    /// An operation whose code is read and that has so many operands.
    fn operation(&mut self, code: i64, operands: u32) -> Result<Typed, Refusal> {
        match code {
            0 => none_of(operands, (Node::Unknown, Kind::Any)),
            1..=6 => self.comparison(code, operands),
            7 => self.regex(operands),
            8 => self.geo_compare(operands),
            9 => self.in_list(operands),
            16 | 17 | 19 => self.logic(code, operands),
            18 => {
                let node = self.only(operands, Kind::Bool)?;
                Ok((Node::Not(Box::new(node)), Kind::Bool))
            }
            20..=41 | 50 | 51 => self.number(code, operands),
            64..=74 => self.metadata(code, operands),
            80 => self.key(operands),
            81 => self.bin(operands),
            82 => self.bin_type(operands),
            99 => self.text_of(operands),
            100 => none_of(operands, (Node::RemoveResult, Kind::Any)),
            101 => {
                let node = self.only(operands, Kind::Map)?;
                Ok((Node::MapKeys(Box::new(node)), Kind::List))
            }
            102 => {
                let node = self.only(operands, Kind::Map)?;
                Ok((Node::MapValues(Box::new(node)), Kind::List))
            }
            122 => self.loop_variable(operands),
            123 => self.cond(operands),
            124 => self.variable(operands),
            125 => self.definitions(operands),
            126 => self.quote(operands),
            127 => self.call(operands),
            _ => Err(Refusal::Parameter),
        }
    }

    fn text_of(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 1)?;
        let (node, kind) = self.expression()?;
        let has_text =
            [Kind::Int, Kind::Float, Kind::Text, Kind::Blob].iter().any(|wanted| kind.fits(*wanted));
        if has_text { Ok((Node::ToText(Box::new(node)), Kind::Text)) } else { Err(Refusal::Parameter) }
    }

    fn comparison(&mut self, code: i64, operands: u32) -> Result<Typed, Refusal> {
        let comparison = match code {
            1 => Comparison::Equal,
            2 => Comparison::NotEqual,
            3 => Comparison::Greater,
            4 => Comparison::GreaterOrEqual,
            5 => Comparison::Less,
            _ => Comparison::LessOrEqual,
        };
        let [(a, kind_a), (b, kind_b)] = self.pair(operands)?;
        // Shapes have no order and no equality; `geo compare` is for them.
        if !kind_a.fits(kind_b) || kind_a == Kind::Geo || kind_b == Kind::Geo {
            return Err(Refusal::Parameter);
        }
        Ok((Node::Compare(comparison, Box::new([a, b])), Kind::Bool))
    }

    fn regex(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 3)?;
        let flags = self.int()?;
        let pattern = self.reader.bytes().map_err(bad)?;
        let regex = posix::compile(pattern, flags)?;
        let text = self.operand(Kind::Text)?;
        Ok((Node::Regex(Box::new(regex), Box::new(text)), Kind::Bool))
    }

    fn geo_compare(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 2)?;
        let nodes = [self.operand(Kind::Geo)?, self.operand(Kind::Geo)?];
        Ok((Node::GeoCompare(Box::new(nodes)), Kind::Bool))
    }

    fn in_list(&mut self, operands: u32) -> Result<Typed, Refusal> {
        exactly(operands, 2)?;
        let nodes = [self.operand(Kind::Any)?, self.operand(Kind::List)?];
        Ok((Node::InList(Box::new(nodes)), Kind::Bool))
    }

    fn logic(&mut self, code: i64, operands: u32) -> Result<Typed, Refusal> {
        if operands < 2 {
            return Err(Refusal::Parameter);
        }
        let nodes = (0..operands).map(|_| self.operand(Kind::Bool)).collect::<Result<Vec<_>, _>>()?;
        let node = match code {
            16 => Node::And(nodes),
            17 => Node::Or(nodes),
            _ => Node::Exclusive(nodes),
        };
        Ok((node, Kind::Bool))
    }

    fn number(&mut self, code: i64, operands: u32) -> Result<Typed, Refusal> {
        let op = signature::number_op(code).ok_or(Refusal::Parameter)?;
        let typed = (0..operands).map(|_| self.expression()).collect::<Result<Vec<_>, _>>()?;
        let (nodes, kinds): (Vec<Node>, Vec<Kind>) = typed.into_iter().unzip();
        Ok((Node::Number(op, nodes), signature::result(op, &kinds)?))
    }

    /// An expression that must have this type.
    fn operand(&mut self, wanted: Kind) -> Result<Node, Refusal> {
        let (node, kind) = self.expression()?;
        if kind.fits(wanted) { Ok(node) } else { Err(Refusal::Parameter) }
    }

    /// The only operand, of this type.
    fn only(&mut self, operands: u32, wanted: Kind) -> Result<Node, Refusal> {
        exactly(operands, 1)?;
        self.operand(wanted)
    }

    /// Exactly two operands.
    fn pair(&mut self, operands: u32) -> Result<[Typed; 2], Refusal> {
        exactly(operands, 2)?;
        Ok([self.expression()?, self.expression()?])
    }

    fn peek(&self) -> Result<Item<'p>, Refusal> {
        self.reader.peek().map_err(bad)
    }

    /// A bare integer.
    fn int(&mut self) -> Result<i64, Refusal> {
        self.reader.int().map_err(bad)
    }

    /// A bare type number.
    fn kind(&mut self) -> Result<Kind, Refusal> {
        Kind::from_number(self.int()?)
    }
}

fn none_of(operands: u32, typed: Typed) -> Result<Typed, Refusal> {
    exactly(operands, 0).map(|()| typed)
}

fn exactly(operands: u32, wanted: u32) -> Result<(), Refusal> {
    if operands == wanted { Ok(()) } else { Err(Refusal::Parameter) }
}

/// In an expression, bytes that are not even msgpack are one more bad parameter.
fn bad(_: Malformed) -> Refusal {
    Refusal::Parameter
}

/// A constant and its type.
fn constant(value: Value<'static>) -> Typed {
    let kind = value.kind();
    (Node::Literal(value), kind)
}
