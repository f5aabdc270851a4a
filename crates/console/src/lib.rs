//! The console: the pages that a node shows to people, embedded in the binary.
//!
//! Plain modules and one style sheet, no build step and nothing from elsewhere, so that they work in a network without
//! a way out. They show figures that every user of the API has; nothing here has an access of its own.

/// A file as it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its path below the console's root.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// Its content.
    pub content: &'static [u8],
    /// Changes with the content.
    pub tag: u64,
}

macro_rules! files {
    ($($kind:literal $path:literal)*) => {
        const FILES: &[File] = &[$({
            const CONTENT: &[u8] = include_bytes!(concat!("../static/", $path));
            File { path: $path, kind: $kind, content: CONTENT, tag: hash(CONTENT) }
        }),*];
    };
}

files! {
    "text/html; charset=utf-8" "index.html"
    "text/css; charset=utf-8" "style.css"
    "image/svg+xml" "icon.svg"
    "text/javascript; charset=utf-8" "api.js"
    "text/javascript; charset=utf-8" "app.js"
    "text/javascript; charset=utf-8" "chart.js"
    "text/javascript; charset=utf-8" "client.js"
    "text/javascript; charset=utf-8" "dom.js"
    "text/javascript; charset=utf-8" "page-api.js"
    "text/javascript; charset=utf-8" "page-data.js"
    "text/javascript; charset=utf-8" "page-indexes.js"
    "text/javascript; charset=utf-8" "page-jobs.js"
    "text/javascript; charset=utf-8" "page-live.js"
    "text/javascript; charset=utf-8" "page-modules.js"
    "text/javascript; charset=utf-8" "page-nodes.js"
    "text/javascript; charset=utf-8" "page-overview.js"
    "text/javascript; charset=utf-8" "page-partitions.js"
    "text/javascript; charset=utf-8" "page-slow.js"
    "text/javascript; charset=utf-8" "page-sql.js"
    "text/javascript; charset=utf-8" "page-start.js"
}

/// FNV-1a; it tells versions of a file apart and protects nothing.
const fn hash(content: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut place = 0;
    while place < content.len() {
        hash = (hash ^ content[place] as u64).wrapping_mul(0x0100_0000_01b3);
        place += 1;
    }
    hash
}

/// The file with this path.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

/// All files.
#[must_use]
pub fn files() -> &'static [File] {
    FILES
}
