//! Payloads: from the bytes of an operation to its context and its call.
//!
//! A payload is `[code, argument, ...]`, with a context `[0xff, [type, value, ...], [code, argument, ...]]`, and for
//! path expressions `[0xfe, context, ...]`. Bytes behind the payload are ignored, as the recorded server does.

use super::Steps;
use super::context;
use crate::Refusal;
use crate::arguments::{Args, head};

/// The code that announces a context.
const WITH_CONTEXT: i64 = 0xff;
/// The code of a path expression.
const PATH: i64 = 0xfe;

/// What an operation asks for.
pub(super) enum Payload<'a> {
    /// An ordinary operation on a container.
    Call {
        /// The way to the container; empty when it is the bin itself.
        steps: Steps<'a>,
        /// What to do there.
        call: Call<'a>,
    },
    /// A path expression.
    Path(PathRequest<'a>),
}

/// The arguments of a path expression, not looked into.
pub(super) struct PathRequest<'a> {
    /// The context list, encoded.
    pub(super) context: &'a [u8],
    /// Mode and modifiers.
    pub(super) flags: i64,
    /// The expression that a modify evaluates for each match, encoded.
    pub(super) expression: Option<&'a [u8]>,
}

/// An operation's code and arguments.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// The operation's number.
    pub(super) code: i64,
    /// The arguments, read from front to back.
    pub(super) args: Args<'a>,
}

impl Call<'_> {
    /// Whether the operation works on maps.
    pub(super) fn is_map(&self) -> bool {
        self.code >= 64
    }

    /// Whether the operation only reads, or has an unknown number in the range of those.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.code, 16..=31 | 96..) || self.code < 0
    }

    /// Whether the operation may change something, or has an unknown number in the range of those.
    pub(super) fn is_modify(&self) -> bool {
        !self.is_read()
    }
}

/// Cuts a payload.
pub(super) fn parse(payload: &[u8]) -> Result<Payload<'_>, Refusal> {
    let (code, mut args) = head(payload)?;
    match code {
        WITH_CONTEXT => {
            let steps = context::parse(args.value()?)?;
            let (code, inner) = head(args.value()?)?;
            args.finish()?;
            Ok(Payload::Call { steps, call: Call { code, args: inner } })
        }
        PATH => {
            let (context, flags) = (args.value()?, args.int()?);
            let expression = args.optional()?;
            args.finish()?;
            Ok(Payload::Path(PathRequest { context, flags, expression }))
        }
        _ => Ok(Payload::Call { steps: Steps::new(), call: Call { code, args } }),
    }
}
