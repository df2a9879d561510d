//! Finding the header row, and what each column means.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{RunError, RunErrorCode, shortened},
    loan::{Field, NUMBERS},
};

use super::{aliases::Aliases, units::ColumnUnit};

/// The header is one of this many first rows.
pub const HEADER_ROWS: u64 = 20;
/// The most columns that a tape may have.
pub const MAX_COLUMNS: usize = 4_096;
/// The longest name of a column, in characters.
pub const MAX_HEADER_CHARACTERS: usize = 300;
/// How much of a longer one the error shows, in characters.
const SHOWN_CHARACTERS: usize = 60;
/// How many bytes the columns of all tapes of a run may take: all of them are in memory, and in the column mapping of the run.
const MAX_HEADERS_BYTES: usize = 32 * 1024 * 1024;
/// Names that the product gives to a loan's own fields, which a column of the tape may not take over.
const PRODUCT_FIELDS: [&str; 12] = [
    "disposition",
    "projection_reason",
    "pricing_spread",
    "final_price",
    "source_file",
    "line",
    "run_id",
    "id",
    "created_at",
    "as_written",
    "exact_values",
    "source_columns",
];

/// One column of a tape and what it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The header as it is written.
    pub header: String,
    /// The canonical column that it means; `None` for a column that is only kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Field>,
    /// The name under which its cells appear in a loan's data.
    pub name: String,
    /// What its numbers mean, for a column of percentages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<ColumnUnit>,
}

/// The columns of a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The physical line, or the sheet row, of the header.
    pub line: u64,
    /// All columns, in tape order.
    pub columns: Vec<Column>,
    /// Where each canonical column stands, in the order of [`Field::ALL`].
    pub position: [Option<usize>; Field::ALL.len()],
}

impl Header {
    /// Where a canonical column stands.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.position[field as usize]
    }

    /// The units of the numbers, in the order of [`Field::NUMERIC`].
    pub fn units(&self) -> [ColumnUnit; NUMBERS] {
        Field::NUMERIC.map(|field| {
            let column = self.position(field).and_then(|at| self.columns.get(at));
            column.and_then(|column| column.unit).unwrap_or(ColumnUnit::Percent)
        })
    }

    /// The name of a cell beyond the header: one that no column has.
    pub fn extra_name(&self, at: usize) -> String {
        let mut name = unnamed_column(at);
        while self.columns.iter().any(|column| column.name == name) {
            name.push_str("_2");
        }
        name
    }

    /// Records the unit that was found for a column of percentages.
    pub fn set_unit(&mut self, field: Field, unit: ColumnUnit) {
        if let Some(column) = self.position(field).and_then(|at| self.columns.get_mut(at)) {
            column.unit = Some(unit);
        }
    }

    /// The percentage columns that the tape has.
    pub fn percentages(&self) -> impl Iterator<Item = (Field, usize)> {
        let percentages = Field::NUMERIC.into_iter().filter(|field| field.info().fraction_bound.is_some());
        percentages.filter_map(|field| self.position(field).map(|at| (field, at)))
    }

    /// The header of these columns, each of which was taken for what it is before.
    pub fn of_columns(line: u64, columns: Vec<Column>) -> Self {
        let position = Field::ALL.map(|field| columns.iter().position(|column| column.field == Some(field)));
        Self { line, columns, position }
    }

    /// The header that a row is, given that it names the required columns.
    fn new(row: &[Cow<'_, str>], line: u64, source_file: &str) -> Result<Self, RunError> {
        check_size(row).map_err(|message| RunError::ingest(RunErrorCode::HeaderTooLarge, source_file, Some(line), message))?;
        let mut position: [Option<usize>; Field::ALL.len()] = [None; Field::ALL.len()];
        let mut names = Names::default();
        let mut columns: Vec<Column> = Vec::with_capacity(row.len());
        for (at, header) in row.iter().enumerate() {
            let header = header.trim().to_owned();
            let field = Aliases::built_in().header(&header);
            if let Some(field) = field {
                if let Some(first) = position[field as usize].replace(at) {
                    let message = format!(
                        "The columns \"{}\" and \"{header}\" (columns {} and {}) both mean {field}. Rename or remove one of them.",
                        columns[first].header,
                        first + 1,
                        at + 1
                    );
                    return Err(RunError::ingest(RunErrorCode::DuplicateColumns, source_file, Some(line), message));
                }
                columns.push(Column { header, field: Some(field), name: field.name().to_owned(), unit: None });
            } else {
                let name = names.take(&header, at);
                columns.push(Column { header, field, name, unit: None });
            }
        }
        Ok(Self { line, columns, position })
    }
}

