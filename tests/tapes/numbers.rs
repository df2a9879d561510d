//! How numbers are written in tapes, and which cells mean that there is none.

use super::*;

/// The appraisal value that the purchase tape shows for this text.
fn shown(text: &str) -> String {
    run_cell("appraisal_value", text).rows("purchase_tape.csv")[0]["appraisal_value"].clone()
}

#[test]
fn money_signs_commas_spaces_percent_signs_and_exponents_are_read() {
    for (text, value) in [
        ("250000", "250000"),
        ("$250,000.00", "250000"),
        ("  $ 1,234,567.5 ", "1234567.5"),
        ("1.5E+05", "150000"),
        ("1.5e5", "150000"),
        ("25E-1", "2.5"),
        ("(1,234)", "-1234"),
        ("($1,234.50)", "-1234.5"),
        ("$(1,234.50)", "-1234.5"),
        ("$ (1,234.50)", "-1234.5"),
        ("$-", "0"),
        (" $ -   ", "0"),
        ("(0.00)", "0"),
        ("-5", "-5"),
        ("-$5", "-5"),
        ("+7", "7"),
        ("007", "7"),
        (".5", "0.5"),
        ("0.000000000000000000000001", "0.000000000000000000000001"),
        ("123456789012345678901234", "123456789012345678901234"),
        ("123456789012345678901234.5", "123456789012346000000000"),
        ("97.00000000000001", "97"),
        ("=\"2\"", "2"),
    ] {
        assert_eq!(shown(text), value, "{text:?}");
    }
    for (text, value) in [("80%", "80"), ("80 %", "80"), ("(12.5)%", "-12.5"), ("(12.5 %)", "-12.5"), ("0.5 %", "0.5")] {
        let finished = run_cell("dti_ratio", text);
        assert_eq!(facts(&finished)[0]["dti_ratio"].parse::<Decimal>(), value.parse(), "{text:?}");
    }
}

#[test]
fn percent_signs_change_no_unit() {
    let cells = [("note_rate", "6.50%"), ("ltv_ratio", "80.00 %"), ("dti_ratio", " 35% ")];
    let finished = run_lines(&[loan("L1", &cells)]);
    assert_eq!(told(&finished.rows("purchase_tape.csv")[0], "note_rate ltv_ratio dti_ratio"), "6.5 | 80 | 35");
}

#[test]
fn a_negative_in_parentheses_is_judged_as_one() {
    let exception = only_exception(&run_cell("loan_amount", "(60,000)"));
    assert_eq!(told(&exception, "exception_type actual"), "loan_amount_range | -60000");
    assert!(exception["message"].contains("-$60,000.00"), "{exception:?}");
}

#[test]
fn what_is_no_number_is_an_invalid_value_that_shows_as_written() {
    let texts = "Infinity|-Infinity|inf|$|%|$%|()|1.234,56|1,23|1,2345|12,34,567|1,234,|abc|1O0|\
                 12.3.4|1 000|1e|--5|42-50|>60|#1|€5|0x10|1_000|٣|１２|1e999999999999|5\u{0}5";
    for text in texts.split('|') {
        for (field, column) in Field::NUMERIC.into_iter().map(|field| (field, field.name())) {
            let finished = run_cell(column, text);
            let exception = only_exception(&finished);
            assert_eq!(exception["exception_type"], "invalid_value", "{column} {text}");
            assert_eq!((exception["field"].as_str(), exception["actual"].as_str()), (column, text));
            assert!(exception["message"].starts_with(&format!("{} \"{text}\"", field.info().label)), "{exception:?}");
            let row = &finished.rows("rejection_report.csv")[0];
            let guard = if text.starts_with("-") { "'" } else { "" };
            assert_eq!(row[column], format!("{guard}{text}"));
            assert_eq!(row["rejection_criteria"], "notebook.invalid_value");
        }
    }
}

#[test]
fn more_digits_than_are_kept_exactly_are_an_invalid_value_that_says_so() {
    for text in ["1234567890123456789012345678901234567890", "1e40", "1e-40"] {
        let exception = only_exception(&run_cell("purchase_price", text));
        assert_eq!(exception["exception_type"], "invalid_value");
        assert!(exception["message"].contains(text) && exception["message"].contains("digits"), "{exception:?}");
    }
}

