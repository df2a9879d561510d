//! What a run reports about records that are not loans.

use serde_json::json;
use shared::auth::permission::Role;

use super::*;
use crate::support::{
    app::{Tape, TestApp},
    shell::TestShell,
    tape_rows::tape,
};

#[tokio::test]
async fn a_run_counts_what_is_no_loan_and_says_where_it_stood() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let tape = Tape::of_good(2).with("Total", &[]).good("C").with("seller_loan_number", &[]);
    let text = format!("{}{HEADER}\n(3 rows affected)\n", tape.text().replace("seller_loan_number,250000", "Average,250000"));
    app.put("inputs/tape.csv", text).await;
    let started = app.start(&ana, &json!({"files": ["tape.csv"]})).await.expect(202);
    app.work().await;
    let run = app.read(&ana, &format!("/api/runs/{}", started["run_id"].as_str().unwrap())).await;
    assert_eq!((&run["total_loans"], &run["ignored_rows"], &run["superseded_rows"]), (&3.into(), &4.into(), &0.into()));
    assert_eq!(run["notice_counts"], json!({"header_again": 1, "not_a_loan": 3}));
    let place = |notice: &serde_json::Value| (notice["code"].clone(), notice["line"].clone());
    let places: Vec<_> = run["notices"].as_array().unwrap().iter().map(place).collect();
    let expected = [("not_a_loan", 4), ("not_a_loan", 6), ("header_again", 7), ("not_a_loan", 8)];
    assert_eq!(places, expected.map(|(code, line)| (json!(code), json!(line))));
    assert!(run["notices"].as_array().unwrap().iter().all(|notice| notice["source_file"] == "tape.csv"));
    let listed = app.read(&ana, "/api/runs").await;
    assert_eq!((&listed[0]["notices"], &listed[0]["ignored_rows"]), (&json!(null), &4.into()));
    assert_eq!(listed[0]["notice_counts"], run["notice_counts"]);
}

#[test]
fn the_command_prints_notices_under_the_summary() {
    let desk = TestShell::new();
    desk.write("t.csv", tape(&[good("A"), "Total,250000,,,,,,,,,".to_owned(), good("B")]));
    let answer = desk.command(&["run", "t.csv", "--dry-run"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("line 3: ") && answer.out.contains("Total,250000"), "{}", answer.out);
}

#[test]
fn many_notices_are_counted_and_the_first_are_kept() {
    let mut rows = goods(&["A", "B"]);
    rows.extend((0..250).map(|at| format!("Subtotal,{at},,,,,,,,,")));
    rows.push(format!("Total,{}", "9".repeat(1_000)));
    let finished = run_mapped(tape(&rows), &[]).unwrap();
    assert_eq!(notices(&finished), ["not_a_loan 251"]);
    let kept = finished.outcome.notices.kept();
    assert_eq!((kept.len(), kept[0].line), (200, Some(4)));
    assert!(kept.iter().all(|notice| notice.message.chars().count() <= 300));
    // A run keeps up to 200 notices of each kind and tape, and no more than a thousand in all.
    let text = tape(&rows);
    let tapes: Vec<(String, &[u8])> = (0..7).map(|at| (format!("{at}.csv"), text.as_bytes())).collect();
    let tapes: Vec<(&str, &[u8])> = tapes.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let tuning = Tuning { threads: 2, block_bytes: 2_000 };
    let finished = crate::support::runs::run_tapes(&tapes, RuleSet::built_in(), tuning).unwrap();
    assert_eq!((finished.outcome.notices.kept().len(), finished.outcome.notices.ignored_rows), (1_000, 7 * 251));
}
