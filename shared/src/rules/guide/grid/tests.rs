//! The cell grammar, and axes that tile.

use proptest::prelude::*;

use super::{
    axis::{Axis, AxisPlace, tile},
    cell::{BandForm, CellResult, CellTest, cell_result, cell_test},
};
use crate::{
    decimal::Decimal,
    loan::Field,
    rules::guide::field::{TestedField, number},
};

const SCORE: TestedField = TestedField::Loan(Field::CreditScore);
const LTV: TestedField = TestedField::Loan(Field::LtvRatio);
const AMOUNT: TestedField = TestedField::Loan(Field::LoanAmount);
const STATE: TestedField = TestedField::Loan(Field::PropertyState);
const PURPOSE: TestedField = TestedField::Loan(Field::LoanPurpose);
const OCCUPANCY: TestedField = TestedField::Loan(Field::OccupancyStatus);

/// A test in short form: `[620..639]`, `a, b`, `*`.
fn short(field: TestedField, text: &str) -> String {
    match cell_test(&field, text) {
        Err(message) => format!("! {message}"),
        Ok(CellTest::Anything) => "*".to_owned(),
        Ok(CellTest::Numbers { numbers, not }) => format!("{}{numbers:?}", if not { "not " } else { "" }).replace("Decimal", ""),
        Ok(CellTest::Words { bits, not }) => {
            let words = field.words().unwrap();
            let named: Vec<&str> = (0..64).filter(|code| bits >> code & 1 == 1).map(|code| words.word(code)).collect();
            format!("{}{}", if not { "not " } else { "" }, named.join(", "))
        }
        Ok(CellTest::Band { low, high, form }) => {
            let low = low.map(|end| format!("{}{}", if end.inclusive { "[" } else { "(" }, end.number.value));
            let high = high.map(|end| format!("{}{}", end.number.value, if end.inclusive { "]" } else { ")" }));
            let dash = if form == BandForm::Dash { " dash" } else { "" };
            format!("{}..{}{dash}", low.unwrap_or_default(), high.unwrap_or_default())
        }
    }
}

#[test]
fn each_form_of_a_cell_says_what_the_grammar_says() {
    for (field, text, expected) in [
        (SCORE, "", "*"),
        (SCORE, "*", "*"),
        (SCORE, "620", "[620..620]"),
        (SCORE, ">= 620", "[620.."),
        (SCORE, "≥620", "[620.."),
        (SCORE, "> 620", "(620.."),
        (SCORE, "<= 80", "..80]"),
        (SCORE, "≤ 80", "..80]"),
        (SCORE, "< 80", "..80)"),
        (SCORE, "620+", "[620.."),
        (SCORE, "620-639", "[620..639] dash"),
        (SCORE, "620 – 639", "[620..639] dash"),
        (SCORE, "620 to 639", "[620..639] dash"),
        (SCORE, "620 TO 639", "[620..639] dash"),
        (SCORE, "620..639", "[620..639] dash"),
        (SCORE, "[620..639]", "[620..639]"),
        (LTV, "(60..70]", "(60..70]"),
        (LTV, "[ 60 .. 70 )", "[60..70)"),
        (LTV, "60.01% - 70.00%", "[60.01..70] dash"),
        (LTV, "0.5%", "[0.5..0.5]"),
        (AMOUNT, "$1,500,000", "[1500000..1500000]"),
        (AMOUNT, "<= 1,500,000.50", "..1500000.5]"),
        (AMOUNT, "≤ 1.5M", "..1500000]"),
        (AMOUNT, "1.0m+", "[1000000.."),
        (AMOUNT, "$500,000 - $1.0M", "[500000..1000000] dash"),
        (AMOUNT, "-5 - -1", "[-5..-1] dash"),
        (STATE, "FL", "FL"),
        (STATE, "florida", "FL"),
        (STATE, "fl, New York", "FL, NY"),
        (STATE, "not FL, TX", "not FL, TX"),
        (STATE, "NOT fl", "not FL"),
        (PURPOSE, "Cash-Out Refi", "cash_out_refinance"),
        (OCCUPANCY, "Not primary", "not primary"),
    ] {
        assert_eq!(short(field, text), expected, "{text}");
    }
    let numbers = |text: &str| cell_test(&SCORE, text);
    let decimals = |values: &[i64]| values.iter().copied().map(Decimal::from_integer).collect::<Vec<_>>();
    assert_eq!(numbers("1, 250, 1,250"), Ok(CellTest::Numbers { numbers: decimals(&[1, 250, 1_250]), not: false }));
    assert_eq!(numbers("not 2, 1"), Ok(CellTest::Numbers { numbers: decimals(&[1, 2]), not: true }));
}

