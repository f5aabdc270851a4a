//! A data directory of the first release, kept as bytes and read for ever: all types, nested collections, keys, times,
//! tombstones, a truncated set, indexes and modules.
//!
//! `SHIPLOAD_WRITE_FIXTURE=1` writes it anew, with what is expected of it; that is for a format version that has none yet,
//! never for an old one.

use crate::client::{Client, config, digest, eventually};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use shipload_node::config::{NamespaceKey, ServiceKey};
use shipload_server::{Launch, Running, Tuning};
use shipload_value::msgpack::writer;
use shipload_wire::bits::{field, info2, op};
use shipload_wire::request;
use shipload_wire::{Header, Op, ResultCode, response};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const SECTOR: usize = 512;
/// Ten years, the longest that a namespace allows unless told otherwise.
const TTL_S: u32 = 315_360_000;

fn fixture(ending: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("data-v1.{ending}"))
}

fn start(folder: &Path) -> Running {
    let config = config();
    config.service.put(ServiceKey::DataDirectory, &folder.display().to_string()).expect("a folder");
    config.namespaces()[0].keys.put(NamespaceKey::Filesize, "8M").expect("a size");
    Launch { config, tuning: Tuning::default(), any_port: true }
        .start()
        .expect("a server on a data directory")
}

/// A particle: its type and its bytes.
type Value = (u8, Vec<u8>);

/// `["a", -1, 2.5, nil, [..]]`, as many levels deep.
fn list(out: &mut Vec<u8>, flags: u8, depth: u8) {
    writer::list_start(out, flags, 5);
    if flags == 0 {
        writer::typed(out, 3, b"a");
        writer::int(out, -1);
        writer::double(out, 2.5);
        writer::nil(out);
        if depth == 0 { writer::bool(out, true) } else { map(out, depth - 1) }
    } else {
        (0..5).for_each(|number| writer::int(out, number));
    }
}

fn map(out: &mut Vec<u8>, depth: u8) {
    writer::map_start(out, 1, 3);
    writer::int(out, -5);
    writer::typed(out, 4, &[1, 2, 3]);
    writer::int(out, 70_000);
    list(out, 0, depth);
    writer::typed(out, 3, b"k");
    writer::typed(out, 3, "é".as_bytes());
}

/// One value of each type that a bin may be written with.
fn values(number: u64) -> Vec<Value> {
    let (mut ordered, mut nested, mut tree) = (Vec::new(), Vec::new(), Vec::new());
    list(&mut ordered, 1, 0);
    list(&mut nested, 0, 3);
    map(&mut tree, 4);
    let point = br#"{"type":"Point","coordinates":[13.4,52.5]}"#;
    let region = br#"{"type":"AeroCircle","coordinates":[[13.4,52.5],1000]}"#;
    let geo = |text: &[u8]| (23, [&[0, 0, 0], text].concat());
    vec![
        (1, number.to_be_bytes().to_vec()),
        (1, i64::MIN.to_be_bytes().to_vec()),
        (2, (number as f64 / 3.0).to_be_bytes().to_vec()),
        (3, "text, größer".as_bytes().to_vec()),
        (4, vec![0xff; 1 + usize::try_from(number).expect("small") * 40]),
        (7, b"java".to_vec()),
        (8, b"c#".to_vec()),
        (9, b"python".to_vec()),
        (10, b"ruby".to_vec()),
        (11, b"php".to_vec()),
        (12, b"erlang".to_vec()),
        (17, vec![1]),
        (20, ordered),
        (20, nested),
        (19, tree),
        geo(point),
        geo(region),
    ]
}

