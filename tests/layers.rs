//! The layers of the crate `shared`: its core knows no client of a store, no HTTP, no async runtime, no clock and no environment.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The parts of the core.
const CORE: [&str; 14] = [
    "decimal.rs",
    "engine",
    "facts",
    "field.rs",
    "folder.rs",
    "loan.rs",
    "manifest.rs",
    "paths.rs",
    "phases",
    "results",
    "rules",
    "run_summary.rs",
    "run.rs",
    "tape",
];

/// What only the layers above may use, with those of the core that may all the same, and why.
const ABOVE: [(&str, &[&str]); 11] = [
    ("aws_", &[]),
    ("axum", &[]),
    ("tokio", &[]),
    ("tracing", &[]),
    ("futures_util", &[]),
    ("std::env::var", &[]),
    ("SystemTime", &[]),
    ("Timestamp::now", &[]),
    ("crate::stores", &[]),
    ("crate::storage", &[]),
    // An inspection is one object for the command line and the API, which describes it.
    ("api::", &["tape/inspect.rs"]),
];

fn files(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else if place.extension().is_some_and(|extension| extension == "rs") {
        found.push(place.to_owned());
    }
}

/// The lines of a file that are code, without those of its tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn the_core_uses_nothing_of_the_layers_above() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src");
    let (mut found, mut upward) = (Vec::new(), Vec::new());
    CORE.iter().for_each(|part| files(&source.join(part), &mut found));
    assert!(found.len() > 100, "{}", found.len());
    for file in found {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        for (at, line) in code(&fs::read_to_string(&file).unwrap()) {
            let used = ABOVE.iter().filter(|(above, but)| line.contains(above) && !but.contains(&name.as_str()));
            upward.extend(used.map(|(above, _)| format!("{name}:{} uses {above}", at + 1)));
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}
