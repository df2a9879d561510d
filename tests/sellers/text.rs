//! Line ends, quotation marks and delimiters.

use super::*;
use crate::support::tape_rows::{fate, fates, kept, tape};

#[test]
fn lone_returns_end_lines() {
    let text = tape(&goods(&["A", "B", "C"])).replace('\n', "\r");
    assert_eq!(bought(&read(&text, 3)), ["A", "B", "C"]);
    assert_eq!(bought(&read(text + "\r", 3)), ["A", "B", "C"]);
    let titled = format!("Portfolio\r\r{}\r\r", tape(&goods(&["A", "B"])).replace('\n', "\r"));
    let finished = read(titled, 2);
    assert_eq!(fates(&finished), [fate("A", "to_purchase", 4), fate("B", "to_purchase", 5)]);
}

#[test]
fn line_ends_of_any_mixture_end_one_line_each() {
    let ends = ["\r", "\n", "\r\n", "\r\r\n"];
    for first in ends {
        for second in ends {
            let text = format!("{HEADER}{first}{}{second}{}{first}{}{second}", good("A"), good("B"), good("C"));
            let lines = if (first, second) == ("\r", "\n") { None } else { Some([2, 3, 4]) };
            let finished = read(&text, 3);
            assert_eq!(bought(&finished), ["A", "B", "C"], "{first:?} {second:?}");
            if let Some(lines) = lines {
                let expected: Vec<_> =
                    ["A", "B", "C"].iter().zip(lines).map(|(at, line)| fate(at, "to_purchase", line)).collect();
                assert_eq!(fates(&finished), expected, "{first:?} {second:?}");
            }
        }
    }
}

#[test]
fn line_ends_inside_quotes_count_as_lines_and_end_nothing() {
    for end in ["\r", "\n", "\r\n", "\r\r\n"] {
        let text = format!("{HEADER},Notes{end}{},\"one{end}two{end}\"{end}{},x{end}", good("A"), good("B"));
        let finished = read(text, 2);
        assert_eq!(fates(&finished), [fate("A", "to_purchase", 2), fate("B", "to_purchase", 5)], "{end:?}");
        assert_eq!(kept(&facts(&finished)[0])["Notes"], format!("one{end}two{end}"));
    }
}

#[test]
fn marks_of_utf8_at_any_record_are_no_part_of_it() {
    for mark in ["\u{feff}", "ï»¿", "\u{feff}\u{feff}"] {
        // Like several tapes that were joined into one file.
        let text = format!("{mark}{HEADER}\n{}\n{mark}{}\n{mark}{HEADER}\n{mark}{}\n", good("A"), good("B"), good("C"));
        let finished = read(text, 4);
        assert_eq!(bought(&finished), ["A", "B", "C"], "{mark:?}");
        assert_eq!(notices(&finished), ["header_again 1"]);
    }
}

#[test]
fn other_delimiters_are_found() {
    for delimiter in ['^', '~', '\u{1}', '|', ';', '\t'] {
        let text = tape(&goods(&["A", "B"])).replace(',', &delimiter.to_string());
        assert_eq!(bought(&read(&text, 2)), ["A", "B"], "{delimiter:?}");
        let titled = format!("Loans, of May; all\n{text}");
        assert_eq!(bought(&read(titled, 2)), ["A", "B"], "{delimiter:?}");
    }
}

#[test]
fn lines_that_are_one_quoted_field_each_are_unwrapped() {
    let wrap = |line: &str| format!("\"{}\"", line.replace('"', "\"\""));
    let rows = [good("A"), loan("B", &[("loan_amount", "\"$250,000.00\"")]), good("C")];
    let text = [HEADER.to_owned()].iter().chain(&rows).map(|line| wrap(line)).collect::<Vec<_>>().join("\r\n");
    let finished = read(&text, 3);
    assert_eq!(bought(&finished), ["A", "B", "C"]);
    assert_eq!(notices(&finished), ["whole_lines_quoted 1"]);
    // A record without outer quotes is read as it is.
    let finished = read(format!("{text}\r\n{}\r\n", good("D")), 4);
    assert_eq!(bought(&finished), ["A", "B", "C", "D"]);
}

