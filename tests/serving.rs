//! `loan-engine serve`: the real process, over sockets.

mod changes;
mod exports;
mod presigned;
mod readme;
pub mod recovery;
mod refusals;
mod sweeping;
mod vanished;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};
use stores::throttle::FAILURES_PER_ADDRESS;

use crate::support::{
    server::{ADMIN_PASSWORD, Server},
    shell::small_tape,
};

#[test]
fn the_first_start_makes_an_administrator_and_says_the_password_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path(), &[]);
    let said = first.process.said.clone();
    let [welcome, _] = &said[..] else { panic!("{said:?}") };
    let password = welcome.strip_prefix("First start: log in as admin with the password ").unwrap();
    let password = password.strip_suffix(" (shown this once).").unwrap();
    assert_eq!(first.log_in("admin", password).get("/api/auth/me").expect(200)["role"], "admin");
    assert_eq!(first.process.stop().0, Some(0));
    let second = Server::start(folder.path(), &[]);
    assert_eq!(second.process.said.len(), 1);
    second.log_in("admin", password);
    assert!(!fs::read_to_string(folder.path().join("log")).unwrap().contains(password));
}

#[test]
fn the_password_of_the_first_start_may_be_given_and_is_not_shown() {
    let (folder, first) = Server::new();
    assert!(first.process.said.iter().all(|line| !line.contains(ADMIN_PASSWORD)));
    first.admin();
    drop(first);
    let log = || fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log().contains("LOAN_ENGINE_ADMIN_PASSWORD is ignored"));
    // At later starts the administrator has a password. A warning says that another one is ignored, and how to change it.
    let second = Server::start(folder.path(), &[("LOAN_ENGINE_ADMIN_PASSWORD", "some other password")]);
    second.admin();
    let line = log().lines().find(|line| line.contains("LOAN_ENGINE_ADMIN_PASSWORD is ignored")).unwrap().to_owned();
    assert!(line.contains("WARN") && line.contains("`loan-engine admin set-password admin`"), "{line}");
    assert!([ADMIN_PASSWORD, "some other password"].iter().all(|password| !log().contains(password)));
}

#[test]
fn the_folder_and_its_secrets_are_their_owners_alone() {
    let (folder, _server) = Server::new();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/secrets.json"), 0o600);
}

