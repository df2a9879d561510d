//! Prices by cash flows: which assumptions count for a loan, when it pays, and why it may have no price.

use shared::{
    decimal::Decimal,
    facts::read::{FactFilter, FactsReader},
    ten_thousandths::TenThousandths,
};

use super::{runs::wide_tape, *};
use crate::support::runs::{GOOD_CELLS, HEADER, run_tapes};

/// Keys of `[pricing]`, without its head.
pub(super) const ASSUMPTIONS: &str = r#"
method = "cash_flow"
yield_basis = "monthly"
prepayment = { cpr = 6.0 }
default = { cdr = 0.5 }
loss_severity = 30.0
servicing_fee = 0.25
recovery_lag = 12
"#;

/// A loan of 340 months left of 360, at 6.5 %.
const SEASONED: [(&str, &str); 3] = [("note_rate", "6.5"), ("remaining_term", "340"), ("original_term", "360")];

/// A rule set that prices by these assumptions and more.
fn pricing(more: &str) -> RuleSet {
    guide(&format!("name = \"flows\"\n[pricing]{ASSUMPTIONS}{more}"))
}

/// A price as people see it.
#[derive(Debug, PartialEq)]
struct Shown {
    base_price: String,
    wal: Option<String>,
    duration: Option<String>,
    source: String,
}

/// The price of the good loan with some cells replaced at a target, or why it has none.
fn price_at(rules: &RuleSet, cells: &[(&str, &str)], target: &str) -> Result<Shown, String> {
    let loan = cells.iter().fold(LoanBuilder::good(), |loan, (column, cell)| loan.with(column, cell)).build();
    let pricing = Pricing::new(rules, target.parse().unwrap(), PDATE);
    let decided = judge(&loan, None, rules, &pricing);
    let spread = loan.number(shared::loan::Field::NoteRate).value().unwrap().checked_sub(target.parse().unwrap()).unwrap();
    assert_eq!(decided.pricing_spread, TenThousandths::exact(spread), "a loan without a price has a spread, too");
    let text = |years: Option<TenThousandths>| years.map(TenThousandths::text);
    decided.price.map_or_else(
        || Err(decided.projection_reason.unwrap()),
        |price| {
            let source = pricing.source_text(price.source);
            Ok(Shown { base_price: price.base_price.text(), wal: text(price.wal), duration: text(price.duration), source })
        },
    )
}

fn base_price(rules: &RuleSet, cells: &[(&str, &str)]) -> String {
    price_at(rules, cells, "6.0").unwrap().base_price
}

/// Why the good loan with some cells replaced has no price.
fn reason(rules: &RuleSet, cells: &[(&str, &str)]) -> String {
    price_at(rules, cells, "6.0").unwrap_err()
}

#[test]
fn a_loan_is_worth_its_payments_at_the_target() {
    let expected = Shown {
        base_price: "100.5064".to_owned(),
        wal: Some("10.0019".to_owned()),
        duration: Some("6.6212".to_owned()),
        source: "cash_flow, segment none, n 340 (remaining_term)".to_owned(),
    };
    assert_eq!(price_at(&pricing(""), &SEASONED, "6.0"), Ok(expected));
    let only_prepaying = ASSUMPTIONS.replace("cdr = 0.5", "cdr = 0").replace("fee = 0.25", "fee = 0");
    let rules = guide(&format!("[pricing]{only_prepaying}"));
    let four_percent = price_at(&rules, &[("note_rate", "4"), ("remaining_term", "360")], "8.05").unwrap();
    assert_eq!(four_percent.base_price, "76.0817");
}

#[test]
fn interest_only_months_and_balloons_come_from_the_tape() {
    let rate = ("note_rate", "7.25");
    let balloon = [rate, ("remaining_term", "120"), ("original_term", "120"), ("amortization_term", "360")];
    let interest_only = [rate, ("remaining_term", "360"), ("original_term", "360"), ("interest_only_term", "60")];
    let price = |cells: &[(&str, &str)]| price_at(&pricing(""), cells, "6.5").unwrap().base_price;
    assert_eq!([price(&balloon), price(&interest_only)], ["101.7668", "102.2308"]);
}

