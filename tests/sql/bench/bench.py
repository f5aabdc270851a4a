"""The child of `cargo xtask bench sql`: loads tables, asks the same of every server, and compares the answers.

`bench.py WORLD`: WORLD is JSON with `nodes` (objects with `pg` and `process`), `postgres` (`host`, `port`, `process`), `folder`,
`rows`, `scale`, `repeat`, `only`. Prints a JSON object a line: part, name, server, seconds, cpu, and `error` or `wrong` where it failed.
"""

import json
import math
import os
import resource
import statistics
import subprocess
import sys
import threading
import time

import duckdb
import psycopg

WORLD = json.loads(sys.argv[1])
FOLDER = WORLD["folder"]
TICKS = os.sysconf("SC_CLK_TCK")
HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK = 1 << 20
# Relative: sums of floats in another order.
CLOSE = 1e-7


def stat(process):
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()


def cpu_of(process):
    return sum(int(ticks) for ticks in stat(process)[11:13]) / TICKS


def tree_of(process):
    ticks = sum(int(ticks) for ticks in stat(process)[11:15])
    for child in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = stat(child)
        except OSError:
            continue
        if int(fields[1]) == process:
            ticks += sum(int(ticks) for ticks in fields[11:13])
    return ticks / TICKS


class Wire:
    """A server that speaks PostgreSQL's protocol."""

    def __init__(self, name, dsns, cpu):
        self.name, self.dsns, self.cpu = name, dsns, cpu
        self.connection = psycopg.connect(dsns[0], autocommit=True)

    def ask(self, statement):
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def load(self, table, path):
        """Rows of a CSV file, over as many connections as there are nodes."""
        size = os.path.getsize(path)
        bounds = [0]
        with open(path, "rb") as file:
            for part in range(1, len(self.dsns)):
                file.seek(size * part // len(self.dsns))
                file.readline()
                bounds.append(file.tell())
        bounds.append(size)
        wrong = []

        def one(dsn, begin, end):
            try:
                with psycopg.connect(dsn, autocommit=True) as connection, open(path, "rb") as file:
                    file.seek(begin)
                    with connection.cursor().copy(f"copy {table} from stdin with (format csv)") as copy:
                        while begin < end:
                            piece = file.read(min(CHUNK, end - begin))
                            begin += len(piece)
                            copy.write(piece)
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=one, args=item) for item in zip(self.dsns, bounds, bounds[1:])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if wrong:
            raise wrong[0]


class Shipload(Wire):
    def __init__(self, nodes):
        def dsn(address):
            host, port = address.rsplit(":", 1)
            return f"host={host} port={port} user=crate dbname=doc"

        count = len(nodes)
        name = f"shipload, {count} node{'s' if count > 1 else ''}"
        super().__init__(name, [dsn(node["pg"]) for node in nodes], lambda: sum(cpu_of(node["process"]) for node in nodes))

    def create(self, table, columns, key):
        self.ask(f"create table {table} ({columns}, primary key ({key}))")
        first, *others = key.split(", ")
        if others:
            # The others' keys serve their first column, too.
            self.ask(f"create index {table}_{first} on {table} ({first})")

    def settle(self):
        pass


class Postgres(Wire):
    def __init__(self, at):
        dsn = f"host={at['host']} port={at['port']} user=postgres dbname=postgres"
        super().__init__("postgresql", [dsn], lambda: tree_of(at["process"]))

    def create(self, table, columns, key):
        self.ask(f"create table {table} ({columns}, primary key ({key}))")

    def settle(self):
        self.ask("vacuum analyze")


class Duck:
    def __init__(self):
        self.name = "duckdb"
        self.connection = duckdb.connect(os.path.join(FOLDER, "peer.duckdb"))

    def cpu(self):
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def ask(self, statement):
        return self.connection.execute(statement).fetchall()

    def create(self, table, columns, key):
        self.ask(f"create table {table} ({columns}, primary key ({key}))")

    def load(self, table, path):
        self.ask(f"copy {table} from '{path}' (header false)")

    def settle(self):
        self.ask("checkpoint")