#[test]
fn words_for_missing_are_missing_in_any_case() {
    let texts = "| |NA|na|Na|N/A|n/a|NULL|null|Null|-| - |NaN|nan|NAN|#N/A|#n/a|#NV|#REF!|#DIV/0!|#NAME?|Err:502|###|########|None|none|\
                 (null)|<NA>|n.a.|nil|.|--|\\N|Not Available|not applicable";
    for text in texts.split('|') {
        for column in REQUIRED {
            let exception = only_exception(&run_cell(column, text));
            assert_eq!(exception["exception_type"], "missing_field", "{column} {text:?}");
            assert_eq!(exception["message"], format!("Required field is missing or zero: {column}"));
        }
        for (column, exception_type) in [
            ("dti_ratio", "dti_ratio"),
            ("occupancy_status", "occupancy_status"),
            ("loan_purpose", "loan_purpose"),
            ("purchase_price", "missing_purchase_price"),
            ("appraisal_value", "missing_appraisal"),
        ] {
            let exception = only_exception(&run_cell(column, text));
            assert_eq!(
                (exception["exception_type"].as_str(), exception["actual"].as_str()),
                (exception_type, "missing"),
                "{text:?}"
            );
        }
    }
}

#[test]
fn a_loan_without_a_number_shows_as_unknown() {
    for text in ["", "  ", "N/A", "null", "#N/A", "'"] {
        let finished = run_lines(&[loan(text, &[])]);
        assert_eq!(finished.rows("rejection_report.csv")[0]["seller_loan_number"], "UNKNOWN");
        assert_eq!(facts(&finished)[0]["seller_loan_number"], "UNKNOWN");
    }
}

#[test]
fn numeric_zeros_in_required_columns_are_missing() {
    for column in ["loan_amount", "note_rate", "ltv_ratio", "credit_score"] {
        for zero in ["0", "0.00", "-0", "$0.00", "0%", "0e5", "$-", "(0.00)"] {
            if zero.ends_with('%') && !column.ends_with("rate") && !column.ends_with("ratio") {
                assert_eq!(found(&run_cell(column, zero)), ["invalid_value"], "{column} {zero}");
                continue;
            }
            let exception = only_exception(&run_cell(column, zero));
            assert_eq!((exception["exception_type"].as_str(), exception["field"].as_str()), ("missing_field", column), "{zero}");
        }
    }
    assert_eq!(bought(&run_cell("dti_ratio", "0")), ["X", "GOOD", "TOO"]);
}

#[test]
fn sentinels_of_agencies_mean_missing() {
    for (column, text, exception_type) in [
        ("credit_score", "9999", "missing_field"),
        ("credit_score", "9999.0", "missing_field"),
        ("ltv_ratio", "999", "missing_field"),
        ("ltv_ratio", "999.00%", "missing_field"),
        ("ltv_ratio", "=\"999\"", "missing_field"),
        ("dti_ratio", "999", "dti_ratio"),
    ] {
        let finished = run_cell(column, text);
        let exception = only_exception(&finished);
        assert_eq!((exception["exception_type"].as_str(), exception["actual"].as_str()), (exception_type, "missing"), "{text}");
        assert_eq!(finished.rows("rejection_report.csv")[0][column], "");
    }
}

#[test]
fn sentinels_of_one_column_are_numbers_in_the_others() {
    assert_eq!(shown("9999"), "9999");
    assert_eq!(shown("999"), "999");
    for (column, text, exception_type) in [
        ("credit_score", "999", "credit_score"),
        ("ltv_ratio", "9999", "ltv_ratio"),
        ("ltv_ratio", "998.99", "ltv_ratio"),
        ("dti_ratio", "9999", "dti_ratio"),
        ("note_rate", "999", "invalid_value"),
        ("loan_amount", "9999", "loan_amount_range"),
    ] {
        let exception = only_exception(&run_cell(column, text));
        assert_eq!((exception["exception_type"].as_str(), exception["actual"].as_str()), (exception_type, text), "{column}");
    }
}

#[test]
fn the_total_balance_is_the_exact_sum_of_readable_amounts() {
    let amount = |number: &str, text: &str| loan(number, &[("loan_amount", text)]);
    let lines = [
        amount("1", "100000.10"),
        amount("2", "$100,000.20"),
        amount("3", "0.0000000000000001"),
        amount("4", "123456789012345678901234"),
        amount("5", "(50,000)"),
        amount("6", "abc"),
        amount("7", ""),
        loan("1", &[("loan_amount", "1"), ("credit_score", "bad")]),
        "9,9".to_owned(),
    ];
    assert_eq!(total_balance(&run_lines(&lines)), "123456789012345679051235.3000000000000001");
    assert_eq!(total_balance(&run_lines(&vec![amount("", "0.1"); 3_000])), "300");
}
