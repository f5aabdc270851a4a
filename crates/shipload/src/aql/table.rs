//! Tables as people know them from `aql`, drawn while the rows arrive.
//!
//! Memory is bounded: rows wait on a page until the page is full; then columns and widths are settled and
//! the page is drawn. A later page goes on below when it fits, and starts a new head when it does not.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

/// Rows that are looked at before widths are settled.
const PAGE_ROWS: usize = 1000;

/// A row: columns that it has, with their cells, in the order in which they should stand.
pub(crate) type Row = Vec<(String, String)>;

/// Draws rows as a table.
pub(crate) struct Table<W: Write> {
    out: W,
    page: Vec<Row>,
    /// Columns of the table that is open, and their widths.
    head: Vec<(String, usize)>,
}

impl<W: Write> Table<W> {
    /// A table whose columns come from its rows.
    pub(crate) fn new(out: W) -> Self {
        Self { out, page: Vec::new(), head: Vec::new() }
    }

    /// Adds a row; now and then a page is drawn.
    pub(crate) fn push(&mut self, row: Row) -> io::Result<()> {
        self.page.push(row);
        if self.page.len() < PAGE_ROWS { Ok(()) } else { self.draw_page() }
    }

    /// Draws what is left and the last border; without rows, nothing.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.draw_page()?;
        self.draw_border()?;
        self.out.flush()
    }

    fn draw_page(&mut self) -> io::Result<()> {
        let page = std::mem::take(&mut self.page);
        if page.is_empty() {
            return Ok(());
        }
        let wanted = columns(&page);
        if !fits(&wanted, &self.head) {
            self.draw_border()?;
            self.head = wanted;
            self.draw_border()?;
            let names: Vec<&str> = self.head.iter().map(|(name, _)| name.as_str()).collect();
            draw_line(&mut self.out, &self.head, &names)?;
            self.draw_border()?;
        }
        for row in &page {
            let cells: Vec<&str> = self.head.iter().map(|(name, _)| cell(row, name)).collect();
            draw_line(&mut self.out, &self.head, &cells)?;
        }
        Ok(())
    }

    fn draw_border(&mut self) -> io::Result<()> {
        if self.head.is_empty() {
            return Ok(());
        }
        let bars = self.head.iter().map(|(_, width)| "-".repeat(width + 2) + "+");
        writeln!(self.out, "+{}", bars.collect::<String>())
    }
}

fn cell<'a>(row: &'a Row, column: &str) -> &'a str {
    row.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell.as_str())
}

/// The columns of a page in the order of their first appearance, each as wide as its widest cell.
fn columns(page: &[Row]) -> Vec<(String, usize)> {
    let mut columns: Vec<(String, usize)> = Vec::new();
    for (name, cell) in page.iter().flatten() {
        let width = cell.width();
        match columns.iter_mut().find(|(found, _)| found == name) {
            Some((_, widest)) => *widest = width.max(*widest),
            None => columns.push((name.clone(), width.max(name.width()))),
        }
    }
    columns
}

/// A page goes on below an open table when all its columns stand there, wide enough.
fn fits(wanted: &[(String, usize)], head: &[(String, usize)]) -> bool {
    !head.is_empty()
        && wanted.iter().all(|(name, width)| head.iter().any(|(found, room)| found == name && width <= room))
}

fn draw_line(out: &mut impl Write, head: &[(String, usize)], cells: &[&str]) -> io::Result<()> {
    let mut line = String::from("|");
    for ((_, width), cell) in head.iter().zip(cells) {
        line.push(' ');
        line.push_str(cell);
        line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 1));
        line.push('|');
    }
    writeln!(out, "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Row {
        cells.iter().map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned())).collect()
    }

    fn draw(rows: Vec<Row>) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out);
        for row in rows {
            table.push(row).unwrap();
        }
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_of_the_seed() {
        let rows = [("\"10.0.0.2\"", "8"), ("\"total_hits\"", "33")];
        let drawn = draw(rows.iter().map(|(key, total)| row(&[("key", key), ("total", total)])).collect());
        let wanted = "\
+--------------+-------+
| key          | total |
+--------------+-------+
| \"10.0.0.2\"   | 8     |
| \"total_hits\" | 33    |
+--------------+-------+
";
        assert_eq!(drawn, wanted);
    }

    #[test]
    fn rows_may_have_different_columns_and_wide_letters() {
        let drawn = draw(vec![row(&[("a", "日本")]), row(&[("b", "1")])]);
        assert_eq!(
            drawn,
            "+------+---+\n| a    | b |\n+------+---+\n| 日本 |   |\n|      | 1 |\n+------+---+\n"
        );
    }

    #[test]
    fn a_later_page_goes_on_below_or_starts_anew() {
        let narrow = || row(&[("a", "1")]);
        let fitting = draw((0..PAGE_ROWS * 2).map(|_| narrow()).collect());
        assert_eq!(fitting.lines().count(), PAGE_ROWS * 2 + 4);
        let widening = draw((0..PAGE_ROWS).map(|_| narrow()).chain([row(&[("a", "long")])]).collect());
        assert_eq!(widening.lines().count(), PAGE_ROWS + 1 + 8, "two heads, two feet");
    }

    #[test]
    fn no_rows_no_table() {
        assert_eq!(draw(Vec::new()), "");
    }
}
