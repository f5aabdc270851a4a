//! Messages come back as they were, and arbitrary bytes are read without harm.

use super::{
    At, Cut, DecodeError, Hello, Item, Message, NamespaceId, Payload, Pulled, cut, decode, encode_pulled,
    pulled, stamps,
};
use crate::identity::NodeId;
use crate::replication::{Buckets, Stamp, Summary};
use proptest::prelude::{any, proptest};
use shipload_value::{Digest, PartitionId};

fn stamp(n: u8) -> Stamp {
    Stamp { digest: Digest::of(b"", 1, &[n]), last_update_ms: 7 << 33, generation: 65535, check: u32::MAX }
}

fn samples() -> Vec<Message<'static>> {
    let at =
        At { namespace: NamespaceId::of("test"), partition: PartitionId::new(4095).unwrap(), view: u64::MAX };
    let digest = Digest::of(b"", 1, b"x");
    let payload = || Payload::Borrowed(b"some bytes");
    let replica = |item| Message::Replica { at, seq: 1 << 40, item };
    let mut summary = Box::new(Summary::default());
    (0..9).for_each(|n| summary.toggle(&stamp(n)));
    let buckets = summary.filled();
    vec![
        Message::Hello(Hello { version: 1, cluster: 2, node: NodeId(3), incarnation: 4 }),
        Message::Agreement(payload()),
        Message::Metadata(payload()),
        Message::Proxy { id: 9, hops: 1, frame: payload() },
        Message::ProxyReply { id: 9, frames: Payload::Borrowed(b"") },
        replica(Item::Put { digest, migrated: false, image: payload() }),
        replica(Item::Put { digest, migrated: true, image: payload() }),
        replica(Item::Remove { digest, migrated: false, last_update_ms: 5 }),
        replica(Item::Remove { digest, migrated: true, last_update_ms: 5 }),
        replica(Item::Filling(payload())),
        replica(Item::Full(payload())),
        replica(Item::Lead(vec![(NodeId(1), 2), (NodeId(3), 4)])),
        replica(Item::After { node: NodeId(1), seq: 2 }),
        Message::Ack { at, seq: 3 },
        Message::WrongView { at, known: 0 },
        Message::Ask { at, round: 1, filling: true },
        Message::Busy { at, round: 1 },
        Message::Summary { at, round: 1, summary },
        Message::List { at, round: 1, buckets },
        Message::Listing { at, round: 1, buckets: Buckets::ALL, stamps: payload() },
        Message::Pull { at, round: 1, digests: payload() },
        Message::Pulled { at, round: 1, records: payload() },
        Message::Release { at },
        Message::Stray { at },
        Message::Released { at },
    ]
}

#[test]
fn every_message_comes_back_and_no_cut_one_does() {
    let mut stream = Vec::new();
    samples().iter().for_each(|message| message.encode(&mut stream));
    let mut rest = &stream[..];
    for message in samples() {
        let Ok(Cut::Frame(body, taken)) = cut(rest) else { panic!("no frame for {message:?}") };
        assert_eq!(decode(body), Ok(message.clone()));
        for end in 0..body.len() {
            // A payload takes whatever is there; fixed fields must be whole.
            assert_ne!(decode(&body[..end]), Ok(message.clone()), "cut at {end}");
        }
        rest = &rest[taken..];
    }
    assert_eq!(cut(rest), Ok(Cut::Incomplete(4)));
    assert_eq!(cut(&stream[..10]).map(|cut| matches!(cut, Cut::Incomplete(_))), Ok(true));
}

#[test]
fn strangers_are_recognised() {
    assert_eq!(cut(b"GET / HTTP/1.1\r\n"), Err(DecodeError::TooLong));
    assert_eq!(decode(&[1, 2, 3, 4, 5, 6]), Err(DecodeError::Magic));
    assert_eq!(decode(&[200]), Err(DecodeError::Kind(200)));
    assert_eq!(decode(&[]), Err(DecodeError::Truncated));
}

#[test]
fn pulled_records_come_back() {
    let mut bytes = Vec::new();
    let records = [Pulled::Record(stamp(1), b"image"), Pulled::Gone(stamp(2).digest)];
    records.iter().for_each(|record| encode_pulled(record, &mut bytes));
    assert_eq!(pulled(&bytes).collect::<Result<Vec<_>, _>>(), Ok(records.to_vec()));
    assert!(pulled(&bytes[..bytes.len() - 1]).any(|entry| entry.is_err()));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..60) {
        let _ = cut(&bytes);
        let mut body = bytes.clone();
        body.insert(0, kind);
        if let Ok(message) = decode(&body) {
            let mut out = Vec::new();
            message.encode(&mut out);
            let Ok(Cut::Frame(again, _)) = cut(&out) else { panic!("no frame") };
            assert_eq!(decode(again), Ok(message));
        }
        assert!(stamps(&bytes).count() <= bytes.len());
        assert!(pulled(&bytes).count() <= bytes.len());
    }
}
