//! Records on files: what survives a restart, and what a node refuses to start on.

#![allow(clippy::panic, reason = "tests may fail loudly")]

use crate::client::{Client, config, digest, get, put};
use shipload_node::config::{Config, NamespaceKey, ServiceKey};
use shipload_server::disk::StorageError;
use shipload_server::{Launch, Running, StartError, Tuning};
use shipload_wire::request::{self, Key};
use shipload_wire::{Header, Response, ResultCode};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn start(config: Config) -> Result<Running, StartError> {
    Launch { config, tuning: Tuning::default(), any_port: true }.start()
}

/// The usual configuration with the namespace on these files, small ones.
fn on_files(files: &[&Path]) -> Config {
    let config = config();
    let keys = &config.namespaces()[0].keys;
    for file in files {
        keys.put(NamespaceKey::Filesize, "8M").expect("a size");
        config
            .load(
                &shipload_node::config::Scope::Inner {
                    namespace: "test".to_owned(),
                    prefix: "storage-engine.",
                },
                "file",
                &file.display().to_string(),
            )
            .expect("a file");
    }
    config
}

/// Generation, void time and value of a record.
fn read(client: &mut Client, number: u64) -> Option<(u32, u32, Vec<u8>)> {
    client.send(&get(number));
    let (_, body) = client.frame();
    let answer = Response::decode(&body).expect("well formed");
    match answer.result() {
        Some(ResultCode::Ok) => {
            let value = answer.ops.clone().next().expect("a bin").value.to_vec();
            Some((answer.header.generation, answer.header.record_ttl, value))
        }
        Some(ResultCode::NotFound) => None,
        other => panic!("a read was answered with {other:?}"),
    }
}

fn delete(client: &mut Client, number: u64) {
    let mut out = Vec::new();
    request::delete(&mut out, &Header::default(), &Key::new("test", "demo", &digest(number)));
    client.send(&out);
    assert_eq!(client.result(), ResultCode::Ok);
}

fn write(client: &mut Client, bytes: &[u8]) {
    client.send(bytes);
    assert_eq!(client.result(), ResultCode::Ok);
}

#[test]
fn records_survive_restarts_with_all_that_belongs_to_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let server = start(on_files(&[&one, &two])).expect("new files");
    let mut client = Client::to(&server);
    (0..200).for_each(|number| write(&mut client, &put(number, &[7; 3000])));
    (0..200).step_by(2).for_each(|number| write(&mut client, &put(number, b"again")));
    (0..200).step_by(5).for_each(|number| delete(&mut client, number));
    let mut expiring = Vec::new();
    let key = digest(1000);
    let header = Header { record_ttl: 5000, ..Header::default() };
    let op = request::write_op(b"a", 4, b"expires");
    request::put(&mut expiring, &header, &Key::new("test", "demo", &key), &[op]);
    write(&mut client, &expiring);
    let seen: Vec<_> = (0..200).chain([1000]).map(|number| read(&mut client, number)).collect();
    assert_eq!(seen.iter().flatten().count(), 161);
    server.stop();
    // The order of the files is nobody's business, and a restart changes nothing, once or twice.
    for files in [[&two, &one], [&one, &two]] {
        let server = start(on_files(&[files[0], files[1]])).expect("our files");
        let mut client = Client::to(&server);
        let again: Vec<_> = (0..200).chain([1000]).map(|number| read(&mut client, number)).collect();
        assert_eq!(again, seen);
        assert!(client.info("sets/test/demo").starts_with("objects=161:"));
        server.stop();
    }
}

/// The same with nothing but the index in memory.
fn index_only(file: &Path) -> Config {
    let config = on_files(&[file]);
    let keys = &config.namespaces()[0].keys;
    keys.put(NamespaceKey::StorageEngine, "device").expect("a word");
    keys.put(NamespaceKey::PostWriteCache, "0").expect("a size");
    keys.put(NamespaceKey::FlushMaxMs, "1").expect("a time");
    config
}

