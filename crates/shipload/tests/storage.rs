//! Storage that is not as it should be, with real processes: each time a clear refusal or a clear degraded mode, and
//! nothing is overwritten.

#![allow(clippy::unwrap_used, clippy::panic, clippy::zombie_processes, reason = "tests may fail loudly")]

use shipload_wire::request::{self, Key};
use shipload_wire::{Header, Response, ResultCode};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_shipload");
const PATIENCE: Duration = Duration::from_secs(120);

/// A node on ports that the system chooses.
fn serve(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    add_flags(&mut command, data, more);
    command
}

fn add_flags(command: &mut Command, data: &Path, more: &[&str]) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SHIPLOAD_")) {
        command.env_remove(name);
    }
    command.args(["serve", "--address", "127.0.0.1", "--service-threads", "1", "--log-level", "info"]);
    for flag in ["--port", "--fabric-port", "--heartbeat-port", "--info-port", "--http-port"] {
        command.args([flag, "0"]);
    }
    command
        .arg("--data")
        .arg(data)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.env("NO_COLOR", "1");
}

/// A node that serves. Killed by its id when it goes.
struct Node {
    child: Child,
    service: SocketAddr,
    log: std::sync::mpsc::Receiver<String>,
    /// What it logged before it served.
    seen: String,
}

impl Node {
    fn start(data: &Path, more: &[&str]) -> Node {
        let mut child = serve(data, more).spawn().unwrap();
        let (sender, log) = std::sync::mpsc::channel();
        let mut streams: Vec<Box<dyn std::io::Read + Send>> = Vec::new();
        streams.extend(child.stdout.take().map(|stream| Box::new(stream) as Box<dyn std::io::Read + Send>));
        streams.extend(child.stderr.take().map(|stream| Box::new(stream) as Box<dyn std::io::Read + Send>));
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
            });
        }
        let mut seen = String::new();
        loop {
            let line = log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not serve:\n{seen}"));
            let address = line.split_once("service port ").and_then(|(_, rest)| rest.split(' ').next());
            if let Some(service) = address.and_then(|address| address.parse().ok()) {
                return Node { child, service, log, seen };
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    /// Waits until it has logged this.
    fn says(&self, wanted: &str) {
        if self.seen.contains(wanted) {
            return;
        }
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never says '{wanted}'"));
            if line.contains(wanted) {
                return;
            }
        }
    }

    fn put(&self, key: u8, bytes: usize) -> ResultCode {
        let mut out = Vec::new();
        let digest = [key; 20];
        let value = vec![key; bytes];
        let op = request::write_op(b"v", 4, &value);
        request::put(&mut out, &Header::default(), &Key::new("test", "demo", &digest), &[op]);
        Response::decode(&self.ask(&out)).unwrap().result().unwrap()
    }

    fn get(&self, key: u8) -> Option<usize> {
        let mut out = Vec::new();
        request::get(&mut out, &Key::new("test", "demo", &[key; 20]), 1000);
        let body = self.ask(&out);
        let answer = Response::decode(&body).unwrap();
        answer.ops.clone().next().map(|op| op.value.len())
    }

    fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(self.service).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(bytes).unwrap();
        let mut head = [0; 8];
        socket.read_exact(&mut head).unwrap();
        let size = head[2..].iter().fold(0usize, |size, byte| size << 8 | usize::from(*byte));
        let mut body = vec![0; size];
        socket.read_exact(&mut body).unwrap();
        body
    }

    fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process that does not serve prints; its status must be that of storage which can't be used.
fn refused(mut command: Command) -> String {
    let child = command.spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{text}");
    text
}

/// All files below a folder.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(content(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// A data directory with two files of 8 MiB, some records in them, and the flags that name the files.
struct Storage {
    _folder: tempfile::TempDir,
    data: PathBuf,
    files: [PathBuf; 2],
    namespace: String,
}

impl Storage {
    fn new() -> Storage {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let files = ["one", "two"].map(|name| folder.path().join(name));
        let [one, two] = files.each_ref().map(|file| file.display().to_string());
        let namespace = format!(
            "test:storage-engine=device:storage-engine.filesize=8M:storage-engine.file={one}:storage-engine.file={two}"
        );
        let storage = Storage { _folder: folder, data, files, namespace };
        let node = storage.start();
        for key in 0..50 {
            assert_eq!(node.put(key, 1000), ResultCode::Ok);
        }
        node.stop();
        storage
    }

    fn flags(&self) -> [&str; 2] {
        ["--namespace", &self.namespace]
    }

