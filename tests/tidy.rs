//! The house style, as far as a test can see it: short functions and files, plain words, one spelling for each term, no dead file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The most lines of a function, from its name to its closing brace.
const FUNCTION_LINES: usize = 70;
/// The most lines of a file.
const FILE_LINES: usize = 500;

/// Functions that are longer, and why. The list may only shrink.
const LONG_FUNCTIONS: [(&str, &str, &str); 8] = [
    ("shared/src/engine/block.rs", "judge_block", "the hot loop: split in two it is a tenth slower"),
    ("shared/benches/engine.rs", "benches", "a list of benchmarks"),
    ("stores/src/config.rs", "from_lookup", "one line or two for each variable of the environment"),
    ("cli/src/run_command.rs", "run", "the order of a run's steps, which the reader wants in one place"),
    ("tests/template/rights.rs", "use_everything", "a list of all calls"),
    ("tests/identity/logs.rs", "use_everything", "a list of all calls"),
    ("tests/run_model.rs", "next", "a transition for each state of the model"),
    (
        "tests/crashes/worker.rs",
        "a_run_whose_worker_is_killed_is_ended_by_the_next_one_and_by_nobody_before_its_lease_is_over",
        "one scenario",
    ),
];

/// Files that are longer, with the lines that each may have: one subject each, of which a part alone would not be understood. The
/// list may only shrink.
const LONG_FILES: [(&str, usize); 15] = [
    ("api/src/fields.rs", 580),
    ("shared/src/decimal.rs", 650),
    ("shared/src/facts/encode.rs", 510),
    ("shared/src/paths.rs", 665),
    ("shared/src/run.rs", 575),
    ("shared/src/tape/header.rs", 705),
    ("shared/src/tape/mod.rs", 595),
    ("shared/src/tape/number.rs", 575),
    ("shared/src/tape/profile.rs", 575),
    ("shared/src/tape/rows.rs", 635),
    ("shared/src/tape/text.rs", 540),
    ("tests/catalogue/test_eligibility_rules.rs", 600),
    ("tests/catalogue/test_pipeline_phases.rs", 630),
    ("tests/facts.rs", 530),
    ("tests/records.rs", 510),
];

/// Words that no comment and no document has, because a plainer word says who does what.
const BANNED: [&str; 12] = [
    "whoever",
    "whomever",
    "nobody",
    "somebody",
    "told of",
    "turn down",
    "turned down",
    "turns down",
    "goes around",
    "none of it",
    "beside it",
    "that of one of",
];

