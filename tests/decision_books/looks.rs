//! How the workbook looks in a spreadsheet.

use calamine::{Data, Reader as _};

use super::{Book, Decided, SHEETS, between, text};
use crate::support::{
    app::Tape,
    runs::{GOOD_CELLS, HEADER},
};

fn book() -> Book {
    let tape =
        Tape::new().good("007").with("P", &[("note_rate", "3")]).with("R", &[("ltv_ratio", "97.8"), ("credit_score", "1")]);
    Decided::of(tape.text()).book()
}

#[test]
fn loan_numbers_are_texts_and_numbers_have_the_format_of_their_kind() {
    let book = book();
    let columns = book.header("To purchase");
    let letter = |name: &str| char::from(b'A' + u8::try_from(columns.iter().position(|column| column == name).unwrap()).unwrap());
    for (name, code) in [
        ("seller_loan_number", "@"),
        ("loan_amount", "#,##0.00"),
        ("note_rate", "0.00##"),
        ("ltv_ratio", "0.00##"),
        ("dti_ratio", "0.00##"),
        ("credit_score", "0"),
        ("property_type", "General"),
        ("purchase_price", "#,##0.00"),
        ("appraisal_value", "#,##0.00"),
        ("pricing_spread", "0.00##"),
        ("final_price", "0.00##"),
        ("Dollars to pay", "#,##0.00"),
        ("line", "0"),
    ] {
        assert_eq!(book.format("To purchase", &format!("{}2", letter(name))).1, code, "{name}");
        let cell = &book.table("To purchase")[0][name];
        assert_eq!(matches!(cell, Data::Float(_) | Data::Int(_)), !["@", "General"].contains(&code), "{name} {cell:?}");
    }
    assert_eq!(book.table("To purchase")[0]["seller_loan_number"], text("007"));
}

#[test]
fn a_header_is_bold_stays_in_sight_and_has_a_filter_over_all_rows() {
    let book = book();
    let bold = between(&book.parts["xl/styles.xml"], "<fonts", "</fonts>").split("<font>").nth(2).unwrap();
    assert!(bold.starts_with("<b/>"), "{bold}");
    for sheet in &SHEETS[1..] {
        let (rows, xml) = (book.rows(sheet), book.xml(sheet));
        assert!(book.format(sheet, "A1").0.contains("fontId=\"1\""), "{sheet}");
        assert!(xml.contains("<pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>"), "{sheet}");
        let last = between(xml, "<autoFilter ref=\"A1:", "\"");
        assert!(last.ends_with(&rows.len().to_string()), "{sheet} {last}");
        assert!(xml.contains(&format!("<c r=\"{}1\" ", last.trim_end_matches(|c: char| c.is_ascii_digit()))), "{sheet} {last}");
        let widths: Vec<u32> =
            xml.split(" width=\"").skip(1).map(|rest| rest[..rest.find('"').unwrap()].parse().unwrap()).collect();
        assert_eq!(widths.len(), book.header(sheet).len(), "{sheet}");
        for (name, width) in book.header(sheet).iter().zip(widths) {
            assert!((name.len() as u32 + 2..=80).contains(&width), "{sheet} {name} {width}");
        }
    }
    // Spreadsheets recognize the filters by these defined names.
    let names = &book.parts["xl/workbook.xml"];
    for (place, sheet) in SHEETS.iter().enumerate().skip(1) {
        let name = format!("<definedName name=\"_xlnm._FilterDatabase\" localSheetId=\"{place}\" hidden=\"1\">'{sheet}'!$A$1:$");
        assert!(names.contains(&name), "{sheet}: {names}");
        // Each printed page repeats the header.
        assert!(names.contains(&format!("localSheetId=\"{place}\">'{sheet}'!$1:$1</definedName>")), "{sheet}: {names}");
    }
}

#[test]
fn several_reasons_stand_one_below_the_other() {
    let book = book();
    let column = book.header("Rejected").iter().position(|name| name == "Reasons").unwrap();
    let cell = format!("{}2", char::from(b'A' + u8::try_from(column).unwrap()));
    assert!(book.format("Rejected", &cell).0.contains("wrapText=\"1\""));
    assert!(book.xml("Rejected").contains("<t xml:space=\"preserve\">"));
}

