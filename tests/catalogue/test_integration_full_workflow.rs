//! Whole workflows of users through the product, from log-in on.

use serde_json::{Value, json};
use shared::auth::permission::Role;
use uuid::Uuid;

use crate::support::{
    app::{PASSWORD, Person, TestApp},
    runs::{GOOD_CELLS, HEADER},
};

/// Two loans: one that is bought, one that fails the LTV rule.
fn tape() -> String {
    format!("{HEADER}\n001,{GOOD_CELLS}\n002,{}\n", GOOD_CELLS.replace(",80,", ",97.8,"))
}

/// Logs a user in over the API.
async fn log_in(app: &TestApp, username: &str, password: &str) -> Person {
    let credentials = json!({"username": username, "password": password});
    let logged_in = app.post("/api/auth/login").json(&credentials).send().await.expect(200);
    let user = app.resources.users().by_username(username).await.unwrap().unwrap();
    assert_eq!(logged_in["user"]["id"], user.id.to_string());
    Person { user, token: logged_in["access_token"].as_str().unwrap().to_owned() }
}

async fn read(app: &TestApp, person: &Person, path: &str) -> Value {
    app.get(path).by(person).send().await.expect(200)
}

/// Starts a run, executes it, and returns its id.
async fn run(app: &TestApp, person: &Person, wanted: &Value) -> String {
    let pending = app.post("/api/pipeline/run").by(person).json(wanted).send().await.expect(202);
    assert_eq!(pending["status"], "pending");
    app.work().await;
    pending["run_id"].as_str().unwrap().to_owned()
}

/// Ids of the runs that a person sees.
async fn runs(app: &TestApp, person: &Person, query: &str) -> Vec<String> {
    let listed = read(app, person, &format!("/api/runs{query}")).await;
    listed.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect()
}

mod test_full_workflow {
    use super::*;

    #[tokio::test]
    async fn test_complete_admin_workflow() {
        let app = TestApp::new().await;
        app.person("root", Role::Admin, None).await;
        let admin = log_in(&app, "root", PASSWORD).await;
        let team = app.post("/api/sales-teams").by(&admin).json(&json!({"name": "West"})).send().await.expect(201);
        let sam = json!({
            "email": "sam@example.com", "username": "sam", "password": "long enough", "role": "sales_team",
            "sales_team_id": team["id"]
        });
        let sam = app.post("/api/auth/register").by(&admin).json(&sam).send().await.expect(201);
        assert_eq!(sam["sales_team_id"], team["id"]);
        let uploaded = app.post("/api/files/upload?path=march").by(&admin).file("tape.csv", tape()).send().await.expect(200);
        assert_eq!((&uploaded["path"], &uploaded["size"]), (&"march/tape.csv".into(), &tape().len().into()));
        let id = run(&app, &admin, &json!({"folder": "march", "irr_target": 5.5, "pdate": "2026-03-02"})).await;
        let done = read(&app, &admin, &format!("/api/runs/{id}")).await;
        assert_eq!(
            (&done["status"], &done["last_phase"], &done["pdate"]),
            (&"completed".into(), &"archive".into(), &"2026-03-02".into())
        );
        let summary = read(&app, &admin, &format!("/api/summary/{id}")).await;
        assert_eq!((&summary["total_loans"], &summary["exceptions_count"]), (&2.into(), &1.into()));
        assert_eq!(summary["dispositions"]["to_purchase"]["wa_price"], 102.5);
        let exceptions = read(&app, &admin, &format!("/api/exceptions?run_id={id}")).await;
        assert_eq!(exceptions[0]["message"], "LTV 97.80 % is above the maximum 97.00 % (by 0.80)");
        let outputs = read(&app, &admin, &format!("/api/runs/{id}/notebook-outputs")).await;
        let rows =
            |key: &str| outputs.as_array().unwrap().iter().find(|file| file["key"] == key).map(|file| file["rows"].clone());
        assert_eq!((rows("purchase_tape"), rows("rejection_report")), (Some(1.into()), Some(1.into())));
        let download = format!("/api/runs/{id}/notebook-outputs/purchase_tape/download");
        let bought = app.get(&download).by(&admin).send().await;
        assert!(bought.text().lines().nth(1).unwrap().starts_with("001,250000,6.5,80,"), "{}", bought.text());
        let exported = app.get(&format!("/api/exceptions/export?format=csv&run_id={id}")).by(&admin).send().await;
        assert_eq!(exported.header("content-disposition"), "attachment; filename=\"exceptions_export.csv\"");
        assert_eq!(exported.text().lines().count(), 2);
    }

