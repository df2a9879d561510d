//! Ingest: turns the bytes of a tape into rows.

pub mod aliases;
pub mod cell;
pub mod declared;
pub mod draft;
pub mod header;
pub mod inspect;
mod kept_names;
mod meaning;
pub mod not_a_tape;
pub mod notices;
pub mod number;
pub mod options;
pub mod profile;
mod reader;
pub mod records;
pub mod request;
pub mod rows;
pub mod seller_return;
mod sheets;
pub mod source;
pub mod standard;
mod survey;
pub mod text;
pub mod translation;
pub mod units;
pub mod window;
pub mod workbook;

use std::{borrow::Cow, io::Read, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Phase, RunError, RunErrorCode, shortened};

use self::{
    header::{Column, FoundHeader, HEADER_ROWS, Header, HeaderReading, HeaderSearch, MAX_HEADER_CHARACTERS},
    notices::{Notice, NoticeCode},
    options::{ALL_SHEETS, TapeOptions},
    reader::{TapeRows, WORKBOOK_DELIMITER},
    records::{Record, RecordBlock, RecordReader, Shape, count_line_ends, shape_of, split_fields, unwrap_line},
    rows::RowLayout,
    seller_return::ReturnedRows,
    sheets::ChosenSheet,
    source::TapeSource,
    standard::DateOrder,
    survey::{Survey, Surveyed},
    text::{Encoding, EncodingChoice, RawCopy, TextReader},
    workbook::{RowStream, SheetRow, Workbook, WorkbookError},
};

pub use self::reader::TapeReader;

/// The delimiters that a CSV tape may use.
pub(crate) const DELIMITERS: [u8; 7] = [b',', b';', b'\t', b'|', b'^', b'~', 1];
/// Number of bytes at the start of a file that are enough to recognise its format.
const SNIFFED_BYTES: usize = 512;
/// Number of bytes of a tape that the search for its header reads at a time.
const HEAD_BYTES: usize = 128 * 1024;

/// A tape whose header has been found: a file, or one worksheet of a workbook.
pub struct Tape<'s> {
    source: &'s dyn TapeSource,
    /// Name of the tape in the run: the file name, or `file[sheet]` where each worksheet is a tape.
    name: String,
    /// Whether the tape is the first or only one of its file.
    is_first: bool,
    file: FileLayout,
    header: Header,
    rows: RowLayout,
    dates: DateOrder,
    notices: Vec<Notice>,
    /// Set for a sheet of a seller return.
    returned: Option<Arc<ReturnedRows>>,
}

enum FileLayout {
    Csv { delimiter: u8, encoding: EncodingChoice },
    Workbook { workbook: Arc<Workbook>, sheet: usize, name: String },
}

/// How one tape was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "source_file": "february.csv",
    "format": "csv",
    "delimiter": ",",
    "encoding": "utf-8",
    "header_line": 1,
    "columns": [
        {
            "position": 1, "header": "Note Rate", "field": "note_rate", "name": "note_rate", "rank": 2, "unit": "percent",
            "origin": "alias"
        },
        {"position": 2, "header": "County", "name": "County"}
    ]
}))]
pub struct TapeMapping {
    /// Name of the tape.
    #[schema(example = "february.csv")]
    pub source_file: String,
    /// Name of the file that holds the tape: the same name, unless each worksheet is a tape.
    #[serde(skip)]
    pub file: String,
    /// Format of the tape: `csv`, `xlsx`, `xls`, `xlsb` or `ods`.
    #[schema(example = "csv")]
    pub format: &'static str,
    /// Character between two cells of a CSV tape. Absent: the tape is a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = ",")]
    pub delimiter: Option<char>,
    /// Encoding of a CSV tape. Absent: the tape is a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = "utf-8")]
    pub encoding: Option<Encoding>,
    /// Worksheet that was read. Absent: the tape is a CSV file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, example = "Loans")]
    pub sheet: Option<String>,
    /// Line, or row of the sheet, that holds the header, counted from 1. 0: the tape has no header, and a profile names its columns.
    #[schema(example = 1)]
    pub header_line: u64,
    /// Columns of the tape, from left to right.
    pub columns: Vec<Column>,
}

/// What [`Tape::open_all`] detected in a tape. The plan of a run in parts keeps it for the workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTape {
    pub delimiter: char,
    /// The line of the header, from 1; 0 for a tape without a header.
    pub header_line: u64,
    pub columns: Vec<Column>,
    pub rows: RowLayout,
    pub dates: DateOrder,
    pub notices: Vec<Notice>,
}