#[test]
fn a_balloon_of_an_older_loan_counts_from_its_origination() {
    let balloon = |remaining: &'static str, amortization: &'static str| {
        let cells =
            [("note_rate", "7.25"), ("remaining_term", remaining), ("original_term", "120"), ("amortization_term", amortization)];
        base_price(&pricing(""), &cells)
    };
    // 60 months into an amortization of 360, 300 are left.
    let cells = [("note_rate", "7.25"), ("remaining_term", "60"), ("original_term", "60"), ("amortization_term", "300")];
    assert_eq!(balloon("60", "360"), base_price(&pricing(""), &cells));
    assert_ne!(balloon("60", "360"), balloon("60", "120"));
}

const SEGMENTS: &str = r#"
[[pricing.segment]]
name = "low_score"
when = { credit_score = { max = 660 } }
prepayment = { cpr = [1.0, 4.0] }
default = { cdr = 2.0 }
[[pricing.segment]]
name = "investor"
when = { occupancy_status = ["investment"] }
servicing_fee = 0.5
[[pricing.segment]]
name = "covered"
when = { dscr = { min = 1.0 } }
loss_severity = 100
"#;

#[test]
fn the_first_segment_that_holds_replaces_what_it_names() {
    let rules = pricing(SEGMENTS);
    let with = |cells: &[(&'static str, &'static str)]| price_at(&rules, &[&SEASONED[..], cells].concat(), "6.0").unwrap();
    let alone = |from: &str, to: &str| base_price(&guide(&format!("[pricing]{}", ASSUMPTIONS.replace(from, to))), &SEASONED);
    let other = ("dscr", "0.9");
    assert_eq!(with(&[other]).source, "cash_flow, segment none, n 340 (remaining_term)");
    assert_eq!(with(&[other]).base_price, "100.5064");
    let both = with(&[("credit_score", "640"), ("occupancy_status", "investment")]);
    assert_eq!(both.source, "cash_flow, segment low_score, n 340 (remaining_term)");
    let slower = ASSUMPTIONS.replace("cpr = 6.0", "cpr = [1.0, 4.0]").replace("cdr = 0.5", "cdr = 2.0");
    assert_eq!(both.base_price, base_price(&guide(&format!("[pricing]{slower}")), &SEASONED));
    let investor = with(&[("occupancy_status", "investment"), ("dscr", "1.2")]);
    assert_eq!(investor.source, "cash_flow, segment investor, n 340 (remaining_term)");
    assert_eq!(investor.base_price, alone("servicing_fee = 0.25", "servicing_fee = 0.5"));
    assert_eq!(with(&[("dscr", "1.2")]).base_price, alone("loss_severity = 30.0", "loss_severity = 100"));
}

#[test]
fn a_segment_that_cannot_be_decided_holds_the_loan() {
    let rules = pricing(SEGMENTS);
    let expected = "Held back: not priced: segment covered cannot be decided: dscr is missing";
    assert_eq!(reason(&rules, &SEASONED), expected);
    // A segment before it that holds decides.
    let low = [&SEASONED[..], &[("credit_score", "640")]].concat();
    assert_eq!(price_at(&rules, &low, "6.0").unwrap().source, "cash_flow, segment low_score, n 340 (remaining_term)");
}

#[test]
fn the_source_names_where_the_number_of_months_comes_from() {
    let rules = pricing("term = 300\n");
    let source = |cells: &[(&str, &str)]| price_at(&rules, cells, "6.0").unwrap().source;
    let maturity = ("maturity_date", "2046-02-02");
    assert_eq!(source(&[("remaining_term", "200"), maturity]), "cash_flow, segment none, n 200 (remaining_term)");
    assert_eq!(source(&[maturity]), "cash_flow, segment none, n 240 (maturity_date)");
    let first = [("original_term", "360"), ("first_payment_date", "2026-01-01")];
    assert_eq!(source(&first), "cash_flow, segment none, n 358 (first_payment_date)");
    assert_eq!(source(&[]), "cash_flow, segment none, n 300 (term)");
}

