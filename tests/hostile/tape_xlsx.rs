//! Arbitrary bytes as a workbook, or as the parts of a valid one: any blocks and threads give the same results, or a rejection.

use std::io::{Cursor, Write as _};

use shared::{engine::Tuning, tape::options::ALL_SHEETS};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    check_inspection, choice, profiled,
    tape_csv::{assert_adds_up, assert_is_explained, comparable, run_with},
    workbook_formats,
};

/// Separates the parts of a workbook in an input.
const SEPARATOR: &[u8] = b"\x1e";

/// The parts of a small valid workbook. They replace the parts that an input does not give.
const PARTS: [(&str, &str); 7] = [
    (
        "xl/worksheets/sheet1.xml",
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row></sheetData></worksheet>"#,
    ),
    (
        "xl/sharedStrings.xml",
        r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>Loan #</t></si><si><t>UPB</t></si><si><t>Rate</t></si><si><t>LTV</t></si><si><t>FICO</t></si><si><t>Prop Type</t></si></sst>"#,
    ),
    (
        "xl/styles.xml",
        r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="mm/dd/yyyy"/></numFmts><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Loans" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#,
    ),
    (
        "_rels/.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "[Content_Types].xml",
        r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#,
    ),
];

/// Asserts what holds for every workbook. An input that does not begin like a ZIP or OLE file is the parts of a workbook. The
/// check packs them with the right checksums, which a fuzzer would never find.
pub fn check(input: &[u8]) {
    let (options, parts) = profiled(input);
    let packed = workbook(parts);
    let tapes = [("tape.xlsx", packed.as_slice())];
    let seed = choice(input);
    let whole = run_with(&tapes, &options, Tuning { threads: 1, block_bytes: 1 << 20 });
    match &whole {
        Ok((outcome, files)) => assert_adds_up(outcome, files),
        Err(error) => assert_is_explained(error),
    }
    let tuning = Tuning { threads: 1 + seed % 3, block_bytes: 1 + (seed >> 4) % 3_000 };
    if options.sheet.as_deref() != Some(ALL_SHEETS) {
        check_inspection("tape.xlsx", &packed, &options);
    }
    assert!(comparable(run_with(&tapes, &options, tuning)) == comparable(whole), "{tuning:?} changes what comes out");
}

/// Decodes a fuzz input as a workbook.
pub fn workbook(input: &[u8]) -> Vec<u8> {
    if input.starts_with(b"PK") || input.starts_with(b"\xd0\xcf\x11\xe0") {
        return input.to_vec();
    }
    let compound = workbook_formats::compound(input);
    compound.unwrap_or_else(|| workbook_formats::parts(input).map_or_else(|| pack(input), |parts| zipped(&parts)))
}

/// Builds a workbook from the parts of an input. An empty part is replaced by the valid one; `-` leaves the part out.
fn pack(input: &[u8]) -> Vec<u8> {
    let mut given = split(input);
    let mut parts = Vec::new();
    for (name, sound) in PARTS {
        let part = given.next().filter(|part| !part.is_empty()).unwrap_or(sound.as_bytes());
        if part != b"-" {
            parts.push((name, part.to_vec()));
        }
    }
    zipped(&parts)
}

fn zipped(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, part) in parts {
        zip.start_file(*name, options).unwrap();
        zip.write_all(part).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn split(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| SEPARATOR.contains(byte))
}
