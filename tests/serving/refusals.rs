//! `serve` reports what it cannot do in one sentence.

use std::{net::TcpListener, path::Path};

use crate::support::server::{Server, give, text};

fn refused(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = give(folder, args, variables, "");
    assert_eq!(text(&output.stdout), "");
    (output.status.code(), text(&output.stderr))
}

#[test]
fn two_in_one_folder_are_one_too_many() {
    let (folder, _server) = Server::new();
    let (code, said) = refused(folder.path(), &["serve", "--port", "0", "--data-dir", "data"], &[]);
    assert_eq!(code, Some(1));
    assert!(said.ends_with("data is in use by another loan-engine. Stop that one, or choose another folder.\n"), "{said}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = refused(folder.path(), &["serve", "--port", &port, "--data-dir", "data"], &[]);
    assert_eq!(code, Some(1));
    let expected =
        format!("error: Port {port} is in use by another program. Stop that one, or choose another port with --port.\n");
    assert_eq!(said, expected);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn an_address_that_is_none_of_this_machine_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |host| refused(folder.path(), &["serve", "--host", host, "--port", "0", "--data-dir", "data"], &[]);
    let (code, said) = serve("192.0.2.7");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("error: This machine has no address 192.0.2.7. ") && said.contains("--host"), "{said}");
    for host in ["localhost", "127.0.0.1:8000", ""] {
        assert_eq!(serve(host).0, Some(2), "{host}");
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_bad_environment_is_told_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [
        ("ENVIRONMENT", "prod"),
        ("ACCESS_TOKEN_MINUTES", "0"),
        ("LOG_LEVEL", "loud"),
        ("JWT_SECRET", "short"),
        ("PUBLIC_URL", "loans"),
    ];
    let (code, said) = refused(folder.path(), &["serve", "--port", "0", "--data-dir", "data"], &bad);
    assert_eq!(code, Some(2));
    for (name, _) in bad {
        assert!(said.contains(name), "{said}");
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_first_password_that_is_too_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("LOAN_ENGINE_ADMIN_PASSWORD", "short")];
    let (code, said) = refused(folder.path(), &["serve", "--port", "0", "--data-dir", "data"], &variables);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("error: LOAN_ENGINE_ADMIN_PASSWORD cannot be used: A password has 8 to 128"), "{said}");
    // The failed start created no user, so the next start is the first one.
    assert_eq!(Server::start(folder.path(), &[]).process.said.len(), 2);
}

#[test]
fn a_file_in_the_place_of_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "").unwrap();
    let (code, said) = refused(folder.path(), &["serve", "--port", "0", "--data-dir", "data"], &[]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("error: The data folder ") && said.contains("data cannot be used: "), "{said}");
}

#[test]
fn a_damaged_database_is_named_with_a_way_out() {
    for (file, what) in [("table.sqlite", "table"), ("bucket.sqlite", "bucket")] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("data").join(file), "no database, but long enough to be one ".repeat(200)).unwrap();
        let (code, said) = refused(folder.path(), &["serve", "--port", "0", "--data-dir", "data"], &[]);
        assert_eq!(code, Some(1));
        let expected = format!("error: The {what} in the data folder cannot be opened: file is not a database. If ");
        assert!(said.starts_with(&expected) && said.contains("from a backup"), "{said}");
    }
}
