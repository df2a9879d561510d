//! What each function may do, checked against what its code does: the test notes every request to the stores while it uses the
//! product.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;
use runner::{execute::Executed, incoming::Arrival};
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::{
    keys,
    resources::{MAX_ANSWER_BYTES_ON_LAMBDA, Resources},
    storage::StorageBackend as _,
};
use uuid::Uuid;

use crate::support::app::{PASSWORD, Person, Tape, TestApp};

use super::document::{Template, functions, texts};

/// A request to a store: its action, its resource, and the value that conditions check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Deed {
    /// Name of the action in policies.
    action: String,
    /// `table`, `table/index/by_team`, `bucket` or `bucket/inputs/a.csv`.
    resource: String,
    /// The partition key of an item, or the prefix of a list of files.
    about: Option<String>,
}

impl Deed {
    fn new(action: &str, resource: String, about: Option<&str>) -> Self {
        Self { action: action.to_owned(), resource, about: about.map(str::to_owned) }
    }

    fn on_item(action: &str, item: &Value) -> Self {
        Self::new(&format!("dynamodb:{action}"), "table".to_owned(), item["pk"]["S"].as_str())
    }
}

/// The requests to the stores, by the function that made them.
#[derive(Debug, Default)]
struct Notes {
    by: &'static str,
    done: BTreeMap<&'static str, BTreeSet<Deed>>,
}

impl Notes {
    fn add(&mut self, deeds: Vec<Deed>) {
        self.done.entry(self.by).or_default().extend(deeds);
    }
}

/// The HTTP client of a store client, which also notes every request.
#[derive(Debug, Clone)]
struct Noted<T> {
    way: T,
    notes: Arc<Mutex<Notes>>,
}

impl HttpClient for Noted<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let way = self.way.http_connector(settings, components);
        SharedHttpConnector::new(Noted { way, notes: Arc::clone(&self.notes) })
    }
}

impl HttpConnector for Noted<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").map(str::to_owned);
        let (deeds, looks) = match target {
            Some(target) => (on_table(target.rsplit('.').next().unwrap(), request.body().bytes().unwrap()), false),
            None => {
                let source = request.headers().get("x-amz-copy-source").map(str::to_owned);
                (on_bucket(request.method(), request.uri(), source), ["GET", "HEAD"].contains(&request.method()))
            }
        };
        self.notes.lock().unwrap().add(deeds);
        let (answer, notes) = (self.way.call(request), Arc::clone(&self.notes));
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            if looks && answer.status().as_u16() == 404 {
                // S3 answers 404 for a missing object only to callers that may list the bucket.
                notes.lock().unwrap().add(vec![Deed::new("s3:ListBucket", "bucket".to_owned(), None)]);
            }
            Ok(answer)
        })
    }
}

fn on_table(operation: &str, body: &[u8]) -> Vec<Deed> {
    let body: Value = serde_json::from_slice(body).unwrap();
    match operation {
        "PutItem" => vec![Deed::on_item(operation, &body["Item"])],
        "Query" => {
            let index = format!("table/index/{}", body["IndexName"].as_str().unwrap());
            vec![Deed::new("dynamodb:Query", index, body["ExpressionAttributeValues"][":pk"]["S"].as_str())]
        }
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().unwrap().iter().flat_map(|item| item.as_object().unwrap());
            let deed = |(what, item): (&String, &Value)| match what.as_str() {
                "Put" => Deed::on_item("PutItem", &item["Item"]),
                "Update" => Deed::on_item("UpdateItem", &item["Key"]),
                "Delete" => Deed::on_item("DeleteItem", &item["Key"]),
                "ConditionCheck" => Deed::on_item("ConditionCheckItem", &item["Key"]),
                other => panic!("{other}"),
            };
            items.map(deed).collect()
        }
        _ => vec![Deed::on_item(operation, &body["Key"])],
    }
}

