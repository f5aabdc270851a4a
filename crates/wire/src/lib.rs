//! Wire: the client protocol and the info protocol, bytes to messages and back.
//!
//! Guarantees: decoding borrows from the input, allocates nothing per request, checks every length before it is
//! used and panics on no input. Encoding appends to a `Vec` that the caller keeps warm. Nothing here knows a socket,
//! a clock, a record or a namespace: what a request *means* is decided by the engine.
//!
//! ```text
//!  bytes --frame::cut--> Frame --Request::decode--> Request { header, fields, ops }
//!                          |                            |--Batch::decode--> rows
//!                          |                            `--PartitionQuery::decode
//!                          `--info::lines--> Command --info::answer--> bytes
//!  bytes <--reply::{begin_frame, header, field, op, end_frame}-- engine
//! ```

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod admin;
pub mod batch;
pub mod bits;
pub mod code;
mod cursor;
pub mod error;
pub mod fields;
pub mod frame;
pub mod groups;
pub mod info;
pub mod limits;
pub mod message;
pub mod ops;
pub mod query;
pub mod reply;
pub mod request;
pub mod response;
pub mod rows;

pub use batch::{Batch, Row};
pub use code::ResultCode;
pub use error::DecodeError;
pub use fields::Fields;
pub use frame::{Cut, Frame};
pub use limits::Limits;
pub use message::{Header, Request};
pub use ops::{Op, Ops};
pub use query::PartitionQuery;
pub use reply::ReplyHeader;
pub use response::Response;
