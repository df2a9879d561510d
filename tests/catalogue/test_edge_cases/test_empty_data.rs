//! Answers when there is no data.

use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::support::app::{Person, Tape, TestApp};

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

#[tokio::test]
async fn test_list_runs_when_none_exist() {
    let (app, ana) = app().await;
    let answer = app.get("/api/runs").by(&ana).send().await;
    assert_eq!((answer.expect(200), answer.header("link")), (json!([]), ""));
}

#[tokio::test]
async fn test_list_exceptions_when_none_exist() {
    let (app, ana) = app().await;
    for query in ["", "?severity=hard", "?skip=5", "?seller_loan_number=x"] {
        let answer = app.get(&format!("/api/exceptions{query}")).by(&ana).send().await;
        assert_eq!((answer.expect(200), answer.next()), (json!([]), None), "{query}");
    }
}

#[tokio::test]
async fn test_list_loans_for_empty_run() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::new()).await;
    let answer = app.get(&format!("/api/loans?run_id={id}")).by(&ana).send().await;
    assert_eq!((answer.expect(200), answer.total()), (json!([]), Some(0)));
}

#[tokio::test]
async fn test_summary_for_run_with_no_exceptions() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(3)).await;
    let summary = app.read(&ana, &format!("/api/summary/{id}")).await;
    assert_eq!((&summary["exceptions_count"], &summary["total_loans"]), (&0.into(), &3.into()));
    let checks = &summary["eligibility_checks"];
    for member in ["exceptions_by_type", "exceptions_by_severity", "exceptions_by_category"] {
        assert!(checks[member].as_object().unwrap().values().all(|count| *count == 0), "{member}: {checks}");
    }
    assert_eq!(
        (&summary["dispositions"]["rejected"]["count"], &summary["dispositions"]["rejected"]["wac"]),
        (&0.into(), &Value::Null)
    );
}

#[tokio::test]
async fn test_list_files_empty_directory() {
    let (app, ana) = app().await;
    app.post("/api/files/mkdir?path=empty").by(&ana).send().await.expect(200);
    for path in ["empty", "absent"] {
        let list = app.read(&ana, &format!("/api/files/list?path={path}")).await;
        assert_eq!((&list["count"], &list["files"]), (&0.into(), &json!([])), "{path}");
    }
}

#[tokio::test]
async fn test_export_exceptions_when_none_exist() {
    let (app, ana) = app().await;
    let csv = app.get("/api/exceptions/export?format=csv").by(&ana).send().await;
    assert_eq!((csv.status.as_u16(), csv.text().lines().count()), (200, 1));
    assert!(csv.text().starts_with("id,run_id,seller_loan_number,"));
    let xlsx = app.get("/api/exceptions/export?format=xlsx").by(&ana).send().await;
    assert!(xlsx.status == 200 && xlsx.bytes.starts_with(b"PK"));
}

#[tokio::test]
async fn test_list_sales_teams_when_none_exist() {
    let (app, ana) = app().await;
    assert_eq!(app.read(&ana, "/api/sales-teams").await, json!([]));
}
