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