/// Whether a header has no more columns, and no longer names of them, than a tape may have. Otherwise what is too large.
fn check_size(row: &[Cow<'_, str>]) -> Result<(), String> {
    if row.len() > MAX_COLUMNS {
        let found = row.len();
        return Err(format!(
            "The header has {found} columns; a tape has at most {MAX_COLUMNS}. Remove the columns that are not needed."
        ));
    }
    let too_long = |cell: &str| cell.chars().nth(MAX_HEADER_CHARACTERS).is_some();
    match row.iter().position(|cell| too_long(cell.trim())) {
        None => Ok(()),
        Some(at) => {
            let (name, column) = (row[at].trim(), at + 1);
            let (found, shown) = (name.chars().count(), shortened(name, SHOWN_CHARACTERS));
            Err(format!(
                "The name of column {column}, \"{shown}\", has {found} characters; a name has at most {MAX_HEADER_CHARACTERS}. \
                 Shorten it."
            ))
        }
    }
}

/// Sees to it that the columns of all tapes of a run are not too many to be kept.
#[derive(Debug, Default)]
pub struct HeaderBudget {
    bytes: usize,
}

impl HeaderBudget {
    /// Adds the header of one more tape.
    ///
    /// # Errors
    /// [`RunErrorCode::HeaderTooLarge`] when the headers of the run take more than their bound.
    pub fn add(&mut self, header: &Header, source_file: &str) -> Result<(), RunError> {
        let bytes = |column: &Column| size_of::<Column>() + column.header.len() + column.name.len();
        self.bytes += header.columns.iter().map(bytes).sum::<usize>();
        if self.bytes <= MAX_HEADERS_BYTES {
            return Ok(());
        }
        let message = format!(
            "With the {} columns of this tape, the headers of the run take more than {} MiB. Make several runs of fewer tapes.",
            header.columns.len(),
            MAX_HEADERS_BYTES / (1024 * 1024)
        );
        Err(RunError::ingest(RunErrorCode::HeaderTooLarge, source_file, Some(header.line), message))
    }
}

/// The names of the columns that are only kept.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    /// How often each was asked for, so that finding a free one stays quick in a header of thousands of equal cells.
    asked: HashMap<String, usize>,
}

