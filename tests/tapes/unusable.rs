//! Tapes that cannot be used.

use super::*;

#[test]
fn a_tape_without_anything_is_empty() {
    for bytes in ["", "\n", "\r\n\r\n", "   \n\t\n", "\u{feff}", "\u{feff}\r\n", &"\n".repeat(1_000)] {
        let error = refused(bytes);
        assert_eq!((error.code, error.line), (RunErrorCode::EmptyTape, None), "{bytes:?}");
        assert!(error.message.contains("with a header row and a row per loan"), "{error}");
    }
}

#[test]
fn a_header_without_loans_is_no_tape() {
    for end in ["", "\n", "\r\n", "\n\n\n", "\n,,,,,,,,,,\n", "\r\n   \r\n\"\",,,,,,,,,,"] {
        let error = refused(format!("Title\n{HEADER}{end}"));
        assert_eq!((error.code, error.line), (RunErrorCode::NoDataRows, Some(2)), "{end:?}");
        assert!(error.message.contains("row per loan"), "{error}");
    }
}

#[test]
fn a_tape_without_a_header_row_says_which_columns_to_name() {
    for text in
        [good("L1") + "\n", good("L1"), "Dear buyer,\nplease find attached\n".into(), "\"\"\"\"".into(), "\"".into(), "x".into()]
    {
        let error = refused(&text);
        assert_eq!((error.code, error.line), (RunErrorCode::NoHeader, None), "{text}");
        assert!(REQUIRED.iter().all(|column| error.message.contains(column)), "{error}");
    }
}

#[test]
fn an_absent_required_column_is_named_with_the_line_of_the_header() {
    for column in REQUIRED {
        let header = HEADER.split(',').map(|name| if name == column { "County" } else { name }).collect::<Vec<_>>().join(",");
        let error = refused(format!("Title\n\n{header}\n{}\n", good("L1")));
        assert_eq!((error.code, error.line), (RunErrorCode::MissingColumns, Some(3)), "{error}");
        assert!(error.message.contains(&format!("column {column} is missing")) && error.message.contains("Add it"), "{error}");
    }
    let error = refused("Loan #,UPB,Prop Type\n1,2,sfr\n");
    assert!(error.message.contains("note_rate, ltv_ratio, credit_score"), "{error}");
}

#[test]
fn columns_that_are_not_required_may_be_absent() {
    let finished = run_tape("Loan #,UPB,Rate,LTV,FICO,Prop Type\nL1,250000,6.5,80,720,sfr\n").unwrap();
    let expected = ["dti_ratio", "occupancy_status", "loan_purpose", "missing_purchase_price", "missing_appraisal"];
    assert_eq!(found(&finished), expected);
}

#[test]
fn files_that_are_no_tapes_say_what_to_send() {
    for (bytes, kind) in [
        (&b"%PDF-1.7\n"[..], "a PDF document"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\x1f\x8b\x08\x00tape", "a gzip archive"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "a ZIP archive"),
        (b"{\"loans\": [{\"loan_amount\": 1}]}\n", "a JSON file"),
        (b"<!doctype html>\n<title>Loans</title>", "a web page"),
    ] {
        let error = refused(bytes);
        assert_eq!((error.code, error.line), (RunErrorCode::NotATape, None), "{kind}");
        let sentence = format!("The file is {kind}, not a tape. A tape is a CSV file or an Excel workbook (.xlsx)");
        assert!(error.message.starts_with(&sentence), "{error}");
    }
}

#[test]
fn a_title_that_begins_as_another_kind_of_text_is_no_hindrance() {
    for title in ["[\"Portfolio\"]", "<html>", "{}", "<?xml?>"] {
        assert_eq!(bought(&run_tape(format!("{title}\n{}", tape(&[good("L1")]))).unwrap()), ["L1"], "{title}");
    }
}

#[test]
fn a_tape_whose_lines_end_in_lone_returns_is_a_tape() {
    let backwards = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
    let lines = |loans: usize| (0..loans).map(|at| good(&format!("L{at}"))).collect::<Vec<_>>();
    for (name, text, loans) in [
        ("two loans", tape(&lines(2)), 2),
        ("a title", format!("Portfolio of May\n\n{}", tape(&lines(2))), 2),
        ("a required column at the end", [vec![backwards(HEADER)], vec![backwards(&good("L1")); 2]].concat().join("\n"), 1),
        ("more cells than columns may be", tape(&lines(2_000)), 2_000),
        ("more bytes than a row may have", tape(&lines(80_000)), 80_000),
    ] {
        let finished = run_tape(text.replace('\n', "\r")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(bought(&finished).len(), loans, "{name}");
    }
}

#[test]
fn a_lone_return_inside_a_quoted_header_is_a_space() {
    let finished = run_tape(format!("{},\"See\rnote\"\n{},x\n", HEADER.replace("loan_amount", "\"Loan\rAmount\""), good("L1")));
    assert_eq!(bought(&finished.unwrap_or_else(|error| panic!("{error}"))), ["L1"]);
}

#[test]
fn the_error_is_what_the_run_shows() {
    let error = serde_json::to_value(refused(format!("{HEADER}\n"))).unwrap();
    assert_eq!((&error["phase"], &error["code"]), (&"ingest".into(), &"no_data_rows".into()));
    assert_eq!((&error["source_file"], &error["line"]), (&"tape.csv".into(), &1.into()));
    let error = serde_json::to_value(refused("")).unwrap();
    assert_eq!((&error["code"], error.get("line")), (&"empty_tape".into(), None));
}

#[test]
fn one_unusable_tape_fails_the_run_and_is_named() {
    let fine = tape(&[good("L1")]);
    for (bytes, code) in [("", RunErrorCode::EmptyTape), (HEADER, RunErrorCode::NoDataRows), ("x\n", RunErrorCode::NoHeader)] {
        for at in 0..3 {
            let names = ["a.csv", "b/tape.csv", "c.csv"];
            let tapes: Vec<_> = (0..3).map(|n| (names[n], if n == at { bytes } else { &fine }.as_bytes())).collect();
            let Err(error) = run_tapes(&tapes, RuleSet::built_in(), TUNING) else { panic!("{code:?} at {at}") };
            assert_eq!((error.code, error.source_file.as_deref()), (code, Some(names[at])));
        }
    }
}
