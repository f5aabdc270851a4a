//! Patterns find what Lua's own matcher finds.

mod support;

use mlua::{Lua, StdLib};
use proptest::prelude::{prop, prop_assert_eq, proptest};
use shipload_value::ParticleType;
use support::{check, eval};

/// Runs the same text in a plain Lua state.
fn plain(body: &str) -> Result<String, String> {
    let lua =
        Lua::new_with(StdLib::STRING | StdLib::TABLE, mlua::LuaOptions::default()).expect("a plain state");
    lua.load(body).eval::<String>().map_err(|error| error.to_string())
}

fn ours(body: &str) -> Result<String, String> {
    match eval(body) {
        Ok(Some(value)) if value.kind == ParticleType::String => {
            Ok(String::from_utf8_lossy(&value.bytes).into_owned())
        }
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn script(subject: &str, pattern: &str, replacement: &str) -> String {
    format!(
        "local s, p, r = {subject:?}, {pattern:?}, {replacement:?}
        local out = {{}}
        local function show(...)
            local parts = {{}}
            for i = 1, select('#', ...) do parts[i] = tostring((select(i, ...))) end
            out[#out + 1] = table.concat(parts, ',')
        end
        show(s:find(p)) show(s:find(p, 3)) show(s:find(p, -2)) show(s:match(p)) show(s:match(p, 2))
        show(s:find(p, 1, true))
        for a, b, c in s:gmatch(p) do show(a, b, c) end
        show(s:gsub(p, r)) show(s:gsub(p, r, 1))
        show(s:gsub(p, function(a, b) return b and a .. b or nil end)) show(s:gsub(p, {{a = 'A', ab = false}}))
        return table.concat(out, ';')"
    )
}

#[test]
fn by_example() {
    check(
        "assert(('key = value'):match('^(%w+)%s*=%s*(%w+)$') == 'key')
        assert(('THE (quick) fox'):find('%((%a+)%)') == 5)
        assert(('f(a(b)c)d'):match('%b()') == '(a(b)c)' and ('abc'):find('b', 1, true) == 2)
        assert(('THE (quick) fox'):gsub('%f[%a]%a+', string.lower) == 'the (quick) fox')
        assert(('hello world'):gsub('o', '0', 1) == 'hell0 world' and ('abc'):gsub('', '-') == '-a-b-c-')
        assert(('abc'):gsub('%w', '%0%0') == 'aabbcc' and ('x'):gsub('x', '%%') == '%')
        assert(select('#', ('abc'):match('()b()')) == 2 and ('abc'):match('()b()') == 2)
        assert((5):rep(2) == nil or true)"
            .replace("assert((5):rep(2) == nil or true)", "assert(string.rep(5, 2) == '55')")
            .as_str(),
    );
    assert_eq!(ours("return tostring(('a'):find('()%1'))"), plain("return tostring(('a'):find('()%1'))"));
    let malformed = ["%", "[a", "(a", "(a))", "%1", "%f", "%b", "[%", "(()"];
    for pattern in malformed {
        let body = format!("return tostring(('aab'):find({pattern:?}))");
        assert!(ours(&body).is_err() && plain(&body).is_err(), "{pattern}");
    }
}

proptest! {
    #[test]
    fn as_lua_itself(
        subject in "[ab1 (]{0,12}",
        items in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b", ".", "%a", "%d", "%s", "[ab]", "[^a]", "[a-b1]", "(a)", "()", "(%w", ")", "(.-)", "%1",
                "%b()", "%f[%w]", "*", "+", "-", "?", "^", "$", "%(", "[]]", "[^%d]", "%W", "]",
            ]),
            0..6,
        ),
        replacement in prop::sample::select(vec!["", "x", "%0", "<%1>", "%%", "%2"]),
    ) {
        let body = script(&subject, &items.concat(), replacement);
        let (plain, ours) = (plain(&body), ours(&body));
        prop_assert_eq!(plain.is_ok(), ours.is_ok(), "{:?} {:?}", plain, ours);
        if let (Ok(plain), Ok(ours)) = (plain, ours) {
            prop_assert_eq!(plain, ours);
        }
    }
}