impl Names {
    /// A name for a column: its header, unless that is empty, the product's own, or taken.
    fn take(&mut self, header: &str, at: usize) -> String {
        let plain = if header.is_empty() { unnamed_column(at) } else { header.to_owned() };
        let own = PRODUCT_FIELDS.iter().chain(Field::ALL.map(Field::name).iter()).any(|name| name.eq_ignore_ascii_case(&plain));
        let base = if own { format!("source_{plain}") } else { plain };
        let asked = self.asked.entry(base.clone()).or_insert(0);
        loop {
            *asked += 1;
            let name = if *asked == 1 { base.clone() } else { format!("{base}_{asked}") };
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// The name of a column without a header: its place, from 1.
fn unnamed_column(at: usize) -> String {
    format!("column_{}", at + 1)
}

/// Looks for the header among the first rows of a tape.
#[derive(Debug, Default)]
pub struct HeaderSearch {
    /// The row that named the most canonical columns so far, for the error.
    best: Option<(usize, u64, Vec<Field>)>,
}

impl HeaderSearch {
    /// Looks at one more row; the header, when this is it.
    pub fn look(&mut self, row: &[Cow<'_, str>], line: u64, source_file: &str) -> Result<Option<Header>, RunError> {
        let mut named: Vec<Field> = row.iter().filter_map(|cell| Aliases::built_in().header(cell)).collect();
        named.sort_unstable();
        named.dedup();
        let missing: Vec<Field> = Field::ALL.into_iter().filter(|f| f.info().required && !named.contains(f)).collect();
        if missing.is_empty() {
            return Header::new(row, line, source_file).map(Some);
        }
        if self.best.as_ref().is_none_or(|(most, ..)| named.len() > *most) {
            self.best = Some((named.len(), line, missing));
        }
        Ok(None)
    }

    /// How many canonical columns the best row named.
    pub fn best_score(&self) -> usize {
        self.best.as_ref().map_or(0, |(named, ..)| *named)
    }

    /// Why no row was the header.
    pub fn failure(self, source_file: &str) -> RunError {
        match self.best {
            // One recognized word is as likely to be a coincidence in a title as a header.
            Some((2.., line, missing)) => {
                let names: Vec<&str> = missing.iter().map(|field| field.name()).collect();
                let (noun, verb) = if names.len() == 1 { ("column", "is") } else { ("columns", "are") };
                let message = format!(
                    "The required {noun} {} {verb} missing from the header. Add {}, or rename the columns that hold the same.",
                    names.join(", "),
                    if names.len() == 1 { "it" } else { "them" }
                );
                RunError::ingest(RunErrorCode::MissingColumns, source_file, Some(line), message)
            }
            _ => {
                let required: Vec<&str> = Field::ALL.iter().filter(|f| f.info().required).map(|f| f.name()).collect();
                let message = format!(
                    "No header row was found in the first {HEADER_ROWS} rows. Add one row above the loans that names at least: {}.",
                    required.join(", ")
                );
                RunError::ingest(RunErrorCode::NoHeader, source_file, None, message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [&str; 6] = ["Loan #", "UPB", "Rate", "LTV", "FICO", "Prop Type"];

    fn header(cells: &[&str]) -> Result<Option<Header>, RunError> {
        let row: Vec<Cow<'_, str>> = cells.iter().map(|c| Cow::Borrowed(*c)).collect();
        HeaderSearch::default().look(&row, 3, "t.csv")
    }

    #[test]
    fn aliases_find_their_columns_in_any_order() {
        let header = header(&["County", "Prop Type", "FICO", "LTV", "Rate", "UPB", "Loan #"]).unwrap().unwrap();
        assert_eq!(header.position(Field::SellerLoanNumber), Some(6));
        assert_eq!(header.position(Field::PropertyType), Some(1));
        assert_eq!(header.position(Field::DtiRatio), None);
        assert_eq!(header.columns[0].name, "County");
        assert_eq!(header.columns[0].field, None);
    }

    #[test]
    fn two_columns_for_one_meaning_are_an_error() {
        let error = header(&[&REQUIRED[..], &["Orig Bal"]].concat()).unwrap_err();
        assert_eq!(error.code, RunErrorCode::DuplicateColumns);
        assert!(error.message.contains("\"UPB\" and \"Orig Bal\"") && error.message.contains("loan_amount"), "{error}");
    }

    #[test]
    fn a_header_as_large_as_it_may_be_is_read_and_a_larger_one_says_where_it_is_too_large() {
        for letter in ["x", "é", "\u{1F3E0}", "\n"] {
            let inside = |count: usize| format!("a{}b", letter.repeat(count - 2));
            let fits = inside(MAX_HEADER_CHARACTERS);
            let found = header(&[&REQUIRED[..], &[&format!("  {fits} ")]].concat()).unwrap().unwrap();
            assert_eq!(found.columns[6].header, fits);
            let error = header(&[&REQUIRED[..], &["County", &inside(MAX_HEADER_CHARACTERS + 1)]].concat()).unwrap_err();
            assert_eq!((error.code, error.line), (RunErrorCode::HeaderTooLarge, Some(3)));
            let shown = format!("The name of column 8, \"a{}…\", has 301 characters; a name has at most 300.", letter.repeat(58));
            assert!(error.message.starts_with(&shown), "{error}");
        }
        let wide = |columns: usize| header(&[&REQUIRED[..], &vec!["x"; columns - REQUIRED.len()]].concat());
        assert_eq!(wide(MAX_COLUMNS).unwrap().unwrap().columns.len(), MAX_COLUMNS);
        let error = wide(MAX_COLUMNS + 1).unwrap_err();
        assert_eq!((error.code, error.line), (RunErrorCode::HeaderTooLarge, Some(3)));
        assert!(error.message.contains("4097 columns; a tape has at most 4096"), "{error}");
    }

    #[test]
    fn headers_of_a_thousand_ordinary_tapes_fit_and_those_of_a_thousand_huge_ones_do_not() {
        let fill = |columns: usize, length: usize| {
            let names: Vec<String> = (0..columns).map(|at| format!("{at:0>length$}")).collect();
            let cells: Vec<&str> = REQUIRED.into_iter().chain(names.iter().map(String::as_str)).collect();
            let (tape, mut budget) = (header(&cells).unwrap().unwrap(), HeaderBudget::default());
            (0..1_000).find_map(|at| budget.add(&tape, "t.csv").err().map(|error| (at, error)))
        };
        assert_eq!(fill(100, 20), None);
        let (at, error) = fill(MAX_COLUMNS - 6, MAX_HEADER_CHARACTERS).unwrap();
        assert!(at > 5, "{at}");
        assert_eq!((error.code, error.source_file.as_deref()), (RunErrorCode::HeaderTooLarge, Some("t.csv")));
        assert!(error.message.contains("4096 columns") && error.message.contains("several runs"), "{error}");
    }

    #[test]
    fn kept_columns_never_take_a_name_of_the_product_or_of_each_other() {
        let header = header(&[&REQUIRED[..], &["Disposition", "final_price", "Note", "Note", "", "source_final_price"]].concat());
        let names: Vec<String> = header.unwrap().unwrap().columns.into_iter().skip(6).map(|c| c.name).collect();
        assert_eq!(names, ["source_Disposition", "source_final_price", "Note", "Note_2", "column_11", "source_final_price_2"]);
    }

    #[test]
    fn the_error_names_what_is_missing() {
        let mut search = HeaderSearch::default();
        let row = |cells: &[&'static str]| cells.iter().map(|c| Cow::Borrowed(*c)).collect::<Vec<_>>();
        assert_eq!(search.look(&row(&["Portfolio of May"]), 1, "t.csv"), Ok(None));
        assert_eq!(search.look(&row(&["Loan ID", "UPB", "Rate", "LTV"]), 2, "t.csv"), Ok(None));
        let error = search.failure("t.csv");
        assert_eq!((error.code, error.line), (RunErrorCode::MissingColumns, Some(2)));
        assert!(error.message.contains("credit_score, property_type"), "{error}");
        assert_eq!(HeaderSearch::default().failure("t.csv").code, RunErrorCode::NoHeader);
    }
}
