//! Adjustments and the price waterfall.

use proptest::prelude::*;
use shared::{
    decimal::Decimal,
    facts::read::{FactFilter, FactsReader},
    phases::disposition::Decided,
    ten_thousandths::TenThousandths,
};

use super::{runs::wide_tape, *};
use crate::support::runs::run_tapes;

const ADJUSTMENTS: &str = r#"
name = "priced"
[pricing]
cap = 96.0
floor = 90.0
[[adjustment]]
name = "condo"
when = { property_type = ["condo"] }
points = -0.75
[[adjustment]]
name = "florida"
when = { property_state = ["FL"] }
points = -1.125
[[adjustment]]
name = "every_loan"
points = 0.0
[[adjustment]]
name = "low_coverage"
when = { dscr = { below = 1.0 } }
points = -6.5
missing = "pass"
"#;

/// What the good loan with some cells replaced is worth under a rule set, and why. Its base price is 96.7500.
fn with_price<R>(rules: &RuleSet, cells: &[(&str, &str)], then: impl FnOnce(&Decided<'_, '_>) -> R) -> R {
    let loan = cells.iter().fold(LoanBuilder::good(), |loan, (column, cell)| loan.with(column, cell)).build();
    then(&judge(&loan, None, rules, &Pricing::new(rules, IrrTarget::DEFAULT, PDATE)))
}

