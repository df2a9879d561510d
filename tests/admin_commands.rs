//! `loan-engine admin`, on a data folder; `tests/stores_command.rs` has it on a stack that the environment names.

use std::path::Path;

use serde_json::Value;

use crate::server::{ADMIN_PASSWORD, Server, give, text};

/// Gives an admin command for the folder `data`; its exit code, and what it said.
pub fn admin(folder: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let output = give(folder, &[&["admin", "--data-dir", "data"], args].concat(), &[], input);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The same when it is known to be good.
fn done(folder: &Path, args: &[&str], input: &str) -> String {
    let (code, out, err) = admin(folder, args, input);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    out
}

const ANA: [&str; 4] = ["create-user", "ana", "--email", "ana@example.com"];

#[test]
fn a_user_is_made_and_can_log_in() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(done(folder.path(), &ANA, "correct horse\n"), "Registered ana (analyst) in data.\n");
    let server = Server::start(folder.path(), &[]);
    let me = server.log_in("ana", "correct horse").get("/api/auth/me").expect(200);
    assert_eq!((&me["email"], &me["role"]), (&"ana@example.com".into(), &"analyst".into()));
}

#[test]
fn a_member_of_a_sales_team_needs_a_team_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let sales = [&ANA[..], &["--role", "sales_team"]].concat();
    let (code, _, said) = admin(folder.path(), &sales, "correct horse\n");
    assert_eq!(code, Some(2));
    assert!(said.contains("--team"), "{said}");
    let sales = [&sales[..], &["--team", "west"]].concat();
    let (code, _, said) = admin(folder.path(), &sales, "correct horse\n");
    assert_eq!(code, Some(2));
    assert!(said.starts_with("error: There is no sales team named west."), "{said}");
    done(folder.path(), &["create-team", "West"], "");
    assert_eq!(done(folder.path(), &sales, "correct horse\n"), "Registered ana (sales_team) in data.\n");
    let users: Value = serde_json::from_str(&done(folder.path(), &["list-users", "--format", "json"], "")).unwrap();
    assert!(users[0]["sales_team_id"].is_string());
    assert!(done(folder.path(), &["list-users"], "").contains("West"));
}

#[test]
fn a_new_password_ends_earlier_tokens() {
    let (folder, server) = Server::new();
    let me = "/api/auth/me";
    let token = server.admin();
    token.get(me).expect(200);
    let bearer = format!("Bearer {}", token.token());
    drop(server);
    assert_eq!(done(folder.path(), &["set-password", "ADMIN"], "another password\n"), "admin has a new password in data.\n");
    let server = Server::start(folder.path(), &[]);
    server.send("GET", me, &[("authorization", &bearer)], b"").expect(401);
    server.log_in("admin", "another password").get(me).expect(200);
}

#[test]
fn nothing_is_done_while_a_serve_uses_the_folder() {
    let (folder, server) = Server::new();
    let (code, _, said) = admin(folder.path(), &["set-password", "admin"], "another password\n");
    assert_eq!(code, Some(1));
    assert!(said.contains("is in use by another loan-engine"), "{said}");
    server.log_in("admin", ADMIN_PASSWORD);
}

#[test]
fn names_that_are_taken_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &ANA, "correct horse\n");
    done(folder.path(), &["create-team", "West"], "");
    let refused = |args: &[&str]| {
        let (code, out, said) = admin(folder.path(), args, "correct horse\n");
        assert_eq!((code, out.as_str()), (Some(1), ""));
        said
    };
    let said = refused(&["create-user", "ANA", "--email", "other@example.com"]);
    assert_eq!(said, "error: Another user has this username.\n");
    let said = refused(&["create-user", "bob", "--email", "Ana@Example.com"]);
    assert_eq!(said, "error: Another user has this email address.\n");
    assert_eq!(refused(&["create-team", "WEST"]), "error: There is a sales team named WEST already.\n");
}

#[test]
fn what_cannot_be_a_user_is_a_wrong_call() {
    let folder = tempfile::tempdir().unwrap();
    for (args, input) in [
        (&["create-user", "a b", "--email", "ana@example.com"][..], "correct horse\n"),
        (&["create-user", "ana", "--email", "ana"], "correct horse\n"),
        (&["create-user", "ana", "--email", "ana@example.com", "--role", "root"], "correct horse\n"),
        (&["create-user", "ana", "--email", "ana@example.com", "--password", "correct horse"], ""),
        (&ANA, "short\n"),
        (&ANA, ""),
        (&["set-password", "nobody"], "correct horse\n"),
        (&["create-team", ""], ""),
    ] {
        let (code, out, said) = admin(folder.path(), args, input);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?} {said}");
        assert!(said.starts_with("error: "), "{args:?} {said}");
    }
    assert_eq!(done(folder.path(), &["list-users", "--format", "json"], ""), "[]\n");
}

#[test]
fn users_are_listed_without_their_hashes() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &ANA, "correct horse\r\n");
    done(folder.path(), &["create-user", "bob", "--email", "bob@example.com", "--role", "admin"], "correct horse");
    let table = done(folder.path(), &["list-users"], "");
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[1], ["ana", "analyst", "yes", "ana@example.com"]);
    assert_eq!(words[2], ["bob", "admin", "yes", "bob@example.com"]);
    let json = done(folder.path(), &["list-users", "--format", "json"], "");
    assert!(json.contains("\"username\": \"bob\"") && !json.contains("argon2"), "{json}");
}

#[test]
fn a_folder_that_is_not_there_has_no_users_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["list-users"][..], &["set-password", "admin"]] {
        let (code, out, said) = admin(folder.path(), args, "correct horse\n");
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(said.starts_with("error: There is no data folder ") && said.contains("--data-dir"), "{said}");
        assert!(!folder.path().join("data").exists());
    }
}
