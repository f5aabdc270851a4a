//! `shipload-lease` and `shipload-sketch`: what HTTP caches may keep, and what of it has changed.

use super::answer::Answer;
use super::ask::Ask;
use crate::info::answer::InfoError;
use crate::sketch::Lease;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_value::Digest;

/// Bytes of a digest by which a sketch names its record.
const MARK: std::ops::Range<usize> = 4..12;

/// `ttl=MS`; when another node masters the record also `master=ID`, as far as it is known.
pub(super) fn lease(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&["namespace"])?;
    let digest =
        Digest::from_hex(ask.present("digest")?).ok_or_else(|| InfoError::parameter("bad 'digest'"))?;
    Ok(match namespace.lease(&digest, ask.now) {
        Lease::Granted(ms) => format!("ttl={ms}"),
        Lease::Elsewhere => {
            let master = ask.node.known_master(namespace, digest.partition());
            format!("ttl=0;master={:X}", master.map_or(0, |id| id.0))
        }
    })
}

/// `leads` and `tainted`: a bit a partition; `stale`: eight bytes a record; all in base64.
pub(super) fn sketch(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&["namespace"])?;
    let seen = namespace.sketched(ask.now);
    let marks: Vec<u8> = seen.stale.iter().flat_map(|digest| &digest.0[MARK]).copied().collect();
    let [leads, tainted, stale] = [&seen.leads, &seen.tainted, &marks].map(|bytes| STANDARD.encode(bytes));
    Ok(format!("leads={leads};tainted={tainted};stale={stale}"))
}
