//! Runs under a guide: what the files say, and that no way of running changes a byte.

use proptest::prelude::*;
use shared::{
    engine::{Job, Tuning, distribute::run_in_parts, run},
    facts::read::{ExceptionFilter, ExceptionsReader},
    loan::{Loan, NUMBERS, NumberCell, OrdinaryLoan, StandardCell, StandardCells, StandardValue, WORDS, WordCell},
    phases::{Scratch, buy_at_once},
    rules::rule_set::{GuideFiles, RuleSetFile},
    tape::{options::TapeOptions, source::MemorySource, source::TapeSource, standard::DateOrder},
};

use super::*;
use crate::support::runs::{Files, GOOD_CELLS, HEADER, MemoryFolder, MemoryParts, given, run_tapes};

const GUIDE: &str = r#"
name = "non-qm"
[applies]
dti_ratio = { unless = { documentation_type = ["dscr"] } }
[rules]
cltv_consistency = true
[[rule]]
name = "florida_condo"
when = { property_type = ["condo"], property_state = ["FL"] }
require = { ltv_ratio = { max = 75.0 } }
[[rule]]
name = "dscr_minimum"
when = { documentation_type = ["dscr"] }
require = { dscr = { min = 1.0 } }
category = "compliance"
criteria = "guide.coverage"
[[rule]]
name = "seasoned"
require = { seasoning_months = { min = 3 } }
severity = "soft"
missing = "pass"
"#;

/// A tape of the canonical columns and some standard ones.
pub(super) fn wide_tape(loans: usize) -> String {
    let mut tape = format!("{HEADER},property_state,documentation_type,dscr,cltv_ratio,origination_date\n");
    for at in 0..loans {
        let more = match at % 6 {
            0 => "TX,full,,80,2025-01-01",
            1 => "FL,full,,85,2025-12-31",
            2 => "TX,dscr,0.95,80,",
            3 => "TX,dscr,1.3,79,2024-05-01",
            4 => ",full,,,2025-01-01",
            _ => "TX,dscr,,80,2025-01-01",
        };
        let cells = if at % 6 == 1 || at % 6 == 4 { GOOD_CELLS.replace("sfr", "condo") } else { GOOD_CELLS.to_owned() };
        let cells = if at % 6 == 3 { cells.replace(",35,", ",,") } else { cells };
        tape.push_str(&format!("L-{at:05},{cells},{more}\n"));
    }
    tape
}

pub(super) const ONE: Tuning = Tuning { threads: 1, block_bytes: 1 << 20 };

#[test]
fn the_files_show_the_rules_of_the_guide() {
    let finished = run_tapes(&[("tape.csv", wide_tape(6).as_bytes())], &guide(GUIDE), ONE).unwrap();
    let rejected = finished.rejections();
    let rejected: Vec<_> =
        rejected.iter().map(|(loan, rule, message)| (loan.as_str(), rule.as_str(), message.as_str())).collect();
    assert_eq!(
        rejected,
        [
            (
                "L-00001",
                "florida_condo",
                "LTV 80.00 % is above the maximum 75.00 % for property_type condo, property_state FL (by 5.00)"
            ),
            ("L-00001", "seasoned", "Seasoning in months 1 is below the minimum 3 (by 2)"),
            ("L-00002", "dscr_minimum", "DSCR 0.95 is below the minimum 1.00 for documentation_type dscr (by 0.05)"),
        ]
    );
    let report = finished.rows("rejection_report.csv");
    assert_eq!(report[2]["rejection_criteria"], "guide.coverage");
    let held = finished.rows("projected_tape.csv");
    let held: Vec<_> = held.iter().map(|row| (row["seller_loan_number"].as_str(), row["projection_reason"].as_str())).collect();
    assert_eq!(
        held,
        [
            ("L-00004", "Held back: florida_condo cannot be decided: property_state is missing"),
            ("L-00005", "Held back: dscr_minimum cannot be decided: dscr is missing"),
        ]
    );
    let bought = finished.rows("purchase_tape.csv");
    assert_eq!(bought.iter().map(|row| row["seller_loan_number"].as_str()).collect::<Vec<_>>(), ["L-00000", "L-00003"]);
    let summary = finished.rows("exception_summary.csv");
    let summary: Vec<_> = summary
        .iter()
        .map(|row| ["exception_type", "exception_category", "severity", "count"].map(|name| row[name].as_str()))
        .collect();
    assert_eq!(
        summary,
        [
            ["undetermined", "data_quality", "soft", "2"],
            ["cltv_consistency", "data_quality", "soft", "1"],
            ["dscr_minimum", "compliance", "hard", "1"],
            ["florida_condo", "credit", "hard", "1"],
            ["seasoned", "credit", "soft", "1"],
        ]
    );
}

