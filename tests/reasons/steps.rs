//! Reasons of tapes that were written by hand.

use shared::results::summary::Reason;

use super::*;
use crate::support::tape_rows::{good, loan, tape};

fn run(lines: &[String], rules: &RuleSet) -> Finished {
    run_tapes(&[("tape.csv", tape(lines).as_bytes())], rules, SMALL).unwrap()
}

fn reason<'r>(reasons: &'r [Reason], name: &str) -> &'r Reason {
    reasons.iter().find(|reason| reason.exception_type == name).unwrap_or_else(|| panic!("{name}: {reasons:?}"))
}

/// Loans at each step.
fn steps(reason: &Reason) -> Vec<(String, u64)> {
    reason.by_distance.iter().map(|step| (step.up_to.to_string(), step.loans)).collect()
}

#[test]
fn by_distance_counts_each_loan_from_its_step_on() {
    let lines = [
        good("1"),
        loan("2", &[("ltv_ratio", "97.5")]),
        loan("3", &[("ltv_ratio", "97.51")]),
        loan("4", &[("ltv_ratio", "107.01")]),
        loan("5", &[("ltv_ratio", "98"), ("credit_score", "600")]),
    ];
    let reasons = run(&lines, RuleSet::built_in()).outcome.summary.reasons();
    let ltv = reason(&reasons.reasons, "ltv_ratio");
    assert_eq!((ltv.exceptions, ltv.loans, ltv.only_reason.loans), (4, 4, 3));
    let expected = [("0.5", 1), ("1", 2), ("2", 2), ("3", 2), ("5", 2), ("10", 2)];
    assert_eq!(steps(ltv), expected.map(|(up_to, loans)| (up_to.to_owned(), loans)));
    assert_eq!(ltv.balance.to_text(0), "1000000");
    let score = reason(&reasons.reasons, "credit_score");
    assert_eq!((score.loans, score.only_reason.loans), (1, 0));
    assert_eq!(reasons.pairs[0].types, ["credit_score", "ltv_ratio"]);
    assert_eq!(reasons.pairs[0].loans, 1);
}

#[test]
fn amounts_count_in_percent_of_their_limit_and_words_have_no_steps() {
    let lines = [
        good("1"),
        loan("2", &[("loan_amount", "5050000")]),
        loan("3", &[("loan_amount", "5050001")]),
        loan("4", &[("property_type", "castle")]),
        loan("5", &[("loan_purpose", "")]),
    ];
    let reasons = run(&lines, RuleSet::built_in()).outcome.summary.reasons().reasons;
    assert_eq!(steps(reason(&reasons, "loan_amount_range"))[..2], [("1".to_owned(), 1), ("2".to_owned(), 2)]);
    assert!(reason(&reasons, "property_type").by_distance.is_empty());
    assert_eq!(reason(&reasons, "property_type").only_reason.loans, 1);
}

#[test]
fn soft_exceptions_reject_no_loan() {
    let lines = [good("1"), loan("2", &[("appraisal_value", "")])];
    let reasons = run(&lines, RuleSet::built_in()).outcome.summary.reasons().reasons;
    let appraisal = reason(&reasons, "missing_appraisal");
    assert_eq!((appraisal.loans, appraisal.only_reason.loans), (1, 0));
    assert_eq!(appraisal.only_reason.balance.to_text(0), "0");
}

#[test]
fn a_loan_counts_under_each_policy_that_holds_it() {
    let lines = [good("1"), loan("2", &[("note_rate", "1.5"), ("appraisal_value", "")])];
    let held = run(&lines, &cautious()).outcome.summary.reasons().held;
    let held: Vec<_> = held.iter().map(|held| (held.policy.as_str(), held.loans, held.reason.as_str())).collect();
    assert_eq!(
        held,
        [
            ("minimum_price", 2, "price 96.1250 is below the minimum 97.5000"),
            ("minimum_spread", 1, "pricing spread -6.5500 is below the minimum -2.5000"),
            ("hold_on_soft_exceptions", 1, "soft exceptions: missing_appraisal"),
        ]
    );
}

#[test]
fn a_sample_names_the_row_of_its_loan_in_the_run() {
    let (one, two) = (tape(&[good("1"), good("2")]), tape(&[good("3"), loan("4", &[("credit_score", "600")])]));
    let tapes = [("one.csv", one.as_bytes()), ("two.csv", two.as_bytes())];
    let finished = run_tapes(&tapes, RuleSet::built_in(), SMALL).unwrap();
    let samples = finished.outcome.samples();
    let sample = &samples[0].exceptions[0];
    assert_eq!((sample.row, sample.line, sample.source_file.as_str()), (3, 3, "two.csv"));
    assert_eq!((sample.seller_loan_number.as_str(), samples[0].exception_type.as_str()), ("4", "credit_score"));
}