    #[tokio::test]
    async fn test_analyst_read_only_workflow() {
        let app = TestApp::new().await;
        let admin = app.person("root", Role::Admin, None).await;
        app.person("ana", Role::Analyst, None).await;
        app.put("inputs/tape.csv", tape()).await;
        let id = run(&app, &admin, &json!({})).await;
        let ana = log_in(&app, "ana", PASSWORD).await;
        assert_eq!(runs(&app, &ana, "?status=completed").await, [id.as_str()]);
        assert_eq!(read(&app, &ana, &format!("/api/runs/{id}")).await["created_by"], admin.user.id.to_string());
        let count = async |query: &str| {
            let found = read(&app, &ana, &format!("/api/exceptions?run_id={id}&{query}")).await;
            found.as_array().unwrap().len()
        };
        assert_eq!((count("severity=hard&exception_type=ltv_ratio").await, count("severity=soft").await), (1, 0));
        let download = format!("/api/runs/{id}/notebook-outputs/rejection_report/download");
        let report = app.get(&download).by(&ana).send().await;
        assert_eq!((report.status.as_u16(), report.text().lines().count()), (200, 2));
        let new = json!({"email": "new@example.com", "username": "newcomer", "password": "long enough"});
        app.post("/api/auth/register").by(&ana).json(&new).send().await.problem(403);
    }

    #[tokio::test]
    async fn test_sales_team_scoped_workflow() {
        let app = TestApp::new().await;
        let admin = app.person("root", Role::Admin, None).await;
        let (west, east) = (app.team("West").await, app.team("East").await);
        app.person("sam", Role::SalesTeam, Some(west.id)).await;
        app.put("inputs/tape.csv", tape()).await;
        let of_nobody = run(&app, &admin, &json!({})).await;
        let of_east = run(&app, &admin, &json!({"sales_team_id": east.id})).await;
        let sam = log_in(&app, "sam", PASSWORD).await;
        assert_eq!(runs(&app, &sam, "").await, [""; 0]);
        app.post("/api/files/upload").by(&sam).file("mine.csv", tape()).send().await.expect(200);
        let own = run(&app, &sam, &json!({"files": ["mine.csv"]})).await;
        assert_eq!(runs(&app, &sam, "").await, [own.as_str()]);
        assert_eq!(read(&app, &sam, &format!("/api/summary/{own}")).await["total_loans"], 2);
        for id in [of_nobody, of_east, Uuid::from_u128(1).to_string()] {
            for path in [format!("/api/runs/{id}"), format!("/api/summary/{id}"), format!("/api/loans?run_id={id}")] {
                app.get(&path).by(&sam).send().await.problem(404);
            }
        }
        app.get("/api/auth/users").by(&sam).send().await.problem(403);
    }

    #[tokio::test]
    async fn test_new_user_onboarding_workflow() {
        let app = TestApp::new().await;
        let admin = app.person("root", Role::Admin, None).await;
        let west = app.team("West").await;
        app.put("inputs/tape.csv", tape()).await;
        let of_nobody = run(&app, &admin, &json!({})).await;
        let of_west = run(&app, &admin, &json!({"sales_team_id": west.id})).await;
        let new = json!({"email": "new@example.com", "username": "newcomer", "password": "long enough"});
        let new = app.post("/api/auth/register").by(&admin).json(&new).send().await.expect(201);
        let newcomer = log_in(&app, "newcomer", "long enough").await;
        assert_eq!(read(&app, &newcomer, "/api/auth/me").await, new);
        let mut seen = runs(&app, &newcomer, "").await;
        seen.sort();
        let mut all = [of_nobody, of_west.clone()];
        all.sort();
        assert_eq!(seen, all);
        let change = json!({"role": "sales_team", "sales_team_id": west.id});
        let path = format!("/api/auth/users/{}", newcomer.user.id);
        app.call(http::Method::PUT, &path).by(&admin).json(&change).send().await.expect(200);
        // The token is unchanged: the stored user counts, not the token.
        assert_eq!(runs(&app, &newcomer, "").await, [of_west]);
    }

    #[tokio::test]
    async fn test_pipeline_failure_recovery() {
        let app = TestApp::new().await;
        app.person("root", Role::Admin, None).await;
        let admin = log_in(&app, "root", PASSWORD).await;
        app.put("inputs/bad/tape.csv", "this,is,no\nloan,tape,1\n").await;
        app.put("inputs/good/tape.csv", tape()).await;
        let failed = run(&app, &admin, &json!({"folder": "bad"})).await;
        let record = read(&app, &admin, &format!("/api/runs/{failed}")).await;
        assert_eq!((&record["status"], &record["error"]["source_file"]), (&"failed".into(), &"tape.csv".into()));
        assert!(record["completed_at"].is_string());
        let summary = read(&app, &admin, &format!("/api/summary/{failed}")).await;
        assert_eq!((&summary["status"], &summary["total_loans"]), (&"failed".into(), &0.into()));
        for path in ["/api/exceptions?run_id", "/api/loans?run_id"] {
            assert_eq!(read(&app, &admin, &format!("{path}={failed}")).await, json!([]));
        }
        assert_eq!(read(&app, &admin, &format!("/api/runs/{failed}/notebook-outputs")).await, json!([]));
        let good = run(&app, &admin, &json!({"folder": "good"})).await;
        assert_eq!(read(&app, &admin, &format!("/api/runs/{good}")).await["status"], "completed");
        assert_eq!(read(&app, &admin, &format!("/api/loans?run_id={good}")).await.as_array().unwrap().len(), 2);
        assert_eq!(read(&app, &admin, &format!("/api/runs/{failed}")).await, record);
    }
}
