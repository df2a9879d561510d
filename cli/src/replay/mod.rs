//! `loan-engine replay`: repeats a run from its archive, and compares the results.

pub mod archive;
mod compare;
pub mod manifest;
mod zip_archive;

use std::{fmt::Write as _, io::Write};

use command::{
    CommandContext,
    error::CommandError,
    plain_text::{one_line, short_line},
    print,
};
use shared::{
    engine::{self, Job, Outcome},
    error::RunError,
    manifest::{ENGINE_VERSION, Manifest, ManifestCounts, ManifestFile, archived_output, column_mapping},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    tape::text::Fingerprint,
};

use crate::{arguments::ReplayArgs, progress::Meter, run_command::tuning};

pub use self::manifest::MAX_MANIFEST_BYTES;
use self::{
    archive::Archive,
    compare::{Comparing, LineDifference},
};

/// Characters shown of a line.
const SHOWN_OF_LINE: usize = 160;

/// The findings, in the order in which they are printed.
#[derive(Debug, Default)]
struct Findings {
    /// Each of these makes the run a different one.
    differences: Vec<String>,
    /// Facts that may explain a difference, and are none by themselves.
    notes: Vec<String>,
}

/// Repeats the run and prints `identical`, or what differs.
///
/// # Errors
/// [`CommandError::Usage`] when the path cannot be read, [`CommandError::Failed`] when it leads to no archive of a run, and
/// [`CommandError::Explained`] when something differs.
pub fn replay(args: &ReplayArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let archive = Archive::open(&args.archive, context)?;
    let mut findings = Findings::default();
    if archive.manifest.engine_version != ENGINE_VERSION {
        let version = short_line(&archive.manifest.engine_version, 40);
        findings.notes.push(format!("the run was done by engine {version}; this is engine {ENGINE_VERSION}"));
    }
    let intact = check_archive(&archive, &mut findings)?;
    if intact {
        run_again(&archive, args, context, &mut findings)?;
    } else {
        findings.notes.push(
            "the run was not done again, because the tapes or the files of its rule set are not those that it read".to_owned(),
        );
    }
    let mut text = String::new();
    if findings.differences.is_empty() {
        text.push_str("identical\n");
    } else {
        text.push_str("different\n");
    }
    for difference in &findings.differences {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {difference}");
    }
    for note in &findings.notes {
        let _ = writeln!(text, "note: {note}");
    }
    print(out, text.as_bytes())?;
    if findings.differences.is_empty() { Ok(()) } else { Err(CommandError::Explained) }
}

/// Compares the files of the archive with the manifest. Returns whether the tapes are those that the run read.
fn check_archive(archive: &Archive, findings: &mut Findings) -> Result<bool, CommandError> {
    let mut intact = true;
    for file in archive.manifest.inputs.iter().chain(&archive.manifest.rule_set.files) {
        let difference = archive.difference(file)?;
        intact &= difference.is_none();
        findings.differences.extend(difference);
    }
    for file in &archive.manifest.outputs {
        findings.differences.extend(archive.difference(file)?);
    }
    for file in archive.manifest.outputs.iter().chain(&archive.manifest.stored) {
        findings.differences.extend(archive.difference_beside(file)?);
    }
    Ok(intact)
}

fn run_again(
    archive: &Archive,
    args: &ReplayArgs,
    context: &CommandContext,
    findings: &mut Findings,
) -> Result<(), CommandError> {
    let manifest = &archive.manifest;
    let Some(rules) = rule_set(archive, findings)? else { return Ok(()) };
    let irr_target: IrrTarget = manifest
        .parameters
        .irr_target
        .as_str()
        .parse()
        .map_err(|error| CommandError::Failed(format!("The manifest has an IRR target that no run can have: {error}.")))?;
    let (options, _) = manifest.reading.options().map_err(|error| {
        CommandError::Failed(format!("The manifest says how to read the tapes, and that cannot be done: {error}"))
    })?;
    let tapes = archive.tapes()?;
    let comparing = Comparing::new(archive.output_paths());
    let meter = Meter::new(context.terminal, tapes.iter().map(|tape| tape.size()).sum());
    let result = engine::run(&Job {
        tapes: &tapes,
        options: &options,
        rules: &rules,
        irr_target,
        pdate: manifest.parameters.pdate,
        destination: Some(&comparing),
        progress: &|progress| meter.note(progress),
        tuning: tuning(&args.work),
    });
    meter.finish();
    match result {
        Ok(outcome) => compare(manifest, &outcome, comparing.finish(), findings)?,
        Err(error) => findings.differences.push(failed_again(&error)),
    }
    Ok(())
}

