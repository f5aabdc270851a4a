//! A file of policies, for those who don't want labels: sections with a service's name, lines of `word = value`.
//!
//! ```toml
//! balancer = "http://stats:interlock@10.0.0.10/haproxy?stats"   # where requests of pages are counted
//! dry-run = true                                                # for all
//!
//! [web]
//! min = 2
//! max = 8
//! requests = 50
//! ```
//!
//! It is the plain part of TOML, so that editors know it. A service that has a section follows it and not its labels.

use super::{Policy, read};
use std::collections::BTreeMap;

/// The policies of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    /// Only say what would be changed, for all services.
    pub dry_run: bool,
    /// The address of a load balancer's statistics; empty for none.
    pub balancer: String,
    services: BTreeMap<String, Policy>,
}

impl File {
    /// Reads it.
    ///
    /// # Errors
    /// Which line can't be followed, or which section.
    pub fn parse(text: &str) -> Result<File, String> {
        let mut general: BTreeMap<&str, &str> = BTreeMap::new();
        let mut sections: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        let mut section = "";
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |why: &str| Err(format!("line {number}: {why}"));
            let line = uncommented(line);
            if line.is_empty() {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = unquoted(name.trim());
                if section.is_empty() || sections.insert(section, BTreeMap::new()).is_some() {
                    return wrong(&format!("the section '{section}' has no name, or is there already"));
                }
                continue;
            }
            let Some((word, value)) = line.split_once('=') else {
                return wrong(&format!("'{line}' has the wrong form; allowed: [SERVICE], or WORD = VALUE"));
            };
            let place = sections.get_mut(section).unwrap_or(&mut general);
            if place.insert(word.trim(), unquoted(value.trim())).is_some() {
                return wrong(&format!("{} is said twice", word.trim()));
            }
        }
        let mut file = File::default();
        for (word, value) in general {
            match (word, value) {
                ("dry-run", "true") => file.dry_run = true,
                ("dry-run", "false") => {}
                ("balancer", address) => address.clone_into(&mut file.balancer),
                _ => {
                    return Err(format!(
                        "{word} = {value} before the first section; allowed: dry-run, balancer"
                    ));
                }
            }
        }
        for (service, said) in sections {
            let policy = read(&said, "").map_err(|why| format!("[{service}]: {why}"))?;
            file.services.insert(service.to_owned(), policy);
        }
        Ok(file)
    }

    /// The policy for a service, named as in `shipload scale`: `web` also stands for `prod_web`.
    #[must_use]
    pub fn policy(&self, service: &str) -> Option<&Policy> {
        let behind = |name: &str| service.ends_with(&format!("_{name}"));
        let exact = self.services.get(service);
        exact.or_else(|| self.services.iter().find(|(name, _)| behind(name)).map(|(_, policy)| policy))
    }

    /// The names of its sections that stand for none of these services.
    pub fn strangers<'a>(&'a self, services: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let known =
            |name: &str| services.iter().any(|one| *one == name || one.ends_with(&format!("_{name}")));
        self.services.keys().map(String::as_str).filter(move |name| !known(name))
    }
}

/// A line without its comment; a hash inside of quotes is none.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    let end = line.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'#' && !quoted
    });
    end.and_then(|end| line.get(..end)).unwrap_or(line).trim()
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::File;

    const TEXT: &str = r#"
        balancer = "http://stats:x@10.0.0.10/haproxy?stats#a"  # with a hash
        dry-run = true
        [web]
        min = 2        # never fewer
        max = 8
        requests = 50
        cooldown-s = 30
        [prod_db]
        disk-pct = 70
        shrink-after-s = 900
    "#;

    #[test]
    fn sections_are_policies() {
        let file = File::parse(TEXT).expect("fine");
        assert!(file.dry_run && file.balancer.ends_with("stats#a"));
        let web = file.policy("prod_web").expect("there");
        assert_eq!((web.min, web.max, web.requests), (2, 8, Some(50.0)));
        assert_eq!((web.grow_after_ms, web.shrink_after_ms), (30_000, 30_000));
        let database = file.policy("prod_db").expect("there");
        assert_eq!((database.disk_pct, database.shrink_after_ms), (Some(70.0), 900_000));
        assert_eq!(file.policy("db"), None);
        assert_eq!(file.strangers(&["test_web"]).collect::<Vec<_>>(), ["prod_db"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let why = |text: &str| File::parse(text).expect_err("wrong");
        assert_eq!(
            why("[web]\nmin 3\n"),
            "line 2: 'min 3' has the wrong form; allowed: [SERVICE], or WORD = VALUE"
        );
        assert_eq!(why("[web]\nmin = 3\nmin = 4\n"), "line 3: min is said twice");
        assert!(why("[web]\n[web]\n").starts_with("line 2: the section 'web'"));
        assert!(why("[web]\ncpu = 3\n").starts_with("[web]: cpu is not known; there are: min, max, cpu-pct"));
        assert_eq!(
            why("[web]\nmin = 3\n"),
            "[web]: it has no target: cpu-pct, requests, memory-pct or disk-pct"
        );
        assert!(why("[web]\nmin = 9\nmax = 2\nrequests = 1\n").contains("min 9 is more than max 2"));
        assert!(why("frob = 1\n").contains("before the first section"));
    }
}