#[test]
fn no_text_is_a_formula_whatever_it_begins_with() {
    let beginnings =
        ["=1+1", "+1", "-5", "@SUM(A1)", "=cmd|'/c calc'!A0", "=HYPERLINK(&\"http://x\")", "<b>", "_x0041_", "\u{1}x"];
    let rows: String = beginnings
        .iter()
        .enumerate()
        .map(|(at, text)| format!("\"{}\",{GOOD_CELLS},\"{}\"\n", at, text.replace('"', "\"\"")))
        .collect();
    let book = Decided::of(&format!("{HEADER},Note\n{rows}{}", format!("=A1,{GOOD_CELLS},x\n").replace(",80,", ",99,"))).book();
    let mut xlsx = book.xlsx();
    for sheet in SHEETS {
        assert!(xlsx.worksheet_formula(sheet).unwrap().used_cells().next().is_none(), "{sheet}");
        assert!(!book.xml(sheet).contains("<f"), "{sheet}");
    }
    let rows = book.table("To purchase");
    for (row, expected) in rows.iter().zip(&beginnings[..7]) {
        assert_eq!(row["Note"], text(expected));
    }
    // Such a cell stays a text when a user edits it.
    let column = char::from(b'A' + u8::try_from(book.header("To purchase").len() - 1).unwrap());
    for row in 2..=5 {
        assert!(book.format("To purchase", &format!("{column}{row}")).0.contains("quotePrefix=\"1\""), "{row}");
    }
    assert_eq!(book.table("Rejected")[0]["seller_loan_number"], text("=A1"));
    assert_eq!(book.format("Rejected", "A2").1, "@");
    let xml = book.xml("To purchase");
    assert!(xml.contains("_x005F_x0041_") && xml.contains("_x0001_x") && xml.contains("&lt;b&gt;"), "{xml}");
}

#[test]
fn a_number_with_more_digits_than_a_spreadsheet_keeps_is_a_text() {
    // Numbers with a decimal point are read to the digits that a spreadsheet keeps.
    let prices = ["123456.789012345", "1234567890123456", "250000123456789012345"];
    let tape = prices.iter().fold(Tape::new(), |tape, price| tape.with(&format!("L{price}"), &[("purchase_price", price)]));
    let rows = Decided::of(tape.text()).book().table("To purchase");
    let cells: Vec<Data> = rows.iter().map(|row| row["purchase_price"].clone()).collect();
    assert_eq!(cells, [Data::Float(123_456.789_012_345), text(prices[1]), text(prices[2])]);
}

#[test]
fn a_text_that_is_longer_than_a_cell_is_cut_and_the_summary_says_so() {
    let long = "🏠".repeat(16_380);
    let tape = |note: &str| format!("{HEADER},Note\nA,{GOOD_CELLS},{note}\n");
    let book = Decided::of(&tape(&format!("{long}0123456789"))).book();
    let Data::String(cell) = book.table("To purchase")[0]["Note"].clone() else { panic!("no text") };
    assert_eq!((cell.encode_utf16().count(), cell), (32_767, format!("{long}0123456")));
    let notes = |book: &Book| book.summary().iter().map(|(first, _)| first.clone()).collect::<Vec<_>>().join("\n");
    assert!(notes(&book).contains("Longer texts that are cut: 1;"), "{}", notes(&book));
    assert!(!notes(&Decided::of(&tape(&long)).book()).contains("are cut"));
}

#[test]
fn a_format_hides_no_decimals_that_decide() {
    let tape = Tape::new().with("R", &[("credit_score", "619.6"), ("loan_amount", "49999.996"), ("note_rate", "7.12345")]);
    let book = Decided::of(tape.text()).book();
    let columns = book.header("Rejected");
    for name in ["credit_score", "loan_amount", "note_rate"] {
        let letter = char::from(b'A' + u8::try_from(columns.iter().position(|column| column == name).unwrap()).unwrap());
        assert_eq!(book.format("Rejected", &format!("{letter}2")).1, "General", "{name}");
    }
}

#[test]
fn a_column_of_the_tape_does_not_pass_for_one_of_the_engine() {
    let tape = format!("{HEADER},Conditions,County\nA,{GOOD_CELLS},none at all,Kings\n");
    let columns = Decided::of(&tape).book().header("To purchase");
    assert_eq!(columns.iter().filter(|name| name.eq_ignore_ascii_case("conditions")).count(), 1, "{columns:?}");
    assert!(columns.ends_with(&["source_Conditions".to_owned(), "County".to_owned()]), "{columns:?}");
}
