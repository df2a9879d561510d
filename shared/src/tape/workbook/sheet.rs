//! The rows of one sheet of an `.xlsx`.

use std::sync::Arc;

use super::{
    ReadSeek,
    book::XlsxBook,
    date::push_iso,
    error::{WorkbookError, bomb, corrupt, mebibytes},
    format::NumberFormat,
    limits::{MAX_COLUMNS, MAX_PART, MAX_ROW_TEXT, MAX_ROWS},
    package::PartReader,
    row::SheetRow,
    text::{push_content, push_rich_text, skip_element, unescape_from},
    xml::{Tag, XmlEvent, XmlReader},
};

type SheetXml = XmlReader<PartReader<Box<dyn ReadSeek>>>;

/// Reads the rows of a sheet, one at a time.
pub struct SheetReader {
    xml: SheetXml,
    book: Arc<XlsxBook>,
    name: String,
    in_data: bool,
    place: CellPlace,
    /// The text of a value that is not plain.
    scratch: String,
}

/// The reader's position in the sheet.
#[derive(Default)]
struct CellPlace {
    /// Number of the row that began last, from 1.
    line: u64,
    /// Whether the number of the row is certain: the row or one of its cells gives it.
    is_certain: bool,
    /// Number of the last row that has a cell.
    last: u64,
    /// Number of columns of the row up to the last cell so far.
    columns: usize,
}

/// The type of a cell's value, by its attribute `t`.
#[derive(Clone, Copy, PartialEq)]
enum CellKind {
    /// The cell has no type: its value is a number, or any other text.
    Untyped,
    Number,
    Shared,
    Text,
    Inline,
    Boolean,
    Error,
    Date,
    Unknown,
}

/// The start of a cell.
struct CellStart {
    column: usize,
    kind: CellKind,
    style: usize,
}

impl SheetReader {
    /// Starts reading the sheet at this index of the workbook's list.
    pub fn new(book: Arc<XlsxBook>, sheet: usize, reader: Box<dyn ReadSeek>) -> Result<Self, WorkbookError> {
        let (name, part) = book.sheet(sheet)?;
        let xml = XmlReader::new(PartReader::new(reader, &part, MAX_PART)?);
        Ok(Self { xml, book, name, in_data: false, place: CellPlace::default(), scratch: String::new() })
    }

    /// Reads the next row that is not blank; returns `false` at the end of the sheet.
    pub fn next_row(&mut self, row: &mut SheetRow) -> Result<bool, WorkbookError> {
        self.read_row(row).map_err(|error| match error {
            WorkbookError::Corrupt { detail } if !detail.starts_with("its part ") => {
                let line = self.place.line.max(1);
                corrupt(format_args!("sheet {:?}, row {line} or below: {detail}", self.name))
            }
            error => error,
        })
    }

    fn read_row(&mut self, row: &mut SheetRow) -> Result<bool, WorkbookError> {
        loop {
            match self.xml.next()? {
                XmlEvent::Start(tag) if self.in_data => match tag.name {
                    b"c" => {
                        let cell = self.place.start_cell(tag)?;
                        row.line = self.place.line;
                        self.read_cell(&cell, row)?;
                    }
                    b"row" => {
                        let hidden = matches!(tag.attribute("hidden"), Some(b"1" | b"true"));
                        self.place.start_row(tag)?;
                        row.begin(self.place.line, hidden);
                    }
                    _ => {}
                },
                XmlEvent::Start(tag) => self.in_data = tag.name == b"sheetData",
                XmlEvent::End { name: b"row", .. } if self.in_data && !row.is_blank() => return Ok(true),
                XmlEvent::End { name: b"sheetData", .. } => {
                    self.xml.drain()?;
                    return Ok(false);
                }
                XmlEvent::Eof => return Err(corrupt("it has no cells, not even an empty list of them")),
                _ => {}
            }
        }
    }

    /// Reads the rest of a cell that has begun.
    fn read_cell(&mut self, cell: &CellStart, row: &mut SheetRow) -> Result<(), WorkbookError> {
        let start = row.text().len();
        if let Some(value) = self.xml.plain_value()? {
            push_value(value, cell, &self.book, row.text_mut())?;
        } else if self.read_children(cell, row.text_mut())? {
            row.add_uncalculated(cell.column);
        }
        if row.text().len() == start {
            return Ok(());
        }
        row.end_cell(cell.column);
        if row.text().len() > MAX_ROW_TEXT {
            let limit = format!("{} of text in row {}", mebibytes(MAX_ROW_TEXT as u64), row.line);
            return Err(bomb(&self.name, limit));
        }
        Ok(())
    }

    /// Reads the elements of a cell up to its end; returns whether the cell has a formula and no value.
    fn read_children(&mut self, cell: &CellStart, out: &mut String) -> Result<bool, WorkbookError> {
        let depth = self.xml.depth();
        let (mut has_formula, mut has_value) = (false, false);
        let start = out.len();
        loop {
            match self.xml.next()? {
                XmlEvent::Start(tag) => match tag.name {
                    // The value of an inline string is in `<is>`.
                    b"v" if cell.kind != CellKind::Inline => {
                        self.scratch.clear();
                        push_content(&mut self.xml, &mut self.scratch)?;
                        has_value = !self.scratch.is_empty() || cell.kind == CellKind::Text;
                        out.truncate(start);
                        push_value(self.scratch.as_bytes(), cell, &self.book, out)?;
                    }
                    b"is" => {
                        out.truncate(start);
                        push_rich_text(&mut self.xml, out)?;
                        has_value = true;
                    }
                    name => {
                        has_formula |= name == b"f";
                        skip_element(&mut self.xml)?;
                    }
                },
                XmlEvent::End { depth: left, .. } if left < depth => return Ok(has_formula && !has_value),
                XmlEvent::Eof => return Err(self.xml.ended_early()),
                _ => {}
            }
        }
    }
}

