//! OpenDocument spreadsheets (`.ods`): one part with all sheets, each cell with its value and the text that it shows.

use std::{collections::HashSet, sync::Arc};

use memchr::memmem;

use super::{
    ReadSeek, SheetInfo,
    date::{push_clock, push_iso},
    decimal::{ShortDecimal, push_number},
    error::{WorkbookError, bomb, corrupt, mebibytes},
    format::is_name,
    limits::{MAX_CELLS, MAX_COLUMNS, MAX_HELD, MAX_PARTS, MAX_ROW_TEXT, MAX_ROWS, MAX_WHOLE_UNPACKED},
    ods_text::push_paragraphs,
    package::{Package, Part, PartReader},
    row::SheetRow,
    text::{attribute_text, skip_element},
    xml::{Tag, XmlEvent, XmlReader, XmlSource},
};

/// The part that holds all sheets.
pub const CONTENT: &str = "content.xml";
const FORMAT: &str = "ods";

/// An open `.ods`.
#[derive(Debug)]
pub struct OdsBook {
    pub sheets: Vec<SheetInfo>,
    /// For each sheet, its index among the tables of the part.
    tables: Vec<usize>,
    part: Arc<Part>,
}

/// Whether the package says that it is an OpenDocument spreadsheet.
pub fn is_spreadsheet(reader: &mut Box<dyn ReadSeek>, package: &Package) -> Result<bool, WorkbookError> {
    const TYPE: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";
    const LONGEST: u64 = 256;
    let Some(part) = package.get("mimetype").filter(|part| part.unpacked <= LONGEST) else { return Ok(false) };
    let mut found = [0; LONGEST as usize];
    let filled = PartReader::new(reader, part, LONGEST)?.fill(&mut found)?;
    Ok(found[..filled].starts_with(TYPE))
}

impl OdsBook {
    /// Lists the sheets.
    pub fn open(mut reader: Box<dyn ReadSeek>, package: &Package) -> Result<Self, WorkbookError> {
        if is_encrypted(&mut reader, package)? {
            return Err(WorkbookError::PasswordProtected);
        }
        let part = package.get(CONTENT).ok_or_else(|| corrupt(format_args!("its part {CONTENT} is missing")))?;
        if part.unpacked > MAX_WHOLE_UNPACKED {
            return Err(WorkbookError::TooLarge { format: FORMAT, limit: format!("{} unpacked", mebibytes(MAX_WHOLE_UNPACKED)) });
        }
        let mut xml = XmlReader::new(PartReader::new(reader, part, MAX_WHOLE_UNPACKED)?);
        let (mut sheets, mut tables) = (Vec::new(), Vec::new());
        for (at, (sheet, is_sheet)) in list_tables(&mut xml)?.into_iter().enumerate() {
            if is_sheet {
                sheets.push(sheet);
                tables.push(at);
            }
        }
        Ok(Self { sheets, tables, part: Arc::clone(part) })
    }
}

/// Whether the document has a password: then its parts are encrypted one by one, and the manifest says so.
fn is_encrypted(reader: &mut Box<dyn ReadSeek>, package: &Package) -> Result<bool, WorkbookError> {
    let Some(part) = package.get("META-INF/manifest.xml") else { return Ok(false) };
    let mut manifest = PartReader::new(reader, part, MAX_HELD)?;
    let mut window = vec![0; 1 << 16];
    let mut found = false;
    loop {
        match manifest.fill(&mut window)? {
            0 => return Ok(found),
            filled => found |= memmem::find(&window[..filled], b"encryption-data").is_some(),
        }
    }
}

/// The tables of a document, and whether each is a sheet: data from other workbooks is kept in tables that are named like files.
fn list_tables<S: XmlSource>(xml: &mut XmlReader<S>) -> Result<Vec<(SheetInfo, bool)>, WorkbookError> {
    let mut hidden = HashSet::new();
    let mut style = String::new();
    let mut tables = Vec::new();
    loop {
        match xml.next()? {
            XmlEvent::Start(tag) => match tag.name {
                b"style" => style = attribute(tag, "name")?,
                b"table-properties" if tag.attribute("display") == Some(b"false") => {
                    hidden.insert(style.clone());
                    if hidden.len() > MAX_PARTS {
                        return Err(bomb(xml.name(), format!("{MAX_PARTS} hidden styles")));
                    }
                }
                b"table" => {
                    let name = attribute(tag, "name")?;
                    let visible = !hidden.contains(&attribute(tag, "style-name")?);
                    let is_sheet = !name.starts_with("'file:");
                    tables.push((SheetInfo { name, visible }, is_sheet));
                    if tables.len() > MAX_PARTS {
                        return Err(bomb(xml.name(), format!("{MAX_PARTS} sheets")));
                    }
                    skip_element(xml)?;
                }
                _ => {}
            },
            XmlEvent::Eof => return Ok(tables),
            _ => {}
        }
    }
}

