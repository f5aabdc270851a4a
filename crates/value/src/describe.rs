//! Contexts and expressions as text, for people who list indexes.
//!
//! The text is for reading, not for parsing: strings lose what would confuse a list of pairs. Bytes that make no
//! sense are described as far as they do. Names are the protocol's words (`guide/protocol.md` parts 5.2 and 6.3).

use crate::msgpack::{Item, Malformed, Reader};
use std::fmt::Write as _;

/// Deepest nesting that is described; what lies deeper is three dots.
const DEPTH_MAX: usize = 32;

/// A context as text, such as `[list_index(0), map_key("a")]`.
#[must_use]
pub fn context(encoded: &[u8]) -> String {
    let mut text = Text::default();
    let _: Result<(), Malformed> = text.steps(&mut Reader::new(encoded));
    text.out
}

/// A packed expression as text, such as `add(bin_int("a"), 1)`.
#[must_use]
pub fn expression(packed: &[u8]) -> String {
    let mut text = Text::default();
    let _: Result<(), Malformed> = text.expression(&mut Reader::new(packed));
    text.out
}

#[derive(Default)]
struct Text {
    out: String,
    depth: usize,
}

impl Text {
    fn steps(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.out.push('[');
        for step in 0..reader.array_head()? / 2 {
            self.out.push_str(if step == 0 { "" } else { ", " });
            let name = match reader.int()? & !0xc0 {
                0x10 => "list_index",
                0x11 => "list_rank",
                0x13 => "list_value",
                0x20 => "map_index",
                0x21 => "map_rank",
                0x22 => "map_key",
                0x23 => "map_value",
                _ => "step",
            };
            self.out.push_str(name);
            self.out.push('(');
            self.value(reader)?;
            self.out.push(')');
        }
        self.out.push(']');
        Ok(())
    }

    /// An operation with its operands, or a constant.
    fn expression(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let Item::Array(count) = reader.peek()? else { return self.value(reader) };
        reader.read()?;
        let Some(mut operands) = count.checked_sub(1) else { return Ok(()) };
        let Some(code) = reader.peek()?.as_int() else {
            return self.list(reader, count);
        };
        reader.read()?;
        if operands > 0 && matches!(code, 80 | 81) {
            operands = operands.saturating_sub(1);
            let _ = write!(self.out, "{}_{}", name(code), kind_name(reader.int()?));
        } else if name(code).is_empty() {
            let _ = write!(self.out, "op_{code}");
        } else {
            self.out.push_str(name(code));
        }
        self.out.push('(');
        self.items(reader, operands)?;
        self.out.push(')');
        Ok(())
    }

    fn list(&mut self, reader: &mut Reader<'_>, count: u32) -> Result<(), Malformed> {
        self.out.push('[');
        self.items(reader, count)?;
        self.out.push(']');
        Ok(())
    }

    fn items(&mut self, reader: &mut Reader<'_>, count: u32) -> Result<(), Malformed> {
        for item in 0..count {
            self.out.push_str(if item == 0 { "" } else { ", " });
            if self.depth >= DEPTH_MAX {
                self.out.push_str("...");
                reader.skip()?;
                continue;
            }
            self.depth = self.depth.saturating_add(1);
            let done = self.expression(reader);
            self.depth = self.depth.saturating_sub(1);
            done?;
        }
        Ok(())
    }

    /// A constant.
    fn value(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let start = reader.position();
        match reader.read()? {
            Item::Nil => self.out.push_str("nil"),
            Item::Bool(value) => drop(write!(self.out, "{value}")),
            Item::Int(value) => drop(write!(self.out, "{value}")),
            Item::Uint(value) => drop(write!(self.out, "{value}")),
            Item::Double(value) => drop(write!(self.out, "{value:?}")),
            Item::Bytes(bytes) => self.string(bytes),
            Item::Array(count) => return self.list(reader, count),
            Item::Map(_) | Item::Ext { .. } => {
                let mut whole = *reader;
                // The head is read: what is left of the value are its children.
                let encoded = reader.since(start);
                let children = Reader::new(encoded).peek().map_or(0, |item| item.children());
                for _ in 0..children {
                    whole.skip()?;
                }
                *reader = whole;
                self.out.push_str("{...}");
            }
        }
        Ok(())
    }

