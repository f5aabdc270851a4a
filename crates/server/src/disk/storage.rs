//! Opening the storage that the configuration names: data directory, files, devices.
//!
//! Guarantees: what is there is opened and checked before anything is written; what is not there is made under another
//! name and gets its own only when it is whole. Either all devices of a namespace are made or none.

use super::file::{self, FileDisk, Kind, io_error};
use super::small::{beside, sync_directory};
use super::{DataDirectory, StorageError, journal, key, load, snapshot};
use shipload_node::Node;
use shipload_node::config::{Config, NamespaceConfig, NamespaceKey, ServiceKey};
use shipload_store::{Disk, Key, Owner, Volume};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a file whose size nothing else says.
const FILE_BYTES: u64 = 1 << 30;

/// The opened storage of a node.
#[derive(Debug)]
pub(crate) struct Storage {
    directory: Option<DataDirectory>,
    /// For each namespace its volume; none in memory.
    volumes: Vec<Option<Opened>>,
}

/// The volume of a namespace, and where the index of a clean stop lies.
#[derive(Debug)]
struct Opened {
    volume: Arc<Volume>,
    /// None where there is no directory to put it: on raw devices without a data directory.
    snapshot: Option<PathBuf>,
}

impl Storage {
    /// Opens what the configuration names, and makes what is not there yet.
    pub(crate) fn open(config: &Config) -> Result<Storage, StorageError> {
        let path = config.service.text(ServiceKey::DataDirectory);
        let directory = (!path.is_empty()).then(|| DataDirectory::take(Path::new(&path))).transpose()?;
        let cluster = match config.service.text(ServiceKey::ClusterName) {
            name if name == "null" => String::new(),
            name => name,
        };
        let open = |namespace: &Arc<NamespaceConfig>| {
            let owner = Owner { namespace: namespace.name().to_owned(), cluster: cluster.clone() };
            let paths = paths(namespace, directory.as_ref());
            let on_device = namespace.keys.text(NamespaceKey::StorageEngine) == "device";
            match (paths.is_empty(), on_device) {
                (true, true) => Err(StorageError::NoDevice(namespace.name().to_owned())),
                (true, false) => Ok(None),
                (false, _) => {
                    let snapshot = snapshot_path(namespace, &paths, directory.as_ref());
                    let journal =
                        directory.as_ref().map(|directory| journal::path(directory.path(), namespace.name()));
                    let volume = volume(namespace, &paths, &owner, journal.as_deref())?;
                    Ok(Some(Opened { volume, snapshot }))
                }
            }
        };
        let volumes = config.namespaces().iter().map(open).collect::<Result<_, _>>()?;
        Ok(Storage { directory, volumes })
    }

    /// The node's data directory, if it has one.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(DataDirectory::path)
    }

    /// Puts the node's namespaces on their volumes and loads their records.
    pub(crate) fn attach(&self, node: &Node) -> Result<(), StorageError> {
        for (namespace, volume) in node.namespaces().iter().zip(&self.volumes) {
            if let Some(Opened { volume, snapshot }) = volume {
                load::load(namespace, volume, snapshot.as_deref())?;
            }
        }
        Ok(())
    }

    /// Nobody writes any more and everything is flushed: writes down the index of each namespace for the next start.
    /// Where that does not work out, the next start scans the records.
    pub(crate) fn describe(&self, node: &Node) {
        for (namespace, opened) in node.namespaces().iter().zip(&self.volumes) {
            let Some(Opened { volume, snapshot: Some(path) }) = opened else { continue };
            // When nothing was written since the start, what is there is still right.
            if volume.mark().is_some() || !namespace.may_be_described() {
                continue;
            }
            if let Err(error) = snapshot::store(namespace, volume, path) {
                let path = path.display();
                tracing::warn!(
                    namespace = namespace.name,
                    "{path}: {error}; the next start reads all records"
                );
            }
        }
    }
}

/// Where a namespace's records lie; nothing for memory alone.
fn paths(namespace: &NamespaceConfig, directory: Option<&DataDirectory>) -> Vec<PathBuf> {
    let given = |key| namespace.keys.list(key).into_iter().map(PathBuf::from);
    let mut paths: Vec<PathBuf> = given(NamespaceKey::File).chain(given(NamespaceKey::Device)).collect();
    if let (true, Some(directory)) = (paths.is_empty(), directory) {
        paths.push(directory.path().join(format!("{}.records", namespace.name())));
    }
    paths
}

