//! Every statement is read as written, and what is wrong is pointed at.

use aerospike::Value;

use super::literal::{show, to_json};
use super::parser::{parse, split};
use super::statement::{
    Comparison, Condition, Identity, Operand, Relation, Select, Setting, Show, Statement, Table,
};

fn read(text: &str) -> Statement {
    parse(text).unwrap().unwrap()
}

fn table(namespace: &str, set: &str) -> Table {
    Table { namespace: namespace.to_owned(), set: set.to_owned() }
}

/// The error's text and what it points at.
fn error(text: &str) -> (String, String) {
    let error = parse(text).unwrap_err();
    (error.text, text[error.place].to_owned())
}

fn inserted(literal: &str) -> Value {
    let Statement::Insert { mut bins, .. } = read(&format!("insert into t.s (pk, b) values (1, {literal})"))
    else {
        panic!("not an insert")
    };
    bins.remove(0).1
}

#[test]
fn the_statements_of_the_seeds() {
    assert_eq!(
        read("insert into test.foo (pk, val1) values (1, 'abc')"),
        Statement::Insert {
            table: table("test", "foo"),
            key: Value::Int(1),
            bins: vec![("val1".to_owned(), Value::from("abc"))],
        }
    );
    let all =
        Select { table: table("test", "hits"), bins: Vec::new(), condition: Condition::All, limit: None };
    assert_eq!(read("select * from test.hits"), Statement::Select(all));
}

#[test]
fn selects() {
    let Statement::Select(select) = read("SELECT a, \"b c\" FROM test WHERE PK = 'x' LIMIT 5;") else {
        panic!("not a select")
    };
    assert_eq!(select.table, table("test", ""));
    assert_eq!(select.bins, ["a", "b c"]);
    assert_eq!(select.condition, Condition::One(Identity::Key(Value::from("x"))));
    assert_eq!(select.limit, Some(5));

    let Statement::Select(select) = read("select * from t.s where a >= 1 and b != 'x'") else {
        panic!("not a select")
    };
    let comparison = |bin: &str, relation, operand| Comparison { bin: bin.to_owned(), relation, operand };
    assert_eq!(
        select.condition,
        Condition::Bins(vec![
            comparison("a", Relation::GreaterOrEqual, Operand::Integer(1)),
            comparison("b", Relation::NotEqual, Operand::Text("x".to_owned())),
        ])
    );

    let digits = "00".repeat(19) + "ff";
    for literal in [format!("x'{digits}'"), format!("'{digits}'")] {
        let Statement::Select(select) = read(&format!("select * from t.s where digest = {literal}")) else {
            panic!("not a select")
        };
        assert!(matches!(select.condition, Condition::One(Identity::Digest(digest)) if digest[19] == 255));
    }
}

#[test]
fn the_small_statements() {
    let delete = Statement::Delete { table: table("t", "s-1"), key: Identity::Key(Value::Blob(vec![1])) };
    assert_eq!(read("delete from t.s-1 where pk = x'01'"), delete);
    assert_eq!(read("truncate test.foo"), Statement::Truncate(table("test", "foo")));
    assert_eq!(read("show Bins"), Statement::Show(Show::Bins));
    assert_eq!(read("set"), Statement::Set(None));
    assert_eq!(read("set output json"), Statement::Set(Some(Setting::Json(true))));
    assert_eq!(read("set ttl -1"), Statement::Set(Some(Setting::TtlSeconds(-1))));
    assert_eq!(read("quit;"), Statement::Exit);
    assert_eq!(parse(" ; -- nothing\n"), Ok(None));
}

