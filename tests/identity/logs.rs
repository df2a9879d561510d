//! What no log contains, even at its most verbose.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use http::{HeaderName, Method};
use jiff::SignedDuration;
use serde_json::json;
use shared::auth::permission::Role;
use stores::telemetry;

use crate::support::{
    app::{Fault, PASSWORD, SECRET, Tape, TestApp},
    server::{ADMIN_PASSWORD, Server, send},
};

use super::app;

/// Keeps the events of a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// The loan number of a borrower, which no log may contain.
const LOAN: &str = "BORROWER-4711";

fn signature(url: &str) -> String {
    url.split_once("X-Amz-Signature=").unwrap().1.split('&').next().unwrap().to_owned()
}

/// Uses everything that handles a secret, while a store fails and while it works. Returns the secrets that it used.
async fn use_everything(app: &TestApp) -> Vec<String> {
    let mut secrets = Vec::new();
    let root = app.person(&format!("root_{}", uuid::Uuid::new_v4().simple()), Role::Admin, None).await;
    secrets.push(root.token.clone());
    let name = format!("ana_{}", uuid::Uuid::new_v4().simple());
    let new = json!({"username": name, "email": format!("{name}@example.com"), "password": "a first password"});
    for fault in [
        None,
        Some(Fault::Broken),
        Some(Fault::Unreachable),
        Some(Fault::Silent),
        Some(Fault::Throttled),
        Some(Fault::AnswerLost),
    ] {
        for (bucket, spared) in [(false, 0), (false, 2), (true, 0), (true, 1)] {
            let outage = if bucket { &app.bucket_outage } else { &app.table_outage };
            if let Some(fault) = fault {
                outage.begin_after(spared, fault);
            }
            app.post("/api/auth/register").by(&root).json(&new).send().await;
            for (name, password) in
                [(&*name, "a first password"), (&name, "a wrong password"), ("a password in the wrong field", "x")]
            {
                let answer = app.post("/api/auth/login").json(&json!({"username": name, "password": password})).send().await;
                if answer.status == 200 {
                    secrets.push(answer.json()["access_token"].as_str().unwrap().to_owned());
                }
                app.post("/api/auth/login")
                    .form(&format!("username={name}&password={password}&client_secret=a+client+secret"))
                    .send()
                    .await;
            }
            app.get("/api/auth/me").header(http::header::AUTHORIZATION, "Bearer a-token-that-is-none").send().await;
            app.get("/api/auth/me").header(http::header::AUTHORIZATION, "Basic YTpwYXNz").send().await;
            app.post("/api/auth/login").body("application/json", "{\"password\": \"a broken password").send().await;
            let change = json!({"password": "a second password"});
            app.call(Method::PUT, &format!("/api/auth/users/{}", root.user.id))
                .by(&root)
                .json(&json!({"password": "short"}))
                .send()
                .await;
            app.call(Method::PUT, &format!("/api/auth/users/{}", uuid::Uuid::nil())).by(&root).json(&change).send().await;
            app.post("/api/files/upload?path=kept.csv").by(&root).file("kept.csv", LOAN).send().await;
            for rest in ["kept.csv", "kept.csv?method=put"] {
                let answer = app.get(&format!("/api/files/url/{rest}")).by(&root).send().await;
                if answer.status == 200 {
                    let url = answer.json()["url"].as_str().unwrap().to_owned();
                    secrets.push(signature(&url));
                    for method in [Method::GET, Method::PUT, Method::DELETE] {
                        app.fetch(method, &url, &[], LOAN).await;
                        app.fetch(Method::GET, &url.replace("kept", "other"), &[], "").await;
                    }
                }
            }
            outage.end();
            let tape = Tape::new().good(LOAN).with(LOAN, &[("ltv_ratio", "BORROWER-VALUE")]);
            app.post("/api/files/upload?path=tape.csv").by(&root).file("tape.csv", tape.text()).send().await;
            app.post("/api/files/upload?path=none.csv").by(&root).file("none.csv", format!("{LOAN},{LOAN}\n")).send().await;
            for file in ["tape.csv", "none.csv"] {
                let key = HeaderName::from_static("idempotency-key");
                let call =
                    app.post("/api/pipeline/run").by(&root).header(key, &format!("an-idempotency-key-{}", uuid::Uuid::new_v4()));
                let run = call.json(&json!({"files": [file]})).send().await;
                let Some(id) = run.headers.get("location") else { continue };
                let id = id.to_str().unwrap().rsplit('/').next().unwrap().to_owned();
                if let Some(fault) = fault {
                    outage.begin_after(4 * spared, fault);
                }
                let _ = app.worker.execute(id.parse().unwrap()).await;
                outage.end();
                app.clock.advance(SignedDuration::from_secs(61));
                let _ = app.worker.execute(id.parse().unwrap()).await;
                for path in [
                    "/api/loans?run_id={}&seller_loan_number=BORROWER-4711",
                    "/api/exceptions?run_id={}&seller_loan_number=BORROWER-4711",
                    "/api/exceptions/export?run_id={}",
                    "/api/loans/export?run_id={}&search=BORROWER",
                    "/api/runs/{}/archive/download",
                    "/api/runs/{}/workbook",
                    "/api/runs/{}/purchase-advice",
                    "/api/runs/{}/seller-return",
                    "/api/compare?base={}&with={}",
                    "/api/summary/{}",
                ] {
                    app.get(&path.replace("{}", &id)).by(&root).send().await;
                }
            }
            // Let the throttle expire, so that failed log-ins block no user in the next round.
            app.clock.advance(SignedDuration::from_mins(16));
        }
    }
    secrets
}

