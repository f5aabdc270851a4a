//! What a stack file says about sizes: the only thing that is read of it here, everything else is Docker's business.

use std::collections::BTreeMap;

use shipload_fleet::engine::ServiceSeen;

/// How many tasks each service begins with, by the name that it has in the file.
pub(super) fn sizes(text: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let (mut inside, mut child, mut service, mut deploy) = (false, None, String::new(), None);
    for line in text.lines() {
        let word = line.trim();
        if word.is_empty() || word.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if indent == 0 {
            (inside, child) = (word == "services:", None);
            continue;
        }
        if !inside {
            continue;
        }
        if indent == *child.get_or_insert(indent) {
            service = word.trim_end_matches(':').to_owned();
            found.insert(service.clone(), 1);
            deploy = None;
        } else if word == "deploy:" {
            deploy = Some(indent);
        } else if let Some(flow) = word.strip_prefix("deploy:") {
            // All of it on one line, in braces.
            let mut words = flow.split(['{', '}', ',']).map(str::trim);
            if let Some(count) = words.find_map(|word| word.strip_prefix("replicas:")?.trim().parse().ok()) {
                found.insert(service.clone(), count);
            }
        } else if deploy.is_some_and(|outer| indent <= outer) {
            deploy = None;
        } else if let (Some(_), Some(count)) = (deploy, word.strip_prefix("replicas:"))
            && let Ok(count) = count.trim().parse()
        {
            found.insert(service.clone(), count);
        }
    }
    found
}

/// The databases that Docker would end nodes of, all at once and without asking them: what runs now, and what the file
/// says.
pub(super) fn shrunk<'a>(
    sizes: &BTreeMap<String, u64>,
    stack: &str,
    services: &'a [ServiceSeen],
) -> Vec<(&'a str, u64, u64)> {
    let of = |service: &'a ServiceSeen| {
        let name = service.name.strip_prefix(stack)?.strip_prefix('_')?;
        let (now, wanted) = (service.replicas?, *sizes.get(name)?);
        (service.is_database() && wanted < now).then_some((service.name.as_str(), now, wanted))
    };
    services.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::{shrunk, sizes};
    use shipload_fleet::engine::ServiceSeen;
    use std::collections::BTreeMap;

    #[test]
    fn the_file_of_the_tree_begins_with_one_of_each() {
        let found = sizes(include_str!("../../../../deploy/stack.yaml"));
        let wanted = [("db", 1), ("haproxy", 1), ("web", 1)];
        assert_eq!(found, wanted.map(|(name, count)| (name.to_owned(), count)).into());
        let found = sizes(
            "services:\n  a:\n    deploy:\n      placement:\n        max: 1\n      replicas: 4\n  b:\n    image: x\nvolumes:\n  c:\n",
        );
        assert_eq!(found, [("a".to_owned(), 4), ("b".to_owned(), 1)].into());
        let found = sizes("services:\n  a:\n    deploy: {labels: {x: y}, replicas: 3}\n    image: x\n");
        assert_eq!(found, [("a".to_owned(), 3)].into(), "on one line");
    }

    #[test]
    fn databases_that_would_shrink_are_named() {
        let service = |name: &str, role: &str| ServiceSeen {
            name: name.to_owned(),
            replicas: Some(3),
            max_per_engine: None,
            labels: [("shipload.role".to_owned(), role.to_owned())].into(),
            image: String::new(),
            networks: Vec::new(),
            environment: BTreeMap::new(),
        };
        let services =
            [service("prod_db", "database"), service("prod_web", "web"), service("test_db", "database")];
        let sizes = [("db".to_owned(), 1), ("web".to_owned(), 1)].into();
        assert_eq!(shrunk(&sizes, "prod", &services), [("prod_db", 3, 1)]);
    }
}
