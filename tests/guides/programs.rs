//! Programs: several rule sets judge a loan, and the loan takes the best of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use shared::{
    engine::Tuning,
    facts::read::{ExceptionFilter, ExceptionsReader, FactFilter, FactsReader},
    rules::rule_set::{GuideFiles, RuleSetError, RuleSetFile},
    ten_thousandths::TenThousandths,
};

use super::{
    runs::{ONE, all_ways, wide_tape},
    *,
};
use crate::support::runs::{GOOD_CELLS, HEADER, run_tapes};

const AGENCY: &str = r#"
name = "agency"
[limits]
ltv_ratio = { max = 90 }
[pricing]
cap = 101
[[adjustment]]
name = "condo"
when = { property_type = ["condo"] }
points = -0.5
[[rule]]
name = "documentation"
require = { documentation_type = ["full"] }
[[rule]]
name = "state"
require = { property_state = ["TX", "FL"] }
"#;
const NON_QM: &str = r#"
name = "non_qm"
irr_target = 8.5
[applies]
dti_ratio = { unless = { documentation_type = ["dscr"] } }
[[adjustment]]
name = "low_coverage"
when = { dscr = { below = 1.0 } }
points = -2.25
missing = "pass"
[[adjustment]]
name = "condo"
when = { property_type = ["condo"] }
points = -1.5
[[rule]]
name = "documentation"
require = { documentation_type = ["dscr", "bank_statement", "full"] }
[[rule]]
name = "coverage"
when = { documentation_type = ["dscr"] }
require = { dscr = { min = 0.75 } }
missing = "fail"
"#;

/// A rule set with the files that it names.
fn with_files(toml: &str, files: &[(&str, &str)]) -> Result<RuleSet, RuleSetError> {
    let mut given = GuideFiles::default();
    files.iter().for_each(|(name, text)| given.insert(name, text.as_bytes()));
    RuleSetFile { name: "best".to_owned(), toml: toml.to_owned(), files: given }.rules()
}

/// A rule set of these programs, each with the file of its name.
fn best_of(programs: &[(&str, &str)]) -> RuleSet {
    let names: Vec<String> = programs.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    with_files(&format!("programs = [{}]", names.join(", ")), programs).unwrap()
}

fn both() -> RuleSet {
    best_of(&[("agency.toml", AGENCY), ("non_qm.toml", NON_QM)])
}

/// A rule set of two programs: a rule set without a name, and a plain one.
pub(super) fn beside_another(source: &RuleSetFile) -> RuleSet {
    let other = "name = \"other\"\n[limits]\nltv_ratio = { max = 90 }\n[[adjustment]]\nname = \"all\"\npoints = -0.5\n";
    // Programs declare no fields.
    let fields = ["[[", "[pricing]"].iter().filter_map(|section| source.toml.find(section)).min().unwrap_or(source.toml.len());
    let (fields, rest) = source.toml.split_at(fields);
    let generated = format!("name = \"generated\"\n{rest}");
    let mut files = source.files.clone();
    files.insert("generated.toml", generated.into_bytes());
    files.insert("other.toml", other.as_bytes());
    let toml = format!("programs = [\"generated.toml\", \"other.toml\"]\n{fields}");
    RuleSetFile { name: "best".to_owned(), toml, files }.rules().unwrap()
}

/// The loans of a run, as the API shows them.
fn loans(tape: &str, rules: &RuleSet) -> Vec<Value> {
    let finished = run_tapes(&[("tape.csv", tape.as_bytes())], rules, ONE).unwrap();
    let facts = FactsReader::open(bytes::Bytes::from(finished.files["facts.parquet"].clone())).unwrap();
    let page = facts.page(&finished.outcome.index, &FactFilter::default(), 0, 10_000).unwrap();
    page.iter().map(|fact| serde_json::to_value(fact).unwrap()).collect()
}

#[test]
fn a_loan_takes_the_best_program() {
    let loans = loans(&wide_tape(6), &both());
    let shown: Vec<_> = loans
        .iter()
        .map(|loan| (loan["disposition"].as_str().unwrap(), loan["program"].as_str(), loan["final_price"].as_f64()))
        .collect();
    assert_eq!(
        shown,
        [
            ("to_purchase", Some("agency"), Some(96.125)),
            ("to_purchase", Some("agency"), Some(95.625)),
            ("to_purchase", Some("non_qm"), Some(92.75)),
            ("to_purchase", Some("non_qm"), Some(95.0)),
            // Non-QM buys the loan at 93.5000, although agency pays more: agency cannot decide without the state.
            ("to_purchase", Some("non_qm"), Some(93.5)),
            ("rejected", None, None),
        ]
    );
    assert_eq!(loans[2]["base_price"], 95.0);
    assert_eq!(loans[2]["pricing_spread"], -2.0);
    assert_eq!(loans[2]["price_adjustments"][0]["source"], "non_qm.toml:7");
}

