//! Requests to every route, in every form in which they call the stores in a different way.

use api::routes::Verb;
use serde_json::json;
use shared::auth::permission::Role;
use stores::storage::StorageBackend as _;
use uuid::Uuid;

use crate::{
    outages::{
        Scene,
        requests::{Content, Wanted, requests},
    },
    support::app::{Fault, PASSWORD, Person, Tape},
};

/// An application with everything that the requests refer to.
pub struct Stage {
    pub scene: Scene,
    ana: Person,
    wes: Person,
    bob: Person,
    /// A run of the team.
    of_team: String,
    /// A run that failed after it had stored its outputs.
    failed: String,
}

impl Stage {
    pub async fn new() -> Self {
        let mut stage = Self::for_writes().await;
        let app = &stage.scene.app;
        let tape = Tape::of_good(2).with("bad", &[("credit_score", "500"), ("appraisal_value", "")]);
        stage.of_team = app.ended(&stage.wes, &tape).await;
        stage.failed = app.pending(&stage.ana, &tape).await;
        app.bucket_outage.begin_for("manifest.json", Fault::Broken);
        while app.worker.execute(stage.failed.parse().unwrap()).await.is_err() {}
        app.bucket_outage.end();
        stage
    }

    /// The same with fewer runs.
    pub async fn for_writes() -> Self {
        let scene = Scene::new().await;
        let app = &scene.app;
        let ana = app.person("ana", Role::Analyst, None).await;
        let wes = app.person("wes", Role::SalesTeam, Some(scene.team.id)).await;
        let bob = app.person("bob", Role::Analyst, None).await;
        app.put("inputs/strict.toml", "name = \"strict\"\nversion = \"1\"\n").await;
        app.put("inputs/folder/more.csv", Tape::of_good(1).good("M").text().to_owned()).await;
        app.put("inputs/large.csv", "x".repeat(4_000_001)).await;
        app.put(&format!("inputs/teams/{}/tape.csv", scene.team.id), Tape::of_good(1).text().to_owned()).await;
        for folder in ["inputs/empty", "inputs/folder/in/it"] {
            assert!(app.resources.storage.make_folder(folder).await.unwrap());
        }
        Self { scene, ana, wes, bob, of_team: String::new(), failed: String::new() }
    }

