//! What can be typed after `shipload`, and the help that explains it.

use clap::{Parser, Subcommand};

use crate::{aql, backup, bench, cache, counter, drill, health, info, serve, sql, tail, up};

/// The database that lives in containers.
#[derive(Debug, Parser)]
#[command(name = "shipload", version, about, long_about = None, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One job each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node in the foreground
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Args),
    /// Start a node to play with, on this machine only
    #[command(after_help = UP_EXAMPLES)]
    Up(up::Args),
    /// Serve a page that counts its visitors in a cluster
    #[command(after_help = COUNTER_EXAMPLES)]
    Counter(counter::Args),
    /// Show nodes, namespaces and sets of a cluster
    #[command(after_help = INFO_EXAMPLES, disable_help_flag = true)]
    Info(info::Args),
    /// Print what is written to a set, as it happens
    #[command(after_help = TAIL_EXAMPLES)]
    Tail(tail::Args),
    /// Serve records from copies that are never older than a bound, in front of nodes
    #[command(after_help = CACHE_EXAMPLES)]
    Cache(cache::Args),
    /// Ask and change records with statements
    #[command(after_help = AQL_EXAMPLES, disable_help_flag = true)]
    Aql(aql::Args),
    /// Ask with SQL over HTTP
    #[command(after_help = SQL_EXAMPLES)]
    Sql(sql::Args),
    /// Serve SQL beside a node, over HTTP and PostgreSQL's wire
    #[cfg(feature = "sql")]
    SqlDoor(sql::door::Args),
    /// Load a node over the protocol and measure it from outside
    #[command(after_help = BENCH_EXAMPLES, disable_help_flag = true)]
    Bench(bench::BenchArgs),
    /// Let nodes fail on purpose, and see what clients notice
    #[command(subcommand, after_help = DRILL_EXAMPLES)]
    Drill(drill::Drill),
    /// Write the records of a namespace to files, as text
    #[command(after_help = BACKUP_EXAMPLES, disable_help_flag = true)]
    Backup(backup::BackupArgs),
    /// Bring the records of a backup into a cluster
    #[command(after_help = RESTORE_EXAMPLES, disable_help_flag = true)]
    Restore(backup::RestoreArgs),
    /// Ask a node whether it is well, for health checks of containers
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(health::Args),
    /// Bring a stack of services to a Swarm
    #[cfg(feature = "fleet")]
    #[command(after_help = DEPLOY_EXAMPLES)]
    Deploy(crate::fleet::DeployArgs),
    /// Change how many tasks services have; databases shrink gently
    #[cfg(feature = "fleet")]
    #[command(after_help = SCALE_EXAMPLES)]
    Scale(crate::fleet::ScaleArgs),
    /// Show services, tasks and clusters of a Swarm
    #[cfg(feature = "fleet")]
    Status(crate::fleet::StatusArgs),
    /// Replace a service's tasks, of a database one node at a time
    #[cfg(feature = "fleet")]
    #[command(after_help = ROLLOUT_EXAMPLES)]
    Rollout(crate::fleet::RolloutArgs),
    /// Look what stands in the way of running here
    #[cfg(feature = "fleet")]
    Doctor(crate::fleet::DoctorArgs),
    /// Keep a load balancer, and clusters of real Aerospike images, in step with containers
    #[cfg(feature = "fleet")]
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(crate::fleet::WatchArgs),
    /// Follow the policies in services' labels
    #[cfg(feature = "fleet")]
    #[command(after_help = AUTOSCALE_EXAMPLES)]
    Autoscale(crate::fleet::AutoscaleArgs),
    /// Print the version
    Version,
}

const EXAMPLES: &str = "\
Examples:
  shipload up --demo                                  a node and a page that counts its hits
  shipload serve --config aerospike.conf              a node in the foreground
  shipload info                                       what the cluster looks like
  shipload aql -c 'select * from test.summary'        records as a table
  shipload bench --help                               load from outside";

const UP_EXAMPLES: &str = "\
Examples:
  shipload up                          one node with the namespace `test`
  shipload up --demo                   and a page on http://127.0.0.1:5000/ that counts its visitors
  shipload up --demo --port 3100 --info-port 3103 --http-port 4300 --demo-port 5100";

const COUNTER_EXAMPLES: &str = "\
Examples:
  shipload counter --host db                      in a container: finds the cluster by the service's name
  shipload counter --host 127.0.0.1 --listen-address 127.0.0.1";

