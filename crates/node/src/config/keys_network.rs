//! The keys of the `network` stanza; the part of a name before the dot is the inner stanza.

use super::key::{Kind, key_table};

const PORT: Kind = Kind::Integer { min: 0, max: 65_535 };

const fn count(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

key_table! {
    /// Keys of the `network` stanza.
    NETWORK,
    /// Names the keys of [`NETWORK`].
    NetworkKey;
    ServicePort "service.port", PORT, "3000", Static, "The port for clients; 0 lets the system choose one.";
    ServiceAddress "service.address", Kind::List, "127.0.0.1", Static, "Addresses that clients may use: an IP address, an interface, `localhost` or `any`.";
    ServiceAccessAddress "service.access-address", Kind::List, "", Static, "Addresses that are announced to clients instead of the bound ones.";
    ServiceAccessPort "service.access-port", PORT, "0", Static, "The port that is announced with them; 0: the bound port.";
    ServiceAlternateAccessAddress "service.alternate-access-address", Kind::List, "", Static, "Addresses that are announced to clients that ask for alternate ones.";
    ServiceAlternateAccessPort "service.alternate-access-port", PORT, "0", Static, "The port that is announced with them; 0: the bound port.";
    ServiceDisableLocalhost "service.disable-localhost", Kind::Bool, "false", Inert, "Does not listen on loopback in addition.";
    AdminAddress "admin.address", Kind::List, "", Static, "Addresses of a second service port for tools. Empty: as for service.";
    AdminPort "admin.port", PORT, "0", Static, "A second service port for tools; 0: none.";
    AdminDisableLocalhost "admin.disable-localhost", Kind::Bool, "false", Inert, "Does not listen on loopback in addition.";
    HeartbeatMode "heartbeat.mode", Kind::Choice(&["mesh", "multicast"]), "mesh", Static, "How nodes find each other: `mesh` by seeds, `multicast` by a group as well.";
    HeartbeatAddress "heartbeat.address", Kind::List, "", Static, "Addresses for heartbeats (UDP): an IP address, an interface, `localhost` or `any`. Empty: as for service.";
    HeartbeatPort "heartbeat.port", PORT, "3002", Static, "The port for heartbeats; 0 lets the system choose one. Not given: as far from the service port as the defaults are.";
    HeartbeatInterval "heartbeat.interval", count(50, 600_000), "150", Inert, "Milliseconds between heartbeats.";
    HeartbeatTimeout "heartbeat.timeout", count(3, 10_000), "10", Inert, "Missed heartbeats after which a node counts as gone.";
    HeartbeatMtu "heartbeat.mtu", count(0, 65_535), "0", Inert, "The largest heartbeat packet; 0: what the interface says.";
    HeartbeatConnectTimeoutMs "heartbeat.connect-timeout-ms", count(50, 60_000), "500", Inert, "Milliseconds to wait for a peer's answer to a connect.";
    HeartbeatProtocol "heartbeat.protocol", Kind::Choice(&["v3", "none"]), "v3", Inert, "The heartbeat protocol of other servers; Shipload has its own.";
    HeartbeatMeshSeed "heartbeat.mesh-seed-address-port", Kind::List, "", Static, "Where other nodes may be, as `HOST PORT`; may be given many times. A name stands for all its addresses, and is looked up again and again.";
    HeartbeatMulticastGroup "heartbeat.multicast-group", Kind::List, "", Static, "The groups in multicast mode: IPv4 addresses from 224.0.0.0 to 239.255.255.255.";
    HeartbeatMulticastTtl "heartbeat.multicast-ttl", count(0, 255), "0", Static, "How many networks multicast packets may cross; 0: as the system has it, which is one.";
    FabricAddress "fabric.address", Kind::List, "", Static, "Addresses for traffic between nodes (TCP). Empty: as for service.";
    FabricPort "fabric.port", PORT, "3001", Static, "The port for traffic between nodes; 0 lets the system choose one. Not given: as far from the service port as the defaults are.";
    FabricChannelBulkFds "fabric.channel-bulk-fds", count(1, 128), "2", Inert, "Connections a peer for bulk messages.";
    FabricChannelBulkRecvThreads "fabric.channel-bulk-recv-threads", count(1, 128), "4", Inert, "Threads for bulk messages.";
    FabricChannelCtrlFds "fabric.channel-ctrl-fds", count(1, 128), "1", Inert, "Connections a peer for control messages.";
    FabricChannelCtrlRecvThreads "fabric.channel-ctrl-recv-threads", count(1, 128), "4", Inert, "Threads for control messages.";
    FabricChannelMetaFds "fabric.channel-meta-fds", count(1, 128), "1", Inert, "Connections a peer for metadata.";
    FabricChannelMetaRecvThreads "fabric.channel-meta-recv-threads", count(1, 128), "4", Inert, "Threads for metadata.";
    FabricChannelRwFds "fabric.channel-rw-fds", count(1, 128), "8", Inert, "Connections a peer for replica writes.";
    FabricChannelRwRecvPools "fabric.channel-rw-recv-pools", count(1, 16), "1", Inert, "Thread pools for replica writes.";
    FabricChannelRwRecvThreads "fabric.channel-rw-recv-threads", count(1, 128), "16", Inert, "Threads for replica writes.";
    FabricKeepaliveEnabled "fabric.keepalive-enabled", Kind::Bool, "true", Inert, "TCP keepalive between nodes.";
    FabricKeepaliveIntvl "fabric.keepalive-intvl", count(0, 86_400), "1", Inert, "Seconds between keepalive probes.";
    FabricKeepaliveProbes "fabric.keepalive-probes", count(0, 127), "10", Inert, "Probes before a connection counts as dead.";
    FabricKeepaliveTime "fabric.keepalive-time", count(0, 86_400), "1", Inert, "Idle seconds before the first probe.";
    FabricLatencyMaxMs "fabric.latency-max-ms", count(0, 1000), "5", Inert, "The latency between nodes that is expected, in milliseconds.";
    FabricRecvRearmThreshold "fabric.recv-rearm-threshold", count(0, 1_048_576), "1024", Inert, "Bytes above which a connection's reader is armed again.";
    FabricSendThreads "fabric.send-threads", count(1, 128), "8", Inert, "Threads that send between nodes.";
    InfoAddress "info.address", Kind::List, "", Static, "Addresses of the plain-text info port. Empty: as for service.";
    InfoPort "info.port", PORT, "3003", Static, "The port for info commands as plain text lines; 0: none.";
    HttpAddress "http.address", Kind::List, "", Static, "Shipload: addresses of the HTTP port. Empty: as for service.";
    HttpPort "http.port", PORT, "4200", Static, "Shipload: the port for the console, REST, health and metrics; 0: none.";
    PgAddress "pg.address", Kind::List, "", Static, "Shipload: addresses of the port for PostgreSQL's clients, in a program with SQL. Empty: as for service.";
    PgPort "pg.port", PORT, "5432", Static, "Shipload: the port for PostgreSQL's clients, in a program with SQL; 0: none. Left out when it is the default and taken.";
    HttpCorsOrigin "http.cors-origin", Kind::List, "", Static, "Shipload: origins (`https://shop.example`) whose pages may use the HTTP port; `*` is every one.";
    HttpHostMap "http.host-map", Kind::List, "", Static, "Shipload: names and the data that are under them, `HOST=NAMESPACE/PREFIX`: a request that comes for such a host finds only sets that begin with the prefix. May be given many times.";
    HttpMaxConnections "http.max-connections", count(16, 1_000_000), "4096", Static, "Shipload: connections at the same time on the HTTP port, WebSockets included.";
    HttpMaxStreams "http.max-streams", count(0, 1_000_000), "4096", Static, "Shipload: change streams and live queries at the same time on the HTTP port.";
}
