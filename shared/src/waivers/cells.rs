//! The cells of a file of waivers, each with its line and column.

use std::borrow::Cow;

use crate::tape::{
    DELIMITERS,
    cell::content,
    records::{RecordBlock, RecordReader, Shape, count_line_ends, split_fields},
    source::{MemorySource, TapeSource as _},
    text::{EncodingChoice, TextReader},
    workbook::{SheetRow, Workbook, WorkbookFormat, looks_like_workbook},
};

use super::{MAX_WAIVER_BYTES, MAX_WAIVER_LINES, WaiverFile, read::WaiverMistake};

/// Most columns of a row. Five have a meaning.
const MAX_COLUMNS: usize = 64;

/// A row with a text: its line in the file, and the contents of its cells.
pub struct WaiverRow {
    pub line: u64,
    pub cells: Vec<String>,
}

/// All rows of a file that have a text.
///
/// # Errors
/// What is wrong with the file as a whole, or the first row that cannot be read.
pub fn rows(file: &WaiverFile) -> Result<Vec<WaiverRow>, WaiverMistake> {
    let whole = |message: &str| WaiverMistake::of_file(message.to_owned());
    if file.bytes.len() as u64 > MAX_WAIVER_BYTES {
        return Err(whole("a file of waivers has at most 5 MiB, and this one has more: split it over several runs"));
    }
    if file.bytes.is_empty() {
        return Err(whole("the file is empty: write the header and a line for each waiver"));
    }
    if file.is_workbook() {
        return of_workbook(file);
    }
    if !file.name.to_ascii_lowercase().ends_with(".csv") {
        return Err(whole("a file of waivers ends with .csv or .xlsx: save it as one of them"));
    }
    if looks_like_workbook(&file.bytes) {
        return Err(whole("the file is a workbook, not a CSV file: name it .xlsx"));
    }
    let delimiter = delimiter_of(&file.bytes);
    of_csv(file, delimiter)
}

/// The delimiter that is most frequent in the first line that has one; a comma if none has.
fn delimiter_of(bytes: &[u8]) -> u8 {
    let count = |line: &[u8], delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
    let most = |line: &[u8]| DELIMITERS.into_iter().rev().max_by_key(|delimiter| count(line, *delimiter));
    let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty());
    let found = lines.find_map(|line| most(line).filter(|delimiter| count(line, *delimiter) > 0));
    found.unwrap_or(DELIMITERS[0])
}

fn of_csv(file: &WaiverFile, delimiter: u8) -> Result<Vec<WaiverRow>, WaiverMistake> {
    let source = MemorySource::new(file.name.clone(), file.bytes.to_vec());
    let encoding = EncodingChoice::default();
    let broken = |message: String| WaiverMistake::of_file(message);
    let text = TextReader::new(&source, &encoding, 128 * 1024, false, None).map_err(|error| broken(error.message))?;
    let (mut reader, mut block) = (RecordReader::new(text, delimiter), RecordBlock::default());
    let mut rows = Vec::new();
    while reader.next_block(&mut block).map_err(|error| broken(error.message))? {
        let text = std::str::from_utf8(&block.text).map_err(|_| broken("the file is no text".to_owned()))?;
        for record in &block.records {
            let raw = &text[record.start as usize..record.end as usize];
            let line = record.line;
            if line + count_line_ends(raw.as_bytes()) > MAX_WAIVER_LINES {
                return Err(too_many_lines());
            }
            if let Shape::Malformed(reason) = record.shape {
                return Err(WaiverMistake::at(line, 1, format!("the line cannot be read: {reason}")));
            }
            let mut fields: Vec<Cow<'_, str>> = Vec::new();
            split_fields(raw, record.shape, delimiter, &mut fields);
            let cells: Vec<String> = fields.iter().take(MAX_COLUMNS).map(|field| content(field).into_owned()).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                rows.push(WaiverRow { line, cells });
            }
        }
    }
    Ok(rows)
}

fn of_workbook(file: &WaiverFile) -> Result<Vec<WaiverRow>, WaiverMistake> {
    let whole = |message: String| WaiverMistake::of_file(message);
    let source = MemorySource::new(file.name.clone(), file.bytes.to_vec());
    let open = || source.open_seekable().map_err(|error| whole(format!("the file cannot be read: {error}")));
    let broken = |error: crate::tape::workbook::WorkbookError| whole(format!("the workbook cannot be read: {error}"));
    let workbook = Workbook::open(open()?).map_err(broken)?;
    if workbook.format() != WorkbookFormat::Xlsx {
        return Err(whole(format!(
            "the file is an .{} workbook: open it in Excel, and save it as .xlsx",
            workbook.format().name()
        )));
    }
    let Some(at) = workbook.sheets().iter().position(|sheet| sheet.visible) else {
        return Err(whole("all worksheets are hidden: show the one with the waivers".to_owned()));
    };
    let mut stream = workbook.rows(at, open()?).map_err(broken)?;
    let (mut row, mut rows) = (SheetRow::default(), Vec::new());
    while stream.next_row(&mut row).map_err(broken)? {
        if let Some(column) = row.uncalculated().first() {
            let message = "the formula has no value: open the workbook in a spreadsheet, and save it there".to_owned();
            return Err(WaiverMistake::at(row.line, column + 1, message));
        }
        let cells: Vec<String> = row.cells().take(MAX_COLUMNS).map(|cell| content(cell).into_owned()).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        if row.line > MAX_WAIVER_LINES {
            return Err(too_many_lines());
        }
        rows.push(WaiverRow { line: row.line, cells });
    }
    Ok(rows)
}

fn too_many_lines() -> WaiverMistake {
    let message = "a file of waivers has at most 100,000 lines, and this one has more: split it over several runs";
    WaiverMistake::of_file(message.to_owned())
}
