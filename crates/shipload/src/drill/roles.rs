//! Which partitions a node masters, and of which it holds the second copy, by its own word.

use anyhow::{Context, Result};

use super::cluster::NAMESPACE;
use crate::info::Link;

/// What a node has to do with partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    /// It masters these.
    pub(super) master: Vec<u16>,
    /// It holds another copy of these.
    pub(super) replica: Vec<u16>,
    /// It has nothing to do with these.
    pub(super) none: Vec<u16>,
}

/// Asks a node.
pub(super) fn ask(link: &mut Link) -> Result<Roles> {
    let answers = link.ask(&["partition-info"])?;
    let (_, text) = answers.first().context("the node does not say what it holds")?;
    read(text).context("what the node says of partitions can't be read")
}

/// Reads `namespace:partition:state:n_replicas:replica:...`, parts separated by `;`, after a line of names.
fn read(text: &str) -> Option<Roles> {
    let (names, rows) = text.split_once(';')?;
    let names: Vec<&str> = names.split(':').collect();
    let place = |wanted: &str| names.iter().position(|name| *name == wanted);
    let (partition, copies, replica) = (place("partition")?, place("n_replicas")?, place("replica")?);
    let mut roles = Roles::default();
    for row in rows.split(';') {
        let values: Vec<&str> = row.split(':').collect();
        if values.first() != Some(&NAMESPACE) {
            continue;
        }
        let number = |place: usize| values.get(place).and_then(|value| value.parse::<u16>().ok());
        let list = match number(replica)? {
            0 => &mut roles.master,
            place if place < number(copies)? => &mut roles.replica,
            _ => &mut roles.none,
        };
        list.push(number(partition)?);
    }
    Some(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_by_the_names_of_the_columns() {
        let text = "namespace:partition:state:n_replicas:replica:x;test:0:S:2:0:9;test:1:S:2:1:9;test:2:A:2:2:9;bar:3:S:2:0:9";
        let roles = read(text).unwrap();
        assert_eq!(roles, Roles { master: vec![0], replica: vec![1], none: vec![2] });
        assert_eq!(read("ERROR:4:unrecognized command"), None);
    }
}