#[test]
fn stored_exceptions_are_found_by_the_names_of_the_guide() {
    let finished = run_tapes(&[("tape.csv", wide_tape(600).as_bytes())], &guide(GUIDE), ONE).unwrap();
    let reader = ExceptionsReader::open(bytes::Bytes::from(finished.files["exceptions.parquet"].clone())).unwrap();
    let index = &finished.outcome.index;
    for (filter, name) in [
        (ExceptionFilter { exception_type: Some("florida_condo".to_owned()), ..ExceptionFilter::default() }, "florida_condo"),
        (ExceptionFilter { exception_category: Some("compliance".to_owned()), ..ExceptionFilter::default() }, "dscr_minimum"),
        (ExceptionFilter { rejection_criteria: Some("guide.coverage".to_owned()), ..ExceptionFilter::default() }, "dscr_minimum"),
    ] {
        assert_eq!(filter.count(index), Some(100), "{filter:?}");
        let page = reader.page(index, &filter, 90, 50).unwrap();
        assert_eq!(page.len(), 10, "{filter:?}");
        assert!(page.iter().all(|row| row.exception_type == name), "{filter:?}");
    }
    let nothing = ExceptionFilter { exception_type: Some("no_such_rule".to_owned()), ..ExceptionFilter::default() };
    assert_eq!(nothing.count(index), Some(0));
}

/// What a run gives: alone, with threads and small blocks, and in parts.
pub(super) fn all_ways(tape: &str, rules: &RuleSet) -> [(Files, String); 3] {
    [
        gives(tape, rules, ONE, None),
        gives(tape, rules, Tuning { threads: 2, block_bytes: 4_096 }, None),
        gives(tape, rules, Tuning { threads: 2, block_bytes: 2_048 }, Some(9_000)),
    ]
}

#[test]
fn neither_threads_nor_blocks_nor_parts_change_a_byte() {
    let [whole, threads, parts] = all_ways(&wide_tape(700), &guide(GUIDE));
    assert!(threads == whole);
    assert!(parts == whole);
}

/// The files and the outcome of a run, at once or in parts of so many bytes.
pub fn gives(tape: &str, rules: &RuleSet, tuning: Tuning, part_bytes: Option<u64>) -> (Files, String) {
    let tapes: Vec<Box<dyn TapeSource>> = vec![Box::new(MemorySource::new("tape.csv", tape.as_bytes()))];
    let (folder, parts, options) = (MemoryFolder::default(), MemoryParts::default(), TapeOptions::default());
    let job = Job {
        tapes: &tapes,
        options: &options,
        rules,
        irr_target: IrrTarget::DEFAULT,
        pdate: PDATE,
        waivers: None,
        destination: Some(&folder),
        progress: &|_| {},
        tuning,
    };
    let outcome = match part_bytes {
        None => run(&job),
        Some(bytes) => run_in_parts(&job, bytes, &parts),
    };
    given(&folder, outcome).unwrap()
}

/// A bound near the values of the loans below.
fn bound() -> impl Strategy<Value = String> {
    (prop::sample::select(vec![0_i64, 1, 75, 80, 97, 620, 700, 250_000]), -1_i64..2, prop::bool::ANY)
        .prop_map(|(value, away, half)| format!("{}{}", value + away, if half { ".5" } else { "" }))
}

