//! The workbook of Excel 97 to 2003 (`.xls`): one stream of records (BIFF8).
//!
//! The whole stream is in memory, because its cells need not come in order. Besides the stream, only the position of each cell is
//! kept.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    SheetInfo,
    biff::{Biff, BiffRecord, TextCursor},
    error::{WorkbookError, bomb, corrupt, mebibytes},
    format::NumberFormat,
    limits::{MAX_CELLS, MAX_NUMBER_FORMATS, MAX_PARTS, MAX_ROW_TEXT, MAX_STYLES},
    ole::{read_u16, read_u32},
    records::{error_text, rk_number},
    row::SheetRow,
    strings::SharedStrings,
    styles::CellStyles,
};

const FORMAT: &str = "xls";

/// The kinds of records that are read.
mod kind {
    pub const FORMULA: u16 = 0x0006;
    pub const END: u16 = 0x000A;
    pub const DATE_MODE: u16 = 0x0022;
    pub const PASSWORD: u16 = 0x002F;
    pub const SHEET: u16 = 0x0085;
    pub const MANY_RK: u16 = 0x00BD;
    pub const RICH_TEXT: u16 = 0x00D6;
    pub const STYLE: u16 = 0x00E0;
    pub const SHARED_STRINGS: u16 = 0x00FC;
    pub const SHARED: u16 = 0x00FD;
    pub const NUMBER: u16 = 0x0203;
    pub const TEXT: u16 = 0x0204;
    pub const BOOLEAN_OR_ERROR: u16 = 0x0205;
    pub const FORMULA_TEXT: u16 = 0x0207;
    pub const ROW: u16 = 0x0208;
    pub const RK: u16 = 0x027E;
    pub const FORMAT: u16 = 0x041E;
    pub const BEGIN: u16 = 0x0809;
}

/// An open `.xls`.
#[derive(Debug)]
pub struct XlsBook {
    pub sheets: Vec<SheetInfo>,
    /// Offset of the records of each sheet.
    places: Vec<usize>,
    stream: Vec<u8>,
    strings: SharedStrings,
    styles: CellStyles,
    is_1904: bool,
}

impl XlsBook {
    /// Reads everything but the sheets.
    pub fn open(stream: Vec<u8>) -> Result<Self, WorkbookError> {
        const VERSION: u16 = 0x0600;
        let mut records = Biff::new(&stream, 0);
        let version = records.next().filter(|record| record.kind == kind::BEGIN).and_then(|record| read_u16(record.data, 0));
        match version {
            Some(VERSION) => {}
            Some(_) => return Err(WorkbookError::OldFormat),
            None => return Err(corrupt("it is damaged")),
        }
        let (mut sheets, mut places, mut strings) = (Vec::new(), Vec::new(), SharedStrings::default());
        let (mut custom, mut ids, mut is_1904) = (HashMap::new(), Vec::new(), false);
        for record in records.by_ref() {
            match record.kind {
                kind::END => break,
                kind::PASSWORD => return Err(WorkbookError::PasswordProtected),
                kind::DATE_MODE => is_1904 = read_u16(record.data, 0) == Some(1),
                kind::SHEET => {
                    let (sheet, place, is_worksheet) = read_sheet(record)?;
                    if is_worksheet {
                        sheets.push(sheet);
                        places.push(place);
                    }
                }
                kind::SHARED_STRINGS => read_strings(&stream, record, &mut strings)?,
                kind::FORMAT => {
                    let mut code = String::new();
                    TextCursor::new(record.data.get(2..).unwrap_or_default()).push_counted(&mut code);
                    custom.insert(u32::from(read_u16(record.data, 0).unwrap_or(0)), NumberFormat::parse(&code));
                }
                kind::STYLE => ids.push(u32::from(read_u16(record.data, 2).unwrap_or(0))),
                _ => {}
            }
            if custom.len() > MAX_NUMBER_FORMATS || ids.len() > MAX_STYLES || sheets.len() > MAX_PARTS {
                return Err(bomb("its list of sheets and styles", format!("{MAX_NUMBER_FORMATS} entries")));
            }
        }
        let styles = CellStyles::resolve(custom, ids);
        Ok(Self { sheets, places, stream, strings, styles, is_1904 })
    }
}

