//! Tells the loans of a tape from its other records: repeated headers, totals, end marks, and records that do not fit.

use std::{borrow::Cow, collections::HashSet};

use serde::{Deserialize, Serialize};

use crate::loan::{Field, MalformedReason};

use super::{
    aliases::{Aliases, fold_header},
    cell::{content, is_missing},
    header::{Column, Header},
    number::parse_number,
};

/// The layout of the rows of a tape in comparison with its header, detected once in its first rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowLayout {
    /// Number of fields that rows may have beyond the header, all of them empty.
    pub more: usize,
    /// Number of fields that rows may lack, because that many of the last cells of the header are empty.
    pub fewer: usize,
    /// Whether records that are one quoted field hold a whole line.
    pub unwraps: bool,
    /// The line of a row of units below the header; 0 when there is none.
    pub unit_line: u64,
    /// Whether rows may have any number of cells, as in a workbook, which has notes next to the table and omits empty cells.
    pub any_width: bool,
}

/// Number of columns that a record must name to be a header.
const NAMES_OF_A_HEADER: usize = 3;

/// The bytes that nearly all loan numbers consist of.
const PLAIN: [bool; 256] = {
    let (mut plain, mut byte) = ([false; 256], 0);
    while byte < 256 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'_' | b'/');
        byte += 1;
    }
    plain
};

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Every cell is empty.
    Blank,
    Loan,
    /// A loan whose last cells are missing.
    ShortLoan,
    /// The header again.
    HeaderAgain,
    /// Another header.
    SecondHeader,
    /// Not a loan, such as a total.
    NotALoan,
    /// A record whose number of fields does not fit the header.
    Misfit(MalformedReason),
}

/// The rules that decide the kind of a record.
#[derive(Debug)]
pub struct RowRules {
    layout: RowLayout,
    /// The cells of the header, folded.
    header: Vec<String>,
    /// The canonical or standard field of each column.
    fields: Vec<Option<Field>>,
    /// Whether each column is only kept.
    kept: Vec<bool>,
    loan_number: Option<usize>,
    loan_amount: Option<usize>,
    rate: Option<usize>,
    /// The canonical number fields and the indexes of their columns.
    numbers: Vec<(Field, usize)>,
    /// The smallest number of fields that a row needs.
    needed: usize,
}

impl RowRules {
    pub fn new(header: &Header, layout: RowLayout) -> Self {
        let place = |field: Field| header.position(field).filter(|at| *at < header.width());
        let columns = &header.columns[..header.width()];
        let optional = |column: &Column| matches!(column.known(), Some(Field::PurchasePrice | Field::AppraisalValue));
        let last = columns.iter().rposition(|column| column.field.is_some() && !optional(column));
        Self {
            layout,
            header: columns.iter().map(|column| fold_header(&column.header)).collect(),
            loan_number: place(Field::SellerLoanNumber),
            loan_amount: place(Field::LoanAmount),
            rate: place(Field::NoteRate),
            numbers: Field::NUMERIC.into_iter().filter_map(|field| Some((field, place(field)?))).collect(),
            needed: last.map_or(0, |last| last + 1),
            fields: columns.iter().map(Column::known).collect(),
            kept: columns.iter().map(|column| column.field.is_none()).collect(),
        }
    }

