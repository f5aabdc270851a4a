//! Writes metrics in the text format of Prometheus, version 0.0.4.
//!
//! Guarantees: each family has HELP and TYPE once, its samples stand together, names and label values are
//! escaped as the format wants.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What kind of number a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// It only grows while the process lives.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }
}

#[derive(Debug)]
struct Family {
    help: String,
    kind: Type,
    samples: String,
}

/// Names and values of labels.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Families of metrics by name.
#[derive(Debug, Default)]
pub(super) struct Families(BTreeMap<String, Family>);

impl Families {
    /// Adds a sample to a family, which comes into being with its first one.
    pub(super) fn add(&mut self, name: &str, kind: Type, help: &str, labels: Labels<'_>, value: &str) {
        let name = clean(name);
        let family = self.family(&name, kind, help);
        sample(&mut family.samples, &name, labels, value);
    }

    /// Adds a histogram. `buckets`: upper bounds as text with the counts up to them, ascending, without `+Inf`.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        labels: Labels<'_>,
        buckets: &[(String, u64)],
        (count, sum): (u64, f64),
    ) {
        let name = clean(name);
        let samples = &mut self.family(&name, Type::Histogram, help).samples;
        let bucket = format!("{name}_bucket");
        let count = count.to_string();
        let infinite = ("+Inf", count.clone());
        let bounds = buckets.iter().map(|(bound, below)| (bound.as_str(), below.to_string()));
        for (bound, below) in bounds.chain([infinite]) {
            let mut labels = labels.to_vec();
            labels.push(("le", bound));
            sample(samples, &bucket, &labels, &below);
        }
        sample(samples, &format!("{name}_sum"), labels, &sum.to_string());
        sample(samples, &format!("{name}_count"), labels, &count);
    }

    fn family(&mut self, name: &str, kind: Type, help: &str) -> &mut Family {
        self.0.entry(name.to_owned()).or_insert_with(|| Family {
            help: help.replace('\\', "\\\\").replace('\n', "\\n"),
            kind,
            samples: String::new(),
        })
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (name, Family { help, kind, samples }) in &self.0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
            text.push_str(samples);
        }
        text
    }
}

fn sample(out: &mut String, name: &str, labels: Labels<'_>, value: &str) {
    out.push_str(name);
    for (place, (label, value)) in labels.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let open = if place == 0 { '{' } else { ',' };
        let _ = write!(out, "{open}{label}=\"{value}\"");
    }
    let close = if labels.is_empty() { "" } else { "}" };
    let _ = writeln!(out, "{close} {value}");
}

/// Only letters, digits and underscores may stand in a name.
fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Families, Type};

    #[test]
    fn families_stand_together_and_are_escaped() {
        let mut families = Families::default();
        families.add("a-b.c", Type::Gauge, "Help\nme.", &[("ns", "te\"st")], "1");
        families.add("z", Type::Counter, "Z.", &[], "5");
        families.add("a-b.c", Type::Gauge, "Help\nme.", &[("ns", "bar")], "2");
        families.histogram("h", "H.", &[("op", "read")], &[("0.001".to_owned(), 3)], (4, 0.25));
        let expected = "# HELP a_b_c Help\\nme.\n# TYPE a_b_c gauge\n\
            a_b_c{ns=\"te\\\"st\"} 1\na_b_c{ns=\"bar\"} 2\n\
            # HELP h H.\n# TYPE h histogram\n\
            h_bucket{op=\"read\",le=\"0.001\"} 3\nh_bucket{op=\"read\",le=\"+Inf\"} 4\n\
            h_sum{op=\"read\"} 0.25\nh_count{op=\"read\"} 4\n\
            # HELP z Z.\n# TYPE z counter\nz 5\n";
        assert_eq!(families.text(), expected);
    }
}