#[test]
fn every_reason_for_no_price_is_named() {
    let rules = pricing(SEGMENTS);
    let costly = guide(&format!("[pricing]{}{SEGMENTS}", ASSUMPTIONS.replace("fee = 0.25", "fee = 5")));
    let undecided = [("amortization_type", "ARM"), ("remaining_term", "0")];
    let expected = "Held back: not priced: adjustable rate; not priced: segment covered cannot be decided: dscr is missing; \
                    not priced: 0 months left by remaining_term; a loan has a whole number from 1 to 600";
    assert_eq!(reason(&costly, &undecided), expected);
    let cells = [("amortization_type", "ARM"), ("note_rate", "4.5"), ("remaining_term", "0"), ("dscr", "0.9")];
    let expected = "Held back: not priced: adjustable rate; not priced: 0 months left by remaining_term; a loan has a whole number from 1 to 600; \
                    not priced: note rate 4.50 % is below the servicing fee 5.00 %";
    assert_eq!(reason(&costly, &cells), expected);
    let nothing_said = reason(&rules, &[("credit_score", "640")]);
    assert_eq!(
        nothing_said,
        "Held back: not priced: the tape does not say how many months are left (remaining_term, maturity_date, or original_term \
         with first_payment_date), and the rule set has no `term` for such a loan"
    );
    let interest_only = [("remaining_term", "340"), ("interest_only_term", "60"), ("credit_score", "640")];
    assert_eq!(
        reason(&rules, &interest_only),
        "Held back: not priced: interest_only_term counts from origination, and original_term is missing"
    );
}

#[test]
fn a_loan_with_an_adjustable_rate_is_held_unless_the_rule_set_prices_it_as_fixed() {
    let adjustable = [&SEASONED[..], &[("amortization_type", "hybrid")]].concat();
    let unknown = [&SEASONED[..], &[("amortization_type", "step up")]].concat();
    let fixed = [&SEASONED[..], &[("amortization_type", "FRM")]].concat();
    assert_eq!(reason(&pricing(""), &adjustable), "Held back: not priced: adjustable rate");
    assert_eq!(
        reason(&pricing("adjustable = \"hold\"\n"), &unknown),
        "Held back: not priced: amortization_type \"step up\" is neither fixed nor adjustable"
    );
    let as_fixed = pricing("adjustable = \"as_fixed\"\n");
    for cells in [&adjustable, &unknown, &fixed] {
        assert_eq!(base_price(&as_fixed, cells), "100.5064");
    }
    assert_eq!(base_price(&pricing(""), &fixed), "100.5064");
}

#[test]
fn a_loan_without_a_price_keeps_its_spread_in_every_file() {
    let tape = format!("{HEADER},remaining_term\nL-1,{GOOD_CELLS},340\nL-2,{GOOD_CELLS},0\n");
    let finished = run_tapes(&[("tape.csv", tape.as_bytes())], &pricing(""), runs::ONE).unwrap();
    let held = &finished.rows("projected_tape.csv")[0];
    assert_eq!((held["pricing_spread"].as_str(), held["final_price"].as_str()), ("-1.5500", ""));
    let report = String::from_utf8(finished.files["pricing_report.csv"].clone()).unwrap();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(
        lines,
        [
            "seller_loan_number,disposition,program,base_price,final_price,wal,duration",
            "L-1,to_purchase,,88.3530,88.3530,10.0019,5.9691",
        ]
    );
    let facts = FactsReader::open(bytes::Bytes::from(finished.files["facts.parquet"].clone())).unwrap();
    let page = facts.page(&finished.outcome.index, &FactFilter::default(), 0, 2).unwrap();
    let members = |at: usize| {
        let loan = serde_json::to_value(&page[at]).unwrap();
        ["pricing_spread", "final_price", "base_price", "base_price_source", "wal", "duration"].map(|name| loan[name].clone())
    };
    let source = "cash_flow, segment none, n 340 (remaining_term)";
    let expected = serde_json::json!([-1.55, 88.353, 88.353, source, 10.0019, 5.9691]);
    assert_eq!(serde_json::json!(members(0)), expected);
    assert_eq!(serde_json::json!(members(1)), serde_json::json!([-1.55, null, null, null, null, null]));
}

