//! Runs with waivers: what a waived exception still counts for, and what it no longer does.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use shared::{
    engine::Tuning,
    facts::read::{ExceptionFilter, ExceptionRow, ExceptionsReader, FactFilter, FactsReader},
    phases::disposition::Disposition,
    rules::rule_set::RuleSetFile,
};

use super::*;
use crate::support::runs::{GOOD_CELLS, HEADER};

const ONE: Tuning = Tuning { threads: 1, block_bytes: 1 << 20 };

/// A loan of each kind: good, with too high an LTV, with a high LTV and a low score, without an appraisal.
fn tape() -> String {
    let rows = [
        ("L-1", GOOD_CELLS.to_owned()),
        ("L-2", GOOD_CELLS.replace(",80,", ",97.8,")),
        ("L-3", GOOD_CELLS.replace(",80,", ",97.8,").replace(",720,", ",500,")),
        ("L-4", GOOD_CELLS.replace(",312500,312500", ",312500,")),
        ("L-5", GOOD_CELLS.replace(",80,", ",,")),
    ];
    rows.iter().fold(format!("{HEADER}\n"), |tape, (number, cells)| format!("{tape}{number},{cells}\n"))
}

fn exceptions(files: &Files, outcome: &Outcome) -> Vec<ExceptionRow> {
    let reader = ExceptionsReader::open(bytes::Bytes::from(files["exceptions.parquet"].clone())).unwrap();
    reader.page(&outcome.index, &ExceptionFilter::default(), 0, 100_000).unwrap()
}

/// Number and disposition of each loan, with its price.
fn loans(files: &Files, outcome: &Outcome) -> Vec<(String, Disposition, Option<String>)> {
    let reader = FactsReader::open(bytes::Bytes::from(files["facts.parquet"].clone())).unwrap();
    let page = reader.page(&outcome.index, &FactFilter::default(), 0, 100_000).unwrap();
    page.into_iter()
        .map(|fact| (fact.seller_loan_number, fact.disposition, fact.final_price.map(|price| price.to_string())))
        .collect()
}

fn summary(outcome: &Outcome) -> Value {
    serde_json::to_value(outcome.summary.finish()).unwrap()
}

fn text(files: &Files, name: &str) -> String {
    String::from_utf8(files[name].clone()).unwrap()
}

#[test]
fn a_waived_exception_is_listed_and_neither_rejects_nor_counts_by_type() {
    let rules = RuleSet::built_in();
    let given = waivers(
        "L-2,ltv_ratio,12 months of reserves,J. Doe,2026-02-02\nL-3,ltv_ratio,same,J. Doe,2026-12-31\n\
         L-4,missing_appraisal,ordered,J. Doe,2026-12-31\nL-5,ltv_ratio,no,J. Doe,2026-12-31\nL-1,ltv_ratio,no,J. Doe,2026-12-31\n\
         L-9,dti_ratio,gone,J. Doe,2026-12-31\n",
        rules,
    );
    let (files, outcome) = made(&tape(), rules, Some(&given), ONE, None);
    let bought: Vec<_> = loans(&files, &outcome).into_iter().map(|(_, disposition, price)| (disposition, price)).collect();
    let price = || Some("96.125".to_owned());
    let expected = [
        (Disposition::ToPurchase, price()),
        (Disposition::ToPurchase, price()),
        (Disposition::Rejected, None),
        (Disposition::ToPurchase, price()),
        (Disposition::Rejected, None),
    ];
    assert_eq!(bought, expected);
    let listed: Vec<_> = exceptions(&files, &outcome)
        .into_iter()
        .map(|row| (row.seller_loan_number, row.exception_type, row.severity.as_str(), row.waived.map(|waived| waived.reason)))
        .collect();
    let is = |number: &str, kind: &str, severity, reason: Option<&str>| {
        (number.to_owned(), kind.to_owned(), severity, reason.map(str::to_owned))
    };
    let expected = [
        is("L-2", "ltv_ratio", "hard", Some("12 months of reserves")),
        is("L-3", "ltv_ratio", "hard", Some("same")),
        is("L-3", "credit_score", "hard", None),
        is("L-4", "missing_appraisal", "soft", Some("ordered")),
        is("L-5", "missing_field", "hard", None),
    ];
    assert_eq!(listed, expected);
    let summary = summary(&outcome);
    assert_eq!(summary["exceptions_count"], 5);
    let checks = &summary["eligibility_checks"];
    assert_eq!((&checks["waived"], &checks["eligible"], &checks["rejected"]), (&3.into(), &3.into(), &2.into()));
    assert_eq!(checks["exceptions_by_type"], json!({"credit_score": 1, "missing_field": 1}));
    assert_eq!(checks["exceptions_by_severity"], json!({"hard": 2}));
    assert_eq!(checks["exceptions_by_category"], json!({"credit": 1, "data_quality": 1}));
    let unused =
        |line: u64, number: &str, kind: &str| json!({"line": line, "seller_loan_number": number, "exception_type": kind});
    let first = [unused(5, "L-5", "ltv_ratio"), unused(6, "L-1", "ltv_ratio"), unused(7, "L-9", "dti_ratio")];
    assert_eq!(summary["unused_waivers"], json!({"count": 3, "first": first}));
    let report = text(&files, "rejection_report.csv");
    assert!(report.lines().count() == 3 && !report.contains("ltv_ratio,hard"), "{report}");
    let found = text(&files, "exception_summary.csv");
    assert!(found.lines().count() == 3 && !found.contains("\nltv_ratio,"), "{found}");
}

