//! What the codes of problems mean.

use std::io::{self, Write};

use super::{Grid, style};
use crate::problem::CodePage;

/// Writes one code at length, or several as a table.
pub fn codes(out: &mut dyn Write, pages: &[CodePage]) -> io::Result<()> {
    if let [page] = pages {
        let (bold, hint) = (style::BOLD, style::HINT);
        writeln!(out, "{bold}{}{bold:#}", page.code)?;
        writeln!(out, "{hint}cause{hint:#}  {}", page.cause)?;
        return writeln!(out, "{hint} cure{hint:#}  {}", page.cure);
    }
    let mut grid = Grid::new(&["CODE", "CAUSE"]);
    for page in pages {
        grid.row([page.code.to_owned(), page.cause.to_owned()]);
    }
    grid.write(out)?;
    let dim = style::DIM;
    writeln!(
        out,
        "\n{dim}silverback problems CODE says what to do about it{dim:#}"
    )
}
