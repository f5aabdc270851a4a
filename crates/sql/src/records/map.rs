//! Who masters which partition, and where nodes are: learned from the nodes, as clients learn it.

use super::{RecordError, Records, To};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use shipload_value::digest::PARTITION_COUNT;
use std::collections::HashMap;
use std::sync::Arc;

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    /// Its id, hexadecimal.
    pub id: String,
    /// How to reach it.
    pub to: To,
}

/// What was learned last.
#[derive(Debug, Default)]
pub struct Nodes {
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    /// Generations of peers and partitions on the own node.
    generation: String,
    nodes: Vec<NodeAddress>,
    /// For each namespace the master of each partition, as a place in `nodes`.
    masters: HashMap<String, Arc<Vec<Option<u16>>>>,
}

/// Partitions with the node that masters them.
pub(crate) type Shares = Vec<(To, Vec<u16>)>;

impl Records {
    /// All nodes, the own one first.
    ///
    /// # Errors
    /// When the own node does not answer.
    pub async fn nodes(&self) -> Result<Vec<NodeAddress>, RecordError> {
        Ok(self.known(false).await?.nodes)
    }

    /// All nodes, the own one first, as the own node tells them now. Asks no other node, so none can hold it up.
    ///
    /// # Errors
    /// When the own node does not answer.
    pub async fn members(&self) -> Result<Vec<NodeAddress>, RecordError> {
        let id = self.info(&To::Own, "node").await?;
        let mut nodes = vec![NodeAddress { id, to: To::Own }];
        nodes.extend(peers_of(&self.info(&To::Own, "peers-clear-std").await?));
        Ok(nodes)
    }

    /// The record port of the own node, as another one of these tells it to clients; none when there is none to be asked.
    pub(crate) async fn as_others_tell(&self, nodes: &[NodeAddress]) -> Option<String> {
        let own = nodes.iter().find(|node| node.to == To::Own)?;
        for node in nodes.iter().filter(|node| node.to != To::Own) {
            let Ok(peers) = self.info(&node.to, "peers-clear-std").await else { continue };
            let told = peers_of(&peers).into_iter().find(|peer| peer.id == own.id);
            if let Some(NodeAddress { to: To::Node(address), .. }) = told {
                return Some(address);
            }
        }
        None
    }

    /// What the map is called, the nodes, and for each partition which of them masters it.
    pub(super) async fn mastered(
        &self,
        namespace: &str,
    ) -> Result<(String, Vec<To>, Arc<Vec<Option<u16>>>), RecordError> {
        let known = self.known(false).await?;
        let masters = known.masters.get(namespace).cloned().unwrap_or_default();
        Ok((known.generation, known.nodes.into_iter().map(|node| node.to).collect(), masters))
    }

    /// These partitions by their masters. Those without a known master go to the own node, which will refuse them.
    pub(crate) async fn shares(
        &self,
        namespace: &str,
        partitions: &[u16],
        anew: bool,
    ) -> Result<Shares, RecordError> {
        let known = self.known(anew).await?;
        let masters = known.masters.get(namespace);
        let mut shares: HashMap<u16, Vec<u16>> = HashMap::new();
        for partition in partitions {
            let master = masters.and_then(|masters| masters.get(usize::from(*partition)).copied().flatten());
            shares.entry(master.unwrap_or(0)).or_default().push(*partition);
        }
        let address = |node: u16| known.nodes.get(usize::from(node)).map_or(To::Own, |node| node.to.clone());
        Ok(shares.into_iter().map(|(node, partitions)| (address(node), partitions)).collect())
    }

    /// The map, learned again when a generation has moved.
    async fn known(&self, anew: bool) -> Result<Known, RecordError> {
        let generation = self.infos(&To::Own, &["peers-generation", "partition-generation"]).await?.join("/");
        let kept = self.nodes.known.lock().clone();
        if let Some(known) = kept.filter(|known| known.generation == generation && !anew) {
            return Ok(known);
        }
        let nodes = self.members().await?;
        let mut masters: HashMap<String, Vec<Option<u16>>> = HashMap::new();
        for (place, node) in (0u16..).zip(&nodes) {
            // A node that is gone masters nothing.
            let Ok(replicas) = self.info(&node.to, "replicas").await else { continue };
            for (namespace, bits) in replicas.split(';').filter_map(first_bitmap) {
                let of =
                    masters.entry(namespace.to_owned()).or_insert_with(|| vec![None; PARTITION_COUNT.into()]);
                for (partition, master) in (0u16..).zip(of.iter_mut()) {
                    let byte = bits.get(usize::from(partition >> 3)).copied().unwrap_or(0);
                    if byte & (0x80 >> (partition & 7)) != 0 {
                        *master = Some(place);
                    }
                }
            }
        }
        let masters = masters.into_iter().map(|(name, of)| (name, Arc::new(of))).collect();
        let known = Known { generation, nodes, masters };
        *self.nodes.known.lock() = Some(known.clone());
        Ok(known)
    }
}

