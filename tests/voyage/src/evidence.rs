//! What is kept when a step fails, before the engines end: logs of all containers, and what the nodes say.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::docker::Docker;
use crate::engines::Engines;

/// Commands whose answers tell why nothing moves.
const QUESTIONS: [&[&str]; 6] = [
    &["info"],
    &["info", "-v", "statistics", "-l"],
    &["info", "-v", "namespace/test", "-l"],
    &["info", "-v", "peers-clear-std"],
    &["info", "-v", "partition-info"],
    &["aql", "-c", "show namespaces"],
];

/// Writes it into `folder`, whatever can be had; what an engine refuses to tell is written down as such.
pub(crate) fn keep(engines: &Engines, why: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("why"), format!("{why}\n"))?;
    for engine in engines.iter() {
        let name = engine.name();
        fs::copy(engine.log(), folder.join(format!("{name}.log")))?;
        if !engine.is_on() {
            continue;
        }
        let docker = &engine.docker;
        let mut text = String::new();
        for words in [
            &["ps", "-a", "--no-trunc"][..],
            &["service", "ls"],
            &["node", "ls"],
            &["stack", "ps", "--no-trunc", "prod"],
        ] {
            text.push_str(&part(docker, words));
        }
        fs::write(folder.join(format!("{name}.engine")), text)?;
        let listed = docker.run(&["ps", "-a", "--format", "{{.ID}} {{.Names}}"]).unwrap_or_default();
        for line in listed.lines() {
            let Some((id, container)) = line.split_once(' ') else { continue };
            let said =
                docker.run_both(&["logs", "--timestamps", id]).unwrap_or_else(|error| format!("{error:#}"));
            fs::write(folder.join(format!("{name}.{container}.log")), said)?;
            let mut text = String::new();
            for question in QUESTIONS {
                let mut words = vec!["exec", id, "/shipload"];
                words.extend(question);
                text.push_str(&part(docker, &words));
            }
            fs::write(folder.join(format!("{name}.{container}.info")), text)?;
        }
    }
    eprintln!("voyage: logs and what the nodes said lie in {}", folder.display());
    Ok(())
}

fn part(docker: &Docker, words: &[&str]) -> String {
    let said = docker.run_both(words).unwrap_or_else(|error| format!("{error:#}"));
    format!("$ docker {}\n{said}\n", words.join(" "))
}
