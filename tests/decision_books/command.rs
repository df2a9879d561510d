//! `loan-engine run --workbook FILE`.

use super::{Book, SHEETS};
use crate::support::shell::{HEADER, TestShell, good, small_tape};

#[test]
fn a_run_writes_its_workbook_where_it_is_told_and_nothing_else_beside_it() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.write("books/notes.txt", "mine");
    let answer = desk.command(&["run", "t.csv", "--out", "out", "--workbook", "books/march.xlsx"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.contains("\nWorkbook in books/march.xlsx\n"), "{}", answer.out);
    assert_eq!(desk.list("books"), ["march.xlsx", "notes.txt"]);
    let book = Book::new(std::fs::read(desk.path("books/march.xlsx")).unwrap());
    assert_eq!(book.names(), SHEETS);
    assert_eq!(book.table("To purchase")[0]["seller_loan_number"], super::text("001"));
    assert_eq!(book.table("To purchase")[0]["County"], super::text("Kings"));
    // The workbook is not a result that the manifest names.
    assert!(desk.list("out").iter().all(|name| !name.ends_with(".xlsx") && !name.contains(".loan-engine")));
    let manifest = desk.path("out/manifest.json");
    assert_eq!(desk.command(&["replay", manifest.to_str().unwrap()]).out, "identical\n");
}

#[test]
fn reasons_and_conditions_name_the_program() {
    let desk = TestShell::new();
    desk.write("t.csv", format!("{HEADER}{}{}", good("001"), good("002").replace(",80,", ",97.01,")).replace("315000", ""));
    desk.write("best.toml", "programs = [\"low.toml\", \"high.toml\"]");
    desk.write("low.toml", "name = \"low\"\n[limits]\nltv_ratio = { max = 75 }\n");
    desk.write("high.toml", "name = \"high\"\n");
    let run = ["run", "t.csv", "--out", "out", "--rule-set", "best.toml", "--workbook", "out/book.xlsx"];
    let answer = desk.command(&run);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    for line in [
        "\n        Eligible  Best   Balance $  WA price  Rejected only by\n",
        "\n  low          0     0        0.00         -  ltv_ratio 2\n",
        "\n  high         1     1  250,000.00    102.00  ltv_ratio 1\n",
    ] {
        assert!(answer.out.contains(line), "{line}{}", answer.out);
    }
    let book = Book::new(std::fs::read(desk.path("out/book.xlsx")).unwrap());
    let missing = "Appraisal value is missing; it must be above $0.00";
    assert_eq!(book.table("To purchase")[0]["Conditions"], super::text(&format!("high: {missing}")));
    let rejected = &book.table("Rejected")[0];
    assert_eq!(rejected["Conditions"], super::text(&format!("low: {missing}\nhigh: {missing}")));
    let above = |max: &str, by: &str| format!("LTV 97.01 % is above the maximum {max} % (by {by})");
    let reasons = format!("low: {}\nhigh: {}", above("75.00", "22.01"), above("97.00", "0.01"));
    assert_eq!(rejected["Reasons"], super::text(&reasons));
}

#[test]
fn a_run_without_a_workbook_makes_none() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    let answer = desk.command(&["run", "t.csv", "--out", "out"]);
    assert!(!answer.out.contains("Workbook"), "{}", answer.out);
    assert!(desk.list("").iter().all(|name| !name.ends_with(".xlsx")));
}

#[test]
fn a_later_run_replaces_the_workbook_of_an_earlier_one() {
    let desk = TestShell::new();
    for number in ["001", "002"] {
        desk.write("t.csv", format!("{HEADER}{}", good(number)));
        let id = desk.run_id(&["run", "t.csv", "--out", "out", "--workbook", "out/book.xlsx"]);
        let book = Book::new(std::fs::read(desk.path("out/book.xlsx")).unwrap());
        assert_eq!(book.table("To purchase")[0]["seller_loan_number"], super::text(number));
        assert_eq!(book.beside("Run")[0], super::text(&id));
    }
}

