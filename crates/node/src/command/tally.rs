//! Which counter a finished command raises.

use super::Kind;
use crate::counters::{Counter, NamespaceCounters};
use shipload_wire::code::ResultCode;

/// Where a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A request of its own.
    Client,
    /// A row of a batch.
    Batch,
    /// A background query.
    Background,
}

/// The counters of one kind of command from one origin.
struct Endings<'c> {
    success: &'c Counter,
    not_found: &'c Counter,
    filtered_out: &'c Counter,
    error: &'c Counter,
}

/// Names the four counters of one kind of command; writes count a missing record as an error.
macro_rules! endings {
    ($c:ident, $success:ident, $not_found:ident, $filtered_out:ident, $error:ident) => {
        Endings {
            success: &$c.$success,
            not_found: &$c.$not_found,
            filtered_out: &$c.$filtered_out,
            error: &$c.$error,
        }
    };
}

#[rustfmt::skip]
fn endings(c: &NamespaceCounters, origin: Origin, kind: Kind) -> Endings<'_> {
    match (origin, kind) {
        (Origin::Client, Kind::Read) => endings!(
            c, client_read_success, client_read_not_found, client_read_filtered_out, client_read_error),
        (Origin::Client, Kind::Write) => endings!(
            c, client_write_success, client_write_error, client_write_filtered_out, client_write_error),
        (Origin::Client, Kind::Delete) => endings!(
            c, client_delete_success, client_delete_not_found, client_delete_filtered_out, client_delete_error),
        (Origin::Client, Kind::Udf) => endings!(
            c, client_udf_complete, client_udf_error, client_udf_filtered_out, client_udf_error),
        (Origin::Batch, Kind::Read) => endings!(
            c, batch_sub_read_success, batch_sub_read_not_found, batch_sub_read_filtered_out, batch_sub_read_error),
        (Origin::Batch, Kind::Write) => endings!(
            c, batch_sub_write_success, batch_sub_write_error, batch_sub_write_filtered_out, batch_sub_write_error),
        (Origin::Batch, Kind::Delete) => endings!(
            c, batch_sub_delete_success, batch_sub_delete_not_found, batch_sub_delete_filtered_out,
            batch_sub_delete_error),
        (Origin::Batch, Kind::Udf) => endings!(
            c, batch_sub_udf_complete, batch_sub_udf_error, batch_sub_udf_filtered_out, batch_sub_udf_error),
        (Origin::Background, Kind::Read | Kind::Write | Kind::Delete) => endings!(
            c, ops_sub_write_success, ops_sub_write_error, ops_sub_write_filtered_out, ops_sub_write_error),
        (Origin::Background, Kind::Udf) => endings!(
            c, udf_sub_udf_complete, udf_sub_udf_error, udf_sub_udf_filtered_out, udf_sub_udf_error),
    }
}

/// What a function did, as the statistics of functions tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    Read,
    Write,
    Delete,
    Error,
}

/// Counts a function that ran by what it did.
#[rustfmt::skip]
pub(super) fn count_lang(c: &NamespaceCounters, origin: Origin, lang: Lang) {
    let counter = match (origin, lang) {
        (Origin::Client, Lang::Read) => &c.client_lang_read_success,
        (Origin::Client, Lang::Write) => &c.client_lang_write_success,
        (Origin::Client, Lang::Delete) => &c.client_lang_delete_success,
        (Origin::Client, Lang::Error) => &c.client_lang_error,
        (Origin::Batch, Lang::Read) => &c.batch_sub_lang_read_success,
        (Origin::Batch, Lang::Write) => &c.batch_sub_lang_write_success,
        (Origin::Batch, Lang::Delete) => &c.batch_sub_lang_delete_success,
        (Origin::Batch, Lang::Error) => &c.batch_sub_lang_error,
        (Origin::Background, Lang::Read) => &c.udf_sub_lang_read_success,
        (Origin::Background, Lang::Write) => &c.udf_sub_lang_write_success,
        (Origin::Background, Lang::Delete) => &c.udf_sub_lang_delete_success,
        (Origin::Background, Lang::Error) => &c.udf_sub_lang_error,
    };
    counter.inc();
}

/// Counts a command by where it came from, what it was and how it ended.
pub(crate) fn count(counters: &NamespaceCounters, origin: Origin, kind: Kind, result: ResultCode) {
    let endings = endings(counters, origin, kind);
    if result == ResultCode::Ok {
        endings.success.inc();
    } else if result == ResultCode::NotFound {
        endings.not_found.inc();
    } else if result == ResultCode::FilteredOut {
        endings.filtered_out.inc();
    } else {
        endings.error.inc();
    }
    if result == ResultCode::Generation {
        counters.fail_generation.inc();
    } else if result == ResultCode::RecordTooBig {
        counters.fail_record_too_big.inc();
    }
}
