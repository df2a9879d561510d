//! `loan-engine run` is killed: afterwards the folder holds the results of one run, or no manifest. The next run removes the
//! rest.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{SEED, dice::Dice, kills, of_its_files, tape};
use crate::support::server::{command, give};

/// The results of a run, without the archive, in the order in which they get their final names.
pub const RESULTS: [&str; 8] = [
    "purchase_tape.csv",
    "projected_tape.csv",
    "rejection_report.csv",
    "exception_summary.csv",
    "facts.parquet",
    "exceptions.parquet",
    "summary.json",
    "manifest.json",
];

/// The results in a folder. Of the manifest, only what it says about its files is kept, and of the summary only the reasons, because
/// the rest differs between runs.
fn results(folder: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let read = |name: &'static str| {
        let mut bytes = fs::read(folder.join(name)).ok()?;
        if name == "manifest.json" {
            bytes = of_its_files(&bytes);
        }
        if name == "summary.json" {
            let summary: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            bytes = summary["reasons"].to_string().into_bytes();
        }
        Some((name, bytes))
    };
    RESULTS.into_iter().filter_map(read).collect()
}

fn args<'a>(tape: &'a str, out: &'a str) -> [&'a str; 4] {
    ["run", tape, "--out", out]
}

#[test]
fn a_run_that_is_killed_leaves_whole_results_under_a_manifest_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut whole = Vec::new();
    let mut takes = Duration::ZERO;
    for (name, out, loans) in [("a.csv", "a", 3_000), ("b.csv", "b", 3_500)] {
        fs::write(at(name), tape(loans)).unwrap();
        let started = Instant::now();
        assert!(give(folder.path(), &args(name, out), &[], "").status.success());
        takes = started.elapsed();
        let results = results(&at(out));
        assert_eq!(results.len(), RESULTS.len());
        whole.push(results);
    }
    let (mut dice, mut half, mut ended) = (Dice(SEED), 0, 0);
    for kill in 0..kills().div_ceil(2) {
        let name = if dice.one_in(2) { "a.csv" } else { "b.csv" };
        // Run either into a folder that has results or into a new one.
        let out = if dice.one_in(2) { "out".to_owned() } else { format!("new{kill}") };
        let mut run = command(folder.path(), &args(name, &out)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if dice.one_in(2) {
            thread::sleep(dice.micros(takes.as_micros() as u64));
        } else {
            // Kill while the results get their names: the first of them has been replaced by then.
            let first = |folder: &Path| fs::metadata(folder.join(RESULTS[0])).and_then(|file| file.modified()).ok();
            let old = first(&at(&out));
            while first(&at(&out)) == old && run.try_wait().unwrap().is_none() {}
        }
        ended += u64::from(run.try_wait().unwrap().is_some());
        run.kill().unwrap();
        run.wait().unwrap();
        let after = results(&at(&out));
        // Each file is whole.
        for (name, bytes) in &after {
            assert!(whole.iter().any(|whole| whole[name] == *bytes), "{name} is half");
        }
        if after.contains_key("manifest.json") {
            assert!(whole.contains(&after), "the manifest is of other results, after kill {kill}");
        } else {
            // Without a manifest the results are incomplete, and no reader takes them for complete.
            half += u64::from(!after.is_empty());
        }
    }
    // The next run removes what the killed runs left.
    assert!(give(folder.path(), &args("a.csv", "out"), &[], "").status.success());
    assert!(results(&at("out")) == whole[0]);
    let left = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".loan-engine-") && folder.join(name).join(".lock").exists()).count()
    };
    assert_eq!((left(&at("out")), left(&at("out/archive"))), (0, 0));
    // Every archive belongs to a completed run.
    for archive in fs::read_dir(at("out/archive")).unwrap() {
        let archive = archive.unwrap().path();
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(archive.join("manifest.json")).unwrap()).unwrap();
        let paths = ["inputs", "outputs"].iter().flat_map(|files| manifest[files].as_array().unwrap());
        assert!(paths.into_iter().all(|file| archive.join(file["path"].as_str().unwrap()).is_file()), "{archive:?}");
    }
    println!(
        "{} kills of a run, {half} of them between the first result and the manifest, {ended} after its end",
        kills().div_ceil(2)
    );
}
