//! Replays the corpus of the fuzzer.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{header, paths, requests, rule_set, tape_csv, tape_xlsx, token, waivers};

type Check = fn(&[u8]);

/// The fuzz targets, each with its check.
const TARGETS: [(&str, Check); 8] = [
    ("header", header::check),
    ("paths", paths::check),
    ("requests", requests::check),
    ("rule_set", rule_set::check),
    ("tape_csv", tape_csv::check),
    ("tape_xlsx", tape_xlsx::check),
    ("token", token::check),
    ("waivers", waivers::check),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The names in a folder of `fuzz/`, without their extensions.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The inputs of a target, in order.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn replay(target: &str) {
    let check = TARGETS.iter().find(|(name, _)| *name == target).unwrap().1;
    for (file, input) in inputs(target) {
        // The panic of a check does not name its input.
        let held = std::panic::catch_unwind(|| check(&input)).is_ok();
        assert!(held, "{} breaks something", file.display());
    }
}

#[test]
fn every_target_has_a_check_a_dictionary_and_a_small_corpus() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["fuzz_targets", "dictionaries", "corpus"] {
        assert_eq!(names(folder), targets, "{folder}");
    }
    for (target, _) in TARGETS {
        let inputs = inputs(target);
        let bytes: usize = inputs.iter().map(|(_, input)| input.len()).sum();
        assert!((5..=60).contains(&inputs.len()) && bytes < 200_000, "{target}: {} files, {bytes} bytes", inputs.len());
    }
}

#[test]
fn headers_hold_for_their_corpus() {
    replay("header");
}

#[test]
fn paths_hold_for_their_corpus() {
    replay("paths");
}

#[test]
fn requests_hold_for_their_corpus() {
    replay("requests");
}

#[test]
fn rule_sets_hold_for_their_corpus() {
    replay("rule_set");
}

#[test]
fn tapes_of_text_hold_for_their_corpus() {
    replay("tape_csv");
}

#[test]
fn workbooks_hold_for_their_corpus() {
    replay("tape_xlsx");
}

#[test]
fn tokens_hold_for_their_corpus() {
    replay("token");
}

#[test]
fn waivers_hold_for_their_corpus() {
    replay("waivers");
}
