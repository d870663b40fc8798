//! Columns.

use std::borrow::Cow;
use std::io::{self, Write};

use super::style;

/// A table of text: columns are as wide as their widest cell, the last one runs free.
#[derive(Debug, Default)]
pub struct Grid {
    head: Vec<Cow<'static, str>>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

/// A cell longer than this does not push all others away.
const WIDEST: usize = 60;

// === impl Grid ===

impl Grid {
    /// A table with these headings.
    pub fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.iter().copied().map(Cow::Borrowed).collect(),
            ..Self::default()
        }
    }

    /// The same with one more column.
    #[must_use]
    pub fn column(mut self, head: impl Into<Cow<'static, str>>) -> Self {
        self.head.push(head.into());
        self
    }

    /// The same, so many columns in.
    #[must_use]
    pub fn indent(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = self.head.iter().map(|head| head.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count().min(WIDEST));
            }
        }
        let indent = " ".repeat(self.indent);
        let dim = style::DIM;
        if !self.head.is_empty() && self.head.iter().any(|head| !head.is_empty()) {
            let line = line(self.head.iter().map(|head| &**head), &widths);
            writeln!(out, "{indent}{dim}{line}{dim:#}")?;
        }
        for row in &self.rows {
            let line = line(row.iter().map(String::as_str), &widths);
            writeln!(out, "{indent}{line}")?;
        }
        Ok(())
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.zip(widths) {
        line.push_str(cell);
        let pad = width.saturating_sub(cell.chars().count()) + 2;
        line.extend(std::iter::repeat_n(' ', pad));
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut grid = Grid::new(&["A", "LONG"]).indent(1);
        grid.row(["ä".to_owned(), "x".to_owned()]);
        grid.row(["wide".to_owned(), String::new()]);
        let mut out = anstream::StripStream::new(Vec::new());
        grid.write(&mut out).expect("written");
        let text = String::from_utf8(out.into_inner()).expect("text");
        assert_eq!(text, " A     LONG\n ä     x\n wide\n");
    }
}