#[test]
fn an_expired_waiver_is_not_honoured_and_reported_once() {
    let both = "programs = [\"a.toml\", \"b.toml\"]\n";
    let mut file = RuleSetFile::new("both.toml", both.to_owned());
    file.files.insert("a.toml", *b"name = \"a\"\n");
    file.files.insert("b.toml", *b"name = \"b\"\n[limits]\nltv_ratio = { max = 90 }\n");
    for rules in [RuleSet::built_in().clone(), file.rules().unwrap()] {
        let given = waivers("L-2,ltv_ratio,why,J. Doe,2026-02-01\nL-1,ltv_ratio,why,J. Doe,2026-02-01\n", &rules);
        let (files, outcome) = made(&tape(), &rules, Some(&given), ONE, None);
        let expired: Vec<_> =
            exceptions(&files, &outcome).into_iter().filter(|row| row.exception_type == "waiver_expired").collect();
        let [row] = expired.as_slice() else { panic!("{expired:?}") };
        assert_eq!((row.seller_loan_number.as_str(), row.severity.as_str(), row.waived.as_ref()), ("L-2", "soft", None));
        assert_eq!((row.exception_category.as_str(), row.rejection_criteria.as_str()), ("data_quality", "waiver.expired"));
        assert_eq!(
            row.message,
            "The waiver of ltv_ratio that J. Doe approved was good up to 2026-02-01, and the purchase date is 2026-02-02"
        );
        let summary = summary(&outcome);
        assert_eq!((&summary["eligibility_checks"]["waived"], &summary["unused_waivers"]["count"]), (&0.into(), &1.into()));
        assert_eq!(loans(&files, &outcome)[1].1, Disposition::Rejected);
    }
}

#[test]
fn a_waived_exception_holds_no_loan() {
    let hold = "[projection]\nhold_on_soft_exceptions = true\n[[rule]]\nname = \"coverage\"\nwhen = { ltv_ratio = { max = 85 } }\n\
                require = { dscr = { min = 1 } }\n[[adjustment]]\nname = \"states\"\nwhen = { property_state = [\"TX\"] }\npoints = -1\n";
    let rules = RuleSet::from_toml(hold).unwrap();
    let disposition = |lines: &str, at: usize| {
        let (files, outcome) = made(&tape(), &rules, Some(&waivers(lines, &rules)), ONE, None);
        let loan = loans(&files, &outcome).swap_remove(at);
        (loan.1, loan.2, summary(&outcome)["eligibility_checks"]["waived"].as_u64().unwrap())
    };
    let undetermined = |number: &str| format!("{number},undetermined,why,me,2026-12-31\n");
    assert_eq!(disposition("", 0).0, Disposition::Projected);
    // The rule and the adjustment are undetermined; the adjustment then adds nothing.
    assert_eq!(disposition(&undetermined("L-1"), 0), (Disposition::ToPurchase, Some("96.125".to_owned()), 2));
    let both = undetermined("L-4") + "L-4,missing_appraisal,why,me,2026-12-31\n";
    assert_eq!(disposition(&undetermined("L-4"), 3).0, Disposition::Projected);
    assert_eq!(disposition(&both, 3).0, Disposition::ToPurchase);
}

#[test]
fn a_waiver_holds_for_each_program() {
    let mut file = RuleSetFile::new("both.toml", "programs = [\"a.toml\", \"b.toml\"]\n".to_owned());
    file.files.insert("a.toml", *b"name = \"a\"\n");
    file.files.insert("b.toml", *b"name = \"b\"\n[limits]\nltv_ratio = { max = 90 }\n");
    let rules = file.rules().unwrap();
    let given = waivers("L-2,ltv_ratio,why,me,2026-12-31\n", &rules);
    let (files, outcome) = made(&tape(), &rules, Some(&given), ONE, None);
    assert_eq!(loans(&files, &outcome)[1].1, Disposition::ToPurchase);
    let waived = exceptions(&files, &outcome).iter().filter(|row| row.waived.is_some()).count();
    assert_eq!(waived, 2);
    let programs = &summary(&outcome)["programs"];
    // L-2 counts for no rule that alone rejects; L-3 and L-5 fail more.
    assert_eq!((&programs[0]["eligible"], &programs[0]["rejected_only_by"]), (&3.into(), &json!({})));
    assert_eq!((&programs[1]["eligible"], &programs[1]["rejected_only_by"]), (&3.into(), &json!({})));
}

