//! What an `.xlsx` or `.xlsb` says about itself: its sheets, shared strings and number formats.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    ReadSeek, SheetInfo,
    error::{WorkbookError, bomb, corrupt},
    limits::{MAX_HELD, MAX_PARTS, MAX_RELATIONSHIPS, MAX_SHARED_STRINGS},
    package::{Package, Part, PartReader},
    records::RecordReader,
    strings::SharedStrings,
    styles::CellStyles,
    text::attribute_text,
    xlsb,
    xml::{Tag, XmlEvent, XmlReader, XmlSource},
};

/// An open `.xlsx` or `.xlsb`: everything but its sheets.
#[derive(Debug)]
pub struct XlsxBook {
    pub sheets: Vec<SheetInfo>,
    /// The part of each sheet, if the package has it.
    pub parts: Vec<Option<Arc<Part>>>,
    pub strings: SharedStrings,
    pub styles: CellStyles,
    pub is_1904: bool,
    /// Whether the parts are in binary form (`.xlsb`).
    pub is_binary: bool,
}

/// The target of a relationship, and its kind.
struct Relationship {
    target: String,
    /// The last word of the type, such as `worksheet`.
    kind: String,
}

type Relationships = HashMap<String, Relationship>;

/// The list of sheets, before their parts are looked up in the package.
#[derive(Default)]
pub struct SheetList {
    /// Name and visibility of each sheet, with the id of its relationship.
    pub sheets: Vec<(SheetInfo, String)>,
    pub is_1904: bool,
}

/// Reads the parts of a package one after the other.
struct PackageReader<'p> {
    reader: Box<dyn ReadSeek>,
    package: &'p Package,
}

impl XlsxBook {
    /// Reads all parts but the sheets.
    pub fn open(reader: Box<dyn ReadSeek>, package: &Package) -> Result<Self, WorkbookError> {
        const ROOT: &str = "_rels/.rels";
        let mut reader = PackageReader { reader, package };
        let root = whole(reader.xml(ROOT, MAX_HELD)?, read_relationships)?.ok_or_else(|| missing(ROOT))?;
        let document = root.into_values().find(|relationship| relationship.kind == "officeDocument");
        let document = document.ok_or_else(|| corrupt(format_args!("its part {ROOT} leads to no workbook")))?;
        let document = resolved("", &document.target);
        let (folder, name) = document.rsplit_once('/').unwrap_or(("", &document));
        let relationships = join(folder, &format!("_rels/{name}.rels"));
        let relationships =
            whole(reader.xml(&relationships, MAX_HELD)?, read_relationships)?.ok_or_else(|| missing(&relationships))?;
        let is_binary = document.ends_with(".bin");
        let list = if is_binary {
            whole_records(reader.records(&document, MAX_HELD)?, xlsb::read_sheets)?
        } else {
            whole(reader.xml(&document, MAX_HELD)?, read_sheets)?
        };
        let list = list.ok_or_else(|| missing(&document))?;
        let (sheets, parts) = find_sheets(list.sheets, &relationships, folder, package)?;
        let by_kind = |kind: &str, usual: &str| {
            let related = relationships.values().find(|relationship| relationship.kind == kind);
            let related = related.map(|relationship| resolved(folder, &relationship.target));
            related.filter(|path| package.get(path).is_some()).unwrap_or_else(|| join(folder, usual))
        };
        let (styles, strings) = if is_binary {
            let (styles, strings) = (by_kind("styles", "styles.bin"), by_kind("sharedStrings", "sharedStrings.bin"));
            (
                whole_records(reader.records(&styles, MAX_HELD)?, xlsb::read_styles)?,
                whole_records(reader.records(&strings, MAX_SHARED_STRINGS)?, xlsb::read_strings)?,
            )
        } else {
            let (styles, strings) = (by_kind("styles", "styles.xml"), by_kind("sharedStrings", "sharedStrings.xml"));
            (
                whole(reader.xml(&styles, MAX_HELD)?, CellStyles::read)?,
                whole(reader.xml(&strings, MAX_SHARED_STRINGS)?, SharedStrings::read)?,
            )
        };
        Ok(Self {
            sheets,
            parts,
            strings: strings.unwrap_or_default(),
            styles: styles.unwrap_or_default(),
            is_1904: list.is_1904,
            is_binary,
        })
    }

    /// The name and the part of a sheet.
    pub fn sheet(&self, at: usize) -> Result<(String, Arc<Part>), WorkbookError> {
        let (Some(info), Some(part)) = (self.sheets.get(at), self.parts.get(at)) else { return Err(WorkbookError::NoSheet) };
        let part = part.clone().ok_or_else(|| corrupt(format_args!("sheet {:?} is missing", info.name)))?;
        Ok((info.name.clone(), part))
    }
}

type PartXml<'r> = XmlReader<PartReader<&'r mut Box<dyn ReadSeek>>>;
type PartRecords<'r> = RecordReader<PartReader<&'r mut Box<dyn ReadSeek>>>;

