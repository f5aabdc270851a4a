//! `docs/benchmarks.md`: measured tables between marks, each with the command and the machine that it comes from.

use anyhow::{Context, Result};

use crate::workspace;

/// The document, relative to the root.
const DOCUMENT: &str = "docs/benchmarks.md";

/// Puts a table between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, below its command and this machine.
pub(crate) fn write(name: &str, tables: &str) -> Result<()> {
    let path = workspace::root().join(DOCUMENT);
    let document = std::fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--write").collect();
    let text = section(&arguments.join(" "), &machine(), tables);
    let replaced = replace(&document, name, &text).with_context(|| DOCUMENT.to_owned())?;
    std::fs::write(&path, replaced).with_context(|| format!("cannot write {DOCUMENT}"))?;
    println!("{DOCUMENT} is brought up to date");
    Ok(())
}

/// What ran, on what, and the tables.
fn section(arguments: &str, machine: &str, tables: &str) -> String {
    format!("Printed by `cargo xtask {arguments}` on {machine}.\n\n{}\n", tables.trim())
}

fn replace(document: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) =
        document.split_once(&begin).with_context(|| format!("there is no line `{begin}`"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("there is no line `{end}`"))?;
    Ok(format!("{before}{begin}\n\n{text}\n{end}{after}"))
}

/// This machine in one line; what it does not tell is left out.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(|rest| rest.trim_start_matches([' ', '\t', ':', '=']).trim().trim_matches('"').to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = after(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.trim_end_matches("kB").trim().parse::<u64>().ok())
        .map(|kilobytes| format!("{} GiB", kilobytes.div_ceil(1 << 20)));
    let release = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let parts = [
        after(&read("/proc/cpuinfo"), "model name"),
        Some(format!("{cores} cores")),
        memory,
        (!release.is_empty()).then(|| format!("Linux {release}")),
        after(&read("/etc/os-release"), "PRETTY_NAME"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_between_its_marks() {
        let document = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n<!-- y:begin -->\n<!-- y:end -->\n";
        let text = section("bench x", "a machine", "| 1 |\n");
        let replaced = replace(document, "x", &text).unwrap();
        assert!(
            replaced.starts_with("a\n<!-- x:begin -->\n\nPrinted by `cargo xtask bench x` on a machine.")
        );
        assert!(replaced.contains("| 1 |\n\n<!-- x:end -->\nb\n<!-- y:begin -->"), "{replaced}");
        assert!(!replaced.contains("old"));
        assert_eq!(replace(&replaced, "x", &text).unwrap(), replaced);
        assert!(replace(document, "z", &text).is_err());
    }

    #[test]
    fn the_document_has_both_marks() {
        let document = std::fs::read_to_string(workspace::root().join(DOCUMENT)).unwrap();
        for name in [crate::bench_index::MARK, crate::bench_records::MARK, crate::bench_web::MARK] {
            replace(&document, name, "x").unwrap();
        }
    }

    #[test]
    fn the_machine_has_cores() {
        assert!(machine().contains(" cores"), "{}", machine());
    }
}
