//! Names in any script, and characters that are not letters.

use serde_json::json;
use shared::auth::permission::Role;
use uuid::Uuid;

use crate::support::app::{Answer, Person, Tape, TestApp, each};

async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

async fn upload(app: &TestApp, person: &Person, name: &str) -> Answer {
    app.post("/api/files/upload").by(person).file(name, Tape::of_good(1).text()).send().await
}

/// Takes a tape from its upload under a name to the archive of its run, and returns the name that the product gave it.
async fn run_through(app: &TestApp, person: &Person, name: &str) -> String {
    let uploaded = upload(app, person, name).await.expect(200);
    let path = uploaded["path"].as_str().unwrap().to_owned();
    let run = app.start(person, &json!({"files": [path]})).await.expect(202);
    app.work().await;
    let id = run["run_id"].as_str().unwrap();
    let loans = app.read(person, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(each(&loans, "source_file"), [path.as_str()]);
    let archive = app.read(person, &format!("/api/runs/{id}/archive")).await;
    assert_eq!(archive["input"][0]["path"], format!("input/{path}"));
    let encoded: String = format!("input/{path}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let file = app.get(&format!("/api/runs/{id}/archive/download?path={encoded}")).by(person).send().await;
    assert_eq!((file.status.as_u16(), file.text().as_str()), (200, Tape::of_good(1).text()));
    assert!(file.header("content-disposition").starts_with("attachment; filename="));
    path
}

#[tokio::test]
async fn test_filename_with_spaces() {
    let (app, ana) = app().await;
    assert_eq!(run_through(&app, &ana, "  my  loan tape .csv").await, "my_loan_tape_.csv");
}

#[tokio::test]
async fn test_filename_with_unicode() {
    let (app, ana) = app().await;
    for name in ["Größe_Łódź.csv", "贷款_2026.csv", "قرض.csv", "\u{1F3E0}.csv"] {
        assert_eq!(run_through(&app, &ana, name).await, name);
    }
}

#[tokio::test]
async fn test_path_with_special_chars() {
    let (app, ana) = app().await;
    for name in ["a&b=c.csv", "50%.csv", "a+b.csv", "a#1.csv", "it's (1) [x] {y}.csv", "a;b,c!$@^.csv"] {
        run_through(&app, &ana, name).await;
    }
    for path in ["%2e%2e%2fx", "a%00b", "..%5cx", "%2Fx"] {
        let answer = app.get(&format!("/api/files/list?path={path}")).by(&ana).send().await;
        assert_eq!(answer.problem(400), "bad_path", "{path}");
    }
}

#[tokio::test]
async fn test_run_id_is_valid_uuid() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &Tape::of_good(1)).await;
    let uuid: Uuid = id.parse().unwrap();
    assert_eq!((uuid.get_version_num(), uuid.to_string()), (4, id.clone()));
    let upper = id.to_uppercase();
    assert_eq!(app.read(&ana, &format!("/api/runs/{upper}")).await["run_id"], id);
    for bad in ["completed-run-001", &uuid.simple().to_string(), "1%20OR%201=1", "null"] {
        assert_eq!(app.get(&format!("/api/runs/{bad}")).by(&ana).send().await.problem(404), "not_found", "{bad}");
    }
}
