use super::{Window, modify, number, read, window};
use crate::cdt::Change;
use crate::{Particle, ParticleType, Refusal};
use proptest::prelude::{any, prop, proptest};

fn bit(bytes: &[u8], at: usize) -> bool {
    bytes[at / 8] >> (7 - at % 8) & 1 == 1
}

#[test]
fn bytes_are_told_in_base64() {
    let blob = Some(Particle { kind: ParticleType::Blob, bytes: &[1, 0x42, 3, 4, 5] });
    let told = |arguments: &[u8]| {
        let head = 0x91 + u8::try_from(arguments.len()).unwrap();
        read(blob, &[&[head, 55], arguments].concat()).map(|answer| answer.unwrap().bytes)
    };
    for (arguments, wanted) in [
        (&[][..], "AUIDBAU="),
        (&[1, 2], "QgM="),
        (&[0xfe, 2], "BAU="),
        (&[2, 0, 1], "AwQF"),
        (&[0, 1, 1], "AUIDBA=="),
        (&[0, 0], ""),
    ] {
        assert_eq!(told(arguments).unwrap(), wanted.as_bytes());
    }
    assert_eq!(told(&[6, 1]), Err(Refusal::NotApplicable));
    assert_eq!(told(&[0, 6]), Err(Refusal::NotApplicable));
}

proptest! {
    #[test]
    fn windows_are_taken_out_and_put_back_bit_by_bit(
        bytes in prop::collection::vec(any::<u8>(), 1..12),
        new in prop::collection::vec(any::<u8>(), 12),
        offset in 0..96_usize,
        size in 1..96_usize,
    ) {
        let offset = offset % (bytes.len() * 8);
        let size = size.min(bytes.len() * 8 - offset);
        let at = Window { offset, size };
        let taken = window::extract(&bytes, at);
        assert_eq!(taken.len(), size.div_ceil(8));
        (0..size).for_each(|index| assert_eq!(bit(&taken, index), bit(&bytes, offset + index)));
        (size..taken.len() * 8).for_each(|index| assert!(!bit(&taken, index)));
        let mut changed = bytes.clone();
        window::deposit(&mut changed, at, &new);
        for index in 0..bytes.len() * 8 {
            let inside = (offset..offset + size).contains(&index);
            let expected = if inside { bit(&new, index - offset) } else { bit(&bytes, index) };
            assert_eq!(bit(&changed, index), expected);
        }
    }

    #[test]
    fn scans_find_what_a_loop_finds(
        bytes in prop::collection::vec(any::<u8>(), 1..4), size in 1..24_usize, wanted in any::<bool>(),
    ) {
        let size = size.min(bytes.len() * 8);
        let bits = window::extract(&bytes, Window { offset: 0, size });
        let found = |at: Option<usize>| at.map_or(-1, |at| i64::try_from(at).unwrap());
        let first = (0..size).find(|at| bit(&bytes, *at) == wanted);
        let last = (0..size).rfind(|at| bit(&bytes, *at) == wanted);
        assert_eq!(window::first(&bits, size, wanted), found(first));
        assert_eq!(window::last(&bits, size, wanted), found(last));
        let ones = (0..size).filter(|at| bit(&bytes, *at)).count();
        assert_eq!(window::count(&bits), i64::try_from(ones).unwrap());
    }

    #[test]
    fn numbers_come_back(value in any::<i64>(), size in 1..=64_usize) {
        let bits = number::bits(value.cast_unsigned(), size);
        let shift = 64 - size;
        assert_eq!(number::value(&bits, size, true), value << shift >> shift);
        let unsigned = value.cast_unsigned() << shift >> shift;
        assert_eq!(number::value(&bits, size, false), unsigned.cast_signed());
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        blob in prop::collection::vec(any::<u8>(), 0..9),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        code in 0..60_u8,
        args in prop::collection::vec(-20_i8..20, 0..6),
    ) {
        let bin = Some(Particle { kind: ParticleType::Blob, bytes: &blob });
        let mut call = vec![0x91 + u8::try_from(args.len()).unwrap(), code];
        call.extend(args.iter().flat_map(|arg| [0xd0, arg.cast_unsigned()]));
        for payload in [payload, call] {
            let _ = read(bin, &payload);
            let _ = modify(None, &payload);
            if let Ok(modified) = modify(bin, &payload)
                && let Change::Set(value) = modified.bin
            {
                assert_eq!(value.kind, ParticleType::Blob);
            }
        }
    }
}