    fn start(&self) -> Node {
        Node::start(&self.data, &self.flags())
    }

    /// The node is refused with these words, and changes nothing.
    fn refuses(&self, more: &[&str], words: &[&str]) {
        let flags: Vec<&str> = self.flags().into_iter().chain(more.iter().copied()).collect();
        self.refuses_as(serve(&self.data, &flags), words);
    }

    fn refuses_as(&self, command: Command, words: &[&str]) {
        let folder = self.data.parent().unwrap();
        let before = content(folder);
        let text = refused(command);
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
        assert!(content(folder) == before, "something was changed");
    }

    /// Changes the first bytes of a file.
    fn patch(&self, file: usize, change: impl FnOnce(&mut [u8; 512])) {
        let file = fs::File::options().read(true).write(true).open(&self.files[file]).unwrap();
        let mut head = [0; 512];
        file.read_exact_at(&mut head, 0).unwrap();
        change(&mut head);
        file.write_all_at(&head, 0).unwrap();
    }
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1)))
    })
}

#[test]
fn files_that_do_not_fit_are_refused_by_name_and_left_alone() {
    let storage = Storage::new();
    let one = storage.files[0].display().to_string();
    let two = storage.files[1].display().to_string();

    // Of another cluster: the files were made without a name, so they get one first.
    let mut original = [0; 512];
    storage.patch(0, |head| {
        original = *head;
        head[72] = 5;
        head[73..78].copy_from_slice(b"other");
        let checksum = crc32c(&head[..508]);
        head[508..].copy_from_slice(&checksum.to_le_bytes());
    });
    storage
        .refuses(&["--set", "service.cluster-name=mine"], &[&one, "belongs to cluster 'other', not 'mine'"]);
    // Of a later version.
    storage.patch(0, |head| {
        head[8] = 9;
        let checksum = crc32c(&head[..508]);
        head[508..].copy_from_slice(&checksum.to_le_bytes());
    });
    storage.refuses(&[], &[&one, "format version 9"]);
    // Damaged, zeroed, something else.
    storage.patch(0, |head| head[20] ^= 1);
    storage.refuses(&[], &[&one, "checksum does not match"]);
    storage.patch(0, |head| head.fill(0));
    storage.refuses(&[], &[&one, "its header is zero"]);
    storage.patch(0, |head| head.fill(b'x'));
    storage.refuses(&[], &[&one, "not a device of Shipload's"]);
    storage.patch(0, |head| *head = original);

    // Of another namespace.
    let other = storage.namespace.replacen("test:", "bar:", 1);
    storage.refuses_as(
        serve(&storage.data, &["--namespace", &other]),
        &["belongs to namespace 'test', not 'bar'"],
    );

    // One of two is not there, is not named, or is another one's.
    let away = storage.files[1].with_extension("away");
    fs::rename(&storage.files[1], &away).unwrap();
    storage.refuses(&[], &[&two, "is not there, but", &one]);
    let alone = storage.namespace.replace(&format!(":storage-engine.file={two}"), "");
    storage.refuses_as(
        serve(&storage.data, &["--namespace", &alone]),
        &[&one, "is one of 2 devices, 1 are given"],
    );
    fs::copy(&storage.files[0], &storage.files[1]).unwrap();
    storage.refuses(&[], &["is one of 2 devices"]);
    fs::rename(&away, &storage.files[1]).unwrap();

    // Truncated.
    let size = fs::metadata(&storage.files[1]).unwrap().len();
    let whole = fs::read(&storage.files[1]).unwrap();
    fs::File::options().write(true).open(&storage.files[1]).unwrap().set_len(size / 2).unwrap();
    storage.refuses(&[], &[&two, "it was truncated"]);
    fs::write(&storage.files[1], whole).unwrap();

    // And after all that everything is there.
    let node = storage.start();
    assert!((0..50).all(|key| node.get(key) == Some(1000)));
    node.stop();
}

