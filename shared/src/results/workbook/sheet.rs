//! A sheet of a workbook, row by row.

use std::{borrow::Cow, io::Write};

use crate::decimal::Decimal;

use super::{
    WorkbookError,
    package::{RELATIONS, Workbook, WrittenSheet, XML},
    styles::CellStyle,
    text::{column_letters, has_blanks_to_keep, is_kept_exactly, looks_like_a_formula, push_escaped, shortened},
};

/// Number of bytes of rows that go to the compressor at once.
const CHUNK: usize = 64 * 1024;

/// A column of a sheet.
#[derive(Debug, Clone)]
pub struct SheetColumn {
    /// Text of the header.
    pub name: Cow<'static, str>,
    /// Width in characters.
    pub width: u16,
}

impl SheetColumn {
    /// A column that is wide enough for its name, up to 40 characters of it, and for the arrow of the filter.
    pub fn new(name: impl Into<Cow<'static, str>>, width: u16) -> Self {
        let name = name.into();
        let named = u16::try_from(name.chars().take(40).count()).unwrap_or(0) + 4;
        Self { name, width: width.max(named) }
    }
}

/// The kinds of sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SheetKind {
    /// Rows of different kinds, without a header.
    Page,
    /// A header and one row for each item.
    Table,
    /// A table whose cells have notes.
    Noted,
    /// A page that spreadsheets do not show.
    Hidden,
}

impl SheetKind {
    fn has_header(self) -> bool {
        matches!(self, Self::Table | Self::Noted)
    }
}

/// A note on a cell.
pub struct CellNote {
    /// Index of the row, from 0.
    pub row: u32,
    /// Index of the column, from 0.
    pub column: usize,
    pub text: String,
}

/// A sheet that is being written. Rows beyond the limits go to a further sheet: `Rejected 2` follows `Rejected`.
pub struct Sheet<'w, W: Write> {
    workbook: &'w mut Workbook<W>,
    name: Cow<'static, str>,
    columns: &'w [SheetColumn],
    letters: Vec<String>,
    kind: SheetKind,
    /// Notes on cells of this sheet.
    notes: Vec<CellNote>,
    /// Number of this sheet among the sheets of its name, from 1.
    number: u32,
    rows: u32,
    /// Number of bytes of XML of this sheet that have gone to the compressor.
    bytes: u64,
    buffer: Vec<u8>,
    digits: String,
}

/// A row that is being written, cell by cell.
pub struct Row<'s> {
    buffer: &'s mut Vec<u8>,
    letters: &'s [String],
    digits: &'s mut String,
    cut_texts: &'s mut u64,
    row: &'s str,
    column: usize,
}

