//! Ingest: from the bytes of a tape to its rows.

pub mod aliases;
pub mod cell;
pub mod draft;
pub mod header;
pub mod inspect;
mod meaning;
mod not_a_tape;
pub mod notices;
pub mod number;
pub mod options;
pub mod profile;
pub mod records;
pub mod request;
pub mod rows;
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

use memchr::{memchr, memchr3};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Phase, RunError, RunErrorCode, shortened};

use self::{
    header::{Column, FoundHeader, HEADER_ROWS, Header, HeaderSearch, MAX_HEADER_CHARACTERS, Reading},
    notices::{Notice, NoticeCode},
    options::TapeOptions,
    records::{Record, RecordBlock, RecordReader, Shape, count_line_ends, shape_of, split_fields, unwrap_line},
    rows::RowLayout,
    sheets::ChosenSheet,
    source::TapeSource,
    standard::DateOrder,
    survey::{Survey, Surveyed},
    text::{Encoding, EncodingChoice, Fingerprint, RawCopy, TextReader},
    workbook::{RowStream, SheetRow, Workbook, WorkbookError},
};

/// The delimiters that a CSV tape may use.
const DELIMITERS: [u8; 7] = [b',', b';', b'\t', b'|', b'^', b'~', 1];
/// How much of a file tells what it is.
const SNIFFED_BYTES: usize = 512;
/// How much of a tape is read at a time to find its header.
const HEAD_BYTES: usize = 128 * 1024;
/// The delimiter in which the rows of a workbook are handed on as text.
const WORKBOOK_DELIMITER: u8 = b',';

/// A tape whose header has been found: a file, or one worksheet of it.
pub struct Tape<'s> {
    source: &'s dyn TapeSource,
    /// What the run calls it.
    name: String,
    /// Whether it is the first or only tape of its file.
    is_first: bool,
    file: FileLayout,
    header: Header,
    rows: RowLayout,
    dates: DateOrder,
    notices: Vec<Notice>,
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
    /// The file that it is in: the tape itself, unless each worksheet is a tape.
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

/// What [`Tape::open_all`] found out about a tape. The plan of a run in parts keeps it for the workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTape {
    /// What parts its fields.
    pub delimiter: char,
    /// The line of its header.
    pub header_line: u64,
    /// Its columns.
    pub columns: Vec<Column>,
    /// What its rows look like.
    pub rows: RowLayout,
    /// In which order its dates are written.
    pub dates: DateOrder,
    /// What is to be said of it.
    pub notices: Vec<Notice>,
}

