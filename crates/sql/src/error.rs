//! Errors as Crate's clients and PostgreSQL's clients know them.
//!
//! One list gives code, class name and SQLSTATE, so that the two doors never disagree about what went wrong. The HTTP status
//! follows the code's first digits. A code of the 503 group makes clients send the same statement to another node, so it
//! is only used when the statement certainly did not start.

use thiserror::Error;

/// Declares the kinds once.
macro_rules! kinds {
    ($($name:ident $code:literal $class:literal $state:literal $text:literal;)*) => {
        /// What went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $text] $name,)*
        }

        impl Kind {
            /// The code of Crate.
            #[must_use]
            pub fn code(self) -> u16 {
                match self { $(Kind::$name => $code,)* }
            }

            /// The class name that stands before the message.
            #[must_use]
            pub fn class(self) -> &'static str {
                match self { $(Kind::$name => $class,)* }
            }

            /// The SQLSTATE of PostgreSQL.
            #[must_use]
            pub fn sqlstate(self) -> &'static str {
                match self { $(Kind::$name => $state,)* }
            }
        }
    };
}

kinds! {
    Syntax 4000 "SQLParseException" "42601" "The statement, or the request around it, has the wrong form.";
    Analysis 4001 "SQLParseException" "42601" "The statement means nothing.";
    RelationName 4002 "InvalidRelationName" "42602" "A name that no relation may have.";
    Validation 4003 "SQLParseException" "22023" "A value does not fit its type, or a constraint.";
    NotSupported 4004 "UnsupportedFeatureException" "0A000" "Nothing here does this.";
    AmbiguousColumn 4006 "AmbiguousColumnException" "42702" "A name that several relations have.";
    RelationOperation 4007 "OperationOnInaccessibleRelationException" "42809" "A relation that does not allow this.";
    ColumnName 4008 "InvalidColumnNameException" "42602" "A name that no column may have.";
    Unauthorized 4010 "UnauthorizedException" "28000" "Who this is has not been shown.";
    ReadOnlyTable 4033 "OperationOnInaccessibleRelationException" "0A000" "A relation that is only read.";
    UnknownCursor 4040 "SQLActionException" "34000" "No such cursor.";
    UnknownRelation 4041 "RelationUnknown" "42P01" "No such relation.";
    UnknownColumn 4043 "ColumnUnknownException" "42703" "No such column.";
    UnknownType 4044 "UnknownType" "42704" "No such type.";
    UnknownSchema 4045 "SchemaUnknownException" "3F000" "No such schema.";
    UnknownFunction 4049 "UnsupportedFunctionException" "42883" "No such function.";
    DuplicateKey 4091 "DuplicateKeyException" "23505" "A record with this key exists.";
    VersionConflict 4092 "VersionConflictException" "40001" "The record has another version.";
    RelationExists 4093 "RelationAlreadyExists" "42P07" "A relation of this name exists.";
    TooMany 4290 "TooManyRequestsException" "53300" "Too much at the same time.";
    Internal 5000 "SQLActionException" "XX000" "An error without a better name.";
    TaskFailed 5001 "JobTaskFailed" "58000" "A part of the work failed; writes may have happened.";
    ShardsUnavailable 5002 "ShardsUnavailable" "58000" "Partitions can't be reached.";
    QueryFailed 5003 "CircuitBreakingException" "53200" "A query takes more than it may.";
    Killed 5005 "JobKilledException" "57014" "Somebody ended the statement.";
    Unavailable 5030 "NodeDisconnected" "57P03" "The node can't take statements; this one did not start.";
}

/// An error with its text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}[{message}]", kind.class())]
pub struct SqlError {
    /// What went wrong.
    pub kind: Kind,
    /// For people; clients see the class name before it.
    pub message: String,
}

impl SqlError {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> SqlError {
        SqlError { kind, message: message.into() }
    }

    /// A feature that is not there.
    pub fn unsupported(what: impl Into<String>) -> SqlError {
        SqlError::new(Kind::NotSupported, what)
    }

    /// A relation that is not there.
    #[must_use]
    pub fn unknown_relation(name: &str) -> SqlError {
        SqlError::new(Kind::UnknownRelation, format!("Relation '{name}' unknown"))
    }

    /// A column that is not there.
    #[must_use]
    pub fn unknown_column(name: &str) -> SqlError {
        SqlError::new(Kind::UnknownColumn, format!("Column {name} unknown"))
    }

    /// The HTTP status: the code's first three digits but one zero.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.kind.code() {
            code @ 4000..=4999 => 400 + (code / 10) % 100,
            code => 500 + (code / 10) % 100,
        }
    }

    /// Whether the fast path should leave the statement to the engine.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.kind == Kind::NotSupported
    }
}

/// What all of this room returns.
pub type Result<T> = std::result::Result<T, SqlError>;

#[cfg(test)]
mod tests {
    use super::{Kind, SqlError};

    #[test]
    fn statuses_follow_codes() {
        let status = |kind| SqlError::new(kind, "x").status();
        assert_eq!(status(Kind::Syntax), 400);
        assert_eq!(status(Kind::Unauthorized), 401);
        assert_eq!(status(Kind::UnknownRelation), 404);
        assert_eq!(status(Kind::DuplicateKey), 409);
        assert_eq!(status(Kind::TooMany), 429);
        assert_eq!(status(Kind::Killed), 500);
        assert_eq!(status(Kind::Unavailable), 503);
        assert_eq!(SqlError::new(Kind::DuplicateKey, "k").to_string(), "DuplicateKeyException[k]");
    }
}
