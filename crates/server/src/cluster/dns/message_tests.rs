use super::{Answer, Kind, Malformed, NO_SUCH_NAME, Question};
use proptest::prelude::*;

/// An answer to the question with these records: kind, data.
fn answer(question: &Question, flags: [u8; 2], records: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = question.packet().to_vec();
    bytes[2..4].copy_from_slice(&flags);
    bytes[7] = u8::try_from(records.len()).unwrap();
    for (kind, data) in records {
        bytes.extend_from_slice(&[0xc0, 12]);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 9]);
        bytes.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(data);
    }
    bytes
}

fn question() -> Question {
    Question::new(7, "tasks.db", Kind::A).expect("a name")
}

#[test]
fn questions_are_as_the_standard_has_them() {
    let expected = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05tasks\x02db\x00\x00\x01\x00\x01";
    assert_eq!(question().packet(), expected);
    assert_eq!(Question::new(7, "tasks.db.", Kind::A).expect("a name").packet(), expected);
    for wrong in ["", ".", "a..b", &"x".repeat(64), &"abcdefg.".repeat(40)] {
        assert!(Question::new(7, wrong, Kind::A).is_none(), "{wrong}");
    }
}

#[test]
fn every_address_counts_and_other_records_are_passed_over() {
    let records: [(u16, &[u8]); 3] = [(5, b"\x01x\xc0\x0c"), (1, &[10, 0, 0, 1]), (1, &[10, 0, 0, 2])];
    let bytes = answer(&question(), [0x81, 0x80], &records);
    let addresses = vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
    assert_eq!(
        question().read(&bytes),
        Some(Ok(Answer { code: 0, truncated: false, addresses, names: Vec::new() }))
    );
    let six = Question::new(7, "tasks.db", Kind::Aaaa).expect("a name");
    let bytes = answer(&six, [0x81, 0x80], &[(28, &[1; 16])]);
    assert_eq!(six.read(&bytes).unwrap().unwrap().addresses.len(), 1);
}

#[test]
fn answers_to_something_else_are_none() {
    let bytes = answer(&question(), [0x81, 0x80], &[]);
    assert!(Question::new(8, "tasks.db", Kind::A).unwrap().read(&bytes).is_none(), "another number");
    assert!(Question::new(7, "tasks.dc", Kind::A).unwrap().read(&bytes).is_none(), "another name");
    assert!(Question::new(7, "tasks.db", Kind::Aaaa).unwrap().read(&bytes).is_none(), "another kind");
    assert!(Question::new(7, "TASKS.db", Kind::A).unwrap().read(&bytes).is_some(), "letters may be large");
    assert!(question().read(question().packet()).is_none(), "the question itself");
    assert!(question().read(&bytes[..11]).is_none());
}

#[test]
fn refusals_need_no_question() {
    let refusal = [0, 7, 0x81, 0x85, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(question().read(&refusal).unwrap().unwrap().code, 5);
    let bytes = answer(&question(), [0x81, 0x80 | NO_SUCH_NAME], &[]);
    assert_eq!(question().read(&bytes).unwrap().unwrap().code, NO_SUCH_NAME);
    assert!(question().read(&[0, 7, 0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0]).is_none(), "nothing about nothing");
}

#[test]
fn cut_answers_give_what_there_is_when_they_say_so() {
    let records: [(u16, &[u8]); 2] = [(1, &[10, 0, 0, 1]), (1, &[10, 0, 0, 2])];
    let cut = |flags| {
        let bytes = answer(&question(), flags, &records);
        question().read(&bytes[..bytes.len() - 3])
    };
    assert_eq!(cut([0x81, 0x80]), Some(Err(Malformed)));
    let told = cut([0x83, 0x80]).unwrap().unwrap();
    assert_eq!((told.truncated, told.addresses.len()), (true, 1));
}

#[test]
fn names_that_point_at_themselves_lead_nowhere() {
    let mut bytes = answer(&question(), [0x81, 0x80], &[(1, &[10, 0, 0, 1])]);
    let name = question().packet().len();
    let here = u16::try_from(name).unwrap() | 0xc000;
    bytes[name..name + 2].copy_from_slice(&here.to_be_bytes());
    assert_eq!(question().read(&bytes).unwrap().unwrap().addresses.len(), 1);
    // A length that is neither label nor pointer.
    bytes[name] = 0x80;
    assert_eq!(question().read(&bytes), Some(Err(Malformed)));
}

proptest! {
    #[test]
    fn any_bytes_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = question().read(&bytes);
        // And with a beginning that lets them through to the records.
        let mut whole = answer(&question(), [0x81, 0x80], &[]);
        whole[6..8].copy_from_slice(&[0xff, 0xff]);
        whole.extend_from_slice(&bytes);
        let _ = question().read(&whole);
    }

    #[test]
    fn any_byte_may_be_wrong(place in 0usize..80, byte in any::<u8>(), cut in 0usize..80) {
        let mut bytes = answer(&question(), [0x81, 0x80], &[(1, &[10, 0, 0, 1]), (28, &[1; 16])]);
        let length = bytes.len();
        bytes[place % length] = byte;
        let _ = question().read(&bytes[..length - cut.min(length)]);
    }
}
