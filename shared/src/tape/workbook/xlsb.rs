//! Excel's binary workbook (`.xlsb`): the same parts as an `.xlsx`, in records instead of XML.

use std::{collections::HashMap, sync::Arc};

use super::{
    ReadSeek, SheetInfo,
    book::{SheetList, XlsxBook},
    error::{WorkbookError, bomb, corrupt, mebibytes},
    format::NumberFormat,
    limits::{MAX_COLUMNS, MAX_NUMBER_FORMATS, MAX_PART, MAX_PARTS, MAX_ROW_TEXT, MAX_ROWS, MAX_STYLES},
    package::PartReader,
    records::{Record, RecordReader, error_text},
    row::SheetRow,
    strings::SharedStrings,
    styles::CellStyles,
    xml::XmlSource,
};

/// The kinds of records that are read.
mod kind {
    pub const ROW: u16 = 0;
    pub const RK: u16 = 2;
    pub const ERROR: u16 = 3;
    pub const BOOLEAN: u16 = 4;
    pub const REAL: u16 = 5;
    pub const TEXT: u16 = 6;
    pub const SHARED: u16 = 7;
    pub const FORMULA_TEXT: u16 = 8;
    pub const FORMULA_NUMBER: u16 = 9;
    pub const FORMULA_BOOLEAN: u16 = 10;
    pub const FORMULA_ERROR: u16 = 11;
    pub const SHARED_TEXT: u16 = 19;
    pub const FORMAT: u16 = 44;
    pub const STYLE: u16 = 47;
    pub const RICH_TEXT: u16 = 62;
    pub const BEGIN_DATA: u16 = 145;
    pub const END_DATA: u16 = 146;
    pub const PROPERTIES: u16 = 153;
    pub const SHEET: u16 = 156;
    pub const BEGIN_STYLES: u16 = 617;
    pub const END_STYLES: u16 = 618;
}

pub fn read_sheets<S: XmlSource>(records: &mut RecordReader<S>) -> Result<SheetList, WorkbookError> {
    let mut list = SheetList::default();
    while let Some(record) = records.next()? {
        match record.kind {
            kind::PROPERTIES => list.is_1904 = record.byte(0) & 1 != 0,
            kind::SHEET => {
                let visible = record.u32(0) == Some(0);
                let texts = record.text(8).and_then(|(id, end)| Some((id, record.text(end)?.0)));
                let (id, name) = texts.ok_or_else(|| corrupt("its list of sheets is damaged"))?;
                list.sheets.push((SheetInfo { name: name.collect(), visible }, id.collect()));
                if list.sheets.len() > MAX_PARTS {
                    return Err(bomb(records.name(), format!("{MAX_PARTS} sheets")));
                }
            }
            _ => {}
        }
    }
    Ok(list)
}

pub fn read_strings<S: XmlSource>(records: &mut RecordReader<S>) -> Result<SharedStrings, WorkbookError> {
    let mut strings = SharedStrings::default();
    while let Some(record) = records.next()? {
        if record.kind == kind::SHARED_TEXT {
            let (text, _) = record.text(1).ok_or_else(|| corrupt("its shared strings are damaged"))?;
            strings.text_mut().extend(text);
            if !strings.end_string() {
                return Err(strings.too_many(records.name()));
            }
        }
    }
    Ok(strings)
}

pub fn read_styles<S: XmlSource>(records: &mut RecordReader<S>) -> Result<CellStyles, WorkbookError> {
    let mut custom = HashMap::new();
    let mut ids = Vec::new();
    let mut in_styles = false;
    while let Some(record) = records.next()? {
        match record.kind {
            kind::BEGIN_STYLES => in_styles = true,
            kind::END_STYLES => in_styles = false,
            kind::FORMAT => {
                let (Some(id), Some((code, _))) = (record.u16(0), record.text(2)) else { continue };
                custom.insert(u32::from(id), NumberFormat::parse(&code.collect::<String>()));
            }
            kind::STYLE if in_styles => ids.push(u32::from(record.u16(2).unwrap_or(0))),
            _ => {}
        }
        if custom.len() > MAX_NUMBER_FORMATS || ids.len() > MAX_STYLES {
            return Err(bomb(records.name(), format!("{MAX_STYLES} cell styles")));
        }
    }
    Ok(CellStyles::resolve(custom, ids))
}

