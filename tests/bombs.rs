//! Tapes that are small to send but large to read. Each is rejected with one sentence before it costs much.
//! `scripts/huge_input.sh` tests tapes that are large to send as well.

use std::{
    fs,
    io::{Cursor, Read as _, Write as _},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use shared::{
    engine::Tuning,
    error::{RunError, RunErrorCode},
    rules::rule_set::RuleSet,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::support::{
    runs::{Finished, GOOD_CELLS, HEADER, run_tapes},
    server::command,
};

/// The memory limit of a process for any input, in KiB.
const MEMORY: u64 = 512 * 1024;
const SHEET: &str = "xl/worksheets/sheet1.xml";

/// A part of a workbook: its name and its content.
type Part = (String, Vec<u8>);

/// A packed workbook with this sheet. The parts in `more` are added, or replace parts of the same name.
fn book(sheet: impl Into<Vec<u8>>, more: &[Part]) -> Vec<u8> {
    let types = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relation =
        |id: &str, kind: &str, target: &str| format!("<Relationship Id='{id}' Type='{types}/{kind}' Target='{target}'/>");
    let relations = |all: &[String]| format!("<Relationships>{}</Relationships>", all.concat());
    let of_book = [
        relation("r1", "worksheet", "worksheets/sheet1.xml"),
        relation("r2", "sharedStrings", "sharedStrings.xml"),
        relation("r3", "styles", "styles.xml"),
    ];
    let mut parts: Vec<Part> = vec![
        ("[Content_Types].xml".to_owned(), b"<Types/>".to_vec()),
        ("_rels/.rels".to_owned(), relations(&[relation("r1", "officeDocument", "xl/workbook.xml")]).into_bytes()),
        (
            "xl/workbook.xml".to_owned(),
            b"<workbook><sheets><sheet name='Loans' sheetId='1' r:id='r1'/></sheets></workbook>".to_vec(),
        ),
        ("xl/_rels/workbook.xml.rels".to_owned(), relations(&of_book).into_bytes()),
        (SHEET.to_owned(), sheet.into()),
    ];
    for part in more {
        parts.retain(|(name, _)| name != &part.0);
        parts.push(part.clone());
    }
    packed(&parts)
}

fn packed(parts: &[Part]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, text) in parts {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(text).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A sheet with one loan. `before` precedes the worksheet, and `among` comes between its rows.
fn sheet(before: &str, among: &str) -> String {
    let cell = |text: &str| format!("<c t='inlineStr'><is><t>{text}</t></is></c>");
    let row = |line: &str| format!("<row>{}</row>", line.split(',').map(cell).collect::<String>());
    let good = row(&format!("L1,{GOOD_CELLS}"));
    format!("{before}<worksheet><sheetData>{}{among}{good}</sheetData></worksheet>", row(HEADER))
}

fn run(bytes: &[u8]) -> Result<Finished, RunError> {
    run_tapes(&[("tape.xlsx", bytes)], RuleSet::built_in(), Tuning { threads: 2, block_bytes: 64 * 1024 })
}

#[track_caller]
fn refused(bytes: &[u8]) -> RunError {
    match run(bytes) {
        Ok(finished) => panic!("{} loans are taken", finished.outcome.summary.total_loans()),
        Err(error) => error,
    }
}

/// Asserts that a tape is rejected as a decompression bomb, and that the message names what was too much.
#[track_caller]
fn assert_bomb(bytes: &[u8], what: &str) {
    let error = refused(bytes);
    assert_eq!(error.code, RunErrorCode::DecompressionBomb, "{error}");
    assert!(error.message.contains(what) && error.message.contains("copy the loans into a new workbook"), "{error}");
}

#[track_caller]
fn assert_corrupt(bytes: &[u8], what: &str) {
    let error = refused(bytes);
    assert_eq!(error.code, RunErrorCode::CorruptWorkbook, "{error}");
    assert!(error.message.contains(what) && error.message.contains("save it as an Excel Workbook"), "{error}");
}

/// `count` attributes with distinct names.
fn attributes(count: usize) -> String {
    (0..count).map(|at| format!(" a{at}=''")).collect()
}

#[test]
fn the_workbooks_here_are_sound_but_for_what_is_in_them() {
    let finished = run(&book(sheet("", ""), &[])).unwrap();
    assert_eq!(finished.outcome.summary.total_loans(), 1);
}

#[test]
fn a_sheet_that_grows_a_thousandfold_is_refused() {
    let cell = format!("<row><c t='inlineStr'><is><t>{}</t></is></c></row>", "x".repeat(40 << 20));
    let bomb = book(sheet("", &cell), &[]);
    assert!(bomb.len() * 500 < cell.len(), "{} bytes", bomb.len());
    assert_bomb(&bomb, "16 MiB in one cell");
}

#[test]
fn shared_strings_that_one_row_uses_again_and_again_are_refused() {
    let strings = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(1 << 20));
    let row = format!("<row>{}</row>", "<c t='s'><v>0</v></c>".repeat(1_000));
    assert_bomb(&book(sheet("", &row), &[("xl/sharedStrings.xml".to_owned(), strings.into_bytes())]), "16 MiB of text in row 2");
}

#[test]
fn more_parts_than_a_workbook_has_are_refused() {
    let parts: Vec<Part> = (0..10_001).map(|at| (format!("xl/{at}.bin"), Vec::new())).collect();
    assert_bomb(&book(sheet("", ""), &parts), "10000 parts");
}

#[test]
fn an_archive_in_the_archive_is_not_opened() {
    // A reader that opened the nested archives would get 16 × 16 parts of 8 MiB each.
    let leaf = packed(&[("0.xml".to_owned(), vec![b' '; 8 << 20])]);
    let layers = |inner: &[u8]| packed(&(0..16).map(|at| (format!("{at}.zip"), inner.to_vec())).collect::<Vec<_>>());
    let nested = layers(&layers(&leaf));
    let finished = run(&book(sheet("", ""), &[("xl/embeddings/package.zip".to_owned(), nested)])).unwrap();
    assert_eq!(finished.outcome.summary.total_loans(), 1);
}

/// The offsets of a part's directory entry and of the part itself in an archive.
fn places(zip: &[u8], name: &str) -> (usize, usize) {
    let at =
        (0..zip.len()).find(|at| zip[*at..].starts_with(b"PK\x01\x02") && zip[at + 46..].starts_with(name.as_bytes())).unwrap();
    let start = u32::from_le_bytes(zip[at + 42..at + 46].try_into().unwrap());
    (at, start as usize)
}

/// Overwrites four bytes of a part's directory entry, at the offset `at` in the entry.
fn falsify(zip: &mut [u8], name: &str, at: usize, value: u32) {
    let entry = places(zip, name).0 + at;
    zip[entry..entry + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn a_size_that_is_not_true_is_refused_or_does_no_harm() {
    let whole = book(sheet("", &"<row></row>".repeat(40_000)), &[]);
    for size in [1_000, 300_000] {
        let mut small = whole.clone();
        falsify(&mut small, SHEET, 24, size);
        assert_bomb(&small, "bytes that it declares");
    }
    let mut large = whole;
    falsify(&mut large, SHEET, 24, u32::MAX - 1);
    // A declared size that is too large costs nothing, because the reader allocates nothing for it.
    assert_eq!(run(&large).unwrap().outcome.summary.total_loans(), 1);
}

#[test]
fn parts_that_lie_over_one_another_are_refused() {
    let mut zip = book(sheet("", ""), &[("xl/other.xml".to_owned(), vec![b' '; 100_000])]);
    let start = places(&zip, "xl/other.xml").1;
    falsify(&mut zip, SHEET, 42, u32::try_from(start).unwrap());
    assert_corrupt(&zip, "two of its parts are in one place");
}

#[test]
fn entities_are_never_expanded() {
    let laughs: String = (1..10).map(|at| format!("<!ENTITY l{at} \"{}\">", format!("&l{};", at - 1).repeat(10))).collect();
    let bomb = format!("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY l0 \"lol\">{laughs}]>");
    let cell = "<row><c t='inlineStr'><is><t>&l9;</t></is></c></row>";
    assert_corrupt(&book(sheet(&bomb, cell), &[]), "");
    // The same in a large sheet.
    assert_corrupt(&book(sheet(&bomb, &(cell.to_owned() + &"<row></row>".repeat(40_000))), &[]), "");
    for part in ["xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"] {
        let text = format!("{bomb}<sst><si><t>&l9;</t></si></sst>").into_bytes();
        assert_corrupt(&book(sheet("", ""), &[(part.to_owned(), text)]), part);
    }
    // External entities: a local file and a URL.
    for outside in ["SYSTEM \"file:///etc/passwd\"", "SYSTEM \"http://127.0.0.1:1/x\""] {
        let text = sheet(&format!("<!DOCTYPE x [<!ENTITY l9 {outside}>]>"), cell);
        assert_corrupt(&book(text, &[]), "");
    }
}

#[test]
fn elements_without_end_inside_one_another_are_refused() {
    let deep = "<a>".repeat(2_000_000);
    assert_bomb(&book(sheet("", &deep), &[]), "1000 elements inside one another");
    let strings = format!("<sst><si>{deep}").into_bytes();
    assert_bomb(&book(sheet("", ""), &[("xl/sharedStrings.xml".to_owned(), strings)]), "1000 elements inside one another");
}

#[test]
fn a_flood_of_attributes_is_refused_at_once() {
    let row = format!("<row><c{}><v>1</v></c></row>", attributes(200_000));
    assert_bomb(&book(sheet("", &row), &[]), "256 attributes in one tag");
    // Many tags with too many attributes.
    let row = format!("<row><c{}><v>1</v></c></row>", attributes(5_000)).repeat(40);
    assert_bomb(&book(sheet("", &row), &[]), "256 attributes in one tag");
    let styles = format!("<styleSheet><cellXfs><xf{}/></cellXfs></styleSheet>", attributes(5_000)).into_bytes();
    assert_bomb(&book(sheet("", ""), &[("xl/styles.xml".to_owned(), styles)]), "256 attributes in one tag");
}

#[test]
fn what_a_sheet_claims_to_be_is_not_believed() {
    let claims = "<dimension ref='A1:XFD1048576'/>";
    let text = sheet("", "").replace("<sheetData>", &format!("{claims}<sheetData>"));
    assert_eq!(run(&book(text, &[])).unwrap().outcome.summary.total_loans(), 1);
    for place in ["XFE1", "A1048577", "ZZZZZZ1", "A99999999999"] {
        let cell = format!("<row><c r='{place}'><v>1</v></c></row>");
        assert_corrupt(&book(sheet("", &cell), &[]), "");
    }
    let strings = b"<sst count='4000000000' uniqueCount='4000000000'></sst>".to_vec();
    assert_corrupt(&book(sheet("", ""), &[("xl/sharedStrings.xml".to_owned(), strings)]), "more shared strings");
}

/// Runs a command. Returns its peak memory in KiB, its exit code, and its standard output.
fn measured(folder: &std::path::Path, args: &[&str]) -> (u64, Option<i32>, String) {
    let mut child = command(folder, args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    });
    let mut peak = 0;
    loop {
        // The peak only grows, so the last value read is the peak, except for the very last moment.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(peak);
        if let Some(ended) = child.try_wait().unwrap() {
            return (peak, ended.code(), reader.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asserts that a tape is rejected with this error code and within the memory limit. Returns the message.
#[track_caller]
fn assert_refused_in_little(name: &str, write: impl FnOnce(&mut fs::File), code: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(&mut fs::File::create(folder.path().join(name)).unwrap());
    let (peak, exit, out) = measured(folder.path(), &["run", name, "--dry-run", "--format", "json"]);
    assert_eq!(exit, Some(1), "{out}");
    assert!(peak > 0 && peak < MEMORY, "{peak} KiB");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["run"]["error"]["code"], code, "{told}");
    told["run"]["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_header_of_many_columns_is_refused_in_little_memory() {
    let header = |file: &mut fs::File| {
        file.write_all(HEADER.as_bytes()).unwrap();
        file.write_all(",x".repeat(20_000).as_bytes()).unwrap();
        file.write_all(b"\n").unwrap();
    };
    let message = assert_refused_in_little("tape.csv", header, "header_too_large");
    assert!(message.contains("20011 columns") && message.contains("at most 4096"), "{message}");
}

#[test]
fn a_line_without_end_is_refused_in_little_memory() {
    for byte in [b'x', b'"', 0] {
        let line = |file: &mut fs::File| (0..24).for_each(|_| file.write_all(&vec![byte; 1 << 20]).unwrap());
        assert_refused_in_little("tape.csv", line, "no_header");
    }
}

#[test]
fn a_quotation_mark_that_nobody_closes_costs_its_line_alone() {
    let folder = tempfile::tempdir().unwrap();
    let good = |at: usize| format!("L{at},{GOOD_CELLS}\n");
    let tape = format!("{HEADER}\n{}\"open,{GOOD_CELLS}\n{}", good(1), (2..60_000).map(good).collect::<String>());
    fs::write(folder.path().join("tape.csv"), tape).unwrap();
    let (peak, exit, out) = measured(folder.path(), &["run", "tape.csv", "--dry-run", "--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &told["run"]["total_loans"]), (Some(0), &Value::from(60_000)), "{told}");
    assert!(peak < MEMORY, "{peak} KiB");
}

#[test]
fn millions_of_empty_lines_are_no_loans_and_take_no_memory() {
    let lines = |file: &mut fs::File| {
        file.write_all(format!("{HEADER}\n").as_bytes()).unwrap();
        (0..4).for_each(|_| file.write_all(&vec![b'\n'; 1 << 20]).unwrap());
    };
    let message = assert_refused_in_little("tape.csv", lines, "no_data_rows");
    assert!(message.contains("row per loan"), "{message}");
}