    /// Text in quotes; its first byte may be a particle type.
    fn string(&mut self, bytes: &[u8]) {
        let bytes = bytes.strip_prefix(&[3]).unwrap_or(bytes);
        self.out.push('"');
        for symbol in String::from_utf8_lossy(bytes).chars() {
            let odd = symbol.is_control() || matches!(symbol, ';' | ':' | '"');
            self.out.push(if odd { '?' } else { symbol });
        }
        self.out.push('"');
    }
}

fn kind_name(kind: i64) -> &'static str {
    match kind {
        0 => "nil",
        1 => "bool",
        2 => "int",
        3 => "str",
        4 => "list",
        5 => "map",
        6 => "blob",
        7 => "float",
        8 => "geo",
        9 => "hll",
        _ => "any",
    }
}

/// The name of an operation; empty for one that is not known.
fn name(code: i64) -> &'static str {
    match code {
        0 => "unknown",
        1 => "eq",
        2 => "ne",
        3 => "gt",
        4 => "ge",
        5 => "lt",
        6 => "le",
        7 => "regex",
        8 => "geo_compare",
        9 => "in_list",
        16 => "and",
        17 => "or",
        18 => "not",
        19 => "exclusive",
        20 => "add",
        21 => "sub",
        22 => "mul",
        23 => "div",
        24 => "pow",
        25 => "log",
        26 => "mod",
        27 => "abs",
        28 => "floor",
        29 => "ceil",
        30 => "to_int",
        31 => "to_float",
        32 => "int_and",
        33 => "int_or",
        34 => "int_xor",
        35 => "int_not",
        36 => "int_lshift",
        37 => "int_rshift",
        38 => "int_arshift",
        39 => "int_count",
        40 => "int_lscan",
        41 => "int_rscan",
        50 => "min",
        51 => "max",
        _ => other_name(code),
    }
}

fn other_name(code: i64) -> &'static str {
    match code {
        64 => "digest_modulo",
        65 => "device_size",
        66 => "last_update",
        67 => "since_update",
        68 => "void_time",
        69 => "ttl",
        70 => "set_name",
        71 => "key_exist",
        72 => "is_tombstone",
        73 => "memory_size",
        74 => "record_size",
        80 => "key",
        81 => "bin",
        82 => "bin_type",
        99 => "to_string",
        100 => "remove_result",
        101 => "map_keys_in",
        102 => "map_values_in",
        122 => "loop_var",
        123 => "cond",
        124 => "var",
        125 => "let",
        126 => "quote",
        127 => "call",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{context, expression};
    use proptest::prelude::{any, prop, proptest};

    #[test]
    fn text_names_what_the_bytes_say() {
        assert_eq!(context(b"\x92\x10\x00"), "[list_index(0)]");
        assert_eq!(context(b"\x94\x22\xa2\x03a\x11\xff"), "[map_key(\"a\"), list_rank(-1)]");
        assert_eq!(expression(b"\x93\x51\x02\xa1a"), "bin_int(\"a\")");
        assert_eq!(expression(b"\x93\x14\x93\x51\x02\xa1a\x00"), "add(bin_int(\"a\"), 0)");
        assert_eq!(expression(b"\x92\x7e\x92\x01\xa3\x03:;"), "quote(eq(\"??\"))");
        assert_eq!(expression(b"\xc3"), "true");
        assert_eq!(expression(b"\x81\x01\x02"), "{...}");
    }

    proptest! {
        #[test]
        fn any_bytes_give_some_text(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = (context(&bytes), expression(&bytes));
        }
    }
}