impl<'w, W: Write> Sheet<'w, W> {
    pub(super) fn begin(
        workbook: &'w mut Workbook<W>,
        name: Cow<'static, str>,
        columns: &'w [SheetColumn],
        kind: SheetKind,
    ) -> Result<Self, WorkbookError> {
        let letters = (0..columns.len()).map(column_letters).collect();
        let (buffer, digits) = (Vec::with_capacity(2 * CHUNK), String::new());
        let notes = Vec::new();
        let mut sheet = Self { workbook, name, columns, letters, kind, notes, number: 1, rows: 0, bytes: 0, buffer, digits };
        sheet.begin_part()?;
        Ok(sheet)
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn row(&mut self, fill: impl FnOnce(&mut Row<'_>)) -> Result<(), WorkbookError> {
        let limits = self.workbook.limits;
        if self.rows >= limits.rows || self.bytes >= limits.bytes {
            self.end_part()?;
            self.number += 1;
            self.begin_part()?;
        }
        self.rows += 1;
        let row = self.rows.to_string();
        let Self { workbook, buffer, letters, digits, .. } = self;
        push_all(buffer, &["<row r=\"", &row, "\">"]);
        fill(&mut Row { buffer, letters, digits, cut_texts: &mut workbook.cut_texts, row: &row, column: 0 });
        buffer.extend_from_slice(b"</row>");
        if self.buffer.len() >= CHUNK { self.hand_on() } else { Ok(()) }
    }

    /// Ends the sheet.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn finish(mut self) -> Result<(), WorkbookError> {
        self.end_part()
    }

    fn begin_part(&mut self) -> Result<(), WorkbookError> {
        let part = self.workbook.sheets.len() + 1;
        self.workbook.begin_part(&format!("xl/worksheets/sheet{part}.xml"))?;
        (self.rows, self.bytes) = (0, 0);
        let view = if self.kind.has_header() {
            "<sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>\
             <selection pane=\"bottomLeft\" activeCell=\"A2\" sqref=\"A2\"/></sheetView>"
        } else if self.kind == SheetKind::Hidden {
            "<sheetView workbookViewId=\"0\"/>"
        } else {
            "<sheetView showGridLines=\"0\" tabSelected=\"1\" workbookViewId=\"0\"/>"
        };
        let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        push_all(&mut self.buffer, &[XML, "<worksheet xmlns=\"", main, "\" xmlns:r=\"", RELATIONS, "\">"]);
        self.buffer.extend_from_slice(b"<sheetPr><pageSetUpPr fitToPage=\"1\"/></sheetPr>");
        push_all(&mut self.buffer, &["<sheetViews>", view, "</sheetViews><sheetFormatPr defaultRowHeight=\"15\"/>"]);
        self.buffer.extend_from_slice(b"<cols>");
        for (at, column) in (1..).zip(self.columns) {
            let col = format!("<col min=\"{at}\" max=\"{at}\" width=\"{}\" customWidth=\"1\"/>", column.width);
            self.buffer.extend_from_slice(col.as_bytes());
        }
        self.buffer.extend_from_slice(b"</cols><sheetData>");
        if !self.kind.has_header() {
            return Ok(());
        }
        let columns = self.columns;
        self.row(|row| columns.iter().for_each(|column| row.text(CellStyle::Header, &column.name)))
    }

    fn end_part(&mut self) -> Result<(), WorkbookError> {
        self.buffer.extend_from_slice(b"</sheetData>");
        let last = self.letters.last().map_or_else(|| "A".to_owned(), String::clone);
        // A print has all columns on the width of one page, and as many pages as the rows need.
        let paper = "<pageSetup orientation=\"landscape\" fitToHeight=\"0\"/>";
        let end = if self.kind.has_header() {
            let cells = format!("A1:{last}{}", self.rows);
            // Loan numbers are texts on purpose: suppress the warning of the spreadsheet.
            format!(
                "<autoFilter ref=\"{cells}\"/>{paper}\
                 <ignoredErrors><ignoredError sqref=\"{cells}\" numberStoredAsText=\"1\"/></ignoredErrors>"
            )
        } else {
            paper.to_owned()
        };
        let drawing = if self.kind == SheetKind::Noted { "<legacyDrawing r:id=\"rId1\"/>" } else { "" };
        push_all(&mut self.buffer, &[&end, drawing, "</worksheet>"]);
        self.hand_on()?;
        let name = if self.number == 1 { self.name.to_string() } else { format!("{} {}", self.name, self.number) };
        let filtered = self.kind.has_header().then(|| format!("$A$1:${last}${}", self.rows));
        self.workbook.sheets.push(WrittenSheet { name, filtered, hidden: self.kind == SheetKind::Hidden });
        if self.kind == SheetKind::Noted {
            let notes = std::mem::take(&mut self.notes);
            self.workbook.notes(&notes)?;
        }
        Ok(())
    }

    /// Puts a note on the cell in a column, counted from 0, of the row that was written last.
    pub(super) fn note(&mut self, column: usize, text: String) {
        self.notes.push(CellNote { row: self.rows.saturating_sub(1), column, text });
    }

    fn hand_on(&mut self) -> Result<(), WorkbookError> {
        self.workbook.zip.write_all(&self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Row<'_> {
    /// Leaves the next cell empty.
    pub fn skip(&mut self) {
        self.column += 1;
    }

    /// Leaves the next cell empty, in a style.
    pub fn blank(&mut self, style: CellStyle) {
        self.begin_cell(style);
        self.buffer.extend_from_slice(b"/>");
    }

    /// Fills the next cell with a text, cut to the maximum length of a cell. The text is not a formula, even if it begins like
    /// one.
    pub fn text(&mut self, style: CellStyle, text: &str) {
        if text.is_empty() {
            return self.skip();
        }
        let kept = shortened(text);
        *self.cut_texts += u64::from(kept.len() < text.len());
        let style = match style {
            CellStyle::Plain if looks_like_a_formula(kept) => CellStyle::Quoted,
            CellStyle::Plain if kept.contains('\n') => CellStyle::Wrapped,
            style => style,
        };
        self.begin_cell(style);
        self.buffer.extend_from_slice(b" t=\"inlineStr\"><is><t");
        if has_blanks_to_keep(kept) {
            self.buffer.extend_from_slice(b" xml:space=\"preserve\"");
        }
        self.buffer.push(b'>');
        push_escaped(self.buffer, kept);
        self.buffer.extend_from_slice(b"</t></is></c>");
    }

    /// Fills the next cell with a number in plain decimals. A number with more digits than a spreadsheet keeps becomes a text.
    pub fn number(&mut self, style: CellStyle, number: &str) {
        if !is_kept_exactly(number) {
            return self.text(CellStyle::Plain, number);
        }
        self.begin_cell(style);
        push_all(self.buffer, &["><v>", number, "</v></c>"]);
    }

    /// Fills the next cell with an exact decimal, which is shown with all its decimals.
    pub fn decimal(&mut self, style: CellStyle, number: Decimal) {
        let mut digits = std::mem::take(self.digits);
        digits.clear();
        number.push_plain(&mut digits, 0);
        self.number(style.without_rounding(&digits), &digits);
        *self.digits = digits;
    }

    /// Fills the next cell with a whole number.
    pub fn count(&mut self, style: CellStyle, number: u64) {
        self.number(style, &number.to_string());
    }

    fn begin_cell(&mut self, style: CellStyle) {
        // A row has at most one cell for each column of the sheet, so that the fallback is never used.
        let letters = self.letters.get(self.column).map_or("XFD", String::as_str);
        self.column += 1;
        push_all(self.buffer, &["<c r=\"", letters, self.row, "\""]);
        if style != CellStyle::Plain {
            let style = style as u8;
            self.buffer.extend_from_slice(b" s=\"");
            if style >= 10 {
                self.buffer.push(b'0' + style / 10);
            }
            self.buffer.extend_from_slice(&[b'0' + style % 10, b'"']);
        }
    }
}

fn push_all(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}
