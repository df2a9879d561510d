//! One row of a sheet.

/// One row of a sheet, with a text or an uncalculated formula in at least one cell. A row is reused for the next one, so that its
/// cells cost no allocation each.
///
/// A cell's text is what represents its value in a CSV file:
/// - strings are as stored;
/// - numbers are plain decimals of at most 15 significant digits (`0.97`), from 10^15 on in E-notation as Excel writes it
///   (`1.23456789012346E+17`), because not all of their digits are known;
/// - a number that is shown in percent is the percentage with its sign (`97%`); a number to which the format only adds a percent
///   sign has the sign, too; a whole number with a format of zeros or literals reads as shown (`0000001001`, `123-4567`);
/// - dates are `2026-01-31`, with ` 12:30:00` when they have a time of day, and times alone `12:30:00`; the hours of durations
///   may exceed 24 (`36:30:00`);
/// - booleans are `TRUE` and `FALSE`, errors as a spreadsheet shows them (`#N/A`);
/// - a formula is its last computed value.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SheetRow {
    /// Number of the row in the sheet, from 1.
    pub line: u64,
    /// Whether the sheet hides the row, by a filter or otherwise.
    pub hidden: bool,
    text: String,
    /// The end of each cell in `text`.
    ends: Vec<u32>,
    uncalculated: Vec<usize>,
}

impl SheetRow {
    /// Number of cells from column A up to the last one with a text.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no cell has a text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of the cell in a column, counted from 0; empty where there is no cell.
    #[must_use]
    pub fn cell(&self, column: usize) -> &str {
        let Some(end) = self.ends.get(column) else { return "" };
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start as usize..*end as usize).unwrap_or_default()
    }

    /// The texts of all cells, in order.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|column| self.cell(column))
    }

    /// The texts of all cells, end to end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The columns, counted from 0, of cells that have a formula but no value: the program that wrote the workbook did not
    /// calculate it. These cells have no text, and may be after the last cell that has one. Only known of `.xlsx` and `.ods`.
    #[must_use]
    pub fn uncalculated(&self) -> &[usize] {
        &self.uncalculated
    }

    /// Starts a row.
    pub(super) fn begin(&mut self, line: u64, hidden: bool) {
        (self.line, self.hidden) = (line, hidden);
        self.text.clear();
        self.ends.clear();
        self.uncalculated.clear();
    }

    /// The buffer for the text of the next cell.
    pub(super) fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    /// Ends the cell in a column right of those before, when its text has been appended. Only cells with a text take up space, so
    /// there is never an empty cell at the end.
    pub(super) fn end_cell(&mut self, column: usize) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = self.ends.last().copied().unwrap_or(0);
        let end = place(self.text.len());
        if end > start {
            self.ends.resize(column, start);
            self.ends.push(end);
        }
    }

    /// Notes that the cell in a column has a formula but no value.
    pub(super) fn add_uncalculated(&mut self, column: usize) {
        self.uncalculated.push(column);
    }

    /// Whether the row has neither a text, other than whitespace, nor an uncalculated formula.
    pub(super) fn is_blank(&self) -> bool {
        self.uncalculated.is_empty() && self.text.trim().is_empty()
    }
}

/// The address of a cell as a spreadsheet shows it: row from 1, column from 0 (`address(7, 1)` is `B7`).
#[must_use]
pub fn address(line: u64, column: usize) -> String {
    let mut letters = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        left -= 1;
        // The rest is below 26, so the cast changes nothing.
        letters.push(char::from(b'A' + (left % 26) as u8));
        left /= 26;
    }
    letters.iter().rev().collect::<String>() + &line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_their_columns() {
        let mut row = SheetRow::default();
        for _ in 0..2 {
            row.begin(3, true);
            for (column, text) in [(1, "B"), (2, ""), (4, "É"), (5, "")] {
                row.text_mut().push_str(text);
                row.end_cell(column);
            }
            assert_eq!(row.cells().collect::<Vec<_>>(), ["", "B", "", "", "É"]);
            assert_eq!((row.len(), row.cell(4), row.cell(5), row.text()), (5, "É", "", "BÉ"));
            assert!(!row.is_blank() && !row.is_empty());
        }
        row.begin(4, false);
        row.text_mut().push(' ');
        row.end_cell(0);
        assert!(row.is_blank() && row.len() == 1);
        row.add_uncalculated(7);
        assert!(!row.is_blank());
    }

    #[test]
    fn addresses_are_as_a_spreadsheet_shows_them() {
        for (line, column, wanted) in
            [(7, 1, "B7"), (1, 0, "A1"), (12, 25, "Z12"), (3, 26, "AA3"), (9, 701, "ZZ9"), (1_048_576, 16_383, "XFD1048576")]
        {
            assert_eq!(address(line, column), wanted);
        }
    }
}
