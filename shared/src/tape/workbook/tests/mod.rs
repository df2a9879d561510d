//! Workbooks for tests: made by a library that writes what Excel writes, or put together from XML by hand.

mod cells;
mod damage;
mod guards;
mod others;
mod sheets;
mod xml;

use std::io::{Cursor, Write};

use rust_xlsxwriter as writer;
use zip::{
    CompressionMethod,
    write::{SimpleFileOptions, ZipWriter},
};

use super::*;

/// A workbook made by a library that writes what Excel writes.
pub fn made(make: impl FnOnce(&mut writer::Workbook) -> Result<(), writer::XlsxError>) -> Vec<u8> {
    let mut workbook = writer::Workbook::new();
    make(&mut workbook).unwrap();
    workbook.save_to_buffer().unwrap()
}

pub const RELS: &str = r#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
pub const WORKBOOK: &str = r#"<workbook><sheets><sheet name="Loans" sheetId="1" r:id="r1"/></sheets></workbook>"#;
pub const WORKBOOK_RELS: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
pub const SHEET: &str = "xl/worksheets/sheet1.xml";
pub const STRINGS: &str = "xl/sharedStrings.xml";

/// The parts of a workbook with one sheet, without the sheet.
pub fn parts() -> Vec<(&'static str, Vec<u8>)> {
    [("_rels/.rels", RELS), ("xl/workbook.xml", WORKBOOK), ("xl/_rels/workbook.xml.rels", WORKBOOK_RELS)]
        .map(|(name, xml)| (name, xml.as_bytes().to_vec()))
        .to_vec()
}

pub fn stored(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook with this part in addition to the usual ones.
pub fn with_part(name: &str, content: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut all = parts();
    all.retain(|(other, _)| *other != name);
    all.push((name, content.into()));
    stored(&all)
}

/// A workbook whose one sheet has these rows.
pub fn with_sheet(rows: &str) -> Vec<u8> {
    with_part(SHEET, format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"))
}

/// A workbook with one more part, packed by hand. The directory may lie about its size.
pub fn with_packed(name: &str, packed: &[u8], declared: u32) -> Vec<u8> {
    let mut all: Vec<_> = parts().into_iter().map(|(name, content)| (name, 0_u16, content.len() as u32, content)).collect();
    all.push((name, 8, declared, packed.to_vec()));
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, method, unpacked, content) in &all {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let mut header = Vec::new();
        for field in [20, 0, *method, 0, 0] {
            header.extend(u16::to_le_bytes(field));
        }
        for field in [crc.sum(), content.len() as u32, *unpacked] {
            header.extend(u32::to_le_bytes(field));
        }
        for field in [name.len() as u16, 0] {
            header.extend(u16::to_le_bytes(field));
        }
        let start = file.len() as u32;
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&header);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&header);
        file.extend(name.as_bytes());
        file.extend(content);
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    for count in [all.len() as u16; 2] {
        file.extend(count.to_le_bytes());
    }
    for field in [directory.len() as u32, start] {
        file.extend(field.to_le_bytes());
    }
    file.extend([0, 0]);
    file
}

/// Deflates `before`, then `fill` for at least `times` times, then `after`, at the highest ratio that the format allows and
/// without holding the bytes in memory.
pub fn deflated(before: &str, fill: u8, times: u64, after: &str) -> Vec<u8> {
    let (mut packed, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    let mut put = |value: u32, length: u32| {
        bits |= value << count;
        count += length;
        while count >= 8 {
            packed.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    // Codes are written from their first bit, everything else from the last.
    let code = |value: u32, length: u32| value.reverse_bits() >> (32 - length);
    let literal = |byte: u8| code(0x30 + u32::from(byte), 8);
    put(0b011, 3);
    for byte in before.bytes().chain([fill]) {
        put(literal(byte), 8);
    }
    for _ in 0..times.div_ceil(258) {
        // Copy 258 bytes from one byte before.
        put(code(0xC5, 8), 8);
        put(0, 5);
    }
    for byte in after.bytes() {
        put(literal(byte), 8);
    }
    put(0, 7 + 7);
    packed
}

pub fn open(bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Workbook, WorkbookError> {
    Workbook::open(Box::new(Cursor::new(bytes)))
}

pub fn refused(bytes: impl AsRef<[u8]> + Send + 'static) -> WorkbookError {
    open(bytes).map(|workbook| workbook.sheets().to_vec()).unwrap_err()
}

pub fn sheet_rows(bytes: impl AsRef<[u8]> + Send + Clone + 'static, sheet: usize) -> Result<Vec<SheetRow>, WorkbookError> {
    let mut stream = open(bytes.clone())?.rows(sheet, Box::new(Cursor::new(bytes)))?;
    let (mut rows, mut row) = (Vec::new(), SheetRow::default());
    while stream.next_row(&mut row)? {
        rows.push(row.clone());
    }
    assert!(!stream.next_row(&mut row)?, "rows after the end");
    Ok(rows)
}

pub fn all_rows(bytes: impl AsRef<[u8]> + Send + Clone + 'static) -> Result<Vec<SheetRow>, WorkbookError> {
    sheet_rows(bytes, 0)
}

/// The cells of the only row.
pub fn cells(bytes: Vec<u8>) -> Vec<String> {
    let rows = all_rows(bytes).unwrap();
    assert_eq!(rows.len(), 1);
    rows[0].cells().map(str::to_owned).collect()
}

#[track_caller]
pub fn assert_corrupt(error: &WorkbookError, wanted: &str) {
    assert!(matches!(error, WorkbookError::Corrupt { detail } if detail.contains(wanted)), "{error:?} without {wanted:?}");
}

#[track_caller]
pub fn assert_bomb(error: &WorkbookError, wanted_part: &str, wanted_limit: &str) {
    assert!(
        matches!(error, WorkbookError::Bomb { part, limit } if part == wanted_part && limit.starts_with(wanted_limit)),
        "{error:?} without {wanted_part:?} and {wanted_limit:?}"
    );
}