fn attribute(tag: Tag<'_>, name: &str) -> Result<String, WorkbookError> {
    Ok(tag.attribute(name).map_or(Ok("".into()), attribute_text)?.into_owned())
}

/// How often a row or cell is repeated, by its attribute.
fn repeats(tag: Tag<'_>, name: &str) -> Result<u64, WorkbookError> {
    let Some(number) = tag.attribute(name) else { return Ok(1) };
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    number.filter(|number| *number > 0).ok_or_else(|| corrupt("a row or cell is repeated no number of times"))
}

/// Reads the rows of a sheet, one at a time.
pub struct OdsSheetReader {
    xml: XmlReader<PartReader<Box<dyn ReadSeek>>>,
    name: String,
    /// Number of tables before the sheet.
    before: usize,
    in_table: bool,
    /// Number of the row that was read last, from 1.
    line: u64,
    /// How often the row that was read last is still to be repeated.
    again: u64,
    cells: u64,
    value: CellValue,
}

#[derive(Default)]
struct CellValue {
    kind: Vec<u8>,
    value: String,
    has_formula: bool,
    repeats: u64,
    /// The text that the cell shows.
    shown: String,
}

impl OdsSheetReader {
    /// Starts reading the sheet at this index of the workbook's list.
    pub fn new(book: &OdsBook, sheet: usize, reader: Box<dyn ReadSeek>) -> Result<Self, WorkbookError> {
        let (Some(info), Some(before)) = (book.sheets.get(sheet), book.tables.get(sheet)) else {
            return Err(WorkbookError::NoSheet);
        };
        Ok(Self {
            xml: XmlReader::new(PartReader::new(reader, &book.part, MAX_WHOLE_UNPACKED)?),
            name: info.name.clone(),
            before: *before,
            in_table: false,
            line: 0,
            again: 0,
            cells: 0,
            value: CellValue::default(),
        })
    }

    /// Reads the next row that is not blank; returns `false` at the end of the sheet.
    pub fn next_row(&mut self, row: &mut SheetRow) -> Result<bool, WorkbookError> {
        if self.again > 0 {
            self.again -= 1;
            self.line += 1;
            row.line = self.line;
            self.count(row.len() as u64)?;
            return Ok(true);
        }
        loop {
            match self.xml.next()? {
                XmlEvent::Start(tag) if self.in_table && tag.name == b"table-row" => {
                    let hidden = matches!(tag.attribute("visibility"), Some(b"collapse" | b"filter"));
                    let repeats = repeats(tag, "number-rows-repeated")?;
                    row.begin(self.line + 1, hidden);
                    self.read_row(row)?;
                    if row.is_blank() {
                        self.line = self.line.saturating_add(repeats);
                        continue;
                    }
                    self.line += 1;
                    self.again = repeats - 1;
                    if self.line.saturating_add(self.again) > MAX_ROWS {
                        return Err(corrupt(format_args!("sheet {:?} has rows beyond the last row of a sheet", self.name)));
                    }
                    return Ok(true);
                }
                XmlEvent::Start(tag) if !self.in_table && tag.name == b"table" => match self.before.checked_sub(1) {
                    None => self.in_table = true,
                    Some(before) => {
                        self.before = before;
                        skip_element(&mut self.xml)?;
                    }
                },
                // Drawings over the sheet may contain tables.
                XmlEvent::Start(tag) if self.in_table && matches!(tag.name, b"shapes" | b"table") => skip_element(&mut self.xml)?,
                XmlEvent::End { name: b"table", .. } if self.in_table => {
                    self.xml.drain()?;
                    return Ok(false);
                }
                XmlEvent::Eof => return Err(corrupt(format_args!("sheet {:?} is missing", self.name))),
                _ => {}
            }
        }
    }

    /// Reads the cells of the open row.
    fn read_row(&mut self, row: &mut SheetRow) -> Result<(), WorkbookError> {
        let depth = self.xml.depth();
        let mut column = 0_usize;
        loop {
            match self.xml.next()? {
                XmlEvent::Start(tag) => {
                    let is_cell = tag.name == b"table-cell";
                    if !is_cell && tag.name != b"covered-table-cell" {
                        skip_element(&mut self.xml)?;
                        continue;
                    }
                    self.value.begin(tag)?;
                    push_paragraphs(&mut self.xml, &mut self.value.shown)?;
                    let repeats = usize::try_from(self.value.repeats).unwrap_or(usize::MAX);
                    if is_cell {
                        self.push_cells(column, repeats, row)?;
                    }
                    column = column.saturating_add(repeats);
                }
                XmlEvent::End { depth: left, .. } if left < depth => return Ok(()),
                XmlEvent::Eof => return Err(self.xml.ended_early()),
                _ => {}
            }
        }
    }

