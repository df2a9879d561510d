//! Pool tests: what they measure, what mends them, and that a rule set without them changes nothing.

use proptest::prelude::*;
use serde_json::{Value, json};
use shared::{
    decimal::Decimal,
    engine::Tuning,
    facts::read::{FactFilter, FactRow, FactsReader, StoredNumber, StoredValue},
    loan::{Field, FieldKind},
    results::summary::{PoolResult, PoolStatus},
    ten_thousandths::TenThousandths,
};

use super::{
    runs::{ONE, all_ways, gives},
    *,
};
use crate::support::runs::{HEADER, run_tapes};

/// A loan of the tapes below: amount, LTV, score, state.
type Row = (i64, &'static str, i64, &'static str);

fn tape(rows: &[Row]) -> String {
    let mut tape = format!("{HEADER},property_state\n");
    for (at, (amount, ltv, score, state)) in rows.iter().enumerate() {
        tape.push_str(&format!("L-{at},{amount},6.5,{ltv},35,{score},sfr,primary,purchase,900000,900000,{state}\n"));
    }
    tape
}

/// A pool test with these keys.
fn pool(rest: &str) -> String {
    format!("[[pool]]\nname = \"the_pool\"\n{rest}\n")
}

/// The result of the only pool test of a rule set on a tape.
fn result(rest: &str, rows: &[Row]) -> PoolResult {
    let finished = run_tapes(&[("tape.csv", tape(rows).as_bytes())], &guide(&pool(rest)), ONE).unwrap();
    let mut tests = finished.outcome.summary.pool_tests();
    assert_eq!(tests.len(), 1);
    tests.remove(0)
}

fn shown(result: &PoolResult) -> Value {
    let of = serde_json::to_value(result).unwrap();
    json!([of["value"], of["passed"], of["shortfall"], of["mend"]])
}

/// Three loans that are bought, with 300,000 of 700,000 dollars in California, and one that is rejected for its score.
const ROWS: [Row; 4] =
    [(300_000, "80", 720, "CA"), (200_000, "70", 700, "TX"), (200_000, "60", 680, ""), (500_000, "80", 500, "CA")];

#[test]
fn a_share_is_percent_of_the_balance_and_names_what_to_drop() {
    let too_much = result("measure = { share = { property_state = [\"CA\"] } }\nmax = 35.0", &ROWS);
    // (300,000 − 0.35 × 700,000) / (1 − 0.35) = 84,615.3846…
    let mend = "Drop at least $84,615.39 of the balance with property_state CA.";
    assert_eq!(shown(&too_much), json!([42.8571, false, 7.8571, mend]));
    assert_eq!((too_much.of, too_much.severity.as_str()), ("to_purchase", "warn"));
    assert_eq!(too_much.measure, "percent of the balance with property_state CA");
    // The loan without a state counts in the balance, and not as one of Texas: 200,000 of 700,000.
    let too_little = result("measure = { share = { property_state = [\"TX\"] } }\nmin = 50", &ROWS);
    // 700,000 − 200,000 / 0.5 = 300,000
    let mend = "Drop at least $300,000.00 of the balance without property_state TX.";
    assert_eq!(shown(&too_little), json!([28.5714, false, 21.4286, mend]));
    let not_in = result("measure = { share = { property_state = { not = [\"TX\"] } } }\nmax = 50", &ROWS);
    assert_eq!(shown(&not_in), json!([42.8571, true, 0, null]));
}

