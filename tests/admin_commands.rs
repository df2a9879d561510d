//! `loan-engine admin` on a data folder. `tests/stores_command.rs` tests it on a stack that the environment names.

use std::path::Path;

use serde_json::Value;

use crate::support::server::{ADMIN_PASSWORD, Server, give, text};

/// Runs an admin command on the folder `data`. Returns the exit code, standard output and standard error.
pub fn admin(folder: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let output = give(folder, &[&["admin", "--data-dir", "data"], args].concat(), &[], input);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Runs an admin command that must succeed without an error message. Returns standard output.
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
    // A name in full-width letters equals the plain name, here as well as when a team is created.
    done(folder.path(), &["create-team", "Ｎｏｒｔｈ"], "");
    let north = ["create-user", "nell", "--email", "nell@example.com", "--role", "sales_team", "--team", "north"];
    done(folder.path(), &north, "correct horse\n");
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

#[test]
fn teams_are_listed_by_name() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["create-team", "West"], "");
    done(folder.path(), &["create-team", "East Coast"], "");
    let teams: Value = serde_json::from_str(&done(folder.path(), &["list-teams", "--format", "json"], "")).unwrap();
    let named: Vec<(&str, &str)> =
        teams.as_array().unwrap().iter().map(|team| (team["name"].as_str().unwrap(), team["id"].as_str().unwrap())).collect();
    assert_eq!(named.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["East Coast", "West"]);
    let table = done(folder.path(), &["list-teams"], "");
    let expected = named.iter().map(|(name, id)| format!("{name:<10}  {id}\n")).collect::<String>();
    assert_eq!(table, format!("team        id\n{expected}"));
}

mod changing_a_user {
    use super::*;

    /// The users as `list-users` shows them.
    fn users(folder: &Path) -> Vec<Value> {
        serde_json::from_str(&done(folder, &["list-users", "--format", "json"], "")).unwrap()
    }

    fn update<'a>(args: &[&'a str]) -> Vec<&'a str> {
        [&["update-user"], args].concat()
    }

    #[test]
    fn role_team_names_and_state_can_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        done(folder.path(), &ANA, "correct horse\n");
        done(folder.path(), &["create-team", "West"], "");
        let said = done(folder.path(), &update(&["ANA", "--role", "sales_team", "--team", "west"]), "");
        assert_eq!(said, "Changed ana (sales_team) in data.\n");
        let ana = &users(folder.path())[0];
        assert!(ana["role"] == "sales_team" && ana["sales_team_id"].is_string(), "{ana}");
        let args = ["ana", "--role", "analyst", "--no-team", "--email", "a@example.com", "--full-name", "Ana Ruiz"];
        done(folder.path(), &update(&args), "");
        let ana = &users(folder.path())[0];
        assert_eq!((&ana["role"], &ana["sales_team_id"]), (&"analyst".into(), &Value::Null));
        assert_eq!((&ana["email"], &ana["full_name"]), (&"a@example.com".into(), &"Ana Ruiz".into()));
        let said = done(folder.path(), &update(&["ana", "--active", "false"]), "");
        assert_eq!(said, "Changed ana (analyst, not active) in data.\n");
        assert_eq!(users(folder.path())[0]["is_active"], false);
        done(folder.path(), &update(&["ana", "--active", "true"]), "");
        let server = Server::start(folder.path(), &[]);
        server.log_in("ana", "correct horse");
    }

    #[test]
    fn a_member_of_a_sales_team_keeps_one() {
        let folder = tempfile::tempdir().unwrap();
        done(folder.path(), &ANA, "correct horse\n");
        done(folder.path(), &["create-team", "West"], "");
        let refused = |args: &[&str], part: &str| {
            let (code, out, said) = admin(folder.path(), &update(args), "");
            assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?} {said}");
            assert!(said.starts_with("error: ") && said.contains(part), "{args:?} {said}");
        };
        refused(&["ana", "--role", "sales_team"], "A user with the role sales_team needs a team. Name one with --team");
        refused(&["ana", "--team", "East"], "There is no sales team named East.");
        done(folder.path(), &update(&["ana", "--role", "sales_team", "--team", "West"]), "");
        refused(&["ana", "--no-team"], "A user with the role sales_team needs a team.");
        refused(&["ana"], "--role");
        refused(&["ana", "--no-team", "--team", "West"], "--no-team");
        refused(&["ana", "--active", "perhaps"], "true");
        refused(&["ana", "--email", "ana"], "ana");
        refused(&["nobody", "--active", "false"], "There is no user named nobody.");
        assert_eq!(users(folder.path())[0]["role"], "sales_team");
    }

    #[test]
    fn the_last_administrator_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name: &str| {
            let address = format!("{name}@example.com");
            done(folder.path(), &["create-user", name, "--email", &address, "--role", "admin"], "correct horse\n");
        };
        create("bob");
        let last = |args: &[&str]| {
            let (code, _, said) = admin(folder.path(), &update(args), "");
            assert_eq!(code, Some(1), "{said}");
            assert!(said.starts_with("error: bob is the only administrator. Make another one first, "), "{said}");
        };
        last(&["bob", "--role", "analyst"]);
        last(&["bob", "--active", "false"]);
        create("eve");
        done(folder.path(), &update(&["eve", "--active", "false"]), "");
        // Eve is inactive, so she does not count as a remaining administrator.
        last(&["bob", "--role", "analyst"]);
        done(folder.path(), &update(&["eve", "--active", "true"]), "");
        done(folder.path(), &update(&["bob", "--role", "analyst"]), "");
        assert_eq!(
            users(folder.path()).iter().map(|user| user["role"].as_str().unwrap()).collect::<Vec<_>>(),
            ["analyst", "admin"]
        );
    }

    #[test]
    fn who_is_made_inactive_loses_earlier_tokens() {
        let (folder, server) = Server::new();
        let bearer = format!("Bearer {}", server.admin().token());
        drop(server);
        let create = ["create-user", "bob", "--email", "bob@example.com", "--role", "admin"];
        done(folder.path(), &create, "correct horse\n");
        done(folder.path(), &update(&["admin", "--active", "false"]), "");
        done(folder.path(), &update(&["admin", "--active", "true"]), "");
        let server = Server::start(folder.path(), &[]);
        server.send("GET", "/api/auth/me", &[("authorization", &bearer)], b"").expect(401);
    }
}

