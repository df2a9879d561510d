//! Inspection of a tape: its header, each column with samples, the missing fields, and what a run would report.

use std::{borrow::Cow, collections::HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{RunError, RunErrorCode, shortened},
    loan::{CellValue, Field, FieldKind, NumberCell, StandardCell, StandardValue, Unit},
};

use super::{
    Tape, TapeMapping,
    aliases::{Aliases, Vocabulary},
    block_text,
    cell::{content, is_missing, trimmed},
    header::{Column, second_header},
    notices::{Notice, NoticeCode},
    number::read_cell,
    options::TapeOptions,
    records::RecordBlock,
    rows::{RowKind, RowRules},
    source::TapeSource,
    standard::StandardReader,
    translation::Translation,
    with_fields,
};

/// Number of loans that an inspection reads.
const ROWS: u64 = 10_000;
/// Number of samples of a column that are shown, and of characters of each.
const SAMPLES: usize = 5;
const SAMPLE_CHARACTERS: usize = 40;
/// Number of unknown words of a column that are shown.
const WORDS: usize = 10;
/// Number of headers that are named for a missing field.
const CLOSEST: usize = 3;
const BLOCK_BYTES: usize = 256 * 1024;

/// What a tape is and how a run would read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "mapping": {
        "source_file": "february.csv", "format": "csv", "delimiter": ",", "encoding": "utf-8", "header_line": 1,
        "columns": [
            {"position": 1, "header": "Rate", "field": "note_rate", "name": "note_rate", "rank": 2, "unit": "percent", "origin": "alias"},
            {"position": 2, "header": "FICO Grade", "name": "FICO Grade"}
        ]
    },
    "rows": 2,
    "ignored_rows": 1,
    "columns": [
        {
            "position": 1, "header": "Rate", "field": "note_rate", "name": "note_rate", "rank": 2, "unit": "percent", "origin": "alias",
            "samples": [{"written": "6.5%", "read": "6.5"}, {"written": "6,5", "read": null}], "values": 2, "readable": 1,
            "unknown_words": []
        },
        {
            "position": 2, "header": "FICO Grade", "name": "FICO Grade", "samples": [{"written": "A", "read": "A"}], "values": 2,
            "readable": 2, "unknown_words": []
        }
    ],
    "missing": [{"field": "credit_score", "closest": ["FICO Grade"]}],
    "notices": [],
    "error": {
        "phase": "ingest", "code": "missing_columns", "message": "The required column credit_score is missing from the header. Add it.",
        "source_file": "february.csv", "line": 1
    }
}))]
pub struct Inspection {
    /// How the file is read: its format, header and columns. Null: no row looks like a header.
    #[schema(required)]
    pub mapping: Option<TapeMapping>,
    /// Number of loans that were looked at: at most the first 10,000.
    #[schema(example = 2)]
    pub rows: u64,
    /// Number of rows among them that are not loans, such as totals.
    #[schema(example = 1)]
    pub ignored_rows: u64,
    /// Columns of the tape, from left to right.
    pub columns: Vec<InspectedColumn>,
    /// Required fields that no column has.
    pub missing: Vec<MissingField>,
    /// What a run would say of the tape as a whole.
    pub notices: Vec<Notice>,
    /// Why a run of the tape would fail. Null: nothing among the rows that were looked at makes it fail.
    #[schema(required)]
    pub error: Option<RunError>,
}

/// One column of a tape, and what its cells read as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InspectedColumn {
    /// The column.
    #[serde(flatten)]
    pub column: Column,
    /// Up to five different cells, as they are written and as they are read.
    pub samples: Vec<CellSample>,
    /// Number of cells that have a value.
    #[schema(example = 2)]
    pub values: u64,
    /// Number of these that can be read.
    #[schema(example = 2)]
    pub readable: u64,
    /// Words that are not known, the most frequent first.
    pub unknown_words: Vec<UnknownWord>,
}

/// A cell, as it is written and as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CellSample {
    /// Cell as the tape has it: its first 40 characters.
    #[schema(example = "6.5%")]
    pub written: String,
    /// Value that the engine reads from the cell; empty where the cell has a word for a missing value. Null: the engine cannot read the cell.
    #[schema(required, example = "6.5")]
    pub read: Option<String>,
}

/// A word that the vocabulary of its column does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnknownWord {
    /// Word as the tape has it: its first 40 characters.
    #[schema(example = "MH")]
    pub word: String,
    /// Number of cells that hold it.
    #[schema(example = 1)]
    pub count: u64,
}

/// A required field that no column has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MissingField {
    /// Name of the field.
    #[schema(value_type = String, example = "credit_score")]
    pub field: Field,
    /// Headers that were taken for no field and share a word with the names of this one.
    #[schema(example = json!(["FICO Grade"]))]
    pub closest: Vec<String>,
}

