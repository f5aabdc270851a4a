//! What others say of a member's death, against what was heard from that member itself.
//!
//! Who comes back from behind a cut cable has taken all others for dead, and says so before anybody can object. In
//! gossip a death is final, so those who never lost each other would part for a moment, and serve twice what they have once.
//! Guarantees: a death that somebody else tells of a member that was heard a moment ago counts as a suspicion, which the
//! member may refute; a farewell in the member's own words, and a death of one that has been silent, count as they are.

use std::collections::BTreeMap;

use foca::{Codec as _, Message, State};

use super::peer::{Peer, PeerCodec};
use crate::identity::NodeId;

/// When members were heard last.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    heard: BTreeMap<NodeId, (Peer, u64)>,
}

/// A datagram of gossip, with its sender, and the members of whose death it told in vain.
#[derive(Debug)]
pub(super) struct Tempered {
    pub(super) from: Option<Peer>,
    pub(super) bytes: Vec<u8>,
    pub(super) doubted: Vec<Peer>,
}

impl Hearsay {
    /// This one is alive.
    pub(super) fn heard(&mut self, now_ms: u64, peer: Peer) {
        self.heard.insert(peer.node, (peer, now_ms));
    }

    /// Makes suspicions of deaths that can't be true. What can't be read is left as it is.
    pub(super) fn temper(&mut self, now_ms: u64, moment_ms: u64, bytes: &[u8]) -> Tempered {
        self.heard.retain(|_, (_, at_ms)| now_ms.saturating_sub(*at_ms) <= moment_ms);
        let mut tempered = Tempered { from: None, bytes: bytes.to_vec(), doubted: Vec::new() };
        let mut rest = bytes;
        let Ok(header) = PeerCodec.decode_header(&mut rest) else { return tempered };
        tempered.from = Some(header.src);
        let Some((count, mut rest)) = rest.split_first_chunk::<2>() else { return tempered };
        if header.message == Message::Broadcast {
            return tempered;
        }
        for _ in 0..u16::from_be_bytes(*count) {
            let Ok(member) = PeerCodec.decode_member(&mut rest) else { return tempered };
            let (peer, told) = (*member.id(), member.state());
            let alive = self.heard.get(&peer.node).is_some_and(|(heard, _)| *heard == peer);
            if told == State::Down && peer != header.src && alive {
                // A member's state is its last byte.
                let place = bytes.len().checked_sub(rest.len() + 1);
                if let Some(state) = place.and_then(|place| tempered.bytes.get_mut(place)) {
                    *state = PeerCodec::SUSPECT;
                    tempered.doubted.push(peer);
                }
            }
        }
        tempered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Incarnation;
    use foca::{Header, Member};

    fn peer(number: u64) -> Peer {
        Peer::new(NodeId(number), Incarnation(1), "10.0.0.1:3002".parse().unwrap())
    }

    fn datagram(from: Peer, told: &[(Peer, State)]) -> Vec<u8> {
        let mut out = Vec::new();
        let header = Header { src: from, src_incarnation: 0, dst: peer(9), message: Message::Gossip };
        PeerCodec.encode_header(&header, &mut out).unwrap();
        out.extend_from_slice(&u16::try_from(told.len()).unwrap().to_be_bytes());
        for (peer, state) in told {
            PeerCodec.encode_member(&Member::new(*peer, 7, *state), &mut out).unwrap();
        }
        out
    }

    #[test]
    fn only_a_death_that_cannot_be_true_becomes_a_suspicion() {
        let mut hearsay = Hearsay::default();
        hearsay.heard(1000, peer(2));
        hearsay.heard(1000, peer(1));
        let dead = [(peer(3), State::Down), (peer(2), State::Down), (peer(1), State::Down)];
        let tempered = hearsay.temper(1100, 300, &datagram(peer(1), &dead));
        let told = [(peer(3), State::Down), (peer(2), State::Suspect), (peer(1), State::Down)];
        assert_eq!(tempered.bytes, datagram(peer(1), &told), "silent, heard, farewell");
        assert_eq!((tempered.from, tempered.doubted), (Some(peer(1)), vec![peer(2)]));
        // Somebody who came back since then under a new name, and one who has been silent for too long.
        let renamed = Peer { rejoin: 1, ..peer(2) };
        let bytes = datagram(peer(1), &[(renamed, State::Down)]);
        assert_eq!(hearsay.temper(1100, 300, &bytes).bytes, bytes);
        let bytes = datagram(peer(1), &[(peer(2), State::Down)]);
        assert_eq!(hearsay.temper(1301, 300, &bytes).bytes, bytes);
    }

    #[test]
    fn what_cannot_be_read_is_left_as_it_is() {
        let mut hearsay = Hearsay::default();
        hearsay.heard(0, peer(2));
        let whole = datagram(peer(1), &[(peer(2), State::Down)]);
        for length in 0..whole.len() {
            assert_eq!(hearsay.temper(0, 300, &whole[..length]).bytes, &whole[..length], "cut at {length}");
        }
    }
}