impl<'s> Tape<'s> {
    /// Detects the format of a file, finds its header, maps its columns to fields and detects the unit of each column of
    /// percentages. A file is one tape, unless the options make each worksheet of a workbook a tape.
    ///
    /// # Errors
    /// A [`RunError`] of the phase ingest that says why the tape cannot be used and how to fix it, such as
    /// [`RunErrorCode::EmptyTape`], [`RunErrorCode::NotATape`], [`RunErrorCode::NoHeader`] or [`RunErrorCode::MissingColumns`].
    pub fn open_all(source: &'s dyn TapeSource, options: &TapeOptions) -> Result<Vec<Self>, RunError> {
        if source.size() == 0 {
            let message = "The tape is empty. Send it again, with a header row and a row per loan.";
            return Err(RunError::ingest(RunErrorCode::EmptyTape, source.name(), None, message));
        }
        let mut head = Vec::with_capacity(SNIFFED_BYTES);
        let opened = source.open_at(0).and_then(|raw| raw.take(SNIFFED_BYTES as u64).read_to_end(&mut head));
        opened.map_err(|error| RunError::unreadable(source.name(), &error))?;
        if workbook::looks_like_workbook(&head) {
            return Self::open_workbook(source, options);
        }
        if let Some(kind) = not_a_tape::by_first_bytes(&head) {
            return Err(not_a_tape::error(source.name(), kind));
        }
        let opened = Self::open_csv(source, options).map_err(|error| {
            if error.code != RunErrorCode::NoHeader {
                return error;
            }
            let name = source.name().to_ascii_lowercase();
            // Test this only when no header was found: the title above a header may begin like JSON or a web page.
            if let Some(kind) = not_a_tape::by_text(&head, &name) {
                return not_a_tape::error(source.name(), kind);
            }
            if name.ends_with(".xlsx") || name.ends_with(".xls") {
                let detail = "it does not begin as a workbook does".to_owned();
                return workbook_error(source, WorkbookError::Corrupt { detail });
            }
            error
        });
        Ok(vec![opened?])
    }

    fn open_csv(source: &'s dyn TapeSource, options: &TapeOptions) -> Result<Self, RunError> {
        let encoding = options.encoding.map_or_else(EncodingChoice::default, EncodingChoice::known);
        let CsvHeader { delimiter, found, unwraps } = find_csv_header(source, &encoding, options)?;
        let header_line = found.header.line;
        let layout = RowLayout { unwraps, ..RowLayout::default() };
        let mut survey = Survey::new(source.name(), found, layout, options);
        let mut reader = RecordReader::new(TextReader::new(source, &encoding, 128 * 1024, false, None)?, delimiter);
        let mut block = RecordBlock::default();
        while !survey.is_decided() && reader.next_block(&mut block)? {
            let text = block_text(&block, source)?;
            for record in block.records.iter().filter(|record| record.line > header_line) {
                with_fields(text, record, delimiter, unwraps, |cells| survey.observe(cells, record.line));
            }
        }
        let Surveyed { header, layout, notices } = survey.finish()?;
        let dates = options.dates.unwrap_or_default();
        let (name, file) = (source.name().to_owned(), FileLayout::Csv { delimiter, encoding });
        Ok(Self { source, name, is_first: true, file, header, rows: layout, dates, notices, returned: None })
    }

    fn open_workbook(source: &'s dyn TapeSource, options: &TapeOptions) -> Result<Vec<Self>, RunError> {
        let workbook = Arc::new(open_workbook(source)?);
        let all_sheets = options.sheet.as_deref().is_none_or(|sheet| sheet == ALL_SHEETS);
        if let Some(tapes) = if all_sheets { seller_return::open(source, &workbook)? } else { None } {
            return Ok(tapes);
        }
        let chosen = sheets::choose(source, &workbook, options)?;
        let tape = |(at, ChosenSheet { sheet, name, source_file, surveyed })| {
            let Surveyed { header, layout, notices } = surveyed;
            let file = FileLayout::Workbook { workbook: Arc::clone(&workbook), sheet, name };
            let dates = options.dates.unwrap_or_default();
            Self { source, name: source_file, is_first: at == 0, file, header, rows: layout, notices, dates, returned: None }
        };
        Ok(chosen.into_iter().enumerate().map(tape).collect())
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The options that the tape is read with: those of the run, unless the tape brings its own.
    pub fn options<'o>(&'o self, of_run: &'o TapeOptions) -> &'o TapeOptions {
        self.returned.as_ref().map_or(of_run, |returned| returned.options())
    }

    /// Whether the cells of the tape are those of a worksheet, in which numbers have one spelling.
    pub fn is_worksheet(&self) -> bool {
        self.returned.as_ref().map_or(self.rows.any_width, |returned| returned.of_worksheet())
    }

    /// What the rows of a seller return need; `None` for any other tape.
    pub fn returned(&self) -> Option<&ReturnedRows> {
        self.returned.as_deref()
    }

    /// Whether the tape is the first or only one of its file.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    pub fn source(&self) -> &dyn TapeSource {
        self.source
    }

