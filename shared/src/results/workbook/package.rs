//! The parts of a workbook other than its sheets, and the ZIP file of all parts.

use std::{io::Write, ops::Range};

use jiff::Timestamp;
use zip::{
    CompressionMethod, DateTime, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use super::{
    WorkbookError,
    notes::content_types_of_notes,
    sheet::{Sheet, SheetColumn, SheetKind},
    styles::styles_xml,
    text::push_escaped,
};

/// Compression level. The level is low because a user waits for the file. The output of level 2 is a quarter smaller than that of
/// level 1 and takes a quarter more time; level 3 would make the output a twelfth smaller for as much time again.
const LEVEL: i64 = 2;
/// Comment of the ZIP file. It identifies a workbook of the engine until a user saves the workbook again.
pub const OWN_MARK: &str = "Written by Loan Engine";
/// Beginning of every part.
pub const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
pub const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPES: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// Size limits of a sheet. Rows beyond the limits go to a further sheet.
#[derive(Debug, Clone, Copy)]
pub struct SheetLimits {
    /// Maximum number of rows, including the header.
    pub rows: u32,
    /// Maximum number of columns.
    pub columns: usize,
    /// Approximate maximum number of bytes of XML: spreadsheets do not open a part of 4 GiB.
    pub bytes: u64,
}

impl Default for SheetLimits {
    fn default() -> Self {
        Self { rows: 1_048_576, columns: 16_384, bytes: 3 << 30 }
    }
}

/// A sheet that has been written.
pub struct WrittenSheet {
    pub name: String,
    /// Cells that the filter covers, such as `$A$1:$C$9`; `None` for a sheet without a header.
    pub filtered: Option<String>,
    pub hidden: bool,
}

/// What a workbook has beyond its sheets.
pub struct WorkbookSetup<'s> {
    pub title: &'s str,
    /// Creation time in its properties. It is not the present time, so that writing the same workbook again gives the same bytes.
    pub created: Option<Timestamp>,
    /// Comment of the ZIP file, by which the engine knows its own workbooks.
    pub mark: &'static str,
    /// Numbers of the sheets whose cells have notes.
    pub noted: Range<usize>,
}

/// A workbook that is being written.
pub struct Workbook<W: Write> {
    pub(super) zip: ZipWriter<StreamWriter<W>>,
    pub(super) limits: SheetLimits,
    pub(super) sheets: Vec<WrittenSheet>,
    /// Number of texts that were longer than a cell.
    pub(super) cut_texts: u64,
    mark: &'static str,
}

