//! The files and the output of `loan-engine run`.

#![cfg(test)]

mod compare;
mod explain;
mod guides;
mod last_run;
mod pools;
mod price;
mod printed;
mod purchase_advice;
mod reading;
mod refusals;
mod report;
mod rules;
mod signals;
mod standard_input;

use std::fs;

use serde_json::Value;

use crate::support::shell::{HEADER, TestShell, good, small_tape};

/// The files that a run writes into its folder, apart from the archive.
pub const RESULTS: [&str; 8] = [
    "exception_summary.csv",
    "exceptions.parquet",
    "facts.parquet",
    "manifest.json",
    "projected_tape.csv",
    "purchase_tape.csv",
    "rejection_report.csv",
    "summary.json",
];

/// The files whose bytes do not depend on the run: all but those with its id.
pub fn timeless() -> impl Iterator<Item = &'static str> {
    RESULTS.into_iter().filter(|name| !["manifest.json", "summary.json"].contains(name))
}

mod completed {
    use super::*;

    #[test]
    fn a_run_puts_everything_into_the_folder() {
        let desk = TestShell::new();
        desk.write("tapes/t.csv", small_tape());
        let id = desk.run_id(&["run", "tapes/t.csv", "--out", "a/b"]);
        let archived = ["", "input/", "input/t.csv", "manifest.json", "output/"].map(|name| format!("archive/{id}/{name}"));
        let outputs = ["exception_summary.csv", "projected_tape.csv", "purchase_tape.csv", "rejection_report.csv"];
        let mut expected: Vec<String> = RESULTS.map(str::to_owned).into();
        expected.push("archive/".to_owned());
        expected.extend(archived);
        expected.extend(outputs.map(|name| format!("archive/{id}/output/{name}")));
        expected.sort();
        assert_eq!(desk.list("a/b"), expected);

        let archive = format!("a/b/archive/{id}");
        assert_eq!(desk.read(&format!("{archive}/input/t.csv")), desk.read("tapes/t.csv"));
        assert_eq!(desk.read(&format!("{archive}/manifest.json")), desk.read("a/b/manifest.json"));
        for name in outputs {
            assert_eq!(desk.read(&format!("{archive}/output/{name}")), desk.read(&format!("a/b/{name}")), "{name}");
        }
        // A changed result leaves the archive unchanged.
        desk.write("a/b/purchase_tape.csv", "");
        assert!(!desk.read(&format!("{archive}/output/purchase_tape.csv")).is_empty());
        let bought = desk.read(&format!("{archive}/output/purchase_tape.csv"));
        assert_eq!(
            bought.lines().nth(1),
            Some("001,250000,8.85,80,35.5,740,sfr,primary,purchase,312500,315000,to_purchase,0.8000,102.0000")
        );
    }

