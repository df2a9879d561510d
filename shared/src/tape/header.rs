//! Finds the header row, and maps each column to a field.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::{RunError, RunErrorCode, shortened},
    field::FIELDS,
    loan::{ColumnField, ColumnUnit, Field, NUMBERS},
};

use super::{
    aliases::{Aliases, Rank},
    declared::DeclaredFields,
    kept_names::{KeptNames, unnamed_column},
    meaning::{Meaning, Meanings},
    notices::Notice,
    options::{HeaderPlace, Origin, TapeOptions},
};

/// The header is among this many first rows.
pub const HEADER_ROWS: u64 = 20;
/// The most columns that a tape may have.
pub const MAX_COLUMNS: usize = 4_096;
/// The longest name of a column, in characters.
pub const MAX_HEADER_CHARACTERS: usize = 300;
/// Number of characters of an overlong name that an error shows.
const SHOWN_CHARACTERS: usize = 60;
/// Number of headers, and of characters of a row, that an error shows.
const SHOWN_HEADERS: usize = 12;
const SHOWN_ROW_CHARACTERS: usize = 200;
/// Number of bytes that the columns of all tapes of a run may take: all of them are in memory, and in the column mapping of the
/// run.
const MAX_HEADERS_BYTES: usize = 32 * 1024 * 1024;
/// Names that the product gives to a loan's own fields. A column of the tape cannot have one of these names.
pub const PRODUCT_FIELDS: [&str; 18] = [
    "disposition",
    "projection_reason",
    "pricing_spread",
    "final_price",
    "base_price",
    "base_price_source",
    "price_adjustments",
    "wal",
    "duration",
    "source_file",
    "line",
    "row",
    "run_id",
    "id",
    "created_at",
    "as_written",
    "exact_values",
    "source_columns",
];

/// One column of a tape and the field it was read as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TapeColumn)]
pub struct Column {
    /// Place of the column, counted from 1. Null: no column holds the field, and a profile gives its value.
    #[schema(required, value_type = Option<u64>, example = 1)]
    pub position: Option<usize>,
    /// Header as it is written in the tape.
    #[schema(example = "Note Rate")]
    pub header: String,
    /// Canonical or standard field, or a field that the rule set declares. Absent: the column is kept with the loan as text, and no rule reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = "note_rate")]
    pub field: Option<ColumnField>,
    /// Name of the column in `/api/loans`.
    #[schema(example = "note_rate")]
    pub name: String,
    /// How sure the header is to mean the field: 1 names what is sold, 2 is a plain name, 3 a name of the past, 4 a weak name that counts
    /// only alone. Absent: the column was not recognised by its header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = u8, minimum = 1, maximum = 4, example = 2)]
    pub rank: Option<Rank>,
    /// Unit of a column of percentages: `percent` (6.5) or `fraction` (0.065). Absent: the column holds no percentages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = "percent")]
    pub unit: Option<ColumnUnit>,
    /// Why the column was taken for the field: `alias`, `profile`, `map`, `position` or `constant`. Absent: it was taken for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = "alias")]
    pub origin: Option<Origin>,
}

impl Column {
    /// The canonical or standard field of the column.
    pub fn known(&self) -> Option<Field> {
        self.field.as_ref().and_then(ColumnField::known)
    }
}

/// The columns of a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The physical line, or the sheet row, of the header, from 1; 0 for a tape without a header.
    pub line: u64,
    /// All columns, in tape order.
    pub columns: Vec<Column>,
    /// The index of each field's column, in the order of [`Field::ALL`].
    pub position: [Option<usize>; FIELDS],
}

