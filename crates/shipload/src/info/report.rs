//! What the nodes said, as sheets for people and as JSON for scripts.

use serde_json::{Map, Value, json};

use super::sheet::{Sheet, Side};
use super::walk::{Answers, Node, Seen, Values};

/// Stands where a node said nothing.
const MISSING: &str = "N/E";

/// All sheets, one below the other; silent nodes are named below them.
pub(crate) fn text(nodes: &[Node]) -> String {
    let mut text = String::new();
    for sheet in [service(nodes), network(nodes), namespaces(nodes), sets(nodes)] {
        text.push_str(&sheet.draw());
    }
    for node in nodes {
        if let Seen::Silent(why) = &node.seen {
            text.push_str(&format!("{} does not answer: {why}\n", node.name));
        }
    }
    text
}

fn service(nodes: &[Node]) -> Sheet {
    let mut sheet = Sheet::new(
        "Service Information",
        &[
            ("Node", "", Side::Left),
            ("Build", "", Side::Left),
            ("Cluster", "Size", Side::Right),
            ("Cluster", "Key", Side::Left),
            ("Cluster", "Integrity", Side::Left),
            ("Principal", "", Side::Left),
            ("Free", "Mem%", Side::Right),
            ("Migrates", "", Side::Right),
            ("Objects", "", Side::Right),
            ("Uptime", "", Side::Right),
        ],
    );
    for node in nodes {
        let statistics = answers(node).map(|answers| &answers.statistics);
        let get = |name: &str| statistics.and_then(|values| values.get(name)).map_or(MISSING, String::as_str);
        sheet.push(vec![
            node.name.clone(),
            answers(node).map_or(MISSING.to_owned(), |answers| answers.build.clone()),
            get("cluster_size").to_owned(),
            get("cluster_key").to_owned(),
            capital(get("cluster_integrity")),
            get("cluster_principal").to_owned(),
            get("system_free_mem_pct").to_owned(),
            get("migrate_partitions_remaining").to_owned(),
            get("objects").to_owned(),
            statistics.and_then(|values| number(values, "uptime")).map_or(MISSING.to_owned(), clock),
        ]);
    }
    sheet
}

fn network(nodes: &[Node]) -> Sheet {
    let mut sheet = Sheet::new(
        "Network Information",
        &[
            ("Node", "", Side::Left),
            ("Node", "Id", Side::Left),
            ("Ip", "", Side::Left),
            ("Client", "Conns", Side::Right),
            ("Cluster", "Name", Side::Left),
            ("HB", "Self", Side::Right),
            ("HB", "Foreign", Side::Right),
        ],
    );
    for node in nodes {
        let answers = answers(node);
        let get = |name: &str| {
            let value = answers.and_then(|answers| answers.statistics.get(name));
            value.map_or(MISSING, String::as_str).to_owned()
        };
        // As in `asadm`, a star marks the principal.
        let star = if get("cluster_principal") == node.id { "*" } else { "" };
        sheet.push(vec![
            node.name.clone(),
            format!("{star}{}", node.id),
            answers.map_or(MISSING.to_owned(), |answers| answers.ip.clone()),
            get("client_connections"),
            answers.map_or(MISSING.to_owned(), |answers| answers.cluster_name.clone()),
            get("heartbeat_received_self"),
            get("heartbeat_received_foreign"),
        ]);
    }
    sheet
}

/// Counters of a namespace that are added up over the nodes.
struct Usage {
    objects: u64,
    master_objects: u64,
    expired: u64,
    evicted: u64,
    used_bytes: u64,
    index_bytes: u64,
}

impl Usage {
    fn of(values: &Values) -> Self {
        let get = |name: &str| number(values, name).unwrap_or(0);
        Self {
            objects: get("objects"),
            master_objects: get("master_objects"),
            expired: get("expired_objects"),
            evicted: get("evicted_objects"),
            used_bytes: get("data_used_bytes"),
            index_bytes: get("index_used_bytes"),
        }
    }

