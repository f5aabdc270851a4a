//! Registered modules: files of Lua functions, kept by name.
//!
//! Guarantees: what `udf-put` stored is what `udf-get` gives back, and it is listed from the moment the answer leaves. The
//! generation moves with every change, so that whoever holds compiled modules knows when they are stale.

use parking_lot::RwLock;
use sha1::{Digest as _, Sha1};
use shipload_lua::Library;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One registered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFile {
    /// The source text.
    pub content: Arc<[u8]>,
    /// 40 hexadecimal digits, as `udf-list` shows them: SHA-1 of name and content.
    pub hash: String,
}

/// All registered files of the node.
#[derive(Debug, Default)]
pub struct Modules {
    files: RwLock<BTreeMap<String, Arc<ModuleFile>>>,
    generation: AtomicU64,
}

impl Modules {
    /// Registers a file, instead of the one that had the name.
    pub fn put(&self, name: &str, content: &[u8]) {
        let hash = hash(name, content);
        let mut files = self.files.write();
        files.insert(name.to_owned(), Arc::new(ModuleFile { content: content.into(), hash }));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The file with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<ModuleFile>> {
        self.files.read().get(name).cloned()
    }

    /// Forgets a file; whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let mut files = self.files.write();
        let removed = files.remove(name).is_some();
        self.generation.fetch_add(1, Ordering::Release);
        removed
    }

    /// All files by name.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Arc<ModuleFile>)> {
        self.files.read().iter().map(|(name, file)| (name.clone(), Arc::clone(file))).collect()
    }
}

impl Library for Modules {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Modules are named without the extension of their files.
    fn source(&self, module: &str) -> Option<Arc<[u8]>> {
        self.get(&format!("{module}.lua")).map(|file| Arc::clone(&file.content))
    }
}

/// The name is part of it: equal content has another hash under another name, as on the real server.
fn hash(name: &str, content: &[u8]) -> String {
    let mut sha = Sha1::new();
    sha.update(name.as_bytes());
    sha.update(content);
    sha.finalize().iter().fold(String::with_capacity(40), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::Modules;
    use shipload_lua::Library as _;

    #[test]
    fn files_are_kept_by_name() {
        let modules = Modules::default();
        modules.put("b.lua", b"x");
        modules.put("a.lua", b"x");
        let list = modules.list();
        assert_eq!(list.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a.lua", "b.lua"]);
        assert_ne!(list[0].1.hash, list[1].1.hash);
        assert!(list.iter().all(|(_, file)| file.hash.len() == 40));
        let before = modules.generation();
        assert!(modules.remove("a.lua"));
        assert!(!modules.remove("a.lua"));
        assert_ne!(modules.generation(), before);
        assert!(modules.get("a.lua").is_none());
        assert_eq!(&*modules.get("b.lua").unwrap().content, b"x");
    }
}
