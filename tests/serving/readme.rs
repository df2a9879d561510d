//! What the README shows of `serve` is done as it stands there, with curl alone.

use std::{path::Path, process::Command};

use crate::server::{ADMIN_PASSWORD, Server, text};

const README: &str = include_str!("../../README.md");

/// The blocks of commands of a section.
fn commands(section: &str) -> Vec<String> {
    let from = README.find(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("there is no section {section}"));
    let section = &README[from + 1..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    let mut blocks = vec![String::new()];
    for line in section.lines() {
        match line.strip_prefix("    ") {
            Some(command) => blocks.last_mut().unwrap().push_str(&format!("{command}\n")),
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

#[test]
fn the_way_from_log_in_to_the_archive_is_true() {
    let (folder, server) = Server::new();
    let blocks = commands("Serve the API");
    assert!(blocks[0].contains(&format!("LOAN_ENGINE_ADMIN_PASSWORD='{ADMIN_PASSWORD}' ")), "{blocks:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::os::unix::fs::symlink(root.join("local"), folder.path().join("local")).unwrap();
    let script: String = blocks[1..].concat().replace("http://localhost:8000", &server.address);
    let mut shell = Command::new("bash");
    let done = shell.args(["-euo", "pipefail", "-c", &script]).current_dir(folder.path()).output().unwrap();
    let (said, log) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{said}\n{log}");
    for file in ["exceptions.csv", "purchase_tape.csv", "archive.zip"] {
        assert!(std::fs::metadata(folder.path().join(file)).unwrap().len() > 100, "{file}");
    }
}
