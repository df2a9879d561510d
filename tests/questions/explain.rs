//! One loan explained, against the exceptions that its run stored.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use shared::{
    engine::Tuning,
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionsReader, FactsReader},
    },
    phases::{
        disposition::Disposition,
        pricing::{IrrTarget, Pricing},
    },
    questions::explain::{ExplainedLoan, ExplainedRun, Why},
    rules::rule_set::RuleSet,
};

use crate::support::runs::{HEADER, run_tapes};

const RULES: &str = "[projection]\nminimum_price = 90\n[rules]\nloan_purpose = false\n[[rule]]\nname = \"low_coverage\"\n\
                     when = { documentation_type = [\"dscr\"] }\nrequire = { dscr = { min = 1.0 }, ltv_ratio = { max = 80 } }\n";

/// Explains all loans of a tape.
fn explained(rows: &[String]) -> Vec<ExplainedLoan> {
    let tape = format!("{HEADER},dscr,documentation_type\n{}\n", rows.join("\n"));
    let rules = Arc::new(RuleSet::from_toml(RULES).unwrap());
    let finished = run_tapes(&[("tape.csv", tape.as_bytes())], &rules, Tuning { threads: 1, block_bytes: 4096 }).unwrap();
    let file = |name: &str| Bytes::from(finished.files[name].clone());
    let facts = FactsReader::open(file(FACTS_FILE)).unwrap();
    let exceptions = ExceptionsReader::open(file(EXCEPTIONS_FILE)).unwrap();
    let pricing = Pricing::new(&rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2));
    let run = ExplainedRun {
        facts: &facts,
        exceptions: &exceptions,
        index: &finished.outcome.index,
        rules: &rules,
        pricing: &pricing,
        waivers: None,
    };
    assert!(run.loan(facts.rows() as u64).unwrap().is_none());
    (0..facts.rows() as u64).map(|row| run.loan(row).unwrap().unwrap()).collect()
}

fn row() -> impl Strategy<Value = String> {
    let words = |words: &'static [&'static str]| prop::sample::select(words);
    let numbers =
        (words(&["250000", "100", "9000000", "junk", ""]), words(&["6.5", "0.5", "16"]), words(&["80", "97.1", "130", "x"]));
    let others =
        (words(&["35", "51", ""]), words(&["720", "610", "900", ""]), words(&["sfr", "castle"]), words(&["primary", "x"]));
    let rest = (words(&["312500", ""]), words(&["1.25", "0.8", ""]), words(&["full", "dscr", ""]));
    (0..9_u8, numbers, others, rest).prop_map(
        |(number, (amount, rate, ltv), (dti, score, property, occupancy), (value, dscr, documents))| {
            format!(
                "L{number},{amount},{rate},{ltv},{dti},{score},{property},{occupancy},purchase,{value},312500,{dscr},{documents}"
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn failed_entries_are_the_stored_exceptions(rows in prop::collection::vec(row(), 1..12)) {
        for loan in explained(&rows) {
            let is_policy = |rule: &str| rule.starts_with("projection.");
            let failed = loan.explanation.rules.iter().filter(|entry| entry.passed == Some(false) && !is_policy(&entry.rule));
            let mut failed: Vec<_> = failed.map(|entry| (entry.rule.clone(), entry.field.clone(), entry.excess)).collect();
            let stored = loan.exceptions.iter().filter(|exception| exception.exception_type != "undetermined");
            let mut stored: Vec<_> =
                stored.map(|exception| (exception.exception_type.clone(), exception.field.clone(), exception.excess)).collect();
            failed.sort();
            stored.sort();
            prop_assert_eq!(failed, stored);
            for entry in &loan.explanation.rules {
                prop_assert_eq!(entry.passed.is_none(), entry.why.is_some());
                prop_assert!(entry.headroom.is_none() || entry.passed == Some(true));
            }
        }
    }

    #[test]
    fn a_loan_with_what_it_needs_is_not_rejected(rows in prop::collection::vec(row(), 1..12)) {
        for loan in explained(&rows) {
            let explanation = &loan.explanation;
            prop_assert_eq!(explanation.needs.is_some(), explanation.would_be.is_some());
            let has_distance = loan.exceptions.iter().filter(|one| one.severity.as_str() == "hard").all(|one| one.excess.is_some());
            prop_assert_eq!(explanation.needs.is_some(), loan.loan.disposition != Disposition::Rejected || has_distance);
            if let Some(would_be) = &explanation.would_be {
                prop_assert_ne!(would_be.disposition, Disposition::Rejected);
            }
        }
    }
}

#[test]
fn entries_say_what_a_rule_says_and_why_it_says_nothing() {
    let rows = [
        "A,250000,6.5,97.1,35,720,sfr,primary,purchase,312500,312500,,full",
        "B,250000,6.5,75,35,720,sfr,primary,purchase,312500,312500,1.25,dscr",
        "C,250000,6.5,75,35,720,sfr,primary,purchase,312500,312500,,dscr",
        "D,,6.5,75,35,720,sfr,primary,purchase,312500,312500,,full",
    ]
    .map(str::to_owned);
    let loans = explained(&rows);
    let entry = |at: usize, rule: &str, field: &str| {
        let found = loans[at].explanation.rules.iter().find(|entry| entry.rule == rule && entry.field == field).unwrap();
        let text = |number: Option<shared::decimal::Decimal>| number.map(|number| number.to_string());
        (found.passed, found.why, text(found.excess), text(found.headroom))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(entry(0, "ltv_ratio", "ltv_ratio"), (Some(false), None, some("0.1"), None));
    assert_eq!(entry(0, "credit_score", "credit_score"), (Some(true), None, None, some("100")));
    assert_eq!(entry(0, "low_coverage", "dscr"), (None, Some(Why::NotApplicable), None, None));
    assert_eq!(entry(0, "loan_purpose", "loan_purpose"), (None, Some(Why::SwitchedOff), None, None));
    assert_eq!(entry(1, "low_coverage", "dscr"), (Some(true), None, None, some("0.25")));
    assert_eq!(entry(1, "low_coverage", "ltv_ratio"), (Some(true), None, None, some("5")));
    assert_eq!(entry(2, "low_coverage", "dscr"), (None, Some(Why::Undetermined), None, None));
    assert_eq!(entry(3, "ltv_ratio", "ltv_ratio"), (None, Some(Why::NotJudged), None, None));
    assert_eq!(entry(1, "projection.minimum_price", "final_price"), (Some(true), None, None, some("6.125")));
    let need = &loans[0].explanation.needs.as_ref().unwrap()[0];
    assert_eq!(
        (need.field.as_str(), need.to.to_string(), need.change.to_string()),
        ("ltv_ratio", "97".to_owned(), "-0.1".to_owned())
    );
    assert_eq!(need.text, "LTV at most 97.00 %, now 97.10 %");
    assert_eq!((&loans[3].explanation.needs, &loans[3].explanation.would_be), (&None, &None));
}
