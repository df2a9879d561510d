//! Ingest: from the bytes of a tape to its rows.

pub mod aliases;
pub mod header;
mod not_a_tape;
pub mod number;
pub mod records;
pub mod source;
pub mod text;
pub mod units;
pub mod window;
pub mod workbook;

use std::{borrow::Cow, io::Read, ops::Range};

use memchr::{memchr, memchr_iter, memchr3};
use serde::Serialize;

use crate::error::{Phase, RunError, RunErrorCode, shortened};

use self::{
    header::{Column, HEADER_ROWS, Header, HeaderSearch, MAX_HEADER_CHARACTERS},
    records::{Record, RecordBlock, RecordReader, Shape, split_fields},
    source::TapeSource,
    text::{Encoding, EncodingChoice, Fingerprint, RawCopy, TextReader},
    units::UnitDetector,
    workbook::{RowStream, SheetRow, Workbook, WorkbookError},
};

/// The delimiters that a CSV tape may use.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How much of a file tells what it is.
const SNIFFED_BYTES: usize = 512;
/// How much of a tape is read at a time to find its header.
const HEAD_BYTES: usize = 128 * 1024;
/// The delimiter in which the rows of a workbook are handed on as text.
const WORKBOOK_DELIMITER: u8 = b',';

/// A tape whose header has been found.
pub struct Tape<'s> {
    source: &'s dyn TapeSource,
    layout: Layout,
    header: Header,
}

enum Layout {
    Csv { delimiter: u8, encoding: EncodingChoice },
    Workbook { workbook: Box<Workbook>, sheet: usize, name: String },
}

/// How a tape was read: part of the run record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TapeMapping {
    /// The tape.
    pub source_file: String,
    /// `csv`, `xlsx`, `xls`, `xlsb` or `ods`.
    pub format: &'static str,
    /// The delimiter, of a CSV tape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// The encoding, of a CSV tape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// The worksheet, of a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The line, or the sheet row, of the header.
    pub header_line: u64,
    /// The columns and what they were taken for.
    pub columns: Vec<Column>,
}

impl<'s> Tape<'s> {
    /// Finds out how a tape is written, where its header is, what its columns mean and in which unit its percentages are.
    pub fn open(source: &'s dyn TapeSource) -> Result<Self, RunError> {
        if source.size() == 0 {
            let message = "The tape is empty. Send it again, with a header row and a row per loan.";
            return Err(RunError::ingest(RunErrorCode::EmptyTape, source.name(), None, message));
        }
        let mut head = Vec::with_capacity(SNIFFED_BYTES);
        let opened = source.open_at(0).and_then(|raw| raw.take(SNIFFED_BYTES as u64).read_to_end(&mut head));
        opened.map_err(|error| RunError::unreadable(source.name(), &error))?;
        if workbook::looks_like_workbook(&head) {
            return Self::open_workbook(source);
        }
        if let Some(kind) = not_a_tape::by_first_bytes(&head) {
            return Err(not_a_tape::error(source.name(), kind));
        }
        Self::open_csv(source).map_err(|error| {
            if error.code != RunErrorCode::NoHeader {
                return error;
            }
            let name = source.name().to_ascii_lowercase();
            if name.ends_with(".xlsx") || name.ends_with(".xls") {
                let detail = "it does not begin as a workbook does".to_owned();
                return workbook_error(source, WorkbookError::Corrupt { detail });
            }
            // Only now: the title above a header may begin as other text does.
            not_a_tape::by_text(&head, &name).map_or(error, |kind| not_a_tape::error(source.name(), kind))
        })
    }

    fn open_csv(source: &'s dyn TapeSource) -> Result<Self, RunError> {
        let encoding = EncodingChoice::default();
        let (delimiter, mut header) = find_csv_header(source, &encoding)?;
        let mut detectors: Vec<_> = header.percentages().map(|(field, at)| (field, at, UnitDetector::new(field))).collect();
        let mut reader = RecordReader::new(TextReader::new(source, &encoding, 128 * 1024, false, None)?, delimiter);
        let mut block = RecordBlock::default();
        while detectors.iter().any(|(.., detector)| !detector.is_decided()) && reader.next_block(&mut block)? {
            let text = block_text(&block, source)?;
            let mut scratch = Vec::new();
            for record in block.records.iter().filter(|record| record.line > header.line) {
                let Some(fields) = fields(text, record, delimiter, &mut scratch) else { continue };
                if fields.len() == header.columns.len() {
                    for (_, at, detector) in &mut detectors {
                        detector.observe(&fields[*at]);
                    }
                }
            }
        }
        for (field, _, detector) in detectors {
            header.set_unit(field, detector.unit());
        }
        Ok(Self { source, layout: Layout::Csv { delimiter, encoding }, header })
    }