#[test]
fn wal_and_duration_are_averaged_by_balance() {
    let small = GOOD_CELLS.replacen("250000", "50000", 1);
    let tape = format!("{HEADER},remaining_term\nL-1,{GOOD_CELLS},340\nL-2,{small},120\nL-3,{GOOD_CELLS},0\nL-4,,340\n");
    let finished =
        run_tapes(&[("tape.csv", tape.replace("L-4,,", &format!("L-4,{},", ",".repeat(9))).as_bytes())], &pricing(""), runs::ONE)
            .unwrap();
    let lives: Vec<Decimal> = finished.rows("pricing_report.csv").iter().map(|row| row["wal"].parse().unwrap()).collect();
    let weighted = |at: usize, weight: i64| lives[at].checked_mul(Decimal::from_integer(weight)).unwrap();
    let sum = weighted(0, 5).checked_add(weighted(1, 1)).unwrap();
    let summary = serde_json::to_value(finished.outcome.summary.finish()).unwrap();
    let of = |disposition: &str| summary["dispositions"][disposition].clone();
    let average = of("to_purchase")["wa_wal"].to_string().parse::<Decimal>().unwrap();
    let six = average.checked_mul(Decimal::from_integer(6)).unwrap();
    let off = six.checked_sub(sum).unwrap().magnitude();
    assert!(off <= "0.0003".parse().unwrap(), "{average} is not the average of {lives:?}");
    assert!(of("to_purchase")["wa_duration"].is_number());
    assert!(of("projected")["wa_wal"].is_null() && of("rejected")["wa_duration"].is_null());
}

#[test]
fn neither_threads_nor_blocks_nor_parts_change_a_byte_of_cash_flow_prices() {
    let segments = SEGMENTS.replace("dscr = { min = 1.0 }", "property_state = [\"FL\"]");
    let [whole, threads, parts] = runs::all_ways(&wide_tape(700), &pricing(&format!("term = 360\n{segments}")));
    assert!(threads == whole);
    assert!(parts == whole);
}

#[test]
fn the_hash_of_a_rule_set_depends_on_every_assumption() {
    let all = format!("advances = false\ndelay_days = 0\nterm = 360\nadjustable = \"hold\"\n{SEGMENTS}");
    let text = format!("[pricing]{ASSUMPTIONS}{all}");
    let hash = |text: &str| guide(text).id().hash;
    let base = hash(&text);
    for (from, to) in [
        ("\"monthly\"", "\"effective\""),
        ("cpr = 6.0", "smm = 6.0"),
        ("cdr = 0.5", "cdr = 0.6"),
        ("loss_severity = 30.0", "loss_severity = 31"),
        ("servicing_fee = 0.25", "servicing_fee = 0.3"),
        ("recovery_lag = 12", "recovery_lag = 13"),
        ("advances = false", "advances = true"),
        ("delay_days = 0", "delay_days = 1"),
        ("term = 360", "term = 359"),
        ("\"hold\"", "\"as_fixed\""),
        ("max = 660", "max = 661"),
        ("[1.0, 4.0]", "[1.0, 4.1]"),
        ("\"investor\"", "\"landlord\""),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert_ne!(hash(&changed), base, "{from}");
    }
    for (from, to) in
        [("cpr = 6.0", "cpr = 6"), ("advances = false\n", ""), ("delay_days = 0\n", ""), ("adjustable = \"hold\"\n", "")]
    {
        assert_eq!(hash(&text.replace(from, to)), base, "{from}");
    }
}

