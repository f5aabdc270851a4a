//! Which particles a plain write takes, and what is stored.

use super::admit;
use crate::{ParticleType, Refusal};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn admitted(kind: u8, bytes: &[u8]) -> Result<Option<(ParticleType, Vec<u8>)>, Refusal> {
    let mut out = Vec::new();
    admit(kind, bytes, &mut out).map(|kind| kind.map(|kind| (kind, out)))
}

#[test]
fn integers_of_one_four_and_eight_bytes_are_stored_as_eight() {
    for bytes in [&[5][..], &[0, 0, 0, 5], &[0, 0, 0, 0, 0, 0, 0, 5]] {
        assert_eq!(admitted(1, bytes), Ok(Some((ParticleType::Integer, 5i64.to_be_bytes().to_vec()))));
    }
    for bytes in [&[][..], &[0, 5], &[0; 9]] {
        assert_eq!(admitted(1, bytes), Err(Refusal::Parameter));
    }
}

#[test]
fn fixed_sizes_are_checked() {
    assert!(admitted(2, &[0; 8]).is_ok());
    assert_eq!(admitted(2, &[0; 4]), Err(Refusal::Parameter));
    assert_eq!(admitted(17, &[1]), Ok(Some((ParticleType::Bool, vec![1]))));
    for bytes in [&[][..], &[2], &[0, 0]] {
        assert_eq!(admitted(17, bytes), Err(Refusal::Parameter));
    }
    assert_eq!(admitted(18, &[0, 4, 0]), Err(Refusal::Parameter));
}

#[test]
fn text_and_blobs_of_every_language_are_stored_as_they_are() {
    for kind in [3, 4, 7, 8, 9, 10, 11, 12, 16] {
        for bytes in [&[][..], &[0xff, 0]] {
            assert_eq!(
                admitted(kind, bytes).map(|value| value.map(|(_, stored)| stored)),
                Ok(Some(bytes.to_vec()))
            );
        }
    }
}

#[test]
fn nil_stores_nothing_and_unknown_types_are_refused() {
    assert_eq!(admitted(0, &[]), Ok(None));
    for kind in [5, 6, 13, 21, 22, 24, 99, 255] {
        assert_eq!(admitted(kind, &[0; 8]), Err(Refusal::Parameter));
    }
}

#[test]
fn containers_and_geojson_have_their_own_refusals() {
    assert_eq!(admitted(20, &[0x80]), Err(Refusal::Malformed));
    assert_eq!(admitted(19, &[0x90]), Err(Refusal::Malformed));
    assert_eq!(admitted(23, b"\0\0\0{}"), Err(Refusal::GeoJson));
}

proptest! {
    #[test]
    fn arbitrary_particles_never_panic_and_are_stable(kind in 0u8..25, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(Some((stored_kind, stored))) = admitted(kind, &bytes) {
            prop_assert_eq!(admitted(stored_kind.number(), &stored), Ok(Some((stored_kind, stored))));
        }
    }
}
