//! The types of the API, function by function, in the scripts' own words.

mod support;

use shipload_value::ParticleType;
use support::{apply, check, error, eval, int, particle, record, text};

#[test]
fn lists() {
    check(
        "local l = list{1, 2, 3}
        assert(type(l) == 'userdata' and getmetatable(l) == getmetatable(list()))
        assert(#l == 3 and list.size(l) == 3 and l[2] == 2 and l[4] == nil and l[0] == nil and l.x == nil)
        list.append(l, 4) list.prepend(l, 0) list.insert(l, 2, 'x')
        assert(tostring(l) == 'List(0, \"x\", 1, 2, 3, 4)', tostring(l))
        list.remove(l, 2) list.remove(l, 99) list.remove(l, 0)
        assert(#l == 5 and l[2] == 1)
        assert(tostring(list.take(l, 2)) == 'List(0, 1)' and tostring(list.drop(l, 3)) == 'List(3, 4)')
        assert(#list.take(l, 99) == 5 and #list.drop(l, 99) == 0 and #list.take(l, -1) == 0)
        list.trim(l, 3)
        assert(tostring(l) == 'List(0, 1)')
        list.concat(l, list{7})
        local m = list.merge(l, l)
        assert(#l == 3 and #m == 6 and m[6] == 7)
        local c = list.clone(l) c[1] = 9
        assert(l[1] == 0 and c ~= l and list.clone(l) == l)
        local sum = 0
        for v in list.iterator(m) do sum = sum + v end
        assert(sum == 16)
        l[5] = 1
        assert(#l == 5 and l[4] == nil)
        list.append(l, nil)
        assert(#l == 6 and list.nbytes(list{1, 2}) == 3)
        assert(list.is_list(l) and not list.is_list({}) and #list.new(10) == 0 and #list.create(3, 4) == 0)",
    );
    assert!(error("list.append({}, 1)").contains("list expected, got table"));
    assert!(error("local l = list() l.x = 1").contains("bad index"));
    assert!(error("local l = list() l[1 << 40] = 1").contains("bad index"));
}

#[test]
fn maps() {
    check(
        "local m = map{b = 2, a = 1}
        m[3] = 'three' m.n = nil
        assert(type(m) == 'userdata' and #m == 4 and map.size(m) == 4 and m.n == nil and m.zz == nil)
        assert(tostring(m) == 'Map(3->\"three\", \"a\"->1, \"b\"->2, \"n\"->nil)', tostring(m))
        local keys, values = '', 0
        for k in map.keys(m) do keys = keys .. tostring(k) end
        assert(keys == '3abn')
        map.remove(m, 3) map.remove(m, 'nope')
        for v in map.values(m) do values = values + v end
        assert(values == 3 and #m == 3)
        for k, v in map.pairs(m) do assert(m[k] == v) end
        for k, v in map.iterator(m) do assert(m[k] == v) end
        for k, v in pairs(m) do assert(m[k] == v) end
        local sum = map.merge(map{a = 1, b = 2}, map{b = 10, c = 4}, function(x, y) return x + y end)
        assert(sum == map{a = 1, b = 12, c = 4}, tostring(sum))
        assert(map.merge(map{a = 1}, map{a = 2}).a == 2)
        assert(map.diff(map{a = 1, b = 2}, map{b = 10, c = 4}) == map{a = 1, c = 4})
        local c = map.clone(sum) c.a = 0
        assert(sum.a == 1 and map.is_map(c) and not map.is_map(list()))
        assert(map.nbytes(map{a = 1}) == 5 and #map.new(3) == 0 and #map.create(3) == 0)
        local b, same = bytes(), bytes()
        bytes.append_byte(b, 1) bytes.append_byte(same, 1)
        c[b] = 'by content'
        assert(c[same] == 'by content')
        bytes.append_byte(b, 2)
        assert(c[same] == 'by content' and c[b] == nil)
        map.remove(c, same)
        assert(c[same] == nil)",
    );
    assert!(error("local m = map() m[{}] = 1").contains("cannot be a key"));
    assert!(error("map.size(list())").contains("map expected"));
}

#[test]
fn bytes() {
    check(
        "local b = bytes(16)
        assert(#b == 0 and bytes.size(b) == 0 and bytes.get_type(b) == 4)
        assert(bytes.append_byte(b, 255) and bytes.append_int16(b, 0x0102))
        assert(bytes.append_int32_le(b, 0x03040506) and bytes.append_int64(b, -2))
        assert(#b == 15 and b[1] == 255 and bytes.get_byte(b, 1) == 255)
        assert(bytes.get_int16(b, 2) == 0x0102 and bytes.get_int16_be(b, 2) == 0x0102)
        assert(bytes.get_int16_le(b, 2) == 0x0201 and bytes.get_int32_le(b, 4) == 0x03040506)
        assert(bytes.get_int32(b, 4) == 0x06050403 and bytes.get_int64_be(b, 8) == -2)
        assert(bytes.set_int16(b, 2, -1) and bytes.get_int16(b, 2) == -1)
        assert(bytes.set_int32_le(b, 4, 1 << 31) and bytes.get_int32_le(b, 4) == -(1 << 31))
        assert(bytes.set_int64(b, 8, math.mininteger) and bytes.get_int64(b, 8) == math.mininteger)
        b[20] = 0x7f
        assert(#b == 20 and b[16] == 0 and b[21] == nil)
        assert(bytes.get_byte(b, 99) == 0 and bytes.get_int64(b, 15) == 0 and not bytes.set_int32(b, 0, 1))
        assert(not bytes.append_int32(b, 'x') and not bytes.set_byte(b, 1, {}))
        assert(bytes.set_size(b, 2) and #b == 2 and not bytes.set_size(b, -1) and not bytes.set_size(b, 1 << 40))",
    );
    check(
        "local s = bytes()
        assert(bytes.set_string(s, 1, 'hello') and bytes.append_string(s, ' world and more', 6))
        assert(bytes.get_string(s, 1, 11) == 'hello world' and bytes.get_string(s, 7, 99) == 'world')
        local part = bytes.get_bytes(s, 7, 5)
        assert(bytes.set_bytes(s, 1, part) and bytes.append_bytes(s, part, 2))
        assert(bytes.get_string(s, 1, 99) == 'world worldwo')
        assert(tostring(bytes.get_bytes(s, 1, 2)) == '776F' and bytes.is_bytes(s) and not bytes.is_bytes('s'))
        local v = bytes()
        assert(bytes.append_var_int(v, 300) == 2 and bytes.append_var_int(v, -1) == 10)
        local value, size = bytes.get_var_int(v, 1)
        assert(value == 300 and size == 2 and bytes.get_var_int(v, 3) == -1)
        assert(bytes.set_var_int(v, 1, 5) == 1 and bytes.get_var_int(v, 1) == 5)
        assert(bytes.set_type(v, 18) and bytes.get_type(v) == 18 and not bytes.set_type(v, 19))
        assert(bytes.clone(v) == v and bytes.nbytes(v) == #v)",
    );
    assert!(error("local b = bytes() b[0] = 1").contains("bad index"));
    assert!(error("bytes.size('x')").contains("bytes expected, got string"));
}

#[test]
fn geojson() {
    let point = r#"{"type":"Point","coordinates":[1.5,-2.5]}"#;
    let returned = eval(&format!("return geojson('{point}')")).unwrap().unwrap();
    assert_eq!(returned, particle(ParticleType::GeoJson, &[&[0, 0, 0], point.as_bytes()].concat()));
    assert_eq!(text(&format!("return tostring(geojson('{point}'))")), point);
    assert_eq!(text(&format!("return geojson.tostring(geojson('{point}'))")), point);
}

#[test]
fn values_go_in_and_out() {
    let cases: &[(&[u8], u8, &[u8])] = &[
        (&[0x91, 0xc3], 17, &[1]),
        (&[0x91, 0xcf, 0xff, 0, 0, 0, 0, 0, 0, 1], 1, &[0xff, 0, 0, 0, 0, 0, 0, 1]),
        (&[0x91, 0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], 2, &[0x7f, 0xf0, 0, 0, 0, 0, 0, 0]),
        (&[0x91, 0xa2, 3, b'x'], 3, b"x"),
        (&[0x91, 0xa3, 4, 0, 255], 4, &[0, 255]),
        (&[0x91, 0xa2, 7, 1], 7, &[1]),
        (&[0x91, 0xa4, 18, 0, 4, 0], 4, &[0, 4, 0]),
        (&[0x91, 0x93, 0xc0, 1, 0x91, 0xc0], 20, &[0x93, 0xc0, 1, 0x91, 0xc0]),
        (&[0x91, 0x93, 0xc7, 0, 1, 1, 2], 20, &[0x93, 0xc7, 0, 1, 1, 2]),
        (&[0x91, 0x82, 0xa2, 3, b'b', 0xc0, 1, 2], 19, &[0x82, 1, 2, 0xa2, 3, b'b', 0xc0]),
        (&[0x91, 0x82, 0xc7, 0, 1, 0xc0, 1, 2], 19, &[0x82, 0xc7, 0, 1, 0xc0, 1, 2]),
    ];
    for (args, kind, bytes) in cases {
        let returned = apply("function f(rec, x) return x end", args, record(&[])).value.unwrap().unwrap();
        assert_eq!((returned.kind.number(), returned.bytes.as_slice()), (*kind, *bytes), "{args:x?}");
    }
    for args in [&[0x91, 0xc0][..], &[0x90], &[], &[0xc1], &[0x81, 1, 2], &[0x92, 1]] {
        assert_eq!(apply("function f(rec, x) return x end", args, record(&[])).value, Ok(None), "{args:x?}");
    }
}

#[test]
fn an_ordered_list_stays_in_order() {
    let source = "function f(rec, l) list.append(l, 1) return l end";
    let returned = apply(source, &[0x91, 0x93, 0xc7, 0, 1, 2, 3], record(&[])).value.unwrap().unwrap();
    assert_eq!(returned.bytes, [0x94, 0xc7, 0, 1, 1, 2, 3]);
}

#[test]
fn what_is_no_value_comes_back_as_nil() {
    for body in
        ["return rec", "return f", "return {}", "return", "return nil", "return list", "return aerospike"]
    {
        assert_eq!(eval(body), Ok(None), "{body}");
    }
    assert!(error("return list{{}}").contains("cannot be part of a value"));
    assert!(error("return list{print}").contains("a function cannot be part"));
    assert!(error("local l = list() list.append(l, l) return l").contains("too deep"));
    let doubled = "local l = list{1} for i = 1, 60 do l = list{l, l} end return l";
    assert_eq!(error(doubled), "instruction limit exceeded");
    assert_eq!(eval("return 7, 8"), Ok(Some(int(7))));
}