/// Reads the rows of a sheet, one at a time.
pub struct BinarySheetReader {
    records: RecordReader<PartReader<Box<dyn ReadSeek>>>,
    book: Arc<XlsxBook>,
    name: String,
    in_data: bool,
    /// Number of the row that began last, from 1, and whether it is hidden.
    next: Option<(u64, bool)>,
    ended: bool,
}

impl BinarySheetReader {
    /// Starts reading the sheet at this index of the workbook's list.
    pub fn new(book: Arc<XlsxBook>, sheet: usize, reader: Box<dyn ReadSeek>) -> Result<Self, WorkbookError> {
        let (name, part) = book.sheet(sheet)?;
        let records = RecordReader::new(PartReader::new(reader, &part, MAX_PART)?);
        Ok(Self { records, book, name, in_data: false, next: None, ended: false })
    }

    /// Reads the next row that is not blank; returns `false` at the end of the sheet.
    pub fn next_row(&mut self, row: &mut SheetRow) -> Result<bool, WorkbookError> {
        if self.ended {
            return Ok(false);
        }
        let (line, hidden) = self.next.take().unwrap_or((0, false));
        row.begin(line, hidden);
        let mut columns = 0;
        loop {
            let Some(record) = self.records.next()? else {
                return Err(corrupt(format_args!("sheet {:?} ends early", self.name)));
            };
            match record.kind {
                kind::BEGIN_DATA => self.in_data = true,
                kind::END_DATA => {
                    self.records.drain()?;
                    self.ended = true;
                    return Ok(!row.is_blank());
                }
                _ if !self.in_data => {}
                kind::ROW => {
                    let line = u64::from(record.u32(0).unwrap_or(u32::MAX)) + 1;
                    if line <= row.line || line > MAX_ROWS {
                        return Err(corrupt(format_args!("sheet {:?} has rows out of order at row {line}", self.name)));
                    }
                    let is_hidden = record.byte(11) & 0x10 != 0;
                    if !row.is_blank() {
                        self.next = Some((line, is_hidden));
                        return Ok(true);
                    }
                    row.begin(line, is_hidden);
                    columns = 0;
                }
                kind::RK..=kind::FORMULA_ERROR | kind::RICH_TEXT => {
                    let column = record.u32(0).map_or(usize::MAX, |column| column as usize);
                    if column < columns || column >= MAX_COLUMNS || row.line == 0 {
                        return Err(corrupt(format_args!("sheet {:?} has cells out of order at row {}", self.name, row.line)));
                    }
                    columns = column + 1;
                    if push_cell(record, &self.book, row.text_mut()).is_none() {
                        return Err(corrupt(format_args!("sheet {:?} has a damaged cell in row {}", self.name, row.line)));
                    }
                    row.end_cell(column);
                    if row.text().len() > MAX_ROW_TEXT {
                        let limit = format!("{} of text in row {}", mebibytes(MAX_ROW_TEXT as u64), row.line);
                        return Err(bomb(&self.name, limit));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Appends the text of a cell. `None` when the record is damaged.
fn push_cell(record: Record<'_>, book: &XlsxBook, out: &mut String) -> Option<()> {
    const VALUE: usize = 8;
    match record.kind {
        kind::RK | kind::REAL | kind::FORMULA_NUMBER => {
            let number = if record.kind == kind::RK { record.rk(VALUE)? } else { record.f64(VALUE)? };
            let style = record.u32(4)? & 0x00FF_FFFF;
            book.styles.format(style as usize).push_float(number, book.is_1904, out);
        }
        kind::BOOLEAN | kind::FORMULA_BOOLEAN => out.push_str(if record.byte(VALUE) == 0 { "FALSE" } else { "TRUE" }),
        kind::ERROR | kind::FORMULA_ERROR => out.push_str(error_text(record.byte(VALUE))),
        kind::TEXT | kind::FORMULA_TEXT => out.extend(record.text(VALUE)?.0),
        kind::RICH_TEXT => out.extend(record.text(VALUE + 1)?.0),
        kind::SHARED => out.push_str(book.strings.get(record.u32(VALUE)? as usize)?),
        _ => {}
    }
    Some(())
}
