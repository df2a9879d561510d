//! The limits of a sheet, and that the same results give the same workbook.

use shared::results::workbook::SheetLimits;

use super::{Book, Decided, SHEETS, digits};
use crate::support::{
    app::Tape,
    runs::{GOOD_CELLS, HEADER},
};

/// `good` loans to purchase, and `bad` loans with two exceptions each.
fn tape(good: usize, bad: usize) -> String {
    (0..bad)
        .fold(Tape::of_good(good), |tape, at| tape.with(&format!("R-{at}"), &[("ltv_ratio", "99"), ("credit_score", "1")]))
        .text()
        .to_owned()
}

/// The line numbers in the rows of some sheets, sheet after sheet.
fn lines(book: &Book, sheets: &[&str]) -> Vec<String> {
    sheets.iter().flat_map(|sheet| book.table(sheet)).map(|row| digits(&row["line"])).collect()
}

#[test]
fn rows_beyond_a_sheet_go_on_in_a_further_one() {
    let decided = Decided::of(&tape(9, 6));
    let book = decided.book_within(SheetLimits { rows: 5, ..SheetLimits::default() });
    let names = book.names();
    let expected = [
        "To purchase",
        "To purchase 2",
        "To purchase 3",
        "Projected",
        "Rejected",
        "Rejected 2",
        "Exceptions",
        "Exceptions 2",
        "Exceptions 3",
    ];
    let below: Vec<&String> = names.iter().filter(|name| !name.starts_with("Summary")).collect();
    assert_eq!(below, expected);
    assert!(names[0] == "Summary" && names.iter().position(|name| name == "To purchase") > Some(0), "{names:?}");
    let whole = decided.book();
    assert_eq!(lines(&book, &expected[..3]), lines(&whole, &["To purchase"]));
    assert_eq!(lines(&book, &expected[4..6]), lines(&whole, &["Rejected"]));
    assert_eq!(lines(&book, &expected[6..]), lines(&whole, &["Exceptions"]));
    for name in expected {
        assert!(book.rows(name).len() <= 5, "{name}");
        assert_eq!(book.header(name), whole.header(name.trim_end_matches([' ', '2', '3'])), "{name}");
        assert!(book.xml(name).contains("state=\"frozen\"") && book.xml(name).contains("<autoFilter "), "{name}");
    }
}

#[test]
fn a_sheet_that_is_just_full_has_no_further_one() {
    let book = Decided::of(&tape(4, 2)).book_within(SheetLimits { rows: 5, ..SheetLimits::default() });
    let names = book.names();
    assert!(["To purchase 2", "Exceptions 2"].iter().all(|further| !names.iter().any(|name| name == further)), "{names:?}");
}

#[test]
fn a_sheet_whose_xml_is_too_large_goes_on_in_a_further_one() {
    let decided = Decided::of(&tape(2_000, 0));
    let book = decided.book_within(SheetLimits { bytes: 500_000, ..SheetLimits::default() });
    let names = book.names();
    let bought: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.starts_with("To purchase")).collect();
    assert!(bought.len() > 1, "{names:?}");
    assert_eq!(lines(&book, &bought), lines(&decided.book(), &["To purchase"]));
    assert!(bought.iter().all(|name| book.xml(name).len() < 700_000));
}

#[test]
fn kept_columns_that_do_not_fit_are_told() {
    let header: String = (0..8).map(|at| format!(",K{at}")).collect();
    let decided = Decided::of(&format!("{HEADER}{header}\nA,{GOOD_CELLS},0,1,2,3,4,5,6,7\n"));
    let own = decided.book().header("To purchase").len() - 8;
    let notes = |book: &Book| book.summary().iter().map(|(first, _)| first.clone()).collect::<Vec<_>>().join("\n");
    for (columns, left) in [(own + 8, 0), (own + 7, 1), (own + 3, 5), (own, 8)] {
        let book = decided.book_within(SheetLimits { columns, ..SheetLimits::default() });
        let kept = 8 - left;
        assert_eq!(book.header("To purchase").len(), own + kept);
        let told = notes(&book).contains(&format!("Kept columns that are left out: {left}, from \"K{kept}\" on"));
        assert_eq!(told, left > 0, "{}", notes(&book));
    }
}

#[test]
fn the_same_results_give_the_same_bytes() {
    let decided = Decided::of(&tape(30, 10));
    let (first, second) = (decided.book(), decided.book());
    assert_eq!(first.bytes, second.bytes);
    let created = super::between(&first.parts["docProps/core.xml"], "<dcterms:created xsi:type=\"dcterms:W3CDTF\">", "<");
    assert_eq!(created, "2026-02-02T10:00:00Z");
    assert_eq!(first.names(), SHEETS);
}

/// The content of a column below its header, read from the XML alone because the workbook is large.
fn column<'b>(book: &'b Book, sheet: &str, letter: char, tag: &str) -> Vec<&'b str> {
    let begin = format!("<c r=\"{letter}");
    let cells = book.xml(sheet).split(begin.as_str()).skip(2);
    let inner = |cell: &'b str| super::between(cell, &format!("<{tag}"), &format!("</{tag}>")).split_once('>').unwrap().1;
    cells.map(inner).collect()
}

#[test]
fn a_run_of_many_batches_is_written_whole() {
    let book = Decided::of(&tape(9_000, 5_000)).book();
    let lines = |lines: std::ops::Range<u32>, each: usize| -> Vec<String> {
        lines.flat_map(|line| std::iter::repeat_n(line.to_string(), each)).collect()
    };
    assert_eq!(column(&book, "To purchase", 'Q', "v"), lines(2..9_002, 1));
    assert_eq!(column(&book, "Rejected", 'O', "v"), lines(9_002..14_002, 1));
    assert_eq!(column(&book, "Exceptions", 'N', "v"), lines(9_002..14_002, 2));
    assert!(column(&book, "Rejected", 'L', "t").iter().all(|reasons| reasons.lines().count() == 2));
}
