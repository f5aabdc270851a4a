//! What a put of a container accepts, refuses and rewrites (`guide/protocol.md` parts 3.5 and 12.2).

use super::{MAX_DEPTH, element, list, map};
use crate::Refusal;
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn canonical_map(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    map(bytes, &mut out).map(|()| out)
}

fn canonical_list(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    list(bytes, &mut out).map(|()| out)
}

#[test]
fn over_long_forms_are_shortened() {
    assert_eq!(
        canonical_list(&[
            0xdc, 0, 2, 0xcf, 0, 0, 0, 0, 0, 0, 0, 5, 0xd3, 255, 255, 255, 255, 255, 255, 255, 255
        ]),
        Ok(vec![0x92, 5, 0xff])
    );
    assert_eq!(canonical_list(&[0x91, 0xc5, 0, 2, 3, b'a']), Ok(vec![0x91, 0xa2, 3, b'a']));
}

#[test]
fn other_ext_types_are_stored_as_strings() {
    // Found by fuzzing: an ext that became the first element was taken for the list's flags.
    assert_eq!(canonical_list(&[0x92, 1, 0xd4, 0, 0]), Ok(vec![0x92, 1, 0xa1, 0]));
    assert_eq!(canonical_list(&[0x92, 0xd4, 0, 0, 0xd4, 0, 0]), Err(Refusal::Malformed));
    let mut out = Vec::new();
    assert_eq!(element(&[0xd4, 5, 7], &mut out), Ok(()));
    assert_eq!(out, [0xa1, 7]);
}

#[test]
fn containers_out_of_order_are_refused() {
    assert!(canonical_list(&[0x93, 0xc7, 0, 1, 1, 2]).is_ok());
    assert!(canonical_list(&[0x93, 0xc7, 0, 1, 2, 2]).is_ok());
    assert_eq!(canonical_list(&[0x93, 0xc7, 0, 1, 2, 1]), Err(Refusal::Malformed));
    assert!(canonical_map(&[0x83, 0xc7, 0, 1, 0xc0, 1, 0, 2, 0]).is_ok());
    assert_eq!(canonical_map(&[0x83, 0xc7, 0, 1, 0xc0, 2, 0, 1, 0]), Err(Refusal::Malformed));
    // Nested as well.
    assert_eq!(canonical_list(&[0x91, 0x93, 0xc7, 0, 1, 2, 1]), Err(Refusal::Malformed));
}

#[test]
fn duplicate_keys_are_refused_in_any_order() {
    assert!(canonical_map(&[0x83, 2, 0, 1, 0, 3, 0]).is_ok());
    assert_eq!(canonical_map(&[0x83, 2, 0, 1, 0, 2, 0]), Err(Refusal::Malformed));
    assert_eq!(canonical_map(&[0x83, 0xc7, 0, 1, 0xc0, 1, 0, 1, 0]), Err(Refusal::Malformed));
}

#[test]
fn unordered_maps_are_put_into_key_order() {
    assert_eq!(canonical_map(&[0x83, 2, 10, 1, 11, 0xa1, 3, 12]), Ok(vec![0x83, 1, 11, 2, 10, 0xa1, 3, 12]));
    // Nested in a list, before another element.
    let nested = canonical_list(&[0x92, 0x82, 5, 0xa2, 3, b'x', 4, 0xc0, 9]);
    assert_eq!(nested, Ok(vec![0x92, 0x82, 4, 0xc0, 5, 0xa2, 3, b'x', 9]));
    // A result that says that it keeps its order does.
    let kept = [0x83, 0xc7, 0, 8, 0xc0, 2, 0, 1, 0];
    assert_eq!(canonical_map(&kept), Ok(kept.to_vec()));
}

#[test]
fn keys_are_integers_strings_and_blobs() {
    for key in
        [&[0xc0][..], &[0xc3], &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0], &[0x90], &[0x80], &[0xa3, 23, b'{', b'}']]
    {
        assert_eq!(canonical_map(&[&[0x81], key, &[1]].concat()), Err(Refusal::Malformed));
    }
    for key in [&[0xff][..], &[0xa1, 3], &[0xa2, 4, 0]] {
        assert!(canonical_map(&[&[0x81], key, &[1]].concat()).is_ok());
    }
}

#[test]
fn indexes_and_other_flags_are_dropped() {
    assert_eq!(
        canonical_map(&[0x82, 0xc7, 2, 0x11, 9, 9, 0xc0, 1, 2]),
        Ok(vec![0x82, 0xc7, 0, 1, 0xc0, 1, 2])
    );
    assert_eq!(canonical_list(&[0x92, 0xc7, 0, 0x10, 7]), Ok(vec![0x91, 7]));
    assert_eq!(canonical_map(&[0x81, 0xc7, 0, 0x48, 0xc0]), Ok(vec![0x81, 0xc7, 0, 8, 0xc0]));
    assert_eq!(canonical_map(&[0x81, 0xc7, 0, 0x10, 0xc0]), Ok(vec![0x80]));
}

#[test]
fn what_is_no_single_container_is_refused() {
    for bytes in [&[][..], &[1], &[0x91], &[0x90, 0], &[0x80], &[0x91, 0xd4, 0xff, 0], &[0x91, 0xd4, 0xff, 1]]
    {
        assert_eq!(canonical_list(bytes), Err(Refusal::Malformed));
    }
    for bytes in [&[][..], &[0x90], &[0x81, 1], &[0x80, 0xc0]] {
        assert_eq!(canonical_map(bytes), Err(Refusal::Malformed));
    }
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| [vec![0x91; depth - 1], vec![0x90]].concat();
    assert!(canonical_list(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(canonical_list(&nested(MAX_DEPTH + 1)), Err(Refusal::Malformed));
    assert_eq!(canonical_list(&nested(1_000_000)), Err(Refusal::Malformed));
}

proptest! {
    #[test]
    fn canonical_again_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut first = Vec::new();
        if element(&bytes, &mut first).is_ok() {
            let mut second = Vec::new();
            prop_assert_eq!(element(&first, &mut second), Ok(()));
            prop_assert_eq!(first, second);
        }
    }

    #[test]
    fn small_containers_stay_themselves(bytes in prop::collection::vec(prop::sample::select(vec![0x90u8, 0x91, 0x92, 0x93, 0x80, 0x81, 0x82, 0xc7, 0, 1, 2, 0xc0, 0xa2, 3, 0xd4, 0xff]), 0..24)) {
        let mut first = Vec::new();
        if element(&bytes, &mut first).is_ok() {
            let mut second = Vec::new();
            prop_assert_eq!(element(&first, &mut second), Ok(()));
            prop_assert_eq!(first, second);
        }
    }
}
