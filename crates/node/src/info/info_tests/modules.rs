//! Modules of functions: what is registered is listed, read and forgotten.

use super::{ask, node};

#[test]
fn a_module_is_put_listed_read_and_removed() {
    let node = node();
    let put = "udf-put:filename=m.lua;content=cmV0dXJuIDE=;content-len=12;udf-type=LUA;";
    assert_eq!(ask(&node, put), "ok");
    assert_eq!(ask(&node, "udf-put:filename=a.lua;content=cmV0dXJuIDE=;content-len=12"), "ok");
    let list = ask(&node, "udf-list");
    let entries: Vec<_> = list.split_terminator(';').collect();
    assert!(list.ends_with(';') && entries.len() == 2, "{list}");
    assert!(entries[0].starts_with("filename=a.lua,hash=") && entries[0].ends_with(",type=LUA"));
    assert!(entries[1].starts_with("filename=m.lua,hash="));
    assert_eq!(entries[0].len(), "filename=a.lua,hash=,type=LUA".len() + 40);
    assert_eq!(ask(&node, "udf-get:filename=m.lua;"), "type=LUA;content=cmV0dXJuIDE=;");
    assert_eq!(ask(&node, "udf-remove:filename=m.lua;"), "ok");
    assert_eq!(ask(&node, "udf-get:filename=m.lua;"), "error=not_found");
    assert!(!ask(&node, "udf-list").contains("m.lua"));
}
