//! Patterns of both grammars, as a real server answers them.

use super::compile;
use proptest::prelude::{any, prop, proptest};

/// Whether the pattern is found; none when it is refused.
fn found(pattern: &str, flags: i64, text: &str) -> Option<bool> {
    compile(pattern.as_bytes(), flags).ok().map(|regex| regex.is_match(text.as_bytes()))
}

#[test]
fn basic_and_extended_patterns_differ() {
    for (pattern, basic, extended) in [
        ("h.*o", Some(true), Some(true)),
        ("^ell", Some(false), Some(false)),
        ("HELLO", Some(false), Some(false)),
        ("^h[a-z]+o$", Some(false), Some(true)),
        ("", Some(true), Some(true)),
        ("(", Some(false), None),
        ("[", None, None),
        ("x|hello", Some(false), Some(true)),
        ("l{2}", Some(false), Some(true)),
        (r"l\{2\}", Some(true), Some(false)),
        (r"\bhello", Some(true), Some(true)),
        (r"\(l\)o", Some(true), Some(false)),
        (r"hel\+o", Some(true), Some(false)),
        (r"x\|hello", Some(true), Some(false)),
        (r"\(", None, Some(false)),
        ("*h", Some(false), None),
        ("he*llo", Some(true), Some(true)),
        (r"\(.\)\1", None, None),
    ] {
        assert_eq!(found(pattern, 0, "hello"), basic, "basic {pattern}");
        assert_eq!(found(pattern, 1, "hello"), extended, "extended {pattern}");
    }
}

#[test]
fn case_and_lines_are_flags() {
    assert_eq!(found("HELLO", 2, "hello"), Some(true));
    assert_eq!(found("[H]ELLO", 3, "hello"), Some(true));
    assert_eq!(found("^b", 0, "a\nb"), Some(false));
    assert_eq!(found("^b", 8, "a\nb"), Some(true));
    assert_eq!(found("a.b", 0, "a\nb"), Some(true));
    assert_eq!(found("a.b", 8, "a\nb"), Some(false));
    assert_eq!(found("a[^x]b", 0, "a\nb"), Some(true));
    assert_eq!(found("a[^x]b", 8, "a\nb"), Some(false));
}

#[test]
fn repetitions_stack_without_becoming_lazy() {
    assert_eq!(found("^(a+)?$", 1, ""), Some(true));
    assert_eq!(found("^a+?$", 1, ""), Some(true));
    assert_eq!(found("^a{2}{2}$", 1, "aaaa"), Some(true));
    assert_eq!(found("^a{,2}$", 1, "aa"), Some(true));
    assert_eq!(found("a{2,1}", 1, ""), None);
    assert_eq!(found("a{99999}", 1, ""), None);
    assert_eq!(found("(x{1000}){1000}", 1, ""), None);
}

#[test]
fn brackets_follow_posix() {
    assert_eq!(found("[]a]", 0, "]"), Some(true));
    assert_eq!(found("[^]a]", 0, "]a"), Some(false));
    assert_eq!(found("[a-]", 0, "-"), Some(true));
    assert_eq!(found(r"[\]", 0, "\\"), Some(true));
    assert_eq!(found("[[:digit:]_]", 0, "7"), Some(true));
    assert_eq!(found("[[:digit:]_]", 0, "x"), Some(false));
    assert_eq!(found("[[.a.]-[=c=]]", 0, "b"), Some(true));
    assert_eq!(found("[b-a]", 0, "b"), None);
    assert_eq!(found("[[:nope:]]", 0, "b"), None);
}

#[test]
fn anchors_in_the_middle_of_a_basic_pattern_are_literal() {
    assert_eq!(found("a^b", 0, "a^b"), Some(true));
    assert_eq!(found("a$b", 0, "a$b"), Some(true));
    assert_eq!(found(r"\(^a\)$", 0, "a"), Some(true));
    assert_eq!(found("^*a", 0, "*a"), Some(true));
}

proptest! {
    #[test]
    fn arbitrary_patterns_never_panic(pattern in prop::collection::vec(any::<u8>(), 0..40), flags in 0i64..16) {
        let _ = compile(&pattern, flags);
    }

    #[test]
    fn patterns_of_syntax_never_panic(pattern in "[\\\\\\[\\](){}|*+?^$.a:1,=-]{0,20}", flags in 0i64..16) {
        let _ = compile(pattern.as_bytes(), flags);
    }
}
