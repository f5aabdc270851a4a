"""Every kind of value through three doors: the stock Python client, REST, and SQL where the program has it.

    pip install aerospike
    python tests/web/values.py HOST

Who wrote a value does not matter: what the Python client writes REST reads and writes again under another key, and the Python
client reads the same there; the other way round as well. Rows that SQL writes are read by both, and what both write by SQL.
"""

import json
import math
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import aerospike
from aerospike_helpers.operations import hll_operations as hll
from aerospike_helpers.operations import list_operations as lists
from aerospike_helpers.operations import map_operations as maps

HOST = sys.argv[1]
NS, SET = "test", "values"
FAILED = []

BINS = {
    "zero": 0,
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "beyond": 2**53 + 1,
    "half": 0.5,
    "whole": 3.0,
    "minus": -0.0,
    "tiny": 5e-324,
    "huge": 1.7976931348623157e308,
    "infinite": math.inf,
    "nan": math.nan,
    "text": "ünï ☃ \U0001f6a2",
    "empty": "",
    "blob": bytes(range(256)),
    "noblob": b"",
    "yes": True,
    "no": False,
    "place": aerospike.GeoJSON({"type": "Point", "coordinates": [9.99, 53.55]}),
    "list": [1, "a", None, [True, [2.5]], {"b": b"\x01"}, b"\xff", []],
    "map": {"a": {"b": [1, {"c": None}]}, "empty": {}},
    "keys": {1: "one", -(2**63): "least", "text": 2, b"\x00": "blob"},
    "long": list(range(300)),
    "wide": {f"key-{n}": n for n in range(70)},
}


