//! Rows as text.

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// How rows look.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// Comma-separated, as RFC 4180 says
    Csv,
    /// One object a line
    Json,
    /// For documents
    Markdown,
}

impl Format {
    /// Rows in this format.
    pub(super) fn show(self, columns: &[String], rows: &[Vec<Value>]) -> String {
        match self {
            Format::Table => table(columns, rows),
            Format::Csv => csv(columns, rows),
            Format::Json => json(columns, rows),
            Format::Markdown => markdown(columns, rows),
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn table(columns: &[String], rows: &[Vec<Value>]) -> String {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|value| cell(value).replace('\n', "⏎")).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let wide = cells.iter().filter_map(|row| row.get(place)).map(|text| text.width()).max();
            wide.unwrap_or(0).max(name.width())
        })
        .collect();
    let line = |texts: &[String]| {
        let padded = texts
            .iter()
            .zip(&widths)
            .map(|(text, width)| format!("{text}{}", " ".repeat(width.saturating_sub(text.width()))));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule =
        format!("+{}+\n", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("+"));
    let body: String = cells.iter().map(|row| line(row)).collect();
    let word = if rows.len() == 1 { "row" } else { "rows" };
    format!("{rule}{}{rule}{body}{rule}{} {word}\n", line(columns), rows.len())
}

fn csv(columns: &[String], rows: &[Vec<Value>]) -> String {
    let quoted = |text: String| {
        if text.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let field = |value: &Value| if value.is_null() { String::new() } else { quoted(cell(value)) };
    let mut out = columns.iter().cloned().map(quoted).collect::<Vec<_>>().join(",") + "\n";
    for row in rows {
        out += &(row.iter().map(field).collect::<Vec<_>>().join(",") + "\n");
    }
    out
}

fn json(columns: &[String], rows: &[Vec<Value>]) -> String {
    let one = |row: &Vec<Value>| {
        let pairs = columns.iter().cloned().zip(row.iter().cloned());
        format!("{}\n", Value::Object(pairs.collect()))
    };
    rows.iter().map(one).collect()
}

fn markdown(columns: &[String], rows: &[Vec<Value>]) -> String {
    let line = |texts: Vec<String>| format!("| {} |\n", texts.join(" | "));
    let mut out = line(columns.to_vec()) + &line(vec!["---".to_owned(); columns.len()]);
    for row in rows {
        out += &line(row.iter().map(|value| cell(value).replace('|', "\\|").replace('\n', " ")).collect());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Format;
    use serde_json::json;

    #[test]
    fn formats_differ() {
        let (columns, rows) = (vec!["a".to_owned(), "b".to_owned()], vec![vec![json!(1), json!("x,y")]]);
        assert_eq!(Format::Csv.show(&columns, &rows), "a,b\n1,\"x,y\"\n");
        assert_eq!(Format::Json.show(&columns, &rows), "{\"a\":1,\"b\":\"x,y\"}\n");
        assert_eq!(Format::Markdown.show(&columns, &rows), "| a | b |\n| --- | --- |\n| 1 | x,y |\n");
        assert!(Format::Table.show(&columns, &rows).ends_with("1 row\n"));
    }
}
