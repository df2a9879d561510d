//! What-if: stored loans, judged again, have the dispositions, prices and counts of a run of the same tape.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::{
    decimal::Decimal,
    engine::{Destination, Job, Tuning, run},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionFilter, ExceptionsReader, FactFilter, FactRow, FactsReader},
    },
    phases::{disposition::Disposition, pricing::IrrTarget},
    questions::what_if::{
        NeedsARun, StoredRun, SweptParameter,
        changes::RuleChanges,
        moved_rows,
        question::{QuestionError, WhatIfQuestion, WhatIfReport},
    },
    rules::rule_set::{RuleSet, RuleSetFile},
    tape::{
        options::TapeOptions,
        source::{MemorySource, TapeSource},
    },
};

use crate::{
    properties::{line, tape},
    support::runs::{Finished, GOOD_CELLS, HEADER, MemoryFolder},
};

const PDATE: jiff::civil::Date = jiff::civil::date(2026, 2, 2);

/// A run of one tape under rules at a target.
fn run_of(text: &str, rules: &RuleSet, irr_target: IrrTarget) -> Finished {
    let tapes: Vec<Box<dyn TapeSource>> = vec![Box::new(MemorySource::new("tape.csv", text.as_bytes()))];
    let folder = MemoryFolder::default();
    let options = TapeOptions { declared: Arc::clone(rules.guide().declared()), ..TapeOptions::default() };
    let outcome = run(&Job {
        tapes: &tapes,
        options: &options,
        rules,
        waivers: None,
        irr_target,
        pdate: PDATE,
        destination: Some(&folder as &dyn Destination),
        progress: &|_| {},
        tuning: Tuning { threads: 2, block_bytes: 4_096 },
    })
    .unwrap();
    Finished { outcome, files: folder.files() }
}

struct Opened {
    facts: FactsReader<Bytes>,
    exceptions: ExceptionsReader<Bytes>,
    rules: Arc<RuleSet>,
}

impl Opened {
    fn new(finished: &Finished, rules: &Arc<RuleSet>) -> Self {
        let file = |name: &str| Bytes::from(finished.files[name].clone());
        Self {
            facts: FactsReader::open(file(FACTS_FILE)).unwrap(),
            exceptions: ExceptionsReader::open(file(EXCEPTIONS_FILE)).unwrap(),
            rules: Arc::clone(rules),
        }
    }

    fn run(&self) -> StoredRun<'_, Bytes> {
        StoredRun {
            facts: &self.facts,
            exceptions: &self.exceptions,
            rules: &self.rules,
            pdate: PDATE,
            waivers: None,
            threads: 2,
        }
    }
}

fn facts_of(finished: &Finished) -> Vec<FactRow> {
    let facts = FactsReader::open(Bytes::from(finished.files[FACTS_FILE].clone())).unwrap();
    facts.page(&finished.outcome.index, &FactFilter::default(), 0, usize::MAX).unwrap()
}