    fn sum(all: &[Self]) -> Self {
        let sum = |field: fn(&Self) -> u64| all.iter().map(field).fold(0, u64::saturating_add);
        Self {
            objects: sum(|usage| usage.objects),
            master_objects: sum(|usage| usage.master_objects),
            expired: sum(|usage| usage.expired),
            evicted: sum(|usage| usage.evicted),
            used_bytes: sum(|usage| usage.used_bytes),
            index_bytes: sum(|usage| usage.index_bytes),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.objects.to_string(),
            self.master_objects.to_string(),
            self.expired.to_string(),
            self.evicted.to_string(),
            bytes(self.used_bytes),
            bytes(self.index_bytes),
        ]
    }
}

fn namespaces(nodes: &[Node]) -> Sheet {
    let mut sheet = Sheet::new(
        "Namespace Usage",
        &[
            ("Namespace", "", Side::Left),
            ("Node", "", Side::Left),
            ("Objects", "", Side::Right),
            ("Master", "Objects", Side::Right),
            ("Expired", "", Side::Right),
            ("Evicted", "", Side::Right),
            ("Data", "Used", Side::Right),
            ("Index", "Used", Side::Right),
            ("Data", "Used%", Side::Right),
            ("Evict", "Used%", Side::Right),
            ("Stop", "Used%", Side::Right),
            ("Stop", "Writes", Side::Left),
        ],
    );
    for (name, on) in by_name(nodes, |answers| {
        answers.namespaces.iter().map(|(name, values)| (name.clone(), values)).collect()
    }) {
        let usages: Vec<Usage> = on.iter().map(|(_, values)| Usage::of(values)).collect();
        for ((node, values), usage) in on.iter().zip(&usages) {
            let get = |names: &[&str]| {
                let value = names.iter().find_map(|name| values.get(*name));
                value.map_or(MISSING, String::as_str).to_owned()
            };
            let mut row = vec![name.clone(), node.name.clone()];
            row.extend(usage.cells());
            row.push(get(&["data_used_pct"]));
            row.push(get(&["storage-engine.evict-used-pct", "evict-used-pct"]));
            row.push(get(&["storage-engine.stop-writes-used-pct", "stop-writes-used-pct"]));
            row.push(capital(&get(&["stop_writes"])));
            sheet.push(row);
        }
        if on.len() > 1 {
            let mut row = vec![name, "all".to_owned()];
            row.extend(Usage::sum(&usages).cells());
            row.extend(std::iter::repeat_n(String::new(), 4));
            sheet.push(row);
        }
    }
    sheet
}

fn sets(nodes: &[Node]) -> Sheet {
    let mut sheet = Sheet::new(
        "Set Information",
        &[
            ("Namespace", "", Side::Left),
            ("Set", "", Side::Left),
            ("Node", "", Side::Left),
            ("Objects", "", Side::Right),
            ("Tombstones", "", Side::Right),
            ("Data", "Used", Side::Right),
            ("Stop Writes", "Count", Side::Right),
            ("Disable", "Eviction", Side::Left),
            ("Truncating", "", Side::Left),
        ],
    );
    for ((namespace, set), on) in
        by_name(nodes, |answers| answers.sets.iter().map(|values| (set_name(values), values)).collect())
    {
        for (node, values) in on {
            let get = |name: &str| values.get(name).map_or(MISSING, String::as_str).to_owned();
            sheet.push(vec![
                namespace.clone(),
                set.clone(),
                node.name.clone(),
                get("objects"),
                get("tombstones"),
                number(values, "data_used_bytes").map_or(MISSING.to_owned(), bytes),
                get("stop-writes-count"),
                capital(&get("disable-eviction")),
                capital(&get("truncating")),
            ]);
        }
    }
    sheet
}

fn set_name(values: &Values) -> (String, String) {
    let get = |name: &str| values.get(name).cloned().unwrap_or_default();
    (get("ns"), get("set"))
}

/// What several nodes say about things of the same name, in the order of the names.
fn by_name<'a, N: Ord>(
    nodes: &'a [Node],
    of: impl Fn(&'a Answers) -> Vec<(N, &'a Values)>,
) -> std::collections::BTreeMap<N, Vec<(&'a Node, &'a Values)>> {
    let mut found = std::collections::BTreeMap::<N, Vec<(&Node, &Values)>>::new();
    for node in nodes {
        for (name, values) in answers(node).map(&of).unwrap_or_default() {
            found.entry(name).or_default().push((node, values));
        }
    }
    found
}

