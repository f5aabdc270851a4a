"""A page that counts its visitors: three writes and one read for each hit.

The records are those of the classic container example: one for each hit in `test.hits`, and in
`test.summary` one counter for all hits and one for each server that took hits.
"""

import os
import socket
import time
import uuid

import aerospike
from flask import Flask

NAMESPACE = "test"
HITS = "hits"
SUMMARY = "summary"
TOTAL_HITS = "total_hits"


def environment(name, default):
    """A variable that is missing or empty means the default."""
    return os.environ.get(name) or default


def own_address():
    """The address under which this server counts its own hits."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def connect():
    """One client for the whole program: it is safe to share, and it finds the other nodes by itself."""
    host = environment("AEROSPIKE_HOST", "127.0.0.1")
    port = int(environment("AEROSPIKE_PORT", "3000"))
    config = {
        "hosts": [(host, port)],
        "policies": {
            "write": {"key": aerospike.POLICY_KEY_SEND},
            "operate": {"key": aerospike.POLICY_KEY_SEND},
        },
    }
    return aerospike.client(config).connect()


app = Flask(__name__)
client = connect()
host = own_address()


@app.route("/")
def hello():
    try:
        # Insert the 'hit' record
        hit = str(uuid.uuid1())
        ts = int(round(time.time() * 1000))
        client.put((NAMESPACE, HITS, hit), {"server": host, "ts": ts})

        # Maintain our summaries for the grand total and for each server
        client.increment((NAMESPACE, SUMMARY, TOTAL_HITS), "total", 1)
        client.increment((NAMESPACE, SUMMARY, host), "total", 1)

        (_, _, bins) = client.get((NAMESPACE, SUMMARY, TOTAL_HITS))
        return "Hello World! I have been seen by %s." % bins["total"]
    except Exception as e:
        text = "Hummm - %s looks like we have an issue, let me try again" % "err: {0}".format(e)
        return text, 503


if __name__ == "__main__":
    address = environment("LISTEN_ADDRESS", "127.0.0.1")
    app.run(host=address, port=int(environment("LISTEN_PORT", "5000")), threaded=True)