#[test]
fn a_run_that_fails_leaves_no_workbook_not_even_that_of_an_earlier_run() {
    let desk = TestShell::new();
    desk.write("t.csv", "no,header,that,means,anything\n1,2,3,4,5\n");
    let before = desk.list("");
    assert_eq!(desk.command(&["run", "t.csv", "--out", "out", "--workbook", "book.xlsx"]).code, 1);
    assert_eq!(desk.list(""), before);
    desk.write("good.csv", small_tape());
    for workbook in ["book.xlsx", "out/book.xlsx"] {
        assert_eq!(desk.command(&["run", "good.csv", "--out", "out", "--workbook", workbook]).code, 0);
        assert_eq!(desk.command(&["run", "t.csv", "--out", "out", "--workbook", workbook]).code, 1);
        assert!(!desk.list("").iter().any(|file| file.ends_with("book.xlsx")), "{workbook}");
    }
    // Another file of that name belongs to the user until a workbook replaces it.
    desk.write("book.xlsx", "mine");
    assert_eq!(desk.command(&["run", "t.csv", "--out", "out", "--workbook", "book.xlsx"]).code, 1);
    assert_eq!(desk.read("book.xlsx"), "mine");
}

#[test]
fn a_later_run_leaves_no_workbook_of_an_earlier_one_among_its_results() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.write("out/saved.xlsx", "saved by somebody");
    assert_eq!(desk.command(&["run", "t.csv", "--out", "out", "--workbook", "out/book.xlsx"]).code, 0);
    assert_eq!(desk.command(&["run", "t.csv", "--out", "out"]).code, 0);
    let workbooks: Vec<_> = desk.list("out").into_iter().filter(|file| file.ends_with(".xlsx")).collect();
    assert_eq!(workbooks.len(), 1, "{workbooks:?}");
    assert_eq!(desk.read("out/saved.xlsx"), "saved by somebody");
}

#[test]
fn a_workbook_of_ours_is_no_tape() {
    let desk = TestShell::new();
    desk.write("tapes/t.csv", small_tape());
    assert_eq!(desk.command(&["run", "tapes", "--out", "out", "--workbook", "tapes/book.xlsx"]).code, 0);
    let again = desk.command(&["run", "tapes", "--out", "out"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("book.xlsx: The file is a workbook that Loan Engine wrote, not a tape."), "{}", again.err);
}

#[test]
fn a_workbook_that_cannot_be_written_is_refused_before_the_run() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.write("t.xlsx", "a tape by its name");
    desk.write("folder.xlsx/x.txt", "");
    desk.write("out/link.txt", "");
    let before = desk.list("");
    for (args, parts) in [
        (&["t.csv", "--workbook", "book.xlsx", "--dry-run"][..], &["--workbook", "--dry-run"][..]),
        (&["t.csv", "--workbook", "book.csv"], &["book.csv", "ends in .xlsx"]),
        (&["t.csv", "--workbook", "book"], &["ends in .xlsx"]),
        (&["t.csv", "--workbook", "none/book.xlsx"], &["none/book.xlsx", "folder that is not there"]),
        (&["t.csv", "--workbook", "folder.xlsx"], &["is a folder"]),
        (&["t.xlsx", "--workbook", "t.xlsx"], &["t.xlsx", "would replace a tape"]),
        (&["t.csv", "t.xlsx", "--workbook", "./out/../t.xlsx"], &["would replace a tape"]),
    ] {
        let answer = desk.command(&[&["run", "--out", "out"], args].concat());
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{args:?}");
        for part in parts {
            assert!(answer.err.contains(part), "{args:?}: {part}: {}", answer.err);
        }
        assert_eq!(desk.list(""), before, "{args:?}");
        assert_eq!(desk.read("t.xlsx"), "a tape by its name");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_a_tape_is_no_place_for_a_workbook() {
    let desk = TestShell::new();
    desk.write("t.xlsx", "a tape by its name");
    std::os::unix::fs::symlink(desk.path("t.xlsx"), desk.path("book.xlsx")).unwrap();
    let answer = desk.command(&["run", "t.xlsx", "--out", "out", "--workbook", "book.xlsx"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("would replace a tape"), "{}", answer.err);
}