#[test]
fn a_key_is_needed_and_only_the_right_one_opens() {
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str, byte: u8| {
        let path = folder.path().join(name);
        fs::write(&path, [byte; 32]).unwrap();
        path.display().to_string()
    };
    let (right, wrong, short) = (key("right", 1), key("wrong", 2), folder.path().join("short"));
    fs::write(&short, "short").unwrap();
    let data = folder.path().join("data");
    let namespace = |key: &str| {
        let base =
            "test:storage-engine.filesize=8M:storage-engine.compression=zstd:storage-engine.direct-files=";
        // Not every file system has direct input and output; that of the test may be in memory.
        let direct = !Command::new("stat")
            .args(["-fc", "%T"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.stdout.starts_with(b"tmpfs"));
        match key {
            "" => format!("{base}{direct}"),
            key => format!("{base}{direct}:storage-engine.encryption-key-file={key}"),
        }
    };
    let node = Node::start(&data, &["--namespace", &namespace(&right)]);
    assert!((0..50).all(|key| node.put(key, 5000) == ResultCode::Ok));
    node.stop();
    let clear = fs::read(data.join("test.records")).unwrap();
    assert!(!clear.windows(64).any(|bytes| bytes.iter().all(|&byte| byte == 7)), "a value lies in clear");
    let refuses = |key: &str, word: &str| {
        let before = content(&data);
        let text = refused(serve(&data, &["--namespace", &namespace(key)]));
        assert!(text.contains(word), "{text}");
        assert!(content(&data) == before, "something was changed");
    };
    refuses("", "is encrypted, and no encryption-key-file is given");
    refuses(&wrong, "encrypted with another key");
    refuses(&short.display().to_string(), "too few for a key");
    let node = Node::start(&data, &["--namespace", &namespace(&right)]);
    assert!((0..50).all(|key| node.get(key) == Some(5000)));
    node.stop();
}

#[test]
fn an_index_of_a_clean_stop_is_used_and_one_of_another_state_is_not() {
    let storage = Storage::new();
    let index = storage.data.join("test.index");
    let first = fs::read(&index).unwrap();
    let node = storage.start();
    node.says("index loaded, as it was written down");
    assert!((0..50).all(|key| node.get(key) == Some(1000)));
    node.stop();
    // Nothing was written, so it counts again; then something is, and the process dies.
    let node = storage.start();
    node.says("index loaded, as it was written down");
    assert_eq!(node.put(0, 77), ResultCode::Ok);
    // What is written is there after the flush interval.
    let records = || fs::read(&storage.files[0]).unwrap()[4096..4104].iter().all(|&byte| byte == 0);
    let until = std::time::Instant::now() + PATIENCE;
    while !records() && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(node);
    fs::write(&index, &first).unwrap();
    let node = storage.start();
    node.says("it is of another state of the devices; all records are read instead");
    assert!((1..50).all(|key| node.get(key) == Some(1000)));
    node.stop();
    // A damaged one and half of one.
    let whole = fs::read(&index).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (bytes, word) in
        [(damaged, "its checksum does not match"), (whole[..whole.len() / 2].to_vec(), "cut off")]
    {
        fs::write(&index, bytes).unwrap();
        let node = storage.start();
        node.says(word);
        assert!((1..50).all(|key| node.get(key) == Some(1000)));
        drop(node);
    }
}

/// A file system in memory of its own, where the machine lets us have one.
struct Mount(PathBuf);

impl Mount {
    fn new(folder: &Path, options: &str) -> Option<Mount> {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        if !mounted {
            println!("not shown here: this machine lets us mount nothing");
        }
        mounted.then(|| Mount(folder.to_owned()))
    }

    fn again(&self, options: &str) {
        let mut mount = Command::new("mount");
        assert!(mount.args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_writes_are_refused_reads_go_on_and_room_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(&folder.path().join("disk"), "size=24M") else { return };
    let ballast = mount.0.join("ballast");
    fs::write(&ballast, vec![1; 12 << 20]).unwrap();
    let namespace = "test:storage-engine.filesize=64M:storage-engine.commit-to-device=true";
    let data = mount.0.join("data");
    let node = Node::start(&data, &["--namespace", namespace]);
    // It goes on without one.
    node.says("no commit journal");
    let mut kept = Vec::new();
    // The reply of a write that can't be kept is not sent; the connection closes instead.
    let fills = |key: u8| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| node.put(key, 200_000)));
    let mut full = false;
    for key in 0..200u8 {
        match fills(key) {
            Ok(ResultCode::Ok) => kept.push(key),
            Ok(ResultCode::ServerFull) | Err(_) => {
                full = true;
                break;
            }
            Ok(other) => panic!("{other:?}"),
        }
    }
    assert!(full, "the disk is never full");
    node.says("no space left on the device; writes are refused");
    assert!(kept.iter().all(|&key| node.get(key) == Some(200_000)), "reads go on");
    assert_eq!(node.put(201, 10), ResultCode::ServerFull);
    fs::remove_file(&ballast).unwrap();
    node.says("there is room on the device again");
    let until = std::time::Instant::now() + PATIENCE;
    while node.put(202, 10) != ResultCode::Ok {
        assert!(std::time::Instant::now() < until, "writes are never taken again");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(node);
    let node = Node::start(&data, &["--namespace", namespace]);
    assert!(kept.iter().all(|&key| node.get(key) == Some(200_000)), "and nothing is lost");
    assert_eq!(node.get(202), Some(10));
}

#[test]
fn what_was_committed_is_in_the_journal_which_is_needed_after_a_crash_only() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let namespace = "test:storage-engine.filesize=8M:storage-engine.commit-to-device=true";
    let namespace = format!("{namespace}:storage-engine.flush-max-ms=600000");
    let flags = ["--namespace", namespace.as_str()];
    let start = |data: &Path| {
        let node = Node::start(data, &flags);
        (0..50).for_each(|key| assert_eq!(node.put(key, 1000 + usize::from(key)), ResultCode::Ok));
        node
    };
    let has_all = |node: &Node| (0..50).all(|key| node.get(key) == Some(1000 + usize::from(key)));
    let refuses = |word: &str| {
        let before = content(&data);
        let text = refused(serve(&data, &flags));
        assert!(text.contains(word), "{text}");
        assert!(content(&data) == before, "something was changed");
    };
    let node = start(&data);
    node.says("commit journal made");
    drop(node);
    // The machine died as well: of what was not synced in its place, nothing is there.
    let records = fs::File::options().write(true).open(data.join("test.records")).unwrap();
    records.write_all_at(&vec![0; 7 << 20], 1 << 20).unwrap();
    let (journal, away) = (data.join("test.journal"), folder.path().join("away"));
    fs::rename(&journal, &away).unwrap();
    refuses("the commit journal with its last writes is not there");
    let other = folder.path().join("other");
    drop(start(&other));
    fs::copy(other.join("test.journal"), &journal).unwrap();
    refuses("is the commit journal of other devices");
    fs::write(&journal, vec![0; 16 << 20]).unwrap();
    refuses("is no commit journal of Shipload's, or is damaged");
    fs::rename(&away, &journal).unwrap();
    let node = Node::start(&data, &flags);
    node.says("last commits put in their place");
    assert!(has_all(&node));
    node.stop();
    // After that nobody needs it.
    fs::remove_file(&journal).unwrap();
    let node = Node::start(&data, &flags);
    assert!(has_all(&node));
    assert_eq!(node.put(77, 10), ResultCode::Ok);
    drop(node);
    // Lost for good: somebody has to say so.
    fs::remove_file(&journal).unwrap();
    refuses("the commit journal with its last writes is not there");
    fs::write(data.join("test.journal.lost"), "").unwrap();
    let node = Node::start(&data, &flags);
    node.says("started without the journal");
    assert!(has_all(&node));
    node.stop();
    assert!(!data.join("test.journal.lost").exists() && journal.exists());
    // The records are gone, and the journal says that there were some.
    fs::remove_file(data.join("test.records")).unwrap();
    refuses("test.records: is not there, but");
}

#[test]
fn a_read_only_disk_and_wrong_permissions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(mount) = Mount::new(&folder.path().join("disk"), "size=24M") {
        let data = mount.0.join("data");
        let flags = ["--namespace", "test:storage-engine.filesize=8M"];
        let node = Node::start(&data, &flags);
        assert_eq!(node.put(1, 100), ResultCode::Ok);
        node.stop();
        mount.again("ro");
        let text = refused(serve(&data, &flags));
        assert!(text.contains("Read-only file system"), "{text}");
        mount.again("rw");
        let node = Node::start(&data, &flags);
        assert_eq!(node.get(1), Some(100));
        node.stop();
    }
    // Root may read everything, so somebody else tries.
    let data = folder.path().join("data");
    Node::start(&data, &["--namespace", "test:storage-engine.filesize=8M"]).stop();
    let before = content(&data);
    let mut command;
    if rustix::process::geteuid().is_root() {
        let binary = folder.path().join("shipload");
        fs::copy(BINARY, &binary).unwrap();
        for path in [folder.path(), &data, &binary] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&binary);
    } else {
        fs::set_permissions(data.join("lock"), fs::Permissions::from_mode(0o000)).unwrap();
        command = Command::new(BINARY);
    }
    add_flags(&mut command, &data, &["--namespace", "test:storage-engine.filesize=8M"]);
    let text = refused(command);
    assert!(text.contains("Permission denied") && text.contains("data"), "{text}");
    fs::set_permissions(data.join("lock"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(content(&data) == before, "something was changed");
}
