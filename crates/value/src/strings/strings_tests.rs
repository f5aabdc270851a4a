//! String operations: what the official clients' tests say, and a naive model over code points.

use super::{modify, read, search, to_string};
use crate::cdt::Change;
use crate::msgpack::writer;
use crate::{OwnedParticle, Particle, ParticleType, Refusal};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use unicode_normalization::UnicodeNormalization as _;

/// An argument of an operation.
#[derive(Clone)]
enum Arg<'a> {
    Int(i64),
    Text(&'a str),
    Texts(&'a [&'a str]),
}
use Arg::{Int, Text, Texts};

fn payload(code: i64, args: &[Arg<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, args.len() + 1);
    writer::int(&mut out, code);
    for arg in args {
        match arg {
            Int(value) => writer::int(&mut out, *value),
            Text(text) => writer::typed(&mut out, 3, text.as_bytes()),
            Texts(texts) => {
                writer::array_head(&mut out, texts.len());
                texts.iter().for_each(|text| writer::typed(&mut out, 3, text.as_bytes()));
            }
        }
    }
    out
}

fn bin(text: &str) -> Option<Particle<'_>> {
    Some(Particle { kind: ParticleType::String, bytes: text.as_bytes() })
}

fn asked(text: &str, code: i64, args: &[Arg<'_>]) -> Result<OwnedParticle, Refusal> {
    read(bin(text), &payload(code, args)).map(|answer| answer.unwrap())
}

fn int(text: &str, code: i64, args: &[Arg<'_>]) -> i64 {
    let answer = asked(text, code, args).unwrap();
    assert_eq!(answer.kind, ParticleType::Integer);
    i64::from_be_bytes(answer.bytes.try_into().unwrap())
}

fn truth(text: &str, code: i64, args: &[Arg<'_>]) -> bool {
    let answer = asked(text, code, args).unwrap();
    assert_eq!(answer.kind, ParticleType::Bool);
    answer.bytes == [1]
}

fn text(text: &str, code: i64, args: &[Arg<'_>]) -> String {
    let answer = asked(text, code, args).unwrap();
    assert_eq!(answer.kind, ParticleType::String);
    String::from_utf8(answer.bytes).unwrap()
}

/// The new text of a bin; none when it is kept.
fn changed(bin: Option<Particle<'_>>, code: i64, args: &[Arg<'_>]) -> Result<Option<String>, Refusal> {
    Ok(match modify(bin, &payload(code, args))?.bin {
        Change::Set(value) => Some(String::from_utf8(value.bytes).unwrap()),
        Change::Keep => None,
        Change::Remove => panic!("a string operation deleted a bin"),
    })
}

fn edited(old: &str, code: i64, args: &[Arg<'_>]) -> String {
    changed(bin(old), code, args).unwrap().unwrap()
}

#[test]
fn places_count_code_points() {
    assert_eq!((int("grün", 0, &[]), int("grün", 9, &[])), (4, 5));
    for (start, end, wanted) in
        [(6, None, "world"), (-5, None, "world"), (0, Some(5), "hello"), (2, Some(5), "llo")]
    {
        let args: Vec<Arg<'_>> = [Some(start), end].into_iter().flatten().map(Int).collect();
        assert_eq!(text("hello world", 1, &args), wanted);
    }
    assert_eq!(text("hello", 1, &[Int(4), Int(2)]), "");
    assert_eq!((text("aüb", 2, &[Int(1)]), text("aüb", 2, &[Int(-1)])), ("ü".to_owned(), "b".to_owned()));
    assert_eq!(text("aüb", 2, &[Int(9)]), "");
}

#[test]
fn texts_are_found_in_texts() {
    assert_eq!(int("hello world", 3, &[Text("world")]), 6);
    assert_eq!(int("hello world", 3, &[Text("xyz")]), -1);
    assert_eq!(int("ababab", 3, &[Text("ab"), Int(2)]), 2);
    assert_eq!((int("ababab", 3, &[Text("ab"), Int(-1)]), int("ababab", 3, &[Text("ab"), Int(-4)])), (4, -1));
    assert_eq!(asked("a", 3, &[Text("a"), Int(0)]), Err(Refusal::Parameter));
    let (composed, taken_apart) = ("caf\u{e9}", "cafe\u{301}");
    for (stored, wanted) in [(composed, taken_apart), (taken_apart, composed), (composed, composed)] {
        assert_eq!(int(&format!("x{stored}y"), 3, &[Text(wanted)]), 1);
        assert!(truth(stored, 4, &[Text(wanted)]) && truth(stored, 5, &[Text(wanted)]));
        assert!(truth(&format!("au {stored}"), 6, &[Text(wanted)]));
        assert_eq!(
            edited(&format!("{stored} au lait"), 54, &[Texts(&[wanted, "tea"]), Int(0)]),
            "tea au lait"
        );
    }
    assert!(!truth("cafe\u{301}", 4, &[Text("caf\u{e8}")]));
    assert_eq!(int("\u{ac00}\u{ac01}", 3, &[Text("\u{1100}\u{1161}\u{11a8}")]), 1);
}

#[test]
fn numbers_and_cases_are_recognized() {
    for (value, any, integer, fraction) in [
        ("3.14", true, false, true),
        ("5", true, true, false),
        ("5.", false, false, false),
        ("1e5", false, false, false),
        ("-7", true, true, false),
        ("x", false, false, false),
        ("9223372036854775808", false, false, false),
    ] {
        let is = |how| truth(value, 10, &[Int(how)]);
        assert_eq!((is(0), is(1), is(2)), (any, integer, fraction), "{value}");
        assert_eq!(truth(value, 10, &[]), any);
    }
    assert_eq!(int("12345", 7, &[]), 12345);
    assert_eq!(asked("12a", 7, &[]), Err(Refusal::Parameter));
    assert_eq!(asked("2.75", 8, &[]).unwrap().bytes, 2.75f64.to_be_bytes());
    assert!(truth("HELLO 1", 11, &[]) && !truth("Mixed", 11, &[]) && truth("hello", 12, &[]));
}

#[test]
fn texts_are_split_decoded_and_matched() {
    let list = |texts: &[&str]| {
        let mut out = Vec::new();
        writer::array_head(&mut out, texts.len());
        texts.iter().for_each(|text| writer::typed(&mut out, 3, text.as_bytes()));
        out
    };
    assert_eq!(asked("a,b,,c", 14, &[Text(",")]).unwrap().bytes, list(&["a", "b", "", "c"]));
    assert_eq!(asked("abc", 14, &[Text("|")]).unwrap().bytes, list(&["abc"]));
    assert_eq!(asked("aü", 14, &[]).unwrap().bytes, list(&["a", "ü"]));
    assert_eq!(asked("aGVsbG8=", 15, &[]).unwrap().bytes, b"hello");
    assert_eq!(asked("a!", 15, &[]), Err(Refusal::Parameter));
    assert_eq!(super::base64_encode(b"\x01\x42").unwrap().bytes, b"AUI=");
    assert!(truth("Hello123", 16, &[Text("[0-9]+")]) && !truth("HELLO", 16, &[Text("hello"), Int(0)]));
    assert!(truth("HELLO", 16, &[Text("hello"), Int(1)]) && truth("a\nb", 16, &[Text("^b$"), Int(2)]));
    assert_eq!(asked("x", 16, &[Text("(")]), Err(Refusal::Parameter));
}

#[test]
fn texts_are_edited() {
    let cases: &[(&str, i64, &[Arg<'_>], &str)] = &[
        ("hello world", 50, &[Int(5), Text(" big")], "hello big world"),
        ("hello world", 50, &[Int(-5), Text("big ")], "hello big world"),
        ("hello", 51, &[Int(3), Text("ping!")], "helping!"),
        ("hello", 52, &[Texts(&[" ", "world"])], "hello world"),
        ("hello beautiful world", 53, &[Int(5), Int(15)], "hello world"),
        ("aabaa", 55, &[Texts(&["a", "x"])], "xxbxx"),
        ("hello", 54, &[Texts(&["", "x"])], "hello"),
        ("stra\u{df}e", 56, &[], "STRASSE"),
        ("HELLO", 57, &[], "hello"),
        ("STRA\u{df}E \u{3a3}", 58, &[], "strasse \u{3c3}"),
        ("e\u{301}", 59, &[], "\u{e9}"),
        ("  a ", 60, &[], "a "),
        ("  a ", 61, &[], "  a"),
        ("  a ", 62, &[], "a"),
        ("hi", 63, &[Int(8), Text("ab")], "abababhi"),
        ("hello", 64, &[Int(7), Text(".")], "hello.."),
        ("hello", 64, &[Int(2), Text(".")], "hello"),
        ("ab", 65, &[Int(3)], "ababab"),
        ("a1b22", 66, &[Texts(&["[0-9]+", "#"]), Int(16)], "a#b#"),
        ("a1b22", 66, &[Texts(&["([0-9])", "<$1\\$>"]), Int(0)], "a<1$>b22"),
        ("a", 67, &[Text("b")], "ab"),
        ("a", 68, &[Text("b")], "ba"),
    ];
    for (old, code, args, new) in cases {
        let args = [args, &[Int(0)][..]].concat();
        assert_eq!(edited(old, *code, &args), *new, "{code} on {old}");
    }
    assert_eq!(edited("hello world", 53, &[Int(5)]), "hello");
}

#[test]
fn write_flags_decide_about_missing_and_existing_bins() {
    for (code, args) in
        [(50, vec![Int(0), Text("hi")]), (63, vec![Int(2), Text("x")]), (67, vec![Text("hi")])]
    {
        let with = |flags| [args.as_slice(), &[Int(flags)]].concat();
        assert!(changed(None, code, &with(0)).unwrap().is_some());
        assert!(changed(None, code, &with(1)).unwrap().is_some());
        assert_eq!(changed(None, code, &with(2)), Ok(None));
        assert_eq!(changed(bin("x"), code, &with(1)), Err(Refusal::BinExists));
        assert_eq!(changed(bin("x"), code, &with(5)), Ok(None));
        assert_eq!(changed(bin("x"), code, &with(7)), Err(Refusal::Parameter));
    }
    assert_eq!(changed(None, 56, &[Int(0)]), Ok(None));
    assert_eq!(changed(bin("x"), 56, &[Int(5)]), Err(Refusal::Parameter));
    assert_eq!(changed(bin("x"), 63, &[Int(9), Text(""), Int(0)]), Err(Refusal::Parameter));
    assert_eq!(changed(bin("x"), 63, &[Int(9), Text(""), Int(4)]), Ok(None));
    assert_eq!(changed(bin("x"), 66, &[Texts(&["(", "x"]), Int(0), Int(4)]), Ok(None));
    for (code, args) in
        [(65, vec![Int(-1)]), (65, vec![Int(8 << 20)]), (64, vec![Int((2 << 20) + 1), Text("*")])]
    {
        assert_eq!(
            changed(bin("hello"), code, &[args.as_slice(), &[Int(0)]].concat()),
            Err(Refusal::Parameter)
        );
    }
}

#[test]
fn only_valid_strings_are_worked_on() {
    let number = Some(Particle { kind: ParticleType::Integer, bytes: &[0; 8] });
    let broken = Some(Particle { kind: ParticleType::String, bytes: b"\xff" });
    assert_eq!(read(number, &payload(0, &[])), Err(Refusal::IncompatibleType));
    assert_eq!(changed(number, 56, &[Int(4)]), Err(Refusal::IncompatibleType));
    assert_eq!(read(broken, &payload(0, &[])), Err(Refusal::Encoding));
    assert_eq!(changed(broken, 56, &[Int(4)]), Err(Refusal::Encoding));
    assert_eq!(read(None, &payload(0, &[])), Ok(None));
    assert_eq!(to_string(number).unwrap().unwrap().bytes, b"0");
    let list = Some(Particle { kind: ParticleType::List, bytes: &[0x90] });
    assert_eq!(to_string(list), Err(Refusal::IncompatibleType));
}

/// `[0xff, context, operation]`.
fn within(context: &[u8], operation: &[u8]) -> Vec<u8> {
    [b"\x93\xcc\xff", context, operation].concat()
}

#[test]
fn strings_inside_containers_are_reached() {
    let list = Some(Particle { kind: ParticleType::List, bytes: b"\x92\xa2\x03b\xa2\x03c" });
    let second = b"\x92\x10\x01";
    let answer = read(list, &within(second, &payload(0, &[]))).unwrap().unwrap();
    assert_eq!(answer, OwnedParticle::integer(1));
    let change =
        |flags, context: &[u8]| modify(list, &within(context, &payload(67, &[Text("!"), Int(flags)])));
    let Change::Set(new) = change(0, second).unwrap().bin else { panic!("kept") };
    assert_eq!(new.bytes, b"\x92\xa2\x03b\xa3\x03c!");
    assert_eq!(change(1, second), Err(Refusal::Parameter));
    assert_eq!(change(0, b"\x92\x10\x05"), Err(Refusal::NotApplicable));
    // An ordered list is in order again afterwards.
    let ordered = Some(Particle { kind: ParticleType::List, bytes: b"\x93\xc7\x00\x01\xa2\x03b\xa2\x03c" });
    let up = modify(ordered, &within(b"\x92\x10\x00", &payload(68, &[Text("x"), Int(0)]))).unwrap();
    let Change::Set(new) = up.bin else { panic!("kept") };
    assert_eq!(new.bytes, b"\x93\xc7\x00\x01\xa2\x03c\xa3\x03xb");
    let numbers = Some(Particle { kind: ParticleType::List, bytes: b"\x91\x07" });
    let refused = read(numbers, &within(b"\x92\x10\x00", &payload(0, &[])));
    assert_eq!(refused, Err(Refusal::IncompatibleType));
}

fn short_text() -> impl Strategy<Value = String> {
    let point = prop_oneof![
        Just('a'),
        Just('b'),
        Just('e'),
        Just('\u{301}'),
        Just('\u{e9}'),
        Just('\u{1100}'),
        any::<char>()
    ];
    prop::collection::vec(point, 0..12).prop_map(|points| points.into_iter().collect())
}

proptest! {
    #[test]
    fn any_payload_is_answered(text in short_text(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = (read(bin(&text), &bytes), modify(bin(&text), &bytes));
    }

    #[test]
    fn parts_are_those_of_a_row_of_code_points(old in short_text(), new in short_text(), a in -14i64..14, b in -14i64..14) {
        let points: Vec<char> = old.chars().collect();
        let len = i64::try_from(points.len()).unwrap();
        let at = |index: i64| usize::try_from((if index < 0 { index + len } else { index }).clamp(0, len)).unwrap();
        let (start, end) = (at(a), at(b).max(at(a)));
        let part: String = points[start..end].iter().collect();
        prop_assert_eq!(text(&old, 1, &[Int(a), Int(b)]), part);
        let mut inserted = points.clone();
        inserted.splice(start..start, new.chars());
        prop_assert_eq!(edited(&old, 50, &[Int(a), Text(&new), Int(0)]), inserted.into_iter().collect::<String>());
        let mut over = points.clone();
        over.splice(start..(start + new.chars().count()).min(points.len()), new.chars());
        prop_assert_eq!(edited(&old, 51, &[Int(a), Text(&new), Int(0)]), over.into_iter().collect::<String>());
        let snipped: String = points[..start].iter().chain(&points[end..]).collect();
        prop_assert_eq!(edited(&old, 53, &[Int(a), Int(b), Int(0)]), snipped);
    }

    #[test]
    fn what_is_found_is_equivalent(text in short_text(), wanted in short_text()) {
        let found: Vec<_> = search::places(&text, &wanted).collect();
        for place in &found {
            prop_assert!(text[place.clone()].nfd().eq(wanted.nfd()));
        }
        prop_assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start));
        let whole = search::places(&text, &text.nfd().collect::<String>()).next();
        prop_assert!(whole == Some(0..text.len()) || text.is_empty());
        prop_assert!(search::begins(&text, &text.nfd().collect::<String>()));
        prop_assert!(search::ends(&text, &text.nfc().collect::<String>()));
    }
}