    fn open_workbook(source: &'s dyn TapeSource) -> Result<Self, RunError> {
        let failed = |error| workbook_error(source, error);
        let workbook = open_workbook(source)?;
        let names: Vec<_> = workbook.sheets().iter().map(|sheet| sheet.name.clone()).collect();
        let mut best: Option<HeaderSearch> = None;
        let mut row = SheetRow::default();
        for (sheet, name) in names.into_iter().enumerate() {
            let mut search = HeaderSearch::default();
            let mut rows = open_sheet(source, &workbook, sheet)?;
            let mut found = None;
            while rows.next_row(&mut row).map_err(failed)? {
                if row.line > HEADER_ROWS {
                    break;
                }
                let cells: Vec<Cow<'_, str>> = row.cells().map(Cow::Borrowed).collect();
                found = search.look(&cells, row.line, source.name())?;
                if found.is_some() {
                    break;
                }
            }
            let Some(mut header) = found else {
                if best.as_ref().is_none_or(|best| search.best_score() > best.best_score()) {
                    best = Some(search);
                }
                continue;
            };
            let mut detectors: Vec<_> = header.percentages().map(|(field, at)| (field, at, UnitDetector::new(field))).collect();
            while !detectors.iter().all(|(.., detector)| detector.is_decided()) && rows.next_row(&mut row).map_err(failed)? {
                for (_, at, detector) in &mut detectors {
                    detector.observe(row.cell(*at));
                }
            }
            for (field, _, detector) in detectors {
                header.set_unit(field, detector.unit());
            }
            return Ok(Self { source, layout: Layout::Workbook { workbook: Box::new(workbook), sheet, name }, header });
        }
        Err(best.unwrap_or_default().failure(source.name()))
    }

    /// The tape's columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The name of the tape.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The delimiter in which the text of the tape's rows is handed on.
    pub fn delimiter(&self) -> u8 {
        match self.layout {
            Layout::Csv { delimiter, .. } => delimiter,
            Layout::Workbook { .. } => WORKBOOK_DELIMITER,
        }
    }

    /// Whether rows may have cells beyond the header, as in a workbook, where notes stand beside the table.
    pub fn allows_extra_cells(&self) -> bool {
        matches!(self.layout, Layout::Workbook { .. })
    }

    /// How the tape is read. The encoding is certain once the tape has been read to its end.
    pub fn mapping(&self) -> TapeMapping {
        let (format, delimiter, encoding, sheet) = match &self.layout {
            Layout::Csv { delimiter, encoding } => ("csv", Some(char::from(*delimiter)), Some(encoding.get()), None),
            Layout::Workbook { workbook, name, .. } => {
                (workbook.format().name(), None, None, Some(shortened(name, MAX_HEADER_CHARACTERS).into_owned()))
            }
        };
        let columns = self.header.columns.clone();
        TapeMapping {
            source_file: self.name().to_owned(),
            format,
            delimiter,
            encoding,
            sheet,
            header_line: self.header.line,
            columns,
        }
    }

    /// A tape that was opened before: what was found out then holds. Its bytes are UTF-8.
    pub fn known(source: &'s dyn TapeSource, delimiter: u8, header: Header) -> Self {
        Self { source, layout: Layout::Csv { delimiter, encoding: EncodingChoice::known(Encoding::Utf8) }, header }
    }

    /// Whether reading can begin at any record: the bytes of the tape are its text. The encoding is certain once the tape has
    /// been read to its end.
    pub fn can_be_split(&self) -> bool {
        matches!(&self.layout, Layout::Csv { encoding, .. } if encoding.get() == Encoding::Utf8)
    }

