//! Commands that begin with a backslash, and where statements end.

/// What the shell knows besides statements.
pub(super) const HELP: &str = "\
\\d           tables
\\d TABLE     columns of a table
\\dn          schemas
\\check       what is wrong with the cluster
\\timing      tell how long statements take, or stop it
\\?           this help
\\q           end
";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expanded {
    /// Run this.
    Statement(String),
    /// Switch timing.
    Timing,
    /// Show the help.
    Help,
    /// Nothing that is known.
    Unknown(String),
}

/// The statement that a command stands for.
pub(super) fn expand(text: &str) -> Expanded {
    let text = text.trim();
    if !text.starts_with('\\') {
        return Expanded::Statement(text.to_owned());
    }
    let mut words = text.trim_end_matches(';').split_whitespace();
    let quoted = |text: &str| text.replace('\'', "''");
    match (words.next().unwrap_or_default(), words.next()) {
        ("\\d" | "\\dt", None) => Expanded::Statement(
            "SELECT table_schema, table_name, table_type, number_of_shards, number_of_replicas \
             FROM information_schema.tables \
             WHERE table_schema NOT IN ('sys', 'information_schema', 'pg_catalog') ORDER BY 1, 2"
                .to_owned(),
        ),
        ("\\d", Some(name)) => {
            let (schema, table) = name.split_once('.').unwrap_or(("", name));
            let schema = if schema.is_empty() {
                String::new()
            } else {
                format!(" AND table_schema = '{}'", quoted(schema))
            };
            Expanded::Statement(format!(
                "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns \
                 WHERE table_name = '{}'{schema} ORDER BY ordinal_position",
                quoted(table)
            ))
        }
        ("\\dn", _) => {
            Expanded::Statement("SELECT schema_name FROM information_schema.schemata ORDER BY 1".to_owned())
        }
        ("\\check", _) => Expanded::Statement(
            "SELECT id, severity, passed, description FROM sys.checks ORDER BY id".to_owned(),
        ),
        ("\\timing", _) => Expanded::Timing,
        ("\\?", _) => Expanded::Help,
        (other, _) => Expanded::Unknown(format!("{other} is no command; \\? shows what there is")),
    }
}

/// The statements of a text: split at semicolons outside of quotes and comments. A line with a backslash is one by itself.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\\') if part.trim().is_empty() => {
                part.push(c);
                part.extend(std::iter::from_fn(|| chars.next_if(|c| *c != '\n')));
                parts.push(std::mem::take(&mut part));
            }
            (None, '-') if chars.peek() == Some(&'-') => {
                std::iter::from_fn(|| chars.next_if(|c| *c != '\n')).for_each(drop);
            }
            (None, ';') => parts.push(std::mem::take(&mut part)),
            (None, '\'' | '"') => {
                quote = Some(c);
                part.push(c);
            }
            (Some(open), _) if open == c => {
                quote = None;
                part.push(c);
            }
            _ => part.push(c),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The first word of a statement, in upper case.
pub(super) fn verb(statement: &str) -> String {
    statement.split_whitespace().next().unwrap_or_default().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::{Expanded, expand, split};

    #[test]
    fn statements_end_at_semicolons() {
        assert_eq!(split("select ';'; -- no; \n select 2"), ["select ';'", " \n select 2"]);
        assert_eq!(split("\\d t\nselect 1;"), ["\\d t", "\nselect 1"]);
        assert!(split(" ; ").is_empty());
    }

    #[test]
    fn commands_are_statements() {
        assert!(matches!(expand("\\d a'b"), Expanded::Statement(text) if text.contains("'a''b'")));
        assert_eq!(expand("select 1"), Expanded::Statement("select 1".to_owned()));
        assert!(matches!(expand("\\nope"), Expanded::Unknown(_)));
    }
}