fn answers(node: &Node) -> Option<&Answers> {
    match &node.seen {
        Seen::Answers(answers) => Some(answers),
        Seen::Silent(_) => None,
    }
}

fn number(values: &Values, name: &str) -> Option<u64> {
    values.get(name)?.parse().ok()
}

/// `true` as `True`, as the stock tool writes it.
fn capital(word: &str) -> String {
    match word {
        "true" => "True".to_owned(),
        "false" => "False".to_owned(),
        other => other.to_owned(),
    }
}

/// Seconds as `hours:minutes:seconds`.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A size in the largest unit that leaves at least one.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    let Some(power) = (size.max(1).ilog2() / 10).checked_sub(1) else { return format!("{size} B") };
    let unit = UNITS.get(power as usize).unwrap_or(&"EB");
    let thousandths = (u128::from(size) * 1000) >> ((power + 1) * 10);
    format!("{}.{:03} {unit}", thousandths / 1000, thousandths % 1000)
}

/// Everything that the nodes said.
pub(crate) fn json(nodes: &[Node]) -> Value {
    nodes.iter().map(node_json).collect()
}

fn node_json(node: &Node) -> Value {
    match &node.seen {
        Seen::Silent(why) => json!({ "node": node.name, "id": node.id, "error": why }),
        Seen::Answers(answers) => json!({
            "node": node.name,
            "id": node.id,
            "ip": answers.ip,
            "build": answers.build,
            "cluster_name": answers.cluster_name,
            "statistics": values_json(&answers.statistics),
            "namespaces": answers
                .namespaces
                .iter()
                .map(|(name, values)| (name.clone(), values_json(values)))
                .collect::<Map<_, _>>(),
            "sets": answers.sets.iter().map(values_json).collect::<Value>(),
        }),
    }
}

/// Numbers and truth values become JSON's own.
fn values_json(values: &Values) -> Value {
    let value = |text: &str| match text {
        "true" => true.into(),
        "false" => false.into(),
        other => other.parse::<i64>().map_or_else(|_| other.into(), Value::from),
    };
    values.iter().map(|(name, text)| (name.clone(), value(text))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, objects: &str) -> Node {
        let values = |pairs: &[(&str, &str)]| -> Values {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let answers = Answers {
            ip: "127.0.0.1:3000".to_owned(),
            build: "8.1.2.0".to_owned(),
            cluster_name: "null".to_owned(),
            statistics: values(&[
                ("cluster_principal", name),
                ("uptime", "4300"),
                ("cluster_integrity", "true"),
            ]),
            namespaces: [("test".to_owned(), values(&[("objects", objects), ("data_used_bytes", "1536")]))]
                .into(),
            sets: vec![values(&[("ns", "test"), ("set", "s"), ("objects", objects)])],
        };
        Node { name: name.to_owned(), id: name.to_owned(), seen: Seen::Answers(answers) }
    }

    #[test]
    fn sheets_show_every_node_and_sums() {
        let silent = Node { name: "C".to_owned(), id: "C".to_owned(), seen: Seen::Silent("gone".to_owned()) };
        let text = text(&[node("A", "2"), node("B", "3"), silent]);
        assert!(text.contains("01:11:40"));
        assert!(text.contains("*A"), "the principal has a star");
        assert!(text.contains("1.500 KB"));
        assert!(text.lines().any(|line| line.starts_with("test        all          5")), "{text}");
        assert!(text.ends_with("C does not answer: gone\n"));
        assert!(text.lines().any(|line| line.starts_with("C  ") && line.contains(MISSING)));
    }

    #[test]
    fn json_has_numbers_and_errors() {
        let silent = Node { name: "C".to_owned(), id: "C".to_owned(), seen: Seen::Silent("gone".to_owned()) };
        let json = json(&[node("A", "2"), silent]);
        assert_eq!(json[0]["namespaces"]["test"]["objects"], 2);
        assert_eq!(json[0]["statistics"]["cluster_integrity"], true);
        assert_eq!(json[1]["error"], "gone");
    }

    #[test]
    fn sizes_and_times_are_readable() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.000 KB");
        assert_eq!(bytes(u64::MAX), "15.999 EB");
        assert_eq!(bytes(5 << 30), "5.000 GB");
        assert_eq!(clock(0), "00:00:00");
        assert_eq!(clock(360_000), "100:00:00");
    }
}