/// Cells of a loan, without its number.
fn cells() -> impl Strategy<Value = String> {
    let ltvs = prop::sample::select(vec!["80", "97.8", "99", ""]);
    let scores = prop::sample::select(vec!["720", "500"]);
    let values = prop::sample::select(vec!["312500", ""]);
    let kinds = prop::sample::select(vec!["sfr", "igloo"]);
    (ltvs, scores, values, kinds)
        .prop_map(|(ltv, score, value, kind)| format!("250000,6.5,{ltv},35,{score},{kind},primary,purchase,312500,{value}"))
}

/// Waivers of some of the loans, each pair at most once, some of them expired.
fn lines() -> impl Strategy<Value = BTreeMap<(usize, &'static str), bool>> {
    let types = prop::sample::select(vec!["ltv_ratio", "credit_score", "property_type", "missing_appraisal", "dti_ratio"]);
    prop::collection::btree_map((0..40_usize, types), prop::bool::ANY, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn waivers_are_what_an_oracle_says_however_the_run_is_made(rows in prop::collection::vec(cells(), 1..36), lines in lines()) {
        let rules = RuleSet::built_in();
        let tape = (0..).zip(&rows).fold(format!("{HEADER}\n"), |tape, (at, cells): (usize, _)| format!("{tape}L-{at},{cells}\n"));
        let text = lines.iter().fold(String::new(), |text, ((at, kind), is_good)| {
            format!("{text}L-{at},{kind},why,me,{}\n", if *is_good { "2026-02-02" } else { "2026-02-01" })
        });
        let given = waivers(&text, rules);
        let (files, outcome) = made(&tape, rules, Some(&given), ONE, None);
        for (tuning, parts) in [(Tuning { threads: 2, block_bytes: 512 }, None), (Tuning { threads: 2, block_bytes: 512 }, Some(700))] {
            let (other_files, other) = made(&tape, rules, Some(&given), tuning, parts);
            prop_assert!(other_files == files);
            prop_assert_eq!(summary(&other), summary(&outcome));
        }
        // The oracle: the exceptions of a run without waivers, less those that a good waiver names.
        let (plain_files, plain) = made(&tape, rules, None, ONE, None);
        let of_waiver = |row: &ExceptionRow| {
            let at: usize = row.seller_loan_number.strip_prefix("L-").unwrap().parse().unwrap();
            lines.iter().find(|((of, kind), _)| *of == at && *kind == row.exception_type).map(|(key, is_good)| (*key, *is_good))
        };
        let found = exceptions(&plain_files, &plain);
        let (mut waived, mut met, mut expired) = (0_u64, std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let mut rejected = std::collections::BTreeSet::new();
        for row in &found {
            match of_waiver(row) {
                Some((key, true)) => {
                    waived += 1;
                    met.insert(key);
                }
                other => {
                    expired.extend(other.map(|(key, _)| key));
                    if row.severity.as_str() == "hard" {
                        rejected.insert(row.seller_loan_number.clone());
                    }
                }
            }
        }
        let summary = summary(&outcome);
        let checks = &summary["eligibility_checks"];
        prop_assert_eq!(checks["waived"].as_u64(), Some(waived));
        prop_assert_eq!(summary["exceptions_count"].as_u64(), Some((found.len() + expired.len()) as u64));
        let by_type: u64 = checks["exceptions_by_type"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        prop_assert_eq!(by_type + waived, (found.len() + expired.len()) as u64);
        prop_assert_eq!(summary["unused_waivers"]["count"].as_u64(), Some((lines.len() - met.len() - expired.len()) as u64));
        for (number, disposition, price) in loans(&files, &outcome) {
            prop_assert_eq!(disposition == Disposition::Rejected, rejected.contains(&number), "{}", number);
            prop_assert_eq!(price.is_some(), disposition == Disposition::ToPurchase);
        }
        let listed = exceptions(&files, &outcome);
        prop_assert_eq!(listed.iter().filter(|row| row.waived.is_some()).count() as u64, waived);
        let report = String::from_utf8(files["rejection_report.csv"].clone()).unwrap();
        let shown = listed.iter().filter(|row| row.waived.is_none() && rejected.contains(&row.seller_loan_number)).count();
        prop_assert_eq!(report.lines().count() - 1, shown);
        let reader = ExceptionsReader::open(bytes::Bytes::from(files["exceptions.parquet"].clone())).unwrap();
        for is_waived in [true, false] {
            let filter = ExceptionFilter { waived: Some(is_waived), ..ExceptionFilter::default() };
            let page = reader.page(&outcome.index, &filter, 0, 100_000).unwrap();
            let expected: Vec<_> = listed.iter().filter(|row| row.waived.is_some() == is_waived).cloned().collect();
            prop_assert_eq!(filter.count(&outcome.index), Some(expected.len() as u64));
            prop_assert_eq!(page, expected);
        }
        // Without lines, the files are those of a run without waivers.
        if lines.is_empty() {
            prop_assert!(files == plain_files);
        }
    }
}