/// Spellings that are not used, each with the one that is.
const SPELLINGS: [(&str, &str); 9] = [
    ("e-mail", "email"),
    ("time-out", "timeout"),
    ("filename", "file name"),
    ("can not", "cannot"),
    ("white space", "whitespace"),
    ("sub-folder", "subfolder"),
    ("behavior", "behaviour"),
    ("data base", "database"),
    ("work book", "workbook"),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of the workspace with one of these extensions, as paths below it with their texts.
fn files(extensions: &[&str]) -> BTreeMap<String, String> {
    let (root, mut found) = (workspace(), BTreeMap::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                let below = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.insert(below, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The functions of a formatted file: name, and number of lines.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let inner = line.trim_start();
        let indent = &line[..line.len() - inner.len()];
        let words: Vec<&str> = inner.split([' ', '(', '<']).collect();
        let Some(named) = words.iter().position(|word| *word == "fn") else { continue };
        if !words[..named].iter().all(|word| ["pub", "const", "async", "crate)", "super)", ""].contains(word)) {
            continue;
        }
        // A declaration without a body ends in a semicolon.
        if !lines[at..].iter().find(|line| line.ends_with(['{', ';', '}'])).is_some_and(|line| line.ends_with('{')) {
            continue;
        }
        let end = format!("{indent}}}");
        if let Some(length) = lines[at..].iter().position(|line| *line == end) {
            found.push((words[named + 1].to_owned(), length + 1));
        }
    }
    found
}

#[test]
fn functions_are_short_or_listed_with_a_reason() {
    let mut long = BTreeSet::new();
    for (path, text) in files(&[".rs"]) {
        long.extend(
            functions(&text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES).map(|(name, _)| (path.clone(), name)),
        );
    }
    let listed: BTreeSet<(String, String)> =
        LONG_FUNCTIONS.iter().map(|(path, name, _)| ((*path).to_owned(), (*name).to_owned())).collect();
    assert_eq!(long, listed);
}

#[test]
fn files_are_short_or_listed() {
    let mut long = BTreeMap::new();
    for (path, text) in files(&[".rs"]) {
        long.extend(Some((path, text.lines().count())).filter(|(_, lines)| *lines > FILE_LINES));
    }
    let listed: BTreeMap<String, usize> = LONG_FILES.iter().map(|(path, lines)| ((*path).to_owned(), *lines)).collect();
    for (path, lines) in &long {
        let most = listed.get(path).copied().unwrap_or(FILE_LINES);
        assert!(*lines <= most, "{path} has {lines} lines, and may have {most}");
    }
    assert_eq!(listed.keys().collect::<Vec<_>>(), long.keys().collect::<Vec<_>>());
}

/// The prose of a file: of code its comments, of a document all of it.
fn prose<'t>(path: &str, text: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    let is_code = path.ends_with(".rs");
    let lines = text.lines().enumerate();
    lines.filter_map(move |(at, line)| {
        let comment = line.trim_start();
        (!is_code || comment.starts_with("//")).then_some((at + 1, line))
    })
}

/// Whether a line has these words, each whole.
fn has(line: &str, words: &str) -> bool {
    line.to_lowercase().match_indices(words).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + words.len()..].chars().next());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn prose_is_plain_and_spells_each_term_in_one_way() {
    let mut found = Vec::new();
    for (path, text) in files(&[".rs", ".md"]) {
        for (line, words) in prose(&path, &text) {
            // Names of tests and of types are quoted as they are.
            let words: String = words.split('`').step_by(2).collect();
            if !words.is_ascii() {
                continue;
            }
            let banned = BANNED.iter().filter(|banned| has(&words, banned));
            found.extend(banned.map(|banned| format!("{path}:{line}: `{banned}` is not a word of ours")));
            let spelled = SPELLINGS.iter().filter(|(other, _)| has(&words, other));
            found.extend(spelled.map(|(other, ours)| format!("{path}:{line}: write `{ours}` for `{other}`")));
        }
    }
    found.retain(|finding| !finding.starts_with("tests/tidy.rs"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_file_of_code_is_a_module_of_something() {
    let all = files(&[".rs", "Cargo.toml"]);
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = Vec::new();
    for (manifest, text) in all.iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        let folder = manifest.strip_suffix("Cargo.toml").unwrap();
        let roots = ["src/lib.rs", "src/main.rs", "main.rs"].map(|root| format!("{folder}{root}"));
        open.extend(roots);
        // Roots that a manifest names, and those that cargo finds in a folder of benchmarks or examples.
        open.extend(
            text.lines().filter_map(|line| Some(format!("{folder}{}", line.strip_prefix("path = \"")?.strip_suffix('"')?))),
        );
        open.extend(
            text.lines().filter_map(|line| Some(format!("{folder}{}", line.strip_prefix("build = \"")?.strip_suffix('"')?))),
        );
        let found = |place: &str| {
            let within = format!("{folder}{place}/");
            all.keys().filter(move |path| path.strip_prefix(&within).is_some_and(|rest| !rest.contains('/'))).cloned()
        };
        open.extend(found("benches").chain(found("examples")));
    }
    while let Some(path) = open.pop() {
        let Some(text) = all.get(&path).filter(|_| reached.insert(path.clone())) else { continue };
        let (folder, file) = path.rsplit_once('/').unwrap();
        let stem = file.strip_suffix(".rs").unwrap();
        let is_root = matches!(stem, "lib" | "main" | "mod") || folder.ends_with("benches") || folder.ends_with("build");
        let below = if is_root { folder.to_owned() } else { format!("{folder}/{stem}") };
        let mut place = None;
        for line in text.lines().map(str::trim_start) {
            if let Some(named) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
                place = Some(named);
            } else if let Some(name) = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod ")).map(|(_, name)| name) {
                match place.take() {
                    Some(named) => open.push(normal(&format!("{folder}/{named}"))),
                    None => open.extend([format!("{below}/{name}.rs"), format!("{below}/{name}/mod.rs")]),
                }
            }
        }
    }
    let dead: Vec<&String> = all.keys().filter(|path| path.ends_with(".rs") && !reached.contains(*path)).collect();
    assert!(dead.is_empty(), "{dead:#?}");
}

/// A path without its `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        if part == ".." { _ = parts.pop() } else { parts.push(part) }
    }
    parts.join("/")
}