#[test]
fn records_that_are_not_in_memory_are_read_changed_and_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("records");
    let mut expected = Vec::new();
    for round in 0..3u8 {
        let server = start(index_only(&file)).expect("our file");
        let mut client = Client::to(&server);
        let found: Vec<_> = (0..300).map(|number| read(&mut client, number)).collect();
        assert!(round == 0 || found == expected, "round {round}");
        for number in (0..300u64).filter(|number| number % 3 != u64::from(round)) {
            let length = 100 + (number * 37 + u64::from(round) * 501) % 3000;
            write(&mut client, &put(number, &vec![round; usize::try_from(length).expect("small")]));
        }
        (0..300).skip(usize::from(round)).step_by(7).for_each(|number| {
            if read(&mut client, number).is_some() {
                delete(&mut client, number);
            }
        });
        expected = (0..300).map(|number| read(&mut client, number)).collect();
        server.stop();
    }
    assert!(expected.iter().flatten().count() > 200);
    let error = start({
        let config = config();
        config.namespaces()[0].keys.put(NamespaceKey::StorageEngine, "device").expect("a word");
        config
    });
    assert!(error.expect_err("no device").to_string().contains("needs a file, a device or a data directory"));
}

#[test]
fn what_was_truncated_stays_away_and_what_came_after_stays() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("records");
    let server = start(on_files(&[&file])).expect("a new file");
    let mut client = Client::to(&server);
    (0..100).for_each(|number| write(&mut client, &put(number, b"old")));
    assert_eq!(client.info("truncate:namespace=test;set=demo"), "ok");
    (0..10).for_each(|number| write(&mut client, &put(number, b"new")));
    server.stop();
    let server = start(on_files(&[&file])).expect("our file");
    let mut client = Client::to(&server);
    let found: Vec<u64> = (0..100).filter(|&number| read(&mut client, number).is_some()).collect();
    assert_eq!(found, (0..10).collect::<Vec<_>>());
    write(&mut client, &put(50, b"later"));
    server.stop();
    let server = start(on_files(&[&file])).expect("our file");
    assert!(read(&mut Client::to(&server), 50).is_some());
}

#[test]
fn a_data_directory_keeps_records_and_the_node_id_for_one_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    let on_directory = || {
        let config = config();
        config.service.put(ServiceKey::DataDirectory, &path.display().to_string()).expect("a path");
        config.namespaces()[0].keys.put(NamespaceKey::Filesize, "8M").expect("a size");
        config
    };
    let server = start(on_directory()).expect("a new directory");
    let id = server.node().identity.node_id;
    let error = start(on_directory()).expect_err("the directory is taken");
    assert!(error.to_string().ends_with("in use by another process"), "{error}");
    write(&mut Client::to(&server), &put(1, b"kept"));
    server.stop();
    let server = start(on_directory()).expect("our directory");
    assert_eq!(server.node().identity.node_id, id);
    assert!(read(&mut Client::to(&server), 1).is_some());
}

/// Two files of a volume with a record, in a folder.
fn two_files(folder: &Path) -> (PathBuf, PathBuf) {
    let (one, two) = (folder.join("one"), folder.join("two"));
    let server = start(on_files(&[&one, &two])).expect("new files");
    write(&mut Client::to(&server), &put(1, b"kept"));
    server.stop();
    (one, two)
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("readable");
    change(&mut bytes);
    fs::write(file, bytes).expect("writable");
}

