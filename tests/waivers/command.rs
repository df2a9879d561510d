//! `loan-engine run --waivers`, and the replay of such a run.

use crate::support::{
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

use super::COLUMNS;

/// A folder with a tape of a good loan and one with too high an LTV, and a waiver of the latter.
fn shell() -> TestShell {
    let shell = TestShell::new();
    let high = GOOD_CELLS.replace(",80,", ",97.8,");
    shell.write("deal/tape.csv", format!("{HEADER}\nL-1,{GOOD_CELLS}\nL-2,{high}\n"));
    shell.write("deal/waivers.csv", format!("{COLUMNS}\nL-2,ltv_ratio,reserves,J. Doe,2026-12-31\n"));
    shell
}

const RUN: [&str; 8] = ["run", "deal", "--waivers", "deal/waivers.csv", "--pdate", "2026-02-02", "--out", "out"];

#[test]
fn a_run_honours_waivers_and_is_repeated_with_them() {
    let shell = shell();
    // The file of waivers lies in the folder of the tapes, and is no tape.
    let answer = shell.command(&RUN);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.starts_with("Buy 2 of 2 loans"), "{}", answer.out);
    assert!(answer.out.contains("Waived: 1"), "{}", answer.out);
    let manifest: serde_json::Value = serde_json::from_str(&shell.read("out/manifest.json")).unwrap();
    assert_eq!(manifest["waivers"]["path"], "waivers/waivers.csv");
    let archive = format!("out/archive/{}", manifest["run_id"].as_str().unwrap());
    assert_eq!(shell.read(&format!("{archive}/waivers/waivers.csv")), shell.read("deal/waivers.csv"));
    std::fs::remove_dir_all(shell.path("deal")).unwrap();
    for path in ["out/manifest.json", &archive] {
        let answer = shell.command(&["replay", path]);
        assert_eq!((answer.code, answer.out.as_str()), (0, "identical\n"), "{}", answer.err);
    }
    shell.write(&format!("{archive}/waivers/waivers.csv"), format!("{COLUMNS}\n"));
    let answer = shell.command(&["replay", "out/manifest.json"]);
    assert!(answer.code == 1 && answer.out.contains("waivers/waivers.csv: it was changed in the archive"), "{}", answer.out);
}

#[test]
fn unused_waivers_are_named() {
    let shell = shell();
    shell.write("w.csv", format!("{COLUMNS}\nL-9,dti_ratio,reserves,J. Doe,2026-12-31\n"));
    let call = ["run", "deal/tape.csv", "--waivers", "w.csv", "--pdate", "2026-02-02", "--dry-run"];
    let answer = shell.command(&call);
    assert!(answer.out.contains("Unused waivers: 1\n  line 2: dti_ratio of loan L-9\n"), "{}", answer.out);
    let json = shell.command(&[&call[..], &["--format", "json"]].concat()).json();
    assert_eq!(json["summary"]["unused_waivers"]["first"][0]["seller_loan_number"], "L-9");
}

#[test]
fn a_file_with_mistakes_starts_no_run_and_names_each() {
    let shell = shell();
    shell.write("w.csv", format!("{COLUMNS}\nL-2,ltv,,J. Doe,2026-12-31\n"));
    let answer = shell.command(&["run", "deal/tape.csv", "--waivers", "w.csv", "--out", "out"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("w.csv have 2 mistakes."), "{}", answer.err);
    assert!(answer.err.contains("w.csv:2:2: \"ltv\" is no exception type"), "{}", answer.err);
    assert!(answer.err.contains("w.csv:2:3: reason is empty") && !shell.path("out").exists(), "{}", answer.err);
    let answer = shell.command(&["run", "deal/tape.csv", "--waivers", "absent.csv"]);
    assert!(answer.code == 2 && answer.err.contains("absent.csv cannot be read"), "{}", answer.err);
}

#[test]
fn a_run_without_waivers_names_none() {
    let shell = shell();
    let answer = shell.command(&["run", "deal/tape.csv", "--out", "out"]);
    assert!(answer.code == 0 && !answer.out.contains("aived"), "{}", answer.out);
    assert!(!shell.read("out/manifest.json").contains("waivers"));
    let json = shell.command(&["run", "deal/tape.csv", "--dry-run", "--format", "json"]).json();
    assert_eq!(json["summary"]["unused_waivers"], serde_json::Value::Null);
}