def same(a, b):
    """Equality that tells 1 from True and from 1.0, and finds NaN equal to itself."""
    if isinstance(a, aerospike.GeoJSON) and isinstance(b, aerospike.GeoJSON):
        return a.unwrap() == b.unwrap()
    if isinstance(a, (bytes, bytearray)) and isinstance(b, (bytes, bytearray)):
        return bytes(a) == bytes(b)
    # Ordered maps come as a kind of dictionaries.
    if type(a) is not type(b) and not (isinstance(a, dict) and isinstance(b, dict)):
        return False
    if isinstance(a, float):
        return math.isnan(a) and math.isnan(b) or a == b and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, dict):
        pairs = {(type(key), key): value for key, value in b.items()}
        return len(a) == len(b) and all((type(k), k) in pairs and same(v, pairs[type(k), k]) for k, v in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def check(what, holds, seen=""):
    print(f"{'ok  ' if holds else 'FAIL'} {what}{'' if holds else f': {seen}'}")
    if not holds:
        FAILED.append(what)


def ask(method, path, body=None):
    """A request to the web door: status, and what its JSON says."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{HOST}:4200{path}", data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def path(key):
    return f"/v1/db/{NS}/{SET}/{urllib.parse.quote(key, safe='')}"


def copied(source, target):
    """Reads by REST and writes what came back by REST."""
    status, record = ask("GET", path(source))
    assert status == 200, record
    status, told = ask("PUT", path(target), {"bins": record["bins"]})
    assert status == 200, told
    return record["bins"]


def through_rest(client):
    client.put((NS, SET, "python"), BINS, policy={"key": aerospike.POLICY_KEY_SEND})
    copied("python", "rest")
    _, _, back = client.get((NS, SET, "rest"))
    for name, value in BINS.items():
        check(f"python, REST, python: {name}", same(back.get(name), value), f"{back.get(name)!r} instead of {value!r}")
    check("no bin came to it", set(back) == set(BINS), set(back) ^ set(BINS))
    # As REST says it, nothing of both is different.
    check("REST, REST", ask("GET", path("rest"))[1]["bins"] == ask("GET", path("python"))[1]["bins"])


def ordered(client):
    key = (NS, SET, "ordered")
    client.put(key, {"plain": 1})
    client.operate(key, [
        maps.map_put_items("sorted", {"b": 1, "a": 2, 3: [1]}, {"map_order": aerospike.MAP_KEY_ORDERED}),
        maps.map_put_items("valued", {"b": 1, "a": 2}, {"map_order": aerospike.MAP_KEY_VALUE_ORDERED}),
        lists.list_append_items("list", [3, 1, 2], {"list_order": aerospike.LIST_ORDERED}),
        hll.hll_add("hll", [f"user-{n}" for n in range(1000)], 10),
    ])
    copied("ordered", "ordered-rest")
    told = [ask("GET", path(name))[1]["bins"] for name in ("ordered", "ordered-rest")]
    check("orders and sketches stay", told[0] == told[1], told)
    # Operations that need the order, or the kind, do the same on both.
    for target in ("ordered", "ordered-rest"):
        _, _, found = client.operate((NS, SET, target), [
            lists.list_append_items("list", [0], {"list_order": aerospike.LIST_ORDERED}), lists.list_get_range("list", 0, 9)])
        check(f"an ordered list puts in its place: {target}", found["list"] == [0, 1, 2, 3], found)
        _, _, found = client.operate((NS, SET, target), [hll.hll_get_count("hll")])
        check(f"a HyperLogLog counts: {target}", 900 < found["hll"] < 1100, found)
        _, _, found = client.operate((NS, SET, target), [maps.map_get_by_index_range("sorted", 0, 3, aerospike.MAP_RETURN_KEY)])
        check(f"a map by its keys: {target}", found["sorted"] == [3, "a", "b"], found)


def from_rest(client):
    """What the Python client has no words for, written by REST, is still there after a touch by the client."""
    odd = {"python": {"$bytes": "eA==", "$type": 9}, "torn": {"$text": "/w=="}, "int": {"$int": "9007199254740993"}, "whole": 1.0}
    status, told = ask("PUT", path("odd"), {"bins": odd})
    check("REST writes what only it has words for", status == 200, told)
    client.touch((NS, SET, "odd"))
    check("and reads it again", ask("GET", path("odd"))[1]["bins"] == odd, ask("GET", path("odd"))[1])


def keys(client):
    for key, segment in [("text", "text"), ("int:5", "str:int:5"), ("a/b ?", "a/b ?"), (7, "int:7"), (-1, "int:-1"),
                         (bytearray(b"\x00\xff"), "blob:AP8")]:
        client.put((NS, SET, key), {"key": 1}, policy={"key": aerospike.POLICY_KEY_SEND})
        status, record = ask("GET", path(segment))
        check(f"key {key!r} is {segment}", status == 200 and record["id"] == segment, record)
        ask("PATCH", path(segment), {"bins": {"key": 2}})
        check(f"    and the same record", client.get((NS, SET, key))[2] == {"key": 2})


def sql(statement, *values):
    return ask("POST", "/_sql", {"stmt": statement, "args": list(values)})


def through_sql(client):
    status, told = sql("SELECT 1")
    if status != 200:
        print("     SQL is not in this program: its third is left out")
        return
    sql("DROP TABLE IF EXISTS three")
    columns = "i bigint, f double precision, t text, b boolean, l array(bigint), o object(dynamic)"
    status, told = sql(f"CREATE TABLE three (id text primary key, {columns})")
    check("SQL makes a table", status == 200, told)
    row = {"i": 2**63 - 1, "f": 0.5, "t": "ünï ☃", "b": True, "l": [1, -(2**63)], "o": {"a": {"b": 1.5}, "c": "x"}}
    status, told = sql("INSERT INTO three (id, i, f, t, b, l, o) VALUES (?, ?, ?, ?, ?, ?, ?)", "sql", *row.values())
    check("SQL writes", status == 200, told)
    target = found(client)
    check("the Python client finds its row", target is not None)
    if target is None:
        return
    bins = client.get((*target, "sql"))[2]
    for name, value in row.items():
        check(f"SQL, python: {name}", same(bins.get(name), value), f"{bins.get(name)!r} instead of {value!r}")
    base = f"/v1/db/{target[0]}/{target[1]}"
    status, record = ask("GET", f"{base}/sql")
    check("REST reads it", status == 200, record)
    check("REST writes it again", ask("PUT", f"{base}/rest", {"bins": {**record["bins"], "id": "rest"}})[0] == 200)
    client.put((*target, "python"), {**bins, "id": "python"}, policy={"key": aerospike.POLICY_KEY_SEND})
    sql("REFRESH TABLE three")
    status, told = sql("SELECT id, i, f, t, b, l, o FROM three ORDER BY id")
    wanted = [[name, *row.values()] for name in ("python", "rest", "sql")]
    check("SQL reads what all three wrote", status == 200 and told["rows"] == wanted, told)
    sql("DROP TABLE three")


def found(client):
    """Namespace and set of the table, as the door to the cluster tells them."""
    for _ in range(100):
        for name in ("doc.three", "three"):
            if client.exists((NS, name, "sql"))[1] is not None:
                return NS, name
        time.sleep(0.05)
    return None


client = aerospike.client({"hosts": [(HOST, 3000)]}).connect()
for part in (through_rest, ordered, from_rest, keys, through_sql):
    part(client)
print(f"{len(FAILED)} checks failed" if FAILED else "all checks hold")
sys.exit(bool(FAILED))