    /// The delimiter of the text in the blocks of [`Self::read`]: that of the CSV file, or a comma for a workbook.
    pub fn delimiter(&self) -> u8 {
        match self.file {
            FileLayout::Csv { delimiter, .. } => delimiter,
            FileLayout::Workbook { .. } => WORKBOOK_DELIMITER,
        }
    }

    pub fn rows(&self) -> RowLayout {
        self.rows
    }

    pub fn dates(&self) -> DateOrder {
        self.dates
    }

    /// The notices about the tape as a whole, found when it was opened.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// How the tape is read. The encoding is final only once the tape has been read to its end.
    pub fn mapping(&self) -> TapeMapping {
        let (format, delimiter, encoding, sheet) = match &self.file {
            FileLayout::Csv { delimiter, encoding } => ("csv", Some(char::from(*delimiter)), Some(encoding.get()), None),
            FileLayout::Workbook { workbook, name, .. } => {
                (workbook.format().name(), None, None, Some(shortened(name, MAX_HEADER_CHARACTERS).into_owned()))
            }
        };
        let columns = self.header.columns.clone();
        TapeMapping {
            source_file: self.name.clone(),
            file: self.source.name().to_owned(),
            format,
            delimiter,
            encoding,
            sheet,
            header_line: self.header.line,
            columns,
        }
    }

    /// What the plan of a run in parts stores about the tape. [`Self::known`] reads it.
    pub fn knowledge(&self) -> KnownTape {
        KnownTape {
            delimiter: char::from(self.delimiter()),
            header_line: self.header.line,
            columns: self.header.columns.clone(),
            rows: self.rows,
            dates: self.dates,
            notices: self.notices.clone(),
        }
    }

    /// Restores a tape from what [`Self::knowledge`] stored, without detecting anything again. The bytes of the tape are UTF-8.
    /// `None` when the stored delimiter does not fit in one byte.
    pub fn known(source: &'s dyn TapeSource, known: &KnownTape) -> Option<Self> {
        let delimiter = u8::try_from(known.delimiter).ok()?;
        Some(Self {
            source,
            name: source.name().to_owned(),
            is_first: true,
            file: FileLayout::Csv { delimiter, encoding: EncodingChoice::known(Encoding::Utf8) },
            header: Header::of_columns(known.header_line, known.columns.clone()),
            rows: known.rows,
            dates: known.dates,
            notices: known.notices.clone(),
            returned: None,
        })
    }

    /// Whether reading can start at any record: the bytes of the tape are its text, because they are UTF-8. The encoding is final
    /// only once the tape has been read to its end.
    pub fn can_be_split(&self) -> bool {
        matches!(&self.file, FileLayout::Csv { encoding, .. } if encoding.get() == Encoding::Utf8)
    }