/// The sheet that a record of the list names, the offset of its records, and whether it is a worksheet.
fn read_sheet(record: BiffRecord<'_>) -> Result<(SheetInfo, usize, bool), WorkbookError> {
    let damaged = || corrupt("its list of sheets is damaged");
    let place = read_u32(record.data, 0).ok_or_else(damaged)? as usize;
    let [state, kind, length] = *record.data.get(4..).and_then(|rest| rest.first_chunk()).ok_or_else(damaged)?;
    let mut name = String::new();
    TextCursor::new(&record.data[7..]).push(usize::from(length), &mut name).ok_or_else(damaged)?;
    Ok((SheetInfo { name, visible: state & 3 == 0 }, place, kind == 0))
}

fn read_strings(stream: &[u8], record: BiffRecord<'_>, strings: &mut SharedStrings) -> Result<(), WorkbookError> {
    let mut cursor = TextCursor::continued(stream, record);
    let count = (cursor.u32(), cursor.u32()).1.unwrap_or(0);
    for _ in 0..count {
        if cursor.push_rich(strings.text_mut()).is_none() {
            return Err(corrupt("its shared strings are damaged"));
        }
        if !strings.end_string() {
            return Err(strings.too_many("its shared strings"));
        }
    }
    Ok(())
}

/// The position of a cell, and of its value.
#[derive(Debug, Clone, Copy)]
struct CellPlace {
    row: u16,
    column: u16,
    kind: u16,
    /// Offset in the stream: of the record's data, or of one pair in it.
    at: u32,
}

/// Reads the rows of a sheet, one at a time.
pub struct XlsSheetReader {
    book: Arc<XlsBook>,
    name: String,
    /// The cells in the order of rows and columns.
    cells: Vec<CellPlace>,
    next: usize,
    hidden: HashSet<u16>,
}

impl XlsSheetReader {
    /// Finds the cells of the sheet at this index of the workbook's list.
    pub fn new(book: Arc<XlsBook>, sheet: usize) -> Result<Self, WorkbookError> {
        let (Some(info), Some(place)) = (book.sheets.get(sheet), book.places.get(sheet)) else {
            return Err(WorkbookError::NoSheet);
        };
        let name = info.name.clone();
        let (mut cells, hidden) = find_cells(&book.stream, *place, &name)?;
        if !cells.is_sorted_by_key(|cell| (cell.row, cell.column)) {
            cells.sort_by_key(|cell| (cell.row, cell.column));
        }
        Ok(Self { book, name, cells, next: 0, hidden })
    }

