//! Tables of plain text, aligned, at most [`WIDTH`] characters wide.

/// Width of the output in characters.
pub const WIDTH: usize = 100;
const GAP: usize = 2;
/// Width below which no column of texts is wrapped.
const NARROWEST: usize = 16;

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

    /// Appends the lines of the table like [`Self::print`], and wraps the texts of all columns but the first so that the table fits.
    pub fn print_wrapped(&self, out: &mut String, indent: usize) {
        let mut widths = self.natural_widths();
        let texts: Vec<usize> = (1..widths.len()).filter(|at| self.align[*at] == Align::Left).collect();
        let taken = |widths: &[usize]| indent + widths.iter().map(|width| width + GAP).sum::<usize>();
        while taken(&widths) > WIDTH + GAP {
            match texts.iter().max_by_key(|at| widths[**at]) {
                Some(at) if widths[*at] > NARROWEST => widths[*at] -= 1,
                _ => break,
            }
        }
        for row in &self.rows {
            let lines = |(cell, width): (&String, &usize)| -> Vec<String> {
                let fits = cell.chars().count() <= *width;
                if fits { vec![cell.clone()] } else { wrapped(cell, *width, 0).split('\n').map(str::to_owned).collect() }
            };
            let cells: Vec<Vec<String>> = row.iter().zip(&widths).map(lines).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(1);
            for line in 0..height {
                let part = |cell: &Vec<String>| cell.get(line).cloned().unwrap_or_default();
                self.print_row(&cells.iter().map(part).collect::<Vec<_>>(), &widths, out, indent);
            }
        }
    }

    fn natural_widths(&self) -> Vec<usize> {
        let width = |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        (0..self.align.len()).map(|at| width(at).unwrap_or(0)).collect()
    }

    /// Appends the lines of the table, each with `indent` spaces in front.
    pub fn print(&self, out: &mut String, indent: usize) {
        let mut widths = self.natural_widths();
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
    fn every_column_of_texts_is_wrapped_when_the_table_is_too_wide() {
        let mut table = TextTable::new(&[("Rule", Align::Left), ("One", Align::Left), ("Other", Align::Left)]);
        table.row(["a_rule".to_owned(), "word ".repeat(12).trim_end().to_owned(), "text ".repeat(16).trim_end().to_owned()]);
        table.row(["another".to_owned(), "-".to_owned(), "short".to_owned()]);
        let mut text = String::new();
        table.print_wrapped(&mut text, 2);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].starts_with("  a_rule   word word") && lines[2].starts_with("           word"), "{text}");
        assert!(lines[3].starts_with("  another  -  "), "{text}");
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        assert_eq!(wrapped("a bcdefgh i", 4, 1), "a\n bcdefgh\n i");
    }
}