impl<W: Write> Workbook<W> {
    /// Begins a workbook without sheets. `created` is the creation time in its properties. It is not the present time, so that
    /// writing the same workbook again gives the same bytes.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn new(out: W, title: &str, created: Option<Timestamp>, limits: SheetLimits) -> Result<Self, WorkbookError> {
        Self::with_setup(out, &WorkbookSetup { title, created, mark: OWN_MARK, noted: 0..0 }, limits)
    }

    /// Begins a workbook without sheets.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub(super) fn with_setup(out: W, setup: &WorkbookSetup<'_>, limits: SheetLimits) -> Result<Self, WorkbookError> {
        let mark = setup.mark;
        let mut workbook = Self { zip: ZipWriter::new_stream(out), limits, sheets: Vec::new(), cut_texts: 0, mark };
        let noted = content_types_of_notes(setup.noted.clone());
        // A part that is not named here is a sheet by default, because the number of sheets is not known yet.
        workbook.part(
            "[Content_Types].xml",
            &format!(
                "<Types xmlns=\"{PACKAGE}/content-types\">\
                 <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
                 <Default Extension=\"xml\" ContentType=\"{TYPES}.worksheet+xml\"/>\
                 <Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPES}.sheet.main+xml\"/>\
                 <Override PartName=\"/xl/styles.xml\" ContentType=\"{TYPES}.styles+xml\"/>\
                 <Override PartName=\"/docProps/core.xml\" \
                 ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>{noted}</Types>"
            ),
        )?;
        workbook.part(
            "_rels/.rels",
            &format!(
                "<Relationships xmlns=\"{PACKAGE}/relationships\">\
                 <Relationship Id=\"rId1\" Type=\"{RELATIONS}/officeDocument\" Target=\"xl/workbook.xml\"/>\
                 <Relationship Id=\"rId2\" Type=\"{PACKAGE}/relationships/metadata/core-properties\" \
                 Target=\"docProps/core.xml\"/></Relationships>"
            ),
        )?;
        workbook.part("xl/styles.xml", &styles_xml())?;
        workbook.part("docProps/core.xml", &properties(setup.title, setup.created))?;
        Ok(workbook)
    }

    /// Begins a sheet with a header and one row for each item.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn table<'w>(&'w mut self, name: &'static str, columns: &'w [SheetColumn]) -> Result<Sheet<'w, W>, WorkbookError> {
        Sheet::begin(self, name.into(), columns, SheetKind::Table)
    }

    /// Begins a sheet without a header, whose rows may be of different kinds.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn page<'w>(&'w mut self, name: &'static str, columns: &'w [SheetColumn]) -> Result<Sheet<'w, W>, WorkbookError> {
        Sheet::begin(self, name.into(), columns, SheetKind::Page)
    }

    /// Number of texts so far that were longer than a cell.
    pub fn cut_texts(&self) -> u64 {
        self.cut_texts
    }

    /// Writes the parts that connect the sheets, and ends the file. Sheets without a header come first, all other sheets follow
    /// in the order in which they were written.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn finish(mut self) -> Result<(), WorkbookError> {
        let mut order: Vec<usize> = (0..self.sheets.len()).collect();
        order.sort_by_key(|at| (self.sheets[*at].hidden, self.sheets[*at].filtered.is_some()));
        let (mut sheets, mut names, mut relations) = (String::new(), String::new(), String::new());
        for (place, at) in order.into_iter().enumerate() {
            let (WrittenSheet { name, filtered, hidden }, id) = (&self.sheets[at], at + 1);
            let state = if *hidden { " state=\"hidden\"" } else { "" };
            sheets += &format!("<sheet name=\"{name}\" sheetId=\"{id}\"{state} r:id=\"rId{id}\"/>");
            relations +=
                &format!("<Relationship Id=\"rId{id}\" Type=\"{RELATIONS}/worksheet\" Target=\"worksheets/sheet{id}.xml\"/>");
            if let Some(cells) = filtered {
                names += &format!(
                    "<definedName name=\"_xlnm._FilterDatabase\" localSheetId=\"{place}\" hidden=\"1\">'{name}'!{cells}</definedName>\
                     <definedName name=\"_xlnm.Print_Titles\" localSheetId=\"{place}\">'{name}'!$1:$1</definedName>"
                );
            }
        }
        let names = if names.is_empty() { names } else { format!("<definedNames>{names}</definedNames>") };
        self.part(
            "xl/workbook.xml",
            &format!(
                "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><bookViews><workbookView activeTab=\"0\"/></bookViews>\
                 <sheets>{sheets}</sheets>{names}</workbook>"
            ),
        )?;
        let styles = self.sheets.len() + 1;
        self.part(
            "xl/_rels/workbook.xml.rels",
            &format!(
                "<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}\
                 <Relationship Id=\"rId{styles}\" Type=\"{RELATIONS}/styles\" Target=\"styles.xml\"/></Relationships>"
            ),
        )?;
        self.zip.set_comment(self.mark)?;
        self.zip.finish()?;
        Ok(())
    }

    pub(super) fn begin_part(&mut self, name: &str) -> Result<(), WorkbookError> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        Ok(self.zip.start_file(name, options.compression_level(Some(LEVEL)).last_modified_time(DateTime::default()))?)
    }

    pub(super) fn part(&mut self, name: &str, xml: &str) -> Result<(), WorkbookError> {
        self.begin_part(name)?;
        self.zip.write_all(XML.as_bytes())?;
        Ok(self.zip.write_all(xml.as_bytes())?)
    }
}

fn properties(title: &str, created: Option<Timestamp>) -> String {
    let mut escaped = Vec::new();
    push_escaped(&mut escaped, title);
    let created = created.map_or_else(String::new, |created| {
        let created = created.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("<dcterms:created xsi:type=\"dcterms:W3CDTF\">{created}</dcterms:created>")
    });
    format!(
        "<cp:coreProperties xmlns:cp=\"{PACKAGE}/metadata/core-properties\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:dcterms=\"http://purl.org/dc/terms/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <dc:title>{}</dc:title><dc:creator>Loan Engine</dc:creator>{created}</cp:coreProperties>",
        String::from_utf8_lossy(&escaped)
    )
}