impl Header {
    /// The index of a field's column.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.position[field as usize]
    }

    /// Number of columns of the tape itself. The columns of constants follow them.
    pub fn width(&self) -> usize {
        self.columns.iter().take_while(|column| column.position.is_some()).count()
    }

    /// The unit of the numbers of a field; percent where none is known.
    pub fn unit(&self, field: Field) -> ColumnUnit {
        let column = self.position(field).and_then(|at| self.columns.get(at));
        column.and_then(|column| column.unit).unwrap_or(ColumnUnit::Percent)
    }

    /// The units of the numbers, in the order of [`Field::NUMERIC`].
    pub fn units(&self) -> [ColumnUnit; NUMBERS] {
        Field::NUMERIC.map(|field| self.unit(field))
    }

    /// A name for a cell beyond the header, which no column has.
    pub fn extra_name(&self, at: usize) -> String {
        let mut name = unnamed_column(at);
        while self.columns.iter().any(|column| column.name == name) {
            name.push_str("_2");
        }
        name
    }

    /// Records the unit detected for a column of percentages.
    pub fn set_unit(&mut self, field: Field, unit: ColumnUnit) {
        if let Some(column) = self.position(field).and_then(|at| self.columns.get_mut(at)) {
            column.unit = Some(unit);
        }
    }

    /// The index of the column of any field.
    pub fn place(&self, field: &ColumnField) -> Option<usize> {
        match field {
            ColumnField::Known(field) => self.position(*field),
            ColumnField::Declared(_) => self.columns.iter().position(|column| column.field.as_ref() == Some(field)),
        }
    }

    /// Unmaps a field: from now on its column is only kept. Its name is none of `declared`.
    pub fn unmap(&mut self, field: &ColumnField, declared: &DeclaredFields) {
        let Some(at) = self.place(field) else { return };
        if let Some(field) = field.known() {
            self.position[field as usize] = None;
        }
        let kept = self.columns.iter().filter(|column| column.field.is_none()).map(|column| column.name.clone());
        let mut names = KeptNames::of(kept, declared);
        if let Some(column) = self.columns.get_mut(at) {
            (column.field, column.rank, column.unit, column.origin) = (None, None, None, None);
            column.name = names.take(&column.header, at);
        }
    }

    /// The fields of percentages that the tape has, with the indexes of their columns.
    pub fn percentages(&self) -> impl Iterator<Item = (Field, usize)> {
        let percentages = Field::ALL.into_iter().filter(|field| field.info().zones.is_some());
        percentages.filter_map(|field| self.position(field).map(|at| (field, at)))
    }

    /// The required fields that no column has.
    pub fn missing(&self) -> Vec<Field> {
        Field::CANONICAL.into_iter().filter(|field| field.info().required && self.position(*field).is_none()).collect()
    }

    /// A header of columns that are mapped already.
    pub fn of_columns(line: u64, columns: Vec<Column>) -> Self {
        let position = Field::ALL.map(|field| columns.iter().position(|column| column.known() == Some(field)));
        Self { line, columns, position }
    }

    /// Builds the header from a row and the meanings of its columns.
    fn new(row: &[Cow<'_, str>], line: u64, meanings: &Meanings, options: &TapeOptions) -> Self {
        let mut names = KeptNames::of(std::iter::empty(), &options.declared);
        let columns = row.iter().zip(&meanings.columns).enumerate().map(|(at, (header, meaning))| {
            let header = header.trim().to_owned();
            let name = meaning.as_ref().map_or_else(|| names.take(&header, at), |meaning| meaning.field.name().to_owned());
            let (field, rank, origin) = match meaning {
                None => (None, None, None),
                Some(Meaning { field, rank, origin }) => (Some(field.clone()), *rank, Some(*origin)),
            };
            let known = field.as_ref().and_then(ColumnField::known);
            let given = options.columns.iter().find(|column| Some(column.field) == known).and_then(|column| column.unit);
            Column { position: Some(at + 1), header, field, name, rank, unit: given, origin }
        });
        let constants = options.constants.iter().map(|(field, cell)| Column {
            position: None,
            header: cell.clone(),
            field: Some((*field).into()),
            name: field.name().to_owned(),
            rank: None,
            unit: None,
            origin: Some(Origin::Constant),
        });
        Self::of_columns(line, columns.chain(constants).collect())
    }
}

/// Checks the number of columns and the lengths of their names. The error says what is too large.
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

/// The error for another header below that of a tape, or for a header in a tape whose profile says that there is none.
pub fn second_header(source_file: &str, header_line: u64, line: u64, row: &str) -> RunError {
    let row = shortened(row.trim(), SHOWN_ROW_CHARACTERS);
    let message = match header_line {
        0 => format!(
            "Line {line} is a header, and the profile says that the tape has none: `{row}`. Take header = \"none\" out of the profile, and \
             name the columns by their headers."
        ),
        first => format!(
            "Line {line} is another header, below that on line {first}: `{row}`. Send the tables below them as tapes of their own."
        ),
    };
    RunError::ingest(RunErrorCode::SecondHeader, source_file, Some(line), message)
}

