//! The guides in `guides/`, each with its tape: what every loan comes to, as held in `tests/guides/expected/`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jiff::civil::date;
use serde_json::Value;
use shared::{
    facts::read::{ExceptionFilter, ExceptionsReader, FactFilter, FactsReader},
    rules::rule_set::RuleSetFile,
};

use super::{runs::ONE, *};
use crate::support::runs::{Finished, run_tapes_on};

/// The guides, with the number of loans that each buys, holds and rejects.
const GUIDES: [(&str, [u64; 3]); 3] = [("agency", [21, 5, 15]), ("non_qm_dscr", [18, 5, 17]), ("best_execution", [23, 3, 7])];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub fn folder(name: &str) -> PathBuf {
    root().join("guides").join(name)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A guide of the repository with all files that it names.
pub fn shipped(name: &str) -> RuleSet {
    edited(name, str::to_owned)
}

/// A guide of the repository after a change of its text and of the texts of its programs.
fn edited(name: &str, edit: fn(&str) -> String) -> RuleSet {
    let folder = folder(name);
    let mut file = RuleSetFile::new(&format!("{name}.toml"), edit(&text(&folder.join(format!("{name}.toml")))));
    // The programs of a rule set name further files.
    for _ in 0..2 {
        for named in file.named() {
            let path = folder.join(&named);
            let is_program = path.extension().is_some_and(|extension| extension == "toml");
            let bytes = if is_program { edit(&text(&path)).into_bytes() } else { fs::read(path).unwrap() };
            file.files.insert(&named, bytes);
        }
    }
    file.rules().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The tape of a guide under its rules.
fn run_of(name: &str) -> Finished {
    run_under(&shipped(name), name)
}

/// The tape of a guide under other rules.
fn run_under(rules: &RuleSet, name: &str) -> Finished {
    let tape = fs::read(folder(name).join("tape.csv")).unwrap();
    run_tapes_on(&[("tape.csv", &tape)], rules, date(2026, 12, 1), ONE).unwrap()
}

fn four_decimals(number: &Value) -> String {
    number.as_f64().map_or_else(String::new, |number| format!("{number:.4}"))
}

/// Exceptions of a loan as one text: names of hard rules, of soft rules, and of what cannot be decided.
#[derive(Default)]
struct LoanExceptions([Vec<String>; 3]);

impl LoanExceptions {
    fn add(&mut self, at: usize, name: String) {
        if !self.0[at].contains(&name) {
            self.0[at].push(name);
        }
    }
}

/// The exceptions of each loan, in the order of reports. Those of a program begin with its name.
fn exceptions_of(finished: &Finished) -> BTreeMap<String, LoanExceptions> {
    let reader = ExceptionsReader::open(bytes::Bytes::from(finished.files["exceptions.parquet"].clone())).unwrap();
    let page = reader.page(&finished.outcome.index, &ExceptionFilter::default(), 0, 1_000).unwrap();
    let mut all: BTreeMap<String, LoanExceptions> = BTreeMap::new();
    for row in page.iter().map(|row| serde_json::to_value(row).unwrap()) {
        let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (kind, message) = (word("exception_type"), word("message"));
        let (at, name) = match kind.as_str() {
            // The message begins with the name of the rule, the grid or the adjustment.
            "undetermined" => (2, message.split(' ').next().unwrap().to_owned()),
            _ => (usize::from(word("severity") == "soft"), kind),
        };
        let program = word("program");
        let shown = if program.is_empty() { name } else { format!("{program}:{name}") };
        all.entry(word("seller_loan_number")).or_default().add(at, shown);
    }
    all
}

/// What holds a loan, by the reason that the projected tape gives: names of rules, grids and adjustments, `floor`, or why the loan
/// has no price.
fn held_by(reason: &str) -> Vec<&str> {
    let reasons = reason.strip_prefix("Held back: ").unwrap_or_default().split("; ");
    reasons
        .filter(|reason| !reason.is_empty())
        .map(|reason| {
            if reason.contains("is below the floor") {
                "floor"
            } else if reason.starts_with("not priced: ") {
                reason
            } else {
                reason.split(' ').next().unwrap()
            }
        })
        .collect()
}

/// What a run made of each loan, in the columns of the expected outcome.
fn outcome(finished: &Finished) -> Vec<[String; 13]> {
    let facts = FactsReader::open(bytes::Bytes::from(finished.files["facts.parquet"].clone())).unwrap();
    let page = facts.page(&finished.outcome.index, &FactFilter::default(), 0, 1_000).unwrap();
    let mut all = exceptions_of(finished);
    page.iter()
        .map(|fact| {
            let loan = serde_json::to_value(fact).unwrap();
            let word = |name: &str| loan[name].as_str().unwrap_or_default().to_owned();
            let number = word("seller_loan_number");
            let LoanExceptions([hard, soft, undetermined]) = all.remove(&number).unwrap_or_default();
            let adjustment = |part: &Value| {
                let source = part["source"].as_str().unwrap();
                format!("{} {} {source}", part["name"].as_str().unwrap(), four_decimals(&part["points"]))
            };
            let adjustments: Vec<String> = loan["price_adjustments"].as_array().unwrap().iter().map(adjustment).collect();
            [
                number,
                word("disposition"),
                word("program"),
                four_decimals(&loan["base_price"]),
                word("base_price_source"),
                adjustments.join(";"),
                four_decimals(&loan["final_price"]),
                four_decimals(&loan["wal"]),
                four_decimals(&loan["duration"]),
                hard.join(";"),
                soft.join(";"),
                undetermined.join(";"),
                held_by(&word("projection_reason")).join(";"),
            ]
        })
        .collect()
}

#[test]
fn each_loan_of_the_guides_has_the_expected_outcome() {
    for (name, counts) in GUIDES {
        let file = root().join(format!("tests/guides/expected/{name}.csv"));
        let mut expected = csv::Reader::from_path(&file).unwrap();
        let header: Vec<String> = expected.headers().unwrap().iter().map(str::to_owned).collect();
        let loans = outcome(&run_of(name));
        let mut found = [0; 3];
        for (at, row) in expected.records().map(Result::unwrap).enumerate() {
            let cells = |cells: Vec<String>| header.iter().cloned().zip(cells).collect::<Vec<_>>();
            assert_eq!(cells(loans[at].to_vec()), cells(row.iter().map(str::to_owned).collect()), "{name}");
            found[["to_purchase", "projected", "rejected"].iter().position(|word| row[1] == **word).unwrap()] += 1;
        }
        assert_eq!((found, loans.len() as u64), (counts, counts.iter().sum()), "{name}");
    }
}

/// The number of cells of a column that are not empty.
fn filled(rows: &[BTreeMap<String, String>], column: &str) -> usize {
    rows.iter().filter(|row| !row[column].is_empty()).count()
}

#[test]
fn each_rule_and_each_adjustment_of_the_guides_decides_a_loan() {
    for name in ["agency", "non_qm_dscr"] {
        let (rules, finished) = (shipped(name), run_of(name));
        let mut hit: Vec<String> =
            exceptions_of(&finished).into_values().flat_map(|LoanExceptions(names)| names.concat()).collect();
        let prices = finished.rows("pricing_report.csv");
        hit.extend(rules.report_columns().iter().filter(|column| filled(&prices, column) > 0).cloned());
        let guide = rules.guide();
        let own = guide.rules().iter().map(|rule| rule.kind.name.to_string());
        let grids = guide.limit_grids().iter().chain(guide.adjustment_grids()).map(|grid| grid.name().to_owned());
        let adjustments = guide.waterfall().adjustments().iter().map(|adjustment| adjustment.name.clone());
        let idle: Vec<String> = own.chain(grids).chain(adjustments).filter(|name| !hit.contains(name)).collect();
        assert!(idle.is_empty(), "{name}: {idle:?}");
    }
}

#[test]
fn each_segment_and_each_source_of_the_months_left_prices_a_loan() {
    let of_tape = ["(remaining_term)", "(maturity_date)", "(first_payment_date)"];
    for (name, more) in [
        ("agency", ["segment none,", "segment low_score,", "segment investor,"].as_slice()),
        ("best_execution", &["segment low_score,", "segment prepayment_penalty,", "segment low_ltv,", "(term)"]),
    ] {
        let sources: Vec<String> = outcome(&run_of(name)).into_iter().map(|[_, _, _, _, source, ..]| source).collect();
        for part in of_tape.iter().chain(more) {
            assert!(sources.iter().any(|source| source.contains(part)), "{name}: {part}");
        }
    }
}

#[test]
fn best_execution_has_copies_of_its_programs() {
    let best = folder("best_execution");
    for name in ["agency", "non_qm_dscr"] {
        for entry in fs::read_dir(folder(name)).unwrap() {
            let original = entry.unwrap().path();
            let file = original.file_name().unwrap().to_str().unwrap();
            let copy = best.join(file);
            match file {
                "tape.csv" => {}
                "non_qm_dscr.toml" => {
                    assert_eq!(without_pricing(&text(&copy)), without_pricing(&without_fields(&text(&original))), "{file}");
                }
                _ => assert!(fs::read(&copy).unwrap() == fs::read(&original).unwrap(), "{file}"),
            }
        }
    }
    let (list, program) = (text(&best.join("best_execution.toml")), text(&folder("non_qm_dscr").join("non_qm_dscr.toml")));
    assert_eq!(fields(&list), fields(&program));
    // No other file is there: everything in the folder is a file of the rule set or its tape.
    let mut named = shipped("best_execution").source().unwrap().named();
    named.extend(["best_execution.toml", "tape.csv"].map(str::to_owned));
    let there = fs::read_dir(&best).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unused: Vec<String> = there.filter(|file| !named.contains(file)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// The line above the fields that a guide declares.
const ABOVE_FIELDS: &str = "# Columns that this guide reads";

/// A guide without the fields that it declares.
fn without_fields(toml: &str) -> String {
    let from = toml.find(ABOVE_FIELDS).unwrap();
    let to = from + toml[from..].find("# Rules").unwrap();
    format!("{}{}", &toml[..from], &toml[to..])
}

/// The line above `[pricing]` of a guide, which is its last part.
const ABOVE_PRICING: &str = "# What a loan is worth";

/// A guide that prices by the method `linear`, with the same cap and floor.
fn with_linear_prices(toml: &str) -> String {
    // A list of programs has no prices.
    let (above, pricing) = toml.split_at(toml.find(ABOVE_PRICING).unwrap_or(toml.len()));
    let mut linear = above.to_owned();
    for line in pricing.lines().filter(|line| ["[pricing]", "cap ", "floor "].iter().any(|start| line.starts_with(start))) {
        linear.push_str(line);
        linear.push('\n');
    }
    linear
}

#[test]
fn the_readme_compares_the_methods_of_pricing() {
    let readme = include_str!("../../README.md").replace(['$', ','], "");
    for name in ["agency", "best_execution"] {
        for (method, rules) in [("linear", edited(name, with_linear_prices)), ("cash_flow", shipped(name))] {
            let summary = serde_json::to_value(run_under(&rules, name).outcome.summary.finish()).unwrap();
            let groups = &summary["dispositions"];
            let [bought, held, rejected] = ["to_purchase", "projected", "rejected"].map(|group| &groups[group]["count"]);
            let [pay, price] = ["dollars_to_pay", "wa_price"].map(|figure| groups["to_purchase"][figure].as_f64().unwrap());
            let row = format!("| `{name}` | `{method}` | {bought} | {held} | {rejected} | {pay:.2} | {price:.2} |\n");
            assert!(readme.contains(&row), "{row}");
        }
    }
}

/// A guide without `[pricing]`.
fn without_pricing(toml: &str) -> &str {
    &toml[..toml.find(ABOVE_PRICING).unwrap()]
}

/// The declared fields of a rule set.
fn fields(toml: &str) -> toml::Value {
    let table: toml::Table = toml.parse().unwrap();
    table["fields"].clone()
}
