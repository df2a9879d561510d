//! Tests of the record of a run.

use super::*;
use crate::{error::RunErrorCode, rules::rule_set::RuleSet};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn new_run(pdate: Option<Date>) -> NewRun {
    NewRun {
        run_id: Uuid::from_u128(7),
        sales_team_id: None,
        created_by: None,
        created_by_username: None,
        tapes: Some(RunTapes::default()),
        irr_target: "8.250".parse().unwrap(),
        pdate,
        rule_set: RuleSet::built_in().id(),
        output_dir: Some("outputs/x".to_owned()),
    }
}

#[test]
fn a_status_moves_as_the_table_says_and_not_otherwise() {
    use RunStatus::{Completed, Failed, Pending, Running};
    let allowed = [(Pending, Running), (Running, Completed), (Running, Failed)];
    for from in RunStatus::ALL {
        for to in RunStatus::ALL {
            let expected = if allowed.contains(&(from, to)) { Ok(to) } else { Err(StatusMoveError { from, to }) };
            assert_eq!(from.move_to(to), expected);
        }
        assert_eq!(from.is_final(), matches!(from, Completed | Failed));
        assert_eq!(RunStatus::from_word(from.as_str()), Some(from));
    }
    let error = Pending.move_to(Completed).unwrap_err();
    assert_eq!(error.to_string(), "a run that is pending cannot become completed");
}

#[test]
fn a_move_that_is_refused_changes_nothing() {
    let mut run = Run::new(new_run(None), at("2026-02-01T10:00:00Z"));
    assert!(run.complete(at("2026-02-01T10:00:01Z")).is_err());
    let error = RunError::ingest(RunErrorCode::EmptyTape, "t.csv", None, "The tape is empty.");
    assert!(run.fail(error, at("2026-02-01T10:00:01Z")).is_err());
    assert_eq!((run.status(), run.completed_at, run.error()), (RunStatus::Pending, None, None));
}

#[test]
fn dates_are_written_in_one_way() {
    assert_eq!(parse_pdate("2024-02-29").unwrap().to_string(), "2024-02-29");
    for text in ["2026-02-29", "2026-2-1", "20260201", "2026-02-01T00:00", "-002026-02-01", "01/02/2026", "", " 2026-02-01"] {
        assert_eq!(parse_pdate(text), Err(PurchaseDateError), "{text}");
    }
}

#[test]
fn the_purchase_date_is_the_utc_day_of_creation_unless_it_is_given() {
    // In New York this time is still on Sunday.
    let now = at("2026-02-02T03:30:00Z");
    assert_eq!(Run::new(new_run(None), now).parameters().pdate.to_string(), "2026-02-02");
    let given = parse_pdate("2025-12-31").unwrap();
    assert_eq!(Run::new(new_run(Some(given)), now).parameters().pdate, given);
}

#[test]
fn the_run_object_has_all_fields_from_the_start() {
    let run = Run::new(new_run(None), at("2026-02-01T23:59:59.5Z"));
    let json = serde_json::to_string(&run).unwrap();
    let hash = RuleSet::built_in().id().hash;
    let id = "00000000-0000-0000-0000-000000000007";
    assert_eq!(
        json,
        format!(
            "{{\"id\":\"{id}\",\"run_id\":\"{id}\",\"status\":\"pending\",\"sales_team_id\":null,\"total_loans\":0,\
             \"total_balance\":0,\"exceptions_count\":0,\"run_weekday\":6,\"run_weekday_name\":\"Sunday\",\
             \"pdate\":\"2026-02-01\",\"irr_target\":8.25,\"last_phase\":null,\"output_dir\":\"outputs/x\",\"error\":null,\
             \"progress\":null,\"created_by\":null,\"started_at\":null,\"completed_at\":null,\
             \"created_at\":\"2026-02-01T23:59:59.500Z\",\
             \"rule_set\":{{\"name\":\"built-in\",\"version\":\"1\",\"hash\":\"{hash}\"}},\"profile\":null,\"ignored_rows\":0,\"superseded_rows\":0,\"notice_counts\":{{}},\
             \"dry_run\":false,\"created_by_username\":null,\"tapes\":[],\"tapes_count\":0,\"dispositions\":null,\
             \"seen_before\":null,\"pool_tests\":[],\"pool_status\":null,\
             \"column_mapping\":[],\"notices\":[]}}"
        )
    );
}

#[test]
fn weekdays_count_from_monday() {
    for (day, number, name) in [("2026-02-02", 0, "Monday"), ("2026-02-05", 3, "Thursday"), ("2026-02-08", 6, "Sunday")] {
        let run = Run::new(new_run(None), at(&format!("{day}T00:00:00Z")));
        let json = serde_json::to_value(&run).unwrap();
        assert_eq!((json["run_weekday"].as_u64(), json["run_weekday_name"].as_str()), (Some(number), Some(name)));
    }
}

#[test]
fn a_failed_run_says_when_and_why() {
    let mut run = Run::new(new_run(None), at("2026-02-01T10:00:00Z"));
    run.start(at("2026-02-01T10:00:01Z")).unwrap();
    run.report(Progress { loans: 1, bytes: 20, total_bytes: 30 });
    let error = RunError::ingest(RunErrorCode::NoDataRows, "t.csv", Some(1), "No loan.");
    run.fail(error, at("2026-02-01T10:00:02Z")).unwrap();
    let json = serde_json::to_value(&run).unwrap();
    assert_eq!(json["status"], "failed");
    assert_eq!(json["started_at"], "2026-02-01T10:00:01.000Z");
    assert_eq!(json["completed_at"], "2026-02-01T10:00:02.000Z");
    assert_eq!(json["progress"], serde_json::json!({"loans": 1, "bytes": 20, "total_bytes": 30}));
    let error = serde_json::json!({
        "phase": "ingest", "code": "no_data_rows", "message": "No loan.", "source_file": "t.csv", "line": 1
    });
    assert_eq!(json["error"], error);
}
