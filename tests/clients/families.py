"""Every family of operations through the stock Python client, against documented results.

    pip install aerospike
    python tests/clients/families.py HOST:PORT

Prints one line a family and ends with 1 when any of them fails. Runs alike on one node and on a cluster; it uses the
sets `fam` and `famq` of the namespace `test`.
"""

import sys
import time
import traceback

import aerospike
from aerospike import exception as e
from aerospike import predicates as p
from aerospike_helpers import cdt_ctx as ctx
from aerospike_helpers import expressions as exp
from aerospike_helpers.batch import records as br
from aerospike_helpers.operations import bitwise_operations as bits
from aerospike_helpers.operations import expression_operations as eops
from aerospike_helpers.operations import hll_operations as hll
from aerospike_helpers.operations import list_operations as lists
from aerospike_helpers.operations import map_operations as maps
from aerospike_helpers.operations import operations as ops

NS, SET, QSET = "test", "fam", "famq"
FAMILIES = []


def family(function):
    FAMILIES.append(function)
    return function


def key(name):
    return (NS, SET, name)


def equal(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def refused(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def eventually(what, condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def result(client, name, *operations):
    _, _, bins = client.operate(key(name), list(operations))
    return bins


@family
def records(client):
    k = key("record")
    client.put(k, {"i": 1, "f": 1.5, "s": "text", "b": b"\x00\xff", "t": True, "l": [1, [2]], "m": {"a": {"b": 1}}})
    _, meta, bins = client.get(k)
    equal(bins, {"i": 1, "f": 1.5, "s": "text", "b": b"\x00\xff", "t": True, "l": [1, [2]], "m": {"a": {"b": 1}}})
    equal(meta["gen"], 1)
    equal(client.select(k, ["i", "none"])[2], {"i": 1})
    client.increment(k, "i", 41)
    client.append(k, "s", "!")
    client.prepend(k, "s", "<")
    equal(client.select(k, ["i", "s"])[2], {"i": 42, "s": "<text!"})
    client.touch(k, 100)
    equal(client.exists(k)[1]["gen"], 5)
    client.remove_bin(k, ["i"])
    equal("i" in client.get(k)[2], False)
    client.remove(k)
    equal(client.exists(k)[1], None)
    refused(e.RecordNotFound, lambda: client.get(k))
    refused(e.RecordNotFound, lambda: client.remove(k))


@family
def policies(client):
    k = key("policy")
    client.put(k, {"a": 1})
    generation = client.exists(k)[1]["gen"]
    refused(e.RecordGenerationError, lambda: client.put(
        k, {"a": 2}, {"gen": generation + 5}, {"gen": aerospike.POLICY_GEN_EQ}))
    client.put(k, {"a": 2}, {"gen": generation}, {"gen": aerospike.POLICY_GEN_EQ})
    refused(e.RecordExistsError, lambda: client.put(k, {"a": 3}, policy={"exists": aerospike.POLICY_EXISTS_CREATE}))
    client.put(k, {"b": 3}, policy={"exists": aerospike.POLICY_EXISTS_REPLACE})
    equal(client.get(k)[2], {"b": 3})
    update = {"exists": aerospike.POLICY_EXISTS_UPDATE}
    refused(e.RecordNotFound, lambda: client.put(key("policy-none"), {"a": 1}, policy=update))
    client.put(k, {"a": 1}, {"ttl": aerospike.TTL_NEVER_EXPIRE})
    equal(client.exists(k)[1]["ttl"], aerospike.TTL_NEVER_EXPIRE & 0xFFFFFFFF)
    client.put(k, {"a": 1}, {"ttl": 1000})
    assert 990 <= client.exists(k)[1]["ttl"] <= 1000
    client.put(k, {"a": 2}, {"ttl": aerospike.TTL_DONT_UPDATE})
    assert 980 <= client.exists(k)[1]["ttl"] <= 1000
    sent = key("sent")
    client.put(sent, {"a": 1}, policy={"key": aerospike.POLICY_KEY_SEND})
    equal(client.operate(sent, [ops.read("a")])[2], {"a": 1})


@family
def limits(client):
    client.put(key("names"), {"n" * 15: 1})
    refused(e.AerospikeError, lambda: client.put(key("names"), {"n" * 16: 1}))
    client.put(key("many"), {f"bin{i}": i for i in range(1000)})
    equal(len(client.get(key("many"))[2]), 1000)
    client.put(key("large"), {"b": b"x" * 1_000_000})
    equal(len(client.get(key("large"))[2]["b"]), 1_000_000)
    refused(e.RecordTooBig, lambda: client.put(key("larger"), {"b": b"x" * (9 << 20)}))
    client.put((NS, SET, "k" * 10_000), {"a": 1})
    equal(client.get((NS, SET, "k" * 10_000))[2], {"a": 1})
    for odd in (0, -1, 2**63 - 1, -(2**63), "", "ü", bytearray(b"\x00")):
        client.put((NS, SET, odd), {"a": 1})
        equal(client.get((NS, SET, odd))[2], {"a": 1})
    refused(e.AerospikeError, lambda: client.put((NS, "s" * 64, 1), {"a": 1}))
    refused(e.AerospikeError, lambda: client.put(("nope", SET, 1), {"a": 1}))


@family
def list_operations(client):
    k = key("list")
    client.put(k, {"l": [5, 1, 3]}, policy={"exists": aerospike.POLICY_EXISTS_CREATE_OR_REPLACE})
    run = lambda *o: result(client, "list", *o).get("l")
    equal(run(lists.list_append("l", 2)), 4)
    equal(run(lists.list_append_items("l", [9, 9])), 6)
    equal(run(lists.list_insert("l", 0, 7)), 7)
    equal(run(lists.list_insert_items("l", 1, [8])), 8)
    equal(run(lists.list_get("l", -1)), 9)
    equal(run(lists.list_get_range("l", 0, 3)), [7, 8, 5])
    equal(run(lists.list_pop("l", -1)), 9)
    equal(run(lists.list_pop_range("l", 0, 2)), [7, 8])
    equal(run(lists.list_size("l")), 5)
    equal(run(lists.list_get_by_rank("l", 0, aerospike.LIST_RETURN_VALUE)), 1)
    equal(sorted(run(lists.list_get_by_rank_range("l", -2, aerospike.LIST_RETURN_VALUE, 2))), [5, 9])
    equal(run(lists.list_get_by_value("l", 3, aerospike.LIST_RETURN_INDEX)), [2])
    equal(sorted(run(lists.list_get_by_value_range("l", aerospike.LIST_RETURN_VALUE, 2, 6))), [2, 3, 5])
    equal(run(lists.list_get_by_value_list("l", [1, 2], aerospike.LIST_RETURN_COUNT)), 2)
    equal(run(lists.list_remove_by_value("l", 9, aerospike.LIST_RETURN_COUNT)), 1)
    equal(run(lists.list_remove_by_index("l", 0, aerospike.LIST_RETURN_VALUE)), 5)
    equal(run(lists.list_increment("l", 0, 10)), 11)
    run(lists.list_set("l", 1, "x"))
    run(lists.list_sort("l"))
    equal(client.get(k)[2]["l"], [2, 11, "x"])
    equal(run(lists.list_trim("l", 0, 1)), 2)
    run(lists.list_clear("l"))
    equal(client.get(k)[2]["l"], [])
    ordered = {"list_order": aerospike.LIST_ORDERED, "write_flags": aerospike.LIST_WRITE_ADD_UNIQUE}
    result(client, "list", lists.list_append_items("o", [3, 1, 2], ordered))
    equal(client.get(k)[2]["o"], [1, 2, 3])
    refused(e.AerospikeError, lambda: result(client, "list", lists.list_append("o", 2, ordered)))
    client.put(k, {"l": [[1, 2], {"a": [3]}]})
    deep = [ctx.cdt_ctx_list_index(1), ctx.cdt_ctx_map_key("a")]
    equal(run(lists.list_append("l", 4, ctx=deep)), 2)
    equal(client.get(k)[2]["l"], [[1, 2], {"a": [3, 4]}])


@family
def map_operations(client):
    k = key("map")
    client.put(k, {"m": {"a": 1, "b": 5, "c": 3}})
    run = lambda *o: result(client, "map", *o).get("m")
    equal(run(maps.map_put("m", "d", 4)), 4)
    equal(run(maps.map_put_items("m", {"e": 2})), 5)
    equal(run(maps.map_increment("m", "a", 10)), 11)
    equal(run(maps.map_size("m")), 5)
    equal(run(maps.map_get_by_key("m", "b", aerospike.MAP_RETURN_VALUE)), 5)
    equal(run(maps.map_get_by_key("m", "none", aerospike.MAP_RETURN_VALUE)), None)
    equal(run(maps.map_get_by_rank("m", -1, aerospike.MAP_RETURN_KEY)), "a")
    equal(run(maps.map_get_by_rank_range("m", 0, 2, aerospike.MAP_RETURN_KEY)), ["e", "c"])
    equal(run(maps.map_get_by_index_range("m", 1, 2, aerospike.MAP_RETURN_KEY)), ["b", "c"])
    equal(run(maps.map_get_by_key_range("m", "b", "d", aerospike.MAP_RETURN_VALUE)), [5, 3])
    equal(run(maps.map_get_by_value_range("m", 3, 6, aerospike.MAP_RETURN_COUNT)), 3)
    equal(run(maps.map_get_by_key_list("m", ["a", "e"], aerospike.MAP_RETURN_VALUE)), [11, 2])
    equal(run(maps.map_remove_by_key("m", "a", aerospike.MAP_RETURN_VALUE)), 11)
    equal(run(maps.map_remove_by_rank("m", 0, aerospike.MAP_RETURN_KEY)), "e")
    equal(run(maps.map_remove_by_value("m", 5, aerospike.MAP_RETURN_COUNT)), 1)
    run(maps.map_set_policy("m", {"map_order": aerospike.MAP_KEY_ORDERED}))
    flags = {"map_write_flags": aerospike.MAP_WRITE_FLAGS_CREATE_ONLY}
    refused(e.AerospikeError, lambda: run(maps.map_put("m", "c", 1, flags)))
    run(maps.map_clear("m"))
    equal(client.get(k)[2]["m"], {})
    large = {i: i * 7919 % 100_003 for i in range(10_000)}
    client.put(k, {"m": large})
    top = sorted(large, key=lambda one: large[one])[-10:]
    equal(run(maps.map_get_by_rank_range("m", -10, 10, aerospike.MAP_RETURN_KEY)), top)


@family
def bit_operations(client):
    client.put(key("bits"), {"b": b"\x01\x42\x03\x04\x05"})
    run = lambda *o: result(client, "bits", *o).get("b")
    equal(run(bits.bit_count("b", 0, 40)), 8)
    equal(bytes(run(bits.bit_get("b", 8, 8))), b"\x42")
    equal(run(bits.bit_get_int("b", 8, 16, False)), 0x4203)
    equal(run(bits.bit_lscan("b", 0, 16, True)), 7)
    equal(run(bits.bit_rscan("b", 0, 16, True)), 14)
    run(bits.bit_set("b", 0, 8, 1, b"\xf0"))
    run(bits.bit_or("b", 8, 8, 1, b"\x01"))
    run(bits.bit_lshift("b", 16, 8, 1))
    run(bits.bit_add("b", 24, 8, 1, False, aerospike.BIT_OVERFLOW_FAIL))
    run(bits.bit_resize("b", 6))
    equal(bytes(client.get(key("bits"))[2]["b"]), b"\xf0\x43\x06\x05\x05\x00")


@family
def hll_operations(client):
    k = key("hll")
    client.operate(k, [hll.hll_add("h", list(range(10_000)), 14)])
    count = result(client, "hll", hll.hll_get_count("h"))["h"]
    assert 9_700 < count < 10_300, count
    equal(result(client, "hll", hll.hll_describe("h"))["h"][0], 14)
    client.operate(k, [hll.hll_add("o", list(range(5_000, 15_000)), 14)])
    other = client.get(k)[2]["o"]
    union = result(client, "hll", hll.hll_get_union_count("h", [other]))["h"]
    assert 14_500 < union < 15_500, union
    both = result(client, "hll", hll.hll_get_intersect_count("h", [other]))["h"]
    assert 4_300 < both < 5_700, both


@family
def expressions(client):
    k = key("exp")
    client.put(k, {"a": 5, "l": [1, 2, 3], "s": "hello"})
    yes, no = exp.GT(exp.IntBin("a"), 4).compile(), exp.GT(exp.IntBin("a"), 5).compile()
    equal(client.get(k, {"expressions": yes})[2]["a"], 5)
    refused(e.FilteredOut, lambda: client.get(k, {"expressions": no}))
    refused(e.FilteredOut, lambda: client.put(k, {"a": 1}, policy={"expressions": no}))
    total = exp.Add(exp.IntBin("a"), exp.ListSize(None, exp.ListBin("l"))).compile()
    equal(client.operate(k, [eops.expression_read("x", total)])[2], {"x": 8})
    client.operate(k, [eops.expression_write("w", total)])
    equal(client.get(k)[2]["w"], 8)
    cond = exp.Cond(exp.Eq(exp.StrBin("s"), "hello"), 1, 2).compile()
    equal(client.operate(k, [eops.expression_read("x", cond)])[2], {"x": 1})
    assert client.operate(k, [eops.expression_read("x", exp.RecordSize().compile())])[2]["x"] > 0


@family
def batches(client):
    keys = [key(f"batch{i}") for i in range(500)]
    for i, one in enumerate(keys):
        client.put(one, {"i": i})
    found = client.batch_read(keys + [key("batch-none")])
    equal([row.result for row in found.batch_records], [0] * 500 + [2])
    equal([row.record[2]["i"] for row in found.batch_records[:500]], list(range(500)))
    found = client.batch_operate(keys, [ops.increment("i", 1), ops.read("i")])
    equal([row.record[2]["i"] for row in found.batch_records], list(range(1, 501)))
    rows = br.BatchRecords([br.Read(keys[0], [ops.read("i")]), br.Write(keys[1], [ops.write("i", "x")]), br.Remove(keys[2])])
    client.batch_write(rows)
    equal([row.result for row in rows.batch_records], [0, 0, 0])
    equal(client.exists(keys[2])[1], None)
    client.batch_remove(keys)
    equal(sum(row.result == 0 for row in client.batch_read(keys, []).batch_records), 0)


@family
def queries(client):
    for i in range(1000):
        client.put((NS, QSET, i), {"i": i, "s": f"v{i % 10}", "l": [i % 7], "m": {"k": i % 5},
                                   "g": aerospike.GeoJSON({"type": "Point", "coordinates": [i / 100, 10.0]})})
    try:
        client.index_remove(NS, "i1")
    except e.AerospikeError:
        pass  # it was not there
    client.index_single_value_create(NS, QSET, "i", aerospike.INDEX_NUMERIC, "i1")

    def count(predicate=None, **options):
        query = client.query(NS, QSET)
        if predicate:
            query.where(predicate)
        for name, value in options.items():
            setattr(query, name, value)
        return len(query.results())

    equal(count(), 1000)
    eventually("the index", lambda: count(p.between("i", 100, 199)) == 100)
    equal(count(p.equals("i", 5)), 1)
    query = client.query(NS, QSET)
    query.max_records = 300
    query.paginate()
    seen = set()
    while not query.is_done():
        page = query.results()
        seen.update(one[2]["i"] for one in page)
    equal(len(seen), 1000)
    parts = sum(len(client.query(NS, QSET).results(policy={"partition_filter": {"begin": b, "count": 1024}}))
                for b in (0, 1024, 2048, 3072))
    equal(parts, 1000)
    wanted = {"expressions": exp.Eq(exp.StrBin("s"), "v3").compile()}
    equal(len(client.query(NS, QSET).results(policy=wanted)), 100)
    background = client.query(NS, QSET)
    background.add_ops([ops.increment("i", 1000)])
    job = background.execute_background()
    eventually("the background query", lambda: client.job_info(job, aerospike.JOB_QUERY)["status"]
               == aerospike.JOB_STATUS_COMPLETED)
    eventually("all to be changed", lambda: count(p.between("i", 1000, 1999)) == 1000)
    client.index_remove(NS, "i1")


@family
def truncation(client):
    client.truncate(NS, QSET, 0)
    eventually("the set to be empty", lambda: not client.query(NS, QSET).results())
    client.put((NS, QSET, 1), {"a": 1})
    equal(len(client.query(NS, QSET).results()), 1)


@family
def admin(client):
    for command in ("build", "edition", "namespaces", "statistics", "sets/test", "sindex-list:", "udf-list", "status",
                    "namespace/test", "node", "peers-clear-std", "latencies:", "version", "health-stats"):
        try:
            answers = client.info_all(command)
        except e.AerospikeError as error:
            raise AssertionError(command) from error
        assert answers and all(error is None and text for error, text in answers.values()), command
    assert client.get_nodes() and client.is_connected()


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    client = aerospike.client({"hosts": [(host, int(port))], "policies": {"timeout": 10_000}}).connect()
    failed = 0
    for function in FAMILIES:
        try:
            function(client)
            print(f"{function.__name__:<20} passed")
        except Exception:
            failed += 1
            print(f"{function.__name__:<20} FAILED")
            traceback.print_exc()
    client.close()
    print(f"families: {len(FAMILIES) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
