//! `loan-engine run`: the whole pipeline on tapes that are files.

use std::{
    io::{self, Write},
    path::Path,
    process,
    sync::Arc,
};

use command::{CommandContext, Format, error::CommandError, interrupt::on_signal, print};
use console::Term;
use shared::{
    engine::{self, Destination, Job, Outcome, Tuning},
    error::{Phase, RunError},
    manifest::{Manifest, ManifestFile, files_of},
    results::summary::{PoolStatus, Reasons, Samples, Summary},
    rules::guide::grid::check_file_name,
    rules::rule_set::{MAX_RULE_SET_BYTES, Mistake, RuleSet, RuleSetError, RuleSetFile},
    run::{NewRun, Run, RunTapes},
    run_summary::{RunAnswer, RunSummary},
    tape::{options::TapeOptions, request::ReadingRequest},
    waivers::Waivers,
};
use uuid::Uuid;

use crate::{
    arguments::{RunArgs, WorkArgs},
    extra_files::{ExtraFile, ReadTapes, extra_files},
    guide_files::read_guide_files,
    progress::Meter,
    reading::{read_toml, reading},
    staging::{Begun, Places, Stage, Staging},
    summary_table::{Shown, summary_table},
    tapes::{self, FoundTape},
    waiver_file::read_waivers,
};

/// Runs the pipeline and prints the summary.
///
/// # Errors
/// [`CommandError::Usage`] when an argument is wrong or names a missing file, [`CommandError::Failed`] when the run fails,
/// [`CommandError::PoolTestsFailed`] when the run completes with a failed pool test.
pub fn run(args: &RunArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let found = tapes::find(&args.tapes, context)?;
    let rules = args.rule_set.as_deref().map_or_else(|| Ok(RuleSet::built_in().clone()), |file| read_rule_set(file, context))?;
    if files_of(&rules).next().is_some()
        && let Some(file) = rules.source()
        && let Err(message) = check_file_name(&file.file_name())
    {
        return Err(CommandError::Usage(format!("The archive cannot keep the name of the rule set: {message}.")));
    }
    let found = match (&args.rule_set, rules.source()) {
        (Some(shown), Some(file)) => found.without_files_of(&context.locate(shown), &file.named())?,
        _ => found,
    };
    let waivers = args.waivers.as_deref().map(|file| read_waivers(file, &rules, context)).transpose()?;
    let found = match args.waivers.as_deref() {
        Some(file) => found.without_files_of(&context.locate(file), &[])?,
        None => found,
    };
    let reading = reading(&args.reading, &found, context)?;
    let (options, profile) = reading.options().map_err(|error| CommandError::Usage(error.to_string()))?;
    let (mut tapes, left_out) = found.with_headers(&options)?;
    let options = TapeOptions { left_out, ..options };
    let run_id = Uuid::new_v4();
    let places = Places::new(args.out.as_deref(), !args.no_archive, run_id, context);
    let places = (!args.dry_run).then_some(places);
    if let Some(places) = &places {
        refuse_overwriting(&tapes, places)?;
    }
    let extra = extra_files(args, &tapes, places.as_ref(), context)?;
    let begun = Begun::default();
    if context.signals {
        heed_signals(&begun, context.terminal)?;
    }
    if let Err(error) = tapes::read_standard_input(&mut tapes, context) {
        // The run has begun, so withdraw the results of the run before: they are not those of this run.
        drop(begin(places.as_ref(), &extra, &begun)?);
        return Err(error);
    }
    let new_run = NewRun {
        run_id,
        sales_team_id: None,
        created_by: None,
        created_by_username: None,
        tapes: Some(RunTapes::new(tapes.iter().map(FoundTape::named))),
        irr_target: args.irr_target,
        pdate: args.pdate,
        rule_set: rules.id(),
        output_dir: places.as_ref().map(|places| places.shown.display().to_string()),
    };
    let mut run = Run::new(new_run, context.clock.now());
    run.read_with(profile);
    run.start(context.clock.now())?;
    let work = Work {
        tapes: &tapes,
        reading: &reading,
        options: &options,
        rules: &rules,
        waivers: waivers.as_ref(),
        places: places.as_ref(),
        extra: &extra,
        begun: &begun,
        args,
    };
    match execute(&mut run, &work, context) {
        Ok(Done { outcome, summary, reasons }) => {
            let shown = Shown {
                run: &run,
                summary: &summary,
                reasons: &reasons,
                outcome: &outcome,
                places: places.as_ref(),
                strats: args.strats,
            };
            match args.format {
                _ if args.quiet => Ok(()),
                Format::Table => {
                    let mut table = summary_table(&shown);
                    table.extend(extra.iter().map(ExtraFile::told));
                    print(out, table.as_bytes())
                }
                Format::Json => print(out, &answer(&run, Some((&summary, &outcome.samples(), &reasons)))?),
            }?;
            if run.pool_status() == Some(PoolStatus::Failed) { Err(CommandError::PoolTestsFailed) } else { Ok(()) }
        }
        Err(error) => {
            // When a signal ends the run, the thread that received the signal reports it, and this call does not return.
            begun.remove();
            run.fail(error.clone(), context.clock.now())?;
            if args.format == Format::Json {
                print(out, &answer(&run, None)?)?;
            }
            Err(error.into())
        }
    }
}