mod typed_passwords {
    use std::{cell::RefCell, collections::VecDeque, ffi::OsString, io};

    use cli::main_with;
    use command::CommandContext;
    use shared::{auth::secret::Secret, clock::SystemClock};

    use super::*;

    thread_local! {
        /// The answers to type, in order.
        static TYPED: RefCell<VecDeque<&'static str>> = RefCell::default();
        /// The questions that the command asked.
        static ASKED: RefCell<Vec<String>> = RefCell::default();
    }

    fn typed(question: &str) -> io::Result<Secret> {
        ASKED.with_borrow_mut(|asked| asked.push(question.to_owned()));
        let typed = TYPED.with_borrow_mut(VecDeque::pop_front);
        typed.map(|typed| Secret::new(typed.to_owned())).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    /// Creates a user whose password is typed. Returns the exit code, standard error and the questions.
    fn create(folder: &Path, answers: &[&'static str]) -> (u8, String, Vec<String>) {
        TYPED.set(answers.iter().copied().collect());
        ASKED.take();
        let bare = CommandContext::bare(SystemClock, folder.to_owned());
        let context = CommandContext { ask_password: typed, types_passwords: true, ..bare };
        let args = [&["loan-engine", "admin", "--data-dir", "data"], &ANA[..]].concat();
        let mut err = Vec::new();
        let code = main_with(args.into_iter().map(OsString::from), &context, &mut io::sink(), &mut err);
        (code, String::from_utf8(err).unwrap(), ASKED.take())
    }

    const FIRST: &str = "Password for ana: ";
    const AGAIN: &str = "The same password again: ";
    const DIFFER: &str = "The two passwords differ. Password for ana: ";

    #[test]
    fn a_password_is_asked_for_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (code, said, asked) = create(folder.path(), &["correct horse", "correct horse"]);
        assert_eq!((code, said.as_str()), (0, ""));
        assert_eq!(asked, [FIRST, AGAIN]);
        Server::start(folder.path(), &[]).log_in("ana", "correct horse");
    }

    #[test]
    fn two_that_differ_are_asked_for_again_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (code, said, asked) = create(folder.path(), &["correct horse", "correct house", "better horse", "better horse"]);
        assert_eq!((code, said.as_str()), (0, ""));
        assert_eq!(asked, [FIRST, AGAIN, DIFFER, AGAIN]);
        Server::start(folder.path(), &[]).log_in("ana", "better horse");

        let folder = tempfile::tempdir().unwrap();
        let (code, said, asked) = create(folder.path(), &["correct horse", "other horse"].repeat(9));
        assert_eq!((code, said.as_str()), (2, "error: The two passwords differed each time. Nothing was changed.\n"));
        assert_eq!(asked, [FIRST, AGAIN, DIFFER, AGAIN, DIFFER, AGAIN]);
        assert_eq!(done(folder.path(), &["list-users", "--format", "json"], ""), "[]\n");
    }

    #[test]
    fn one_that_is_too_short_is_not_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let (code, said, asked) = create(folder.path(), &["short", "short"]);
        assert_eq!((code, said.as_str()), (2, "error: A password has 8 to 128 characters.\n"));
        assert_eq!(asked, [FIRST]);
    }
}
