//! Whether what was read of a set a while ago is what would be read now.

use super::{Place, RecordError, Records, To};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

const PARTITIONS: usize = shipload_value::digest::PARTITION_COUNT as usize;
/// Bytes of a partition's number and that of its changes.
const ROW_BYTES: usize = 6;

/// The state of a partition's records of one set. As long as it is the same, so are they.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Which life of which node the number is of.
    origin: Arc<str>,
    changes: u32,
}

/// The states of all partitions at one time.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// What the map looked like: with another one, partitions may have been read elsewhere.
    map: String,
    of: Vec<Option<Version>>,
}

impl Versions {
    /// Partitions with how often they changed.
    #[cfg(all(test, feature = "engine"))]
    pub(crate) fn made(map: &str, changes: &[(u16, u32)]) -> Versions {
        let mut versions = Versions { map: map.to_owned(), of: vec![None; PARTITIONS] };
        for (partition, changes) in changes {
            let version = Version { origin: "node".into(), changes: *changes };
            versions.of[usize::from(*partition)] = Some(version);
        }
        versions
    }

    /// The state of a partition; none where it can't be told, as where records expire or a partition moves.
    #[must_use]
    pub fn of(&self, partition: u16) -> Option<&Version> {
        self.of.get(usize::from(partition))?.as_ref()
    }

    /// Whether partitions had the same masters at both times, as far as this node knew.
    #[must_use]
    pub fn same_map(&self, other: &Versions) -> bool {
        self.map == other.map
    }
}

impl Records {
    /// Asks every node for the state of the partitions that it masters.
    ///
    /// # Errors
    /// When the own node does not answer.
    pub async fn versions(&self, place: &Place) -> Result<Versions, RecordError> {
        let (map, nodes, masters) = self.mastered(&place.namespace).await?;
        let mut versions = Versions { map, of: vec![None; PARTITIONS] };
        let Place { namespace, set } = place;
        // The set's name is the rest of a command; one that would end it is not asked for.
        if set.contains([';', '\n', '\t']) || set.is_empty() {
            return Ok(versions);
        }
        let command = format!("shipload-versions:namespace={namespace};set={set}");
        let asked = nodes.iter().map(|node| self.told(node, &command));
        for (number, told) in (0u16..).zip(futures::future::join_all(asked).await) {
            for (partition, version) in told {
                let partition = usize::from(partition);
                let is_master = masters.get(partition) == Some(&Some(number));
                if let Some(place) = versions.of.get_mut(partition).filter(|_| is_master) {
                    *place = Some(version);
                }
            }
        }
        Ok(versions)
    }

    /// What a node tells of its partitions; nothing when it is gone or does not know the question.
    async fn told(&self, node: &To, command: &str) -> Vec<(u16, Version)> {
        match self.info(node, command).await {
            Ok(text) => read(&text),
            Err(error) => {
                tracing::debug!("a node does not tell what has changed: {error}");
                Vec::new()
            }
        }
    }
}

fn read(text: &str) -> Vec<(u16, Version)> {
    let Some((origin, rows)) = text.split_once(';').filter(|_| !text.starts_with("ERROR")) else {
        return Vec::new();
    };
    let origin: Arc<str> = origin.into();
    let rows = STANDARD.decode(rows).unwrap_or_default();
    let (rows, _) = rows.as_chunks::<ROW_BYTES>();
    let row = |[low, high, changes @ ..]: &[u8; ROW_BYTES]| {
        let version = Version { origin: Arc::clone(&origin), changes: u32::from_le_bytes(*changes) };
        (u16::from_le_bytes([*low, *high]), version)
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::read;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn what_nodes_tell_is_read() {
        let rows = STANDARD.encode([7, 1, 2, 0, 0, 0, 255, 15, 0, 0, 1, 0, 9]);
        let told = read(&format!("BB9.1.0;{rows}"));
        let shown: Vec<_> = told.iter().map(|(partition, version)| (*partition, version.changes)).collect();
        assert_eq!(shown, [(263, 2), (4095, 65536)]);
        assert_ne!(told, read(&format!("BB9.2.0;{rows}")));
        assert!(read("ERROR:4:unrecognized command; really").is_empty());
        assert!(read("BB9.1.0;no base64!").is_empty());
    }
}