fn failed_again(error: &RunError) -> String {
    format!("the run was completed, and fails now: {}", one_line(&error.to_string()))
}

/// The rules of the run. `None`, with a finding, when this version cannot read them.
///
/// # Errors
/// [`CommandError::Failed`] when a file of the rule set cannot be read.
fn rule_set(archive: &Archive, findings: &mut Findings) -> Result<Option<RuleSet>, CommandError> {
    let recorded = &archive.manifest.rule_set;
    let rules = match &recorded.toml {
        None => RuleSet::built_in().clone(),
        Some(toml) => match RuleSet::load(&archive.rule_set(toml)?) {
            Ok(rules) => rules,
            Err(error) => {
                let error = one_line(&error.to_string());
                findings.differences.push(format!("the rule set of the manifest is none any more: {error}"));
                return Ok(None);
            }
        },
    };
    let id = rules.id();
    if id.hash != recorded.hash {
        let whose = if recorded.toml.is_none() { "the built-in rule set" } else { "the rule set in the manifest" };
        let (now, then) = (&id.hash, short_line(&recorded.hash, 64));
        findings.differences.push(format!("{whose} has the hash {now}; the run recorded {then}"));
    }
    // The hash covers the rules, not their name and version.
    for (what, now, then) in [("name", &id.name, &recorded.name), ("version", &id.version, &recorded.version)] {
        if now != then {
            let (now, then) = (short_line(now, SHOWN_OF_LINE), short_line(then, SHOWN_OF_LINE));
            findings.differences.push(format!("the rule set has the {what} {now}; the run recorded {then}"));
        }
    }
    Ok(Some(rules))
}

/// Compares the results of the new run with those in the manifest.
fn compare(
    manifest: &Manifest,
    outcome: &Outcome,
    mut lines: Vec<(&'static str, LineDifference)>,
    findings: &mut Findings,
) -> Result<(), CommandError> {
    let counts = ManifestCounts::of(outcome);
    for (name, then, now) in [
        ("total_loans", manifest.counts.total_loans, counts.total_loans),
        ("to_purchase", manifest.counts.to_purchase, counts.to_purchase),
        ("projected", manifest.counts.projected, counts.projected),
        ("rejected", manifest.counts.rejected, counts.rejected),
        ("exceptions_count", manifest.counts.exceptions_count, counts.exceptions_count),
    ] {
        if then != now {
            findings.differences.push(format!("{name}: {then} in the manifest, {now} in the new run"));
        }
    }
    let (then, now) = (manifest.counts.total_balance.as_str(), counts.total_balance.as_str());
    if then != now {
        findings.differences.push(format!("total_balance: {} in the manifest, {now} in the new run", short_line(then, 40)));
    }
    if manifest.column_mapping != column_mapping(&outcome.mappings)? {
        findings.differences.push("column_mapping: the columns or units of a tape were read in another way".to_owned());
    }
    for (output, fingerprint) in &outcome.outputs {
        let path = archived_output(output);
        let at = lines.iter().position(|(name, _)| *name == output.file_name);
        let line = at.map(|at| lines.swap_remove(at).1);
        let entry = manifest.outputs.iter().find(|entry| entry.path == path);
        findings.differences.extend(new_difference(&path, entry, fingerprint));
        findings.differences.extend(line.map(|line| shown_lines(&path, &line)));
    }
    for (name, fingerprint) in &outcome.stored {
        let entry = manifest.stored.iter().find(|entry| entry.path == *name);
        findings.differences.extend(new_difference(name, entry, fingerprint));
    }
    Ok(())
}

fn new_difference(path: &str, entry: Option<&ManifestFile>, now: &Fingerprint) -> Option<String> {
    let Some(then) = entry else { return Some(format!("{path}: the manifest does not name it")) };
    (!then.is(now)).then(|| format!("{path}: the new run gives another file ({})", sizes_and_hashes(then, now)))
}

fn sizes_and_hashes(then: &ManifestFile, now: &Fingerprint) -> String {
    let recorded = short_line(&then.sha256, 64);
    if then.size == now.size {
        format!("sha256 {} instead of {recorded}", now.sha256)
    } else {
        format!("{} bytes instead of {}, sha256 {} instead of {recorded}", now.size, then.size, now.sha256)
    }
}

fn shown_lines(path: &str, difference: &LineDifference) -> String {
    let shown = |line: &Option<String>| {
        line.as_ref().map_or_else(|| "(the file ends here)".to_owned(), |line| short_line(line, SHOWN_OF_LINE))
    };
    let LineDifference { line, archived, again } = difference;
    format!("{path}, line {line}:\n    archived: {}\n    new run:  {}", shown(archived), shown(again))
}