#[test]
fn in_a_folder_that_everybody_may_enter_the_data_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(&data, 0o755);
    for start in ["the first", "one on a copy for everybody"] {
        let server = Server::start(folder.path(), &[("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD)]);
        server.admin().put_presigned("tape.csv", small_tape().as_bytes(), |url| url);
        let mut found = 0;
        for entry in fs::read_dir(&data).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert!(mode & 0o077 == 0 || entry.file_name() == "lock", "{start} start: {:?} {mode:o}", entry.file_name());
            found += 1;
        }
        assert!(found > 7, "{found}");
        // Kill the server, so that the databases leave their side files behind.
        drop(server);
        for entry in fs::read_dir(&data).unwrap() {
            open(&entry.unwrap().path(), 0o755);
        }
    }
    // The folder itself may stay open to others.
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn who_guesses_over_the_network_is_blocked_by_the_address_that_they_come_from() {
    let (_folder, server) = Server::new();
    let log_in = |name: &str, password: &str| server.try_log_in(name, password, &[("x-forwarded-for", "192.0.2.1")]);
    for guess in 0..FAILURES_PER_ADDRESS {
        log_in(&format!("guess_{guess}"), "wrong horse").expect(401);
    }
    assert_eq!(log_in("guess", "wrong horse").expect(429)["code"], "too_many_tries");
    assert_eq!(log_in("admin", ADMIN_PASSWORD).expect(429)["code"], "too_many_tries");
}

#[test]
fn a_token_is_good_after_a_second_start() {
    let (folder, first) = Server::new();
    let bearer = format!("Bearer {}", first.admin().token());
    drop(first);
    let second = Server::start(folder.path(), &[]);
    second.send("GET", "/api/auth/me", &[("authorization", &bearer)], b"").expect(200);
    drop(second);
    // With another secret, the token is not valid.
    let third = Server::start(folder.path(), &[("JWT_SECRET", "another secret of thirty-two bytes")]);
    third.send("GET", "/api/auth/me", &[("authorization", &bearer)], b"").expect(401);
}

#[test]
fn a_tape_goes_all_the_way_and_a_second_start_finds_everything() {
    let (folder, server) = Server::new();
    let admin = server.admin();
    assert_eq!(admin.put_presigned("march/tape.csv", small_tape().as_bytes(), |url| url).status, 200);
    let run = admin.post("/api/pipeline/run", &[("prefer", "wait=25")], &json!({"folder": "march"})).expect(200);
    assert_eq!((&run["status"], &run["total_loans"]), (&"completed".into(), &2.into()));
    let id = run["run_id"].as_str().unwrap().to_owned();
    let paths = [
        format!("/api/runs/{id}"),
        format!("/api/summary/{id}"),
        format!("/api/exceptions?run_id={id}"),
        format!("/api/exceptions/export?format=csv&run_id={id}"),
        format!("/api/loans?run_id={id}"),
        format!("/api/runs/{id}/notebook-outputs"),
        format!("/api/runs/{id}/notebook-outputs/rejection_report/download"),
        format!("/api/runs/{id}/archive"),
        format!("/api/runs/{id}/archive/download?path=input/tape.csv"),
        "/api/files/list?recursive=true".to_owned(),
        "/api/auth/users".to_owned(),
        "/api/config".to_owned(),
    ];
    let ask = |server: &Server| {
        let admin = server.admin();
        let answers = paths.iter().map(|path| (path.clone(), admin.get(path)));
        answers.map(|(path, reply)| (path, reply.status, reply.text())).collect::<Vec<_>>()
    };
    let before = ask(&server);
    assert!(before.iter().all(|(_, status, _)| *status == 200), "{before:?}");
    let summary: Value = serde_json::from_str(&before[1].2).unwrap();
    assert_eq!(summary["dispositions"]["to_purchase"]["count"], 1);
    assert!(before[6].2.contains("above the maximum 97.00 %"), "{}", before[6].2);
    assert_eq!(before[8].2, small_tape());
    assert_eq!(server.process.stop().0, Some(0));
    assert_eq!(ask(&Server::start(folder.path(), &[])), before);
}

#[test]
fn a_tape_uploaded_into_incoming_starts_one_run() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    let body = format!(
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"tape.csv\"\r\n\r\n{}\r\n--x--\r\n",
        small_tape()
    );
    let kind = [("content-type", "multipart/form-data; boundary=x")];
    admin.send("POST", "/api/files/upload?path=incoming", &kind, body.as_bytes()).expect(200);
    assert_eq!(admin.wait_for_the_run()["total_loans"], 2);
}

#[test]
fn a_file_in_incoming_that_is_no_tape_makes_a_run_that_says_so() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    assert_eq!(admin.put_presigned("incoming/offer.pdf", b"%PDF-1.7\n", |url| url).status, 200);
    let run = admin.wait_for("/api/runs", |runs| runs[0]["status"] == "failed")[0].clone();
    assert_eq!((&run["error"]["code"], &run["error"]["source_file"]), (&"not_a_tape".into(), &"offer.pdf".into()));
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("a PDF document") && message.contains("CSV file or an Excel workbook (.xlsx)"), "{message}");
}

#[test]
fn one_uploaded_into_another_folder_starts_none() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    let (profile, tape) = ("name = \"ours\"\n".to_owned(), small_tape());
    for path in ["tape.csv", "march/incoming/tape.csv", "incoming/profile.toml", "incoming/last.csv"] {
        let content = if path.ends_with("profile.toml") { &profile } else { &tape };
        assert_eq!(admin.put_presigned(path, content.as_bytes(), |url| url).status, 200);
    }
    // The server handles new files in order: when the last file has run, the others will not run any more.
    let path = format!("/api/runs/{}", admin.wait_for_the_run()["run_id"].as_str().unwrap());
    let run = admin.get(&path).expect(200);
    assert_eq!((&run["column_mapping"][0]["source_file"], &run["profile"]["name"]), (&"last.csv".into(), &"ours".into()));
}

#[test]
fn logs_are_json_line_by_line() {
    let (folder, server) = Server::new();
    server.send("GET", "/health", &[("x-request-id", "request-7")], b"").expect(200);
    assert_eq!(server.process.stop().0, Some(0));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").unwrap();
    assert_eq!((&answered["level"], &answered["status"]), (&"INFO".into(), &200.into()));
    assert_eq!(answered["span"]["request_id"], "request-7");
    assert_eq!(answered["span"]["route"], "/health");
}