fn command(client: &mut Client, set: &str, number: u64, header: Header, ops: &[Op<'_>], key: Option<&[u8]>) {
    let mut out = Vec::new();
    let name = digest(number);
    let mut fields: Vec<(u8, &[u8])> = vec![(field::NAMESPACE, b"test")];
    if !set.is_empty() {
        fields.push((field::SET, set.as_bytes()));
    }
    fields.push((field::DIGEST, &name));
    fields.extend(key.map(|key| (field::KEY, key)));
    request::message(&mut out, &Header { info2: info2::WRITE | header.info2, ..header }, &fields, ops);
    client.send(&out);
    assert_eq!(client.result(), ResultCode::Ok, "record {number}");
}

fn fill(client: &mut Client) {
    for number in 0..24 {
        let set = ["demo", "bar", ""][usize::try_from(number % 3).expect("small")];
        let all = values(number);
        let some: Vec<&Value> = all.iter().skip(usize::try_from(number % 5).expect("small")).collect();
        let names: Vec<String> = (0..some.len()).map(|bin| format!("bin{bin}")).collect();
        let ops: Vec<Op<'_>> = names
            .iter()
            .zip(&some)
            .map(|(name, (kind, value))| request::write_op(name.as_bytes(), *kind, value))
            .collect();
        let record_ttl = if number % 4 == 0 { TTL_S } else { u32::MAX };
        let header = Header { record_ttl, ..Header::default() };
        let key = [&[3][..], format!("key {number}").as_bytes()].concat();
        for _ in 0..=number % 3 {
            command(client, set, number, header, &ops, (number % 2 == 0).then_some(&key));
        }
    }
    let mut sketch = Vec::new();
    writer::array_head(&mut sketch, 5);
    writer::int(&mut sketch, 1);
    writer::array_head(&mut sketch, 100);
    (0..100).for_each(|number| writer::int(&mut sketch, number));
    [8, 4, 0].into_iter().for_each(|number| writer::int(&mut sketch, number));
    let add = Op { code: op::HLL_MODIFY, kind: 4, name: b"hll", value: &sketch };
    command(client, "demo", 100, Header { record_ttl: u32::MAX, ..Header::default() }, &[add], None);
    command(client, "gone", 200, Header::default(), &[request::write_op(b"a", 3, b"gone")], None);
}

/// What is on the devices already and goes: removed records leave tombstones, a truncated set stays away.
fn remove(client: &mut Client) {
    let delete = Header { info2: info2::DELETE, ..Header::default() };
    [3, 7].into_iter().for_each(|number| command(client, "", number, delete, &[], None));
    assert_eq!(client.info("truncate:namespace=test;set=gone"), "ok");
}

/// Everything that the server has, in words.
fn words(server: &Running) -> BTreeSet<String> {
    let mut client = Client::to(server);
    let mut words = BTreeSet::new();
    client.send(&scan());
    'frames: loop {
        let (_, body) = client.frame();
        for message in response::messages(&body) {
            let message = message.expect("well formed");
            if message.is_last() {
                break 'frames;
            }
            if message.fields.digest20().is_some() {
                words.insert(record(&message));
            }
        }
    }
    for entry in client.info("udf-list").split(';').filter(|entry| !entry.is_empty()) {
        words.insert(format!("module {entry}"));
    }
    for entry in client.info("sindex-list:namespace=test;b64=true").split(';') {
        words.insert(format!("index {entry}"));
    }
    words
}

/// A scan of the whole namespace.
fn scan() -> Vec<u8> {
    let partitions: Vec<u16> = (0..4096).collect();
    let mut out = Vec::new();
    let query = request::Query {
        namespace: "test",
        set: "",
        partitions: &partitions,
        task_id: 77,
        socket_timeout_ms: 10_000,
        ..request::Query::default()
    };
    request::query(&mut out, &query);
    out
}

fn record(message: &shipload_wire::Response<'_>) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let fields = &message.fields;
    let mut text = format!(
        "record {} set {} key {} generation {} until {}",
        hex(fields.digest.unwrap_or_default()),
        hex(fields.set.unwrap_or_default()),
        hex(fields.key.unwrap_or_default()),
        message.header.generation,
        message.header.record_ttl,
    );
    for bin in message.ops.clone() {
        write!(text, " {}:{}:{}", hex(bin.name), bin.kind, hex(bin.value)).expect("a text");
    }
    text
}

/// Whether a record's time was over by now, so that it may be gone.
fn is_over(words: &str) -> bool {
    let until =
        words.split(' ').skip_while(|word| *word != "until").nth(1).and_then(|it| it.parse::<u64>().ok());
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() - 1_262_304_000;
    until.is_some_and(|until| until != 0 && until <= now_s)
}