/// What is put in place of one line of the assumptions, and a part of each message that follows.
const MISTAKES: [(&str, &str, &[&str]); 24] = [
    (
        "yield_basis = \"monthly\"",
        "",
        &["need `yield_basis`: there is no silent assumption, so say it, such as yield_basis = \"monthly\""],
    ),
    ("prepayment = { cpr = 6.0 }", "", &["need `prepayment`"]),
    ("default = { cdr = 0.5 }", "", &["need `default`"]),
    ("loss_severity = 30.0", "", &["need `loss_severity`"]),
    ("servicing_fee = 0.25", "", &["need `servicing_fee`"]),
    (
        "yield_basis = \"monthly\"",
        "yield_basis = \"weekly\"",
        &["must be one of \"monthly\", \"bond_equivalent\", \"effective\""],
    ),
    ("{ cpr = 6.0 }", "6.0", &["`prepayment` takes a table with its unit, such as prepayment = { cpr = 1.0 }"]),
    ("{ cpr = 6.0 }", "{ cpr = 6.0, psa = 100 }", &["`prepayment` has exactly one of cpr, psa, smm"]),
    ("{ cpr = 6.0 }", "{}", &["`prepayment` has exactly one of cpr, psa, smm"]),
    ("{ cpr = 6.0 }", "{ cdr = 6.0 }", &["unknown key `cdr`; known here: cpr, psa, smm"]),
    ("{ cpr = 6.0 }", "{ cpr = 100.1 }", &["`cpr` must be from 0 to 100, in percent, and not 100.1"]),
    ("{ cpr = 6.0 }", "{ cpr = [] }", &["a list of 1 to 600 numbers, and this list has 0"]),
    ("{ cpr = 6.0 }", "{ cpr = [1, -1] }", &["`cpr, month 2` must be from 0 to 100, in percent, and not -1"]),
    ("{ cpr = 6.0 }", "{ psa = [100] }", &["`psa` takes one number"]),
    ("{ cpr = 6.0 }", "{ psa = 10001 }", &["from 0 to 10000"]),
    ("loss_severity = 30.0", "loss_severity = \"30\"", &["`loss_severity` must be a number"]),
    ("servicing_fee = 0.25", "servicing_fee = 5.01", &["from 0 to 5, in percent, and not 5.01"]),
    ("recovery_lag = 12", "recovery_lag = 61", &["`recovery_lag` must be a whole number from 0 to 60, and not 61"]),
    ("recovery_lag = 12", "advances = 1", &["`advances` must be true or false"]),
    ("recovery_lag = 12", "delay_days = 1.5", &["`delay_days` must be a whole number from 0 to 90, and not 1.5"]),
    ("recovery_lag = 12", "term = 0", &["`term` must be a whole number from 1 to 600, and not 0"]),
    ("recovery_lag = 12", "adjustable = \"float\"", &["must be one of \"hold\", \"as_fixed\""]),
    ("method = \"cash_flow\"", "method = \"linear\"", &["`yield_basis` belongs to prices by cash flows"; 6]),
    ("recovery_lag = 12", "vintage = 1", &["unknown key `vintage`; known here: method, cap, floor, yield_basis"]),
];

#[test]
fn each_mistake_of_the_assumptions_says_what_is_wrong() {
    for (from, to, parts) in MISTAKES {
        let text = format!("[pricing]{}", ASSUMPTIONS.replace(from, to));
        let error = RuleSet::from_toml(&text).unwrap_err();
        assert_eq!(error.mistakes.len(), parts.len(), "{to}: {error}");
        assert!(error.mistakes[0].message.contains(parts[0]), "{to}: {error}");
        let line = if to.is_empty() { 1 } else { text.lines().position(|line| line.contains(to)).unwrap() + 1 };
        // Keys that do not belong to linear prices are named where they stand.
        let line = if parts.len() == 1 { line } else { line + 1 };
        assert_eq!(error.mistakes[0].line, Some(line), "{to}: {error}");
    }
}

