//! What a seller return shows.

use std::io::Cursor;

use calamine::{Data, Reader as _, SheetVisible, Xlsx};

use super::parts;
use crate::support::shell::{HEADER, TestShell, good};

/// The rows of a sheet as text.
fn rows(book: &[u8], sheet: &str) -> Vec<Vec<String>> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(book.to_vec())).unwrap();
    let range = book.worksheet_range(sheet).unwrap();
    let text = |cell: &Data| match cell {
        Data::Empty => String::new(),
        cell => cell.to_string(),
    };
    range.rows().map(|row| row.iter().map(text).collect()).collect()
}

fn returned(tapes: &[(&str, String)]) -> Vec<u8> {
    let desk = TestShell::new();
    for (name, text) in tapes {
        desk.write(name, text);
    }
    let mut args = vec!["run"];
    args.extend(tapes.iter().map(|(name, _)| *name));
    args.extend(["--out", "out", "--seller-return", "return.xlsx"]);
    let answer = desk.command(&args);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.contains("\nSeller return in return.xlsx\n"), "{}", answer.out);
    std::fs::read(desk.path("return.xlsx")).unwrap()
}

#[test]
fn a_return_shows_the_loans_as_they_were_sent_with_the_reasons() {
    let high = good("002").replace(",80,", ",97.01,").replace("740", "500");
    let book = returned(&[("t.csv", format!("{HEADER}{}{high}", good("001")))]);
    let sheet = rows(&book, "1 t.csv");
    let headers: Vec<&str> = ["reasons (Loan Engine)"].into_iter().chain(HEADER.trim().split(',')).collect();
    assert_eq!(sheet[0], headers);
    assert_eq!(sheet.len(), 2);
    let cells = ["002", "$250,000.00", "8.85", "97.01", "35.5", "500", "SFR", "P", "purchase", "312500", "315000", "Kings"];
    assert_eq!(sheet[1][1..], cells);
    assert!(sheet[1][0].contains("LTV 97.01 % is above the maximum 97.00 %"), "{}", sheet[1][0]);
    let counts = rows(&book, "Reasons");
    let loans = |kind: &str| counts.iter().find(|row| row[0] == kind).unwrap()[1..3].to_vec();
    assert_eq!(loans("ltv_ratio"), ["1", "rejected"]);
    assert_eq!(loans("credit_score"), ["1", "rejected"]);
    assert_eq!(loans("All rejected loans")[0], "1");
}

#[test]
fn every_cell_is_a_text_and_failing_cells_have_a_colour_and_a_note() {
    let high = good("002").replace(",80,", ",97.01,").replace("740", "500");
    let missing = good("003").replace("740", "");
    let parts = parts(&returned(&[("t.csv", format!("{HEADER}{high}{missing}"))]));
    let sheet = &parts["xl/worksheets/sheet2.xml"];
    assert!(!sheet.contains("<v>"), "{sheet}");
    // Style 12 is that of failing cells: the LTV in column E, and the score in column G, which one loan lacks.
    assert!(sheet.contains("<c r=\"E2\" s=\"12\" t=\"inlineStr\"><is><t>97.01</t>"), "{sheet}");
    assert!(sheet.contains("<c r=\"G2\" s=\"12\" t=\"inlineStr\"><is><t>500</t>"), "{sheet}");
    assert!(sheet.contains("<c r=\"G3\" s=\"12\"/>"), "{sheet}");
    assert!(sheet.contains("<legacyDrawing r:id=\"rId1\"/>"));
    let notes = &parts["xl/comments2.xml"];
    assert!(notes.contains("<comment ref=\"E2\" authorId=\"0\"><text><t>LTV 97.01 % is above the maximum 97.00 %"), "{notes}");
    assert!(notes.contains("<comment ref=\"G2\"") && notes.contains("<comment ref=\"G3\""), "{notes}");
    assert_eq!(parts["xl/drawings/vmlDrawing2.vml"].matches("<v:shape id").count(), 3);
}

#[test]
fn each_tape_has_its_sheet_and_the_record_is_hidden() {
    let bad = |number: &str| good(number).replace(",80,", ",97.01,");
    let tapes = [
        ("a.csv", format!("{HEADER}{}", bad("1"))),
        ("b.csv", format!("{HEADER}{}", good("2"))),
        ("a long name of a tape with [brackets].csv", format!("{HEADER}{}", bad("3"))),
    ];
    let book = returned(&tapes);
    let book: Xlsx<_> = Xlsx::new(Cursor::new(book)).unwrap();
    let sheets: Vec<(&str, bool)> =
        book.sheets_metadata().iter().map(|sheet| (sheet.name.as_str(), sheet.visible == SheetVisible::Visible)).collect();
    let expected =
        [("Reasons", true), ("1 a.csv", true), ("3 a long name of a tape with _b", true), ("loan_engine_return", false)];
    assert_eq!(sheets, expected);
}

#[test]
fn rows_that_could_not_be_read_come_last_as_raw_text() {
    let book = returned(&[("t.csv", format!("{HEADER}too,short\n{}", good("2").replace(",80,", ",99,")))]);
    let sheet = rows(&book, "1 t.csv");
    assert_eq!(sheet[1][1], "2");
    assert_eq!((sheet[2][1].as_str(), sheet[2][2].as_str()), ("too,short", ""));
    assert!(sheet[2][0].starts_with("malformed_row: "), "{}", sheet[2][0]);
}

#[test]
fn a_return_of_a_run_that_buys_everything_has_no_sheet_of_a_tape() {
    let book = returned(&[("t.csv", format!("{HEADER}{}", good("1")))]);
    let book: Xlsx<_> = Xlsx::new(Cursor::new(book)).unwrap();
    assert_eq!(book.sheet_names(), ["Reasons", "loan_engine_return"]);
}