/// All files of a folder: name, length, sectors that are not empty.
fn pack(folder: &Path) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    let mut write = |bytes: &[u8]| out.write_all(bytes).expect("memory");
    for path in files(folder, folder) {
        let bytes = fs::read(folder.join(&path)).expect("a file");
        let sectors =
            || bytes.chunks(SECTOR).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        let name = path.to_str().expect("a plain name").as_bytes();
        for number in [name.len(), bytes.len(), sectors().count()] {
            write(&(number as u64).to_le_bytes());
        }
        write(name);
        for (index, sector) in sectors() {
            let mut whole = [0; SECTOR];
            whole[..sector.len()].copy_from_slice(sector);
            write(&(index as u64).to_le_bytes());
            write(&whole);
        }
    }
    out.finish().expect("memory")
}

fn files(root: &Path, folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(root, &path),
            false => BTreeSet::from([path.strip_prefix(root).expect("below the root").to_owned()]),
        })
        .collect()
}

fn unpack(packed: &[u8], folder: &Path) {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).expect("a fixture");
    let mut rest = bytes.as_slice();
    let mut take = |length: usize| {
        let (taken, left) = rest.split_at(length);
        rest = left;
        (taken, left.is_empty())
    };
    let number = |bytes: &[u8]| {
        usize::try_from(u64::from_le_bytes(bytes.try_into().expect("8 bytes"))).expect("small")
    };
    loop {
        let [name, length, sectors] = [take(8), take(8), take(8)].map(|(bytes, _)| number(bytes));
        let (name, mut end) = take(name);
        let path = folder.join(std::str::from_utf8(name).expect("a name"));
        let mut content = vec![0; length];
        for _ in 0..sectors {
            let at = number(take(8).0) * SECTOR;
            let (sector, last) = take(SECTOR);
            end = last;
            let to = (at + SECTOR).min(length);
            content[at..to].copy_from_slice(&sector[..to - at]);
        }
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
        if end {
            return;
        }
    }
}

fn write_fixture() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let mut client = Client::to(&server);
    let content = STANDARD.encode("function one() return 1 end");
    let length = content.len();
    let put = format!("udf-put:filename=m.lua;content={content};content-len={length};udf-type=LUA;");
    assert_eq!(client.info(&put), "ok");
    for (name, rest) in INDEXES {
        let create = format!("sindex-create:namespace=test;set=demo;indexname={name};{rest}");
        assert_eq!(client.info(&create).to_lowercase(), "ok");
    }
    fill(&mut client);
    server.stop();
    let server = start(folder.path());
    remove(&mut Client::to(&server));
    eventually("indexes to be complete", || indexed(&server));
    let words = words(&server);
    server.stop();
    fs::create_dir_all(fixture("gz").parent().expect("a folder")).expect("a folder");
    fs::write(fixture("gz"), pack(folder.path())).expect("a file");
    fs::write(fixture("txt"), words.into_iter().collect::<Vec<_>>().join("\n") + "\n").expect("a file");
}

const INDEXES: [(&str, &str); 3] = [
    ("numbers", "bin=bin0;type=numeric"),
    ("elements", "bin=bin12;type=numeric;indextype=list"),
    ("places", "bin=bin15;type=geo2dsphere"),
];

fn indexed(server: &Running) -> bool {
    let list = Client::to(server).info("sindex-list:namespace=test");
    list.matches("state=RW").count() == INDEXES.len()
}

#[test]
fn a_data_directory_of_the_first_release_is_read() {
    if std::env::var_os("SHIPLOAD_WRITE_FIXTURE").is_some() {
        write_fixture();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    unpack(&fs::read(fixture("gz")).expect("the fixture"), folder.path());
    let expected = fs::read_to_string(fixture("txt")).expect("the fixture");
    let expected: BTreeSet<String> = expected.lines().map(str::to_owned).collect();
    // Read, kept, and read again.
    for _ in 0..2 {
        let server = start(folder.path());
        eventually("indexes to be complete", || indexed(&server));
        let found = words(&server);
        let missing: Vec<_> = expected.difference(&found).filter(|words| !is_over(words)).collect();
        assert!(missing.is_empty(), "missing: {missing:#?}");
        let more: Vec<_> = found.difference(&expected).collect();
        assert!(more.is_empty(), "nobody wrote: {more:#?}");
        server.stop();
    }
    let kinds = |kind: u8| expected.iter().any(|words| words.contains(&format!(":{kind}:")));
    let all = [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 17, 18, 19, 20, 23];
    assert!(all.into_iter().all(kinds), "every type is there");
}