#[test]
fn a_cell_outside_the_grammar_says_how_to_mend_it() {
    for (field, text, part) in [
        (SCORE, "8O", "\"8O\" is no number of credit_score; write 620"),
        (SCORE, "1,25", "a comma stands before exactly three digits"),
        (SCORE, "1,2500", "a comma stands before"),
        (SCORE, "0,250", "a comma stands before"),
        (LTV, "80,500", "write a decimal comma as a point"),
        (SCORE, "(620)", "between brackets write two dots"),
        (SCORE, "[620-639]", "between brackets write two dots"),
        (SCORE, "> 620 < 700", "is no number"),
        (SCORE, "639-620", "turned around"),
        (SCORE, "1e3", "is no number"),
        (SCORE, "620.", "is no number"),
        (SCORE, "1.0M", "is no number"),
        (SCORE, "0.1234567", "more than 6 decimals"),
        (SCORE, "2026-02-04", "is a date or a time"),
        (SCORE, "4-Mar", "is a date or a time"),
        (SCORE, "12:30:00", "is a date or a time"),
        (SCORE, "#REF!", "is the error of a formula"),
        (SCORE, "not", "is no number"),
        (AMOUNT, "500M", "is no number"),
        (LTV, "0.8", "0.80 of ltv_ratio means 0.8 %: write 80, or 0.8% if it is meant"),
        (LTV, "0.01-60", "means 0.01 %"),
        (STATE, "Atlantis", "\"Atlantis\" is no word of property_state"),
        (STATE, "FL,NY", "in a list, a space follows each comma"),
        (STATE, "#N/A", "is the error of a formula"),
        (OCCUPANCY, "not owner occupied", "may be the word investment or all words but one"),
    ] {
        let message = cell_test(&field, text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn a_result_is_a_number_of_four_decimals_or_refuses() {
    let points = |text: &str| cell_result(None, text);
    let micros = |micros| Ok(CellResult::Number(Decimal::from_micros(micros)));
    for (text, expected) in [
        ("0.375", micros(375_000)),
        ("0.375%", micros(375_000)),
        ("(0.375)", micros(-375_000)),
        ("( 0.375 )", micros(-375_000)),
        ("-0.0625", micros(-62_500)),
        ("–0.25", micros(-250_000)),
        ("+1", micros(1_000_000)),
        ("1.12500", micros(1_125_000)),
        (".5", micros(500_000)),
        ("", Ok(CellResult::Nothing)),
        ("NA", Ok(CellResult::Refused)),
        ("n/a", Ok(CellResult::Refused)),
        ("-", Ok(CellResult::Refused)),
        ("–", Ok(CellResult::Refused)),
        ("x", Ok(CellResult::Refused)),
        ("Not  Eligible", Ok(CellResult::Refused)),
    ] {
        assert_eq!(points(text), expected, "{text}");
    }
    for (text, part) in [
        ("0.03125", "more than 4 decimals"),
        ("(-0.5)", "no number of points"),
        ("+-1", "no number of points"),
        ("none", "no number of points"),
        ("0,375", "write a decimal comma as a point"),
        ("1,250", "write a decimal comma as a point"),
        ("1000.0001", "more than 1,000 points"),
        ("#N/A", "the error of a formula"),
    ] {
        let message = points(text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
    }
    assert_eq!(cell_result(Some(&LTV), "80.00%"), micros(80_000_000));
    assert!(cell_result(Some(&LTV), "0.8").unwrap_err().contains("write 80"));
    assert!(cell_result(Some(&AMOUNT), "(5)").is_err());
}

/// Headings of an axis that leaves no value out: bands from cut to cut, with open ends, in any order.
fn axis() -> impl Strategy<Value = (Vec<String>, bool)> {
    let cuts = prop::collection::btree_set(100_i64..9_000, 1..8);
    (cuts, prop::collection::vec(0_usize..6, 9), any::<bool>(), any::<u64>()).prop_map(|(cuts, forms, upper, seed)| {
        let shown = |cut: i64| Decimal::from_micros(cut * 10_000).with_min_decimals(2);
        let cuts: Vec<i64> = cuts.into_iter().map(|cut| cut * 3).collect();
        let mut headings = Vec::new();
        for (at, form) in forms.iter().enumerate().take(cuts.len() + 1) {
            let low = at.checked_sub(1).map(|at| cuts[at]);
            let high = cuts.get(at).copied();
            // With upper ends, a band may be written to begin one step above the end of the band below.
            let step = i64::from(form % 2 == 0);
            headings.push(match (low, high, form / 2) {
                (None, Some(high), _) => format!("{} {}", if upper { "<=" } else { "<" }, shown(high)),
                (Some(low), None, _) => format!("{} {}", if upper { ">" } else { ">=" }, shown(low)),
                (Some(low), Some(high), 0) if upper => format!("({}..{}]", shown(low), shown(high)),
                (Some(low), Some(high), 0) => format!("[{}..{})", shown(low), shown(high)),
                (Some(low), Some(high), 1) if upper => format!("{}-{}", shown(low + step), shown(high)),
                (Some(low), Some(high), 1) => format!("{} to {}", shown(low), shown(high - step)),
                (Some(low), Some(high), _) => format!("{}–{}", shown(low), shown(high)),
                (None, None, _) => "*".to_owned(),
            });
        }
        let count = headings.len();
        headings.rotate_left((seed % count as u64) as usize);
        if seed % 2 == 0 {
            headings.reverse();
        }
        (headings, upper)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_has_exactly_one_home((headings, upper) in axis(), values in prop::collection::vec(0_i64..300_000_000, 20)) {
        let tests: Vec<CellTest> = headings.iter().map(|heading| cell_test(&AMOUNT, heading).unwrap()).collect();
        let bands = tile(&tests, upper).unwrap_or_else(|clashes| panic!("{headings:?} {clashes:?}"));
        let axis = Axis::new(0, &AMOUNT, &tests, upper).unwrap();
        let at_ends = bands.iter().flat_map(|band| [band.least.saturating_sub(1), band.least, band.most, band.most.saturating_add(1)]);
        let values: Vec<i64> = values.into_iter().map(|micros| number(Decimal::from_micros(micros))).chain(at_ends).collect();
        for value in values.into_iter().filter(|value| *value > i64::MIN) {
            let homes: Vec<usize> = bands.iter().filter(|band| band.least <= value && value <= band.most).map(|band| band.heading).collect();
            prop_assert_eq!(homes.len(), 1, "{:?} {} {:?}", headings, value, homes);
            prop_assert_eq!(axis.place_of(value), AxisPlace::Heading(homes[0]));
        }
    }
}