#[test]
fn reports_show_the_programs() {
    let finished = run_tapes(&[("tape.csv", (wide_tape(6) + "X-9,1\n").as_bytes())], &both(), ONE).unwrap();
    let report = finished.rows("rejection_report.csv");
    let cells: Vec<[&str; 3]> =
        report.iter().map(|row| ["seller_loan_number", "exception_type", "program"].map(|name| row[name].as_str())).collect();
    assert_eq!(
        cells,
        [["L-00005", "documentation", "agency"], ["L-00005", "coverage", "non_qm"], ["UNKNOWN", "malformed_row", ""],]
    );
    let header = String::from_utf8(finished.files["rejection_report.csv"].clone()).unwrap();
    assert!(header.lines().next().unwrap().ends_with(",rejection_criteria,program"));
    let prices = String::from_utf8(finished.files["pricing_report.csv"].clone()).unwrap();
    let expected = [
        "seller_loan_number,disposition,program,base_price,condo,low_coverage,cap,final_price,wal,duration",
        "L-00000,to_purchase,agency,96.1250,,,,96.1250,,",
        "L-00001,to_purchase,agency,96.1250,-0.5000,,,95.6250,,",
        "L-00002,to_purchase,non_qm,95.0000,,-2.2500,,92.7500,,",
    ];
    assert_eq!(prices.lines().take(4).collect::<Vec<_>>(), expected);
    let summary = serde_json::to_value(finished.outcome.summary.finish()).unwrap();
    assert_eq!(
        summary["programs"],
        serde_json::json!([
            {"name": "agency", "eligible": 3, "best": {"count": 2, "balance": 500_000, "wa_price": 95.875},
             "rejected_only_by": {"documentation": 2}},
            {"name": "non_qm", "eligible": 5, "best": {"count": 3, "balance": 750_000, "wa_price": 93.75},
             "rejected_only_by": {"coverage": 1}},
        ])
    );
}

#[test]
fn exceptions_of_all_programs_are_kept_with_their_program() {
    let finished = run_tapes(&[("tape.csv", wide_tape(6).as_bytes())], &both(), ONE).unwrap();
    let reader = ExceptionsReader::open(bytes::Bytes::from(finished.files["exceptions.parquet"].clone())).unwrap();
    let index = &finished.outcome.index;
    let page = reader.page(index, &ExceptionFilter::default(), 0, 100).unwrap();
    let shown: Vec<_> = page
        .iter()
        .map(|row| (row.seller_loan_number.as_str(), row.exception_type.as_str(), row.program.clone().unwrap().unwrap()))
        .collect();
    let of = |loan, rule, program: &str| (loan, rule, program.to_owned());
    assert_eq!(
        shown,
        [
            of("L-00002", "documentation", "agency"),
            of("L-00003", "dti_ratio", "agency"),
            of("L-00003", "documentation", "agency"),
            of("L-00004", "undetermined", "agency"),
            of("L-00005", "documentation", "agency"),
            of("L-00005", "coverage", "non_qm"),
        ]
    );
    let of_type = ExceptionFilter { exception_type: Some("documentation".to_owned()), ..ExceptionFilter::default() };
    assert_eq!(of_type.count(index), Some(3));
    assert_eq!(reader.page(index, &of_type, 0, 100).unwrap().len(), 3);
}

/// Disposition and final price, so that the smallest is the best.
fn rank(loan: &Value) -> (usize, i64) {
    let place = ["to_purchase", "projected", "rejected"].iter().position(|word| loan["disposition"] == *word).unwrap();
    let price = |price: &Value| TenThousandths::exact(price.to_string().parse().unwrap()).unwrap().0;
    (place, Some(&loan["final_price"]).filter(|price| price.is_number()).map_or(i64::MAX, |number| -price(number)))
}

/// Asserts that each loan has the result of the best of the programs.
fn assert_best_of(tape: &str, programs: &[(&str, &str)]) {
    let together = loans(tape, &best_of(programs));
    let alone: Vec<Vec<Value>> = programs.iter().map(|program| loans(tape, &best_of(&[*program]))).collect();
    for (at, loan) in together.iter().enumerate() {
        let best = alone.iter().map(|of| &of[at]).min_by_key(|loan| rank(loan)).unwrap();
        assert_eq!(loan, best, "row {at}");
    }
}

