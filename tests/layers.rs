//! The layers: which crates of the workspace a crate may use, and what the core (`shared`) does not do although it could: read
//! the time, read the environment, open connections. The compiler ensures that the core links no SDK, no HTTP and no async
//! runtime, because its manifest names none; `scripts/check_dependencies.sh` checks what it links in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use toml::Table;

/// All crates of the folder of functions.
const FUNCTIONS: &str = "functions/*";

/// Each crate with the crates of the workspace that it may use. When two entries fit a crate, the later one counts.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("shared", &[]),
    ("stores", &["shared"]),
    ("api", &["shared", "stores"]),
    (FUNCTIONS, &["api", "shared", "stores"]),
    ("functions/runner", &["shared", "stores"]),
    ("local", &["api", "command", FUNCTIONS, "shared", "stores"]),
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

/// The folders that match a pattern, or the one folder when `pattern` is not a pattern.
fn named(pattern: &str) -> Vec<String> {
    let Some(folder) = pattern.strip_suffix("/*") else { return vec![pattern.to_owned()] };
    let found = fs::read_dir(workspace().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    found.map(|name| format!("{folder}/{}", name.to_str().unwrap())).collect()
}

/// The name of the crate in a folder.
fn crate_in(folder: &str) -> String {
    folder.rsplit('/').next().unwrap().to_owned()
}

/// Every crate with the crates that it may use.
fn may_use() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for (folders, used) in MAY_USE {
        let used: BTreeSet<String> = used.iter().flat_map(|used| named(used)).map(|folder| crate_in(&folder)).collect();
        all.extend(named(folders).into_iter().map(|folder| (folder, used.clone())));
    }
    all
}

#[test]
fn a_crate_uses_the_layers_below_it_alone() {
    let all = may_use();
    let ours: BTreeSet<String> = all.keys().map(|folder| crate_in(folder)).collect();
    for (folder, may_use) in all {
        let used: BTreeSet<String> = manifest(&folder)["dependencies"].as_table().unwrap().keys().cloned().collect();
        let used: BTreeSet<&String> = used.intersection(&ours).collect();
        assert!(used.iter().all(|name| may_use.contains(*name)), "{folder} uses {used:?}");
    }
}

#[test]
fn the_table_of_layers_has_every_crate() {
    let workspace = manifest("");
    let members = workspace["workspace"]["members"].as_array().unwrap().iter().flat_map(|member| named(member.as_str().unwrap()));
    let members: BTreeSet<String> = members.filter(|member| member != "tests").collect();
    assert_eq!(members, may_use().into_keys().collect());
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