    /// Adds the cell that was read to the row, as often as it is repeated.
    fn push_cells(&mut self, column: usize, repeats: usize, row: &mut SheetRow) -> Result<(), WorkbookError> {
        if self.value.is_empty() {
            return Ok(());
        }
        let end = column.saturating_add(repeats);
        if end > MAX_COLUMNS {
            return Err(corrupt(format_args!("sheet {:?} has cells beyond the last column of a sheet", self.name)));
        }
        self.count(repeats as u64)?;
        for column in column..end {
            if self.value.kind.is_empty() && self.value.has_formula && self.value.shown.is_empty() {
                row.add_uncalculated(column);
            }
            self.value.push(row.text_mut());
            row.end_cell(column);
            if row.text().len() > MAX_ROW_TEXT {
                let limit = format!("{} of text in row {}", mebibytes(MAX_ROW_TEXT as u64), row.line);
                return Err(bomb(&self.name, limit));
            }
        }
        Ok(())
    }

    fn count(&mut self, cells: u64) -> Result<(), WorkbookError> {
        self.cells = self.cells.saturating_add(cells);
        let too_large = || WorkbookError::TooLarge { format: FORMAT, limit: "5 million cells".to_owned() };
        if self.cells > MAX_CELLS { Err(too_large()) } else { Ok(()) }
    }
}

impl CellValue {
    fn begin(&mut self, tag: Tag<'_>) -> Result<(), WorkbookError> {
        self.kind.clear();
        self.value.clear();
        self.shown.clear();
        self.has_formula = false;
        self.repeats = repeats(tag, "number-columns-repeated")?;
        for (name, value) in tag.attributes() {
            match name {
                // The first `value-type` is that of the standard; one of an extension may follow.
                b"value-type" if self.kind.is_empty() => self.kind.extend_from_slice(value),
                b"value" | b"date-value" | b"time-value" | b"boolean-value" | b"string-value" => {
                    self.value.clear();
                    self.value.push_str(&attribute_text(value)?);
                }
                b"formula" => self.has_formula = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.kind.is_empty() && self.shown.is_empty() && !self.has_formula
    }

    /// Appends the text of the cell.
    fn push(&self, out: &mut String) {
        let value = self.value.trim();
        match self.kind.as_slice() {
            b"float" | b"currency" if shows_digits(&self.shown, value) => out.push_str(self.shown.trim()),
            b"float" | b"currency" => {
                let start = out.len();
                if !push_number(value.as_bytes(), out) {
                    out.push_str(value);
                }
                // A format may add a percent sign without multiplying by a hundred.
                if self.shown.trim_end().ends_with('%') && out.len() > start {
                    out.push('%');
                }
            }
            b"percentage" => match ShortDecimal::parse(value.as_bytes()) {
                Some(number) => {
                    number.times_100().write(out);
                    out.push('%');
                }
                None => out.push_str(value),
            },
            b"date" => push_iso(value, out),
            b"time" => push_span(value, out),
            b"boolean" => out.push_str(if value == "true" { "TRUE" } else { "FALSE" }),
            _ if self.value.is_empty() => out.push_str(&self.shown),
            _ => out.push_str(&self.value),
        }
    }
}

/// Whether the text that a cell shows is its whole number with zeros before it, hyphens in it or letters before it, as in loan
/// numbers.
fn shows_digits(shown: &str, value: &str) -> bool {
    let shown = shown.trim();
    let body = shown.trim_start_matches(char::is_alphabetic);
    let name = &shown[..shown.len() - body.len()];
    let is_written_so = body.chars().all(|symbol| symbol.is_ascii_digit() || symbol == '-')
        && if name.is_empty() { body.starts_with(|symbol: char| symbol.is_ascii_digit()) } else { is_name(name) };
    let Some(digits) = ShortDecimal::parse(value.as_bytes()).and_then(|number| number.whole_digits()) else { return false };
    let digits: String = digits.collect();
    let in_body: String = body.chars().filter(char::is_ascii_digit).collect();
    is_written_so && !in_body.is_empty() && in_body.trim_start_matches('0') == digits
}

/// Appends a span of time (`PT36H30M00S`) as a clock shows it.
fn push_span(text: &str, out: &mut String) {
    let parsed = (|| {
        let (hours, rest) = text.strip_prefix("PT")?.split_once('H')?;
        let (minutes, rest) = rest.split_once('M')?;
        let seconds = rest.strip_suffix('S')?;
        let (seconds, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
        let millis = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        Some((hours.parse().ok()?, minutes.parse().ok()?, seconds.parse().ok()?, millis))
    })();
    match parsed {
        Some((hours, minutes, seconds, millis)) => push_clock(hours, minutes, seconds, millis, out),
        None => out.push_str(text),
    }
}
