//! The layers: which crates of the workspace a crate may use, and what the core (`shared`) does not do although it could: read
//! the time, read the environment, open connections. The compiler ensures that the core links no SDK, no HTTP and no async
//! runtime, because its manifest names none; `scripts/check_dependencies.sh` checks what it links in the end.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use toml::Table;

/// Each crate with the crates of the workspace that it may use.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("shared", &[]),
    ("stores", &["shared"]),
    ("api", &["shared", "stores"]),
    ("functions/auth", &["api", "shared", "stores"]),
    ("functions/data", &["api", "shared", "stores"]),
    ("functions/files", &["api", "shared", "stores"]),
    ("functions/health", &["api", "shared", "stores"]),
    ("functions/pipeline", &["api", "shared", "stores"]),
    ("functions/runner", &["shared", "stores"]),
    ("local", &["api", "auth", "command", "data", "files", "health", "pipeline", "runner", "shared", "stores"]),
    ("cli", &["command", "local", "shared"]),
    ("cli/command", &["shared"]),
];

/// What the core must not use, with the one file that may.
const OUTSIDE: [(&str, Option<&str>); 6] = [
    ("env::var", None),
    ("SystemTime", None),
    ("Instant::now", None),
    ("Timestamp::now", Some("clock.rs")),
    ("std::net", None),
    ("process::Command", None),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(folder: &str) -> Table {
    fs::read_to_string(workspace().join(folder).join("Cargo.toml")).unwrap().parse().unwrap()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a file that are code, without its tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn a_crate_uses_the_layers_below_it_alone() {
    let ours: BTreeSet<String> = MAY_USE.iter().map(|(folder, _)| folder.rsplit('/').next().unwrap().to_owned()).collect();
    for (folder, may_use) in MAY_USE {
        let manifest = manifest(folder);
        let dependencies = manifest["dependencies"].as_table().unwrap().keys();
        let used: BTreeSet<&str> = dependencies.filter(|name| ours.contains(*name)).map(String::as_str).collect();
        assert!(used.is_subset(&may_use.iter().copied().collect()), "{folder} uses {used:?}");
    }
}

#[test]
fn the_table_of_layers_has_every_crate() {
    let mut members = BTreeSet::new();
    for member in manifest("")["workspace"]["members"].as_array().unwrap() {
        match member.as_str().unwrap().strip_suffix("/*") {
            None => _ = members.insert(member.as_str().unwrap().to_owned()),
            Some(folder) => {
                let found = fs::read_dir(workspace().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
                members.extend(found.map(|name| format!("{folder}/{}", name.to_str().unwrap())));
            }
        }
    }
    members.remove("tests");
    assert_eq!(members, MAY_USE.iter().map(|(folder, _)| (*folder).to_owned()).collect());
}

#[test]
fn the_core_knows_no_clock_no_environment_and_no_network() {
    let source = workspace().join("shared/src");
    let (mut found, mut outside) = (Vec::new(), Vec::new());
    files(&source, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for file in found {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        for (at, line) in code(&fs::read_to_string(&file).unwrap()) {
            let used = OUTSIDE.iter().filter(|(word, may)| line.contains(word) && *may != Some(name.as_str()));
            outside.extend(used.map(|(word, _)| format!("{name}:{} uses {word}", at + 1)));
        }
    }
    assert!(outside.is_empty(), "{outside:#?}");
}
