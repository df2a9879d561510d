//! Comparisons of two runs, against a loan-by-loan model that reads pages of facts and exceptions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::{
    decimal::{Decimal, ExactSum},
    engine::Tuning,
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionFilter, ExceptionsReader, FactFilter, FactsReader, ReadError},
    },
    phases::disposition::Disposition,
    questions::compare::{
        ByDisposition, ComparableField, ComparedLoan, ComparedRun, ComparisonTotals, Question, RunSettings, Side, Total,
        comparable_fields, compare, differing,
    },
    rules::rule_set::RuleSet,
    tape::request::ReadingRequest,
};
use uuid::Uuid;

use crate::support::runs::{Finished, HEADER, run_tapes};

/// A run with its stored results.
struct Stored {
    run_id: Uuid,
    rules: RuleSet,
    finished: Finished,
    facts: FactsReader<Bytes>,
    exceptions: ExceptionsReader<Bytes>,
}

impl Stored {
    fn new(id: u128, tape: &str, rules: RuleSet) -> Self {
        let tuning = Tuning { threads: 2, block_bytes: 4 * 1024 };
        let finished = run_tapes(&[("tape.csv", tape.as_bytes())], &rules, tuning).unwrap();
        let file = |name: &str| Bytes::from(finished.files[name].clone());
        let facts = FactsReader::open(file(FACTS_FILE)).unwrap();
        let exceptions = ExceptionsReader::open(file(EXCEPTIONS_FILE)).unwrap();
        Self { run_id: Uuid::from_u128(id), rules, finished, facts, exceptions }
    }

    fn compared(&self) -> ComparedRun<'_, Bytes> {
        ComparedRun { run_id: self.run_id, facts: &self.facts, exceptions: &self.exceptions }
    }

    fn settings(&self) -> RunSettings {
        RunSettings::new("8.05".parse().unwrap(), jiff::civil::date(2026, 2, 2), &ReadingRequest::default(), &self.rules)
    }

    /// The loans as the list of loans shows them, with their types of exceptions.
    fn loans(&self) -> Vec<(Value, BTreeSet<String>)> {
        let index = &self.finished.outcome.index;
        let rows = self.facts.page(index, &FactFilter::default(), 0, usize::MAX).unwrap();
        let mut loans: Vec<(Value, BTreeSet<String>)> =
            rows.iter().map(|row| (serde_json::to_value(row).unwrap(), BTreeSet::new())).collect();
        let lines: HashMap<u64, usize> = rows.iter().enumerate().map(|(at, row)| (row.line, at)).collect();
        for exception in self.exceptions.page(index, &ExceptionFilter::default(), 0, usize::MAX).unwrap() {
            loans[lines[&exception.line]].1.insert(exception.exception_type);
        }
        loans
    }
}

fn ask(base: &Stored, with: &Stored, question: &Question) -> (ComparisonTotals, Vec<ComparedLoan>) {
    let fields = comparable_fields(&base.rules, &with.rules);
    assert_eq!(question.mistakes(&fields), []);
    let settings = differing(&base.settings(), &with.settings());
    let comparison = compare([base.compared(), with.compared()], &fields, question, settings, 2).unwrap();
    let mut loans = Vec::new();
    comparison
        .each_loan(0, usize::MAX, |loan| {
            loans.push(loan);
            Ok::<_, ReadError>(())
        })
        .unwrap();
    assert_eq!(loans.len() as u64, comparison.totals().loans_count);
    // Any stretch of the list has the loans of the whole list.
    let (skip, limit) = (loans.len() / 3, loans.len() / 2);
    let mut part = Vec::new();
    comparison
        .each_loan(skip, limit, |loan| {
            part.push(loan);
            Ok::<_, ReadError>(())
        })
        .unwrap();
    assert_eq!(part, loans[skip..(skip + limit).min(loans.len())]);
    (comparison.totals().clone(), loans)
}

/// A loan: whether it is in the base tape and in the other one, its cells there.
#[derive(Debug, Clone)]
struct Drawn {
    number: String,
    cells: [Option<Vec<String>>; 2],
}