    /// Quick test whether a row with as many cells as the header is a loan. In nearly all loans the loan number ends in a digit
    /// and the amount, or else another number, begins with one. No other row of a tape has both.
    #[inline]
    pub fn is_plainly_a_loan<'c>(&self, cell: impl Fn(usize) -> &'c str) -> bool {
        let (Some(number), Some(amount)) = (self.loan_number, self.loan_amount) else { return false };
        let plain_number = |text: &str| {
            let [first, .., last] = text.as_bytes() else { return text.as_bytes().first().is_some_and(u8::is_ascii_digit) };
            let all_plain = text.as_bytes().iter().fold(true, |all, b| all & PLAIN[usize::from(*b)]);
            first.is_ascii_alphanumeric() & last.is_ascii_digit() & all_plain
        };
        // Exclude the first letters of the marks for the first and the last record (`HDR`, `TRL`, `EOF`), and characters around
        // such marks.
        let no_mark = |text: &str| match text.as_bytes().first() {
            Some(b'h' | b'H' | b't' | b'T' | b'e' | b'E') => false,
            Some(first) => first.is_ascii_alphanumeric(),
            None => true,
        };
        let begins_as_a_number = |at: usize| matches!(cell(at).as_bytes(), [b'0'..=b'9', ..] | [b'$', b'0'..=b'9', ..]);
        let is_no_header = || {
            let begins_as_a_name = |at: usize| cell(at).as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
            let numbers = self.numbers.iter().filter(|(_, at)| begins_as_a_number(*at)).count();
            numbers >= 2 && !self.numbers.iter().any(|(_, at)| begins_as_a_name(*at))
        };
        plain_number(cell(number))
            && ((begins_as_a_number(amount) && self.rate.is_some_and(begins_as_a_number)) || is_no_header())
            && (number == 0 || no_mark(cell(0)))
    }

    /// The kind of a record. `ended` says whether a line end follows it.
    pub fn kind(&self, cells: &[Cow<'_, str>], line: u64, ended: bool) -> RowKind {
        let contents: Vec<Cow<'_, str>> = cells.iter().map(|cell| content(cell)).collect();
        if contents.iter().all(|cell| cell.is_empty()) {
            let mark = |cell: &Cow<'_, str>| cell.contains(['\0', '\u{1a}']);
            return if cells.iter().any(mark) { RowKind::NotALoan } else { RowKind::Blank };
        }
        if self.names_columns(&contents) {
            let header = || contents.iter().map(|cell| fold_header(cell));
            let same = header().chain(std::iter::repeat(String::new())).zip(&self.header).all(|(cell, own)| cell == *own);
            let longer = header().skip(self.header.len()).any(|cell| !cell.is_empty());
            return if same && !longer { RowKind::HeaderAgain } else { RowKind::SecondHeader };
        }
        if (line > 0 && line == self.layout.unit_line) || self.is_no_loan(&contents) {
            return RowKind::NotALoan;
        }
        self.width_kind(cells, ended)
    }

    /// The kind of a record by its number of fields.
    fn width_kind(&self, cells: &[Cow<'_, str>], ended: bool) -> RowKind {
        let (width, found) = (self.header.len(), cells.len());
        let misfit = || {
            let expected = u32::try_from(width).unwrap_or(u32::MAX);
            RowKind::Misfit(MalformedReason::FieldCount { expected, found: u32::try_from(found).unwrap_or(u32::MAX) })
        };
        if self.layout.any_width || found == width {
            return RowKind::Loan;
        }
        if found > width {
            let empty = cells[width..].iter().all(|cell| content(cell).is_empty());
            return if found == width + self.layout.more && empty { RowKind::Loan } else { misfit() };
        }
        if found + self.layout.fewer == width {
            return RowKind::Loan;
        }
        if ended && self.may_end_after(found) { RowKind::ShortLoan } else { misfit() }
    }

    /// Whether a row of these cells can be read, under any layout that the survey may find.
    pub fn may_be_read(&self, cells: &[Cow<'_, str>]) -> bool {
        let (width, found) = (self.header.len(), cells.len());
        let unnamed = self.header.iter().rev().take_while(|name| name.is_empty()).count();
        match cells.get(width..) {
            Some(behind) => behind.iter().all(|cell| content(cell).is_empty()),
            None => found + unnamed >= width || self.may_end_after(found),
        }
    }

    /// Whether a row that ends after `found` fields has all that it needs. A number in the last field may be truncated, so such a
    /// row does not count, unless only columns that are just kept follow.
    fn may_end_after(&self, found: usize) -> bool {
        const CUT: [Field; 5] = [Field::LoanAmount, Field::NoteRate, Field::LtvRatio, Field::DtiRatio, Field::CreditScore];
        let only_kept_behind = self.kept[found..].iter().all(|kept| *kept);
        let may_be_cut = found.checked_sub(1).and_then(|last| self.fields[last]).is_some_and(|field| CUT.contains(&field));
        found >= self.needed && (only_kept_behind || !may_be_cut)
    }

    /// Whether a record names columns, as only a header does.
    fn names_columns(&self, cells: &[Cow<'_, str>]) -> bool {
        let meaning = |cell: &str| Aliases::built_in().claims(cell).first().map(|claim| claim.field);
        let number = self.loan_number.and_then(|at| cells.get(at)).filter(|cell| !ends_in_a_digit(cell));
        if number.is_some_and(|cell| meaning(cell) == Some(Field::SellerLoanNumber)) {
            return true;
        }
        let words_of = |at: usize| Aliases::built_in().vocabulary(self.fields.get(at).copied().flatten()?);
        // Quick test: a name has letters, and is not a word of its column. Looking a name up is expensive.
        let may_be_a_name = |at: usize, cell: &str| {
            cell.chars().any(char::is_alphabetic) && words_of(at).is_none_or(|words| words.exact_code(cell).is_none())
        };
        let names = cells.iter().enumerate().filter(|(at, cell)| may_be_a_name(*at, cell));
        if names.clone().nth(NAMES_OF_A_HEADER - 1).is_none() {
            return false;
        }
        let named = names.filter_map(|(at, cell)| {
            let field = meaning(cell)?;
            let word = words_of(at).and_then(|words| words.code(cell));
            // `ID` is also a state (Idaho).
            (word.is_none() && fold_header(cell) != "id").then_some(field)
        });
        named.collect::<HashSet<_>>().len() >= NAMES_OF_A_HEADER
    }

    /// Whether a record that does not name columns is not a loan either.
    fn is_no_loan(&self, cells: &[Cow<'_, str>]) -> bool {
        let number = self.loan_number.and_then(|at| cells.get(at)).map_or("", |cell| cell.as_ref());
        let no_number = is_missing(number);
        let mut filled = cells.iter().filter(|cell| !cell.is_empty());
        let first = filled.next().map_or("", |cell| cell.as_ref());
        let alone = filled.next().is_none();
        let marks = |cell: &str| cell.bytes().all(|b| b"-=_*#.~".contains(&b));
        is_total(number)
            || (names_a_total(number) && !number.bytes().any(|b| b.is_ascii_digit()) && self.has_no_property(cells))
            || (no_number && is_total(first))
            || (no_number && cells.iter().any(|cell| names_a_total(cell)))
            || (alone && first.contains(' '))
            || cells.iter().all(|cell| marks(cell))
            || ["hdr", "trl", "trailer", "eof"]
                .iter()
                .any(|mark| cells.first().is_some_and(|cell| cell.eq_ignore_ascii_case(mark)))
            || (alone && is_end_mark(first))
            || is_row_count(cells)
            || (no_number && !self.has_a_number(cells))
    }

    /// Whether the row has no property type, as in a total row such as `Total UPB`.
    fn has_no_property(&self, cells: &[Cow<'_, str>]) -> bool {
        let at = self.fields.iter().position(|field| *field == Some(Field::PropertyType));
        at.and_then(|at| cells.get(at)).is_none_or(|cell| is_missing(cell))
    }

    /// Whether a canonical number column has a number.
    fn has_a_number(&self, cells: &[Cow<'_, str>]) -> bool {
        self.numbers.iter().any(|(field, at)| {
            let cell = cells.get(*at).map_or("", |cell| cell.as_ref());
            matches!(parse_number(cell, field.info().unit), Ok(Some(_)))
        })
    }
}

/// Whether a cell ends in a digit, as nearly all loan numbers do and no name of their column does.
fn ends_in_a_digit(cell: &str) -> bool {
    cell.as_bytes().last().is_some_and(u8::is_ascii_digit)
}

/// The longest cell that can name a total or an end mark, in bytes.
const LONGEST_MARK: usize = 200;
/// Words for a total. They may follow a name, or precede a colon or a number of loans.
const TOTALS: [&str; 10] =
    ["total", "totals", "subtotal", "subtotals", "sub total", "sub totals", "average", "averages", "weighted avg", "wtd avg"];
/// Words for a total that count only alone or before a colon.
const STATISTICS: [&str; 10] = ["sum", "avg", "wavg", "mean", "median", "min", "minimum", "max", "maximum", "count"];

/// Quick test whether a cell may have a word for a total: a word in the cell begins like one.
fn may_sum_up(cell: &str) -> bool {
    const BEGINNINGS: [[u8; 2]; 10] = [*b"to", *b"su", *b"av", *b"wa", *b"wt", *b"we", *b"me", *b"mi", *b"ma", *b"co"];
    let mut inside = false;
    cell.len() <= LONGEST_MARK
        && cell.as_bytes().windows(2).any(|pair| {
            let begins = !std::mem::replace(&mut inside, pair[0].is_ascii_alphabetic());
            begins && BEGINNINGS.contains(&[pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase()])
        })
}

/// Whether a cell says that its row is a total of others.
fn is_total(cell: &str) -> bool {
    if !may_sum_up(cell) {
        return false;
    }
    let lower = cell.to_lowercase();
    let (text, before_colon) = lower.split_once(':').map_or((lower.as_str(), false), |(head, _)| (head, true));
    // `Grand-Total`, `Sub_Total`, `Total*`, `**TOTAL**`
    let folded = |text: &str| {
        text.split(|c: char| c.is_whitespace() || "-_.*=|".contains(c))
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (text, whole) = (folded(text), folded(&lower));
    if STATISTICS.contains(&text.as_str()) {
        return true;
    }
    let ends = |text: &str, total: &str| text.strip_suffix(total).is_some_and(|name| name.is_empty() || name.ends_with(' '));
    let counts =
        |total: &&str| text.strip_prefix(*total).is_some_and(|rest| rest.starts_with([' ', '(']) && is_count_of_loans(rest));
    TOTALS.iter().any(|total| ends(&text, total) || ends(&whole, total)) || (!before_colon && TOTALS.iter().any(counts))
}

/// Whether a text is a number of loans: `3 loans`, `(1,234 loans)`.
fn is_count_of_loans(text: &str) -> bool {
    let text = text.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let count = text.strip_suffix("loans").or_else(|| text.strip_suffix("loan")).map(str::trim_end);
    count.is_some_and(|count| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit() || b == b','))
}

/// Whether a cell has a word for a total among its words.
fn names_a_total(cell: &str) -> bool {
    if !may_sum_up(cell) {
        return false;
    }
    let word = |word: &str| matches!(word, "total" | "totals" | "subtotal" | "subtotals" | "sub-total" | "sub-totals");
    cell.to_lowercase().split(|c: char| !c.is_alphanumeric() && c != '-').any(word)
}

/// Whether a record is the row count of a database, in however many cells its commas split it: `(1,234 rows affected)`.
fn is_row_count(cells: &[Cow<'_, str>]) -> bool {
    if !cells.first().is_some_and(|first| first.starts_with('(')) {
        return false;
    }
    let text = cells.iter().take(4).map(|cell| cell.as_ref()).collect::<Vec<_>>().join(",").to_lowercase();
    let text = text.trim_end_matches(',');
    let count = ["rows affected)", "row affected)", "rows)", "row)"].iter().find_map(|end| text.strip_suffix(end));
    let count = count.and_then(|count| count.strip_prefix('(')).map(str::trim);
    count.is_some_and(|count| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit() || b == b','))
}

/// Whether a cell marks the end of a file.
fn is_end_mark(cell: &str) -> bool {
    if cell.len() > LONGEST_MARK {
        return false;
    }
    let letters: String = cell.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    matches!(letters.as_str(), "eof" | "endoffile" | "end" | "endofreport" | "endofdata")
}

/// Whether the cells of a row are all units, as in a tape that has a row of units below its header.
pub fn is_unit_row(cells: &[Cow<'_, str>]) -> bool {
    const UNITS: [&str; 22] = [
        "$",
        "%",
        "usd",
        "us$",
        "number",
        "date",
        "months",
        "month",
        "text",
        "numeric",
        "string",
        "char",
        "varchar",
        "decimal",
        "integer",
        "int",
        "percent",
        "pct",
        "years",
        "days",
        "mm/dd/yyyy",
        "yyyymm",
    ];
    let strip = |cell: &str| {
        let cell = cell.trim_matches(['[', ']', ' ']).to_lowercase();
        // A type may give the length of its values: `char(10)`, `decimal(14,2)`.
        let length = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b' '));
        let cell = match cell.strip_suffix(')').and_then(|cell| cell.split_once('(')) {
            Some((kind, rest)) if !kind.is_empty() && length(rest) => kind.trim().to_owned(),
            _ => cell,
        };
        cell.trim_matches(['(', ')', ' ']).to_owned()
    };
    let mut filled = cells.iter().map(|cell| content(cell)).filter(|cell| !cell.is_empty()).peekable();
    filled.peek().is_some() && filled.all(|cell| UNITS.contains(&strip(&cell).as_str()))
}

/// Detects the layout of the rows of a tape.
#[derive(Debug, Default)]
pub struct WidthSurvey {
    rows: usize,
    /// By number of fields, and whether those beyond the header are all empty: the number of rows, and the line of the first.
    counts: std::collections::BTreeMap<(usize, bool), (usize, u64)>,
}

/// Number of rows that decide the layout of a tape.
pub const SURVEYED_ROWS: usize = 1_000;

/// Most rows of a tape have the same number of fields, which is not that of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsDoNotFit {
    /// Number of fields of these rows.
    pub found: usize,
    /// Number of these rows.
    pub misfits: usize,
    /// Number of all rows in the survey.
    pub rows: usize,
    /// Line of the first of these rows.
    pub line: u64,
}

impl WidthSurvey {
    /// Whether the survey has a row.
    pub fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// Whether further rows cannot change the layout.
    pub fn is_decided(&self) -> bool {
        self.rows >= SURVEYED_ROWS
    }

    /// Adds one row.
    pub fn observe(&mut self, cells: &[Cow<'_, str>], width: usize, line: u64) {
        if self.is_decided() {
            return;
        }
        self.rows += 1;
        let empty_behind = cells.len() > width && cells[width..].iter().all(|cell| content(cell).is_empty());
        let (count, _) = self.counts.entry((cells.len(), empty_behind)).or_insert((0, line));
        *count += 1;
    }

    /// Completes the layout.
    ///
    /// # Errors
    /// [`RowsDoNotFit`] when most rows do not fit the header, in the same way.
    pub fn decide(&self, header: &Header, layout: &mut RowLayout) -> Result<(), RowsDoNotFit> {
        let width = header.width();
        let trailing = header.columns[..width].iter().rev().take_while(|column| column.header.is_empty()).count();
        for ((found, empty_behind), (count, line)) in &self.counts {
            if 2 * count <= self.rows || *found == width || layout.any_width {
                continue;
            }
            if *found > width && *empty_behind {
                layout.more = found - width;
            } else if *found < width && width - found <= trailing {
                layout.fewer = width - found;
            } else if *found > width || !RowRules::new(header, *layout).may_end_after(*found) {
                return Err(RowsDoNotFit { found: *found, misfits: *count, rows: self.rows, line: *line });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{
        header::{HeaderReading, HeaderSearch},
        options::TapeOptions,
    };

    const HEADER: &str = "Loan Number,Loan Amount,Note Rate,LTV,FICO,Property Type,Appraised Value,County";

    fn row(line: &str) -> Vec<Cow<'_, str>> {
        line.split(',').map(Cow::Borrowed).collect()
    }

    fn header(line: &str) -> Header {
        let reading = HeaderReading { source_file: "t.csv", options: &TapeOptions::default() };
        HeaderSearch::default().look(&row(line), 1, &reading).unwrap().unwrap().header
    }

    fn kind(line: &str) -> RowKind {
        RowRules::new(&header(HEADER), RowLayout::default()).kind(&row(line), 7, true)
    }

    fn misfit(found: u32) -> RowKind {
        RowKind::Misfit(MalformedReason::FieldCount { expected: 8, found })
    }

    #[test]
    fn totals_and_marks_are_no_loans() {
        for line in [
            "Total,758000,7.1,74,710,,,",
            "Grand Total:,758000,,,,,,",
            "ARM Total,758000,,,,,,",
            "Subtotal 3 loans,758000,,,,,,",
            "Totals (1234 loans),,,,,,,",
            "WEIGHTED AVERAGE,,7.1,74,710,,,",
            "Avg,,7.1,,,,,",
            "Grand-Total,758000,,,,,,",
            "Sub_Total,758000,,,,SFR,,",
            "**TOTAL**,758000,,,,,,",
            "State: CA Total,758000,,,,,,",
            "Weighted-Average,,7.1,,,,,",
            "Wtd. Avg.,,7.1,,,,,",
            "Min.,,7.1,,,,,",
            "Total UPB,758000,7.1,80,720,,,",
            "Count: 3,,,,,,,",
            ",758000,,,,Total,,",
            ",758000,,,,,,Sub-total of pool",
            "(3 rows affected),,,,,,,",
            "(1,234 rows affected)",
            "(12 rows)",
            "Prepared by the seller,,,,,,,",
            "---,---,---,---,---,---,---,---",
            "***,,,,,,,",
            "TRL,3,758000,,,,,",
            "hdr,2026,,,,,,",
            "EOF,,,,,,,",
            "\u{1a},,,,,,,",
            "\0\0\0,,,,,,,",
            ",,,,,Source: seller,,",
        ] {
            assert_eq!(kind(line), RowKind::NotALoan, "{line:?}");
        }
    }

    #[test]
    fn whatever_may_be_a_loan_is_one() {
        for line in [
            "1001,250000,6.5,80,720,SFR,312500,Cook",
            "Total-1,250000,6.5,80,720,SFR,312500,Cook",
            "Mini 7,250000,6.5,80,720,SFR,312500,Cook",
            "Average Joe LLC 12,250000,6.5,80,720,SFR,,",
            "SUM1,250000,6.5,80,720,SFR,,",
            ",250000,6.5,80,720,SFR,312500,Cook",
            "1001,,,,,,,",
            "N/A,250000,6.5,80,720,SFR,,",
            "1002,250000,6.5,80,720,SFR,,Total County",
            "count,7,250000,,,,,x",
        ] {
            let expected = if line.starts_with("count") { RowKind::NotALoan } else { RowKind::Loan };
            assert_eq!(kind(line), expected, "{line}");
        }
        for line in [",,,,,,,", " ,\u{a0},\t,,,,,", "\u{feff},,,,,,,"] {
            assert_eq!(kind(line), RowKind::Blank, "{line:?}");
        }
    }

    #[test]
    fn a_header_again_is_told_from_another_one() {
        for (line, expected) in [
            (HEADER, RowKind::HeaderAgain),
            ("loan_number,LOAN AMOUNT,Note-Rate,ltv,fico,Property  Type,Appraised Value,county", RowKind::HeaderAgain),
            ("Loan Number,Loan Amount,LTV,Note Rate,FICO,Property Type,Appraised Value,County", RowKind::SecondHeader),
            ("Loan Number,,,,,,,", RowKind::SecondHeader),
            ("A-1,UPB,Rate,LTV,FICO,,,", RowKind::SecondHeader),
            ("ID,250000,6.5,80,720,SFR,,", RowKind::SecondHeader),
            ("1001,250000,6.5,80,720,SFR,312500,ID", RowKind::Loan),
        ] {
            assert_eq!(kind(line), expected, "{line}");
        }
    }

    #[test]
    fn a_row_may_lack_what_is_optional_and_nothing_else() {
        for (line, expected) in [
            ("1001,250000,6.5,80,720,SFR,312500", RowKind::ShortLoan),
            ("1001,250000,6.5,80,720,SFR", RowKind::ShortLoan),
            ("1001,250000,6.5,80,720", misfit(5)),
            ("1001,250000,6.5,80,720,SFR,312500,Cook,", misfit(9)),
            ("1001,250000,6.5,80,720,SFR,312500,Cook,x", misfit(9)),
        ] {
            assert_eq!(kind(line), expected, "{line}");
        }
        let rules = RowRules::new(&header(HEADER), RowLayout { more: 1, ..RowLayout::default() });
        assert_eq!(rules.kind(&row("1,250000,6.5,80,720,SFR,312500,Cook,"), 7, true), RowKind::Loan);
        assert_eq!(rules.kind(&row("1,250000,6.5,80,720,SFR,312500,Cook,x"), 7, true), misfit(9));
        assert_eq!(rules.kind(&row("1,250000,6.5,80,720,SFR"), 7, false), misfit(6), "it ends without a line end");
        // The score may be truncated, unless all columns after it are only kept.
        let score_last = header("Loan Number,Loan Amount,Note Rate,LTV,Property Type,FICO,Appraised Value");
        let rules = RowRules::new(&score_last, RowLayout::default());
        assert!(matches!(rules.kind(&row("1,250000,6.5,80,SFR,72"), 7, true), RowKind::Misfit(_)));
        let kept_last = header("Loan Number,Loan Amount,Note Rate,LTV,Property Type,FICO,County");
        assert_eq!(
            RowRules::new(&kept_last, RowLayout::default()).kind(&row("1,250000,6.5,80,SFR,720"), 7, true),
            RowKind::ShortLoan
        );
    }

    #[test]
    fn a_row_that_is_plainly_a_loan_is_one_by_all_rules() {
        let rules = RowRules::new(&header(HEADER), RowLayout::default());
        let numbers = ["1001", "L-7", "Total 3", "Total", "A/7", "HDR1", "x", "", "=\"7\"", " 7", "é7", "1E+11", "7.0"];
        for number in numbers {
            for amount in ["250000", "$5", "UPB", "", "-5", "0"] {
                for others in [
                    "6.5,80,720,SFR,1,Cook",
                    "x,y,720,SFR,,",
                    ",,,,,Total",
                    "Note Rate,LTV,720,FICO,1,Cook",
                    "Note Rate,LTV,FICO,SFR,1,",
                ] {
                    let line = format!("{number},{amount},{others}");
                    let cells = row(&line);
                    if rules.is_plainly_a_loan(|at| cells[at].as_ref()) {
                        assert_eq!(rules.kind(&cells, 7, true), RowKind::Loan, "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn widths_are_those_of_most_rows() {
        let (header, mut layout) = (header(HEADER), RowLayout::default());
        let survey = |rows: &[(&str, usize)]| {
            let mut survey = WidthSurvey::default();
            for (line, count) in rows {
                (0..*count).for_each(|_| survey.observe(&row(line), header.width(), 3));
            }
            survey
        };
        let (fits, one_more) = ("1,2,3,4,5,6,7,8", "1,2,3,4,5,6,7,8,");
        survey(&[(one_more, 3), (fits, 2)]).decide(&header, &mut layout).unwrap();
        assert_eq!(layout.more, 1);
        let mut layout = RowLayout::default();
        survey(&[(one_more, 2), (fits, 2)]).decide(&header, &mut layout).unwrap();
        assert_eq!(layout, RowLayout::default());
        let error = survey(&[("1,2,3,4,5,6,7,8,9", 3), (fits, 2)]).decide(&header, &mut layout).unwrap_err();
        assert_eq!(error, RowsDoNotFit { found: 9, misfits: 3, rows: 5, line: 3 });
        survey(&[("1,2,3,4,5,6", 3)]).decide(&header, &mut layout).unwrap();
        assert!(survey(&[("1,2,3,4,5", 3)]).decide(&header, &mut layout).is_err());
    }

    #[test]
    fn no_word_for_a_total_is_overlooked_at_a_glance() {
        for word in TOTALS.iter().chain(&STATISTICS).flat_map(|words| words.split(' ')) {
            for cell in [word.to_owned(), word.to_uppercase(), format!("**{word}:"), format!("2 {word}s"), format!("_{word}")] {
                assert!(may_sum_up(&cell), "{cell}");
            }
        }
        assert!(may_sum_up("avg") && !may_sum_up("SLN 92, pool A") && !may_sum_up("") && !may_sum_up("S-0001"));
    }

    #[test]
    fn a_row_of_units_is_recognized() {
        for (line, units) in
            [("text,$,%,%,number,text,$,text", true), (",$,(%),,,,,", true), ("1,$,%,,,,,", false), (",,,", false)]
        {
            assert_eq!(is_unit_row(&row(line)), units, "{line}");
        }
    }
}