#[test]
fn values_of_every_kind_can_be_typed_and_are_shown_as_typed() {
    for literal in [
        "1",
        "-7",
        "2.5",
        "1e300",
        "\"it's\"",
        "\"a\\\"b\\nc\"",
        "true",
        "false",
        "x'00ff'",
        "[]",
        "{}",
        "[1, \"a\", [2.0], {\"k\": x'01', 5: null}]",
        "geojson('{\"type\":\"Point\",\"coordinates\":[1,2]}')",
    ] {
        assert_eq!(show(&inserted(literal)), literal);
    }
    assert_eq!(inserted("list('[1, 2]')"), Value::List(vec![Value::Int(1), Value::Int(2)]));
    assert_eq!(show(&inserted("map('{\"a\": {\"b\": 1}}')")), "{\"a\": {\"b\": 1}}");
    assert_eq!(to_json(&inserted("{1: x'0a', 'b': [true]}")).to_string(), r#"{"1":"0a","b":[true]}"#);
    assert_eq!(to_json(&inserted("geojson('{\"a\":1}')")).to_string(), r#"{"a":1}"#);
}

#[test]
fn errors_say_what_was_wanted_and_point_at_what_was_found() {
    let cases = [
        ("selct * from a", "expected insert, select", "selct"),
        ("select * form test.foo", "expected `from`, found `form`", "form"),
        ("insert into t.s (a, b) values (1, 2)", "one column must be `pk`", "a, b"),
        ("insert into t.s (pk, b) values (1)", "2 columns, but 1 values", "pk, b) values (1"),
        ("insert into t.s (pk) values (abc)", "texts stand in quotes", "abc"),
        ("insert into t.s (pk) values (1.5)", "a key is an integer", "1.5"),
        ("insert into t.s (pk, b) values (1, {[1]: 2})", "a map's key is", "["),
        ("insert into t.s (pk, b) values (1, {1: 2, 1: 3})", "stands twice", "1"),
        ("insert into t.s (pk, b) values (1, json('[1,'))", "in this text", "'[1,'"),
        ("insert into t.s (pk, b) values (1, json('json(1)'))", "not JSON", "'json(1)'"),
        ("select * from t.s limit many", "expected a number of rows, found `many`", "many"),
        ("select * from t.s where a ~ 1", "means nothing here", "~"),
        ("select * from t.s where a = [1]", "a bin is compared with", "]"),
        ("delete from t.s where a = 1", "expected `pk` or `digest`, found `a`", "a"),
        ("delete from t.s", "`truncate` deletes all", ""),
        ("select * from t.s t", "expected the end of the statement", "t"),
        ("show me", "expected sets, bins, indexes, namespaces or nodes", "me"),
        ("set ttl -2", "expected seconds", "-2"),
    ];
    for (text, wanted, place) in cases {
        let (found, pointed) = error(text);
        assert!(found.contains(wanted), "{text}: {found}");
        assert_eq!(pointed, place, "{text}");
    }
}

#[test]
fn only_what_can_go_on_is_unfinished() {
    for text in
        ["select * from", "insert into t.s (pk, b) values (1, [1,", "select * from t.s where pk = 'ab"]
    {
        assert!(parse(text).unwrap_err().unfinished, "{text}");
    }
    for text in ["select * form t", "delete from t.s"] {
        assert!(!parse(text).unwrap_err().unfinished, "{text}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("insert into t.s (pk, b) values (1, {})", "[".repeat(10_000));
    assert!(error(&deep).0.contains("nested deeper"));
}

#[test]
fn scripts_are_split_at_lines_and_semicolons() {
    let script =
        "select * from t.s; show sets\n\n-- a comment\ninsert into t.s (pk, b)\n values (1, 'a;b');\nselct\n";
    let found = split(script);
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 1, 4, 6]);
    assert_eq!(found[1].1, "show sets");
    assert!(matches!(read(&found[2].1), Statement::Insert { .. }));
    assert_eq!(split("select * from"), [(1, "select * from".to_owned())]);
}

#[test]
fn any_text_is_read_or_refused_without_a_panic() {
    let words = "(insert|into|select|from|where|pk|digest|values|set|json|and|limit|[a-z]|'|\"|x'|[0-9]|[\\[\\]{}(),.:;*=<>é ]){0,30}";
    proptest::proptest!(|(text in words)| {
        let _ = parse(&text);
        let _ = split(&text);
    });
}

#[test]
fn indexes_and_functions_are_read() {
    use super::statement::{Execute, Index, Statement, Table};
    use aerospike::{CollectionIndexType, IndexType};
    let table = || Table { namespace: "test".to_owned(), set: "demo".to_owned() };
    let index = Index {
        table: table(),
        name: "i".to_owned(),
        bin: "a".to_owned(),
        kind: IndexType::Numeric,
        collection: CollectionIndexType::Default,
    };
    let created = parse("create index i on test.demo (a) numeric").unwrap();
    assert_eq!(created, Some(Statement::CreateIndex(index.clone())));
    let listed = Index { kind: IndexType::String, collection: CollectionIndexType::MapKeys, ..index };
    let created = parse("CREATE MAPKEYS INDEX i ON test.demo (a) STRING;").unwrap();
    assert_eq!(created, Some(Statement::CreateIndex(listed)));
    let dropped = parse("drop index test.demo i").unwrap();
    assert_eq!(dropped, Some(Statement::DropIndex { table: table(), name: "i".to_owned() }));
    let execute = Execute {
        module: "m".to_owned(),
        function: "f".to_owned(),
        arguments: vec![Value::from(1), Value::from("x")],
        table: table(),
        condition: Condition::All,
    };
    assert_eq!(parse("execute m.f(1, 'x') on test.demo").unwrap(), Some(Statement::Execute(execute.clone())));
    assert_eq!(parse("Aggregate m.f(1, 'x') on test.demo").unwrap(), Some(Statement::Aggregate(execute)));
    assert!(parse("aggregate m.f() on test where a > 1").is_ok());
    assert!(parse("aggregate m.f() on test.demo where pk = 1").is_err());
    assert!(parse("execute m.f() on test.demo where pk = 1").is_ok());
    assert!(parse("create index i on test.demo (a) number").is_err());
}

#[test]
fn between_is_two_comparisons() {
    let Some(Statement::Select(select)) =
        parse("select * from t.s where a between 1 and 9 and b = 2").unwrap()
    else {
        panic!("no select");
    };
    let Condition::Bins(comparisons) = select.condition else { panic!("no comparisons") };
    let relations: Vec<Relation> = comparisons.iter().map(|comparison| comparison.relation).collect();
    assert_eq!(relations, [Relation::GreaterOrEqual, Relation::LessOrEqual, Relation::Equal]);
}