    /// Starts reading the rows that begin within the byte range `places` of a tape that can be split, in blocks of about
    /// `block_bytes`. `places.start` is the first byte of the record on `line`.
    pub fn read_within(&self, block_bytes: usize, places: Range<u64>, line: u64) -> Result<TapeReader<'_>, RunError> {
        let FileLayout::Csv { delimiter, encoding } = &self.file else {
            return Err(RunError::internal(Phase::Ingest, "A workbook cannot be read in parts. Please report this run."));
        };
        let text = TextReader::resume(self.source, encoding, block_bytes, places.start)?;
        let rows = TapeRows::Csv(Box::new(RecordReader::within(text, *delimiter, places, line)));
        Ok(TapeReader { rows, records: 0, header_line: self.header.line, source: self.source })
    }

    /// Starts reading the rows below the header, in blocks of about `block_bytes`. With `fingerprint`, [`TapeReader::finish`]
    /// returns the hash of the raw bytes; `copy` receives the raw bytes. A workbook provides both only with `fingerprint`, and
    /// only for its first tape.
    pub fn read<'t>(&'t self, block_bytes: usize, fingerprint: bool, copy: Option<RawCopy>) -> Result<TapeReader<'t>, RunError> {
        let rows = match &self.file {
            FileLayout::Csv { delimiter, encoding } => {
                let text = TextReader::new(self.source, encoding, block_bytes, fingerprint, copy)?;
                TapeRows::Csv(Box::new(RecordReader::new(text, *delimiter)))
            }
            FileLayout::Workbook { workbook, sheet, .. } => TapeRows::Workbook {
                // The rows of a workbook are not read from front to back, so its raw bytes need a pass of their own.
                fingerprint: if self.is_first && fingerprint { Some(text::fingerprint_of(self.source, copy)?) } else { None },
                stream: open_sheet(self.source, workbook, *sheet)?,
                row: SheetRow::default(),
                mapped: self.mapped_cells(),
                returned: self.returned.clone(),
                block_bytes,
            },
        };
        Ok(TapeReader { rows, records: 0, header_line: self.header.line, source: self.source })
    }

    /// Of each cell of a row of the sheet, whether its column has a field.
    fn mapped_cells(&self) -> Vec<bool> {
        let mut mapped: Vec<bool> = self.header.columns.iter().map(|column| column.field.is_some()).collect();
        if let Some(dropped) = self.returned().and_then(ReturnedRows::dropped).filter(|at| *at <= mapped.len()) {
            mapped.insert(dropped, false);
        }
        mapped
    }
}

/// The text of a block as a string.
///
/// # Errors
/// [`RunErrorCode::TapeChanged`] when the text is not UTF-8: it was when the encoding was decided, so the tape has changed since.
pub fn block_text<'b>(block: &'b RecordBlock, source: &dyn TapeSource) -> Result<&'b str, RunError> {
    std::str::from_utf8(&block.text).map_err(|_| {
        let message = "The tape changed its encoding while it was read. Wait until it is complete, then run again.";
        RunError::ingest(RunErrorCode::TapeChanged, source.name(), None, message)
    })
}