def say(**line):
    print(json.dumps(line), flush=True)


def first_line(error):
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"


def measured(server, work):
    """Seconds and processor seconds of work, and what it gave."""
    cpu, since = server.cpu(), time.monotonic()
    result = work()
    return time.monotonic() - since, server.cpu() - cpu, result


def plain(value):
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    if isinstance(value, str):
        return value
    return float(value) if value is not None else None


def alike(got, wanted):
    if isinstance(got, float) and isinstance(wanted, float):
        return math.isclose(got, wanted, rel_tol=CLOSE, abs_tol=1e-9)
    return got == wanted


def differs(got, wanted, ordered):
    """Where two answers differ; none when they do not."""
    got, wanted = ([[plain(value) for value in row] for row in rows] for rows in (got, wanted))
    if not ordered:
        # Floats go last: what differs in their last digits must not change the order.
        def key(row):
            return [(isinstance(value, float), str(value)) for value in row if not isinstance(value, float)], str(row)

        got, wanted = sorted(got, key=key), sorted(wanted, key=key)
    if len(got) != len(wanted):
        return f"{len(got)} rows, not {len(wanted)}"
    for number, (one, other) in enumerate(zip(got, wanted)):
        if len(one) != len(other) or not all(map(alike, one, other)):
            return f"row {number}: {one} for {other}"
    return None


def compare(part, servers, questions):
    """Asks all the same; the answers of PostgreSQL, the first one, are right."""
    for name, statement in questions:
        right = None
        for server in servers:
            times, answer, error = [], None, None
            try:
                for _ in range(WORLD["repeat"]):
                    seconds, cpu, answer = measured(server, lambda: server.ask(statement))
                    times.append((seconds, cpu))
                    if seconds > 20:
                        break
            except Exception as wrong:
                error = first_line(wrong)
            line = dict(part=part, name=name, server=server.name)
            if error:
                say(**line, error=error)
                continue
            if right is None:
                right = answer
            wrong = differs(answer, right, "order by" in statement.rpartition(")")[2])
            if wrong:
                line["wrong"] = wrong
            seconds = statistics.median(seconds for seconds, _ in times)
            line |= dict(seconds=seconds, cpu=statistics.median(cpu for _, cpu in times), first=times[0][0])
            say(**line, rows=len(answer))


def load(part, servers, tables):
    for server in servers:
        have = isinstance(server, (Duck, Postgres)) and WORLD["loaded"]
        if have:
            continue

        def work():
            for table, columns, key, path in tables:
                server.create(table, columns, key)
                server.load(table, path)

        try:
            seconds, cpu, _ = measured(server, work)
            server.settle()
            say(part=part, name="load", server=server.name, seconds=seconds, cpu=cpu)
        except Exception as error:
            say(part=part, name="load", server=server.name, error=first_line(error))


# The step counter: a row for each user and day.

DAYS = 1000
STEPS = "username text, day date, month text, steps int"