#[test]
fn every_measure_measures_what_it_says() {
    for (rest, expected) in [
        ("measure = { average = \"ltv_ratio\" }\nmax = 71", json!([71.4286, false, 0.4286, null])),
        ("of = \"all\"\nmeasure = { average = \"ltv_ratio\" }\nmax = 75", json!([75, true, 0, null])),
        ("of = \"rejected\"\nmeasure = { average = \"credit_score\" }\nmin = 620", json!([500, false, 120, null])),
        (
            "measure = { count = { ltv_ratio = { min = 70 } } }\nmax = 1",
            json!([2, false, 1, "Drop at least 1 of the loans with ltv_ratio >= 70."]),
        ),
        ("measure = { count = { ltv_ratio = { min = 70 } } }\nmin = 3", json!([2, false, 1, null])),
        (
            "of = \"all\"\nmeasure = { balance = { property_state = [\"CA\"] } }\nmax = 799999.99",
            json!([800_000, false, 0.01, "Drop at least $0.01 of the balance with property_state CA."]),
        ),
        (
            "measure = { largest = \"loan_amount\" }\nmax = 250000",
            json!([300_000, false, 50_000, "Drop every loan with loan_amount above $250,000.00."]),
        ),
        ("of = \"all\"\nmeasure = { largest = \"loan_amount\" }\nmax = 500000", json!([500_000, true, 0, null])),
        (
            "measure = { share = [{ property_state = [\"CA\"] }, { ltv_ratio = { max = 65 } }] }\nmax = 100",
            json!([71.4286, true, 0, null]),
        ),
    ] {
        assert_eq!(shown(&result(rest, &ROWS)), expected, "{rest}");
    }
}

#[test]
fn the_exact_value_decides_and_not_the_rounded_one() {
    let third = [(100_000, "80", 720, "CA"), (200_000, "80", 720, "TX")];
    let rest = |bound: &str| format!("measure = {{ share = {{ property_state = [\"CA\"] }} }}\nmax = {bound}");
    // A third is above 33.3333 and below 33.3334, and shows as the former.
    let above = result(&rest("33.3333"), &third);
    assert_eq!(shown(&above), json!([33.3333, false, 0, "Drop at least $0.15 of the balance with property_state CA."]));
    assert!(result(&rest("33.3334"), &third).passed);
    let quarter = [(100_000, "80", 720, "CA"), (300_000, "80", 720, "TX")];
    assert!(result(&rest("25"), &quarter).passed);
}

#[test]
fn a_pool_without_anything_to_measure_passes_without_a_value() {
    for rest in [
        "of = \"projected\"\nmeasure = { count = { ltv_ratio = { min = 2 } } }\nmin = 1",
        "of = \"projected\"\nmeasure = { balance = { ltv_ratio = { min = 2 } } }\nmin = 1",
        "of = \"projected\"\nmeasure = { share = { ltv_ratio = { min = 2 } } }\nmin = 1",
        "measure = { average = \"dscr\" }\nmin = 1",
        "measure = { largest = \"dscr\" }\nmin = 1",
    ] {
        assert_eq!(shown(&result(rest, &ROWS)), json!([null, true, 0, null]), "{rest}");
    }
}

#[test]
fn the_worst_test_gives_the_status() {
    let status = |tests: &[(&str, &str)]| {
        let toml: String = (0..)
            .zip(tests)
            .map(|(at, (max, severity))| {
                format!("[[pool]]\nname = \"test_{at}\"\nmeasure = {{ largest = \"ltv_ratio\" }}\nmax = {max}\nseverity = \"{severity}\"\n")
            })
            .collect();
        let finished = run_tapes(&[("tape.csv", tape(&ROWS).as_bytes())], &guide(&toml), ONE).unwrap();
        PoolStatus::of(&finished.outcome.summary.pool_tests())
    };
    assert_eq!(status(&[]), None);
    assert_eq!(status(&[("80", "fail"), ("90", "warn")]), Some(PoolStatus::Passed));
    assert_eq!(status(&[("80", "fail"), ("79", "warn")]), Some(PoolStatus::Warn));
    assert_eq!(status(&[("79", "fail"), ("79", "warn")]), Some(PoolStatus::Failed));
}