#[test]
fn several_programs_give_the_best_of_each_alone() {
    let third = AGENCY.replace("\"agency\"", "\"third\"").replace("-0.5", "0.25").replace("cap = 101", "floor = 96\ncap = 96.2");
    assert_best_of(&wide_tape(120), &[("agency.toml", AGENCY), ("non_qm.toml", NON_QM), ("third.toml", &third)]);
    assert_best_of(&wide_tape(120), &[("third.toml", &third), ("agency.toml", AGENCY)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn generated_programs_give_the_best_of_each_alone(
        made in prop::collection::vec((70_u8..96, -20_i8..20, prop::bool::ANY, 0_usize..3), 1..5),
    ) {
        let made: Vec<(String, String)> = made
            .iter()
            .enumerate()
            .map(|(at, (ltv, points, soft, missing))| {
                let (severity, missing) = (if *soft { "soft" } else { "hard" }, ["hold", "fail", "pass"][*missing]);
                let points = TenThousandths(i64::from(*points) * 1_250).text();
                let text = format!(
                    "name = \"p{at}\"\n[limits]\nltv_ratio = {{ max = {ltv} }}\n[[rule]]\nname = \"state\"\nrequire = {{ property_state \
                     = [\"TX\"] }}\nseverity = \"{severity}\"\nmissing = \"{missing}\"\n[[adjustment]]\nname = \"covered\"\nwhen = {{ \
                     dscr = {{ min = 1 }} }}\npoints = {points}\nmissing = \"{missing}\"\n[pricing]\nfloor = 95\n"
                );
                (format!("p{at}.toml"), text)
            })
            .collect();
        let programs: Vec<(&str, &str)> = made.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_best_of(&wide_tape(12), &programs);
    }
}

#[test]
fn neither_threads_nor_blocks_nor_parts_change_a_byte() {
    let [whole, threads, parts] = all_ways(&wide_tape(700), &both());
    assert!(threads == whole);
    assert!(parts == whole);
}

#[test]
fn the_hash_depends_on_the_programs_and_their_order() {
    let hash = |programs: &[(&str, &str)]| best_of(programs).id().hash;
    let (a, b) = (("agency.toml", AGENCY), ("non_qm.toml", NON_QM));
    assert_ne!(hash(&[a, b]), hash(&[b, a]));
    assert_ne!(hash(&[a]), hash(&[a, b]));
    assert_eq!(hash(&[a]), hash(&[("renamed.toml", AGENCY)]));
    assert_ne!(hash(&[b]), hash(&[("non_qm.toml", &NON_QM.replace("8.5", "8.6"))]));
}

/// Rule sets with programs and one mistake: text, program file, place, and a part of the message.
const MISTAKES: [(&str, &str, &str, &str); 17] = [
    ("programs = []", "", "best.toml:1", "a list of 1 to 20 files"),
    ("programs = \"a.toml\"", "", "best.toml:1", "a list of 1 to 20 files"),
    ("programs = [\"b.toml\"]", "", "best.toml:1", "there is no file b.toml"),
    ("programs = [\"../a.toml\"]", "", "best.toml:1", "without a path"),
    ("programs = [\"/a.toml\"]", "", "best.toml:1", "without a path"),
    ("programs = [\"a.csv\"]", "", "best.toml:1", "name a .toml file"),
    ("programs = [\"best.toml\"]", "", "best.toml:1", "this rule set itself"),
    ("programs = [\"a.toml\", \"a.toml\"]", "name = \"a\"", "best.toml:1", "is listed twice"),
    ("programs = [\"a.toml\"]\n[limits]\nltv_ratio = { max = 80 }", "name = \"a\"", "best.toml:2", "no `limits` of its own"),
    ("programs = [\"a.toml\"]\nprogram = 1", "name = \"a\"", "best.toml:2", "unknown key `program`"),
    ("programs = [\"a.toml\"]", "version = \"1\"", "a.toml:1", "the program has no name"),
    ("programs = [\"a.toml\"]", "name = \"a\"\nprograms = [\"b.toml\"]", "a.toml:1", "no programs of its own"),
    ("programs = [\"a.toml\"]", "name = \"a\"\n[limits]\nltv_ratio = { max = 0.8 }", "a.toml:3", "write 80"),
    ("programs = [\"a.toml\"]", "name = \"a\"\n[fields.x_y]\nkind = \"text\"", "a.toml:2", "a program declares no fields"),
    ("programs = [\"a.toml\"]\n[fields.x_y]\nkind = \"big\"", "name = \"a\"", "best.toml:3", "\"word\", \"number\""),
    ("programs = [\"a.toml\"]", "name = \"a\"\nirr_target = 31", "a.toml:2", "above 0 and at most 30"),
    ("name = \"alone\"\nirr_target = 8", "", "best.toml:2", "only a program has an IRR target"),
];

#[test]
fn each_mistake_of_programs_says_where_it_is() {
    for (text, program, place, part) in MISTAKES {
        let error = with_files(text, &[("a.toml", program)]).unwrap_err();
        let [mistake] = &error.mistakes[..] else { panic!("{text}: {error}") };
        assert_eq!(mistake.place("best.toml"), place, "{text}: {error}");
        assert!(mistake.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn programs_share_the_fields_of_their_rule_set() {
    let a = "name = \"a\"\n[[rule]]\nname = \"flood\"\nrequire = { flood_zone = [\"low\"] }\n";
    let b = "name = \"b\"\n[[adjustment]]\nname = \"flood_charge\"\nwhen = { flood_zone = { not = [\"low\"] } }\npoints = -2\n";
    let toml = "programs = [\"a.toml\", \"b.toml\"]\n[fields.flood_zone]\nkind = \"word\"\nheaders = [\"FEMA zone\"]\nrequired = true\n\
                words = { low = [\"X\"], high = [\"A\", \"AE\"] }\n";
    let rules = with_files(toml, &[("a.toml", a), ("b.toml", b)]).unwrap();
    let tape = format!("{HEADER},FEMA zone\nL-1,{GOOD_CELLS},X\nL-2,{GOOD_CELLS},ae\nL-3,{GOOD_CELLS},\n");
    let shown: Vec<(Option<String>, Option<f64>)> = loans(&tape, &rules)
        .iter()
        .map(|loan| (loan["program"].as_str().map(str::to_owned), loan["final_price"].as_f64()))
        .collect();
    assert_eq!(shown, [(Some("a".to_owned()), Some(96.125)), (Some("b".to_owned()), Some(94.125)), (None, None)]);
    let other = with_files(&toml.replace("required = true", ""), &[("a.toml", a), ("b.toml", b)]).unwrap();
    assert_ne!(rules.id().hash, other.id().hash);
}

#[test]
fn programs_that_do_not_fit_together_are_mistakes() {
    let two = |a: &str, b: &str| {
        let error = with_files("programs = [\"a.toml\", \"b.toml\"]", &[("a.toml", a), ("b.toml", b)]).unwrap_err();
        error.to_string()
    };
    assert!(two("name = \"x\"", "name = \"x\"").contains("a.toml and b.toml have the same name \"x\""));
    let small = "name = \"y\"\n[units]\naccept_small_percentages = true";
    assert!(two("name = \"x\"", small).contains("read small percentages in two ways"));
    let rule = |name: &str, category: &str| {
        format!("name = \"{name}\"\n[[rule]]\nname = \"same\"\nrequire = {{ dscr = {{ min = 1 }} }}\ncategory = \"{category}\"\n")
    };
    assert!(two(&rule("x", "credit"), &rule("y", "pricing")).contains("b.toml: same has another category"));
}

#[test]
fn mistakes_of_all_programs_are_named_at_once() {
    let bad = "name = \"a\"\ncolor = 1\n[limits]\nltv = 2\n";
    let error = with_files("programs = [\"a.toml\", \"b.toml\", \"c.toml\"]", &[("a.toml", bad), ("b.toml", "version = \"1\"")]);
    let places: BTreeMap<String, usize> = error.unwrap_err().mistakes.iter().fold(BTreeMap::new(), |mut places, mistake| {
        *places.entry(mistake.place("best.toml")).or_default() += 1;
        places
    });
    let expected = [("a.toml:2", 1), ("a.toml:4", 1), ("b.toml:1", 1), ("best.toml:1", 1)];
    assert_eq!(places, expected.map(|(place, count)| (place.to_owned(), count)).into());
}

#[test]
fn blocks_of_any_size_have_the_programs_of_the_run() {
    let tuning = Tuning { threads: 2, block_bytes: 2_048 };
    let tape = wide_tape(300);
    let small = run_tapes(&[("tape.csv", tape.as_bytes())], &both(), tuning).unwrap();
    let large = run_tapes(&[("tape.csv", tape.as_bytes())], &both(), ONE).unwrap();
    let summary = |finished: &crate::support::runs::Finished| serde_json::to_value(finished.outcome.summary.finish()).unwrap();
    assert_eq!(summary(&small), summary(&large));
    assert_eq!(summary(&large)["programs"][0]["best"]["count"], 100);
}