/// A test of a field, as a guide writes it.
fn test() -> impl Strategy<Value = String> {
    let numbers = prop::sample::select(vec!["loan_amount", "ltv_ratio", "credit_score", "dscr", "cltv_ratio", "lien_position"]);
    let ends = prop::sample::select(vec!["min", "max", "above", "below"]);
    let number = (numbers, ends, bound()).prop_filter_map("looks like a fraction", |(field, end, bound)| {
        let fraction = field.ends_with("_ratio") && bound.parse::<f64>().unwrap() <= 1.5 && bound.parse::<f64>().unwrap() > 0.0;
        (!fraction).then(|| format!("{field} = {{ {end} = {bound} }}"))
    });
    let word = prop::sample::select(vec![
        "property_state = [\"FL\", \"TX\"]",
        "property_state = { not = [\"FL\"] }",
        "property_type = [\"condo\"]",
        "property_type = { not = [\"condo\", \"pud\"] }",
        "dscr = { missing = true }",
        "property_state = { missing = false }",
        "lien_position = [1]",
        "lien_position = { not = [2] }",
        "age_months = { max = 12 }",
        "zone = [\"high\"]",
        "zone = { not = [\"low\"] }",
        "channel = [\"retail\", \"broker\"]",
        "channel = { not = [\"broker\"] }",
        "channel = { missing = true }",
        "reserves = { min = 1 }",
        "reserves = [0, 2]",
        "locked = { above = 2026-01-31 }",
        "remark = { missing = false }",
    ]);
    prop_oneof![number, word.prop_map(str::to_owned)]
}

const DECLARED: &str = "[fields.zone]\nkind = \"word\"\nwords = { high = [\"A\"], low = [\"X\"] }\nREQUIRED\n[fields.channel]\nkind = \"word\"\n\
                        [fields.reserves]\nkind = \"number\"\nunit = \"months\"\nREQUIRED\n[fields.locked]\nkind = \"date\"\n\
                        [fields.remark]\nkind = \"text\"\n";

/// Cells of a declared field.
fn declared_cell() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "A", "low", "Retail", "broker", "0", "2", "1.5", "2026-02-01", "1/31/2026", "none"])
}

/// A grid of limits, as a list: its keys, and its file.
fn list_grid() -> impl Strategy<Value = (String, String)> {
    let state = prop::sample::select(vec!["", "FL", "not FL", "\"TX, FL\"", "not TX"]);
    let dscr = prop::sample::select(vec!["", "*", ">= 1", "0-1", "not 1", "\"1, 2\"", "< 2"]);
    let score = prop::sample::select(vec!["", "700+", "620-700", "< 700", "701"]);
    let row =
        (state, dscr, score, prop::sample::select(vec!["", "80", "75", "NA"]), prop::sample::select(vec!["", "700", "650"]));
    let keys = (
        prop::sample::select(vec!["first", "unique"]),
        prop::sample::select(vec!["hold", "fail", "pass"]),
        prop::sample::select(vec!["hard", "soft"]),
        prop::option::of(test()),
    );
    (prop::collection::vec(row, 1..6), keys).prop_map(|(rows, (policy, missing, severity, when))| {
        let when = when.map_or_else(String::new, |when| format!("when = {{ {when} }}\n"));
        let keys = format!("policy = \"{policy}\"\nmissing = \"{missing}\"\nseverity = \"{severity}\"\n{when}");
        let mut csv = "state,dscr,FICO,max LTV,min FICO\n".to_owned();
        for (state, dscr, score, ltv, least) in rows {
            // A row without any cell would end the grid.
            let is_empty = [state, dscr, score, ltv, least].iter().all(|cell| cell.is_empty());
            let state = if is_empty { "*" } else { state };
            csv.push_str(&format!("{state},{dscr},{score},{ltv},{least}\n"));
        }
        (keys, csv)
    })
}