/// Rule sets with one mistake each: the keys of the pool test, the line, and a part of the message.
const MISTAKES: [(&str, usize, &str); 21] = [
    ("max = 1", 1, "measures nothing"),
    ("measure = { share = { ltv_ratio = { min = 2 } } }", 1, "has no bound"),
    ("measure = { share = { ltv_ratio = { min = 2 } } }\nmax = 101", 4, "a share in percent, from 0 to 100"),
    ("measure = { share = { ltv_ratio = { min = 2 } } }\nmax = \"5\"", 4, "must be a number"),
    ("measure = { share = { ltv_ratio = { min = 2 } } }\nmax = 5\nmin = 6", 4, "below the min 6"),
    ("measure = { count = { ltv_ratio = { min = 2 } } }\nmax = -1", 4, "a number of loans, 0 or more"),
    ("measure = { balance = { ltv_ratio = { min = 2 } } }\nmin = -1", 4, "dollars, 0 or more"),
    ("measure = { average = \"ltv_ratio\" }\nmax = 0.8", 4, "0.80 means 0.8 %: write 80"),
    ("measure = { average = \"ltv\" }\nmax = 80", 3, "there is no field `ltv`"),
    ("measure = { average = \"property_type\" }\nmax = 80", 3, "holds no numbers"),
    ("measure = { largest = \"origination_date\" }\nmax = 80", 3, "holds no numbers"),
    ("measure = { share = {} }\nmax = 80", 3, "not an empty one"),
    ("measure = { share = { ltv_ratio = { max = 0.8 } } }\nmax = 80", 3, "write 80"),
    ("measure = { sum = { ltv_ratio = { max = 80 } } }\nmax = 80", 3, "known here: share, average, count"),
    ("measure = { share = { ltv_ratio = { max = 80 } }, average = \"ltv_ratio\" }\nmax = 80", 3, "exactly one of"),
    ("measure = \"share\"\nmax = 80", 3, "`measure` takes a table"),
    (
        "measure = { average = \"ltv_ratio\" }\nmax = 80\nof = \"bought\"",
        5,
        "\"to_purchase\", \"projected\", \"rejected\", \"all\"",
    ),
    ("measure = { average = \"ltv_ratio\" }\nmax = 80\nseverity = \"hard\"", 5, "\"warn\", \"fail\""),
    ("measure = { average = \"ltv_ratio\" }\nmax = 80\nbelow = 3", 5, "unknown key `below`"),
    (
        "measure = { average = \"ltv_ratio\" }\nmax = 80\n[[rule]]\nname = \"the_pool\"\nrequire = { dscr = { min = 1 } }",
        2,
        "is taken",
    ),
    ("measure = { average = \"ltv_ratio\" }\nmax = 80\n[rules]\nthe_pool = 5", 6, "must be true or false"),
];

#[test]
fn each_mistake_of_a_pool_test_is_named_with_its_line() {
    for (rest, line, message) in MISTAKES {
        let error = RuleSet::from_toml(&pool(rest)).unwrap_err();
        let found: Vec<_> = error.mistakes.iter().map(|mistake| (mistake.line, mistake.message.as_str())).collect();
        assert_eq!(found.len(), 1, "{rest}: {found:?}");
        assert!(found[0].0 == Some(line) && found[0].1.contains(message), "{rest}: {found:?}");
    }
    let unnamed = RuleSet::from_toml("[[pool]]\nmeasure = { average = \"ltv_ratio\" }\nmax = 80\n").unwrap_err();
    assert!(unnamed.to_string().contains("line 1: the pool test has no name"), "{unnamed}");
    let many = pool("measure = { average = \"ltv_ratio\" }\nmax = 80").repeat(51);
    assert!(RuleSet::from_toml(&many).unwrap_err().to_string().contains("at most 50 pool tests"));
}

#[test]
fn a_pool_test_is_part_of_the_hash_and_can_be_switched_off() {
    let rest = |of: &str, max: &str, severity: &str, ltv: &str| {
        let keys = format!("of = \"{of}\"\nmeasure = {{ share = {{ ltv_ratio = {{ min = {ltv} }} }} }}\nmax = {max}");
        pool(&format!("{keys}\nseverity = \"{severity}\""))
    };
    let hash = |toml: &str| guide(toml).id().hash;
    let base = hash(&rest("all", "35.0", "warn", "80"));
    assert_eq!(base, hash(&rest("all", "35", "warn", "80.0")));
    for other in [
        rest("projected", "35", "warn", "80"),
        rest("all", "36", "warn", "80"),
        rest("all", "35", "fail", "80"),
        rest("all", "35", "warn", "81"),
    ] {
        assert_ne!(hash(&other), base, "{other}");
    }
    let off = rest("all", "35", "warn", "80") + "[rules]\nthe_pool = false\n";
    assert_eq!(guide(&off).id().hash, hash(""));
    assert!(guide(&off).guide().pools().is_none());
}

