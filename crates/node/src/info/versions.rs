//! `shipload-versions`: whether what was read of a set a while ago is what would be read now.

use super::answer::Answer;
use super::ask::Ask;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_store::STRIPE_COUNT;
use shipload_value::PartitionId;

/// `ORIGIN;BASE64`: which life of which node and which cut-off the numbers belong to, and, for each partition that this
/// node masters and whose records of the set don't expire, its number and that of its changes, as u16 and u32,
/// little-endian. As long as both are the same, so are the records.
pub(super) fn versions(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&["namespace"])?;
    let set = namespace.sets().find(ask.present("set")?.as_bytes());
    let cut_ms = set.map_or(0, |set| namespace.cutoffs().cut_ms(set));
    let life = match ask.node.incarnation() {
        0 => ask.node.identity.cluster_key,
        incarnation => incarnation,
    };
    let mut bytes = Vec::new();
    for stripe in 0..STRIPE_COUNT {
        let Some(set) = set else { break };
        let shard = namespace.stripe_at(stripe);
        for partition in PartitionId::all().skip(stripe).step_by(STRIPE_COUNT) {
            if let Some(changes) = shard.changes(partition, set).filter(|_| shard.serves(partition)) {
                bytes.extend_from_slice(&partition.number().to_le_bytes());
                bytes.extend_from_slice(&changes.to_le_bytes());
            }
        }
    }
    Ok(format!("{:X}.{life:X}.{cut_ms};{}", ask.node.id().0, STANDARD.encode(bytes)))
}