#[test]
fn white_space_around_quotation_marks_is_allowed_and_other_text_is_not() {
    let spaced = |number: &str| format!(" \"{number}\" ,\t\"250000\",{}", GOOD_CELLS.split_once(',').unwrap().1);
    let finished = read(tape(&[spaced("A"), good("B"), spaced("A")]), 3);
    assert_eq!(bought(&finished), ["A", "B"]);
    assert_eq!(reasons(&finished), ["A | duplicate_loan | A"]);
    let finished = read(tape(&[good("\"A\"x"), good("B"), good("x\"C\"")]), 3);
    assert_eq!(bought(&finished), ["B", "x\"C\""]);
}

#[test]
fn utf16_without_a_mark_is_known_by_its_zeros() {
    let text = tape(&goods(&["A", "B"]));
    for bytes in [
        text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ] {
        assert_eq!(bought(&read(bytes, 2)), ["A", "B"]);
    }
}

#[test]
fn a_quotation_mark_that_takes_loans_along_buys_nothing_of_them() {
    let header = format!("{HEADER},Notes");
    let noted = |number: &str, note: &str| format!("{},{note}", good(number));
    for end in ["\n", "\r\n", "\r"] {
        for swallowed in [1, 3] {
            let inside: Vec<String> = (0..swallowed).map(|at| noted(&format!("S{at}"), "x")).collect();
            let rows = [noted("A", "\"12 x 20"), inside.join(end), noted("B", "5\""), noted("C", "x")];
            let finished = read(format!("{header}{end}{}{end}", rows.join(end)), 2);
            assert_eq!(bought(&finished), ["C"], "{end:?} {swallowed}");
            let exception = &exceptions(&finished)[0];
            assert_eq!(told(exception, "line exception_type"), "2 | malformed_row");
            assert!(exception["message"].contains("takes along rows below"), "{exception:?}");
        }
    }
    // Quoted lines that are not loans are part of the note.
    let note = "\"paid 3 times,\nonce late\nL9,100,see file\"";
    let finished = read(format!("{header}\n{}\n{}\n", noted("A", note), noted("B", "x")), 2);
    assert_eq!(bought(&finished), ["A", "B"]);
}

#[test]
fn rows_of_any_dress_are_seen_behind_a_quotation_mark() {
    let header = format!("Loan Number,County,{}", HEADER.split_once(',').unwrap().1);
    let row = |number: &str, county: &str| format!("{number},{county},{GOOD_CELLS}");
    for number in ["1002A", "1002 B", "1002#", "AB-12/3.4", " 1002", "'1002", ""] {
        for (first, second) in [("\"Cook", "Lake\""), ("\"Smith, Al", "Doe, Jo\""), ("\"Cook", "\"\"Lake\"\" \"")] {
            for more in ["", ","] {
                let rows =
                    [row("1001", first), row(number, second), row("1003", "Will"), row("1004", "Will"), row("1005", "Will")];
                let text = format!("{header}\n{}\n", rows.map(|row| row + more).join("\n"));
                let finished = run_mapped(&text, &[]).unwrap();
                assert_eq!(bought(&finished), ["1003", "1004", "1005"], "{text}");
                assert_eq!(column(&exceptions(&finished), "exception_type")[0], "malformed_row", "{text}");
            }
        }
    }
    // The same holds where whole lines are quoted.
    let whole = |line: &str| format!("\"{}\"", line.replace('"', "\"\""));
    let joined = format!("{}\n{}", row("1001", "\"Cook"), row("1002", "Lake\""));
    let text = [header, joined, row("1003", "Will"), row("1004", "Will")].map(|line| whole(&line)).join("\n");
    assert_eq!(bought(&run_mapped(&text, &[]).unwrap()), ["1003", "1004"]);
}
