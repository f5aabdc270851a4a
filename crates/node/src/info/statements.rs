//! `shipload-statements` and `shipload-kill`: statements of SQL, for the other nodes.

use super::answer::{Answer, InfoError};
use super::ask::Ask;
use crate::statements::{List, Statements};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_wire::ResultCode;

/// A page of a list in base64: texts of statements hold any character.
pub(super) fn statements(ask: &Ask<'_>) -> Answer {
    let list = match ask.present("list")? {
        "running" => List::Running,
        "ended" => List::Ended,
        "measures" => List::Measures,
        _ => return Err(InfoError::parameter("bad 'list'")),
    };
    let number = |text: &str| text.parse().map_err(|_| InfoError::parameter("bad 'from'"));
    let from = ask.command.param("from").map(number).transpose()?;
    doors(ask)?.page(list, from).map(|page| STANDARD.encode(page)).ok_or_else(absent)
}

/// How many statements were told to end.
pub(super) fn kill(ask: &Ask<'_>) -> Answer {
    let id = match ask.present("id")? {
        "all" => None,
        id if is_id(id) => Some(id),
        _ => return Err(InfoError::parameter("bad 'id'")),
    };
    doors(ask)?.kill(id).map(|count| count.to_string()).ok_or_else(absent)
}

fn doors<'a>(ask: &Ask<'a>) -> Result<&'a dyn Statements, InfoError> {
    ask.node.facts.statements.get().map(Box::as_ref).ok_or_else(absent)
}

fn absent() -> InfoError {
    InfoError::new(ResultCode::NotFound, "no SQL on this node")
}

/// Whether a text is an id as statements have it: groups of 8, 4, 4, 4 and 12 hexadecimal digits.
fn is_id(text: &str) -> bool {
    let groups =
        text.split('-').map(|group| (group.len(), group.bytes().all(|byte| byte.is_ascii_hexdigit())));
    groups.eq([(8, true), (4, true), (4, true), (4, true), (12, true)])
}
