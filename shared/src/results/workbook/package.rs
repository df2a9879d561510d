//! The parts of a workbook besides its sheets, and the ZIP that all of them are in.

use std::io::Write;

use jiff::Timestamp;
use zip::{
    CompressionMethod, DateTime, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use super::{
    WorkbookError,
    sheet::{Sheet, SheetColumn},
    styles::styles_xml,
    text::push_escaped,
};

/// The level of compression: somebody waits for it. A quarter less than the first level gives, for a quarter more time; the next
/// one would give a twelfth less, for as much again.
const LEVEL: i64 = 2;
/// The comment of the ZIP: by it a workbook of ours is known as long as nobody saves it again.
pub const OWN_MARK: &str = "Written by Loan Engine";
/// What every part begins with.
pub const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPES: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// How large a sheet becomes before its rows go on in a further one.
#[derive(Debug, Clone, Copy)]
pub struct SheetLimits {
    /// How many rows it has at most, with its header.
    pub rows: u32,
    /// How many columns it has at most.
    pub columns: usize,
    /// How many bytes of XML it has at most, about: spreadsheets do not open a part of 4 GiB.
    pub bytes: u64,
}

impl Default for SheetLimits {
    fn default() -> Self {
        Self { rows: 1_048_576, columns: 16_384, bytes: 3 << 30 }
    }
}

/// A sheet that has been written.
pub struct WrittenSheet {
    /// Its name.
    pub name: String,
    /// The cells that its filter covers, `$A$1:$C$9`; none without a header.
    pub filtered: Option<String>,
}

/// A workbook that is being written.
pub struct Workbook<W: Write> {
    pub(super) zip: ZipWriter<StreamWriter<W>>,
    pub(super) limits: SheetLimits,
    pub(super) sheets: Vec<WrittenSheet>,
    /// How many texts were longer than a cell.
    pub(super) cut_texts: u64,
}

impl<W: Write> Workbook<W> {
    /// A workbook without sheets. `created` is what its properties say: not the present time, because a workbook that is made
    /// again has the same bytes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W, title: &str, created: Option<Timestamp>, limits: SheetLimits) -> Result<Self, WorkbookError> {
        let mut workbook = Self { zip: ZipWriter::new_stream(out), limits, sheets: Vec::new(), cut_texts: 0 };
        // All parts that are not named here are sheets, of which nobody knows yet how many there will be.
        workbook.part(
            "[Content_Types].xml",
            &format!(
                "<Types xmlns=\"{PACKAGE}/content-types\">\
                 <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
                 <Default Extension=\"xml\" ContentType=\"{TYPES}.worksheet+xml\"/>\
                 <Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPES}.sheet.main+xml\"/>\
                 <Override PartName=\"/xl/styles.xml\" ContentType=\"{TYPES}.styles+xml\"/>\
                 <Override PartName=\"/docProps/core.xml\" \
                 ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/></Types>"
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
        workbook.part("docProps/core.xml", &properties(title, created))?;
        Ok(workbook)
    }

    /// Begins a sheet with a header and a row for each thing.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn table<'w>(&'w mut self, name: &'static str, columns: &'w [SheetColumn]) -> Result<Sheet<'w, W>, WorkbookError> {
        Sheet::begin(self, name, columns, true)
    }

    /// Begins a sheet whose rows are of all kinds.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn page<'w>(&'w mut self, name: &'static str, columns: &'w [SheetColumn]) -> Result<Sheet<'w, W>, WorkbookError> {
        Sheet::begin(self, name, columns, false)
    }

    /// How many texts were longer than a cell so far.
    pub fn cut_texts(&self) -> u64 {
        self.cut_texts
    }

    /// Writes what holds the sheets together. Those without a header come first, all others in the order in which they were
    /// written.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<(), WorkbookError> {
        let mut order: Vec<usize> = (0..self.sheets.len()).collect();
        order.sort_by_key(|at| self.sheets[*at].filtered.is_some());
        let (mut sheets, mut names, mut relations) = (String::new(), String::new(), String::new());
        for (place, at) in order.into_iter().enumerate() {
            let (WrittenSheet { name, filtered }, id) = (&self.sheets[at], at + 1);
            sheets += &format!("<sheet name=\"{name}\" sheetId=\"{id}\" r:id=\"rId{id}\"/>");
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
        self.zip.set_comment(OWN_MARK)?;
        self.zip.finish()?;
        Ok(())
    }

    pub(super) fn begin_part(&mut self, name: &str) -> Result<(), WorkbookError> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        Ok(self.zip.start_file(name, options.compression_level(Some(LEVEL)).last_modified_time(DateTime::default()))?)
    }

    fn part(&mut self, name: &str, xml: &str) -> Result<(), WorkbookError> {
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
