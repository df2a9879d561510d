//! Seller returns: the workbook that goes to the seller, and the same workbook when it comes back as a tape.

mod content;
mod endpoint;
mod returning;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _, Write as _},
};

use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::support::shell::TestShell;

/// The parts of a workbook, by name.
fn parts(book: &[u8]) -> BTreeMap<String, String> {
    let mut zip = ZipArchive::new(Cursor::new(book)).unwrap();
    let mut parts = BTreeMap::new();
    for at in 0..zip.len() {
        let mut part = zip.by_index(at).unwrap();
        let mut text = String::new();
        part.read_to_string(&mut text).unwrap();
        parts.insert(part.name().unwrap().into_owned(), text);
    }
    parts
}

/// A workbook with these parts, as a spreadsheet saves it: without the comment by which the engine knows its own workbooks.
fn saved(parts: &BTreeMap<String, String>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Disposition and hard exceptions of each loan that the run of an output folder does not buy, by loan number.
fn decided(desk: &TestShell, out: &str) -> BTreeMap<String, Vec<String>> {
    let mut loans: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, reason) in [("rejection_report.csv", "exception_type"), ("projected_tape.csv", "projection_reason")] {
        let text = desk.read(&format!("{out}/{file}"));
        let mut reader = csv_rows(&text);
        let header = reader.remove(0);
        let place = |name: &str| header.iter().position(|cell| cell == name).unwrap();
        let (number, reason) = (place("seller_loan_number"), place(reason));
        for row in reader {
            loans.entry(row[number].clone()).or_default().push(format!("{file} {}", row[reason]));
        }
    }
    loans.values_mut().for_each(|reasons| reasons.sort());
    loans
}

/// The rows of a CSV text.
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let (mut quoted, mut letters) = (false, text.chars().peekable());
    while let Some(letter) = letters.next() {
        let row = rows.last_mut().unwrap();
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                row.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            letter => row.last_mut().unwrap().push(letter),
        }
    }
    rows.pop();
    rows
}
