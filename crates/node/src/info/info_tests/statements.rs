//! Statements of SQL, through what the shell puts in.

use super::{ask, node};
use crate::statements::{List, Statements};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const ID: &str = "0b6f4c1e-7a2d-4c58-9f0e-5d2a1c3b4e6f";

#[derive(Debug)]
struct Doors;

impl Statements for Doors {
    fn page(&self, list: List, from: Option<u64>) -> Option<String> {
        (list != List::Measures).then(|| format!("{list:?} {from:?}\t;\n"))
    }

    fn kill(&self, id: Option<&str>) -> Option<usize> {
        Some(if id == Some(ID) { 1 } else { 7 })
    }
}

#[test]
fn statements_are_told_and_ended() {
    let node = node();
    let none = "ERROR:2:no SQL on this node";
    assert_eq!(ask(&node, "shipload-statements:list=running"), none);
    assert_eq!(ask(&node, "shipload-kill:id=all"), none);
    node.facts.statements.set(Box::new(Doors)).unwrap();
    let told = |line: &str| String::from_utf8(STANDARD.decode(ask(&node, line)).unwrap()).unwrap();
    assert_eq!(told("shipload-statements:list=running"), "Running None\t;\n");
    assert_eq!(told("shipload-statements:list=ended;from=12"), "Ended Some(12)\t;\n");
    assert_eq!(ask(&node, "shipload-statements:list=measures"), none);
    assert_eq!(ask(&node, "shipload-kill:id=all"), "7");
    assert_eq!(ask(&node, &format!("shipload-kill:id={ID}")), "1");
    let all =
        ["statements", "statements:list=x", "statements:list=ended;from=-1", "kill", "kill:id=", "kill:id=x"];
    for line in all {
        let answer = ask(&node, &format!("shipload-{line}"));
        assert!(answer.starts_with("ERROR:4:"), "{line}: {answer}");
    }
    for id in [&ID[1..], &ID.replace('-', ""), &ID.replace('0', "g"), &format!("{ID}-"), &format!("{ID}0")] {
        assert_eq!(ask(&node, &format!("shipload-kill:id={id}")), "ERROR:4:bad 'id'", "{id}");
    }
}
