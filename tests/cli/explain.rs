//! `loan-engine explain`.

use crate::support::{
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

fn shell() -> TestShell {
    let shell = TestShell::new();
    let high = GOOD_CELLS.replace(",80,", ",97.1,");
    shell.write("tape.csv", format!("{HEADER}\n1,{GOOD_CELLS}\n2,{high}\n"));
    let answer = shell.command(&["run", "tape.csv", "--out", "out", "-q"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    shell
}

#[test]
fn a_rejected_loan_says_what_it_needs() {
    let answer = shell().command(&["explain", "out", "2"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let lines: Vec<&str> = answer.out.lines().collect();
    assert_eq!(lines[0], "Loan 2, line 3 of tape.csv: rejected");
    assert!(
        answer.out.contains("\nNeeds\n  LTV at most 97.00 %, now 97.10 %\n  It would then be to_purchase at 96.1250\n"),
        "{}",
        answer.out
    );
    assert!(lines.iter().any(|line| line.contains("ltv_ratio") && line.contains("FAILED")), "{}", answer.out);
}

#[test]
fn an_explanation_is_json_and_an_unknown_number_is_named() {
    let shell = shell();
    let loans = shell.command(&["explain", "out", "1", "--format", "json"]).json();
    assert_eq!((&loans[0]["seller_loan_number"], &loans[0]["needs"]), (&"1".into(), &serde_json::json!([])));
    let answer = shell.command(&["explain", "out", "9"]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""));
    assert_eq!(answer.err, "error: No loan of the run in out has the number 9.\n");
}