#[cfg(feature = "fleet")]
const DEPLOY_EXAMPLES: &str = "\
Examples:
  shipload deploy prod                              deploy/stack.yaml, with a network of the same name
  shipload deploy shop --file stack.yaml --image registry.example/shipload@sha256:...";

#[cfg(feature = "fleet")]
const SCALE_EXAMPLES: &str = "\
Examples:
  shipload scale db=3 web=4
  shipload scale db=2           one node less: it hands over first; refused below the copies of records";

#[cfg(feature = "fleet")]
const ROLLOUT_EXAMPLES: &str = "\
Examples:
  shipload rollout db --image shipload:2
  shipload rollout web";

#[cfg(feature = "fleet")]
const WATCH_EXAMPLES: &str = "\
Labels of a container: shipload.host, .port, .network, .path, .check, .balance, .https-only, .certificate; those
of Interlock (interlock.*) and of Docker Enterprise (com.docker.lb.*) are understood too.

Examples:
  shipload watch --folder /run/shipload --bind '*:80' --network prod
  shipload watch --haproxy none --aerospike-network prod --aerospike-cluster awesome-counter";

#[cfg(feature = "fleet")]
const AUTOSCALE_EXAMPLES: &str = "\
Labels of a service: shipload.autoscale.min, .max, .cpu-pct, .requests, .memory-pct, .grow-after-s, .shrink-after-s.

Examples:
  shipload autoscale --dry-run --once
  docker service update --label-add shipload.autoscale.max=6 --label-add shipload.autoscale.cpu-pct=60 prod_web";

const TAIL_EXAMPLES: &str = "\
Examples:
  shipload tail                                    every change of namespace `test`, one JSON object a line
  shipload tail -s users | jq -c .data.bins
  shipload tail -H db.example --cursor W1sxLDJdXQ  goes on after the event with this cursor";

const CACHE_EXAMPLES: &str = "\
Records are kept as long as `cache-max-ttl` of their namespace lets them.

Examples:
  shipload cache                                                  port 8080, in front of the node of this machine
  shipload cache --origin db1:4200,db2:4200 --staleness 500       no answer is older than half a second
  curl http://127.0.0.1:8080/.shipload/cache                      hits, misses, what is held";

const DRILL_EXAMPLES: &str = "\
Examples:
  shipload drill failover                         three processes; each round one is killed
  shipload drill failover --how stop --rounds 3   frozen instead of killed";

const BACKUP_EXAMPLES: &str = "\
Examples:
  shipload backup -n test -d /backup/monday        all records, from all nodes
  shipload backup -n test -s demo -o -             one set, to standard output
  shipload backup -o - | shipload restore -h other -i -";

const RESTORE_EXAMPLES: &str = "\
Examples:
  shipload restore -d /backup/monday               records that are newer in the cluster stay as they are
  shipload restore -h db.example -i test.asb --namespace other";

const HEALTH_EXAMPLES: &str = "\
Examples:
  shipload health                      status 0 when the node lives
  shipload health --ready              status 0 when it serves clients";

const SQL_EXAMPLES: &str = "\
Examples:
  shipload sql                                     statements at a terminal
  shipload sql --host db:4200 -c 'select * from sys.nodes'
  shipload sql -c '\\d' -c '\\d t' --format markdown
  echo 'select 1;' | shipload sql --format csv";

const BENCH_EXAMPLES: &str = "\
Examples:
  shipload bench -w I -k 100000                   write every key once
  shipload bench -w RU,80 -k 100000 -d 30s        then read 80 of 100 times, update the others
  shipload bench -w RU,80 -r 5000 -o I8,S20,B100  5000 operations a second: latency without omission
  shipload bench --json -d 10s | jq .classes.read.latency_us";

const INFO_EXAMPLES: &str = "\
Examples:
  shipload info                                   tables of the whole cluster, found from one node
  shipload info -h db.example -p 3000
  shipload info -v namespaces -v sets -l          raw answers of one node, as asinfo prints them
  shipload info --json | jq '.[].statistics.cluster_size'";

const AQL_EXAMPLES: &str = "\
Examples:
  shipload aql                                                      asks for statements
  shipload aql -c \"insert into test.foo (pk, val1) values (1, 'abc')\" -c 'select * from test.foo'
  shipload aql -c 'select * from test.foo where val1 = \"abc\" limit 10'
  shipload aql --json -c 'select * from test.hits' | jq .bins.server
  shipload aql -h db.example -p 3000 -f script.aql";
