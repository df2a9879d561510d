//! A corpus of paths that try to lead elsewhere, at every place that takes a path. Each path is rejected or names nothing. No
//! path causes a failure of the product or touches a file.

mod names;
mod ways_out;

use std::collections::BTreeSet;

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use shared::{auth::permission::Role, paths::stored_path};
use stores::storage::StorageBackend as _;

use crate::support::app::{Answer, Person, Tape, TestApp, document};

/// Text that no answer may contain.
const SECRET: &str = "nobody is to see this";

/// The product with secrets next to the areas, above them and in another team's area, and callers who try to get them.
struct Scene {
    app: TestApp,
    callers: [Person; 2],
    /// A run with an archive that the callers may see.
    run: String,
    before: Vec<(String, Option<String>)>,
}

/// Key of everything in the bucket, with the ETag of each file.
async fn stored(app: &TestApp) -> Vec<(String, Option<String>)> {
    let entries = app.resources.storage.list("", true).await.unwrap();
    entries.into_iter().map(|entry| (entry.key, entry.file.map(|file| file.etag))).collect()
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (west, east) = (app.team("West").await, app.team("East").await);
        let root = app.person("root", Role::Admin, None).await;
        let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
        let run = app.ended(&wes, &Tape::of_good(1)).await;
        for key in ["secret.csv", "archive/secret.csv", "results/secret.csv", "etc/passwd", "windows/win.ini"] {
            app.put(key, SECRET).await;
        }
        app.put(&format!("inputs/teams/{}/secret.csv", east.id), SECRET).await;
        let before = stored(&app).await;
        Self { app, callers: [root, wes], run, before }
    }

    /// The answers of every place that takes a path, except the places that would create something from a good path.
    async fn reading(&self, person: &Person, vector: &str) -> Vec<(String, Answer)> {
        let run = &self.run;
        let mut answers = Vec::new();
        let paths = [
            (Method::GET, format!("/api/files/download/{vector}")),
            (Method::GET, format!("/api/files/download/{vector}?area=output_share")),
            (Method::GET, format!("/api/files/download/{vector}?area=outputs")),
            (Method::GET, format!("/api/files/url/{vector}")),
            (Method::DELETE, format!("/api/files/{vector}")),
            (Method::GET, format!("/api/runs/{run}/archive/download?path={vector}")),
            (Method::GET, format!("/api/runs/{vector}")),
            (Method::GET, format!("/api/runs/{vector}/workbook")),
            (Method::GET, format!("/api/runs/{vector}/purchase-advice")),
            (Method::GET, format!("/api/runs/{vector}/seller-return")),
            (Method::GET, format!("/api/runs/{run}/notebook-outputs/{vector}/download")),
            (Method::GET, format!("/api/summary/{vector}")),
            (Method::GET, format!("/api/files/list?area={vector}")),
        ];
        for (method, address) in paths {
            let answer = self.app.call(method.clone(), &address).by(person).send().await;
            answers.push((format!("{method} {address}"), answer));
        }
        if let Ok(path) = percent_decode_str(vector).decode_utf8() {
            for body in [json!({"folder": path}), json!({"files": [path]})] {
                answers.push((format!("run {body}"), self.app.start(person, &body).await));
            }
            if person.user.role == Role::Admin {
                self.app.put("inputs/tape.csv", Tape::of_good(1).text().to_owned()).await;
                let body = json!({"files": ["tape.csv"], "rule_set": path});
                answers.push((format!("run {body}"), self.app.start(person, &body).await));
                self.app.resources.storage.delete("inputs/tape.csv").await.unwrap();
            }
        }
        answers
    }

    /// The answers of the places that create something from a good path, or list it.
    async fn writing(&self, person: &Person, vector: &str) -> Vec<(String, Answer)> {
        let call = |method: Method, address: &str| self.app.call(method, address).by(person);
        let mut answers = Vec::new();
        for area in ["inputs", "output_share"] {
            let list = call(Method::GET, &format!("/api/files/list?path={vector}&area={area}&recursive=true"));
            let make = call(Method::POST, &format!("/api/files/mkdir?path={vector}&area={area}"));
            let upload = call(Method::POST, &format!("/api/files/upload?path={vector}&area={area}")).file("new.csv", "x");
            let named = call(Method::POST, &format!("/api/files/upload?path={vector}/new.csv&area={area}")).file("new.csv", "x");
            for (what, call) in [("list", list), ("mkdir", make), ("upload", upload), ("upload as", named)] {
                answers.push((format!("{what} {area} {vector}"), call.send().await));
            }
        }
        let put = call(Method::GET, &format!("/api/files/url/{vector}/new.csv?method=put"));
        answers.push((format!("url to put {vector}"), put.send().await));
        answers
    }

    async fn assert_untouched(&self, vector: &str) {
        assert_eq!(stored(&self.app).await, self.before, "{vector}");
    }

    async fn runs(&self) -> usize {
        let runs: Value = self.app.read(&self.callers[0], "/api/runs?limit=1000").await;
        runs.as_array().unwrap().len()
    }
}

