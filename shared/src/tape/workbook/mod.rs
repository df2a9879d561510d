//! Spreadsheet workbooks (`.xlsx` and its older and open relatives) as streams of rows of text.
//!
//! A workbook comes from outside and is not trusted: `limits.rs` has each limit and its reason. An `.xlsx` is read in one pass
//! over its unpacked bytes, which checks the limits and reads the cells; no sheet is held in memory.

mod biff;
mod book;
mod date;
mod decimal;
mod error;
mod format;
mod limits;
mod merged;
mod ods;
mod ods_text;
mod ole;
mod package;
mod records;
mod row;
mod sheet;
mod strings;
mod styles;
mod text;
mod xls;
mod xlsb;
mod xml;

#[cfg(test)]
mod tests;

use std::{
    io::{Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use self::{
    book::XlsxBook,
    error::{corrupt, mebibytes},
    limits::MAX_WHOLE_FILE,
    merged::merged_cells,
    ods::{OdsBook, OdsSheetReader},
    package::Package,
    sheet::SheetReader,
    xls::{XlsBook, XlsSheetReader},
    xlsb::BinarySheetReader,
};
pub use self::{
    error::WorkbookError,
    merged::MergedCells,
    row::{SheetRow, address},
};

const OLE_MAGIC: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// Whether the first bytes of a file are those of a ZIP archive (`.xlsx`, `.xlsb`, `.ods`) or of an OLE compound file (`.xls`, or
/// an `.xlsx` with a password). If so, [`Workbook::open`] reads the file or says what is wrong with it. Eight bytes are enough.
#[must_use]
pub fn looks_like_workbook(head: &[u8]) -> bool {
    is_zip(head) || head.starts_with(&OLE_MAGIC)
}

/// The second and third signature are those of an archive without entries and of one in several volumes.
fn is_zip(head: &[u8]) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| head.starts_with(*magic))
}

/// The source of a workbook: bytes that can be sought and sent to another thread.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// The file formats of workbooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkbookFormat {
    /// Excel since 2007, with macros (`.xlsm`) or without.
    Xlsx,
    /// Excel until 2003.
    Xls,
    /// Excel's binary workbook.
    Xlsb,
    /// OpenDocument spreadsheet.
    Ods,
}

impl WorkbookFormat {
    /// The usual extension, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Xls => "xls",
            Self::Xlsb => "xlsb",
            Self::Ods => "ods",
        }
    }
}

/// A worksheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetInfo {
    /// The name on the tab. No two sheets of a workbook have the same name.
    pub name: String,
    /// Whether the workbook shows the sheet.
    pub visible: bool,
}

/// An open workbook: the list of its sheets, and what the sheets share, have been read within their limits; no sheet has been
/// read.
pub struct Workbook {
    book: Book,
}

/// The data of a workbook that is read before its sheets.
enum Book {
    Xlsx(Arc<XlsxBook>),
    Xls(Arc<XlsBook>),
    Ods(OdsBook),
}

impl Workbook {
    /// Opens a workbook and lists its worksheets.
    ///
    /// # Errors
    /// Any [`WorkbookError`]; [`WorkbookError::Io`] only for errors of `reader` itself.
    pub fn open(reader: Box<dyn ReadSeek>) -> Result<Self, WorkbookError> {
        // Libraries read hostile bytes here. If one panics, the workbook is reported as unreadable.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_by_content(reader)));
        let workbook = opened.unwrap_or_else(|_| Err(corrupt("its parts make no sense")))?;
        if workbook.sheets().is_empty() {
            return Err(WorkbookError::NoSheet);
        }
        Ok(workbook)
    }

    fn open_by_content(mut reader: Box<dyn ReadSeek>) -> Result<Self, WorkbookError> {
        let mut head = Vec::new();
        (&mut reader).take(OLE_MAGIC.len() as u64).read_to_end(&mut head)?;
        reader.seek(SeekFrom::Start(0))?;
        if head.starts_with(&OLE_MAGIC) {
            if let Some(error) = ole::encryption(&mut *reader)? {
                return Err(error);
            }
            return Ok(Self { book: Book::Xls(Arc::new(XlsBook::open(ole::workbook_stream(&read_whole(reader)?)?)?)) });
        }
        if !is_zip(&head) {
            return Err(corrupt("it is not an Excel workbook"));
        }
        let package = Package::read(&mut *reader)?;
        let book = if package.get(ods::CONTENT).is_none() {
            Book::Xlsx(Arc::new(XlsxBook::open(reader, &package)?))
        } else if ods::is_spreadsheet(&mut reader, &package)? {
            Book::Ods(OdsBook::open(reader, &package)?)
        } else {
            return Err(WorkbookError::OtherFile { kind: "an OpenDocument file" });
        };
        Ok(Self { book })
    }