def steps(servers):
    path = os.path.join(FOLDER, "steps.csv")
    rows = WORLD["rows"]
    if not os.path.exists(path):
        # What looks like chance is a multiplication, the same everywhere.
        duckdb.connect().execute(
            f"""copy (select 'user' || (i // {DAYS}) as username, date '2013-01-01' + (i % {DAYS})::int as day,
            strftime(date '2013-01-01' + (i % {DAYS})::int, '%Y-%m') as month, (i * 2654435761 % 4294967296 % 20011)::int as steps
            from range({rows}) r(i) order by i * 2654435761 % 4294967296) to '{path}' (header false)"""
        )
    load("steps", servers, [("steps", STEPS, "username, day", path)])
    user = f"user{rows // DAYS // 2}"
    questions = [
        ("steps of one user", f"select sum(steps) from steps where username = '{user}'"),
        (
            "days of one user in a month",
            f"select day, sum(steps) from steps where username = '{user}' and month = '2014-03' group by day order by day",
        ),
        ("rows", "select count(*) from steps"),
        ("sum of all", "select sum(steps), min(steps), max(steps) from steps"),
        ("group by month", "select month, count(*), sum(steps), avg(steps) from steps group by month order by month"),
        ("group by user", "select username, count(*), sum(steps) from steps group by username order by username limit 20"),
        ("top ten", "select username, day, steps from steps order by steps desc, username, day limit 10"),
        ("filter one in 2000", "select count(*), min(day) from steps where steps = 77 or steps between 100 and 108"),
    ]
    compare("steps", servers, questions)


# TPC-H.

TPCH = [
    ("region", "r_regionkey int, r_name text, r_comment text", "r_regionkey"),
    ("nation", "n_nationkey int, n_name text, n_regionkey int, n_comment text", "n_nationkey"),
    (
        "supplier",
        "s_suppkey int, s_name text, s_address text, s_nationkey int, s_phone text, s_acctbal double precision, s_comment text",
        "s_suppkey",
    ),
    (
        "customer",
        "c_custkey int, c_name text, c_address text, c_nationkey int, c_phone text, c_acctbal double precision,"
        " c_mktsegment text, c_comment text",
        "c_custkey",
    ),
    (
        "part",
        "p_partkey int, p_name text, p_mfgr text, p_brand text, p_type text, p_size int, p_container text,"
        " p_retailprice double precision, p_comment text",
        "p_partkey",
    ),
    (
        "partsupp",
        "ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost double precision, ps_comment text",
        "ps_partkey, ps_suppkey",
    ),
    (
        "orders",
        "o_orderkey int, o_custkey int, o_orderstatus text, o_totalprice double precision, o_orderdate date,"
        " o_orderpriority text, o_clerk text, o_shippriority int, o_comment text",
        "o_orderkey",
    ),
    (
        "lineitem",
        "l_orderkey int, l_partkey int, l_suppkey int, l_linenumber int, l_quantity double precision,"
        " l_extendedprice double precision, l_discount double precision, l_tax double precision, l_returnflag text,"
        " l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text,"
        " l_shipmode text, l_comment text",
        "l_orderkey, l_linenumber",
    ),
]


def tpch(servers):
    scale = WORLD["scale"]
    folder = os.path.join(FOLDER, "tpch")
    if not os.path.exists(folder):
        program = os.path.join(os.path.dirname(sys.executable), "tpchgen-cli")
        subprocess.run([program, "csv", "-s", str(scale), "--output-dir", folder], check=True, stdout=subprocess.DEVNULL)
        for table, *_ in TPCH:
            # The first line names the columns.
            subprocess.run(["sed", "-i", "1d", f"{folder}/{table}.csv"], check=True)
    load("tpch", servers, [(*table, f"{folder}/{table[0]}.csv") for table in TPCH])
    with open(os.path.join(HERE, "tpch.sql")) as file:
        queries = file.read().replace(":scale", str(scale)).split(";\n")
    compare("tpch", servers, [(f"q{number}", query.strip()) for number, query in enumerate(queries, 1)])


def points(servers):
    path = os.path.join(FOLDER, "kv.csv")
    with open(path, "w") as out:
        out.writelines(f"{number},{'x' * 100}\n" for number in range(1, WORLD["keys"] + 1))
    load("points", [server for server in servers if not isinstance(server, Duck)], [("kv", "id bigint, value text", "id", path)])


PARTS = {"steps": steps, "tpch": tpch, "points": points}

servers = [Postgres(WORLD["postgres"]), Duck(), Shipload(WORLD["nodes"])]
for name, part in PARTS.items():
    if WORLD["only"] in (None, name):
        part(servers)