/// On Ctrl-C, SIGTERM or SIGHUP, removes what the run has begun and then ends the process.
fn heed_signals(begun: &Begun, terminal: bool) -> Result<(), CommandError> {
    let begun = begun.clone();
    let heeded = on_signal(move |signal| {
        begun.end(|stage| {
            let what = match stage {
                Stage::Nothing => ": the run had written nothing.",
                Stage::Unfinished => ": what the run had begun to write was removed.",
                Stage::InPlace => " after the run had completed: its results are in place.",
                Stage::Removed => ": the run had failed.",
            };
            if terminal {
                // Remove the progress bar from the line.
                let _ = Term::stderr().clear_line();
            }
            // The terminal may be closed, so a failure is ignored.
            let _ = writeln!(io::stderr(), "error: Stopped by {}{what}", signal.as_str());
            process::exit(i32::from(signal.exit_code()));
        });
    });
    heeded.map_err(|error| CommandError::Failed(format!("Signals cannot be received: {error}.")))
}

/// How the engine divides its work, with the number of threads from the arguments.
pub fn tuning(args: &WorkArgs) -> Tuning {
    let default = Tuning::default();
    Tuning { threads: args.threads.map_or(default.threads, usize::from), ..default }
}

/// Reads a rule set from a file.
///
/// # Errors
/// [`CommandError::Usage`] when there is no such file; [`CommandError::Mistakes`] when it has mistakes.
pub fn read_rule_set(shown: &Path, context: &CommandContext) -> Result<RuleSet, CommandError> {
    read_rule_set_file(shown, context)?.rules().map_err(|error| {
        let count = error.mistakes.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        let sentence = format!("error: The rule set {} has {count} {noun}.", shown.display());
        CommandError::Mistakes(std::iter::once(sentence).chain(mistakes(shown, &error)).collect())
    })
}

/// Reads the text of a rule set, and the files in its folder that it names.
///
/// # Errors
/// [`CommandError::Usage`] when there is no such file.
pub fn read_rule_set_file(shown: &Path, context: &CommandContext) -> Result<RuleSetFile, CommandError> {
    let toml = read_toml("rule set", shown, MAX_RULE_SET_BYTES, context)?;
    let name = shown.file_name().unwrap_or_default().to_string_lossy();
    let mut file = RuleSetFile::new(&name, toml);
    read_guide_files(&mut file, shown, context);
    Ok(file)
}

/// The mistakes of a rule set, each with the file and the line.
pub fn mistakes(shown: &Path, error: &RuleSetError) -> Vec<String> {
    let shown = shown.display().to_string();
    let mistake = |mistake: &Mistake| format!("{}: {}", mistake.place(&shown), mistake.message);
    error.mistakes.iter().map(mistake).collect()
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

/// The inputs of a run, and where its results go.
struct Work<'r> {
    tapes: &'r [FoundTape],
    reading: &'r ReadingRequest,
    options: &'r TapeOptions,
    rules: &'r RuleSet,
    waivers: Option<&'r Arc<Waivers>>,
    /// Where the results go; `None` for a dry run.
    places: Option<&'r Places>,
    extra: &'r [ExtraFile],
    begun: &'r Begun,
    args: &'r RunArgs,
}