/// Nodes of an answer such as `5,3000,[[BB9,,[10.0.0.6,[::1]:3100]]]`: the first address of each.
fn peers_of(text: &str) -> Vec<NodeAddress> {
    let mut parts = text.splitn(3, ',');
    let (_, port, list) = (parts.next(), parts.next().unwrap_or("3000"), parts.next().unwrap_or(""));
    let port = if port.is_empty() { "3000" } else { port };
    let inner = list.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or("");
    let mut nodes = Vec::new();
    let mut rest = inner;
    while let Some(open) = rest.find('[') {
        let entry = rest.get(open + 1..).unwrap_or("");
        let Some((id, entry)) = entry.split_once(',') else { break };
        let Some((_, entry)) = entry.split_once(",[") else { break };
        let end = address_end(entry);
        let address = entry.get(..end).unwrap_or("");
        let bare = !address.contains(':') || address.ends_with(']');
        let full = if bare { format!("{address}:{port}") } else { address.to_owned() };
        if !address.is_empty() {
            nodes.push(NodeAddress { id: id.to_owned(), to: To::Node(full) });
        }
        rest =
            entry.get(end..).and_then(|rest| rest.find("]]").and_then(|at| rest.get(at + 2..))).unwrap_or("");
    }
    nodes
}

/// Where the first address ends: at a comma or at the list's bracket, not at that of an IPv6 address.
fn address_end(entry: &str) -> usize {
    let mut depth = 0;
    for (at, c) in entry.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            ',' | ']' => return at,
            _ => {}
        }
    }
    entry.len()
}

/// Namespace and the bitmap of what the node masters, from `test:0,2,BITS,BITS`.
fn first_bitmap(entry: &str) -> Option<(&str, Vec<u8>)> {
    let (namespace, rest) = entry.split_once(':')?;
    let bits = rest.split(',').nth(2)?;
    Some((namespace, STANDARD.decode(bits).ok()?))
}

#[cfg(test)]
mod tests {
    use super::{NodeAddress, Records, To, first_bitmap, peers_of};
    use crate::records::{Answers, Transport};
    use async_trait::async_trait;
    use std::io;
    use std::sync::Arc;

    /// Node `c` is gone; the others know of A and C.
    struct Others;

    struct Line(Vec<u8>);

    #[async_trait]
    impl Answers for Line {
        async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
            Ok(Some((1, std::mem::take(&mut self.0))))
        }

        fn finish(self: Box<Self>) {}
    }

    #[async_trait]
    impl Transport for Others {
        async fn send(&self, to: &To, _: Vec<u8>) -> io::Result<Box<dyn Answers>> {
            match to {
                To::Node(address) if address != "c:3000" => {
                    let line = b"peers-clear-std\t7,3000,[[A,,[10.0.0.5]],[C,,[c]]]\n";
                    Ok(Box::new(Line(line.to_vec())))
                }
                To::Node(_) | To::Own => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            }
        }
    }

    #[tokio::test]
    async fn others_tell_where_the_own_node_is() {
        let records = Records::new(Arc::new(Others));
        let node = |id: &str, to: To| NodeAddress { id: id.to_owned(), to };
        let there = |address: &str| To::Node(address.to_owned());
        let (own, gone) = (node("A", To::Own), node("C", there("c:3000")));
        let all = [own.clone(), gone.clone(), node("B", there("b:3000"))];
        assert_eq!(records.as_others_tell(&all).await.as_deref(), Some("10.0.0.5:3000"));
        assert_eq!(records.as_others_tell(&[own, gone]).await, None);
        let unknown = [node("X", To::Own), node("B", there("b:3000"))];
        assert_eq!(records.as_others_tell(&unknown).await, None);
    }

    #[test]
    fn peers_are_read() {
        let list = "5,3000,[[BB9A,,[10.0.0.6:3100,[::1]:3100]],[BB9B,,[[::1]:3200]],[BB9C,,[10.0.0.8]]]";
        let nodes = peers_of(list);
        let shown: Vec<_> = nodes.iter().map(|node| (node.id.as_str(), node.to.clone())).collect();
        let node = |address: &str| To::Node(address.to_owned());
        assert_eq!(
            shown,
            [("BB9A", node("10.0.0.6:3100")), ("BB9B", node("[::1]:3200")), ("BB9C", node("10.0.0.8:3000"))]
        );
        assert!(peers_of("0,3000,[]").is_empty());
        assert_eq!(first_bitmap("test:0,2,gAA=,AAA="), Some(("test", vec![0x80, 0])));
    }
}