impl<'s> Tape<'s> {
    /// Finds out how a tape is written, where its header is, what its columns mean and in which unit its percentages are. A file
    /// is one tape, or each of its worksheets is where the options say so.
    ///
    /// # Errors
    /// The tape cannot be used: the error says why, and what to do.
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
            // Only now: the title above a header may begin as other text does.
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
        Ok(Self { source, name, is_first: true, file, header, rows: layout, dates, notices })
    }

    fn open_workbook(source: &'s dyn TapeSource, options: &TapeOptions) -> Result<Vec<Self>, RunError> {
        let workbook = Arc::new(open_workbook(source)?);
        let chosen = sheets::choose(source, &workbook, options)?;
        let tape = |(at, ChosenSheet { sheet, name, source_file, surveyed })| {
            let Surveyed { header, layout, notices } = surveyed;
            let file = FileLayout::Workbook { workbook: Arc::clone(&workbook), sheet, name };
            let dates = options.dates.unwrap_or_default();
            Self { source, name: source_file, is_first: at == 0, file, header, rows: layout, notices, dates }
        };
        Ok(chosen.into_iter().enumerate().map(tape).collect())
    }

    /// The tape's columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The name of the tape.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the first or only tape of its file.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Where its bytes are.
    pub fn source(&self) -> &dyn TapeSource {
        self.source
    }

    /// The delimiter in which the text of the tape's rows is handed on.
    pub fn delimiter(&self) -> u8 {
        match self.file {
            FileLayout::Csv { delimiter, .. } => delimiter,
            FileLayout::Workbook { .. } => WORKBOOK_DELIMITER,
        }
    }

    /// What the tape's rows look like.
    pub fn rows(&self) -> RowLayout {
        self.rows
    }

    /// In which order the tape's dates are written.
    pub fn dates(&self) -> DateOrder {
        self.dates
    }

    /// What is to be said of how the tape is read.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// How the tape is read. The encoding is certain once the tape has been read to its end.
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

    /// What the plan of a run in parts keeps of the tape.
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

    /// A tape that was opened before: what was found out then holds. Its bytes are UTF-8. `None` when no tape is like that.
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
        })
    }

    /// Whether reading can begin at any record: the bytes of the tape are its text. The encoding is certain once the tape has
    /// been read to its end.
    pub fn can_be_split(&self) -> bool {
        matches!(&self.file, FileLayout::Csv { encoding, .. } if encoding.get() == Encoding::Utf8)
    }

    /// Starts reading the rows that begin at these places of a tape that can be split, in blocks of about `block_bytes`. The
    /// first place is the beginning of the record that stands on `line`.
    pub fn read_within(&self, block_bytes: usize, places: Range<u64>, line: u64) -> Result<TapeReader<'_>, RunError> {
        let FileLayout::Csv { delimiter, encoding } = &self.file else {
            return Err(RunError::internal(Phase::Ingest, "A workbook cannot be read in parts. Please report this run."));
        };
        let text = TextReader::resume(self.source, encoding, block_bytes, places.start)?;
        let rows = Rows::Csv(Box::new(RecordReader::within(text, *delimiter, places, line)));
        Ok(TapeReader { rows, records: 0, header_line: self.header.line, source: self.source })
    }

    /// Starts reading the rows below the header, in blocks of about `block_bytes`. `fingerprint` asks for the hash of the raw bytes,
    /// `copy` receives them.
    pub fn read<'t>(&'t self, block_bytes: usize, fingerprint: bool, copy: Option<RawCopy>) -> Result<TapeReader<'t>, RunError> {
        let rows = match &self.file {
            FileLayout::Csv { delimiter, encoding } => {
                let text = TextReader::new(self.source, encoding, block_bytes, fingerprint, copy)?;
                Rows::Csv(Box::new(RecordReader::new(text, *delimiter)))
            }
            FileLayout::Workbook { workbook, sheet, .. } => Rows::Workbook {
                // A workbook is not read from front to back, so its bytes are read once more.
                fingerprint: if self.is_first && fingerprint { Some(text::fingerprint_of(self.source, copy)?) } else { None },
                stream: open_sheet(self.source, workbook, *sheet)?,
                row: SheetRow::default(),
                mapped: self.header.columns.iter().map(|column| column.field.is_some()).collect(),
                block_bytes,
            },
        };
        Ok(TapeReader { rows, records: 0, header_line: self.header.line, source: self.source })
    }
}

/// Reads the rows of a tape, block by block.
pub struct TapeReader<'t> {
    rows: Rows<'t>,
    /// How many records have been read.
    records: u64,
    header_line: u64,
    source: &'t dyn TapeSource,
}

enum Rows<'t> {
    Csv(Box<RecordReader<'t>>),
    Workbook { stream: RowStream, row: SheetRow, mapped: Vec<bool>, fingerprint: Option<Fingerprint>, block_bytes: usize },
}