    /// Reads the next row that is not blank; returns `false` at the end of the sheet.
    pub fn next_row(&mut self, row: &mut SheetRow) -> Result<bool, WorkbookError> {
        while let Some(first) = self.cells.get(self.next).copied() {
            row.begin(u64::from(first.row) + 1, self.hidden.contains(&first.row));
            while let Some(cell) = self.cells.get(self.next).copied().filter(|cell| cell.row == first.row) {
                self.next += 1;
                // When two cells have the same position, the later one counts.
                let is_replaced =
                    self.cells.get(self.next).is_some_and(|next| (next.row, next.column) == (cell.row, cell.column));
                if is_replaced {
                    continue;
                }
                if push_cell(cell, &self.book, row.text_mut()).is_none() {
                    return Err(corrupt(format_args!("sheet {:?} has a damaged cell in row {}", self.name, row.line)));
                }
                row.end_cell(usize::from(cell.column));
                if row.text().len() > MAX_ROW_TEXT {
                    let limit = format!("{} of text in row {}", mebibytes(MAX_ROW_TEXT as u64), row.line);
                    return Err(bomb(&self.name, limit));
                }
            }
            if !row.is_blank() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The cells of a sheet in the order of the stream, and the rows that are hidden.
fn find_cells(stream: &[u8], place: usize, name: &str) -> Result<(Vec<CellPlace>, HashSet<u16>), WorkbookError> {
    let (mut cells, mut hidden) = (Vec::new(), HashSet::new());
    // Charts on the sheet are nested streams.
    let mut depth = 0_usize;
    let mut records = Biff::new(stream, place);
    if records.clone().next().is_none_or(|record| record.kind != kind::BEGIN) {
        return Err(corrupt(format_args!("sheet {name:?} is missing")));
    }
    for record in records.by_ref() {
        match record.kind {
            kind::BEGIN => depth += 1,
            kind::END => {
                depth -= 1;
                if depth == 0 {
                    return Ok((cells, hidden));
                }
            }
            _ if depth > 1 => {}
            kind::ROW if read_u16(record.data, 12).unwrap_or(0) & 0x20 != 0 => {
                hidden.extend(read_u16(record.data, 0));
            }
            kind::MANY_RK => add_many(record, &mut cells),
            // The text of a formula follows the formula.
            kind::FORMULA_TEXT => {
                if let Some(formula) = cells.last_mut().filter(|cell: &&mut CellPlace| cell.kind == kind::FORMULA) {
                    (formula.kind, formula.at) = (kind::FORMULA_TEXT, record.at);
                }
            }
            kind::FORMULA | kind::RICH_TEXT | kind::SHARED | kind::NUMBER | kind::TEXT | kind::BOOLEAN_OR_ERROR | kind::RK => {
                let (Some(row), Some(column)) = (read_u16(record.data, 0), read_u16(record.data, 2)) else { continue };
                cells.push(CellPlace { row, column, kind: record.kind, at: record.at });
            }
            _ => {}
        }
        if cells.len() as u64 > MAX_CELLS {
            return Err(WorkbookError::TooLarge { format: FORMAT, limit: "5 million cells".to_owned() });
        }
    }
    Err(corrupt(format_args!("sheet {name:?} ends early")))
}

/// Adds the cells of a record of several numbers: row, first column, style and number of each, last column.
fn add_many(record: BiffRecord<'_>, cells: &mut Vec<CellPlace>) {
    const PAIR: usize = 6;
    let (Some(row), Some(first)) = (read_u16(record.data, 0), read_u16(record.data, 2)) else { return };
    let pairs = record.data.len().saturating_sub(4 + 2) / PAIR;
    for (at, column) in (0..pairs).zip(first..=u16::MAX) {
        // A pair is like the end of a record of one number that begins four bytes earlier. The offset is within the stream, so
        // the cast changes nothing.
        let at = record.at + (at * PAIR) as u32;
        cells.push(CellPlace { row, column, kind: kind::RK, at });
    }
}

/// Appends the text of a cell. `None` when its record is damaged.
fn push_cell(cell: CellPlace, book: &XlsBook, out: &mut String) -> Option<()> {
    const STYLE: usize = 4;
    const VALUE: usize = 6;
    let data = book.stream.get(cell.at as usize..)?;
    let style = || read_u16(data, STYLE).map_or(0, usize::from);
    let number = |number: f64, out: &mut String| book.styles.format(style()).push_float(number, book.is_1904, out);
    match cell.kind {
        kind::NUMBER => number(read_f64(data, VALUE)?, out),
        kind::RK => number(rk_number(read_u32(data, VALUE)?), out),
        kind::SHARED => out.push_str(book.strings.get(read_u32(data, VALUE)? as usize)?),
        kind::BOOLEAN_OR_ERROR => push_boolean_or_error(*data.get(VALUE)?, *data.get(VALUE + 1)? != 0, out),
        kind::TEXT | kind::RICH_TEXT => {
            let record = Biff::record_with(&book.stream, cell.at)?;
            TextCursor::continued(&book.stream, record).after(VALUE)?.push_counted(out)?;
        }
        kind::FORMULA_TEXT => {
            let record = Biff::record_with(&book.stream, cell.at)?;
            TextCursor::continued(&book.stream, record).push_counted(out)?;
        }
        // The value of a formula is a number, unless its last two bytes are 0xFFFF: then its first byte is the kind and its third
        // the value.
        kind::FORMULA => match (read_u16(data, VALUE + 6)?, *data.get(VALUE)?, *data.get(VALUE + 2)?) {
            (0xFFFF, 1, value) => push_boolean_or_error(value, false, out),
            (0xFFFF, 2, value) => push_boolean_or_error(value, true, out),
            (0xFFFF, ..) => {}
            _ => number(read_f64(data, VALUE)?, out),
        },
        _ => {}
    }
    Some(())
}

fn push_boolean_or_error(value: u8, is_error: bool, out: &mut String) {
    out.push_str(match (is_error, value) {
        (true, code) => error_text(code),
        (false, 0) => "FALSE",
        (false, _) => "TRUE",
    });
}

fn read_f64(bytes: &[u8], at: usize) -> Option<f64> {
    Some(f64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