/// A request for each parameter of the OpenAPI document that is neither a number nor a boolean, with a vector as its value and
/// everything else good.
fn with_each_parameter(run: &str, vector: &str) -> Vec<(Method, String, Option<String>)> {
    let document = serde_json::to_value(document()).unwrap();
    let mut requests = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            for parameter in parameters
                .iter()
                .filter(|parameter| !["integer", "boolean"].map(Value::from).contains(&parameter["schema"]["type"]))
            {
                let (name, place) = (parameter["name"].as_str().unwrap(), &parameter["in"]);
                let placed = if place == "path" { path.replace(&format!("{{{name}}}"), vector) } else { path.clone() };
                let filled =
                    placed.replace("{run_id}", run).replace("{output_key}", "purchase_tape").replace("{path}", "nothing.csv");
                let query = if place == "query" { format!("?{name}={vector}") } else { String::new() };
                requests.push((method.clone(), filled + &query, (place == "header").then(|| name.to_owned())));
            }
        }
    }
    requests
}

fn assert_harmless(what: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(!answer.text().contains(SECRET), "{what}");
    assert!(matches!(status, 400 | 404), "{what}: {status} {}", answer.text());
    answer.problem(status);
}

#[test]
fn the_corpus_is_large_and_has_no_doubles() {
    let (out, names) = (ways_out::vectors(), names::vectors());
    let all: BTreeSet<&String> = out.iter().chain(&names).collect();
    assert_eq!(all.len(), out.len() + names.len());
    assert_eq!((out.len(), names.len()), (201, 71));
}

#[tokio::test]
async fn a_way_out_is_refused_everywhere() {
    let scene = Scene::new().await;
    for (vector, person) in ways_out::vectors().iter().zip(scene.callers.iter().cycle()) {
        let mut answers = scene.reading(person, vector).await;
        answers.extend(scene.writing(person, vector).await);
        for (what, answer) in &answers {
            assert_harmless(what, answer);
        }
        scene.assert_untouched(vector).await;
    }
    assert_eq!(scene.runs().await, 1);
}

#[tokio::test]
async fn a_way_out_is_told_to_be_against_the_rules_whoever_asks() {
    let scene = Scene::new().await;
    for vector in ways_out::vectors() {
        for person in &scene.callers {
            let list = scene.app.get(&format!("/api/files/list?path={vector}")).by(person).send().await;
            assert!(matches!(list.problem(400).as_str(), "bad_path" | "bad_query"), "{vector}");
            let download = scene.app.get(&format!("/api/files/download/{vector}")).by(person).send().await;
            assert_eq!(download.problem(400), "bad_path", "{vector}");
        }
    }
}

