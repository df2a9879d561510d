//! Notices: events of a tape that are not the fault of a loan. They make sure that nothing is dropped silently.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::shortened,
    folder::{FileKind, LeftOut},
    loan::ColumnField,
};

/// The longest message of a notice, in characters.
const MAX_MESSAGE_CHARACTERS: usize = 300;
/// Number of notices kept per kind and tape, and per run. Notices beyond these limits are only counted.
const KEPT_PER_CODE: usize = 200;
const KEPT: usize = 1_000;
/// Number of characters of a cell that a notice shows.
const SHOWN_CHARACTERS: usize = 60;

/// The kind of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCode {
    /// Several columns match one field.
    TwoClaims,
    /// Cells of a standard field could not be read.
    ValuesNotRead,
    /// The number of units decided the property type: a property of two units or more is not a single-family house.
    UnitsMakeType,
    /// Loan numbers have a decimal point.
    DecimalLoanNumbers,
    /// Every line is one quoted field.
    WholeLinesQuoted,
    /// The header is repeated below itself.
    HeaderAgain,
    /// A row is not a loan.
    NotALoan,
    /// Rows were superseded by a later row of the same loan.
    SupersededRows,
    /// Rows end before the last columns.
    ShortRows,
    /// Hidden rows of a sheet were read.
    HiddenRows,
    /// A hidden sheet was read.
    HiddenSheetRead,
    /// Worksheets were left out.
    SheetsLeftOut,
    /// A workbook is in a format other than `.xlsx`.
    OtherWorkbookFormat,
    /// A file of the folder was not read.
    FileNotRead,
    /// A column with a weak name was not mapped to the field.
    ColumnNotRead,
}

/// Something that happened to a tape and is no fault of a loan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Stable code of the notice, for programs, such as `not_a_loan`, `header_again`, `two_claims`, `values_not_read` or `short_rows`.
    #[schema(value_type = String, example = "not_a_loan")]
    pub code: NoticeCode,
    /// What happened, for people: at most 300 characters.
    #[schema(example = "No loan: Total,500000")]
    pub message: String,
    /// Name of the tape.
    #[schema(example = "february.csv")]
    pub source_file: String,
    /// Line of the tape, or row of the sheet, counted from 1. Null: the notice is about no single line.
    #[schema(required, example = 4)]
    pub line: Option<u64>,
}

impl Notice {
    /// A notice about a line of a tape; line 0 means the whole tape. A message of more than 300 characters is cut.
    pub fn of_tape(code: NoticeCode, message: impl AsRef<str>, source_file: &str, line: u64) -> Self {
        let message = shortened(message.as_ref(), MAX_MESSAGE_CHARACTERS).into_owned();
        Self { code, message, source_file: source_file.to_owned(), line: (line > 0).then_some(line) }
    }
}

/// An event of many cells or rows that becomes a single notice: how often it occurred, and where first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub code: NoticeCode,
    /// The field whose column has the event; `None` for an event that has no column of its own.
    pub field: Option<ColumnField>,
    /// Number of occurrences.
    pub count: u64,
    /// The line of the first occurrence.
    pub line: u64,
    /// The cell of the first occurrence.
    pub text: String,
}

/// The notices of one block of a tape.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockNotices {
    /// The first notices of each kind, in the order of the tape: code, line, message.
    kept: Vec<(NoticeCode, u64, String)>,
    /// Number of notices of each kind.
    counts: Vec<(NoticeCode, u64)>,
    /// Events that become one notice per column.
    tallies: Vec<Tally>,
    /// Number of records that are not loans.
    pub ignored: u64,
    /// Number of rows superseded by a later row of the same loan.
    pub superseded: u64,
}

impl BlockNotices {
    /// Adds a notice about a line.
    pub fn add(&mut self, code: NoticeCode, line: u64, message: impl FnOnce() -> String) {
        let at = match self.counts.iter().position(|(of, _)| *of == code) {
            Some(at) => at,
            None => {
                self.counts.push((code, 0));
                self.counts.len() - 1
            }
        };
        let (_, count) = &mut self.counts[at];
        *count += 1;
        if *count <= KEPT_PER_CODE as u64 {
            self.kept.push((code, line, shortened(&message(), MAX_MESSAGE_CHARACTERS).into_owned()));
        }
    }

    /// Adds a notice about a record that is not a loan, and counts the record.
    pub fn ignore(&mut self, code: NoticeCode, line: u64, message: impl FnOnce() -> String) {
        self.ignored += 1;
        self.add(code, line, message);
    }

    /// Counts a row that is superseded by a later row of the same loan.
    pub fn supersede(&mut self, line: u64) {
        self.superseded += 1;
        self.tally(NoticeCode::SupersededRows, None, line, "");
    }

    /// Counts one occurrence of an event that becomes one notice per column.
    pub fn tally(&mut self, code: NoticeCode, field: Option<ColumnField>, line: u64, text: &str) {
        self.tally_many(code, field, line, text, 1);
    }

