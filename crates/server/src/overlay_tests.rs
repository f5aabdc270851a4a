use super::{ImageVariables, Overlay};
use crate::options::{ConfigureError, Configured, Options, Ports};
use shipload_node::config::{Config, NamespaceKey, NetworkKey, ServiceKey};
use std::io::Write as _;

fn lay(options: &Options, image: &ImageVariables) -> Result<Configured, ConfigureError> {
    Overlay { options, config: Config::new(), warnings: Vec::new() }.run(image)
}

fn plain(options: &Options) -> Configured {
    lay(options, &ImageVariables::default()).expect("these options are fine")
}

fn refused(options: &Options) -> String {
    lay(options, &ImageVariables::default()).expect_err("these options are wrong").to_string()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

#[test]
fn without_a_word_there_is_one_namespace_on_loopback() {
    let configured = plain(&Options::default());
    assert!(configured.warnings.is_empty(), "{:?}", configured.warnings);
    let names: Vec<&str> = configured.config.namespaces().iter().map(|one| one.name()).collect();
    assert_eq!(names, ["test"]);
    assert_eq!(configured.config.network.list(NetworkKey::ServiceAddress), ["127.0.0.1"]);
    assert_eq!(configured.config.network.number(NetworkKey::ServicePort), 3000);
}

#[test]
fn flags_win_over_the_file() {
    let file = file(
        "service { proto-fd-max 100 }\nnetwork { service { port 4000\naddress 127.0.0.1 } }\n\
         namespace one { default-ttl 5\nnsup-period 1 }\n",
    );
    let options = Options {
        config: Some(file.path().to_owned()),
        addresses: vec!["127.0.0.2".to_owned(), "127.0.0.3".to_owned()],
        ports: Ports { service: Some(5000), http: Some(0), ..Ports::default() },
        namespaces: vec!["one:default-ttl=30".to_owned(), "two:replication-factor=1".to_owned()],
        settings: vec![
            "service.proto-fd-max=7".to_owned(),
            "network.info.port=0".to_owned(),
            "namespace.two.storage-engine.data-size=1G".to_owned(),
            "namespace.two.set.demo.disable-eviction=true".to_owned(),
        ],
        service_threads: Some(3),
        ..Options::default()
    };
    let config = plain(&options).config;
    assert_eq!(config.network.list(NetworkKey::ServiceAddress), ["127.0.0.2", "127.0.0.3"]);
    assert_eq!(config.network.number(NetworkKey::ServicePort), 5000);
    assert_eq!(config.network.number(NetworkKey::HttpPort), 0);
    assert_eq!(config.network.number(NetworkKey::InfoPort), 0);
    assert_eq!(config.service.number(ServiceKey::ProtoFdMax), 7);
    assert_eq!(config.service.number(ServiceKey::ServiceThreads), 3);
    assert_eq!(config.namespaces().len(), 2, "the file's namespace and the flag's, no `test`");
    assert_eq!(config.namespace("one").expect("given").number(NamespaceKey::DefaultTtl), 30);
    let two = config.namespace("two").expect("given");
    assert_eq!(two.number(NamespaceKey::DataSize), 1 << 30);
    assert!(two.set("demo").is_some());
}

#[test]
fn a_file_is_named_with_its_line() {
    let file = file("service {\n proto-fd-max many\n}\nnamespace test {\n}\n");
    let options = Options { config: Some(file.path().to_owned()), ..Options::default() };
    let error = refused(&options);
    let begin = format!("{}:2: 'many' is no value for 'proto-fd-max': allowed", file.path().display());
    assert!(error.starts_with(&begin), "{error}");
}

#[test]
fn unknown_keys_of_a_file_are_warnings_with_a_suggestion() {
    let file = file("namespace test {\n defalt-ttl 5\n}\nfrobnicate {\n x y\n}\n");
    let options = Options { config: Some(file.path().to_owned()), ..Options::default() };
    let warnings = plain(&options).warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains(":2: ") && warnings[0].contains("did you mean 'default-ttl'"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains(":4: unknown stanza 'frobnicate'"), "{warnings:?}");
}

#[test]
fn a_file_without_a_namespace_is_refused() {
    let file = file("service {\n}\n");
    let options = Options { config: Some(file.path().to_owned()), ..Options::default() };
    assert!(refused(&options).contains("no namespace"), "{}", refused(&options));
}

#[test]
fn slips_on_the_command_line_are_refused() {
    let with = |settings: &str| Options { settings: vec![settings.to_owned()], ..Options::default() };
    assert!(refused(&with("nonsense")).contains("--set: 'nonsense' has the wrong form"));
    assert!(refused(&with("service.proto-fd-mux=1")).contains("did you mean 'proto-fd-max'"));
    assert!(refused(&with("namespace.other.default-ttl=1")).contains("no namespace 'other'"));
    let named = |name: &str| Options { namespaces: vec![name.to_owned()], ..Options::default() };
    assert!(refused(&named("a b")).contains("--namespace: bad name"));
    assert!(refused(&named("test:default-ttl")).contains("has the wrong form"));
    assert!(refused(&named("test:default-ttl=soon")).contains("'soon' is no value for 'default-ttl'"));
}

#[test]
fn seeds_of_flags_win_over_those_of_the_file() {
    let file = file(
        "network { heartbeat { mode mesh\nport 3102\nmesh-seed-address-port 10.0.0.1 3002\n\
         mesh-seed-address-port fd00::1 3002 } }\nnamespace test {\n}\n",
    );
    let mut options = Options { config: Some(file.path().to_owned()), ..Options::default() };
    let seeds = |options: &Options| plain(options).config.network.list(NetworkKey::HeartbeatMeshSeed);
    assert_eq!(seeds(&options), ["10.0.0.1:3002", "[fd00::1]:3002"]);
    options.seeds = vec!["tasks.db:3002, db".to_owned(), "::1".to_owned()];
    assert_eq!(seeds(&options), ["tasks.db:3002", "db:3102", "[::1]:3102"], "no port: as this node's own");
    options.seeds = vec!["db:".to_owned()];
    assert!(refused(&options).starts_with("--seed: 'db:' has the wrong form; allowed: HOST:PORT"));
    assert!(seeds(&Options::default()).is_empty());
}

#[test]
fn multicast_needs_a_group() {
    let with = |settings: &[&str]| Options {
        settings: settings.iter().map(|one| format!("network.heartbeat.{one}")).collect(),
        ..Options::default()
    };
    let error = refused(&with(&["mode=multicast"]));
    assert!(error.contains("multicast-group: '' has the wrong form; allowed: an IPv4 address"), "{error}");
    let error = refused(&with(&["mode=multicast", "multicast-group=10.0.0.1"]));
    assert!(error.contains("'10.0.0.1' has the wrong form"), "{error}");
    plain(&with(&["mode=multicast", "multicast-group=239.1.99.222"]));
    plain(&with(&["multicast-group=10.0.0.1"]));
}

#[test]
fn variables_of_the_official_image_count_in_a_container_without_a_file() {
    let with = |said: &[(&str, &str)]| {
        let said: Vec<(String, String)> =
            said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ImageVariables::in_container(move |name| {
            said.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    };
    let image = with(&[
        ("NAMESPACE", "bar"),
        ("DEFAULT_TTL", "60"),
        ("MEM_GB", "2"),
        ("SERVICE_PORT", "4100"),
        ("REPL_FACTOR", "3"),
        ("SEEDS", "tasks.db db:3102"),
    ]);
    let config = lay(&Options::default(), &image).expect("fine").config;
    let bar = config.namespace("bar").expect("named by the variable");
    assert_eq!(bar.number(NamespaceKey::DefaultTtl), 60);
    assert_eq!(bar.number(NamespaceKey::DataSize), 2 << 30);
    assert_eq!(bar.number(NamespaceKey::ReplicationFactor), 3);
    assert_eq!(config.network.number(NetworkKey::ServicePort), 4100);
    assert_eq!(config.network.list(NetworkKey::ServiceAddress), ["any"]);
    assert_eq!(config.network.list(NetworkKey::HeartbeatMeshSeed), ["tasks.db:4102", "db:3102"]);

    let flags = Options {
        addresses: vec!["127.0.0.1".to_owned()],
        namespaces: vec!["bar:default-ttl=5".to_owned()],
        ..Options::default()
    };
    let config = lay(&flags, &image).expect("fine").config;
    assert_eq!(config.namespace("bar").expect("given").number(NamespaceKey::DefaultTtl), 5);
    assert_eq!(config.network.list(NetworkKey::ServiceAddress), ["127.0.0.1"]);

    let file = file("namespace test {\n}\n");
    let with_file = Options { config: Some(file.path().to_owned()), ..Options::default() };
    let config = lay(&with_file, &image).expect("fine").config;
    assert_eq!(config.network.number(NetworkKey::ServicePort), 3000);
    assert!(config.namespace("bar").is_none());

    let broken = with(&[("MEM_GB", "lots")]);
    let error = lay(&Options::default(), &broken).expect_err("no number").to_string();
    assert!(error.starts_with("environment MEM_GB: 'lotsG' is no value"), "{error}");
}
