//! A sheet as `asadm` draws it: a title, heads of one or two lines, texts to the left and numbers to the right.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

/// Blanks behind each column.
const GAP: &str = "   ";

/// How the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A titled table.
#[derive(Debug)]
pub(crate) struct Sheet {
    title: &'static str,
    columns: Vec<(&'static str, &'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    /// A sheet with columns: the two lines of their heads and where their cells stand. An empty second line
    /// is drawn as a dot.
    pub(crate) fn new(title: &'static str, columns: &[(&'static str, &'static str, Side)]) -> Self {
        Self { title, columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with one cell for each column.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.columns.len(), "one cell for each column");
        self.rows.push(row);
    }

    /// Draws the sheet, with an empty line behind it.
    pub(crate) fn draw(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        let total: usize = widths.iter().map(|width| width + GAP.len()).sum();
        let mut out = String::new();
        let left = total.saturating_sub(self.title.width()) / 2;
        let right = total.saturating_sub(self.title.width() + left);
        let _ = writeln!(out, "{}{}{}", "~".repeat(left), self.title, "~".repeat(right));
        let heads = self
            .columns
            .iter()
            .map(|(first, second, _)| (*first, if second.is_empty() { "." } else { *second }));
        let (first, second): (Vec<&str>, Vec<&str>) = heads.unzip();
        line(&mut out, first.iter().zip(&widths).map(|(head, width)| (*head, *width, Side::Right)));
        line(&mut out, second.iter().zip(&widths).map(|(head, width)| (*head, *width, Side::Right)));
        for row in &self.rows {
            let sides = self.columns.iter().map(|(_, _, side)| *side);
            line(
                &mut out,
                row.iter().zip(&widths).zip(sides).map(|((cell, width), side)| (cell.as_str(), *width, side)),
            );
        }
        let _ = writeln!(out, "Number of rows: {}\n", self.rows.len());
        out
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
        let heads = self
            .columns
            .get(column)
            .into_iter()
            .flat_map(|(first, second, _)| [first.width(), second.width()]);
        cells.chain(heads).max().unwrap_or(0)
    }
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = (&'a str, usize, Side)>) {
    for (cell, width, side) in cells {
        let blanks = " ".repeat(width.saturating_sub(cell.width()));
        let _ = match side {
            Side::Left => write!(out, "{cell}{blanks}{GAP}"),
            Side::Right => write!(out, "{blanks}{cell}{GAP}"),
        };
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_like_the_seeds() {
        let mut sheet = Sheet::new(
            "Network Information",
            &[("Node", "", Side::Left), ("Node", "Id", Side::Left), ("Client", "Conns", Side::Right)],
        );
        sheet.push(vec!["prod_aerospike_1".into(), "BB90300000A4202".into(), "1".into()]);
        let wanted = "\
~~~~~~~~~~~~Network Information~~~~~~~~~~~~~
            Node              Node   Client   \n               .                Id    Conns   \nprod_aerospike_1   BB90300000A4202        1   \nNumber of rows: 1\n\n";
        let drawn = sheet.draw();
        let (title, rest) = drawn.split_once('\n').unwrap();
        assert_eq!(title.len(), 46);
        assert!(title.contains("~Network Information~"));
        assert_eq!(rest, wanted.split_once('\n').unwrap().1);
    }
}