fn cells() -> impl Strategy<Value = Vec<String>> {
    let words = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned);
    vec![
        words(&["250000", "250000.00", "$250,000.005", "100", "900000", "junk", "", "1234567890123.25"]).boxed(),
        words(&["6.5", "6.50", "6.8750000001", "9.25", "2"]).boxed(),
        words(&["80", "80.0", "97.5", "n/a", "far"]).boxed(),
        words(&["35", "", "51"]).boxed(),
        words(&["720", "610", "7200"]).boxed(),
        words(&["sfr", "Single Family", "condo", "castle", ""]).boxed(),
        words(&["primary", "investor"]).boxed(),
        words(&["purchase"]).boxed(),
        words(&["312500", ""]).boxed(),
        words(&["312500", "0"]).boxed(),
        words(&["1.25", "", "odd", "1.2500000001"]).boxed(),
        words(&["CA", "ny", "Atlantis", ""]).boxed(),
        words(&["2049-01-31", "1/31/2049", "", "soon"]).boxed(),
        words(&["360", "", "180"]).boxed(),
        words(&["7", "7.0", "", "8", "many"]).boxed(),
    ]
}

/// Loans of two tapes. About half of the shared ones are the same in both.
fn drawn() -> impl Strategy<Value = (Vec<Drawn>, Vec<usize>)> {
    let number = prop_oneof![6 => (0..40_u32).prop_map(|n| format!("LN-{n:02}")), 1 => Just(String::new())];
    let one = (number, cells(), cells(), 0..8_u8).prop_map(|(number, first, second, how)| {
        let cells = match how {
            0 => [Some(first), None],
            1 => [None, Some(second)],
            2..=4 => [Some(first.clone()), Some(first)],
            _ => [Some(first), Some(second)],
        };
        Drawn { number, cells }
    });
    prop::collection::vec(one, 1..40).prop_flat_map(|loans| {
        let order: Vec<usize> = (0..loans.len()).collect();
        (Just(loans), Just(order).prop_shuffle())
    })
}

fn tape(loans: &[Drawn], order: &[usize], side: usize) -> String {
    let mut tape = format!("{HEADER},dscr,property_state,maturity_date,original_term,reserves_months\n");
    for at in order {
        if let Some(cells) = &loans[*at].cells[side] {
            let cells: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
            tape.push_str(&format!("{},{}\n", loans[*at].number, cells.join(",")));
        }
    }
    // A tape needs a loan.
    tape + "LAST,250000,6.5,80,35,720,sfr,primary,purchase,312500,312500,,,,,\n"
}

const BASE_RULES: &str = "[fields.reserves_months]\nkind = \"number\"\nunit = \"months\"\n";
const OTHER_RULES: &str = "[fields.reserves_months]\nkind = \"number\"\nunit = \"months\"\n[fields.other]\nkind = \"word\"\n\
                           [limits]\nltv_ratio = { max = 98 }\n[projection]\nminimum_price = 96.0\n";

fn stored(loans: &[Drawn], order: &[usize]) -> [Stored; 2] {
    let straight: Vec<usize> = (0..loans.len()).collect();
    let rules = |toml: &str| RuleSet::from_toml(toml).unwrap();
    [Stored::new(1, &tape(loans, &straight, 0), rules(BASE_RULES)), Stored::new(2, &tape(loans, order, 1), rules(OTHER_RULES))]
}

/// The rows of both runs that are the same loan.
fn model_pairs(base: &[(Value, BTreeSet<String>)], with: &[(Value, BTreeSet<String>)]) -> Vec<[usize; 2]> {
    let by_number = |loans: &[(Value, BTreeSet<String>)]| {
        let mut rows: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (row, (loan, _)) in loans.iter().enumerate() {
            rows.entry(loan["seller_loan_number"].as_str().unwrap().to_owned()).or_default().push(row);
        }
        rows.remove("UNKNOWN");
        rows
    };
    let with = by_number(with);
    let pairs = by_number(base).into_iter().flat_map(|(number, rows)| {
        let others = with.get(&number).cloned().unwrap_or_default();
        rows.into_iter().zip(others).map(|(row, other)| [row, other]).collect::<Vec<_>>()
    });
    pairs.collect()
}