    #[must_use]
    pub fn format(&self) -> WorkbookFormat {
        match &self.book {
            Book::Xlsx(book) if book.is_binary => WorkbookFormat::Xlsb,
            Book::Xlsx(_) => WorkbookFormat::Xlsx,
            Book::Xls(_) => WorkbookFormat::Xls,
            Book::Ods(_) => WorkbookFormat::Ods,
        }
    }

    /// The worksheets in the workbook's order, including hidden ones. Chart sheets, dialog sheets and macro sheets are left out.
    #[must_use]
    pub fn sheets(&self) -> &[SheetInfo] {
        match &self.book {
            Book::Xlsx(book) => &book.sheets,
            Book::Xls(book) => &book.sheets,
            Book::Ods(book) => &book.sheets,
        }
    }

    /// Starts reading the rows of the sheet at this index of [`Self::sheets`]. `reader` has the same bytes that the workbook was
    /// opened with. Any number of sheets can be read, one after the other or at the same time.
    ///
    /// # Errors
    /// [`WorkbookError::NoSheet`] when there is no such sheet; [`WorkbookError::Corrupt`] when the sheet is not in the file;
    /// [`WorkbookError::Bomb`] when the sheet declares a size beyond its limit.
    pub fn rows(&self, sheet: usize, reader: Box<dyn ReadSeek>) -> Result<RowStream, WorkbookError> {
        let rows = match &self.book {
            Book::Xlsx(book) if book.is_binary => {
                SheetRows::Binary(Box::new(BinarySheetReader::new(Arc::clone(book), sheet, reader)?))
            }
            Book::Xlsx(book) => SheetRows::Xlsx(Box::new(SheetReader::new(Arc::clone(book), sheet, reader)?)),
            Book::Xls(book) => SheetRows::Xls(Box::new(XlsSheetReader::new(Arc::clone(book), sheet)?)),
            Book::Ods(book) => SheetRows::Ods(Box::new(OdsSheetReader::new(book, sheet, reader)?)),
        };
        Ok(RowStream { rows: Some(rows) })
    }
}

impl Workbook {
    /// The merged cells of the sheet at this index of [`Self::sheets`], of an `.xlsx`; none for the other formats. The sheet is
    /// read to its end, and may unpack to at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::rows`]; [`WorkbookError::Bomb`] also for a sheet that is larger than `limit`.
    pub fn merged(&self, sheet: usize, limit: u64, reader: Box<dyn ReadSeek>) -> Result<Vec<MergedCells>, WorkbookError> {
        let read = catch_unwind(AssertUnwindSafe(|| match &self.book {
            Book::Xlsx(book) if !book.is_binary => merged_cells(book, sheet, limit, reader),
            Book::Xlsx(_) | Book::Xls(_) | Book::Ods(_) => Ok(Vec::new()),
        }));
        read.unwrap_or_else(|_| Err(corrupt("its merged cells make no sense")))
    }
}

/// All bytes of an `.xls`, whose records may be anywhere in the file.
fn read_whole(mut reader: Box<dyn ReadSeek>) -> Result<Vec<u8>, WorkbookError> {
    reader.rewind()?;
    let mut bytes = Vec::new();
    reader.take(MAX_WHOLE_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_WHOLE_FILE {
        return Err(WorkbookError::TooLarge { format: WorkbookFormat::Xls.name(), limit: mebibytes(MAX_WHOLE_FILE) });
    }
    Ok(bytes)
}

/// The rows of a sheet, in order. Blank rows are skipped, also those of spaces only; hidden rows are not.
pub struct RowStream {
    /// `None` at the end, and after an error.
    rows: Option<SheetRows>,
}

enum SheetRows {
    Xlsx(Box<SheetReader>),
    Binary(Box<BinarySheetReader>),
    Xls(Box<XlsSheetReader>),
    Ods(Box<OdsSheetReader>),
}

impl RowStream {
    /// Fills `row` with the next row; returns `false` at the end of the sheet, and after an error.
    ///
    /// The checksum of the file is verified only at the end of the sheet.
    ///
    /// # Errors
    /// [`WorkbookError::Corrupt`], [`WorkbookError::Bomb`], [`WorkbookError::TooLarge`], [`WorkbookError::Io`].
    pub fn next_row(&mut self, row: &mut SheetRow) -> Result<bool, WorkbookError> {
        let Some(rows) = &mut self.rows else { return Ok(false) };
        let read = catch_unwind(AssertUnwindSafe(|| match rows {
            SheetRows::Xlsx(rows) => rows.next_row(row),
            SheetRows::Binary(rows) => rows.next_row(row),
            SheetRows::Xls(rows) => rows.next_row(row),
            SheetRows::Ods(rows) => rows.next_row(row),
        }));
        let read = read.unwrap_or_else(|_| Err(corrupt("its cells make no sense")));
        if !matches!(read, Ok(true)) {
            self.rows = None;
        }
        read
    }
}
