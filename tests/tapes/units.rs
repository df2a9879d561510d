//! Percentages and fractions: the unit of a column.

use super::*;

const FRACTIONS: [(&str, &str); 3] = [("note_rate", "0.0675"), ("ltv_ratio", "0.97"), ("dti_ratio", "0.355")];

#[test]
fn fractions_are_multiplied_by_100_exactly() {
    let long = [("note_rate", "0.0675"), ("ltv_ratio", "0.800000011920929"), ("dti_ratio", "0.07")];
    let finished = run_lines(&[loan("L1", &FRACTIONS), loan("L2", &long)]);
    for field in [Field::NoteRate, Field::LtvRatio, Field::DtiRatio] {
        assert_eq!(unit(&finished, field), Some(ColumnUnit::Fraction));
    }
    let rows = finished.rows("purchase_tape.csv");
    let names = "note_rate ltv_ratio dti_ratio pricing_spread";
    assert_eq!(told(&rows[0], names), "6.75 | 97 | 35.5 | -1.3000");
    assert_eq!(told(&rows[1], names), "6.75 | 80.0000011920929 | 7 | -1.3000");
}

#[test]
fn the_unit_is_part_of_the_run_record() {
    let finished = run_lines(&[loan("L1", &[("ltv_ratio", "0.8")])]);
    let units = [Field::NoteRate, Field::LtvRatio, Field::DtiRatio, Field::LoanAmount, Field::CreditScore];
    let expected = [Some(ColumnUnit::Percent), Some(ColumnUnit::Fraction), Some(ColumnUnit::Percent), None, None];
    assert_eq!(units.map(|field| unit(&finished, field)), expected);
}

#[test]
fn bounds_of_fractions_are_inclusive() {
    for (column, field, text, expected) in [
        ("ltv_ratio", Field::LtvRatio, "1.5", ColumnUnit::Fraction),
        ("ltv_ratio", Field::LtvRatio, "1.500001", ColumnUnit::Percent),
        ("dti_ratio", Field::DtiRatio, "1.5", ColumnUnit::Fraction),
        ("dti_ratio", Field::DtiRatio, "1.51", ColumnUnit::Percent),
        ("note_rate", Field::NoteRate, "0.5", ColumnUnit::Fraction),
        ("note_rate", Field::NoteRate, "0.500001", ColumnUnit::Percent),
        ("ltv_ratio", Field::LtvRatio, "-0.8", ColumnUnit::Percent),
    ] {
        assert_eq!(unit(&run_lines(&[loan("L1", &[(column, text)])]), field), Some(expected), "{column} {text}");
    }
    let exception = only_exception(&run_lines(&[loan("L1", &[("ltv_ratio", "1.5")])]));
    assert_eq!((exception["actual"].as_str(), exception["excess"].as_str()), ("150", "53"));
}

#[test]
fn zeros_missing_and_sentinels_say_nothing_about_the_unit() {
    let dti = |number: &str, text: &str| loan(number, &[("dti_ratio", text)]);
    let finished = run_lines(&[dti("1", "0"), dti("2", "0.00"), dti("3", ""), dti("4", "NA"), dti("5", "999"), dti("6", "0.45")]);
    assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Fraction));
    assert_eq!(bought(&finished), ["1", "2", "6"]);
    assert_eq!(column(&finished.rows("purchase_tape.csv"), "dti_ratio"), ["0", "0", "45"]);
    let finished = run_lines(&[dti("1", "0"), dti("2", "NA")]);
    assert_eq!((unit(&finished, Field::DtiRatio), bought(&finished)), (Some(ColumnUnit::Percent), vec!["1".to_owned()]));
}

/// A run of a tape whose DTI column has `count` times one value, then these values.
fn many(count: usize, text: &str, then: &[&str]) -> Finished {
    let texts = std::iter::repeat_n(text, count).chain(then.iter().copied());
    let lines: Vec<String> = texts.enumerate().map(|(at, text)| loan(&format!("L{at}"), &[("dti_ratio", text)])).collect();
    run_lines(&lines)
}

#[test]
fn a_unit_is_decided_by_the_first_thousand_values() {
    let finished = many(1_000, "0.35", &["35"]);
    assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Fraction));
    assert_eq!(bought(&finished).len(), 1_000);
    assert_eq!(only_exception(&finished)["seller_loan_number"], "L1000");
    let finished = many(501, "0.35", &["35"; 2_000]);
    assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Fraction));
    assert_eq!((bought(&finished).len(), found(&finished).len()), (501, 2_000));
    let finished = many(499, "0.35", &["35"; 501]);
    assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Percent));
    assert_eq!((bought(&finished).len(), found(&finished).len()), (501, 499));
    // Values that say nothing about the unit do not count among the thousand.
    let finished = many(499, "0.35", &[&["0", "", "999", "NA", "35%"][..], &["35"; 501]].concat());
    assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Percent));
    let texts = std::iter::repeat_n("0.35", 500).chain(std::iter::repeat_n("35", 600));
    let lines: Vec<String> = texts.enumerate().map(|(at, text)| loan(&format!("L{at}"), &[("dti_ratio", text)])).collect();
    let error = refused(tape(&lines));
    assert_eq!((error.code, error.line), (RunErrorCode::MixedUnits, Some(502)));
    let finished = many(5_000, "0", &["0.35"]);
    assert_eq!((unit(&finished, Field::DtiRatio), bought(&finished).len()), (Some(ColumnUnit::Fraction), 5_001));
}