    /// Counts `count` occurrences at once.
    pub fn tally_many(&mut self, code: NoticeCode, field: Option<ColumnField>, line: u64, text: &str, count: u64) {
        match self.tallies.iter_mut().find(|tally| tally.code == code && tally.field == field) {
            Some(tally) => tally.count += count,
            None => {
                let text = shortened(text, SHOWN_CHARACTERS).into_owned();
                self.tallies.push(Tally { code, field, count, line, text });
            }
        }
    }
}

impl Tally {
    /// The message about all counted occurrences.
    fn message(&self) -> String {
        let Self { count, text, .. } = self;
        let field = self.field.as_ref().map_or("", ColumnField::name);
        match self.code {
            NoticeCode::DecimalLoanNumbers => {
                let numbers = if *count == 1 { "number has" } else { "numbers have" };
                format!("{count} loan {numbers} a decimal point, as `{text}`; kept as written.")
            }
            NoticeCode::UnitsMakeType => {
                let loans = if *count == 1 { "loan" } else { "loans" };
                format!("The number of units decides the property type of {count} {loans}; the first is {text}.")
            }
            NoticeCode::SupersededRows => {
                let rows = if *count == 1 { "row was" } else { "rows were" };
                format!("{count} {rows} left out, because the loan has a row of a later period.")
            }
            NoticeCode::HiddenRows => format!("Hidden rows of the sheet that were read: {count}."),
            _ => format!("Values of {field} that could not be read and were kept as written: {count}; the first is `{text}`."),
        }
    }
}

/// The notices of a run: the first of each kind and tape, and the number of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    kept: Vec<Notice>,
    counts: BTreeMap<NoticeCode, u64>,
    /// Number of notices kept of each kind for the current tape.
    of_tape: BTreeMap<NoticeCode, usize>,
    /// Tallies of the current tape, which become notices when the tape ends.
    tallies: Vec<Tally>,
    tape: String,
    /// Number of records in all tapes that are not loans.
    pub ignored_rows: u64,
    /// Number of rows in all tapes that are superseded by a later row of the same loan.
    pub superseded_rows: u64,
}

impl Notices {
    /// Starts with the files that were left out: a notice for each name, and the number of all of them.
    pub fn of_left_out(LeftOut { names, count }: &LeftOut) -> Self {
        let mut notices = Self::default();
        for file in names {
            let message = match FileKind::of(file) {
                FileKind::Text => "The text was not read: none of its first rows is the header of a tape.",
                _ => "The file was not read: its name does not end as that of a tape does.",
            };
            notices.keep(Notice::of_tape(NoticeCode::FileNotRead, message, file, 0));
        }
        if *count > 0 {
            notices.counts.insert(NoticeCode::FileNotRead, *count);
        }
        notices
    }

    /// Starts a tape with the notices about it as a whole. Call it in the order of the tapes.
    pub fn begin_tape(&mut self, source_file: &str, notices: Vec<Notice>) {
        self.finish();
        source_file.clone_into(&mut self.tape);
        self.of_tape.clear();
        notices.into_iter().for_each(|notice| self.count_and_keep(notice));
    }

    /// Adds the notices of a block. Call it in the order of the blocks.
    pub fn add_block(&mut self, block: BlockNotices) {
        self.ignored_rows += block.ignored;
        self.superseded_rows += block.superseded;
        for (code, line, message) in block.kept {
            self.keep(Notice { code, message, source_file: self.tape.clone(), line: Some(line) });
        }
        for (code, count) in block.counts {
            *self.counts.entry(code).or_default() += count;
        }
        for tally in block.tallies {
            match self.tallies.iter_mut().find(|known| known.code == tally.code && known.field == tally.field) {
                Some(known) => known.count += tally.count,
                None => self.tallies.push(tally),
            }
        }
    }

    /// Ends the current tape: its tallies become notices.
    pub fn finish(&mut self) {
        let mut tallies = std::mem::take(&mut self.tallies);
        tallies.sort_by(|one, other| (one.line, one.code, &one.field).cmp(&(other.line, other.code, &other.field)));
        for tally in tallies {
            self.count_and_keep(Notice::of_tape(tally.code, tally.message(), &self.tape, tally.line));
        }
    }

    fn count_and_keep(&mut self, notice: Notice) {
        *self.counts.entry(notice.code).or_default() += 1;
        self.keep(notice);
    }

    /// Keeps a notice that is counted already, unless a limit is reached.
    fn keep(&mut self, notice: Notice) {
        let of_code = self.of_tape.entry(notice.code).or_default();
        if *of_code < KEPT_PER_CODE && self.kept.len() < KEPT {
            *of_code += 1;
            self.kept.push(notice);
        }
    }

    pub fn kept(&self) -> &[Notice] {
        &self.kept
    }

    /// Number of notices of each kind, including those that are not kept.
    pub fn counts(&self) -> &BTreeMap<NoticeCode, u64> {
        &self.counts
    }
}