/// Number of exceptions of a run by program, type and severity.
fn exceptions_of(finished: &Finished) -> BTreeMap<(Option<String>, String, String), u64> {
    let exceptions = ExceptionsReader::open(Bytes::from(finished.files[EXCEPTIONS_FILE].clone())).unwrap();
    let mut counts = BTreeMap::new();
    for row in exceptions.page(&finished.outcome.index, &ExceptionFilter::default(), 0, usize::MAX).unwrap() {
        let key = (row.program.flatten(), row.exception_type, row.severity.as_str().to_owned());
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Members of a disposition that both a summary and an answer have.
fn totals(object: &Value) -> Vec<Value> {
    let members = ["count", "balance", "wa_price", "wac", "wa_ltv", "wa_credit_score"];
    Disposition::ALL.iter().flat_map(|of| members.map(|member| object[of.as_str()][member].clone())).collect()
}

/// Asserts that an answer about `before` says what the run `after` decided.
fn assert_is_a_run(report: &WhatIfReport, stored: &Opened, before: &Finished, after: &Finished, question: &WhatIfQuestion) {
    let answer = serde_json::to_value(&report.answer).unwrap();
    for (side, finished) in [("before", before), ("after", after)] {
        let summary = serde_json::to_value(finished.outcome.summary.finish()).unwrap();
        assert_eq!(totals(&answer[side]), totals(&summary["dispositions"]), "{side}");
        let by_rule: BTreeMap<_, u64> = report
            .answer
            .by_rule
            .iter()
            .map(|rule| {
                let count = if side == "before" { rule.before } else { rule.after };
                ((rule.program.clone(), rule.exception_type.clone(), rule.severity.as_str().to_owned()), count)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(by_rule, exceptions_of(finished), "{side}");
    }
    let (earlier, later) = (facts_of(before), facts_of(after));
    assert_eq!(earlier.len(), later.len());
    let scenario = question.scenario(&stored.rules, IrrTarget::DEFAULT).unwrap();
    for from in Disposition::ALL {
        for to in Disposition::ALL {
            let both = earlier.iter().zip(&later).enumerate();
            let expected: Vec<u64> = both
                .filter(|(_, (one, other))| one.disposition == from && other.disposition == to)
                .map(|(row, _)| row as u64)
                .collect();
            assert_eq!(moved_rows(&stored.run(), &scenario, (from, to)).unwrap(), expected, "{from:?} to {to:?}");
            assert_eq!(report.answer.moves.of(from, to).count, expected.len() as u64);
        }
    }
}

fn changed(changes: &Value) -> RuleChanges {
    RuleChanges::of_json(&serde_json::value::to_raw_value(changes).unwrap()).unwrap()
}

/// Changes of the built-in rules that move loans in every direction.
fn changes() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!({"limits": {"ltv_ratio": {"max": 80}, "credit_score": {"min": 700}}}),
        json!({"limits": {"loan_amount": {"min": 0, "max": 100000000}, "dti_ratio": {"max": 100}}, "severity": {"credit_score": "soft"}}),
        json!({"rules": {"ltv_ratio": false, "dti_ratio": false, "property_type": false}}),
        json!({"severity": {"missing_appraisal": "hard"}, "limits": {"property_type": ["sfr", "castle"]}}),
        json!({"projection": {"minimum_price": 90, "hold_on_soft_exceptions": true}}),
        json!({"projection": {"minimum_spread": 1.5}, "limits": {"note_rate": {"max": 12.125}}}),
        json!({"rule": {"small_condo": {"require": {"loan_amount": {"min": 200000}}, "when": {"property_type": ["condo"]}, "severity": "soft"}}}),
        json!({"adjustment": {"condo": {"points": -0.375, "when": {"property_type": ["condo"]}}}, "pricing": {"cap": 105, "floor": 80}}),
        json!({"applies": {"dti_ratio": {"when": {"occupancy_status": ["primary"]}}}, "rules": {"ltv_consistency": true}}),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_what_if_is_a_run_under_the_same_rules(
        lines in prop::collection::vec(line(), 1..80), before in changes(), after in changes(), target in 100_u32..2_000,
    ) {
        let (text, _) = tape(&lines, "\n");
        let base = changed(&before).apply(&Arc::new(RuleSet::built_in().clone())).unwrap();
        let first = run_of(&text, &base, IrrTarget::DEFAULT);
        let stored = Opened::new(&first, &base);
        let irr_target: IrrTarget = format!("{}.{:02}", target / 100, target % 100).parse().unwrap();
        let question = WhatIfQuestion { irr_target: Some(irr_target), changes: changed(&after), ..WhatIfQuestion::default() };
        let report = question.ask(&stored.run(), IrrTarget::DEFAULT).unwrap();
        // The answer's own rule set says the same.
        let file = RuleSetFile::new("again.toml", report.toml.clone());
        let second = run_of(&text, &file.rules().unwrap(), irr_target);
        assert_is_a_run(&report, &stored, &first, &second, &question);
    }
}

fn shipped(name: &str) -> (String, Arc<RuleSet>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guides").join(name);
    let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
    let text = |file: &str| String::from_utf8(read(file)).unwrap();
    let mut file = RuleSetFile::new(&format!("{name}.toml"), text(&format!("{name}.toml")));
    let mut asked = std::collections::BTreeSet::new();
    loop {
        let names = file.files_to_read(&mut asked);
        if names.is_empty() {
            break;
        }
        names.iter().for_each(|other| file.files.insert(other, read(other)));
    }
    (text("tape.csv"), Arc::new(file.rules().unwrap()))
}

#[test]
fn shipped_guides_with_grids_cash_flows_and_programs_are_judged_again_as_in_a_run() {
    for (name, changes) in [
        ("agency", json!({"limits": {"dti_ratio": {"max": 43}}, "pricing": {"cap": 101}})),
        ("agency", json!({"rules": {"max_ltv": false}})),
        ("non_qm_dscr", json!({"pricing": {"floor": 99}})),
        ("best_execution", json!({})),
    ] {
        let (text, rules) = shipped(name);
        let first = run_of(&text, &rules, IrrTarget::DEFAULT);
        let stored = Opened::new(&first, &rules);
        for target in ["8.05", "6.5"] {
            let irr_target: IrrTarget = target.parse().unwrap();
            let question =
                WhatIfQuestion { irr_target: Some(irr_target), changes: changed(&changes), ..WhatIfQuestion::default() };
            let report = question.ask(&stored.run(), IrrTarget::DEFAULT).unwrap();
            let scenario = question.scenario(&rules, IrrTarget::DEFAULT).unwrap();
            let second = run_of(&text, &scenario.rules, irr_target);
            assert_is_a_run(&report, &stored, &first, &second, &question);
        }
    }
}

#[test]
fn another_rule_set_is_judged_as_in_a_run_of_the_tape() {
    let (text, rules) = shipped("agency");
    let first = run_of(&text, &rules, IrrTarget::DEFAULT);
    let stored = Opened::new(&first, &rules);
    let built_in = Arc::new(RuleSet::built_in().clone());
    let question = WhatIfQuestion { rule_set: Some(Arc::clone(&built_in)), ..WhatIfQuestion::default() };
    let report = question.ask(&stored.run(), IrrTarget::DEFAULT).unwrap();
    assert_is_a_run(&report, &stored, &first, &run_of(&text, &built_in, IrrTarget::DEFAULT), &question);
}

fn good_tape() -> String {
    let loans = (0..20).map(|at| format!("L{at},{}", GOOD_CELLS.replace(",80,", &format!(",{},", 78 + at))));
    loans.fold(HEADER.to_owned(), |tape, line| tape + "\n" + &line)
}

#[test]
fn each_point_of_a_sweep_is_the_what_if_at_its_value() {
    let base = Arc::new(RuleSet::built_in().clone());
    let first = run_of(&good_tape(), &base, IrrTarget::DEFAULT);
    let stored = Opened::new(&first, &base);
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    for (parameter, from, to, step) in [
        ("limits.ltv_ratio.max", "85", "95", "0.5"),
        ("irr_target", "7", "9", "0.25"),
        ("projection.minimum_price", "95", "97", "0.1"),
    ] {
        let swept = SweptParameter::new(parameter, decimal(from), decimal(to), decimal(step)).unwrap();
        let question = WhatIfQuestion { sweep: Some(swept.clone()), ..WhatIfQuestion::default() };
        let curve = question.ask(&stored.run(), IrrTarget::DEFAULT).unwrap().sweep.unwrap().curve;
        assert_eq!(curve.len(), swept.values.len());
        for point in curve {
            let by_itself = match parameter {
                "irr_target" => {
                    WhatIfQuestion { irr_target: Some(IrrTarget::new(point.value).unwrap()), ..WhatIfQuestion::default() }
                }
                _ => WhatIfQuestion {
                    changes: RuleChanges::of_parameter(parameter, &point.value.to_string()).unwrap(),
                    ..WhatIfQuestion::default()
                },
            };
            let bought = by_itself.ask(&stored.run(), IrrTarget::DEFAULT).unwrap().answer.after.to_purchase;
            let shown = |value: Value| value.to_string();
            assert_eq!(
                shown(json!([point.count, point.balance, point.wa_price])),
                shown(json!([bought.count, bought.balance, bought.wa_price])),
                "{parameter} {}",
                point.value
            );
        }
    }
}

#[test]
fn a_sweep_has_exact_values_and_at_most_41() {
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    let values = |from, to, step| SweptParameter::new("irr_target", decimal(from), decimal(to), decimal(step));
    let texts: Vec<String> = values("7", "7.3", "0.1").unwrap().values.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["7", "7.1", "7.2", "7.3"]);
    assert_eq!(values("0", "40", "1").unwrap().values.len(), 41);
    for (from, to, step) in [("0", "41", "1"), ("2", "1", "1"), ("1", "2", "0"), ("1", "2", "-1")] {
        assert!(values(from, to, step).is_err(), "{from} {to} {step}");
    }
}

#[test]
fn a_mistake_in_changes_names_its_keys() {
    let base = Arc::new(RuleSet::built_in().clone());
    for (changes, path) in [
        (json!({"limits": {"ltv_rato": {"max": 98}}}), "limits.ltv_rato"),
        (json!({"limits": {"ltv_ratio": {"max": "high"}}}), "limits.ltv_ratio"),
        (json!({"severity": {"credit_score": "mild"}}), "severity.credit_score"),
        (json!({"rule": {"own_rule": {"require": {"no_field": {"max": 1}}}}}), "rule.own_rule.require"),
        (json!({"rule": {"own_rule": {"severity": "soft"}}}), "rule.own_rule"),
    ] {
        let mistakes = changed(&changes).apply(&base).unwrap_err();
        assert_eq!(mistakes[0].path.join("."), path, "{mistakes:?}");
        assert!(!mistakes[0].message.is_empty());
    }
    for (changes, path) in [
        (json!({"limit": {}}), "limit"),
        (json!({"limits": {"ltv_ratio": null}}), "limits.ltv_ratio"),
        (json!({"limits": 3}), "limits"),
        (json!({"rule": {"x": {"name": "y"}}}), "rule.x"),
        (json!([]), ""),
    ] {
        let mistake = RuleChanges::of_json(&serde_json::value::to_raw_value(&changes).unwrap()).unwrap_err();
        assert_eq!((mistake.path.join(".").as_str(), mistake.needs_a_run), (path, false), "{mistake:?}");
    }
}

#[test]
fn what_only_the_tape_can_answer_needs_a_run() {
    let base = Arc::new(RuleSet::built_in().clone());
    let first = run_of(&good_tape(), &base, IrrTarget::DEFAULT);
    let stored = Opened::new(&first, &base);
    for (rules, expected) in [
        ("[fields.zone]\nkind = \"text\"\n", NeedsARun::Field("zone".to_owned())),
        ("[fields.dscr]\nrequired = true\n", NeedsARun::Required("dscr".to_owned())),
        ("[units]\naccept_small_percentages = true\n", NeedsARun::Units),
    ] {
        let rule_set = Some(Arc::new(RuleSet::from_toml(rules).unwrap()));
        let error = WhatIfQuestion { rule_set, ..WhatIfQuestion::default() }.ask(&stored.run(), IrrTarget::DEFAULT).unwrap_err();
        assert!(matches!(&error, QuestionError::NeedsARun(needs) if *needs == expected), "{error:?}");
    }
    let fields = serde_json::value::to_raw_value(&json!({"fields": {"dscr": {"required": true}}})).unwrap();
    assert!(RuleChanges::of_json(&fields).unwrap_err().needs_a_run);
}
