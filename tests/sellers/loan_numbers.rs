//! Characters around loan numbers, and what spreadsheets make of loan numbers.

use super::*;
use crate::support::tape_rows::tape;

#[test]
fn what_stands_around_a_number_is_no_part_of_it() {
    for padded in [
        "1001 ",
        " 1001",
        "\t1001",
        "1001\u{a0}",
        "\u{2007}1001",
        "'1001",
        "'1001'",
        "=\"\"1001\"\"",
        "1001\u{200b}",
        "10\u{ad}01",
        "\u{feff}1001",
        "'=\"\"1001\"\"",
        " '1001 ",
        "=\"\" 1001 \"\"",
        "\u{1}1001\u{1f}",
    ] {
        let written = if padded.contains('"') { good(&format!("\"{padded}\"")) } else { good(padded) };
        for rows in [[good("1001"), written.clone(), good("B")], [written.clone(), good("1001"), good("B")]] {
            let finished = read(tape(&rows), 3);
            assert_eq!(bought(&finished), ["1001", "B"], "{padded:?}");
            assert_eq!(reasons(&finished), ["1001 | duplicate_loan | 1001"], "{padded:?}");
        }
    }
}

#[test]
fn a_formula_of_text_outside_quotes_is_unwrapped_as_well() {
    let finished = read(tape(&[good("=\"0012\""), good("0012"), good("12")]), 3);
    assert_eq!(bought(&finished), ["0012", "12"]);
    assert_eq!(reasons(&finished), ["0012 | duplicate_loan | 0012"]);
}

#[test]
fn the_rest_of_a_number_is_kept_to_the_letter() {
    let numbers = ["001", "1", "a-1", "A-1", "A 1", "A  1", "1E5", "1E+5", "A'", "\u{e9}1", "1-1", "1/1"];
    assert_eq!(bought(&read(tape(&goods(&numbers)), numbers.len() as u64)), numbers);
}

#[test]
fn errors_of_a_spreadsheet_are_no_numbers() {
    for text in
        ["#N/A", "#REF!", "#NAME?", "########", "Err:508", "#NV", "None", "(null)", "<NA>", "n.a.", "\\N", "--", "not available"]
    {
        let finished = read(tape(&[good(text), good("B"), good(text)]), 3);
        assert_eq!(bought(&finished), ["B"], "{text}");
        assert_eq!(reasons(&finished), vec!["UNKNOWN | missing_field | missing"; 2], "{text}");
    }
}

#[test]
fn numbers_whose_digits_a_spreadsheet_has_cut_are_nobodys() {
    for text in ["1.00234E+11", "1.00234e+11", "4E+10", "1.2E+105"] {
        let finished = read(tape(&[good(text), good("B"), good(text)]), 3);
        assert_eq!(bought(&finished), ["B"], "{text}");
        assert_eq!(reasons(&finished), vec![format!("{text} | invalid_value | {text}"); 2]);
        let message = &exceptions(&finished)[0]["message"];
        assert!(message.contains("a spreadsheet has cut its digits"), "{message}");
        let row = &finished.rows("rejection_report.csv")[0];
        assert_eq!(row["seller_loan_number"], text);
    }
}

#[test]
fn whole_numbers_with_a_point_are_kept_and_told() {
    let finished = read(tape(&goods(&["100234.0", "100235.0", "100236"])), 3);
    assert_eq!(bought(&finished), ["100234.0", "100235.0", "100236"]);
    assert_eq!(notices(&finished), ["decimal_loan_numbers 1"]);
    let message = &finished.outcome.notices.kept()[0].message;
    assert!(message.contains("2 loan numbers") && message.contains("100234.0"), "{message}");
    assert_eq!(notices(&read(tape(&goods(&["100234.5", "A.0"])), 2)), [""; 0]);
}

#[test]
fn kept_columns_stay_as_they_are_written() {
    let text = format!("{HEADER},Old number\n{}, '007 \n{},\"=\"\"7\"\"\"\n", good("A"), good("B"));
    let finished = read(text, 2);
    let kept: Vec<String> =
        facts(&finished).iter().map(|fact| crate::support::tape_rows::kept(fact)["Old number"].clone()).collect();
    assert_eq!(kept, [" '007 ", "=\"7\""]);
}
