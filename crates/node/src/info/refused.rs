//! Commands of parts that are not there: clients get the code that tells them so.

use super::answer::{Answer, InfoError};
use super::ask::Ask;
use shipload_wire::ResultCode;

/// Parts that only the other server's paid edition has; tools know this answer.
pub(super) fn enterprise_only(_: &Ask<'_>) -> Answer {
    Err(InfoError::new(ResultCode::EnterpriseOnly, "enterprise only"))
}

pub(super) fn no_multicast(_: &Ask<'_>) -> Answer {
    Err(InfoError::parameter("not in multicast mode"))
}

/// Joining a peer by hand. The parameters are checked already, so that scripts learn of their mistakes.
pub(super) fn tip(ask: &Ask<'_>) -> Answer {
    for key in ["host", "port"] {
        if ask.present(key)?.is_empty() {
            return Err(InfoError::parameter(format!("missing '{key}' value")));
        }
    }
    if ask.present("port")?.parse::<u16>().is_err() {
        return Err(InfoError::parameter("bad 'port'"));
    }
    Err(InfoError::new(ResultCode::UnsupportedFeature, "this node cannot join others yet"))
}

pub(super) fn tip_clear(ask: &Ask<'_>) -> Answer {
    let list = ask.present("host-port-list")?;
    let asked = if list == "all" { 0 } else { list.split(',').filter(|entry| !entry.is_empty()).count() };
    Err(InfoError::without_code(format!("0 cleared, {asked} not found")))
}
