//! `loan-engine run`: the whole pipeline on tapes that are files.

use std::{
    fs::File,
    io::{Read as _, Write},
    path::Path,
};

use serde::Serialize;
use shared::{
    engine::{self, Destination, Job, Outcome, Tuning},
    error::{Phase, RunError},
    manifest::Manifest,
    results::summary::Summary,
    rules::rule_set::RuleSet,
    run::{NewRun, Run},
    run_summary::RunSummary,
    tape::source::{FileSource, TapeSource},
};
use uuid::Uuid;

use crate::{
    Surroundings,
    cli::{Format, RunArgs, WorkArgs},
    command_error::CommandError,
    decision_book::DecisionBook,
    plain_text::one_line,
    print,
    progress::Meter,
    staging::{Places, Staging},
    summary_table::summary_table,
    tapes::{self, FoundTape},
};

/// The largest file that is read as a rule set.
const MAX_RULE_SET_BYTES: u64 = 1024 * 1024;

/// Runs the pipeline and prints the summary.
///
/// # Errors
/// Arguments that name what is not there; a run that failed.
pub fn run(args: &RunArgs, around: &Surroundings, out: &mut dyn Write) -> Result<(), CommandError> {
    let tapes = tapes::find(&args.tapes, around)?;
    let rules = args.rule_set.as_deref().map_or_else(|| Ok(RuleSet::built_in()), |file| read_rule_set(file, around))?;
    let run_id = Uuid::new_v4();
    let places = Places::new(args.out.as_deref(), run_id, around);
    let places = (!args.dry_run).then_some(places);
    if let Some(places) = &places {
        refuse_overwriting(&tapes, places)?;
    }
    let book = args.workbook.as_deref().map(|file| DecisionBook::new(file, &tapes, places.as_ref(), around)).transpose()?;
    let new_run = NewRun {
        run_id,
        sales_team_id: None,
        created_by: None,
        irr_target: args.irr_target,
        pdate: args.pdate,
        rule_set: rules.id(),
        output_dir: places.as_ref().map(|places| places.shown.display().to_string()),
    };
    let mut run = Run::new(new_run, around.clock.now());
    run.start(around.clock.now())?;
    let goals = Goals { places: places.as_ref(), book: book.as_ref() };
    match execute(&mut run, &tapes, &rules, goals, &args.work, around) {
        Ok(outcome) => {
            run.complete(around.clock.now())?;
            let summary = outcome.summary.finish();
            match args.format {
                Format::Table => {
                    let mut table = summary_table(&run, &summary, &outcome, places.as_ref());
                    if let Some(book) = &book {
                        table.push_str(&format!("Workbook in {}\n", one_line(&book.shown.display().to_string())));
                    }
                    print(out, table.as_bytes())
                }
                Format::Json => print(out, &answer(&run, Some(&summary))?),
            }
        }
        Err(error) => {
            run.fail(error.clone(), around.clock.now())?;
            if args.format == Format::Json {
                print(out, &answer(&run, None)?)?;
            }
            Err(error.into())
        }
    }
}

/// How the engine cuts its work, as far as the user decides it.
pub fn tuning(args: &WorkArgs) -> Tuning {
    let default = Tuning::default();
    Tuning { threads: args.threads.map_or(default.threads, usize::from), ..default }
}

fn read_rule_set(shown: &Path, around: &Surroundings) -> Result<RuleSet, CommandError> {
    let usage = |what: String| CommandError::Usage(format!("The rule set {} {what}", shown.display()));
    let mut bytes = Vec::new();
    let read = File::open(around.locate(shown)).and_then(|file| file.take(MAX_RULE_SET_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| usage(format!("cannot be read: {error}. Check its name and folder.")))?;
    if bytes.len() as u64 > MAX_RULE_SET_BYTES {
        return Err(usage("is too large for one: it may have up to 1 MiB.".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        usage(format!("is no UTF-8 text in line {line}. Save it as UTF-8."))
    })?;
    // Some editors put a byte order mark in front.
    RuleSet::from_toml(text.trim_start_matches('\u{feff}'))
        .map_err(|error| CommandError::Usage(format!("{}, line {}: {}", shown.display(), error.line, error.message)))
}

fn refuse_overwriting(tapes: &[FoundTape], places: &Places) -> Result<(), CommandError> {
    match tapes.iter().find(|tape| places.would_overwrite(&tape.file)) {
        None => Ok(()),
        Some(tape) => Err(CommandError::Usage(format!(
            "The tape {} would be replaced by a result of this run. Choose another folder with --out, or other tapes.",
            tape.path.display()
        ))),
    }
}

/// Where the files of a run go: nowhere, for a dry run.
#[derive(Clone, Copy)]
struct Goals<'a> {
    places: Option<&'a Places>,
    book: Option<&'a DecisionBook>,
}

/// Runs the phases, and gives the files their final names once everything is there.
fn execute(
    run: &mut Run,
    tapes: &[FoundTape],
    rules: &RuleSet,
    goals: Goals<'_>,
    work: &WorkArgs,
    around: &Surroundings,
) -> Result<Outcome, RunError> {
    let sources = tapes.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let staging = goals.places.map(|places| Staging::new(places.clone())).transpose()?;
    let meter = Meter::new(around.terminal, sources.iter().map(|source| source.size()).sum());
    let result = engine::run(&Job {
        tapes: &sources,
        rules,
        irr_target: run.parameters().irr_target,
        destination: staging.as_ref().map(|staging| staging as &dyn Destination),
        progress: &|progress| meter.note(progress),
        tuning: tuning(work),
    });
    if let Some(progress) = meter.finish() {
        run.report(progress);
    }
    let outcome = result?;
    run.record(&outcome);
    run.finish_phase(Phase::Output);
    if let Some(staging) = staging {
        staging.archive_outputs(&outcome)?;
        staging.write_manifest(&Manifest::new(run, rules, &outcome)?.to_json()?)?;
        match goals.book {
            Some(book) => {
                book.make(&staging, run, &outcome)?;
                book.publish(staging)?;
            }
            None => staging.publish()?,
        }
        run.finish_phase(Phase::Archive);
    }
    Ok(outcome)
}

fn source(tape: &FoundTape) -> Result<Box<dyn TapeSource>, RunError> {
    let source = FileSource::new(tape.path.clone(), tape.source_file.clone());
    source.map(|source| Box::new(source) as Box<dyn TapeSource>).map_err(|error| RunError::unreadable(&tape.source_file, &error))
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Answer<'r> {
    run: &'r Run,
    /// `null` for a run that failed.
    summary: Option<RunSummary<'r>>,
}

fn answer(run: &Run, summary: Option<&Summary>) -> Result<Vec<u8>, CommandError> {
    let summary = summary.map(|summary| RunSummary { run_id: run.run_id(), status: run.status(), summary });
    let mut json = serde_json::to_vec_pretty(&Answer { run, summary })
        .map_err(|error| CommandError::Failed(format!("The summary could not be put together: {error}.")))?;
    json.push(b'\n');
    Ok(json)
}
