//! The commands of the README work as they are written there, in a plain shell with only curl and Python.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::server::{ADMIN_PASSWORD, Server, text};

const README: &str = include_str!("../../README.md");

/// The text of a section.
fn section(name: &str) -> &'static str {
    let from = README.find(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("there is no section {name}"));
    let section = &README[from + 1..];
    &section[..section.find("\n## ").unwrap_or(section.len())]
}

/// The blocks of commands of a section.
fn commands(name: &str) -> Vec<String> {
    let (mut blocks, mut fenced) = (vec![String::new()], false);
    for line in section(name).lines() {
        fenced ^= line.starts_with("```");
        if fenced {
            continue;
        }
        match line.strip_prefix("    ") {
            Some(command) => blocks.last_mut().unwrap().push_str(&format!("{command}\n")),
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Makes a folder look like the project's own, with the command under the name of its release build.
fn with_project(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::create_dir_all(folder.join("target/release")).unwrap();
    for name in ["local", "guides"] {
        std::os::unix::fs::symlink(root.join(name), folder.join(name)).unwrap();
    }
    let command = Path::new(env!("CARGO_BIN_EXE_loan-engine-under-test"));
    std::os::unix::fs::symlink(command, folder.join("target/release/loan-engine")).unwrap();
}

/// Runs commands in a shell that may know no more than POSIX requires, and asserts that all of them succeed.
fn done_by_a_plain_shell(script: &str, folder: &Path) -> Output {
    let done = Command::new("sh").args(["-eu", "-c", script]).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{}\n{}", text(&done.stdout), text(&done.stderr));
    done
}

#[test]
fn the_way_from_log_in_to_the_archive_is_true() {
    let (folder, server) = Server::new();
    let blocks = commands("Serve the API");
    assert!(blocks[0].contains(&format!("LOAN_ENGINE_ADMIN_PASSWORD='{ADMIN_PASSWORD}' ")), "{blocks:?}");
    with_project(folder.path());
    done_by_a_plain_shell(&blocks[1..].concat().replace("http://localhost:8000", &server.address), folder.path());
    for file in ["exceptions.csv", "purchase_tape.csv", "archive.zip", "decision_workbook.xlsx"] {
        assert!(std::fs::metadata(folder.path().join("try").join(file)).unwrap().len() > 100, "{file}");
    }
    let python = section("Serve the API").split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let python = python.replace("http://localhost:8000", &server.address);
    let done = Command::new("python3").args(["-c", &python]).current_dir(folder.path()).output().unwrap();
    let said = text(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", text(&done.stderr));
    let words: Vec<_> = said.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(words, ["to_purchase", "projected", "rejected"]);
}

#[test]
fn the_way_from_a_tape_to_a_repeated_run_is_true() {
    let folder = tempfile::tempdir().unwrap();
    with_project(folder.path());
    let mut blocks = vec![commands("Start").remove(0)];
    for name in [
        "Look at the results",
        "Run your own tape",
        "Change the rules",
        "Write your guide",
        "What is a loan worth",
        "What if",
        "Check that a run can be repeated",
    ] {
        blocks.extend(commands(name));
    }
    // Leave out the Cargo commands, because Cargo has built the command under test, and the DuckDB example, which has its own
    // script.
    let is_ours = |line: &&str| !line.starts_with("cargo build") && !line.starts_with("cargo test");
    let script: String = blocks
        .iter()
        .filter(|block| !block.contains("import duckdb"))
        .flat_map(|block| block.lines().filter(is_ours))
        .map(|line| format!("{}\n", line.replace("cargo run --release --", "target/release/loan-engine")))
        .collect();
    let said = text(&done_by_a_plain_shell(&script, folder.path()).stdout);
    // What the section "Write your guide" says about the runs of the guides.
    for sentence in
        ["my_guide 2026-11 has no mistakes: ", "Buy 21 of 41 loans for ", "hold 5, reject 15", "Buy 23 of 33 loans for "]
    {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
    let prices = std::fs::read_to_string(folder.path().join("out/pricing_report.csv")).unwrap();
    let bought_under = |name: &str| prices.lines().filter(|line| line.contains(&format!(",to_purchase,{name},"))).count();
    assert_eq!((bought_under("agency"), bought_under("non_qm_dscr")), (9, 14));
    assert!(said.trim_end().ends_with("identical"), "{said}");
    // A later run into `out` removed the workbook together with the results that it belonged to.
    assert!(!folder.path().join("out/decisions.xlsx").exists());
    for file in ["out/purchase_tape.csv", "try/strict/manifest.json"] {
        assert!(std::fs::metadata(folder.path().join(file)).unwrap().len() > 100, "{file}");
    }
}

#[test]
fn commands_ask_nothing_of_the_shell_or_of_curl_that_old_ones_lack() {
    for document in [README, include_str!("../../docs/DEPLOY.md")] {
        for line in document.lines().filter(|line| line.starts_with("    ")) {
            assert!(!line.contains("<<<") && !line.contains("--json"), "{line}");
            // On AWS, an answer of more than 4 MB is a redirect, and curl saves nothing of it unless it follows the redirect.
            let asks_the_api = line.contains("/api/") && line.contains("curl ");
            assert!(!asks_the_api || line.contains("curl -sSfL "), "{line}");
        }
    }
}