#[test]
fn cells_that_contradict_their_column_are_invalid_values_that_say_so() {
    for (column, decides, text, parts) in [
        ("ltv_ratio", "0.8", "80", ["80", "fractions", "5"]),
        ("ltv_ratio", "0.8", "5", ["5", "fractions", "5"]),
        ("dti_ratio", "0.35", "35", ["35", "fractions", "5"]),
        ("note_rate", "0.065", "6.5", ["6.5", "fractions", "1"]),
        ("note_rate", "0.065", "1", ["1", "fractions", "1"]),
        ("ltv_ratio", "80", "0.8", ["0.8", "percentages", "1.5"]),
        ("ltv_ratio", "80", "1.5", ["1.5", "percentages", "1.5"]),
        ("ltv_ratio", "80", "1.62", ["1.62", "percentages", "162 %"]),
        ("ltv_ratio", "80", "4.99", ["4.99", "percentages", "499 %"]),
        ("dti_ratio", "35", "0.01", ["0.01", "percentages", "1.5"]),
        ("note_rate", "6.5", "0.5", ["0.5", "percentages", "0.5"]),
    ] {
        let lines: Vec<String> = (0..2).map(|at| loan(&at.to_string(), &[(column, decides)])).collect();
        let finished = run_lines(&[lines.as_slice(), &[loan("X", &[(column, text)])]].concat());
        let exception = only_exception(&finished);
        let expected = format!("X | invalid_value | {column} | {text}");
        assert_eq!(told(&exception, "seller_loan_number exception_type field actual"), expected);
        assert!(parts.iter().all(|part| exception["message"].contains(part)), "{exception:?}");
        assert_eq!(finished.rows("rejection_report.csv")[0][column], text);
    }
}

#[test]
fn values_just_beyond_the_bound_contradict_nothing() {
    for (column, text) in
        [("ltv_ratio", "5"), ("dti_ratio", "1.51"), ("dti_ratio", "0"), ("note_rate", "0.51"), ("dti_ratio", "0.5%")]
    {
        assert!(bought(&run_cell(column, text)).contains(&"X".to_owned()), "{column} {text}");
    }
    // In a column of fractions, every value below the range of percentages is a fraction.
    for (column, decides, text) in [("dti_ratio", "0.35", "1.51"), ("dti_ratio", "0.35", "35%"), ("note_rate", "0.065", "0.2")] {
        let lines = [loan("A", &[(column, decides)]), loan("B", &[(column, decides)]), loan("X", &[(column, text)])];
        assert!(!found(&run_lines(&lines)).contains(&"invalid_value".to_owned()), "{column} {text}");
    }
}

#[test]
fn columns_and_tapes_decide_for_themselves() {
    let (percent, fraction) = (tape(&[good("L1")]), tape(&[loan("L2", &FRACTIONS)]));
    let tapes = [("a.csv", percent.as_bytes()), ("b.csv", fraction.as_bytes())];
    let finished = run_tapes(&tapes, RuleSet::built_in(), TUNING).unwrap();
    assert_eq!(column(&finished.rows("purchase_tape.csv"), "ltv_ratio"), ["80", "97"]);
    let unit = |at: usize| finished.outcome.mappings[at].columns[3].unit;
    assert_eq!((unit(0), unit(1)), (Some(ColumnUnit::Percent), Some(ColumnUnit::Fraction)));
}

#[test]
fn rows_that_cannot_be_read_have_no_say() {
    let finished = run_lines(&["X,250000,6.5,80,35".to_owned(), loan("L1", &FRACTIONS)]);
    assert_eq!(unit(&finished, Field::LtvRatio), Some(ColumnUnit::Fraction));
}

#[test]
fn a_rule_set_may_accept_small_percentages() {
    let lines = [loan("X", &[("dti_ratio", "0.53")]), good("GOOD"), good("TOO")];
    assert_eq!(bought(&run_with_rules(&lines, "")), ["GOOD", "TOO"]);
    let finished = run_with_rules(&lines, "[units]\naccept_small_percentages = true");
    assert_eq!(column(&finished.rows("purchase_tape.csv"), "dti_ratio"), ["0.53", "35", "35"]);
}