    /// Starts reading the rows that begin at these places of a tape that can be split, in blocks of about `block_bytes`. The
    /// first place is the beginning of the record that stands on `line`.
    pub fn read_within(&self, block_bytes: usize, places: Range<u64>, line: u64) -> Result<TapeReader<'_>, RunError> {
        let Layout::Csv { delimiter, encoding } = &self.layout else {
            return Err(RunError::internal(Phase::Ingest, "A workbook cannot be read in parts. Please report this run."));
        };
        let text = TextReader::resume(self.source, encoding, block_bytes, places.start)?;
        let rows = Rows::Csv(Box::new(RecordReader::within(text, *delimiter, places, line)));
        Ok(TapeReader { rows, header_line: self.header.line, source: self.source })
    }

    /// Starts reading the rows below the header, in blocks of about `block_bytes`. `fingerprint` asks for the hash of the raw bytes,
    /// `copy` receives them.
    pub fn read<'t>(&'t self, block_bytes: usize, fingerprint: bool, copy: Option<RawCopy>) -> Result<TapeReader<'t>, RunError> {
        let rows = match &self.layout {
            Layout::Csv { delimiter, encoding } => {
                let text = TextReader::new(self.source, encoding, block_bytes, fingerprint, copy)?;
                Rows::Csv(Box::new(RecordReader::new(text, *delimiter)))
            }
            Layout::Workbook { workbook, sheet, .. } => Rows::Workbook {
                // A workbook is not read from front to back, so its bytes are read once more.
                fingerprint: Some(text::fingerprint_of(self.source, copy)?),
                stream: open_sheet(self.source, workbook, *sheet)?,
                row: SheetRow::default(),
                block_bytes,
            },
        };
        Ok(TapeReader { rows, header_line: self.header.line, source: self.source })
    }
}

/// Reads the rows of a tape, block by block.
pub struct TapeReader<'t> {
    rows: Rows<'t>,
    header_line: u64,
    source: &'t dyn TapeSource,
}

enum Rows<'t> {
    Csv(Box<RecordReader<'t>>),
    Workbook { stream: RowStream, row: SheetRow, fingerprint: Option<Fingerprint>, block_bytes: usize },
}

impl TapeReader<'_> {
    /// Fills the block with the next rows; `false` at the end of the tape.
    pub fn next_block(&mut self, block: &mut RecordBlock) -> Result<bool, RunError> {
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
            Rows::Workbook { stream, row, block_bytes, .. } => {
                block.clear();
                while stream.next_row(row).map_err(|error| workbook_error(self.source, error))? {
                    if row.line > self.header_line {
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

/// The fields of a record; `None` when it is malformed.
fn fields<'b, 'f>(
    text: &'b str,
    record: &Record,
    delimiter: u8,
    fields: &'f mut Vec<Cow<'b, str>>,
) -> Option<&'f [Cow<'b, str>]> {
    if matches!(record.shape, Shape::Malformed(_)) {
        return None;
    }
    split_fields(&text[record.start as usize..record.end as usize], record.shape, delimiter, fields);
    Some(fields)
}

/// Tries each delimiter on the head of the tape; the one with which a header is found is right.
fn find_csv_header(source: &dyn TapeSource, encoding: &EncodingChoice) -> Result<(u8, Header), RunError> {
    let mut head = Vec::new();
    TextReader::new(source, encoding, HEAD_BYTES, false, None)?.read_more(&mut head)?;
    if head.contains(&b'\r') && !head.contains(&b'\n') {
        let message = "The lines end in lone carriage returns. Save the tape with usual line breaks (LF or CRLF).";
        return Err(RunError::ingest(RunErrorCode::UnsupportedFormat, source.name(), None, message));
    }
    let mut best: Option<HeaderSearch> = None;
    let mut holds_text = false;
    for delimiter in DELIMITERS {
        let mut reader = RecordReader::new(TextReader::new(source, encoding, HEAD_BYTES, false, None)?, delimiter);
        let (mut block, mut search) = (RecordBlock::default(), HeaderSearch::default());
        let mut in_head = true;
        // Rows are counted, with blank ones: the lines inside a row are not rows.
        let mut lines_inside = 0;
        while in_head && reader.next_block(&mut block)? {
            holds_text = true;
            let text = block_text(&block, source)?;
            let mut scratch = Vec::new();
            for record in &block.records {
                in_head = record.line - lines_inside <= HEADER_ROWS;
                if !in_head {
                    break;
                }
                lines_inside += memchr_iter(b'\n', &block.text[record.start as usize..record.end as usize]).count() as u64;
                let Some(row) = fields(text, record, delimiter, &mut scratch) else { continue };
                if let Some(header) = search.look(row, record.line, source.name())? {
                    return Ok((delimiter, header));
                }
            }
        }
        if best.as_ref().is_none_or(|best| search.best_score() > best.best_score()) {
            best = Some(search);
        }
    }
    if !holds_text {
        let message = "The tape holds only blank lines. Send it again, with a header row and a row per loan.";
        return Err(RunError::ingest(RunErrorCode::EmptyTape, source.name(), None, message));
    }
    Err(best.unwrap_or_default().failure(source.name()))
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
    let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    block.records.push(Record { start: position(start), end: position(block.text.len()), line: row.line, shape });
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