    #[test]
    fn without_a_folder_outputs_and_archive_are_apart() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("outputs/.loan-engine-dead/.lock", "");
        let id = desk.run_id(&["run", "t.csv"]);
        assert_eq!(desk.list(&format!("outputs/{id}")), RESULTS);
        assert_eq!(desk.list("outputs").len(), RESULTS.len() + 1);
        assert!(desk.path(&format!("archive/{id}/input/t.csv")).is_file());
        assert_eq!(desk.command(&["replay", &format!("outputs/{id}/manifest.json")]).out, "identical\n");
    }

    #[test]
    fn a_second_run_replaces_results_and_adds_an_archive() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        let first = desk.run_id(&["run", "t.csv", "--out", "out"]);
        desk.write("out/notes.txt", "mine");
        desk.write("t.csv", format!("{HEADER}{}", good("007")));
        let second = desk.run_id(&["run", "t.csv", "--out", "out"]);
        assert!(desk.read("out/purchase_tape.csv").contains("007,"));
        assert!(desk.read("out/manifest.json").contains(&second));
        assert_eq!(desk.read("out/notes.txt"), "mine");
        assert!(desk.path(&format!("out/archive/{first}/manifest.json")).is_file());
        assert!(desk.list("out").iter().all(|name| !name.contains(".loan-engine")));
    }

    #[test]
    fn what_an_interrupted_run_left_is_removed_and_a_working_one_is_left_alone() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("out/.loan-engine-dead/.lock", "");
        desk.write("out/.loan-engine-dead/purchase_tape.csv", "half");
        desk.write("out/.loan-engine-live/.lock", "");
        desk.write("out/.loan-engine-other/purchase_tape.csv", "no lock, so nobody knows");
        let held = fs::File::open(desk.path("out/.loan-engine-live/.lock")).unwrap();
        held.lock().unwrap();
        desk.run_id(&["run", "t.csv", "--out", "out"]);
        let left: Vec<String> = desk.list("out").into_iter().filter(|name| name.starts_with(".loan-engine")).collect();
        assert_eq!(
            left,
            [".loan-engine-live/", ".loan-engine-live/.lock", ".loan-engine-other/", ".loan-engine-other/purchase_tape.csv"]
        );
    }

    #[test]
    fn the_json_answer_is_the_run_and_the_summary() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        let args = ["run", "t.csv", "--irr-target", "8.050", "--pdate", "2026-03-31", "--out", "out", "--format", "json"];
        let answer = desk.command(&args);
        let keys = |value: &Value| value.as_object().unwrap().keys().map(String::clone).collect::<Vec<_>>();
        let json = answer.json();
        assert_eq!(keys(&json), ["run", "summary"]);
        let run_keys = "id run_id status sales_team_id total_loans total_balance exceptions_count run_weekday run_weekday_name \
                        pdate irr_target last_phase output_dir error progress created_by started_at completed_at created_at \
                        rule_set profile ignored_rows superseded_rows notice_counts dry_run created_by_username tapes tapes_count \
                        dispositions seen_before column_mapping notices";
        assert_eq!(keys(&json["run"]).join(" "), run_keys);
        let summary_keys = [
            "run_id",
            "status",
            "total_loans",
            "total_balance",
            "exceptions_count",
            "eligibility_checks",
            "dispositions",
            "strats",
            "seen_before",
        ];
        assert_eq!(keys(&json["summary"]), summary_keys);
        assert_eq!(json["run"]["id"], json["summary"]["run_id"]);
        let size = small_tape().len();
        for (key, expected) in [
            ("status", serde_json::json!("completed")),
            ("total_loans", 2.into()),
            ("exceptions_count", 1.into()),
            ("run_weekday", 0.into()),
            ("run_weekday_name", "Monday".into()),
            ("pdate", "2026-03-31".into()),
            ("last_phase", "archive".into()),
            ("output_dir", "out".into()),
            ("error", Value::Null),
            ("progress", serde_json::json!({"loans": 2, "bytes": size, "total_bytes": size})),
            ("created_at", "2026-02-02T03:30:00.000Z".into()),
            ("completed_at", "2026-02-02T03:30:00.000Z".into()),
        ] {
            assert_eq!(json["run"][key], expected, "{key}");
        }
        assert_eq!(json["run"]["rule_set"]["name"], "built-in");
        assert_eq!(json["run"]["column_mapping"][0]["columns"][1]["field"], "loan_amount");
        let dispositions = &json["summary"]["dispositions"];
        assert_eq!(dispositions["to_purchase"]["count"], 1);
        assert_eq!(dispositions["to_purchase"]["dollars_to_pay"], 255_000);
        assert_eq!(
            (&dispositions["projected"]["dollars_to_pay"], &dispositions["rejected"]["dollars_to_pay"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(json["summary"]["eligibility_checks"]["exceptions_by_type"], serde_json::json!({"ltv_ratio": 1}));
        // Numbers are exact: printed with their own decimals, never through a binary fraction.
        assert!(answer.out.contains("\"irr_target\": 8.05,"), "{}", answer.out);
        assert!(answer.out.contains("\"total_balance\": 500000,"), "{}", answer.out);
    }

    #[test]
    fn the_purchase_date_is_today_unless_it_is_given() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        let answer = desk.command(&["run", "t.csv", "--dry-run", "--format", "json"]);
        assert_eq!(answer.json()["run"]["pdate"], "2026-02-02");
    }

    #[test]
    fn a_dry_run_computes_everything_and_writes_nothing() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        let wet = desk.command(&["run", "t.csv", "--out", "out", "--format", "json"]).json();
        fs::remove_dir_all(desk.path("out")).unwrap();
        let dry = desk.command(&["run", "t.csv", "--out", "out", "--dry-run", "--format", "json"]).json();
        assert_eq!(desk.list(""), ["t.csv"]);
        for key in ["total_loans", "eligibility_checks", "dispositions", "strats"] {
            assert_eq!(dry["summary"][key], wet["summary"][key], "{key}");
        }
        assert_eq!((&dry["run"]["output_dir"], dry["run"]["last_phase"].as_str()), (&Value::Null, Some("output")));
        let table = desk.command(&["run", "t.csv", "--dry-run"]);
        assert!(table.out.ends_with("A dry run: nothing was written.\n"), "{}", table.out);
        assert_eq!(desk.list(""), ["t.csv"]);
    }

    #[test]
    fn a_rule_set_decides() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("rules.toml", "\u{feff}name = \"lenient\"\n[limits]\nltv_ratio = { max = 98 }\n");
        let answer = desk.command(&["run", "t.csv", "--dry-run", "--rule-set", "rules.toml", "--format", "json"]);
        assert_eq!(answer.json()["summary"]["dispositions"]["to_purchase"]["count"], 2, "{}", answer.err);
        let rule_set = &answer.json()["run"]["rule_set"];
        assert_eq!((&rule_set["name"], &rule_set["version"]), (&"lenient".into(), &"unversioned".into()));
    }

    #[test]
    fn a_rule_set_without_a_name_is_called_after_its_file() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("rules/lenient.v2.toml", "[limits]\nltv_ratio = { max = 98 }\n");
        let run = ["run", "t.csv", "--out", "out", "--rule-set", "rules/lenient.v2.toml"];
        let table = desk.command(&run);
        assert!(table.out.contains("rule set lenient.v2, version unversioned, hash "), "{}", table.out);
        let manifest: Value = serde_json::from_str(&desk.read("out/manifest.json")).unwrap();
        assert_eq!(manifest["rule_set"]["name"], "lenient.v2");
        assert_eq!(manifest["rule_set"]["version"], "unversioned");
        let again = desk.command(&["replay", "out"]);
        assert_eq!((again.code, again.out.as_str()), (0, "identical\n"), "{}", again.err);
    }

    #[test]
    fn threads_change_no_byte() {
        let desk = TestShell::new();
        let rows: String = (0..20_000)
            .map(|at| if at % 7 == 0 { good(&at.to_string()).replace(",740,", ",619,") } else { good(&at.to_string()) })
            .collect();
        desk.write("t.csv", format!("{HEADER}{rows}{}", good("3")));
        desk.run_id(&["run", "t.csv", "--out", "one", "--threads", "1"]);
        desk.run_id(&["run", "t.csv", "--out", "four", "--threads", "4"]);
        for name in RESULTS.into_iter().filter(|name| *name != "manifest.json") {
            let read = |folder: &str| fs::read(desk.path(folder).join(name)).unwrap();
            assert!(read("one") == read("four"), "{name}");
        }
        let without_id =
            |folder: &str| desk.read(&format!("{folder}/manifest.json")).lines().skip(2).map(str::to_owned).collect();
        let (one, four): (Vec<String>, Vec<String>) = (without_id("one"), without_id("four"));
        assert_eq!(one, four);
    }
}

