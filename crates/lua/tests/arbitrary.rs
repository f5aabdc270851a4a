//! Scripts that make no sense, or too much: whatever they do, the host stands.

mod support;

use proptest::prelude::{any, prop, proptest};
use shipload_lua::{Limits, LuaPool, compile};
use shipload_value::ParticleType;
use std::sync::Arc;
use support::{Modules, NOW, int, missing, particle, record, string};

/// Words that scripts are made of: the API, what breaks it, and the glue between.
const WORDS: &[&str] = &[
    "rec",
    "rec.a",
    "rec['l']",
    "rec.m",
    "x",
    "y",
    "x.k",
    "x[1]",
    "l",
    "m",
    "b",
    "s",
    "list",
    "map",
    "bytes",
    "record",
    "aerospike",
    "geojson",
    "stream",
    "list{1, 2, 3}",
    "map{a = 1}",
    "bytes()",
    "list()",
    "nil",
    "true",
    "1",
    "-1",
    "1e308",
    "math.huge",
    "math.mininteger",
    "'text'",
    "('x'):rep(50)",
    "{}",
    "{1, 2}",
    "function() end",
    "function(...) return ... end",
    "list.append",
    "list.insert",
    "list.trim",
    "list.concat",
    "list.take",
    "list.iterator",
    "list.nbytes",
    "map.merge",
    "map.remove",
    "map.pairs",
    "map.keys",
    "map.clone",
    "map.diff",
    "bytes.set_int32",
    "bytes.get_int64",
    "bytes.append_string",
    "bytes.set_size",
    "bytes.get_var_int",
    "bytes.set_type",
    "bytes.get_bytes",
    "record.bin_names",
    "record.set_ttl",
    "record.key",
    "record.digest",
    "aerospike.update",
    "aerospike.create",
    "aerospike.remove",
    "aerospike.exists",
    "string.rep",
    "string.find",
    "string.gsub",
    "string.gmatch",
    "string.format",
    "string.pack",
    "string.unpack",
    "table.insert",
    "table.concat",
    "table.sort",
    "table.move",
    "table.unpack",
    "setmetatable",
    "getmetatable",
    "rawset",
    "rawget",
    "rawequal",
    "next",
    "pairs",
    "ipairs",
    "select",
    "tostring",
    "tonumber",
    "pcall",
    "xpcall",
    "error",
    "assert",
    "require",
    "os.date",
    "os.time",
    "utf8.char",
    "math.tointeger",
    "type",
    "print",
    "info",
    "_G",
    "_ENV",
    "debug",
];

fn run(source: &str) {
    let pool = Arc::new(LuaPool::default());
    let library = Arc::new(Modules(vec![("m", source.to_owned())]));
    let limits = Limits { instructions: 200_000, memory_bytes: 4 << 20, time_ns: 0 };
    let bins = [
        ("a", int(1)),
        ("l", particle(ParticleType::List, &[0x92, 1, 0x91, 2])),
        ("m", particle(ParticleType::Map, &[0x81, 0xa2, 3, b'k', 0xa2, 4, 9])),
        ("s", string("text")),
        ("h", particle(ParticleType::Hll, &[4, 0, 1])),
    ];
    let Ok(mut lease) = pool.take(&library, "m", limits) else { return };
    let args = [0x93, 1, 0x91, 2, 0xa2, 3, b'a'];
    for _ in 0..2 {
        let _ = lease.apply("f", &args, record(&bins), NOW);
        let _ = lease.apply("f", &args, missing(), NOW);
    }
    if let Ok(stream) = lease.open("f", &args, NOW) {
        let _ = lease.push(&stream, record(&bins), NOW);
        let _ = lease.finish(&stream, NOW);
    }
}

proptest! {
    #[test]
    fn any_bytes_compile_or_not(source in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = compile("m.lua", &source);
    }

    #[test]
    fn any_arguments(args in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = support::apply("function f(rec, ...) return list{...} end", &args, missing());
    }

    #[test]
    fn any_calls(
        statements in prop::collection::vec(
            (prop::sample::select(WORDS), prop::collection::vec(prop::sample::select(WORDS), 0..5), 0u8..5),
            1..8,
        ),
    ) {
        let statement = |(callee, args, form): &(&str, Vec<&str>, u8)| {
            let args = args.join(", ");
            match form {
                0 => format!("pcall({callee}, {args})").replace(", )", ")"),
                1 => format!("pcall(function() x = ({callee})({args}) end)"),
                2 => format!("pcall(function() y = x x, l = ({callee})({args}) end)"),
                3 => format!("pcall(function() rec[({callee})] = ({}) end)", args.split(", ").next().unwrap_or("x")),
                _ => format!("pcall(function() for k, v in ({callee})({args}) do m = k b = v end end)"),
            }
            .replace("= ()", "= (x)")
        };
        let body: Vec<String> = statements.iter().map(statement).collect();
        run(&format!(
            "function f(rec, ...) x = list{{1}} y = map() l = rec.l m = rec.m b = bytes() s = 'abc' {}
            aerospike:update(rec) return x end",
            body.join("\n")
        ));
    }
}
