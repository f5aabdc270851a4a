//! The tables of the protocol, as they stand in `tables.txt`.

/// A table.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
}

/// One thing that the protocol has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number, or the command itself.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) cover: Cover,
}

/// What covers it when no recorded case does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cover {
    Nothing,
    /// A test, and the file in which it stands.
    Test {
        file: String,
        function: String,
    },
    /// Nothing needs to, for this reason.
    Outside(String),
}

/// Reads the tables.
pub(super) fn read(text: &str) -> Result<Vec<Section>, String> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { name: name.to_owned(), rows: Vec::new() });
            continue;
        }
        let section =
            sections.last_mut().ok_or_else(|| format!("'{line}' stands before the first section"))?;
        section.rows.push(row(line).ok_or_else(|| format!("'{line}' is no row"))?);
    }
    Ok(sections)
}

fn row(line: &str) -> Option<Row> {
    let (line, cover) = if let Some((line, why)) = line.split_once(" - ") {
        (line, Cover::Outside(why.trim().to_owned()))
    } else if let Some((line, test)) = line.split_once(" @ ") {
        let (file, function) = test.trim().split_once(' ')?;
        (line, Cover::Test { file: file.to_owned(), function: function.to_owned() })
    } else {
        (line, Cover::Nothing)
    };
    let (key, name) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    Some(Row { key: key.to_owned(), name: name.to_owned(), cover })
}

#[cfg(test)]
mod tests {
    use super::{Cover, read};

    #[test]
    fn rows_say_what_covers_them() {
        let sections =
            read("# why\n[field]\n0 namespace\n3 version - transactions\n5 x @ a/b.rs works\n").unwrap();
        let rows = &sections[0].rows;
        assert_eq!((rows[0].key.as_str(), rows[0].name.as_str()), ("0", "namespace"));
        assert_eq!(rows[1].cover, Cover::Outside("transactions".to_owned()));
        let test = Cover::Test { file: "a/b.rs".to_owned(), function: "works".to_owned() };
        assert_eq!(rows[2].cover, test);
        assert!(read("0 namespace").is_err());
    }
}
