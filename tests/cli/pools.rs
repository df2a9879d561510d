//! Pool tests on the command line: the table, the JSON, the workbook and the exit code.

use crate::support::{
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

/// A folder with a tape of a condo and another loan to purchase, and a rule set with a pool test of this severity.
fn shell(severity: &str) -> TestShell {
    let shell = TestShell::new();
    let condo = GOOD_CELLS.replace("sfr", "condo");
    shell.write("tape.csv", format!("{HEADER}\nL-1,{GOOD_CELLS}\nL-2,{condo}\n"));
    let measure = "measure = { share = { property_type = [\"condo\"] } }";
    let text = format!("name = \"pooled\"\n[[pool]]\nname = \"condo_share\"\n{measure}\nmax = 20\nseverity = \"{severity}\"\n");
    shell.write("pooled.toml", text);
    shell
}

const MEND: &str = "Drop at least $187,500.00 of the balance with property_type condo.";

#[test]
fn a_failed_pool_test_completes_the_run_and_changes_its_exit_code() {
    for (severity, code, status) in [("warn", 0, "warn"), ("fail", 3, "failed")] {
        let shell = shell(severity);
        for dry in [&["--out", "out"][..], &["--dry-run"]] {
            let call = |format: &str| {
                shell.command(&[&["run", "tape.csv", "--rule-set", "pooled.toml", "--format", format], dry].concat())
            };
            let answer = call("table");
            assert_eq!(answer.code, code, "{}", answer.err);
            assert_eq!(answer.err.contains("pool_status is failed"), code == 3, "{}", answer.err);
            assert!(answer.out.contains(&format!("Pool tests: {status}\n")) && answer.out.contains(MEND), "{}", answer.out);
            let answer = call("json");
            assert_eq!(answer.code, code);
            for part in ["run", "summary"] {
                let part = &answer.json()[part];
                assert_eq!((&part["status"], &part["pool_status"]), (&"completed".into(), &status.into()));
                let test = serde_json::json!({
                    "name": "condo_share", "of": "to_purchase", "measure": "percent of the balance with property_type condo",
                    "value": 50, "min": null, "max": 20, "passed": false, "shortfall": 30, "mend": MEND, "severity": severity
                });
                assert_eq!(part["pool_tests"], serde_json::json!([test]));
            }
        }
        let answer = shell.command(&["replay", "out/manifest.json"]);
        assert_eq!((answer.code, answer.out.as_str()), (0, "identical\n"));
    }
}

#[test]
fn a_run_without_pool_tests_has_an_empty_list_and_no_section() {
    let shell = shell("fail");
    let answer = shell.command(&["run", "tape.csv", "--out", "out"]);
    assert!(answer.code == 0 && !answer.out.contains("Pool tests"), "{}", answer.out);
    let json = shell.command(&["run", "tape.csv", "--dry-run", "--format", "json"]).json();
    assert_eq!((&json["run"]["pool_tests"], &json["run"]["pool_status"]), (&serde_json::json!([]), &serde_json::Value::Null));
}

#[test]
fn rules_show_and_check_tell_the_pool_tests() {
    let shell = shell("fail");
    let shown = shell.command(&["rules", "show", "pooled.toml"]).out;
    let line = shown.lines().find(|line| line.contains("condo_share")).unwrap_or_default();
    for cell in ["to_purchase", "percent of the balance with property_type condo", "<= 20", "fail"] {
        assert!(line.contains(cell), "{shown}");
    }
    let checked = shell.command(&["rules", "check", "pooled.toml"]).out;
    assert!(checked.contains("has no mistakes: 10 rules, 1 pool test, hash "), "{checked}");
    let json = shell.command(&["rules", "check", "pooled.toml", "--format", "json"]).json();
    assert_eq!(json["rules"].as_array().unwrap().last().unwrap()["kind"], "pool");
}