/// Calls `then` with the fields of a record, unless the record is malformed. With `unwraps`, a record that is one quoted field is
/// split as the line inside it.
pub(crate) fn with_fields(text: &str, record: &Record, delimiter: u8, unwraps: bool, then: impl FnOnce(&[Cow<'_, str>])) {
    if matches!(record.shape, Shape::Malformed(_)) {
        return;
    }
    let raw = &text[record.start as usize..record.end as usize];
    let mut fields = Vec::new();
    match unwraps.then(|| unwrap_line(raw)).flatten() {
        Some(line) => {
            split_fields(&line, shape_of(&line, delimiter), delimiter, &mut fields);
            then(&fields);
        }
        None => {
            split_fields(raw, record.shape, delimiter, &mut fields);
            then(&fields);
        }
    }
}

/// The header of a CSV tape, and how it was found.
struct CsvHeader {
    delimiter: u8,
    found: FoundHeader,
    /// Whether the line of the header is one quoted field.
    unwraps: bool,
}

/// Tries each delimiter on the head of the tape. The delimiter that yields a header is right; of several, the one whose header
/// names the most fields.
fn find_csv_header(source: &dyn TapeSource, encoding: &EncodingChoice, options: &TapeOptions) -> Result<CsvHeader, RunError> {
    let mut best: Option<HeaderSearch> = None;
    let mut chosen: Option<(usize, Result<CsvHeader, RunError>)> = None;
    let mut holds_text = false;
    for delimiter in options.delimiter.map_or(DELIMITERS.to_vec(), |delimiter| vec![delimiter]) {
        let mut head = HeadReader { search: HeaderSearch::default(), source, delimiter, options, holds_text: false };
        match head.look(encoding) {
            Ok(None) => {}
            Ok(Some(found)) => {
                let named = found.found.header.columns.iter().filter(|column| column.field.is_some()).count();
                if chosen.as_ref().is_none_or(|(most, _)| named > *most) {
                    chosen = Some((named, Ok(found)));
                }
            }
            Err(error)
                if matches!(
                    error.code,
                    RunErrorCode::DuplicateColumns | RunErrorCode::HeaderTooLarge | RunErrorCode::ProfileHeaderAbsent
                ) =>
            {
                chosen.get_or_insert((0, Err(error)));
            }
            Err(error) => return Err(error),
        }
        holds_text |= head.holds_text;
        if best.as_ref().is_none_or(|best| head.search.best_score() > best.best_score()) {
            best = Some(head.search);
        }
    }
    if let Some((_, chosen)) = chosen {
        return chosen;
    }
    if !holds_text {
        let message = "The tape holds only blank lines. Send it again, with a header row and a row per loan.";
        return Err(RunError::ingest(RunErrorCode::EmptyTape, source.name(), None, message));
    }
    Err(best.unwrap_or_default().failure(source.name()))
}

/// Searches the head of a tape for the header, with one delimiter.
struct HeadReader<'r> {
    search: HeaderSearch,
    source: &'r dyn TapeSource,
    delimiter: u8,
    options: &'r TapeOptions,
    /// Whether the tape has a record that is not blank.
    holds_text: bool,
}

impl HeadReader<'_> {
    fn look(&mut self, encoding: &EncodingChoice) -> Result<Option<CsvHeader>, RunError> {
        let text = TextReader::new(self.source, encoding, HEAD_BYTES, false, None)?;
        let (mut reader, mut block) = (RecordReader::new(text, self.delimiter), RecordBlock::default());
        let mut in_head = true;
        // The limit counts rows, blank rows included; the lines inside a quoted field are not rows.
        let mut lines_inside = 0;
        while in_head && reader.next_block(&mut block)? {
            self.holds_text = true;
            let text = block_text(&block, self.source)?;
            for record in &block.records {
                in_head = record.line - lines_inside <= HEADER_ROWS;
                if !in_head {
                    break;
                }
                lines_inside += count_line_ends(&block.text[record.start as usize..record.end as usize]);
                if let Some(found) = self.look_at(text, record)? {
                    return Ok(Some(found));
                }
            }
        }
        let reading = HeaderReading { source_file: self.source.name(), options: self.options };
        let joined = self.search.joined(&reading)?.map_or_else(|| self.search.best_header(&reading), |found| Ok(Some(found)))?;
        Ok(joined.map(|found| CsvHeader { delimiter: self.delimiter, found, unwraps: false }))
    }

    /// Tests a record as it is and, where the record is one quoted field, the line inside it.
    fn look_at(&mut self, text: &str, record: &Record) -> Result<Option<CsvHeader>, RunError> {
        let Self { search, source, delimiter, options, .. } = self;
        let reading = HeaderReading { source_file: source.name(), options };
        let raw = &text[record.start as usize..record.end as usize];
        for unwraps in [false, true] {
            if unwraps && unwrap_line(raw).is_none() {
                continue;
            }
            let mut found = Ok(None);
            with_fields(text, record, *delimiter, unwraps, |cells| found = search.look(cells, record.line, &reading));
            if let Some(mut found) = found? {
                if unwraps {
                    let message = "Every line stands in quotation marks as a whole; the lines in them were read.";
                    let line = found.header.line;
                    found.notices.push(Notice::of_tape(NoticeCode::WholeLinesQuoted, message, source.name(), line));
                }
                return Ok(Some(CsvHeader { delimiter: *delimiter, found, unwraps }));
            }
        }
        Ok(None)
    }
}

fn open_sheet(source: &dyn TapeSource, workbook: &Workbook, sheet: usize) -> Result<RowStream, RunError> {
    let reader = source.open_seekable().map_err(|error| RunError::unreadable(source.name(), &error))?;
    workbook.rows(sheet, reader).map_err(|error| workbook_error(source, error))
}

fn open_workbook(source: &dyn TapeSource) -> Result<Workbook, RunError> {
    let reader = source.open_seekable().map_err(|error| RunError::unreadable(source.name(), &error))?;
    Workbook::open(reader).map_err(|error| workbook_error(source, error))
}

fn workbook_error(source: &dyn TapeSource, error: WorkbookError) -> RunError {
    let code = match &error {
        WorkbookError::Io(error) => return RunError::unreadable(source.name(), error),
        WorkbookError::OtherFile { kind } => return not_a_tape::error(source.name(), kind),
        WorkbookError::PasswordProtected | WorkbookError::RightsManaged => RunErrorCode::PasswordProtected,
        WorkbookError::OldFormat | WorkbookError::TooLarge { .. } => RunErrorCode::UnsupportedFormat,
        WorkbookError::Bomb { .. } => RunErrorCode::DecompressionBomb,
        _ => RunErrorCode::CorruptWorkbook,
    };
    RunError::ingest(code, source.name(), None, error.to_string())
}
