//! What a script cannot do: reach out, run for ever, take all memory, or see another module's globals.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_lua::{CallError, LoadError, LuaPool};
use std::sync::Arc;
use support::{Modules, NO_ARGS, NOW, apply, check, error, int, limits, missing};

#[test]
fn nothing_reaches_out() {
    check(
        "for _, name in ipairs{'io', 'package', 'coroutine', 'load', 'loadfile', 'loadstring', 'dofile',
                'collectgarbage'} do
            assert(_G[name] == nil, name)
        end
        assert(type(debug) == 'function' and string.dump == nil)
        local names = {}
        for name in pairs(os) do names[#names + 1] = name end
        table.sort(names)
        assert(table.concat(names, ' ') == 'clock date difftime time')",
    );
    assert!(error("require('os')").contains("module 'os' not found"));
    assert!(error("require('/etc/passwd')").contains("not found"));
}

fn limit(body: &str) {
    let text = error(body);
    assert!(text.contains("limit exceeded") || text == "not enough memory", "{body}: {text}");
}

#[test]
fn endless_loops_end() {
    limit("while true do end");
    limit("local function again() return again() end again()");
    limit("while true do pcall(function() while true do end end) end");
    limit("while true do xpcall(function() while true do end end, function() while true do end end) end");
    limit("while true do pcall(error) end");
    limit("for i = 1, math.huge do string.format('%d', i) end");
    limit(
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
    );
    limit(
        "local m = setmetatable({}, {__close = function() while true do end end}) do local x <close> = m end",
    );
}

#[test]
fn memory_is_bounded() {
    limit("local s = 'x' while true do s = s .. s end");
    limit("local t = {} for i = 1, 1 << 40 do t[i] = {} end");
    limit("return ('x'):rep(1 << 30)");
    limit("while true do pcall(string.rep, 'x', 1 << 30) end");
    limit("local l = list() while true do list.append(l, 'x') end");
    check(
        "local a, b = bytes(), bytes() assert(bytes.set_size(a, 20 << 20) and not bytes.set_size(b, 20 << 20))",
    );
}

#[test]
fn library_functions_that_loop_are_bounded() {
    limit("local s = ('a'):rep(100000) return s:find('.-.-.-.-b')");
    limit("local s = ('a'):rep(1000000) while true do s:upper() end");
    limit("local t = {} for i = 1, 100000 do t[i] = i end while true do table.insert(t, 1, 0) end");
    assert!(error("table.move({}, 1, 1 << 60, 2)").contains("too many"));
    assert!(
        error("table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)")
            .contains("plain")
    );
    assert!(error("setmetatable({}, {__gc = function() while true do end end})").contains("__gc"));
    assert!(error("setmetatable(list(), {})").contains("protected"));
    assert!(error("return (('('):rep(1000)):rep(10):match(('(.'):rep(100))").contains("captures"));
}

#[test]
fn a_deep_recursion_is_an_error() {
    let text = error("local function deep(n) return 1 + deep(n + 1) end return deep(1)");
    assert!(text.contains("stack overflow") || text == "not enough memory", "{text}");
}

#[test]
fn errors_can_be_caught() {
    check(
        "local ok, text = pcall(error, 'x', 0)
        assert(not ok and text == 'x')
        assert(select('#', pcall(function() return 1, nil, 3 end)) == 4)
        local ok, text = xpcall(function() error('y', 0) end, function(e) return e .. '!' end)
        assert(not ok and text == 'y!')
        assert(not pcall(list.append, 1, 2))",
    );
}

#[test]
fn modules_do_not_see_each_other_but_by_require() {
    let pool = Arc::new(LuaPool::default());
    let modules = vec![
        ("a", "shared = 1 function f() return shared end".to_owned()),
        ("b", "function f() return shared end".to_owned()),
        ("c", "local d = require('d') function f() return d.two() end".to_owned()),
        ("d", "local exports = {} function exports.two() return 2 end return exports".to_owned()),
        ("e", "require('nope')".to_owned()),
        ("g", "while true do end".to_owned()),
    ];
    let library = Arc::new(Modules(modules));
    let call = |module: &str| {
        let mut lease = pool.take(&library, module, limits()).unwrap();
        lease.apply("f", NO_ARGS, missing(), NOW).value
    };
    assert_eq!(call("a"), Ok(Some(int(1))));
    assert_eq!(call("b"), Ok(None));
    assert_eq!(call("c"), Ok(Some(int(2))));
    assert!(
        matches!(pool.take(&library, "e", limits()), Err(LoadError::Failed(text)) if text.contains("nope"))
    );
    assert!(
        matches!(pool.take(&library, "g", limits()), Err(LoadError::Failed(text)) if text.contains("limit"))
    );
    assert!(matches!(pool.take(&library, "zz", limits()), Err(LoadError::NoModule)));
}

#[test]
fn a_state_that_passed_a_limit_is_not_used_again() {
    let source = "n = 0 function f() n = n + 1 return n end function g() while true do end end";
    let pool = Arc::new(LuaPool::default());
    let library = Arc::new(Modules(vec![("m", source.to_owned())]));
    let call =
        |name: &str| pool.take(&library, "m", limits()).unwrap().apply(name, NO_ARGS, missing(), NOW).value;
    assert_eq!((call("f"), call("f")), (Ok(Some(int(1))), Ok(Some(int(2)))));
    assert!(matches!(call("g"), Err(CallError::Failed(_))));
    assert_eq!(call("f"), Ok(Some(int(1))));
}

#[test]
fn a_clock_bounds_the_time() {
    let ticks = std::sync::atomic::AtomicU64::new(0);
    let pool = Arc::new(LuaPool::default());
    pool.set_clock(Arc::new(move || ticks.fetch_add(1_000_000, std::sync::atomic::Ordering::Relaxed)));
    let library = Arc::new(Modules(vec![("m", "function f() while true do end end".to_owned())]));
    let mut limits = limits();
    limits.time_ns = 50_000_000;
    let value = pool.take(&library, "m", limits).unwrap().apply("f", NO_ARGS, missing(), NOW).value;
    assert_eq!(value, Err(CallError::Failed("time limit exceeded".to_owned())));
}

#[test]
fn scripts_that_spoil_the_library_hurt_only_themselves() {
    let spoil = "list, map, bytes, record, string.format, table.concat, getmetatable, type = nil
        aerospike.update = nil
        function f(rec, x) return x end";
    let returned = apply(spoil, &[0x91, 0x92, 1, 0x81, 1, 2], missing());
    assert_eq!(returned.value.unwrap().unwrap().bytes, [0x92, 1, 0x81, 1, 2]);
}