/// Whether an error means that a file is not a tape at all.
fn is_no_tape(code: RunErrorCode) -> bool {
    use RunErrorCode::{
        CorruptWorkbook, DecompressionBomb, EmptyTape, NotATape, PasswordProtected, TapeChanged, Undecodable, UnreadableTape,
        UnsupportedFormat,
    };
    matches!(
        code,
        CorruptWorkbook
            | DecompressionBomb
            | EmptyTape
            | NotATape
            | PasswordProtected
            | TapeChanged
            | Undecodable
            | UnreadableTape
            | UnsupportedFormat
    )
}

/// Inspects a tape.
///
/// # Errors
/// The error of [`Tape::open_all`] when the file is not a tape at all. Other errors are in [`Inspection::error`].
pub fn inspect(source: &dyn TapeSource, options: &TapeOptions) -> Result<Inspection, RunError> {
    let (opened, mut error) = match Tape::open_all(source, options) {
        Ok(tapes) => (tapes, None),
        Err(error) if is_no_tape(error.code) => return Err(error),
        Err(error) => {
            let lenient = TapeOptions { lenient: true, ..options.clone() };
            (Tape::open_all(source, &lenient).unwrap_or_default(), Some(error))
        }
    };
    let mut opened = opened.into_iter();
    let Some(tape) = opened.next() else {
        return Ok(Inspection {
            mapping: None,
            rows: 0,
            ignored_rows: 0,
            columns: Vec::new(),
            missing: Vec::new(),
            notices: Vec::new(),
            error,
        });
    };
    let mut looker = Looker::new(&tape, options);
    if let Err(found) = looker.look(source) {
        error.get_or_insert(found);
    }
    let Looker { columns, rows, ignored_rows, .. } = looker;
    let header = tape.header();
    Ok(Inspection {
        rows,
        ignored_rows,
        missing: header
            .missing()
            .into_iter()
            .map(|field| MissingField { field, closest: closest(field, &header.columns) })
            .collect(),
        columns: columns.into_iter().map(ColumnLook::finish).collect(),
        notices: tape.notices().iter().cloned().chain(other_tapes(source, opened)).collect(),
        mapping: Some(tape.mapping()),
        error,
    })
}

/// A notice about the worksheets that a run reads as tapes of their own, besides the one that is inspected.
fn other_tapes<'t>(source: &dyn TapeSource, others: impl Iterator<Item = Tape<'t>>) -> Option<Notice> {
    let names: Vec<String> = others.map(|tape| tape.name().to_owned()).collect();
    let message = format!("A run reads other worksheets, too, each as a tape of its own: {}.", names.join(", "));
    (!names.is_empty()).then(|| Notice::of_tape(NoticeCode::SheetsLeftOut, message, source.name(), 0))
}

/// Inspects the first rows of a tape.
struct Looker<'t, 's> {
    tape: &'t Tape<'s>,
    rules: RowRules,
    translation: Option<Translation>,
    columns: Vec<ColumnLook>,
    rows: u64,
    ignored_rows: u64,
}

impl<'t, 's> Looker<'t, 's> {
    fn new(tape: &'t Tape<'s>, options: &TapeOptions) -> Self {
        let header = tape.header();
        let look = |column: &Column| ColumnLook::new(column.clone(), tape, options);
        Self {
            tape,
            rules: RowRules::new(header, tape.rows()),
            translation: Translation::new(header, tape.options(options), tape.is_worksheet()),
            columns: header.columns.iter().map(look).collect(),
            rows: 0,
            ignored_rows: 0,
        }
    }