/// A grid of limits, as a matrix: its keys, and its file.
fn matrix_grid() -> impl Strategy<Value = (String, String)> {
    let rows = prop::sample::select(vec![
        ("dscr", &["< 1", "1-2"][..]),
        ("credit_score", &["620-700", "701+"]),
        ("property_state", &["FL", "not FL, TX"]),
        ("lien_position", &["1", "2"]),
        ("credit_score", &["*", "*"]),
    ]);
    let columns = prop::sample::select(vec![
        ("ltv_ratio", &["<= 75", "75.01-80"][..]),
        ("property_type", &["condo", "\"sfr, pud\""]),
        ("loan_amount", &["\"≤ 250,000\"", "\"≤ 1.0M\""]),
    ]);
    let cells = prop::collection::vec(prop::sample::select(vec!["", "80", "75", "NA", "97"]), 4);
    (rows, columns, cells, prop::sample::select(vec!["hold", "fail", "pass"]), prop::bool::ANY).prop_map(
        |((rows, row_headings), (columns, headings), cells, missing, lower)| {
            let ends = if lower { "ends = \"lower\"\n" } else { "" };
            let gives = "gives = { max = \"ltv_ratio\" }";
            let keys = format!("rows = \"{rows}\"\ncolumns = \"{columns}\"\n{gives}\nmissing = \"{missing}\"\n{ends}");
            let quoted = |text: &str| format!("\"{}\"", text.trim_matches('"'));
            let mut csv = format!("x,{}\n", headings.join(","));
            let count = if row_headings[0] == "*" { 1 } else { 2 };
            for (at, heading) in row_headings.iter().take(count).enumerate() {
                csv.push_str(&format!("{},{},{}\n", quoted(heading), cells[2 * at], cells[2 * at + 1]));
            }
            (keys, csv)
        },
    )
}

/// A rule set with a few rules and grids.
fn generated() -> impl Strategy<Value = RuleSet> {
    let missing = prop::sample::select(vec!["hold", "fail", "pass"]);
    let rule = (prop::collection::vec(test(), 0..3), prop::option::of(test()), test(), missing);
    let grids = prop::collection::vec(prop_oneof![list_grid(), matrix_grid()], 0..3);
    let segment = prop::option::of(test());
    (prop::collection::vec(rule, 0..4), grids, prop::bool::weighted(0.3), segment).prop_map(
        |(rules, grids, required, segment)| {
            let mut text = DECLARED.replace("REQUIRED", if required { "required = true" } else { "" });
            for (at, (when, unless, require, missing)) in rules.into_iter().enumerate() {
                text.push_str(&format!("[[rule]]\nname = \"rule_{at}\"\nmissing = \"{missing}\"\nrequire = {{ {require} }}\n"));
                let any: Vec<String> = when.iter().map(|test| format!("{{ {test} }}")).collect();
                if !any.is_empty() {
                    text.push_str(&format!("when = [ {} ]\n", any.join(", ")));
                }
                if let Some(unless) = unless {
                    text.push_str(&format!("unless = {{ {unless} }}\n"));
                }
                let points = [-1, 0, 2][at % 3];
                text.push_str(&format!("[[adjustment]]\nname = \"points_{at}\"\nmissing = \"{missing}\"\npoints = {points}\n"));
                text.push_str(&format!("when = {{ {require} }}\n"));
            }
            match (text.len() % 2, segment) {
                (_, Some(test)) => {
                    text.push_str("[pricing]\ncap = 90.0\nfloor = 80.0\n");
                    text.push_str(cash_flow::ASSUMPTIONS);
                    text.push_str(&format!(
                        "[[pricing.segment]]\nname = \"segment\"\nwhen = {{ {test} }}\ndefault = {{ sda = 300 }}\n"
                    ));
                }
                (1, None) => text.push_str("[pricing]\ncap = 95.5\nfloor = 94.5\n"),
                (_, None) => {}
            }
            let mut files = GuideFiles::default();
            for (at, (keys, csv)) in grids.into_iter().enumerate() {
                text.push_str(&format!("[[grid]]\nname = \"grid_{at}\"\nfile = \"{at}.csv\"\n{keys}"));
                files.insert(&format!("{at}.csv"), csv.into_bytes());
            }
            let file = RuleSetFile { files, ..RuleSetFile::new("guide.toml", text) };
            file.rules().unwrap_or_else(|error| panic!("{error}\n{} {:?}", file.toml, file.files))
        },
    )
}