/// Limits the memory that the columns of all tapes of a run take.
#[derive(Debug, Default)]
pub struct HeaderBudget {
    bytes: usize,
}

impl HeaderBudget {
    /// Adds the header of one more tape.
    ///
    /// # Errors
    /// [`RunErrorCode::HeaderTooLarge`] when the headers of the run take more than their limit.
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

/// A row that may be the header.
#[derive(Debug, Clone)]
struct Candidate {
    line: u64,
    /// Number of canonical fields that the row names.
    named: usize,
    missing: Vec<ColumnField>,
    /// Why the columns that the options name do not fit the row.
    misfit: Option<String>,
    /// The cells of the row, as errors show them.
    cells: Vec<String>,
}

/// Searches the first rows of a tape for the header.
#[derive(Debug, Default)]
pub struct HeaderSearch {
    /// The row with the most canonical fields so far, for the error.
    best: Option<Candidate>,
    /// The row before, for a header of two rows.
    above: Option<(u64, Vec<String>)>,
    /// The first header that two rows form together.
    joined: Option<(u64, Vec<String>)>,
}

impl HeaderSearch {
    /// Tests one more row; returns the header when the row is it.
    ///
    /// # Errors
    /// When the row is the header: [`RunErrorCode::HeaderTooLarge`]; [`RunErrorCode::DuplicateColumns`] when two columns, or a
    /// column and a constant, mean one field; [`RunErrorCode::ProfileHeaderAbsent`] when the columns that the options name do not
    /// fit the tape.
    pub fn look(&mut self, row: &[Cow<'_, str>], line: u64, tape: &HeaderReading<'_>) -> Result<Option<FoundHeader>, RunError> {
        match &tape.options.header {
            HeaderPlace::Found => {}
            HeaderPlace::Nowhere => return tape.headerless(row.len()).map(Some),
            HeaderPlace::Rows(rows) => return self.look_where_told(row, line, rows, tape),
        }
        let meanings = Meanings::of(row, tape.options);
        let missing = tape.missing(&meanings);
        if missing.is_empty() {
            return tape.header(row, line, &meanings).map(Some);
        }
        let (named, cells) = (meanings.named(), shown_cells(row));
        if self.best.as_ref().is_none_or(|best| named > best.named) {
            self.best = Some(Candidate { line, named, missing, misfit: meanings.misfit, cells: cells.clone() });
        }
        if let Some((above, upper)) = self.above.take()
            && self.joined.is_none()
            && above + 1 == line
        {
            let joined = join(&upper, &cells);
            if tape.missing(&Meanings::of(&borrowed(&joined), tape.options)).is_empty() {
                self.joined = Some((line, joined));
            }
        }
        self.above = Some((line, cells));
        Ok(None)
    }

    /// Tests a row where the options say which rows are the header.
    fn look_where_told(
        &mut self,
        row: &[Cow<'_, str>],
        line: u64,
        rows: &[u64],
        tape: &HeaderReading<'_>,
    ) -> Result<Option<FoundHeader>, RunError> {
        let cells = shown_cells(row);
        if rows.last() != Some(&line) {
            if rows.first() == Some(&line) {
                self.above = Some((line, cells));
            }
            return Ok(None);
        }
        let cells = match self.above.take() {
            Some((_, upper)) => join(&upper, &cells),
            None => cells,
        };
        let meanings = Meanings::of(&borrowed(&cells), tape.options);
        let missing = tape.missing(&meanings);
        if missing.is_empty() {
            return tape.header(&borrowed(&cells), line, &meanings).map(Some);
        }
        self.best = Some(Candidate { line, named: meanings.named(), missing, misfit: meanings.misfit, cells });
        Ok(None)
    }

    /// The header that two rows form together, when no single row was it.
    ///
    /// # Errors
    /// Those of [`Self::look`].
    pub fn joined(&mut self, tape: &HeaderReading<'_>) -> Result<Option<FoundHeader>, RunError> {
        let Some((line, cells)) = self.joined.take() else { return Ok(None) };
        tape.header_of(&cells, line).map(Some)
    }

    /// The row that names the most fields, as the header of a tape that is only inspected.
    ///
    /// # Errors
    /// [`RunErrorCode::HeaderTooLarge`] when the row has too many columns, or too long a name of one.
    pub fn best_header(&mut self, tape: &HeaderReading<'_>) -> Result<Option<FoundHeader>, RunError> {
        let Some(best) = self.best.as_ref().filter(|best| tape.options.lenient && best.named > 0) else { return Ok(None) };
        tape.header_of(&best.cells, best.line).map(Some)
    }

    /// Whether a row has been a candidate.
    pub fn has_rows(&self) -> bool {
        self.best.is_some()
    }

    /// Number of canonical fields that the best row named.
    pub fn best_score(&self) -> usize {
        self.best.as_ref().map_or(0, |best| best.named)
    }

    /// The error that says why no row was the header.
    pub fn failure(self, source_file: &str) -> RunError {
        match self.best {
            // One recognised word is as likely to be a coincidence in a title as a header.
            Some(Candidate { misfit: Some(message), line, named: 2.., .. }) => {
                RunError::ingest(RunErrorCode::ProfileHeaderAbsent, source_file, Some(line), message)
            }
            Some(best) if best.named >= 2 => {
                let names: Vec<&str> = best.missing.iter().map(ColumnField::name).collect();
                let way_out = match &best.missing[0] {
                    ColumnField::Known(field) => format!("say which columns hold the same, as with --map {field}=\"…\""),
                    ColumnField::Declared(name) => {
                        format!("name the columns that hold the same under [fields.{name}] in the rule set")
                    }
                };
                let (noun, verb) = if names.len() == 1 { ("column", "is") } else { ("columns", "are") };
                let unknown = best.unknown_headers();
                let message = format!(
                    "The required {noun} {} {verb} missing from the header. Add {}, or {way_out}.{unknown}",
                    names.join(", "),
                    if names.len() == 1 { "it" } else { "them" },
                );
                RunError::ingest(RunErrorCode::MissingColumns, source_file, Some(best.line), message)
            }
            best => {
                let required: Vec<&str> = Field::CANONICAL.iter().filter(|f| f.info().required).map(|f| f.name()).collect();
                let closest = best.map_or_else(String::new, |best| best.shown());
                let message = format!(
                    "No header row was found in the first {HEADER_ROWS} rows. Add one row above the loans that names at least: \
                     {}.{closest}",
                    required.join(", ")
                );
                RunError::ingest(RunErrorCode::NoHeader, source_file, None, message)
            }
        }
    }
}

impl Candidate {
    /// The headers without a meaning, as the end of a message.
    fn unknown_headers(&self) -> String {
        let unknown = self.cells.iter().filter(|cell| !cell.is_empty() && Aliases::built_in().claims(cell).is_empty());
        let shown: Vec<String> =
            unknown.take(SHOWN_HEADERS).map(|cell| format!("`{}`", shortened(cell, SHOWN_CHARACTERS))).collect();
        if shown.is_empty() { String::new() } else { format!(" Columns that are not known: {}.", shown.join(", ")) }
    }

    /// The row itself, as the end of a message.
    fn shown(&self) -> String {
        let row = self.cells.join(", ");
        let (count, line) = (self.cells.len(), self.line);
        let columns = if count == 1 { "one column".to_owned() } else { format!("{count} columns") };
        format!(" The closest is row {line}, with {columns}: `{}`.", shortened(&row, SHOWN_ROW_CHARACTERS))
    }
}

/// The cells of a row as errors show them, and as two rows are joined.
fn shown_cells(row: &[Cow<'_, str>]) -> Vec<String> {
    row.iter().map(|cell| shortened(cell.trim(), MAX_HEADER_CHARACTERS + 1).into_owned()).collect()
}

fn borrowed(cells: &[String]) -> Vec<Cow<'_, str>> {
    cells.iter().map(|cell| Cow::Borrowed(cell.as_str())).collect()
}

/// Joins the cells of two rows column by column, those of the upper row first.
fn join(upper: &[String], lower: &[String]) -> Vec<String> {
    let cell = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
    (0..upper.len().max(lower.len())).map(|at| format!("{} {}", cell(upper, at), cell(lower, at)).trim().to_owned()).collect()
}

/// A header and the notices about its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundHeader {
    pub header: Header,
    /// Notices, in the order of the fields.
    pub notices: Vec<Notice>,
}

/// What the search for a header needs to know about a tape.
#[derive(Debug, Clone, Copy)]
pub struct HeaderReading<'o> {
    /// Name of the tape.
    pub source_file: &'o str,
    /// Options of the profile and of the user who started the run.
    pub options: &'o TapeOptions,
}

impl HeaderReading<'_> {
    /// The required fields that a row of these meanings does not name.
    fn missing(&self, meanings: &Meanings) -> Vec<ColumnField> {
        let has = |field: &ColumnField| {
            let mut constants = self.options.constants.iter();
            meanings.of_field(field) || constants.any(|(constant, _)| Some(*constant) == field.known())
        };
        let canonical = Field::CANONICAL.into_iter().filter(|field| field.info().required).map(ColumnField::Known);
        canonical.chain(self.options.declared.required()).filter(|field| !has(field)).collect()
    }