mod several_tapes {
    use super::*;

    fn source_files(json: &Value) -> Vec<&str> {
        json["run"]["column_mapping"].as_array().unwrap().iter().map(|tape| tape["source_file"].as_str().unwrap()).collect()
    }

    #[test]
    fn two_tapes_of_one_name_both_survive() {
        let desk = TestShell::new();
        desk.write("north/may/t.csv", format!("{HEADER}{}", good("1")));
        desk.write("south/june/t.csv", format!("{HEADER}{}", good("1")));
        let answer = desk.command(&["run", "south/june/t.csv", "north/may/t.csv", "--out", "out", "--format", "json"]);
        let json = answer.json();
        assert_eq!(source_files(&json), ["june/t.csv", "may/t.csv"]);
        let archive = format!("out/archive/{}", json["run"]["id"].as_str().unwrap());
        for name in ["june", "may"] {
            assert!(desk.path(&format!("{archive}/input/{name}/t.csv")).is_file(), "{name}");
        }
        // The first use of a loan number counts, across all tapes, and the message names the tape of that first use.
        assert!(desk.read("out/rejection_report.csv").contains("june/t.csv"), "{}", desk.read("out/rejection_report.csv"));
        assert_eq!(desk.command(&["replay", &archive]).out, "identical\n");
    }

    #[test]
    fn a_folder_means_its_tapes_in_the_order_of_their_names() {
        let desk = TestShell::new();
        for name in ["b.csv", "a.CSV", "10.csv", "deep/c.csv", ".hidden.csv"] {
            desk.write(&format!("tapes/{name}"), format!("{HEADER}{}", good(name)));
        }
        desk.write("tapes/readme.txt", "no tape");
        desk.write("tapes/rules.toml", "");
        let answer = desk.command(&["run", "tapes", "--dry-run", "--format", "json"]);
        assert_eq!(source_files(&answer.json()), ["10.csv", "a.CSV", "b.csv"]);
        assert_eq!(answer.json()["run"]["total_loans"], 3);
    }
}