impl PackageReader<'_> {
    /// A part; `None` when the package has no part of this name.
    fn part(&mut self, name: &str, limit: u64) -> Result<Option<PartReader<&mut Box<dyn ReadSeek>>>, WorkbookError> {
        let part = self.package.get(name);
        part.map(|part| PartReader::new(&mut self.reader, part, limit)).transpose()
    }

    fn xml(&mut self, name: &str, limit: u64) -> Result<Option<PartXml<'_>>, WorkbookError> {
        Ok(self.part(name, limit)?.map(XmlReader::new))
    }

    fn records(&mut self, name: &str, limit: u64) -> Result<Option<PartRecords<'_>>, WorkbookError> {
        Ok(self.part(name, limit)?.map(RecordReader::new))
    }
}

/// Reads a part to its end, where its checksum is verified.
fn whole<S: XmlSource, T>(
    xml: Option<XmlReader<S>>,
    read: fn(&mut XmlReader<S>) -> Result<T, WorkbookError>,
) -> Result<Option<T>, WorkbookError> {
    let Some(mut xml) = xml else { return Ok(None) };
    let found = read(&mut xml)?;
    xml.drain()?;
    Ok(Some(found))
}

/// Like [`whole`], for a part in binary form.
fn whole_records<S: XmlSource, T>(
    records: Option<RecordReader<S>>,
    read: fn(&mut RecordReader<S>) -> Result<T, WorkbookError>,
) -> Result<Option<T>, WorkbookError> {
    let Some(mut records) = records else { return Ok(None) };
    let found = read(&mut records)?;
    records.drain()?;
    Ok(Some(found))
}

fn missing(part: &str) -> WorkbookError {
    corrupt(format_args!("its part {part} is missing"))
}

fn read_relationships<S: XmlSource>(xml: &mut XmlReader<S>) -> Result<Relationships, WorkbookError> {
    let mut found = HashMap::new();
    loop {
        match xml.next()? {
            XmlEvent::Start(tag) if tag.name == b"Relationship" => {
                let text = |name: &str| tag.attribute(name).map_or(Ok("".into()), attribute_text);
                let (id, kind, target) = (text("Id")?, text("Type")?, text("Target")?);
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                found.insert(id.into_owned(), Relationship { target: target.into_owned(), kind });
                if found.len() > MAX_RELATIONSHIPS {
                    return Err(bomb(xml.name(), format!("{MAX_RELATIONSHIPS} relationships")));
                }
            }
            XmlEvent::Eof => return Ok(found),
            _ => {}
        }
    }
}

fn read_sheets<S: XmlSource>(xml: &mut XmlReader<S>) -> Result<SheetList, WorkbookError> {
    let mut list = SheetList::default();
    loop {
        match xml.next()? {
            XmlEvent::Start(tag) if tag.name == b"sheet" => {
                list.sheets.push(read_sheet(tag)?);
                if list.sheets.len() > MAX_PARTS {
                    return Err(bomb(xml.name(), format!("{MAX_PARTS} sheets")));
                }
            }
            // An extension has an element of the same name, without the attribute.
            XmlEvent::Start(tag) if tag.name == b"workbookPr" => {
                list.is_1904 |= matches!(tag.attribute("date1904"), Some(b"1" | b"true"));
            }
            XmlEvent::Eof => return Ok(list),
            _ => {}
        }
    }
}

fn read_sheet(tag: Tag<'_>) -> Result<(SheetInfo, String), WorkbookError> {
    let text = |name: &str| tag.attribute(name).map_or(Ok("".into()), attribute_text);
    let visible = !matches!(tag.attribute("state"), Some(b"hidden" | b"veryHidden"));
    Ok((SheetInfo { name: text("name")?.into_owned(), visible }, text("id")?.into_owned()))
}

type FoundSheets = (Vec<SheetInfo>, Vec<Option<Arc<Part>>>);

/// Finds the worksheets among the sheets, with their parts.
fn find_sheets(
    list: Vec<(SheetInfo, String)>,
    relationships: &Relationships,
    folder: &str,
    package: &Package,
) -> Result<FoundSheets, WorkbookError> {
    let mut found = FoundSheets::default();
    let mut names = HashSet::new();
    for (sheet, id) in list {
        let Some(relationship) = relationships.get(&id) else {
            return Err(corrupt(format_args!("its list of sheets leads nowhere for {:?}", sheet.name)));
        };
        // Charts, dialogs and macro sheets have no loans.
        if relationship.kind != "worksheet" {
            continue;
        }
        // A user who asks for a sheet by its name could get the wrong one.
        if !names.insert(sheet.name.clone()) {
            return Err(corrupt(format_args!("it has two sheets named {:?}", sheet.name)));
        }
        found.0.push(sheet);
        found.1.push(package.get(&resolved(folder, &relationship.target)).cloned());
    }
    Ok(found)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The path of a target in a part of this folder.
fn resolved(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in target.split('/') {
        match name {
            "." => {}
            ".." => drop(path.pop()),
            name => path.push(name),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_relative_to_the_folder_of_the_part() {
        for (folder, target, wanted) in [
            ("xl", "worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "../other/./sheet1.xml", "other/sheet1.xml"),
            ("", "xl/workbook.xml", "xl/workbook.xml"),
            ("a/b", "../../../c", "c"),
        ] {
            assert_eq!(resolved(folder, target), wanted);
        }
    }
}