impl TapeReader<'_> {
    /// Fills the block with the next rows; `false` at the end of the tape.
    pub fn next_block(&mut self, block: &mut RecordBlock) -> Result<bool, RunError> {
        let read = self.read(block)?;
        block.first = self.records;
        self.records += block.records.len() as u64;
        Ok(read)
    }

    fn read(&mut self, block: &mut RecordBlock) -> Result<bool, RunError> {
        match &mut self.rows {
            Rows::Csv(reader) => loop {
                if !reader.next_block(block)? {
                    return Ok(false);
                }
                if block.records.last().is_none_or(|record| record.line <= self.header_line) {
                    continue;
                }
                if block.records.first().is_some_and(|record| record.line <= self.header_line) {
                    block.records.retain(|record| record.line > self.header_line);
                }
                return Ok(true);
            },
            Rows::Workbook { stream, row, mapped, block_bytes, .. } => {
                block.clear();
                while stream.next_row(row).map_err(|error| workbook_error(self.source, error))? {
                    if row.line > self.header_line {
                        sheets::check_formulas(self.source, row, mapped)?;
                        push_row(block, row);
                    }
                    if block.text.len() >= *block_bytes {
                        break;
                    }
                }
                Ok(!block.records.is_empty())
            }
        }
    }

    /// What the tape was, once its end has been reached; `None` when that was not asked for.
    pub fn finish(&mut self) -> Result<Option<Fingerprint>, RunError> {
        match &mut self.rows {
            Rows::Csv(reader) => reader.text().finish(),
            Rows::Workbook { fingerprint, .. } => Ok(fingerprint.take()),
        }
    }

    /// How many raw bytes have been read so far; for a workbook only known as all of them.
    pub fn offset(&mut self) -> u64 {
        match &mut self.rows {
            Rows::Csv(reader) => reader.text().offset(),
            Rows::Workbook { .. } => self.source.size(),
        }
    }
}

/// The text of a block as a string.
pub fn block_text<'b>(block: &'b RecordBlock, source: &dyn TapeSource) -> Result<&'b str, RunError> {
    std::str::from_utf8(&block.text).map_err(|_| {
        let message = "The tape changed its encoding while it was read. Wait until it is complete, then run again.";
        RunError::ingest(RunErrorCode::TapeChanged, source.name(), None, message)
    })
}

/// Does something with the fields of a record that is not malformed.
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
    /// Whether its line is one quoted field.
    unwraps: bool,
}

/// Tries each delimiter on the head of the tape. The one with which a header is found is right; of several, the one with which it
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

/// Looks for the header in the head of a tape, with one delimiter.
struct HeadReader<'r> {
    search: HeaderSearch,
    source: &'r dyn TapeSource,
    delimiter: u8,
    options: &'r TapeOptions,
    /// Whether there was anything.
    holds_text: bool,
}

impl HeadReader<'_> {
    fn look(&mut self, encoding: &EncodingChoice) -> Result<Option<CsvHeader>, RunError> {
        let text = TextReader::new(self.source, encoding, HEAD_BYTES, false, None)?;
        let (mut reader, mut block) = (RecordReader::new(text, self.delimiter), RecordBlock::default());
        let mut in_head = true;
        // Rows are counted, with blank ones: the lines inside a row are not rows.
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
        let reading = Reading { source_file: self.source.name(), options: self.options };
        let joined = self.search.joined(&reading)?.map_or_else(|| self.search.best_header(&reading), |found| Ok(Some(found)))?;
        Ok(joined.map(|found| CsvHeader { delimiter: self.delimiter, found, unwraps: false }))
    }

    /// Looks at a record as it is and, where it is one quoted field, at the line in it.
    fn look_at(&mut self, text: &str, record: &Record) -> Result<Option<CsvHeader>, RunError> {
        let Self { search, source, delimiter, options, .. } = self;
        let reading = Reading { source_file: source.name(), options };
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

/// Writes a sheet row as a record of text, every cell quoted that needs it.
fn push_row(block: &mut RecordBlock, row: &SheetRow) {
    let start = block.text.len();
    let needs_quotes = |text: &str| {
        let text = text.as_bytes();
        memchr3(WORKBOOK_DELIMITER, b'"', b'\n', text).is_some() || memchr(b'\r', text).is_some()
    };
    let shape = if needs_quotes(row.text()) { Shape::Quoted } else { Shape::Plain };
    for (at, cell) in row.cells().enumerate() {
        if at > 0 {
            block.text.push(WORKBOOK_DELIMITER);
        }
        if shape == Shape::Quoted && needs_quotes(cell) {
            block.text.push(b'"');
            block.text.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            block.text.push(b'"');
        } else {
            block.text.extend_from_slice(cell.as_bytes());
        }
    }
    if row.hidden {
        let (count, _) = block.hidden.get_or_insert((0, row.line));
        *count += 1;
    }
    let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    block.records.push(Record { start: position(start), end: position(block.text.len()), line: row.line, shape, ended: true });
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