#[tokio::test]
async fn no_parameter_of_the_document_lets_a_way_out_through() {
    let scene = Scene::new().await;
    let mut refused = 0;
    // A seventh of the vectors is enough: other tests send all of them to the places that take a path.
    for vector in ways_out::vectors().iter().step_by(7) {
        for (method, address, header) in with_each_parameter(&scene.run, vector) {
            let call = scene.app.call(method.clone(), &address).by(&scene.callers[0]);
            // A header carries its text as it is, encoded or not.
            let call = header.iter().fold(call, |call, name| call.header(name.parse().unwrap(), vector));
            let answer = call.send().await;
            let status = answer.status.as_u16();
            assert!(!answer.text().contains(SECRET), "{method} {address}");
            // A search by text accepts any text, and finds nothing.
            if status == 200 {
                let found = if address.contains("/export") {
                    answer.text().lines().count() - 1
                } else {
                    answer.json().as_array().unwrap().len()
                };
                assert_eq!((method, found), (Method::GET, 0), "{address}");
                continue;
            }
            // A route that checks the body before the id rejects the missing body.
            assert!(matches!(status, 400 | 404 | 415 | 422), "{method} {address}: {status}");
            answer.problem(status);
            refused += 1;
        }
        scene.assert_untouched(vector).await;
    }
    assert!(refused > 500, "{refused}");
}

#[tokio::test]
async fn a_strange_name_names_nothing() {
    let scene = Scene::new().await;
    for (vector, person) in names::vectors().iter().zip(scene.callers.iter().cycle()) {
        for (what, answer) in scene.reading(person, vector).await {
            // A file that is not a tape by its name is rejected with 422.
            if answer.status.as_u16() == 422 && what.starts_with("run ") {
                answer.problem(422);
                continue;
            }
            assert_harmless(&what, &answer);
        }
        let list = scene.app.get(&format!("/api/files/list?path={vector}")).by(person).send().await;
        let named = percent_decode_str(vector).decode_utf8().is_ok_and(|path| stored_path(&path).is_ok());
        if named {
            assert_eq!(list.expect(200)["count"], 0, "{vector}");
        } else {
            // A path of nothing but dots leaves no name.
            assert_eq!(list.problem(400), "bad_path", "{vector}");
        }
        scene.assert_untouched(vector).await;
    }
    assert_eq!(scene.runs().await, 1);
}

#[tokio::test]
async fn a_strange_name_stays_where_it_was_put() {
    let scene = Scene::new().await;
    let wes = &scene.callers[1];
    for vector in names::vectors() {
        for (what, answer) in scene.writing(wes, &vector).await {
            let status = answer.status.as_u16();
            // Two vectors may have the same name: then the second one is answered with 409.
            assert!(matches!(status, 200 | 400 | 409), "{what}: {status} {}", answer.text());
        }
    }
    let after: BTreeSet<_> = stored(&scene.app).await.into_iter().collect();
    let before: BTreeSet<_> = scene.before.iter().cloned().collect();
    assert!(before.is_subset(&after));
    let team = wes.user.sales_team_id.unwrap();
    let roots = ["inputs", "output_share"].map(|area| format!("{area}/teams/{team}/"));
    let (mut made, mut folders) = (0, 0);
    for (key, etag) in after.difference(&before) {
        if roots.iter().any(|root| key.starts_with(root)) {
            made += 1;
        } else {
            folders += 1;
            assert!(etag.is_none() && roots.iter().any(|root| root.starts_with(&format!("{key}/"))), "{key}");
        }
    }
    assert!(made > 100 && folders <= 3, "{made} {folders}");
}

#[tokio::test]
async fn the_name_of_an_uploaded_file_never_leads_out_of_its_folder() {
    let scene = Scene::new().await;
    let root = &scene.callers[0];
    let (mut taken, all) = (0, ways_out::vectors().into_iter().chain(names::vectors()));
    for vector in all {
        let Ok(name) = percent_decode_str(&vector).decode_utf8().map(|name| format!("{name}.csv")) else { continue };
        // A form cannot carry these characters in a name.
        if name.chars().any(|c| c.is_ascii_control() || c == '"') {
            continue;
        }
        let answer = scene.app.post("/api/files/upload?path=new").by(root).file(&name, "x").send().await;
        if answer.status.as_u16() == 200 {
            let path = answer.json()["path"].as_str().unwrap().to_owned();
            let kept = path.strip_prefix("new/").unwrap();
            assert!(!kept.contains(['/', '\\']) && !kept.starts_with('.') && kept.len() <= 200, "{name}: {kept}");
            scene.app.resources.storage.delete(&format!("inputs/{path}")).await.unwrap();
            taken += 1;
        } else {
            assert_harmless(&name, &answer);
        }
        scene.assert_untouched(&vector).await;
    }
    assert!(taken > 50, "{taken}");
}