#[test]
fn programs_share_the_pool_tests_of_the_rule_set_that_lists_them() {
    let toml = pool("measure = { share = { property_state = [\"CA\"] } }\nmax = 35");
    let file = |parent: &str, program: &str| {
        let mut files = shared::rules::rule_set::GuideFiles::default();
        files.insert("one.toml", format!("name = \"one\"\n{program}").into_bytes());
        let toml = format!("programs = [\"one.toml\"]\n{parent}");
        shared::rules::rule_set::RuleSetFile { name: "deal".to_owned(), toml, files }.rules()
    };
    let rules = file(&toml, "").unwrap();
    let finished = run_tapes(&[("tape.csv", tape(&ROWS).as_bytes())], &rules, ONE).unwrap();
    assert_eq!(shown(&finished.outcome.summary.pool_tests()[0])[0], 42.8571);
    assert_ne!(rules.id().hash, file("", "").unwrap().id().hash);
    assert_eq!(rules.listing().last().unwrap().name, "the_pool");
    let error = file("", &toml).unwrap_err().to_string();
    assert!(error.contains("one.toml:2: a program has no pool tests"), "{error}");
}

#[test]
fn pool_tests_are_listed_with_the_rules() {
    let rules = guide(&pool(
        "of = \"all\"\nmeasure = { share = { property_state = [\"CA\"] } }\nmin = 5\nmax = 35.0\nseverity = \"fail\"",
    ));
    let listed = serde_json::to_value(rules.listing().last().unwrap()).unwrap();
    assert_eq!(
        listed,
        json!({
            "name": "the_pool", "kind": "pool", "exception_type": null, "field": "property_state", "limit": ">= 5 and <= 35",
            "severity": null, "exception_category": null, "rejection_criteria": null,
            "gives": "percent of the balance with property_state CA", "of": "all", "on_failure": "fail"
        })
    );
}

/// A loan of a generated tape: good, without a state, of a large or odd amount, ineligible, or unreadable.
fn row() -> impl Strategy<Value = String> {
    let amounts = prop::sample::select(vec!["250000", "99999.99", "1234567.8901", "0.0000001", "400000.1234567", "", "-5", "x"]);
    let states = prop::sample::select(vec!["CA", "TX", "FL", "", "Utopia"]);
    let (ltvs, scores) =
        (prop::sample::select(vec!["80", "79.9999999", "60", "99", ""]), prop::sample::select(vec!["720", "650", "500"]));
    let dates = prop::sample::select(vec!["2025-01-31", "2026-01-01", ""]);
    (amounts, ltvs, scores, states, dates).prop_map(|(amount, ltv, score, state, date)| {
        format!("{amount},6.5,{ltv},35,{score},sfr,primary,purchase,900000,900000,{state},{date}")
    })
}

const POOLS: &str = r#"
[[pool]]
name = "share_all"
of = "all"
measure = { share = { property_state = ["CA"], ltv_ratio = { min = 80 } } }
max = 35
[[pool]]
name = "share_not"
measure = { share = { property_state = { not = ["CA"] } } }
min = 60
severity = "fail"
[[pool]]
name = "average_ltv"
of = "all"
measure = { average = "ltv_ratio" }
max = 75
[[pool]]
name = "old_ones"
of = "rejected"
measure = { count = { seasoning_months = { min = 2 } } }
max = 1
[[pool]]
name = "age"
measure = { average = "seasoning_months" }
max = 3
[[pool]]
name = "held"
of = "projected"
measure = { balance = { property_state = ["CA", "TX"] } }
max = 100000
[[pool]]
name = "largest"
of = "all"
measure = { largest = "loan_amount" }
max = 1000000
"#;

/// The rules beside the pools, so that loans are held, too.
const RULES: &str = "[[rule]]\nname = \"texas\"\nwhen = { property_state = [\"TX\"] }\nrequire = { ltv_ratio = { max = 70 } }\n";

