//! Commands that begin with a backslash, and where statements end.

/// What the shell knows besides statements.
pub(super) const HELP: &str = "\
\\d           tables
\\d TABLE     columns of a table
\\dn          schemas
\\check       what is wrong with the cluster
\\timing      tell how long statements take, or stop it
\\format NAME table, csv, json or markdown
\\i FILE      statements of a file
\\?           this help
\\q           end
";

/// What completes after a backslash.
pub(super) const NAMES: [&str; 9] =
    ["\\d", "\\dt", "\\dn", "\\check", "\\timing", "\\format", "\\i", "\\?", "\\q"];

/// Whether a text can run: it is a command, or its last statement has ended, or there is nothing.
pub(super) fn is_whole(text: &str) -> bool {
    let (_, rest) = cut(text);
    rest.trim().is_empty()
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expanded {
    /// Run this.
    Statement(String),
    /// Switch timing.
    Timing,
    /// Show rows in this format from now on.
    Format(String),
    /// Run the statements of a file.
    File(String),
    /// Leave.
    Quit,
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
        ("\\format", Some(name)) => Expanded::Format(name.to_owned()),
        ("\\i", Some(file)) => Expanded::File(file.to_owned()),
        ("\\q", _) => Expanded::Quit,
        ("\\?", _) => Expanded::Help,
        (other, _) => Expanded::Unknown(format!("{other} is no command; \\? shows what there is")),
    }
}

/// The statements of a text: split at semicolons outside of quotes and comments. A line with a backslash is one by itself.
pub(super) fn split(text: &str) -> Vec<String> {
    let (mut parts, rest) = cut(text);
    parts.push(rest);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The statements that are ended, and what follows behind the last of them, without comments.
fn cut(text: &str) -> (Vec<String>, String) {
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
    (parts, part)
}

/// The first word of a statement, in upper case.
pub(super) fn verb(statement: &str) -> String {
    statement.split_whitespace().next().unwrap_or_default().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::{Expanded, expand, is_whole, split};

    #[test]
    fn statements_end_at_semicolons() {
        assert_eq!(split("select ';'; -- no; \n select 2"), ["select ';'", " \n select 2"]);
        assert_eq!(split("\\d t\nselect 1;"), ["\\d t", "\nselect 1"]);
        assert!(split(" ; ").is_empty());
    }

    #[test]
    fn enter_ends_only_what_is_whole() {
        for text in ["", "\\d", "\\d t", "select 1;", "select 1; select ';' ;", "-- nothing"] {
            assert!(is_whole(text), "{text}");
        }
        for text in ["select 1", "select ';", "select \"a;", "select 1; select 2", "select 1 -- ;\n"] {
            assert!(!is_whole(text), "{text}");
        }
    }

    #[test]
    fn commands_are_statements() {
        assert!(matches!(expand("\\d a'b"), Expanded::Statement(text) if text.contains("'a''b'")));
        assert_eq!(expand("select 1"), Expanded::Statement("select 1".to_owned()));
        assert!(matches!(expand("\\nope"), Expanded::Unknown(_)));
    }
}
