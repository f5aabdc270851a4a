//! What a table of keys is made of.

use std::fmt::Debug;

/// What values a key can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, both ends included.
    Integer {
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
    /// A number of bytes; `K`, `M`, `G`, `T`, `P` multiply by powers of 1024.
    Size {
        /// The smallest value in bytes.
        min: u64,
        /// The largest value in bytes.
        max: u64,
    },
    /// A number of seconds; `s`, `m`, `h`, `d` may follow.
    Duration {
        /// The longest time in seconds.
        max_s: u64,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Free text of at most so many bytes.
    Text {
        /// The longest text in bytes.
        max: usize,
    },
    /// Text that may be given several times; the values add up.
    List,
}

/// When a key takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Read once at start.
    Static,
    /// May be changed while the node runs; the change takes effect at once.
    Dynamic,
    /// Known, checked and shown, so that existing files and tools work, but nothing reads it yet.
    Inert,
}

/// One key of one table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in `aerospike.conf`, in `get-config` and in `set-config`.
    pub name: &'static str,
    /// What values it can have.
    pub kind: Kind,
    /// The default, written as in a file.
    pub default: &'static str,
    /// When it takes effect.
    pub standing: Standing,
    /// One line for the reference.
    pub help: &'static str,
}

/// An enum whose variants name the keys of one table, in table order.
pub trait TableKey: Copy + Debug + 'static {
    /// The table.
    const TABLE: &'static [Key];
    /// The place of this key in the table.
    fn index(self) -> usize;
}

/// Declares a table of keys together with the enum that names them.
macro_rules! key_table {
    (
        $(#[$table_doc:meta])* $table:ident, $(#[$enum_doc:meta])* $keys:ident;
        $( $variant:ident $name:literal, $kind:expr, $default:literal, $standing:ident, $help:literal; )*
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $keys {
            $( #[doc = $help] $variant, )*
        }

        $(#[$table_doc])*
        pub static $table: &[$crate::config::Key] = {
            use $crate::config::{Key, Standing};
            &[ $( Key {
                name: $name,
                kind: $kind,
                default: $default,
                standing: Standing::$standing,
                help: $help,
            }, )* ]
        };

        impl $crate::config::TableKey for $keys {
            const TABLE: &'static [$crate::config::Key] = $table;
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use key_table;