/// Final price, names of the parts, disposition, and the reason for holding the loan.
fn priced(rules: &RuleSet, cells: &[(&str, &str)]) -> (Option<String>, Vec<String>, &'static str, Option<String>) {
    with_price(rules, cells, |decided| {
        let parts = decided.parts.iter().map(|part| decided.waterfall.name_of(decided.waterfall.part(*part).unwrap()).to_owned());
        let price = decided.price.map(|price| price.final_price.text());
        (price, parts.collect(), decided.disposition.as_str(), decided.projection_reason.clone())
    })
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_adjustments_that_apply_are_added_and_the_cap_comes_last() {
    let rules = guide(ADJUSTMENTS);
    let texas = ("property_state", "TX");
    assert_eq!(priced(&rules, &[texas]), (Some("96.0000".to_owned()), named(&["every_loan"]), "to_purchase", None));
    let condo = [texas, ("property_type", "condo"), ("note_rate", "6.5")];
    assert_eq!(priced(&rules, &condo), (Some("95.3750".to_owned()), named(&["condo", "every_loan"]), "to_purchase", None));
    with_price(&rules, &[texas], |decided| {
        let price = decided.price.unwrap();
        assert_eq!(price.base_price.text(), "96.7500");
        let capped = decided.waterfall.capped(price.base_price, &decided.parts, price.final_price);
        assert_eq!(capped.map(TenThousandths::text).as_deref(), Some("-0.7500"));
    });
}

#[test]
fn a_price_below_the_floor_holds_the_loan() {
    let cells = [("property_state", "FL"), ("dscr", "0.9"), ("note_rate", "6.5")];
    let reason = "Held back: price 88.5000 is below the floor 90.0000".to_owned();
    let parts = named(&["florida", "every_loan", "low_coverage"]);
    assert_eq!(priced(&guide(ADJUSTMENTS), &cells), (Some("88.5000".to_owned()), parts, "projected", Some(reason)));
}

#[test]
fn an_undetermined_adjustment_holds_the_loan_and_the_price_shows_what_is_known() {
    let rules = guide(ADJUSTMENTS);
    let message = "florida cannot be decided: property_state is missing";
    let (price, parts, disposition, reason) = priced(&rules, &[("property_type", "condo")]);
    assert_eq!((price.as_deref(), disposition), (Some("96.0000"), "projected"));
    assert_eq!(parts, named(&["condo", "every_loan"]));
    assert_eq!(reason, Some(format!("Held back: {message}")));
    let [exception] = &exceptions(&rules, &[])[..] else { panic!("one exception") };
    assert_eq!(exception, &["undetermined", "soft", "property_state", "missing", "", "", message].map(str::to_owned));
}

#[test]
fn an_undetermined_adjustment_may_leave_a_loan_without_a_price_or_add_nothing() {
    let fails = guide(&ADJUSTMENTS.replace("points = -1.125", "points = -1.125\nmissing = \"fail\""));
    let reason = "Held back: not priced: florida cannot be decided: property_state is missing".to_owned();
    assert_eq!(priced(&fails, &[]), (None, Vec::new(), "projected", Some(reason)));
    assert!(exceptions(&fails, &[]).is_empty());
    let passes = guide(&ADJUSTMENTS.replace("points = -1.125", "points = -1.125\nmissing = \"pass\""));
    assert_eq!(priced(&passes, &[]), (Some("96.0000".to_owned()), named(&["every_loan"]), "to_purchase", None));
}

#[test]
fn a_rejected_loan_has_no_adjustments() {
    assert_eq!(priced(&guide(ADJUSTMENTS), &[("ltv_ratio", "98")]), (None, Vec::new(), "rejected", None));
    let rules = exceptions(&guide(ADJUSTMENTS), &[("ltv_ratio", "98")]);
    assert_eq!(rules.iter().map(|[name, ..]| name.as_str()).collect::<Vec<_>>(), ["ltv_ratio"]);
}

#[test]
fn reasons_of_the_price_come_last() {
    let rules = guide(&format!("{ADJUSTMENTS}[projection]\nminimum_price = 95\nhold_on_soft_exceptions = true\n"));
    let cells = [("dscr", "0.9"), ("note_rate", "6.5"), ("appraisal_value", "")];
    let reason = "Held back: florida cannot be decided: property_state is missing; price 89.6250 is below the minimum 95.0000; \
                  soft exceptions: missing_appraisal; price 89.6250 is below the floor 90.0000";
    assert_eq!(priced(&rules, &cells).3.as_deref(), Some(reason));
}

#[test]
fn a_switch_turns_an_adjustment_off() {
    let rules = guide(&format!("{ADJUSTMENTS}[rules]\nflorida = false\n"));
    assert_eq!(priced(&rules, &[]), (Some("96.0000".to_owned()), named(&["every_loan"]), "to_purchase", None));
    assert_eq!(rules.report_columns(), ["condo", "every_loan", "low_coverage", "cap"]);
}

#[test]
fn loans_and_report_show_how_each_price_came_about() {
    let finished = run_tapes(&[("tape.csv", wide_tape(6).as_bytes())], &guide(ADJUSTMENTS), runs::ONE).unwrap();
    let report = String::from_utf8(finished.files["pricing_report.csv"].clone()).unwrap();
    let expected = [
        "seller_loan_number,disposition,program,base_price,condo,florida,every_loan,low_coverage,cap,final_price,wal,duration",
        "L-00000,to_purchase,,96.1250,,,0.0000,,-0.1250,96.0000,,",
        "L-00001,to_purchase,,96.1250,-0.7500,-1.1250,0.0000,,,94.2500,,",
        "L-00002,projected,,96.1250,,,0.0000,-6.5000,,89.6250,,",
    ];
    assert_eq!(report.lines().take(4).collect::<Vec<_>>(), expected);
    let facts = FactsReader::open(bytes::Bytes::from(finished.files["facts.parquet"].clone())).unwrap();
    let page = facts.page(&finished.outcome.index, &FactFilter::default(), 1, 1).unwrap();
    let loan = serde_json::to_value(&page[0]).unwrap();
    assert_eq!(loan["base_price"], serde_json::json!(96.125));
    assert_eq!(loan["base_price_source"], "linear");
    let source = |line: usize| format!("unnamed.toml:{line}");
    let line = |name: &str| ADJUSTMENTS.lines().position(|line| line == format!("name = \"{name}\"")).unwrap() + 1;
    let part = |name: &str, points: f64| serde_json::json!({"name": name, "points": points, "source": source(line(name))});
    let every = serde_json::json!({"name": "every_loan", "points": 0, "source": source(line("every_loan"))});
    assert_eq!(loan["price_adjustments"], serde_json::json!([part("condo", -0.75), part("florida", -1.125), every]));
    assert_eq!(finished.outcome.outputs.last().map(|(output, _)| output.key), Some("pricing_report"));
}

#[test]
fn a_run_whose_rule_set_adjusts_no_price_has_no_pricing_report() {
    let finished = run_tapes(&[("tape.csv", wide_tape(6).as_bytes())], RuleSet::built_in(), runs::ONE).unwrap();
    assert!(!finished.files.contains_key("pricing_report.csv"));
    let facts = FactsReader::open(bytes::Bytes::from(finished.files["facts.parquet"].clone())).unwrap();
    let page = facts.page(&finished.outcome.index, &FactFilter::default(), 0, 1).unwrap();
    let loan = serde_json::to_value(&page[0]).unwrap();
    assert_eq!((&loan["base_price"], &loan["base_price_source"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(loan["price_adjustments"], serde_json::json!([]));
}

#[test]
fn neither_threads_nor_blocks_nor_parts_change_a_byte_of_prices() {
    let [whole, threads, parts] = runs::all_ways(&wide_tape(700), &guide(ADJUSTMENTS));
    assert!(threads == whole);
    assert!(parts == whole);
}

/// Sections with one mistake each: the text, its line, and a part of the message.
const MISTAKES: [(&str, usize, &str); 14] = [
    ("[[adjustment]]\npoints = 1", 1, "the adjustment has no name"),
    ("[[adjustment]]\nname = \"one\"", 1, "has no points"),
    ("[[adjustment]]\nname = \"one\"\npoints = \"1\"", 3, "must be a number"),
    ("[[adjustment]]\nname = \"one\"\npoints = 0.00001", 3, "at most 4 decimals"),
    ("[[adjustment]]\nname = \"one\"\npoints = 1001", 3, "from -1000 to 1000"),
    ("[[adjustment]]\nname = \"one\"\npoints = 1\nseverity = \"soft\"", 4, "unknown key `severity`"),
    ("[[adjustment]]\nname = \"ltv_ratio\"\npoints = 1", 2, "is taken"),
    ("[[adjustment]]\nname = \"cap\"\npoints = 1", 2, "is taken"),
    ("[[rule]]\nname = \"one\"\nrequire = { dscr = { min = 1 } }\n[[adjustment]]\nname = \"one\"\npoints = 1", 5, "is taken"),
    ("[adjustment]\nname = \"one\"", 1, "write [[adjustment]]"),
    ("[pricing]\nmethod = \"magic\"", 2, "must be one of \"linear\", \"cash_flow\""),
    ("[pricing]\ncap = 0", 2, "a price above 0"),
    ("[pricing]\ncap = 100\nfloor = 100", 1, "must be below the cap"),
    ("[pricing]\nceiling = 1", 2, "unknown key `ceiling`"),
];

#[test]
fn each_mistake_of_a_waterfall_says_where_it_is() {
    for (text, line, part) in MISTAKES {
        let error = RuleSet::from_toml(text).unwrap_err();
        let [mistake] = &error.mistakes[..] else { panic!("{text}: {error}") };
        assert_eq!(mistake.line, Some(line), "{text}: {error}");
        assert!(mistake.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn the_hash_of_a_waterfall_depends_on_what_it_decides() {
    let hash = |text: &str| guide(text).id().hash;
    let base = hash(ADJUSTMENTS);
    assert_eq!(hash(&format!("\n\n# moved\n{ADJUSTMENTS}")), base);
    assert_eq!(hash(&ADJUSTMENTS.replace("96.0", "96")), base);
    for (from, to) in
        [("-0.75", "-0.76"), ("cap = 96.0", "cap = 97"), ("floor = 90.0\n", ""), ("condo\"]", "pud\"]"), ("\"pass\"", "\"hold\"")]
    {
        assert_ne!(hash(&ADJUSTMENTS.replace(from, to)), base, "{from}");
    }
    assert_ne!(hash("[pricing]\n"), RuleSet::built_in().id().hash);
}

proptest! {
    #[test]
    fn the_parts_of_a_price_add_up(
        points in prop::collection::vec(-90_000_i64..90_000, 0..6),
        cap in prop::option::of(900_000_i64..1_100_000),
        rate in 3_000_i64..12_000,
        condo in prop::bool::ANY,
    ) {
        let mut text = String::from("[pricing]\n[rules]\nnote_rate_range = false\n");
        if let Some(cap) = cap {
            text = text.replace("[pricing]\n", &format!("[pricing]\ncap = {}\n", TenThousandths(cap).text()));
        }
        for (at, points) in points.iter().enumerate() {
            let when = if at % 2 == 0 { "when = { property_type = [\"condo\"] }\n" } else { "" };
            text.push_str(&format!("[[adjustment]]\nname = \"part_{at}\"\n{when}points = {}\n", TenThousandths(*points).text()));
        }
        let rules = guide(&text);
        let rate = Decimal::new(rate.into(), 3).unwrap().to_string();
        let cells = [("note_rate", rate.as_str()), ("property_type", if condo { "condo" } else { "sfr" })];
        with_price(&rules, &cells, |decided| {
            let price = decided.price.unwrap();
            let applied = points.iter().enumerate().filter(|(at, _)| condo || at % 2 == 1).map(|(_, points)| *points);
            let sum = price.base_price.0 + applied.sum::<i64>();
            assert_eq!(price.final_price.0, cap.map_or(sum, |cap| cap.min(sum)));
            let parts: i64 = decided.parts.iter().map(|part| decided.waterfall.part(*part).unwrap().points.0).sum();
            let capped = decided.waterfall.capped(price.base_price, &decided.parts, price.final_price);
            assert_eq!(price.base_price.0 + parts + capped.map_or(0, |points| points.0), price.final_price.0);
        });
    }
}