    fn look(&mut self, source: &dyn TapeSource) -> Result<(), RunError> {
        let (mut reader, mut block) = (self.tape.read(BLOCK_BYTES, false, None)?, RecordBlock::default());
        while self.rows < ROWS && reader.next_block(&mut block)? {
            let text = block_text(&block, source)?;
            for record in &block.records {
                let layout = self.tape.rows();
                let mut is_second_header = false;
                with_fields(text, record, self.tape.delimiter(), layout.unwraps, |cells| {
                    is_second_header = self.row(cells, record.line, record.ended);
                });
                if is_second_header {
                    let row = &text[record.start as usize..record.end as usize];
                    return Err(second_header(source.name(), self.tape.header().line, record.line, row));
                }
                if self.rows >= ROWS {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Inspects one row; returns whether the row is another header.
    fn row(&mut self, cells: &[Cow<'_, str>], line: u64, ended: bool) -> bool {
        match self.rules.kind(cells, line, ended) {
            RowKind::Blank | RowKind::Misfit(_) => return false,
            RowKind::SecondHeader => return true,
            RowKind::HeaderAgain | RowKind::NotALoan => {
                self.ignored_rows += 1;
                return false;
            }
            RowKind::Loan | RowKind::ShortLoan => self.rows += 1,
        }
        let read = self.translation.as_ref().map(|translation| translation.apply(cells.iter().map(|cell| cell.as_ref())));
        for (at, column) in self.columns.iter_mut().enumerate() {
            let written = cells.get(at).map_or("", |cell| cell.as_ref());
            let cell = read.as_ref().and_then(|read| read.get(at)).map_or(written, |cell| cell.as_ref());
            column.observe(written, cell);
        }
        false
    }
}

/// A column during an inspection.
struct ColumnLook {
    column: Column,
    reader: CellReader,
    samples: Vec<CellSample>,
    values: u64,
    readable: u64,
    unknown: HashMap<String, u64>,
}

/// How the cells of a column are read.
enum CellReader {
    Kept,
    Number(Field),
    Word { words: &'static Vocabulary, own: bool },
    Standard(StandardReader),
}

impl ColumnLook {
    fn new(column: Column, tape: &Tape<'_>, options: &TapeOptions) -> Self {
        let reader = match column.known().map(|field| (field, field.info().kind)) {
            None | Some((_, FieldKind::Text)) => CellReader::Kept,
            Some((field, FieldKind::Number(_))) => CellReader::Number(field),
            Some((field, FieldKind::Standard(_))) if field.info().unit != Unit::Word => {
                let unit = tape.header().unit(field);
                CellReader::Standard(StandardReader { field, unit, flag_contradictions: true, dates: tape.dates() })
            }
            Some((field, _)) => match Aliases::built_in().vocabulary(field) {
                Some(words) => CellReader::Word { words, own: options.has_words(field) },
                None => CellReader::Kept,
            },
        };
        Self { column, reader, samples: Vec::new(), values: 0, readable: 0, unknown: HashMap::new() }
    }

    /// Adds a cell: `written` as in the tape, and `cell` after the profile's translation.
    fn observe(&mut self, written: &str, cell: &str) {
        if is_missing(&content(written)) {
            return;
        }
        self.values += 1;
        let read = self.reader.read(cell, self.column.unit.unwrap_or(crate::loan::ColumnUnit::Percent));
        self.readable += u64::from(read.is_some());
        if read.is_none() && matches!(self.reader, CellReader::Word { .. }) {
            *self.unknown.entry(shortened(trimmed(cell), SAMPLE_CHARACTERS).into_owned()).or_default() += 1;
        }
        let written = shortened(written, SAMPLE_CHARACTERS);
        if self.samples.len() < SAMPLES && self.samples.iter().all(|sample| sample.written != written) {
            self.samples.push(CellSample { written: written.into_owned(), read });
        }
    }

    fn finish(self) -> InspectedColumn {
        let mut unknown_words: Vec<UnknownWord> =
            self.unknown.into_iter().map(|(word, count)| UnknownWord { word, count }).collect();
        unknown_words.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.word.cmp(&other.word)));
        unknown_words.truncate(WORDS);
        let Self { column, samples, values, readable, .. } = self;
        InspectedColumn { column, samples, values, readable, unknown_words }
    }
}

impl CellReader {
    /// The value that the engine reads from a cell; `None` when it cannot read the cell.
    fn read(&self, cell: &str, unit: crate::loan::ColumnUnit) -> Option<String> {
        match self {
            Self::Kept => Some(shortened(trimmed(cell), SAMPLE_CHARACTERS).into_owned()),
            Self::Number(field) => match read_cell(*field, cell, unit, true) {
                NumberCell { reading: CellValue::Value(value), .. } => Some(value.to_string()),
                NumberCell { reading: CellValue::Missing, .. } => Some(String::new()),
                NumberCell { reading: CellValue::Unreadable(_), .. } => None,
            },
            Self::Word { words, own } => {
                let code = if *own { words.exact_code(cell) } else { words.code(cell) };
                code.and_then(|code| words.canonical().get(usize::from(code)).cloned())
            }
            Self::Standard(reader) => match reader.read(cell) {
                StandardCell::Missing => Some(String::new()),
                StandardCell::Unreadable => None,
                StandardCell::Value(StandardValue::Number(number)) => Some(number.to_string()),
                StandardCell::Value(StandardValue::Whole(number)) => Some(number.to_string()),
                StandardCell::Value(StandardValue::Date(date)) => Some(date.to_string()),
                StandardCell::Value(StandardValue::Word(_)) => Some(content(cell).into_owned()),
            },
        }
    }
}

/// The headers without a meaning that share a word with the name or the label of a field.
fn closest(field: Field, columns: &[Column]) -> Vec<String> {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2);
        words.map(str::to_lowercase).collect()
    };
    let names: Vec<String> = words(field.name()).into_iter().chain(words(field.info().label)).collect();
    let shared = |column: &&Column| {
        let header = column.header.to_lowercase();
        column.field.is_none() && names.iter().any(|word| header.contains(word.as_str()))
    };
    columns.iter().filter(shared).take(CLOSEST).map(|column| column.header.clone()).collect()
}