fn on_bucket(method: &str, address: &str, copied: Option<String>) -> Vec<Deed> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let address: http::Uri = address.parse().unwrap();
    let path = decoded(address.path());
    let key = path.strip_prefix("/loans").unwrap().trim_start_matches('/');
    let query: BTreeMap<String, String> = address
        .query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), decoded(value))
        })
        .collect();
    if key.is_empty() {
        return vec![Deed::new("s3:ListBucket", "bucket".to_owned(), query.get("prefix").map(String::as_str))];
    }
    let action = match method {
        "GET" | "HEAD" => "s3:GetObject",
        "PUT" | "POST" => "s3:PutObject",
        "DELETE" if query.contains_key("uploadId") => "s3:AbortMultipartUpload",
        "DELETE" => "s3:DeleteObject",
        other => panic!("{other}"),
    };
    let mut deeds = vec![Deed::new(action, format!("bucket/{key}"), None)];
    if let Some(source) = copied {
        let key = decoded(&source).split_once('/').unwrap().1.to_owned();
        deeds.push(Deed::new("s3:GetObject", format!("bucket/{key}"), None));
    }
    deeds
}

/// Whether a pattern with stars matches a text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            let Some(rest) = text.strip_prefix(before) else { return false };
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(after, &rest[at..]))
        }
    }
}

/// One action on one resource that a policy allows, with one of the values that its condition takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    action: String,
    resource: String,
    condition: Option<(String, String)>,
}

impl Right {
    fn allows(&self, deed: &Deed) -> bool {
        let holds = match (&self.condition, &deed.about) {
            (None, _) => true,
            (Some((how, pattern)), Some(about)) => !how.contains("Null") && fits(pattern, about),
            (Some((how, _)), None) => how.contains("IfExists") || how.contains("Null"),
        };
        self.action == deed.action && fits(&self.resource, &deed.resource) && holds
    }
}

