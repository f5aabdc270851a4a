# Varnish (7.1, Debian's) in front of Shipload's nodes: keeps records for as long as their lives say, and the sketch
# for a second. Readers with client.js stay within their bound on staleness; docs/web.md tells how.
# `cargo xtask drill staleness` runs this file.
vcl 4.1;

import directors;

probe alive { .url = "/readyz"; .interval = 1s; .timeout = 1s; .window = 2; .threshold = 1; .initial = 1; }
backend node1 { .host = "127.0.0.1"; .port = "4200"; .probe = alive; .connect_timeout = 0.2s; }
backend node2 { .host = "127.0.0.1"; .port = "4200"; .probe = alive; .connect_timeout = 0.2s; }
backend node3 { .host = "127.0.0.1"; .port = "4200"; .probe = alive; .connect_timeout = 0.2s; }

sub vcl_init {
    new nodes = directors.round_robin();
    nodes.add_backend(node1);
    nodes.add_backend(node2);
    nodes.add_backend(node3);
}

sub vcl_recv {
    set req.backend_hint = nodes.backend();
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    if (req.method != "GET" && req.method != "HEAD" || req.http.Authorization) {
        return (pass);
    }
    # One sketch a second for everybody, whatever the reader says: it subtracts the age that it is told.
    if (req.url ~ "^/v1/sketch/[^/?]+$") {
        return (hash);
    }
    # Listings, streams and the console are not kept.
    if (req.url !~ "^/v1/db/[^/?]+/[^/?]+/[^/?]+(\?.*)?$") {
        return (pass);
    }
    # What a reader revalidates is asked for anew, and kept instead of the old copy.
    if (req.http.Cache-Control ~ "(?i)no-cache|no-store|max-age=0") {
        set req.hash_always_miss = true;
    }
    return (hash);
}

sub vcl_pipe {
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = req.http.Connection;
}

sub vcl_backend_fetch {
    # The time that a sketch takes is not in the age that Varnish tells, so it must be short.
    if (bereq.url ~ "^/v1/sketch/") {
        set bereq.first_byte_timeout = 0.25s;
    }
}

sub vcl_backend_response {
    # No copy outlives what its node has allowed.
    set beresp.grace = 0s;
    set beresp.keep = 60s;
    if (beresp.http.Cache-Control !~ "max-age=[1-9]") {
        set beresp.uncacheable = true;
        set beresp.ttl = 5s;
    }
}

sub vcl_backend_error {
    # Another node; a request that changes something may have done so already.
    if ((bereq.method == "GET" || bereq.method == "HEAD") && bereq.retries < 3) {
        return (retry);
    }
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.Cache-Status = "varnish; hit";
    } else {
        set resp.http.Cache-Status = "varnish; fwd=miss";
    }
}