#[tokio::test]
async fn no_event_of_a_function_or_of_the_worker_tells_a_secret() {
    let (app, root) = app().await;
    let log = Log::default();
    let writer = log.clone();
    // With a single collector, callsites that the thread of another test reaches first would never report their events.
    let _second = tracing::Dispatch::new(telemetry::log("trace", &local::crates(), io::sink));
    let _events = tracing::subscriber::set_default(telemetry::log("trace", &local::crates(), move || writer.clone()));
    let used = use_everything(&app).await;
    let text = log.text();
    let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    let heard = ["answered", "the request failed", "a run has ended", "a run failed"].map(count);
    assert!(heard[0] > 400 && heard[1] > 100 && heard[2] > 20 && heard[3] > 10, "{heard:?}");
    let mut secrets: Vec<&str> = used.iter().map(String::as_str).collect();
    // An upload URL is not signed when the bucket does not say that the path is free.
    assert!(secrets.len() > 20, "{}", secrets.len());
    secrets.extend([
        PASSWORD,
        SECRET,
        &root.token,
        &root.user.password_hash,
        "a first password",
        "a second password",
        "a wrong password",
        "a broken password",
        "a password in the wrong field",
        "a client secret",
        "a-token-that-is-none",
        "YTpwYXNz",
        "an-idempotency-key",
        "Bearer ",
        "eyJ",
        "$argon2",
        "AWS4-HMAC-SHA256",
        "X-Amz-",
        LOAN,
        "BORROWER-VALUE",
    ]);
    for secret in secrets {
        assert!(!text.contains(secret), "{secret}: {}", text.lines().find(|line| line.contains(secret)).unwrap());
    }
}

#[test]
fn no_line_of_a_server_tells_a_secret() {
    let (folder, server) = Server::new();
    let admin = server.admin();
    let guess = b"username=admin&password=a+wrong+password";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    server.send("POST", "/api/auth/login", &form, guess).expect(401);
    server.send("POST", "/api/auth/login", &form, b"username=a+password+here&password=x").expect(401);
    let ana = json!({"username": "ana", "email": "ana@example.com", "password": "the password of ana"});
    admin.post("/api/auth/register", &[], &ana).expect(201);
    let session = server.log_in("ana", "the password of ana");
    let tape = Tape::new().good(LOAN).with("OTHER", &[("ltv_ratio", "BORROWER-VALUE")]);
    assert_eq!(session.put_presigned("incoming/tape.csv", tape.text().as_bytes(), |url| url).status, 200);
    let run = session.wait_for_the_run()["run_id"].as_str().unwrap().to_owned();
    let signed = session.get("/api/files/url/incoming/tape.csv").expect(200)["url"].as_str().unwrap().to_owned();
    assert_eq!(send("GET", &signed, &[], b"").status, 200);
    assert_eq!(send("PUT", &signed, &[], b"x").status, 403);
    assert_eq!(session.get(&format!("/api/loans?run_id={run}&seller_loan_number={LOAN}")).status, 200);
    assert_eq!(session.get(&format!("/api/exceptions/export?run_id={run}")).status, 200);
    let secrets = std::fs::read_to_string(folder.path().join("data/secrets.json")).unwrap();
    let secrets: std::collections::HashMap<String, String> = serde_json::from_str(&secrets).unwrap();
    let (token, signature) = (session.token().to_owned(), signature(&signed));
    assert_eq!(server.process.stop().0, Some(0));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.contains("\"level\":\"INFO\"") && log.contains("the bucket answered") && log.contains("a run has ended"),
        "{log}"
    );
    // A wrong signature is not an error of the server: any client could fill the log with such errors.
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
    let own =
        ["a wrong password", "a+wrong+password", "a password here", "the password of ana", ADMIN_PASSWORD, &token, &signature];
    let of_borrowers = [LOAN, "BORROWER-VALUE"];
    for secret in own.into_iter().chain(of_borrowers).chain(secrets.values().map(String::as_str)) {
        assert!(!log.contains(secret), "{secret}: {}", log.lines().find(|line| line.contains(secret)).unwrap());
    }
    assert_eq!(secrets.len(), 3);
}