#[test]
fn each_mistake_of_a_segment_says_what_is_wrong() {
    for (segment, parts) in [
        ("name = \"one\"", &["the segment does not say which loans it is for"][..]),
        ("when = { dscr = { min = 1 } }", &["the segment has no name"]),
        ("name = \"none\"\nwhen = { dscr = { min = 1 } }", &["`none` means no segment in results"]),
        ("name = \"ltv_ratio\"\nwhen = { dscr = { min = 1 } }", &["the name ltv_ratio is taken"]),
        ("name = \"base_price\"\nwhen = { dscr = { min = 1 } }", &["the name base_price is taken"]),
        (
            "name = \"one\"\nwhen = { dscr = { min = 1 } }\ndefault = { mdr = [101, 6, -1] }",
            &["`mdr, month 1` must be from 0 to 100, in percent, and not 101", "`mdr, month 3` must be from 0 to 100"],
        ),
        (
            "name = \"one\"\nwhen = { dscr = { min = 1 } }\n[[pricing.segment]]\nname = \"one\"\nwhen = { dscr = { min = 2 } }",
            &["the name one is taken"],
        ),
        (
            "name = \"one\"\nwhen = { dscr = { min = 1 } }\nyield_basis = \"monthly\"",
            &["unknown key `yield_basis`; known here: name, when"],
        ),
        ("name = \"one\"\nwhen = { dscr = { min = 1 } }\ndefault = { mdr = 101 }", &["`mdr` must be from 0 to 100"]),
        (
            "name = \"one\"\nwhen = { no_field = { min = 1 } }\nservicing_fee = -1",
            &["no_field", "`servicing_fee` must be from 0 to 5"],
        ),
    ] {
        let error = RuleSet::from_toml(&format!("[pricing]{ASSUMPTIONS}[[pricing.segment]]\n{segment}")).unwrap_err();
        assert_eq!(error.mistakes.len(), parts.len(), "{segment}: {error}");
        for (mistake, part) in error.mistakes.iter().zip(parts) {
            assert!(mistake.message.contains(part), "{segment}: {error}");
        }
    }
}

#[test]
fn a_method_that_is_misspelled_hides_no_other_mistake() {
    let text = ASSUMPTIONS.replace("\"cash_flow\"", "\"cashflow\"").replace("severity = 30.0", "severity = 300");
    let error = RuleSet::from_toml(&format!("[pricing]{text}")).unwrap_err();
    let found: Vec<_> = error.mistakes.iter().map(|mistake| (mistake.line, mistake.message.as_str())).collect();
    let [(Some(2), method), (Some(6), severity)] = found[..] else { panic!("{error}") };
    assert_eq!(method, "`method` must be one of \"linear\", \"cash_flow\"");
    assert_eq!(severity, "`loss_severity` must be from 0 to 100, in percent, and not 300");
}

#[test]
fn a_switch_turns_a_segment_off() {
    let rules = pricing(&format!("{SEGMENTS}[rules]\nlow_score = false\n"));
    let cells = [&SEASONED[..], &[("credit_score", "640"), ("dscr", "0.9")]].concat();
    assert_eq!(price_at(&rules, &cells, "6.0").unwrap().source, "cash_flow, segment none, n 340 (remaining_term)");
    let adjusted = guide(&format!("[pricing]{ASSUMPTIONS}[[adjustment]]\nname = \"low_score\"\npoints = 1\n"));
    assert!(RuleSet::from_toml(&format!("{}{SEGMENTS}", adjusted.source().unwrap().toml)).is_err());
}

#[test]
fn a_loan_without_a_segment_is_not_held_for_a_fee() {
    let text = format!("[pricing]{}{}", ASSUMPTIONS.replace("fee = 0.25", "fee = 5"), SEGMENTS);
    let cells = [("note_rate", "4.5"), ("remaining_term", "340")];
    let expected = "Held back: not priced: segment covered cannot be decided: dscr is missing";
    assert_eq!(reason(&guide(&text), &cells), expected);
    let covered = [&cells[..], &[("dscr", "0.9")]].concat();
    let expected = "Held back: not priced: note rate 4.50 % is below the servicing fee 5.00 %";
    assert_eq!(reason(&guide(&text), &covered), expected);
}

#[test]
fn linear_prices_have_neither_wal_nor_duration() {
    let loan = LoanBuilder::good().build();
    let rules = guide("[pricing]\nmethod = \"linear\"");
    let price = judge(&loan, None, &rules, &Pricing::new(&rules, IrrTarget::DEFAULT, PDATE)).price.unwrap();
    assert_eq!((price.wal, price.duration, price.base_price.text().as_str()), (None, None, "96.7500"));
}
