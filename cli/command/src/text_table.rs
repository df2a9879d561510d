//! Tables of plain text, aligned, at most [`WIDTH`] characters wide.

/// Width of the output in characters.
pub const WIDTH: usize = 100;
const GAP: usize = 2;

/// Alignment of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// For texts.
    Left,
    /// For numbers.
    Right,
}

/// A table. When its last column holds texts, they are wrapped to fit.
#[derive(Debug)]
pub struct TextTable {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table with this header.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        let header = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self { align: columns.iter().map(|(_, align)| *align).collect(), rows: vec![header] }
    }

    /// Adds a row; cells that are left out at its end stay empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Appends the lines of the table, each with `indent` spaces in front.
    pub fn print(&self, out: &mut String, indent: usize) {
        let mut widths: Vec<usize> = (0..self.align.len())
            .map(|at| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        if let (Some(Align::Left), Some((last, others))) = (self.align.last(), widths.split_last_mut()) {
            let taken = indent + others.iter().map(|width| width + GAP).sum::<usize>();
            *last = (*last).min(WIDTH.saturating_sub(taken)).max(20);
        }
        for row in &self.rows {
            self.print_row(row, &widths, out, indent);
        }
    }

    fn print_row(&self, row: &[String], widths: &[usize], out: &mut String, indent: usize) {
        let mut line = " ".repeat(indent);
        for (at, ((cell, align), width)) in row.iter().zip(&self.align).zip(widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            match align {
                Align::Right => line.extend([&pad, cell.as_str()]),
                Align::Left if at + 1 == widths.len() => {
                    let column = line.chars().count();
                    line.push_str(&wrapped(cell, *width, column));
                }
                Align::Left => line.extend([cell.as_str(), &pad]),
            }
            line.push_str(&" ".repeat(GAP));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The text in lines of at most `width` characters; only a longer word makes a longer line. All lines but the first begin with
/// `indent` spaces.
pub fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += word_length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_last_text_is_wrapped() {
        let mut table = TextTable::new(&[("Rule", Align::Left), ("Loans", Align::Right), ("Message", Align::Left)]);
        table.row(["ltv".to_owned(), "1,234".to_owned(), "word ".repeat(20).trim_end().to_owned()]);
        table.row(["credit_score".to_owned()]);
        let mut text = String::new();
        table.print(&mut text, 2);
        let message = "word ".repeat(15);
        assert_eq!(
            text,
            format!(
                "  Rule          Loans  Message\n  ltv           1,234  {}\n{}{}\n  credit_score\n",
                message.trim_end(),
                " ".repeat(23),
                "word ".repeat(5).trim_end()
            )
        );
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        assert_eq!(wrapped("a bcdefgh i", 4, 1), "a\n bcdefgh\n i");
    }
}