    /// Requests that read.
    pub fn reads(&self) -> Vec<Wanted> {
        let mut reads: Vec<Wanted> = requests(&self.scene).into_iter().filter(|wanted| wanted.verb == Verb::Get).collect();
        let (of_team, failed, nobody) = (&self.of_team, &self.failed, Uuid::nil());
        let more = |route: &'static str, address: String, by: Option<&Person>| {
            let (content, by) = (Content::Nothing, by.cloned());
            Wanted { verb: Verb::Get, route, address, content, by, key: None }
        };
        let wes = Some(&self.wes);
        let [run, outputs, output, archive, archived, workbook] = [
            "/api/runs/{run_id}",
            "/api/runs/{run_id}/notebook-outputs",
            "/api/runs/{run_id}/notebook-outputs/{output_key}/download",
            "/api/runs/{run_id}/archive",
            "/api/runs/{run_id}/archive/download",
            "/api/runs/{run_id}/workbook",
        ];
        let of = |route: &str, id: &dyn std::fmt::Display| route.replace("{run_id}", &id.to_string());
        let (list, download, url) = ("/api/files/list", "/api/files/download/{*path}", "/api/files/url/{*path}");
        let rule_set = "/api/runs/{run_id}/rule-set";
        let (exceptions, export, loans) = ("/api/exceptions", "/api/exceptions/export", "/api/loans");
        let loan_export = "/api/loans/export";
        reads.extend([
            more("/api/auth/me", "/api/auth/me".to_owned(), wes),
            more("/api/auth/users", "/api/auth/users?role=analyst&limit=1".to_owned(), None),
            more("/api/sales-teams", "/api/sales-teams".to_owned(), wes),
            more("/api/runs", "/api/runs?status=completed".to_owned(), None),
            more("/api/runs", "/api/runs?limit=1&skip=1".to_owned(), Some(&self.ana)),
            more("/api/runs", "/api/runs".to_owned(), wes),
            more("/api/runs", "/api/runs?tape=tape&dry_run=false".to_owned(), wes),
            more(rule_set, of(rule_set, of_team), wes),
            more(rule_set, of(rule_set, &nobody), None),
            more(run, of(run, of_team), wes),
            more(run, of(run, &nobody), None),
            more(outputs, of(outputs, of_team), wes),
            more(outputs, of(outputs, failed), None),
            more(output, of(output, of_team).replace("{output_key}", "rejection_report"), wes),
            more(archive, of(archive, failed), None),
            more(archived, of(archived, failed), None),
            more(archived, format!("{}?path=output/purchase_tape.csv", of(archived, of_team)), wes),
            more(workbook, of(workbook, failed), None),
            more(workbook, of(workbook, of_team), wes),
            more("/api/summary/{run_id}", format!("/api/summary/{failed}"), None),
            more("/api/summary/{run_id}", format!("/api/summary/{of_team}"), wes),
            more(exceptions, format!("{exceptions}?severity=soft&limit=1"), wes),
            more(exceptions, exceptions.to_owned(), wes),
            more(exceptions, format!("{exceptions}?run_id={of_team}&exception_type=credit_score"), wes),
            more(export, format!("{export}?severity=hard"), wes),
            more(export, format!("{export}?format=xlsx&run_id={of_team}"), None),
            more(loans, format!("{loans}?run_id={of_team}&disposition=rejected"), wes),
            more(loans, format!("{loans}?run_id={of_team}&seller_loan_number=L-00001"), None),
            more(loans, format!("{loans}?run_id={nobody}"), None),
            more(loans, format!("{loans}?run_id={of_team}&only_reason=credit_score&sort=-ltv_ratio"), wes),
            more(loan_export, format!("{loan_export}?run_id={of_team}&format=parquet&search=L"), wes),
            more("/api/compare", format!("/api/compare?base={of_team}&with={of_team}&changed=ltv_ratio"), wes),
            more("/api/loan-history", "/api/loan-history?seller_loan_number=L-1".to_owned(), wes),
            more(list, format!("{list}?path=folder"), Some(&self.ana)),
            more(list, format!("{list}?area=outputs&recursive=true"), wes),
            more(list, list.to_owned(), wes),
            more(download, "/api/files/download/large.csv".to_owned(), None),
            more(download, "/api/files/download/nothing.csv".to_owned(), None),
            more(download, format!("/api/files/download/{of_team}/purchase_tape.csv?area=outputs"), wes),
            more(url, "/api/files/url/new.csv?method=put".to_owned(), None),
            more(url, format!("/api/files/url/{of_team}/purchase_tape.csv?area=outputs"), wes),
        ]);
        reads
    }

    /// Requests that change something, and log-ins.
    pub fn writes(&self) -> Vec<Wanted> {
        let mut writes: Vec<Wanted> = requests(&self.scene).into_iter().filter(|wanted| wanted.verb != Verb::Get).collect();
        let more = |verb, route: &'static str, address: &str, content, by: Option<&Person>| {
            let key = (route == "/api/pipeline/run").then_some("another-key");
            Wanted { verb, route, address: address.to_owned(), content, by: by.cloned(), key }
        };
        let (ana, wes) = (Some(&self.ana), Some(&self.wes));
        let (team, bob, root) = (self.scene.team.id, self.bob.user.id, self.scene.root.user.id);
        let (login, register, user) = ("/api/auth/login", "/api/auth/register", "/api/auth/users/{user_id}");
        let (run, upload, delete) = ("/api/pipeline/run", "/api/files/upload", "/api/files/{*path}");
        let (mkdir, me) = ("/api/files/mkdir", "/api/auth/me");
        let post = |route, body, by| more(Verb::Post, route, route, Content::Json(body), by);
        let put = |id: Uuid, body| more(Verb::Put, user, &format!("/api/auth/users/{id}"), Content::Json(body), None);
        let file = |query: &str, name, length, by| {
            more(Verb::Post, upload, &format!("{upload}?{query}"), Content::File(name, length), by)
        };
        writes.extend([
            post(login, json!({"username": "WES", "password": PASSWORD}), None),
            more(Verb::Post, login, login, Content::Form("username=nobody&password=anything"), None),
            post(
                register,
                json!({"email": "kim@example.com", "username": "kim", "password": "correct horse", "role": "sales_team",
                    "sales_team_id": team}),
                None,
            ),
            post(register, json!({"email": "ana@example.com", "username": "other", "password": "correct horse"}), None),
            put(bob, json!({"email": "b@example.com", "username": "robert", "role": "sales_team", "sales_team_id": team})),
            put(bob, json!({"is_active": false})),
            put(bob, json!({"username": "ana"})),
            put(root, json!({"password": "another horse"})),
            more(Verb::Put, me, me, Content::Json(json!({"current_password": "wrong horse", "full_name": "Wes"})), wes),
            more(Verb::Put, me, me, Content::Json(json!({"current_password": PASSWORD, "password": "another horse"})), ana),
            post("/api/sales-teams", json!({"name": "west"}), None),
            post(run, json!({"files": ["folder/more.csv", "folder/tape.csv"], "sales_team_id": team}), ana),
            post(run, json!({"folder": "folder", "rule_set": "strict.toml", "irr_target": 7.5, "dry_run": true}), None),
            post(run, json!({"check_history": true}), wes),
            post("/api/tapes/inspect", json!({"path": "tape.csv", "profile": "asf_rmbs"}), wes),
            post("/api/tapes/inspect", json!({"path": "nothing.csv"}), None),
            post("/api/rule-sets/check", json!({"path": "strict.toml"}), ana),
            post("/api/rule-sets/check", json!({"path": "nothing.toml"}), None),
            post(run, json!({"folder": "nothing"}), None),
            file("path=folder", "tape.csv", 3, ana),
            file("path=incoming", "tape.csv", 3, wes),
            file("area=output_share&path=a/b/c.csv", "other.csv", 0, None),
            more(Verb::Delete, delete, "/api/files/empty", Content::Nothing, None),
            more(Verb::Delete, delete, "/api/files/folder", Content::Nothing, ana),
            more(Verb::Delete, delete, "/api/files/tape.csv", Content::Nothing, wes),
            more(Verb::Post, mkdir, &format!("{mkdir}?path=empty"), Content::Nothing, ana),
            more(Verb::Post, mkdir, &format!("{mkdir}?path=a/b/c&area=output_share"), Content::Nothing, wes),
        ]);
        writes
    }

    /// Requests that store something in parts. They need a run of few loans and many bytes, which this function creates.
    pub async fn large(&self) -> Vec<Wanted> {
        let (app, root) = (&self.scene.app, &self.scene.root);
        let long = "x".repeat(60_000);
        let tape = (0..150).fold(Tape::new(), |tape, at| tape.with(&format!("L-{at}"), &[("property_type", &long)]));
        let id = app.ended(root, &tape).await;
        let (upload, export) = ("/api/files/upload", "/api/exceptions/export");
        let wanted = |verb, route, address: String, content| Wanted { verb, route, address, content, by: None, key: None };
        vec![
            wanted(Verb::Post, upload, format!("{upload}?path=folder"), Content::File("tape.csv", 9_000_000)),
            wanted(Verb::Get, export, format!("{export}?run_id={id}"), Content::Nothing),
        ]
    }
}
