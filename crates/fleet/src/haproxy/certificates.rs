//! Certificates that labels name. One that can't be used must not keep the load balancer from anything else, and a new
//! one in the place of an old one is to be loaded.

use super::Balancer;
use crate::route::Desired;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// What was found out about each file or folder.
#[derive(Debug, Default)]
pub struct Certificates {
    known: BTreeMap<String, Known>,
}

/// One path: what was in it, and why it can't be used.
#[derive(Debug)]
struct Known {
    content: u64,
    refused: Option<String>,
}

/// Those that can be used, with a number that changes with their content.
pub type Usable = BTreeMap<String, u64>;

impl Certificates {
    /// Reads all that the routes name, and lets the program try those that are new; the usable ones, and for each other
    /// one a line that says why.
    pub fn look(&mut self, balancer: &Balancer, desired: &Desired) -> (Usable, Vec<String>) {
        let named: BTreeSet<&str> =
            desired.backends.values().filter_map(|backend| backend.route.certificate.as_deref()).collect();
        self.known.retain(|path, _| named.contains(path.as_str()));
        let (mut usable, mut refused) = (Usable::new(), Vec::new());
        for path in named {
            match self.examine(balancer, path) {
                Ok(content) => drop(usable.insert(path.to_owned(), content)),
                Err(why) => refused.push(format!("the certificate {path} is left out: {why}")),
            }
        }
        (usable, refused)
    }

    fn examine(&mut self, balancer: &Balancer, path: &str) -> Result<u64, String> {
        let content = content(Path::new(path)).map_err(|error| error.to_string())?;
        let known = match self.known.remove(path).filter(|known| known.content == content) {
            Some(known) => known,
            None => {
                let text = format!(
                    "frontend trial\n  mode http\n  timeout client 1s\n  bind *:443 ssl crt {path}\n"
                );
                Known {
                    content,
                    refused: balancer.check(&text).err().map(|error| reason(&error.to_string())),
                }
            }
        };
        let result = known.refused.clone().map_or(Ok(content), Err);
        self.known.insert(path.to_owned(), known);
        result
    }
}

/// The line of the program's words that says what is wrong.
fn reason(words: &str) -> String {
    let line = words.lines().find(|line| line.contains("bind *:443")).unwrap_or(words);
    line.rsplit_once("'bind *:443' : ").map_or(line, |(_, reason)| reason).trim().to_owned()
}

/// A number for what is in a file, in all files of a folder, and in the key beside a certificate.
fn content(path: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    if path.is_dir() {
        let mut files: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            hasher.write(file.as_os_str().as_encoded_bytes());
            hasher.write(&fs::read(file)?);
        }
    } else {
        hasher.write(&fs::read(path)?);
        let mut key = path.as_os_str().to_owned();
        key.push(".key");
        hasher.write(&fs::read(key).unwrap_or_default());
    }
    Ok(hasher.finish())
}