/// Where the index of a clean stop lies: in the data directory, or beside the first file.
fn snapshot_path(
    namespace: &NamespaceConfig,
    paths: &[PathBuf],
    directory: Option<&DataDirectory>,
) -> Option<PathBuf> {
    if let Some(directory) = directory {
        return Some(directory.path().join(format!("{}.index", namespace.name())));
    }
    let first = namespace.keys.list(NamespaceKey::File).first().map(PathBuf::from);
    let first = first.filter(|first| paths.contains(first))?;
    let mut name = first.file_name().unwrap_or_default().to_owned();
    name.push(".index");
    Some(first.with_file_name(name))
}

fn volume(
    namespace: &NamespaceConfig,
    paths: &[PathBuf],
    owner: &Owner,
    journal: Option<&Path>,
) -> Result<Arc<Volume>, StorageError> {
    let key_file = namespace.keys.text(NamespaceKey::EncryptionKeyFile);
    let key = (!key_file.is_empty()).then(|| key::read(Path::new(&key_file))).transpose()?;
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        match file::kind(path)? {
            Kind::Nothing => missing.push(path),
            Kind::File => there.push((path, FileDisk::open(path, is_direct(namespace, false))?)),
            Kind::Device => {
                let disk = FileDisk::open(path, is_direct(namespace, true))?;
                // A blank device counts as not there: it is made one of ours.
                if disk.is_blank(path)? { missing.push(path) } else { there.push((path, disk)) }
            }
        }
    }
    if let (Some((there, _)), Some(missing)) = (there.first(), missing.first()) {
        let (missing, there) = (missing.to_path_buf(), there.to_path_buf());
        return Err(StorageError::Missing { missing, there });
    }
    if let (Some(missing), Some(journal)) = (missing.first(), journal.filter(|path| path.exists())) {
        // Of records that were there once, and may be somewhere still.
        let (missing, there) = (missing.to_path_buf(), journal.to_owned());
        return Err(StorageError::Missing { missing, there });
    }
    let disks = if missing.is_empty() {
        there.into_iter().map(|(_, disk)| Box::new(disk) as Box<dyn Disk>).collect()
    } else {
        make(namespace, &missing, owner, key.as_ref())?
    };
    let given = journal::given(journal)?;
    let volume = Volume::open_journaled(disks, owner, random(1), key.as_ref(), given)?;
    if let Some(journal) = journal {
        journal::settle(&volume, namespace.name(), journal, namespace.flag(NamespaceKey::CommitToDevice))?;
    }
    Ok(Arc::new(volume))
}

/// Whether blocks go past the page cache.
fn is_direct(namespace: &NamespaceConfig, device: bool) -> bool {
    if device {
        !namespace.flag(NamespaceKey::ReadPageCache)
    } else {
        namespace.flag(NamespaceKey::DirectFiles)
    }
}

/// Makes the devices of a new volume.
fn make(
    namespace: &NamespaceConfig,
    paths: &[&PathBuf],
    owner: &Owner,
    key: Option<&Key>,
) -> Result<Vec<Box<dyn Disk>>, StorageError> {
    let size = match (namespace.number(NamespaceKey::Filesize), namespace.number(NamespaceKey::DataSize)) {
        (0, 0) => FILE_BYTES,
        (0, share) => (share / paths.len() as u64) >> 20 << 20,
        (size, _) => size,
    };
    let mut disks: Vec<Box<dyn Disk>> = Vec::new();
    for path in paths {
        let device = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let direct = is_direct(namespace, device);
        let disk = if device { FileDisk::open(path, direct) } else { FileDisk::create(path, size, direct) };
        disks.push(Box::new(disk?));
    }
    let id = (u128::from(random(2)) << 64) | u128::from(random(3));
    let formatted = Volume::format_with(&disks, id.to_le_bytes(), owner, key);
    for path in paths.iter().filter(|path| beside(path).exists()) {
        if formatted.is_err() {
            // It was made a moment ago and holds nothing.
            let _ = fs::remove_file(beside(path));
            continue;
        }
        let named = fs::rename(beside(path), path).and_then(|()| sync_directory(path));
        named.map_err(|error| io_error(path, error))?;
    }
    formatted?;
    tracing::info!(namespace = owner.namespace, devices = paths.len(), "new storage made");
    Ok(disks)
}

/// Random bits: the standard library seeds its hash tables with them.
fn random(number: u64) -> u64 {
    RandomState::new().hash_one(number)
}