fn balance(loans: &[(Value, BTreeSet<String>)], rows: impl Iterator<Item = usize>) -> String {
    let mut sum = ExactSum::default();
    for row in rows {
        if let Value::Number(amount) = &loans[row].0["loan_amount"] {
            sum.add_decimal(amount.to_string().parse::<Decimal>().unwrap());
        }
    }
    sum.to_text(0)
}

fn each_move(totals: &ComparisonTotals) -> impl Iterator<Item = (Disposition, Disposition, u64, [String; 2])> {
    let all = Disposition::ALL;
    all.into_iter().flat_map(move |from| all.map(|to| (from, to))).map(|(from, to)| {
        let moved = totals.moves.of(from).of(to);
        (from, to, moved.count, [moved.base_balance.to_text(0), moved.with_balance.to_text(0)])
    })
}

fn sum_of<'s>(sums: impl Iterator<Item = &'s ExactSum>) -> String {
    let mut total = ExactSum::default();
    sums.for_each(|sum| total.merge(sum));
    total.to_text(0)
}

/// Whether totals are those of a run's summary.
fn assert_totals(totals: &ByDisposition<Total>, run: &Stored) {
    let summary = run.finished.outcome.summary.clone().finish();
    let dispositions = [&summary.dispositions.to_purchase, &summary.dispositions.projected, &summary.dispositions.rejected];
    for (disposition, expected) in Disposition::ALL.into_iter().zip(dispositions) {
        let total = totals.of(disposition);
        assert_eq!((total.count, total.balance.to_text(0)), (expected.totals.count, expected.totals.balance.to_text(0)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_run_against_itself_has_no_differences((loans, order) in drawn()) {
        let [base, _] = stored(&loans, &order);
        let (totals, listed) = ask(&base, &base, &Question::default());
        prop_assert_eq!(listed, vec![]);
        prop_assert_eq!((&totals.settings, &totals.changed_fields), (&vec![], &vec![]));
        prop_assert_eq!(totals.price.unchanged, base.facts.rows() as u64);
        for (from, to, count, _) in each_move(&totals) {
            prop_assert_eq!(count, if from == to { totals.totals.base.of(from).count } else { 0 });
        }
    }

    #[test]
    fn the_comparison_the_other_way_round_is_its_mirror((loans, order) in drawn()) {
        let [base, with] = stored(&loans, &order);
        let (there, mut listed) = ask(&base, &with, &Question::default());
        let (back, mut mirrored) = ask(&with, &base, &Question::default());
        for loan in &mut mirrored {
            std::mem::swap(&mut loan.base_row, &mut loan.with_row);
            loan.disposition.reverse();
            loan.final_price.reverse();
            loan.fields.0.iter_mut().for_each(|(_, cells)| cells.reverse());
            std::mem::swap(&mut loan.reasons.gone, &mut loan.reasons.new);
        }
        let by_rows = |loan: &ComparedLoan| (loan.base_row, loan.with_row);
        listed.sort_by_key(by_rows);
        mirrored.sort_by_key(by_rows);
        prop_assert_eq!(listed, mirrored);
        let json = |value: &ByDisposition<shared::questions::compare::Move>, swapped: bool| {
            let text = serde_json::to_value(value).unwrap().to_string();
            if swapped { text.replace("base_", "x_").replace("with_", "base_").replace("x_", "with_") } else { text }
        };
        let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        prop_assert_eq!(parsed(json(&there.added, false)), parsed(json(&back.removed, true)));
        prop_assert_eq!(parsed(json(&there.removed, false)), parsed(json(&back.added, true)));
        for (from, to, count, balances) in each_move(&there) {
            let moved = back.moves.of(to).of(from);
            prop_assert_eq!((count, balances), (moved.count, [moved.with_balance.to_text(0), moved.base_balance.to_text(0)]));
        }
        prop_assert_eq!(&there.changed_fields, &back.changed_fields);
        prop_assert_eq!((there.price.higher, there.price.gained), (back.price.lower, back.price.lost));
        let turned: Vec<_> = back.settings.iter().map(|setting| (&setting.key, &setting.with, &setting.base)).collect();
        prop_assert_eq!(there.settings.iter().map(|setting| (&setting.key, &setting.base, &setting.with)).collect::<Vec<_>>(), turned);
    }

    #[test]
    fn rows_and_columns_add_up_to_both_summaries((loans, order) in drawn()) {
        let [base, with] = stored(&loans, &order);
        let (totals, _) = ask(&base, &with, &Question::default());
        assert_totals(&totals.totals.base, &base);
        assert_totals(&totals.totals.with, &with);
        for one in Disposition::ALL {
            let row = || Disposition::ALL.into_iter().map(|to| totals.moves.of(one).of(to)).chain([totals.removed.of(one)]);
            let column = || Disposition::ALL.into_iter().map(|from| totals.moves.of(from).of(one)).chain([totals.added.of(one)]);
            let (from, to) = (totals.totals.base.of(one), totals.totals.with.of(one));
            prop_assert_eq!(row().map(|moved| moved.count).sum::<u64>(), from.count);
            prop_assert_eq!(column().map(|moved| moved.count).sum::<u64>(), to.count);
            prop_assert_eq!(sum_of(row().map(|moved| &moved.base_balance)), from.balance.to_text(0));
            prop_assert_eq!(sum_of(column().map(|moved| &moved.with_balance)), to.balance.to_text(0));
        }
    }

    #[test]
    fn a_comparison_says_what_a_look_at_every_loan_says((loans, order) in drawn()) {
        let [base, with] = stored(&loans, &order);
        let (totals, listed) = ask(&base, &with, &Question::default());
        let (old, new) = (base.loans(), with.loans());
        let pairs = model_pairs(&old, &new);
        for (from, to, count, balances) in each_move(&totals) {
            let is = |[row, other]: &&[usize; 2]| old[*row].0["disposition"] == json!(from) && new[*other].0["disposition"] == json!(to);
            let here: Vec<_> = pairs.iter().filter(is).collect();
            let expected = [balance(&old, here.iter().map(|pair| pair[0])), balance(&new, here.iter().map(|pair| pair[1]))];
            prop_assert_eq!((count, balances), (here.len() as u64, expected));
        }
        let fields = comparable_fields(&base.rules, &with.rules);
        let names: Vec<&str> = fields.iter().map(|field| field.field.name()).collect();
        let mut expected: Vec<(Option<u32>, Option<u32>, Value, Value)> = Vec::new();
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for [row, other] in &pairs {
            let ((one, old_types), (two, new_types)) = (&old[*row], &new[*other]);
            let mut cells = serde_json::Map::new();
            for name in &names {
                let (a, b) = (one.get(*name).unwrap_or(&Value::Null), two.get(*name).unwrap_or(&Value::Null));
                if a != b {
                    cells.insert((*name).to_owned(), json!([a, b]));
                    *counted.entry(name).or_default() += 1;
                }
            }
            let reasons = json!({
                "gone": old_types.difference(new_types).collect::<Vec<_>>(), "new": new_types.difference(old_types).collect::<Vec<_>>()
            });
            let differ = !cells.is_empty() || old_types != new_types
                || one["disposition"] != two["disposition"] || one["final_price"] != two["final_price"];
            if differ {
                expected.push((Some(*row as u32), Some(*other as u32), Value::Object(cells), reasons));
            }
        }
        let nothing = || json!({"gone": [], "new": []});
        let alone = |side: usize, rows: usize| (0..rows).filter(|row| !pairs.iter().any(|pair| pair[side] == *row)).collect::<Vec<_>>();
        expected.extend(alone(0, old.len()).into_iter().map(|row| (Some(row as u32), None, json!({}), nothing())));
        expected.extend(alone(1, new.len()).into_iter().map(|row| (None, Some(row as u32), json!({}), nothing())));
        let mut found: Vec<_> = listed
            .iter()
            .map(|loan| {
                let (fields, reasons) = (serde_json::to_value(&loan.fields).unwrap(), serde_json::to_value(&loan.reasons).unwrap());
                (loan.base_row, loan.with_row, fields, reasons)
            })
            .collect();
        let by_rows = |loan: &(Option<u32>, Option<u32>, Value, Value)| (loan.0, loan.1);
        found.sort_by_key(by_rows);
        expected.sort_by_key(by_rows);
        prop_assert_eq!(found, expected);
        let changed: BTreeMap<&str, u64> = totals.changed_fields.iter().map(|changed| (changed.field.as_str(), changed.loans)).collect();
        prop_assert_eq!(changed, counted);
        for loan in &listed {
            let shown = |side: usize, row: Option<u32>, name: &str| row.map_or(Value::Null, |row| [&old, &new][side][row as usize].0[name].clone());
            let rows = [loan.base_row, loan.with_row];
            prop_assert_eq!(json!(loan.disposition), json!([0, 1].map(|side| shown(side, rows[side], "disposition"))));
            prop_assert_eq!(json!(loan.final_price), json!([0, 1].map(|side| shown(side, rows[side], "final_price"))));
        }
        // Moved loans come first, then those of one run only, then the rest; the largest amount first.
        let amount = |loans: &[(Value, BTreeSet<String>)], row: Option<u32>| {
            let Value::Number(amount) = &loans[row? as usize].0["loan_amount"] else { return Some(Decimal::ZERO) };
            amount.to_string().parse::<Decimal>().ok()
        };
        let place = |loan: &ComparedLoan| {
            let group = match loan.disposition { [Some(from), Some(to)] if from != to => 0, [Some(_), Some(_)] => 2, _ => 1 };
            let larger = amount(&old, loan.base_row).max(amount(&new, loan.with_row));
            (group, std::cmp::Reverse(larger), loan.seller_loan_number.clone())
        };
        prop_assert!(listed.is_sorted_by_key(place));
    }

    #[test]
    fn filters_divide_the_list((loans, order) in drawn()) {
        let [base, with] = stored(&loans, &order);
        let (totals, all) = ask(&base, &with, &Question::default());
        let sides = || Disposition::ALL.map(Side::Disposition).into_iter().chain([Side::None]);
        let mut count = 0;
        for (from, to) in sides().flat_map(|from| sides().map(move |to| (from, to))) {
            let (_, listed) = ask(&base, &with, &Question { from: Some(from), to: Some(to), ..Question::default() });
            let at = |side: Side| if let Side::Disposition(disposition) = side { Some(disposition) } else { None };
            let expected: Vec<_> = all.iter().filter(|loan| loan.disposition == [at(from), at(to)]).cloned().collect();
            prop_assert_eq!(&listed, &expected);
            count += listed.len();
            if let (Some(from), Some(to)) = (at(from), at(to)) && from != to {
                prop_assert_eq!(listed.len() as u64, totals.moves.of(from).of(to).count);
            }
        }
        prop_assert_eq!(count, all.len());
        for changed in &totals.changed_fields {
            let (_, listed) = ask(&base, &with, &Question { changed: Some(changed.field.clone()), ..Question::default() });
            prop_assert_eq!(listed.len() as u64, changed.loans);
            prop_assert!(listed.iter().all(|loan| loan.fields.0.iter().any(|(name, _)| *name == changed.field)));
        }
    }
}

fn simple(rows: &[&str]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

#[test]
fn a_tolerance_counts_near_numbers_as_equal() {
    let row =
        |number: &str, rate: &str, amount: &str| format!("{number},{amount},{rate},80,35,720,sfr,primary,purchase,312500,312500");
    let base =
        Stored::new(1, &simple(&[&row("A", "6.5", "250000"), &row("B", "6.5", "250000.001")]), RuleSet::built_in().clone());
    let with = Stored::new(
        2,
        &simple(&[&row("A", "6.625", "250000"), &row("B", "6.625001", "250000.0015")]),
        RuleSet::built_in().clone(),
    );
    let changed = |tolerances: &[(&str, &str)]| {
        let tolerances = tolerances.iter().map(|(field, distance)| ((*field).to_owned(), distance.parse().unwrap())).collect();
        let (totals, _) = ask(&base, &with, &Question { tolerances, ..Question::default() });
        totals.changed_fields.into_iter().map(|changed| (changed.field, changed.loans)).collect::<Vec<_>>()
    };
    let of = |field: &str, loans: u64| (field.to_owned(), loans);
    assert_eq!(changed(&[]), [of("loan_amount", 1), of("note_rate", 2)]);
    assert_eq!(changed(&[("note_rate", "0.125")]), [of("loan_amount", 1), of("note_rate", 1)]);
    assert_eq!(changed(&[("note_rate", "0.125001"), ("loan_amount", "0.0005")]), []);
    assert_eq!(changed(&[("note_rate", "0.2"), ("loan_amount", "0.0004")]), [of("loan_amount", 1)]);
}

#[test]
fn mistakes_of_a_question_are_all_named() {
    let fields: Vec<ComparableField> = comparable_fields(RuleSet::built_in(), RuleSet::built_in());
    let tolerance = |field: &str, distance: &str| (field.to_owned(), distance.parse().unwrap());
    let question = Question {
        tolerances: vec![
            tolerance("rate", "1"),
            tolerance("property_type", "1"),
            tolerance("dscr", "-1"),
            tolerance("dti_ratio", "1"),
            tolerance("dti_ratio", "2"),
        ],
        changed: Some("seller_loan_number".to_owned()),
        ..Question::default()
    };
    let mistakes = question.mistakes(&fields);
    let starts: Vec<(&str, &str)> =
        mistakes.iter().map(|(name, text)| (*name, text.split([':', ';', ',']).next().unwrap())).collect();
    assert_eq!(
        starts,
        [
            ("tolerance", "there is no field rate to compare"),
            ("tolerance", "property_type holds no numbers"),
            ("tolerance", "the tolerance of dscr is -1"),
            ("tolerance", "dti_ratio has two tolerances"),
            ("changed", "there is no field seller_loan_number to compare"),
        ]
    );
}

#[test]
fn settings_that_differ_are_named_key_by_key() {
    let settings = |toml: &str| {
        let rules = RuleSet::from_toml(toml).unwrap();
        RunSettings::new("8.05".parse().unwrap(), jiff::civil::date(2026, 2, 2), &ReadingRequest::default(), &rules)
    };
    let base = settings(
        "name = \"one\"\n[limits]\nltv_ratio = { max = 97 }\n[[rule]]\nname = \"low\"\nrequire = { dscr = { min = 1.0 } }\n",
    );
    let with = settings(
        "name = \"two\"\n[limits]\nltv_ratio = { max = 98 }\ncredit_score = { min = 620.0 }\n[[rule]]\nname = \"low\"\nrequire = { dscr = { min = 1.2 } }\n",
    );
    let found: Vec<(String, Value, Value)> = differing(&base, &with)
        .into_iter()
        .filter(|setting| setting.key != "rule_set.hash")
        .map(|setting| (setting.key, json!(setting.base), json!(setting.with)))
        .collect();
    let of = |key: &str, base: Value, with: Value| (key.to_owned(), base, with);
    assert_eq!(
        found,
        [
            of("rule_set.name", json!("one"), json!("two")),
            of("rule_set.limits.ltv_ratio.max", json!(97), json!(98)),
            of("rule_set.rule.low.require.dscr.min", json!(1), json!(1.2)),
        ]
    );
    assert_eq!(differing(&base, &base), []);
}

#[test]
fn damaged_results_are_an_error_and_no_panic() {
    let run =
        Stored::new(1, &simple(&["A,250000,6.5,80,35,600,sfr,primary,purchase,312500,312500"]), RuleSet::built_in().clone());
    let sound = run.finished.files[FACTS_FILE].clone();
    for at in (0..sound.len()).step_by(7) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        let Ok(facts) = FactsReader::open(Bytes::from(bytes)) else { continue };
        let broken = ComparedRun { run_id: Uuid::from_u128(9), facts: &facts, exceptions: &run.exceptions };
        let fields = comparable_fields(&run.rules, &run.rules);
        let compared = compare([run.compared(), broken], &fields, &Question::default(), Vec::new(), 2);
        if let Ok(comparison) = compared {
            let _ = comparison.each_loan(0, usize::MAX, |_| Ok::<_, ReadError>(()));
        }
    }
}