/// The values of a list, or the only value.
fn each(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

/// Splits policy statements into single rights.
fn rights(statements: &[Value]) -> Vec<Right> {
    let mut rights = Vec::new();
    for statement in statements {
        assert_eq!(statement["Effect"], "Allow");
        let mut conditions = Vec::new();
        for (how, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for (key, values) in keys.as_object().unwrap() {
                conditions
                    .extend(each(values).iter().map(|value| Some((format!("{how} {key}"), value.as_str().unwrap().to_owned()))));
            }
        }
        if conditions.is_empty() {
            conditions.push(None);
        }
        for resource in each(&statement["Resource"]) {
            let named = "arn:${AWS::Partition}:s3:::${AWS::StackName}-${AWS::AccountId}-${AWS::Region}";
            let resource = match &resource["Fn::GetAtt"][0] {
                Value::String(name) => name.to_lowercase(),
                _ => resource["Fn::Sub"]
                    .as_str()
                    .unwrap()
                    .replace("${Table.Arn}", "table")
                    .replace("${Bucket.Arn}", "bucket")
                    .replace(named, "bucket"),
            };
            for action in each(&statement["Action"]) {
                let (action, resource) = (action.as_str().unwrap().to_owned(), resource.clone());
                let right = |condition: &Option<_>| Right {
                    action: action.clone(),
                    resource: resource.clone(),
                    condition: condition.clone(),
                };
                rights.extend(conditions.iter().map(right));
            }
        }
    }
    rights
}

/// The product, and its noted requests.
struct Watched {
    app: TestApp,
    notes: Arc<Mutex<Notes>>,
}

impl Watched {
    async fn new() -> Self {
        let notes = Arc::new(Mutex::new(Notes { by: "nobody", done: BTreeMap::new() }));
        let taken = Arc::clone(&notes);
        let app = TestApp::with(move |Resources { table, storage, max_answer_bytes, zip_by_job_above_bytes, .. }| {
            *max_answer_bytes = Some(MAX_ANSWER_BYTES_ON_LAMBDA);
            *zip_by_job_above_bytes = 9_500_000;
            let config = table.client.config();
            let way = Noted { way: config.http_client().unwrap(), notes: Arc::clone(&taken) };
            let config = config.to_builder().http_client(SharedHttpClient::new(way)).build();
            table.client = aws_sdk_dynamodb::Client::from_conf(config);
            let config = storage.client.config();
            let way = Noted { way: config.http_client().unwrap(), notes: taken };
            let config = config.to_builder().http_client(SharedHttpClient::new(way)).build();
            storage.client = aws_sdk_s3::Client::from_conf(config);
        })
        .await;
        Self { app, notes }
    }

    /// Notes the following requests for this function.
    fn by(&self, function: &'static str) {
        self.notes.lock().unwrap().by = function;
    }

    /// Sends a request, asserts that it succeeds, and returns its JSON, or null if the answer is not JSON.
    async fn ask(&self, person: &Person, method: Method, path: &str, body: Option<Value>) -> Value {
        let call = self.app.call(method.clone(), path).by(person);
        let answer = match &body {
            Some(body) => call.json(body).send().await,
            None => call.send().await,
        };
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{method} {path}: {}", answer.text());
        // The function signs the URL, so the client that uses it acts with the rights of the function.
        if let Some(url) = answer.header("location").strip_prefix("http") {
            self.notes.lock().unwrap().add(on_bucket("GET", &format!("http{url}"), None));
        }
        serde_json::from_slice(&answer.bytes).unwrap_or(Value::Null)
    }

    async fn get(&self, person: &Person, path: &str) -> Value {
        self.ask(person, Method::GET, path, None).await
    }

    /// Lets the worker make the files of all waiting jobs.
    async fn make_files(&self) {
        self.by("nobody");
        // Only `serve` lists jobs.
        let waiting = self.app.worker.jobs.waiting(self.app.resources.clock.now(), 10).await.unwrap();
        self.by("Runner");
        for job in waiting {
            assert_eq!(self.app.worker.make(job).await.unwrap(), Executed::Completed);
        }
    }

    /// Uses every feature of the product.
    async fn use_everything(&self) {
        let app = &self.app;
        let team = app.team("West").await;
        let admin = app.person("root", Role::Admin, None).await;
        let wes = app.person("wes", Role::SalesTeam, Some(team.id)).await;

        self.by("Auth");
        for (password, status) in [(PASSWORD, 200), ("wrong", 401)] {
            let answer = app.post("/api/auth/login").json(&json!({"username": "root", "password": password})).send().await;
            assert_eq!(answer.status, status);
        }
        self.get(&admin, "/api/auth/me").await;
        self.ask(&admin, Method::PUT, "/api/auth/me", Some(json!({"current_password": PASSWORD, "full_name": "Root"}))).await;
        let new = json!({"email": "b@example.com", "username": "ben", "password": "long enough", "sales_team_id": team.id});
        let ben = self.ask(&admin, Method::POST, "/api/auth/register", Some(new)).await;
        self.get(&admin, "/api/auth/users").await;
        let changed = json!({"email": "c@example.com", "username": "cat"});
        self.ask(&admin, Method::PUT, &format!("/api/auth/users/{}", ben["id"].as_str().unwrap()), Some(changed)).await;

        self.by("Files");
        let file = |path: &str| app.post(&format!("/api/files/upload?{path}")).by(&admin).file("t.csv", Tape::of_good(1).text());
        for path in ["path=march", "path=x&area=outputs", "path=x&area=output_share"] {
            assert_eq!(file(path).send().await.status, 200);
        }
        for area in ["inputs", "outputs", "output_share"] {
            self.get(&admin, &format!("/api/files/list?recursive=true&area={area}")).await;
        }
        self.get(&wes, "/api/files/list?area=outputs").await;
        let hidden = format!("/api/files/download/{}/x.csv?area=outputs", Uuid::nil());
        assert_eq!(app.get(&hidden).by(&wes).send().await.status, 404);
        self.get(&admin, "/api/files/download/march/t.csv").await;
        for method in ["get", "put"] {
            let answer = self.get(&admin, &format!("/api/files/url/march/t.csv?method={method}")).await;
            let signed = on_bucket(&method.to_uppercase(), answer["url"].as_str().unwrap(), None);
            self.notes.lock().unwrap().add(signed);
        }
        for area in ["inputs", "outputs", "output_share"] {
            self.ask(&admin, Method::POST, &format!("/api/files/mkdir?path=empty&area={area}"), None).await;
            self.ask(&admin, Method::DELETE, &format!("/api/files/empty?area={area}"), None).await;
        }
        for area in ["outputs", "output_share"] {
            self.get(&admin, &format!("/api/files/download/x/t.csv?area={area}")).await;
        }

        self.by("nobody");
        // The files that a rule set names are kept with the request of the run.
        app.put("inputs/strict.toml", "name = \"strict\"\n[[grid]]\nname = \"by_score\"\nfile = \"by_score.csv\"\n").await;
        app.put("inputs/by_score.csv", "credit_score,adjustment\n700+,-0.25\n").await;
        // These are enough exceptions to make their file too large for an answer.
        let rejected = |at: usize| format!("L-{at}");
        let large =
            (0..14_000).fold(Tape::new(), |tape, at| tape.with(&rejected(at), &[("credit_score", "500"), ("ltv_ratio", "99")]));
        let large = app.put_tape(&admin, &large).await;
        app.put(&format!("inputs/teams/{}/incoming/t.csv", team.id), Tape::of_good(1).text().to_owned()).await;

        self.by("Pipeline");
        let wanted = json!({"folder": "march", "sales_team_id": team.id, "rule_set": "strict.toml"});
        let first =
            app.post("/api/pipeline/run").by(&admin).header(HeaderName::from_static("idempotency-key"), "k").json(&wanted);
        let first = first.send().await.expect(202)["run_id"].as_str().unwrap().to_owned();
        self.ask(&admin, Method::POST, "/api/rule-sets/check", Some(json!({"path": "strict.toml"}))).await;
        app.post("/api/tapes/inspect").by(&admin).json(&json!({"path": large})).send().await.expect(200);
        let large = app.start(&admin, &json!({"files": [large], "check_history": true})).await.expect(202)["run_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let missing = app.start(&admin, &json!({"files": ["missing.csv"]})).await;
        assert_eq!(missing.status, 404);

        self.by("Runner");
        for run in [&first, &large] {
            app.worker.execute(run.parse().unwrap()).await.unwrap();
        }
        let key = format!("inputs/teams/{}/incoming/t.csv", team.id);
        let etag = app.resources.storage.info(&key).await.unwrap().unwrap().etag;
        let gone = Arrival { key: key.replace("t.csv", "gone.csv"), version: "1".to_owned(), etag: etag.clone() };
        assert_eq!(app.worker.receive(&gone).await.unwrap(), None);
        let given_up = app.worker.receive(&Arrival { key, version: "1".to_owned(), etag }).await.unwrap().unwrap();
        assert!(app.worker.runs.give_up(given_up, None, app.resources.clock.now()).await.unwrap());

        self.by("nobody");
        // Pseudo-random digits hardly compress, so their ZIP is too large for an answer.
        let (mut state, mut left) = (1_u64, String::new());
        while left.len() < 9_000_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            left += &format!("{state:x}");
        }
        app.put(&format!("archive/{given_up}/input/t.csv"), left.clone()).await;
        // With the outputs of its run, this archive is large enough for a job.
        app.put(&format!("archive/{large}/input/t.csv"), left).await;
        let by_job = format!("/api/runs/{large}/archive/download");

        self.by("Pipeline");
        for path in ["/api/runs", "/api/runs?status=failed"] {
            self.get(&admin, path).await;
        }
        self.get(&wes, "/api/runs").await;
        for path in [
            "",
            "/notebook-outputs",
            "/notebook-outputs/purchase_tape/download",
            "/archive",
            "/archive/download?path=input/t.csv",
            "/archive/download",
            "/workbook",
            "/rule-set",
        ] {
            self.get(&admin, &format!("/api/runs/{first}{path}")).await;
        }
        self.get(&admin, &format!("/api/runs/{given_up}/archive/download")).await;
        assert_eq!(self.get(&admin, &by_job).await["status"], "preparing");
        self.make_files().await;
        self.by("Pipeline");
        assert_eq!(self.get(&admin, &by_job).await, Value::Null);
        self.by("nobody");
        app.resources.storage.delete_below(keys::ANSWERS).await.unwrap();
        self.by("Pipeline");
        assert_eq!(self.get(&admin, &by_job).await["status"], "preparing");

        self.by("Data");
        self.get(&admin, &format!("/api/summary/{first}")).await;
        self.get(&admin, &format!("/api/loans?run_id={large}&limit=1")).await;
        for person in [&admin, &wes] {
            self.get(person, "/api/exceptions?limit=1").await;
            self.get(person, "/api/sales-teams").await;
        }
        self.get(&admin, &format!("/api/exceptions/export?format=csv&run_id={large}")).await;
        self.get(&admin, "/api/config").await;
        self.get(&admin, &format!("/api/compare?base={first}&with={first}")).await;
        self.get(&admin, "/api/loan-history?seller_loan_number=L-1").await;
        self.get(&admin, &format!("/api/runs/{first}/purchase-advice")).await;
        let by_job = format!("/api/runs/{first}/seller-return");
        assert_eq!(self.get(&admin, &by_job).await["status"], "preparing");
        self.make_files().await;
        self.by("Data");
        assert_eq!(self.get(&admin, &by_job).await, Value::Null);
        self.by("nobody");
        app.resources.storage.delete_below(keys::ANSWERS).await.unwrap();
        self.by("Data");
        assert_eq!(self.get(&admin, &by_job).await["status"], "preparing");
        self.by("nobody");
        for file in ["index.json", "facts.parquet"] {
            app.resources.storage.delete(&format!("results/{first}/{file}")).await.unwrap();
        }
        self.by("Data");
        // Ask for results that are past their retention.
        let answer = app.get(&format!("/api/loans?run_id={first}")).by(&admin).send().await;
        assert!(!answer.status.is_success(), "{}", answer.text());
        self.ask(&admin, Method::POST, "/api/sales-teams", Some(json!({"name": "East"}))).await;

        self.by("Health");
        self.get(&admin, "/health/ready").await;
        self.by("nobody");
    }
}

/// Whether a right is one that nothing above uses, because only failures and large runs use it.
fn is_for_later(function: &str, right: &Right) -> bool {
    // The storage aborts an upload that was begun and failed.
    let failure = right.action == "s3:AbortMultipartUpload";
    // A run in parts reads what its parts wrote, and deletes it at the end.
    let of_parts =
        right.resource.starts_with("bucket/results/") && ["s3:GetObject", "s3:DeleteObject"].contains(&right.action.as_str());
    let lists_parts = right.condition.as_ref().is_some_and(|(_, prefix)| prefix == "results/*");
    failure || (function == "Runner" && (of_parts || lists_parts))
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_may_do_what_they_do_and_no_more() {
    let watched = Watched::new().await;
    watched.use_everything().await;
    let template = Template::read();
    let notes = std::mem::take(&mut *watched.notes.lock().unwrap());
    for function in functions() {
        let rights = rights(&template.statements(&format!("{function}Function")));
        let done = &notes.done[function.as_str()];
        let forbidden: Vec<&Deed> = done.iter().filter(|deed| !rights.iter().any(|right| right.allows(deed))).collect();
        assert!(forbidden.is_empty(), "{function} would be refused {forbidden:#?}");
        let idle: Vec<&Right> = rights
            .iter()
            .filter(|right| !done.iter().any(|deed| right.allows(deed)) && !is_for_later(&function, right))
            .collect();
        assert!(idle.is_empty(), "{function} does not need {idle:#?}");
    }
}

#[test]
fn an_upload_can_be_given_up_where_it_can_be_begun() {
    let template = Template::read();
    for function in functions() {
        let rights = rights(&template.statements(&format!("{function}Function")));
        let places = |action: &str| -> BTreeSet<String> {
            let of_action = rights.iter().filter(|right| right.action == action).map(|right| right.resource.clone());
            // An object of one byte is never uploaded in parts.
            of_action.filter(|resource| *resource != format!("bucket/{}", keys::TRIED_OUT)).collect()
        };
        assert_eq!(places("s3:PutObject"), places("s3:AbortMultipartUpload"), "{function}");
    }
}

#[test]
fn nothing_is_allowed_that_has_a_star_for_an_action() {
    let template = Template::read();
    let machine = template.statements("RunMachine");
    let pipe = template.resource("RunPipeRole")["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let functions = functions().flat_map(|function| template.statements(&format!("{function}Function")));
    for statement in functions.chain(machine).chain(pipe) {
        assert!(texts(&statement["Action"]).iter().all(|action| !action.contains('*')), "{statement}");
    }
}