proptest! {
    #[test]
    fn the_short_way_agrees_with_the_phases(
        rules in generated(),
        picked in (0_usize..3, 0_usize..3, 0_usize..3, 0_u8..5),
        state in prop::option::of(0_u8..56),
        dscr in prop::option::of(0_i64..3),
        lien in prop::option::of(1_i32..3),
        terms in prop::option::of(300_i32..361),
        further in (prop::option::of(0_i32..130), prop::option::of(0_u8..2)),
        cells in prop::collection::vec(declared_cell(), 5),
    ) {
        let (amount, ltv, score, property) = picked;
        let micros = [
            [250_000, 250_001, 50_000][amount], 6, [80, 75, 97][ltv], 40, [700, 620, 701][score], 300_000, 300_000,
        ].map(|value| value * 1_000_000);
        let ordinary = OrdinaryLoan { line: 2, seller_loan_number: "1", micros, codes: [property, 0, 0] };
        let mut standard = StandardCells::NONE;
        let mut set = |field: shared::loan::Field, value: Option<StandardValue>| {
            let at = shared::loan::Field::STANDARD.iter().position(|of| *of == field).unwrap();
            standard.0[at] = (value.map_or(StandardCell::Missing, StandardCell::Value), "");
        };
        set(shared::loan::Field::PropertyState, state.map(StandardValue::Word));
        set(shared::loan::Field::Dscr, dscr.map(|value| StandardValue::Number(shared::decimal::Decimal::from_integer(value))));
        set(shared::loan::Field::LienPosition, lien.map(StandardValue::Whole));
        set(shared::loan::Field::OriginalTerm, terms.map(|_| StandardValue::Whole(360)));
        set(shared::loan::Field::RemainingTerm, terms.map(StandardValue::Whole));
        set(shared::loan::Field::InterestOnlyTerm, further.0.map(StandardValue::Whole));
        set(shared::loan::Field::AmortizationType, further.1.map(StandardValue::Word));
        let declared: Vec<_> = rules.guide().declared().fields.iter().zip(&cells).map(|(field, cell)| {
            let read = match field.vocabulary() {
                Some(words) => field.read_word(cell, words.code(cell)),
                None => field.read(cell, DateOrder::default()),
            };
            (read, *cell)
        }).collect();
        standard.1 = &declared;
        let mut loan = Loan { standard: &standard, ..Loan::empty(2) };
        loan.seller_loan_number = Some("1".into());
        loan.numbers = micros.map(|micros| NumberCell::ordinary(micros, ""));
        loan.words = ordinary.codes.map(WordCell::Known);
        assert_eq!((loan.numbers.len(), loan.words.len()), (NUMBERS, WORDS));
        let both = programs::beside_another(rules.source().unwrap());
        for rules in [&rules, &both] {
            let pricing = Pricing::new(rules, IrrTarget::DEFAULT, PDATE);
            let decided = judge(&loan, None, rules, &pricing);
            let bought = decided.disposition.as_str() == "to_purchase" && decided.exceptions.is_empty();
            let mut scratch = Scratch::default();
            let price = buy_at_once(&ordinary, &standard, rules, &pricing, &mut scratch);
            // Where one program holds the loan and another buys it, only the phases say so.
            if rules.programs().is_empty() || price.is_some() {
                prop_assert_eq!(price, decided.price.filter(|_| bought));
            }
            if price.is_some() {
                prop_assert_eq!((&scratch.parts, scratch.program), (&decided.parts, decided.program.map_or(0, |best| best.index)));
            }
        }
    }
}