/// A completed run.
struct Done {
    outcome: Outcome,
    summary: Summary,
    reasons: Reasons,
}

/// Runs the phases, and gives the files their final names once all of them are complete. The run is then completed.
fn execute(run: &mut Run, work: &Work<'_>, context: &CommandContext) -> Result<Done, RunError> {
    // Withdraw the results of the run before first: they must not pass for those of this run, even if it cannot open its tapes.
    let staging = begin(work.places, work.extra, work.begun)?;
    let sources = work.tapes.iter().map(FoundTape::source).collect::<Result<Vec<_>, _>>()?;
    let meter = Meter::new(context.terminal && !work.args.quiet, sources.iter().map(|source| source.size()).sum());
    let result = engine::run(&Job {
        tapes: &sources,
        options: work.options,
        rules: work.rules,
        irr_target: run.parameters().irr_target,
        pdate: run.parameters().pdate,
        waivers: work.waivers,
        destination: staging.as_ref().map(|staging| staging as &dyn Destination),
        progress: &|progress| meter.note(progress),
        tuning: tuning(&work.args.work),
    });
    if let Some(progress) = meter.finish() {
        run.report(progress);
    }
    let outcome = result?;
    run.record(&outcome);
    run.finish_phase(Phase::Output);
    let done = Done { summary: outcome.summary.finish(), reasons: outcome.summary.reasons(), outcome };
    let completed = |run: &Run, archived: bool| {
        let mut completed = run.clone();
        if archived {
            completed.finish_phase(Phase::Archive);
        }
        let ended = completed.complete(context.clock.now());
        ended.map_err(|error| RunError::internal(Phase::Output, format!("The run could not end: {error}.")))?;
        Ok::<Run, RunError>(completed)
    };
    match staging {
        Some(staging) => {
            staging.archive_outputs(&done.outcome)?;
            let ended = completed(run, !work.args.no_archive)?;
            let read = ReadTapes { sources: &sources, options: work.options, rules: work.rules, reading: work.reading };
            place(staging, (run, &ended), &done, &read, work)?;
            *run = ended;
        }
        None => *run = completed(run, false)?,
    }
    Ok(done)
}

/// Writes the files about the run as a whole, and gives all files their final names. `ended` is the run as it will have ended.
fn place(
    staging: Staging,
    (run, ended): (&Run, &Run),
    done: &Done,
    read: &ReadTapes<'_>,
    work: &Work<'_>,
) -> Result<(), RunError> {
    let Done { outcome, summary, reasons } = done;
    staging.archive_rules(work.rules)?;
    let archived = !work.args.no_archive;
    let waivers = work.waivers.map(|waivers| ManifestFile::of_waivers(&waivers.file));
    work.waivers.map_or(Ok(()), |waivers| staging.archive_waivers(&waivers.file))?;
    let of_run = Manifest::new(run, work.rules, outcome)?;
    let manifest = Manifest { archived, reading: work.reading.clone(), waivers, ..of_run };
    staging.write_summary(&answer(ended, Some((summary, &outcome.samples(), reasons)))?)?;
    staging.write_manifest(&manifest.to_json()?)?;
    work.extra.iter().try_for_each(|file| file.make(&staging, run, outcome, read))?;
    staging.publish(work.extra)
}

/// Withdraws the results of the run before, and creates the folders for those of this run; `None` for a dry run.
fn begin(places: Option<&Places>, extra: &[ExtraFile], begun: &Begun) -> Result<Option<Staging>, RunError> {
    extra.iter().try_for_each(ExtraFile::withdraw)?;
    places.map(|places| Staging::new(places.clone(), begun.clone())).transpose()
}

/// What `--format json` prints, and what `summary.json` has. `found` is `None` for a run that failed.
fn answer(run: &Run, found: Option<(&Summary, &[Samples], &Reasons)>) -> Result<Vec<u8>, RunError> {
    let summary = |(summary, samples, _)| RunSummary::new(run.run_id(), run.status(), summary).with_samples(samples);
    let answer = RunAnswer { run, summary: found.map(summary), reasons: found.map(|(_, _, reasons)| reasons) };
    let mut json = serde_json::to_vec_pretty(&answer)
        .map_err(|error| RunError::internal(Phase::Output, format!("The summary could not be put together: {error}.")))?;
    json.push(b'\n');
    Ok(json)
}