    /// Reads cells as the header, given that they name the required fields.
    fn header_of(&self, cells: &[String], line: u64) -> Result<FoundHeader, RunError> {
        let row = borrowed(cells);
        self.header(&row, line, &Meanings::of(&row, self.options))
    }

    /// Reads a row as the header, given that it names the required fields.
    fn header(&self, row: &[Cow<'_, str>], line: u64, meanings: &Meanings) -> Result<FoundHeader, RunError> {
        let failed = |code, message| RunError::ingest(code, self.source_file, Some(line), message);
        check_size(row).map_err(|message| failed(RunErrorCode::HeaderTooLarge, message))?;
        if let Some((code, message)) = meanings.fault(row, self.options).filter(|_| !self.options.lenient) {
            return Err(failed(code, message));
        }
        let notices =
            meanings.notices.iter().map(|(code, message)| Notice::of_tape(*code, message.clone(), self.source_file, line));
        Ok(FoundHeader { header: Header::new(row, line, meanings, self.options), notices: notices.collect() })
    }

    /// The header of a tape without a header row, whose rows have `width` cells.
    fn headerless(&self, width: usize) -> Result<FoundHeader, RunError> {
        let row = vec![Cow::Borrowed(""); width];
        let meanings = Meanings::of(&row, self.options);
        let missing = self.missing(&meanings);
        if missing.is_empty() {
            return self.header(&row, 0, &meanings);
        }
        let names: Vec<&str> = missing.iter().map(|field| field.name()).collect();
        let message = match meanings.misfit {
            Some(misfit) => format!("{misfit} Is it parted by what the profile gives as the delimiter?"),
            None => format!(
                "The tape has {width} columns and, as the profile says, no header; the profile does not say where to find {}.",
                names.join(", ")
            ),
        };
        Err(RunError::ingest(RunErrorCode::ProfileHeaderAbsent, self.source_file, None, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::notices::NoticeCode;

    const REQUIRED: [&str; 6] = ["Loan #", "UPB", "Rate", "LTV", "FICO", "Prop Type"];

    fn look(search: &mut HeaderSearch, cells: &[&str], line: u64) -> Result<Option<FoundHeader>, RunError> {
        let row: Vec<Cow<'_, str>> = cells.iter().map(|c| Cow::Borrowed(*c)).collect();
        search.look(&row, line, &HeaderReading { source_file: "t.csv", options: &TapeOptions::default() })
    }

    fn found(cells: &[&str]) -> Result<Option<FoundHeader>, RunError> {
        look(&mut HeaderSearch::default(), cells, 3)
    }

    fn header(cells: &[&str]) -> Result<Option<Header>, RunError> {
        Ok(found(cells)?.map(|found| found.header))
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
        for (second, names, field) in [
            ("Current Balance", "\"UPB\" and \"Current Balance\"", "loan_amount"),
            ("FICO Score", "\"FICO\" and \"FICO Score\"", "credit_score"),
            ("Loan Number", "\"Loan #\" and \"Loan Number\"", "seller_loan_number"),
            ("LTV", "\"LTV\" and \"LTV\"", "ltv_ratio"),
        ] {
            let error = header(&[&REQUIRED[..], &[second]].concat()).unwrap_err();
            assert_eq!(error.code, RunErrorCode::DuplicateColumns);
            assert!(error.message.contains(names) && error.message.contains(&format!("--map {field}=\"")), "{error}");
        }
    }

    #[test]
    fn of_several_columns_for_a_field_the_highest_rank_wins() {
        let cells = [
            "Loan #",
            "Original Balance",
            "Current UPB",
            "Original Rate",
            "Rate",
            "OLTV",
            "LTV",
            "FICO",
            "Prop Type",
            "Property Class",
        ];
        let FoundHeader { header, notices } = found(&cells).unwrap().unwrap();
        for (field, at) in [
            (Field::LoanAmount, Some(2)),
            (Field::OriginalBalance, Some(1)),
            (Field::NoteRate, Some(4)),
            (Field::OriginalRate, Some(3)),
            (Field::LtvRatio, Some(6)),
            (Field::PropertyType, Some(8)),
            (Field::CltvRatio, None),
        ] {
            assert_eq!(header.position(field), at, "{field}");
        }
        // A column without a standard field is only kept.
        assert_eq!((&header.columns[5].field, &header.columns[9].field), (&None, &None));
        assert_eq!(notices.iter().filter(|notice| notice.code == NoticeCode::TwoClaims).count(), 4, "{notices:?}");
        assert_eq!(notices[0].message, "loan_amount was read from \"Current UPB\"; \"Original Balance\" was not taken for it.");
    }

    #[test]
    fn a_coupon_is_no_note_rate_beside_a_gross_rate() {
        let cells = ["Loan #", "UPB", "Coupon", "LTV", "FICO", "Prop Type"];
        assert_eq!(header(&cells).unwrap().unwrap().position(Field::NoteRate), Some(2));
        for gross in ["Gross WAC", "WAC", "Gross Coupon"] {
            assert_eq!(header(&[&cells[..], &[gross]].concat()), Ok(None), "{gross}");
        }
        let beside = header(&[&cells[..], &["Gross Rate"]].concat()).unwrap().unwrap();
        assert_eq!(beside.position(Field::NoteRate), Some(6));
    }

    #[test]
    fn who_maps_a_field_beats_its_aliases() {
        let map = [(Field::LoanAmount, "orig. balance".to_owned()), (Field::LtvRatio, "My Ratio".to_owned())];
        let options = TapeOptions::default().with_map(&map).unwrap();
        let reading = HeaderReading { source_file: "t.csv", options: &options };
        let mut cells: Vec<Cow<'_, str>> =
            ["Loan #", "UPB", "Orig Balance", "Rate", "My Ratio", "FICO", "Prop Type"].map(Cow::Borrowed).to_vec();
        let header = HeaderSearch::default().look(&cells, 1, &reading).unwrap().unwrap().header;
        assert_eq!((header.position(Field::LoanAmount), header.position(Field::LtvRatio)), (Some(2), Some(4)));
        assert_eq!((&header.columns[1].field, header.columns[2].origin), (&None, Some(Origin::Map)));
        cells.push(Cow::Borrowed("Orig Balance"));
        let error = HeaderSearch::default().look(&cells, 1, &reading).unwrap_err();
        assert_eq!(error.code, RunErrorCode::ProfileHeaderAbsent);
        assert!(error.message.contains("twice (columns 3 and 8)"), "{error}");
    }

    #[test]
    fn a_header_may_take_two_rows() {
        let mut search = HeaderSearch::default();
        let (upper, lower) = (
            ["Loan", "Unpaid", "Note", "", "Credit", "Property"],
            ["Number", "Principal Balance", "Rate", "LTV", "Score", "Type"],
        );
        assert_eq!(look(&mut search, &upper, 2), Ok(None));
        assert_eq!(look(&mut search, &lower, 3), Ok(None));
        let joined =
            search.joined(&HeaderReading { source_file: "t.csv", options: &TapeOptions::default() }).unwrap().unwrap().header;
        assert_eq!((joined.line, joined.columns[1].header.as_str()), (3, "Unpaid Principal Balance"));
        assert_eq!(joined.position(Field::CreditScore), Some(4));
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
        assert_eq!(look(&mut search, &["Portfolio of May"], 1), Ok(None));
        assert_eq!(look(&mut search, &["Loan ID", "UPB", "Rate", "LTV"], 2), Ok(None));
        let error = search.failure("t.csv");
        assert_eq!((error.code, error.line), (RunErrorCode::MissingColumns, Some(2)));
        assert!(error.message.contains("credit_score, property_type"), "{error}");
        assert_eq!(HeaderSearch::default().failure("t.csv").code, RunErrorCode::NoHeader);
    }
}
