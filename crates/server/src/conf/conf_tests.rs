use super::{Item, Stanza, parse, read};

const SAMPLE: &str = "\
# A sample.
service {
\tproto-fd-max 15000   # as shipped
}
namespace test {
  storage-engine memory { data-size 4G }
  set demo {
    default-ttl 30
  }
}
logging { console { context any info } }
";

fn refused(text: &str) -> String {
    parse("a.conf", text.as_bytes()).expect_err("this text must be refused").to_string()
}

fn stanza(item: &Item) -> &Stanza {
    match item {
        Item::Stanza(stanza) => stanza,
        Item::Setting(setting) => panic!("{setting:?} is no stanza"),
    }
}

#[test]
fn a_sample_keeps_order_names_arguments_and_lines() {
    let items = parse("a.conf", SAMPLE.as_bytes()).expect("the sample is well formed");
    assert_eq!(items.len(), 3);
    let service = stanza(&items[0]);
    assert_eq!((service.name.as_str(), service.line), ("service", 2));
    assert!(
        matches!(&service.items[0], Item::Setting(s) if s.key == "proto-fd-max" && s.values == ["15000"] && s.line == 3)
    );
    let namespace = stanza(&items[1]);
    assert_eq!(namespace.argument.as_deref(), Some("test"));
    let engine = stanza(&namespace.items[0]);
    assert_eq!((engine.name.as_str(), engine.argument.as_deref()), ("storage-engine", Some("memory")));
    assert_eq!(engine.items.len(), 1);
    let console = stanza(&stanza(&items[2]).items[0]);
    assert!(matches!(&console.items[0], Item::Setting(s) if s.values == ["any", "info"]));
}

#[test]
fn every_wrong_shape_names_its_line() {
    assert_eq!(refused("service {\n"), "a.conf:1: service: this stanza is never closed; a `}` is missing");
    assert_eq!(refused("service {\n}\n}\n"), "a.conf:3: `}` closes nothing; no stanza is open here");
    assert_eq!(refused("\n{\n}\n"), "a.conf:2: `{` without a stanza name before it");
    assert!(refused("default-ttl 5\n").starts_with("a.conf:1: default-ttl: a setting outside of any stanza"));
    assert!(refused("a b c {\n}\n").starts_with("a.conf:1: a: `c` is too much before `{`"));
    assert!(refused("x {\n y \0\n}\n").starts_with("a.conf:2: control character"));
    assert!(refused(&"a {\n".repeat(100)).starts_with("a.conf:9: stanzas are nested deeper than 8"));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let error = parse("a.conf", b"service {\n \xff\xfe\n}").expect_err("no UTF-8").to_string();
    assert_eq!(error, "a.conf:2: is not UTF-8 text; is this a text file?");
    assert!(parse("a.conf", b"").expect("an empty file is fine").is_empty());
}

#[test]
fn unreadable_and_huge_files_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = read(&folder.path().join("none.conf")).expect_err("missing").to_string();
    assert!(missing.contains("none.conf: can't be read:"), "{missing}");
    assert!(read(folder.path()).expect_err("a folder").to_string().contains("can't be read"));
    let huge = folder.path().join("huge.conf");
    std::fs::write(&huge, vec![b'\n'; (1 << 20) + 1]).expect("written");
    assert!(read(&huge).expect_err("huge").to_string().contains("allowed: at most"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_a_tree_or_an_error(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = parse("a.conf", &bytes);
    }

    #[test]
    fn any_stanzas_give_a_configuration_or_an_error(
        words in proptest::collection::vec("[a-z{}#\n0-9 -]{1,8}|service|namespace|set|storage-engine memory", 0..40),
    ) {
        if let Ok(items) = parse("a.conf", words.join(" ").as_bytes()) {
            let _ = super::apply("a.conf", &items, &mut shipload_node::config::Config::new());
        }
    }
}