fn generated_tape(rows: &[String]) -> String {
    let mut tape = format!("{HEADER},property_state,origination_date\n");
    (0..).zip(rows).for_each(|(at, cells): (usize, _)| tape.push_str(&format!("L-{at},{cells}\n")));
    tape
}

/// What an oracle finds in the facts of a run, in units of 10^-7 dollars: the balance of California with an LTV from 80 on, the whole
/// balance, and the largest amount.
fn oracle(files: &crate::support::runs::Files, outcome: &shared::engine::Outcome) -> (i128, i128, Option<i128>) {
    let facts = FactsReader::open(bytes::Bytes::from(files["facts.parquet"].clone())).unwrap();
    let page = facts.page(&outcome.index, &FactFilter::default(), 0, 10_000).unwrap();
    let number = |fact: &FactRow, field: Field| match (field.info().kind, &fact.numbers) {
        (FieldKind::Number(at), numbers) => match numbers[at] {
            StoredNumber::Value(value) => Some(value),
            StoredNumber::Missing | StoredNumber::Unreadable(_) => None,
        },
        _ => None,
    };
    let units = |value: Decimal| {
        let (mantissa, scale) = value.parts();
        // Amounts have at most seven decimals, and a decimal at least six.
        if scale == 6 { mantissa * 10 } else { mantissa }
    };
    let (mut top, mut bottom, mut largest) = (0, 0, None);
    for fact in &page {
        let amount = number(fact, Field::LoanAmount).map(units);
        bottom += amount.unwrap_or(0);
        let in_california = fact.standard(Field::PropertyState) == Some(&StoredValue::Word("CA".to_owned()));
        let high = number(fact, Field::LtvRatio).is_some_and(|ltv| ltv >= Decimal::from_integer(80));
        top += if in_california && high { amount.unwrap_or(0) } else { 0 };
        largest = largest.max(amount);
    }
    (top, bottom, largest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pools_are_what_an_oracle_finds_in_the_facts_however_the_run_is_made(rows in prop::collection::vec(row(), 1..60)) {
        let (tape, rules) = (generated_tape(&rows), guide(&format!("{POOLS}{RULES}")));
        let [whole, threads, parts] = all_ways(&tape, &rules);
        prop_assert!(threads == whole && parts == whole);
        let finished = run_tapes(&[("tape.csv", tape.as_bytes())], &rules, Tuning { threads: 2, block_bytes: 512 }).unwrap();
        let tests = finished.outcome.summary.pool_tests();
        let (top, bottom, largest) = oracle(&finished.files, &finished.outcome);
        let share = &tests[0];
        if bottom > 0 {
            prop_assert_eq!(share.passed, 100 * top <= 35 * bottom, "{:?}", share);
            let shown: Decimal = share.value.as_ref().unwrap().to_string().parse().unwrap();
            let shown = i128::from(TenThousandths::exact(shown).unwrap().0);
            prop_assert!((2 * (shown * bottom - top * 1_000_000)).abs() <= bottom, "{:?}", share);
            if let Some(mend) = &share.mend {
                let dollars = mend.split(['$', ' ']).nth(4).unwrap();
                let cents: i128 = dollars.replace([',', '.'], "").parse().unwrap();
                let drop = cents * 100_000;
                prop_assert!(100 * (top - drop) <= 35 * (bottom - drop), "{} does not mend", mend);
                prop_assert!(100 * (top - drop + 100_000) > 35 * (bottom - drop + 100_000), "{} is too much", mend);
            }
        }
        prop_assert_eq!(tests[6].value.is_some(), largest.is_some());
        prop_assert_eq!(tests[6].passed, largest.is_none_or(|largest| largest <= 10_i128.pow(13)));
        for test in tests.iter().filter(|test| test.passed) {
            prop_assert!(test.mend.is_none() && test.shortfall.to_string() == "0", "{:?}", test);
        }
        // The files of the run are those of a run without pool tests.
        let without = gives(&tape, &guide(RULES), ONE, None);
        prop_assert!(without.0 == whole.0);
    }
}