/// Starting on these files is refused with this text, and changes none of them.
fn refused(files: &[&Path], configure: impl FnOnce(&mut Config), text: &str) {
    let before: Vec<_> = files.iter().map(|file| fs::read(file).ok()).collect();
    let mut config = on_files(files);
    configure(&mut config);
    match start(config) {
        Err(StartError::Storage(error)) => {
            assert!(error.to_string().contains(text), "'{error}' does not say '{text}'");
            let data = matches!(error, StorageError::Io { .. });
            assert!(data || error.to_string().contains("nothing was changed"), "{error}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started, but should say '{text}'"),
    }
    let after: Vec<_> = files.iter().map(|file| fs::read(file).ok()).collect();
    assert!(before == after, "'{text}' changed a file");
    for file in files {
        assert!(!file.with_extension("new").exists());
    }
}

/// What the node should say, and what was done to the file.
type Damage = (&'static str, fn(&mut Vec<u8>));

#[test]
fn what_is_not_ours_or_not_whole_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = two_files(folder.path());
    let other = tempfile::tempdir().expect("a temporary folder");
    let (three, _) = two_files(other.path());
    let text = folder.path().join("text");
    fs::write(&text, "this is my diary\n".repeat(200_000)).expect("writable");
    let none = |_: &mut Config| {};
    refused(&[&text], none, "not a device of Shipload's");
    refused(&[&one], none, "is one of 2 devices, 1 are given");
    refused(&[&one, &three], none, "does not belong to");
    refused(&[&one, &folder.path().join("gone")], none, "gone: is not there, but ");
    refused(&[folder.path()], none, "neither a file nor a block device");
    refused(&[Path::new("/sys/kernel/notes")], none, "/sys/kernel/notes: ");
    refused(&[&folder.path().join("no/such/folder")], none, "No such file or directory");
    let server = start(on_files(&[&one, &two])).expect("our files");
    // What the first one does with its files meanwhile is its own business.
    let error = start(on_files(&[&one, &two])).expect_err("the files are taken").to_string();
    assert!(error.contains("in use by another process; nothing was changed"), "{error}");
    server.stop();
    let copy = fs::read(&two).expect("readable");
    let damages: [Damage; 5] = [
        ("its header is zero", |bytes| bytes[..4096].fill(0)),
        ("its header's checksum does not match", |bytes| bytes[40] ^= 1),
        ("it was truncated", |bytes| bytes.truncate(5 << 20)),
        ("at least 1048576 are needed", |bytes| bytes.truncate(1000)),
        ("format version 9, this program knows versions up to 2", |bytes| {
            bytes[8] = 9;
            let checksum = crc32c::crc32c(&bytes[..508]).to_le_bytes();
            bytes[508..512].copy_from_slice(&checksum);
        }),
    ];
    for (text, damage) in damages {
        change(&two, damage);
        refused(&[&one, &two], none, text);
        fs::write(&two, &copy).expect("writable");
    }
    let server = start(on_files(&[&one, &two])).expect("our files are whole again");
    assert!(read(&mut Client::to(&server), 1).is_some());
}

#[test]
fn files_of_another_namespace_or_cluster_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("records");
    let of_cluster = |name: &'static str| {
        move |config: &mut Config| {
            config.service.put(ServiceKey::ClusterName, name).expect("a name");
        }
    };
    let mut mine = on_files(&[&file]);
    of_cluster("mine")(&mut mine);
    start(mine).expect("a new file").stop();
    refused(&[&file], of_cluster("other"), "belongs to cluster 'mine', not 'other'");
    let before = fs::read(&file).expect("readable");
    let mut config = Config::new();
    let bar = config.add_namespace("bar").expect("a name");
    bar.keys.put(NamespaceKey::File, &file.display().to_string()).expect("a file");
    let error = start(config).expect_err("of another namespace").to_string();
    assert!(error.contains("belongs to namespace 'test', not 'bar'"), "{error}");
    assert!(before == fs::read(&file).expect("readable"));
}

/// 500 records on a file, stopped in order, and then the header of the first block that is there is damaged.
fn damaged_header(file: &Path) {
    let server = start(on_files(&[file])).expect("a new file");
    let mut client = Client::to(&server);
    (0..500).for_each(|number| write(&mut client, &put(number, &[7; 1000])));
    server.stop();
    change(file, |bytes| {
        let at = (1 << 20..bytes.len()).step_by(16 << 10).find(|&at| bytes[at] != 0).expect("a block");
        bytes[at + 20] ^= 1;
    });
}

/// How many of the 500 records are there.
fn left(client: &mut Client) -> usize {
    (0..500).filter(|&number| read(client, number).is_some()).count()
}

/// Waits until the damaged block was met and counted.
fn wait_for_damage(client: &mut Client) {
    let until = Instant::now() + Duration::from_secs(60);
    while !client.info("namespace/test").contains(";storage_damaged_blocks=1;") {
        assert!(Instant::now() < until, "nobody was told of the damaged block");
        std::thread::yield_now();
    }
}

#[test]
fn a_damaged_block_is_told_of_and_costs_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("records");
    damaged_header(&file);
    // Without the index of a clean stop all blocks are read, and this one can't be used.
    fs::remove_file(folder.path().join("records.index")).expect("the index of a clean stop");
    let server = start(on_files(&[&file])).expect("our file");
    let mut client = Client::to(&server);
    wait_for_damage(&mut client);
    let left = left(&mut client);
    assert!((480..500).contains(&left), "{left} of 500 are left");
}

#[test]
fn a_damaged_header_beside_an_index_is_told_of_and_its_records_are_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("records");
    damaged_header(&file);
    let server = start(on_files(&[&file])).expect("our file");
    let mut client = Client::to(&server);
    assert!(client.info("namespace/test").contains(";storage_start_from_snapshot=true;"));
    assert_eq!(left(&mut client), 500);
    wait_for_damage(&mut client);
    assert_eq!(left(&mut client), 500);
}
