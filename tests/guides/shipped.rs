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
const GUIDES: [(&str, [u64; 3]); 3] = [("agency", [21, 4, 15]), ("non_qm_dscr", [18, 5, 17]), ("best_execution", [22, 2, 7])];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn folder(name: &str) -> PathBuf {
    root().join("guides").join(name)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A guide of the repository with all files that it names.
fn shipped(name: &str) -> RuleSet {
    let folder = folder(name);
    let mut file = RuleSetFile::new(&format!("{name}.toml"), text(&folder.join(format!("{name}.toml"))));
    // The programs of a rule set name further files.
    for _ in 0..2 {
        for named in file.named() {
            file.files.insert(&named, fs::read(folder.join(&named)).unwrap());
        }
    }
    file.rules().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The tape of a guide under the rules of a guide.
fn run_of(name: &str) -> Finished {
    let tape = fs::read(folder(name).join("tape.csv")).unwrap();
    run_tapes_on(&[("tape.csv", &tape)], &shipped(name), date(2026, 12, 1), ONE).unwrap()
}

fn shown_points(points: &Value) -> String {
    points.as_f64().map_or_else(String::new, |points| format!("{points:.4}"))
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

/// What holds a loan, by the reason that the projected tape gives: names of rules, grids and adjustments, or `floor`.
fn held_by(reason: &str) -> Vec<&str> {
    let reasons = reason.strip_prefix("Held back: ").unwrap_or_default().split("; ");
    reasons
        .filter(|reason| !reason.is_empty())
        .map(|reason| if reason.contains("is below the floor") { "floor" } else { reason.split(' ').next().unwrap() })
        .collect()
}

/// What a run made of each loan, in the columns of the expected outcome.
fn outcome(finished: &Finished) -> Vec<[String; 10]> {
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
                format!("{} {} {source}", part["name"].as_str().unwrap(), shown_points(&part["points"]))
            };
            let adjustments: Vec<String> = loan["price_adjustments"].as_array().unwrap().iter().map(adjustment).collect();
            [
                number,
                word("disposition"),
                word("program"),
                shown_points(&loan["base_price"]),
                adjustments.join(";"),
                shown_points(&loan["final_price"]),
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
fn best_execution_has_copies_of_its_programs() {
    let best = folder("best_execution");
    for name in ["agency", "non_qm_dscr"] {
        for entry in fs::read_dir(folder(name)).unwrap() {
            let original = entry.unwrap().path();
            let file = original.file_name().unwrap().to_str().unwrap();
            let copy = best.join(file);
            match file {
                "tape.csv" => {}
                "non_qm_dscr.toml" => assert_eq!(text(&copy), without_fields(&text(&original)), "{file}"),
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

/// The declared fields of a rule set.
fn fields(toml: &str) -> toml::Value {
    let table: toml::Table = toml.parse().unwrap();
    table["fields"].clone()
}