impl CellPlace {
    fn start_row(&mut self, tag: Tag<'_>) -> Result<(), WorkbookError> {
        let number = tag.attribute("r");
        self.is_certain = number.is_some();
        self.columns = 0;
        self.line = match number {
            Some(number) => row_number(number)?,
            None => self.line + 1,
        };
        Ok(())
    }

    fn start_cell(&mut self, tag: Tag<'_>) -> Result<CellStart, WorkbookError> {
        let mut cell = CellStart { column: self.columns, kind: CellKind::Untyped, style: 0 };
        for (name, value) in tag.attributes() {
            match name {
                b"r" => {
                    let letters = value.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                    cell.column = column_number(&value[..letters])?;
                    let line = row_number(&value[letters..])?;
                    if line != self.line {
                        if self.is_certain {
                            return Err(corrupt("a cell stands in another row than it says"));
                        }
                        self.line = line;
                    }
                    self.is_certain = true;
                }
                b"s" => cell.style = digits(value).unwrap_or(0),
                b"t" => cell.kind = CellKind::of(value),
                _ => {}
            }
        }
        self.take(cell.column)?;
        Ok(cell)
    }

    /// Takes a cell's position, which must come after the previous cells.
    fn take(&mut self, column: usize) -> Result<(), WorkbookError> {
        if self.line > MAX_ROWS || column >= MAX_COLUMNS {
            return Err(corrupt("a cell lies beyond the last row or column of Excel"));
        }
        if column < self.columns || (self.columns == 0 && self.line <= self.last) {
            return Err(corrupt("its cells are out of order"));
        }
        (self.last, self.columns) = (self.line, column + 1);
        Ok(())
    }
}

impl CellKind {
    fn of(text: &[u8]) -> Self {
        match text {
            b"s" => Self::Shared,
            b"n" => Self::Number,
            b"str" => Self::Text,
            b"inlineStr" | b"is" => Self::Inline,
            b"b" => Self::Boolean,
            b"e" => Self::Error,
            b"d" => Self::Date,
            _ => Self::Unknown,
        }
    }
}

/// Appends the text of a value.
fn push_value(value: &[u8], cell: &CellStart, book: &XlsxBook, out: &mut String) -> Result<(), WorkbookError> {
    if value.is_empty() {
        return Ok(());
    }
    match cell.kind {
        CellKind::Shared => {
            let at = digits(value).ok_or_else(|| corrupt("a cell points to no shared string"))?;
            out.push_str(book.strings.get(at).ok_or_else(|| corrupt("a cell points beyond the shared strings"))?);
        }
        CellKind::Untyped | CellKind::Number => {
            let format = book.styles.format(cell.style);
            if push_number(value.trim_ascii(), format, book.is_1904, out) {
                return Ok(());
            }
            if cell.kind == CellKind::Number {
                return Err(corrupt(format_args!("a cell holds {:?} as a number", String::from_utf8_lossy(value))));
            }
            out.push_str(utf8(value)?);
        }
        CellKind::Text => {
            let start = out.len();
            out.push_str(utf8(value)?);
            unescape_from(out, start);
        }
        CellKind::Boolean => match value.trim_ascii() {
            b"" => {}
            b"1" => out.push_str("TRUE"),
            b"0" => out.push_str("FALSE"),
            word if word.eq_ignore_ascii_case(b"true") => out.push_str("TRUE"),
            word if word.eq_ignore_ascii_case(b"false") => out.push_str("FALSE"),
            word => return Err(corrupt(format_args!("a cell holds {:?} as a boolean", String::from_utf8_lossy(word)))),
        },
        CellKind::Error if value.starts_with(b"#") || value.starts_with(b"Err:") => out.push_str(utf8(value)?),
        CellKind::Error => return Err(corrupt(format_args!("a cell holds {:?} as an error", String::from_utf8_lossy(value)))),
        CellKind::Date => push_iso(utf8(value)?, out),
        CellKind::Inline => {}
        CellKind::Unknown => return Err(corrupt("a cell has a type that Excel does not have")),
    }
    Ok(())
}

fn push_number(value: &[u8], format: &NumberFormat, is_1904: bool, out: &mut String) -> bool {
    format.push(value, is_1904, out)
}

fn utf8(text: &[u8]) -> Result<&str, WorkbookError> {
    std::str::from_utf8(text).map_err(|_| corrupt("a text is not in UTF-8"))
}

/// A number of at most nine digits.
fn digits(text: &[u8]) -> Option<usize> {
    let is_number = matches!(text.len(), 1..=9) && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

/// The number of a row, from 1. A number beyond the last row of Excel stays beyond it.
pub fn row_number(text: &[u8]) -> Result<u64, WorkbookError> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(corrupt(format_args!("the row number {:?} is none", String::from_utf8_lossy(text))));
    }
    let number = digits(text).unwrap_or(usize::MAX) as u64;
    if number == 0 { Err(corrupt("a row has the number 0")) } else { Ok(number) }
}

/// The number of a column, from 0. A number beyond the last column of Excel stays beyond it.
pub fn column_number(letters: &[u8]) -> Result<usize, WorkbookError> {
    match letters.len() {
        0 => Err(corrupt("a cell has no column")),
        1..=3 => {
            let value = |letter: &u8| usize::from(letter.to_ascii_uppercase() - b'A') + 1;
            Ok(letters.iter().fold(0, |number, letter| number * 26 + value(letter)) - 1)
        }
        _ => Ok(usize::MAX),
    }
}
