//! The job `compare`: what differs between two runs.

use std::{io::Write, sync::Arc};

use shared::{
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionsReader, FactsReader},
    },
    questions::compare::{
        ComparedRun, Question, RunSettings, WriteError, comparable_fields, compare, differing, write_comparison,
    },
    rules::rule_set::RuleSet,
};
use stores::{
    jobs::{ComparisonRequest, JobFailure},
    keys,
    runs::{ObjectVersion, RunResults},
    storage::range_reader::ObjectReader,
};
use uuid::Uuid;

use super::{MakeError, Sources};

/// The stored results of a run, with its rules and settings.
struct OpenedRun {
    run_id: Uuid,
    facts: FactsReader<ObjectReader>,
    exceptions: ExceptionsReader<ObjectReader>,
    rules: Arc<RuleSet>,
    settings: RunSettings,
}

pub fn write(out: &mut dyn Write, request: &ComparisonRequest, sources: &Sources) -> Result<(), MakeError> {
    let ComparisonRequest { from, to, changed, tolerance, .. } = request;
    let question = Question::parse(from.as_deref(), to.as_deref(), changed.as_deref(), tolerance.as_deref()).map_err(refused)?;
    let [base, with] = [open(request.base, sources)?, open(request.with, sources)?];
    let fields = comparable_fields(&base.rules, &with.rules);
    let mistakes = question.mistakes(&fields);
    if !mistakes.is_empty() {
        return Err(refused(mistakes));
    }
    let settings = differing(&base.settings, &with.settings);
    let runs = [&base, &with].map(|run| ComparedRun { run_id: run.run_id, facts: &run.facts, exceptions: &run.exceptions });
    let comparison = compare(runs, &fields, &question, settings, sources.threads)?;
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    write_comparison(&comparison, number(request.skip), number(request.limit), out).map_err(|error| match error {
        WriteError::Read(error) => error.into(),
        WriteError::Write(error) => error.into(),
    })
}

/// The request has checked the question, so only other rule sets than those of the request can refuse it.
fn refused(mistakes: Vec<(&'static str, String)>) -> MakeError {
    let sentences: Vec<String> = mistakes.into_iter().map(|(name, sentence)| format!("{name}: {sentence}.")).collect();
    MakeError::Failed(JobFailure::Refused(sentences.join(" ")))
}

fn open(run_id: Uuid, sources: &Sources) -> Result<OpenedRun, MakeError> {
    let request = sources.wait(sources.runs.request(run_id))?.ok_or_else(MakeError::gone)?;
    let results = sources.wait(sources.runs.results(run_id))?;
    let Some(RunResults { facts: Some(facts), exceptions: Some(exceptions), .. }) = results else {
        return Err(MakeError::gone());
    };
    let rules = sources.wait(sources.runs.rules(&request))?;
    let reader = |name: &str, version: ObjectVersion| {
        let key = format!("{}/{name}", keys::results(run_id));
        ObjectReader::new(sources.storage.clone(), key, version.size, version.etag)
    };
    let parameters = request.run().parameters();
    let settings = RunSettings::new(parameters.irr_target.percent(), parameters.pdate, &request.reading, &rules);
    let facts = FactsReader::open(reader(FACTS_FILE, facts))?;
    let exceptions = ExceptionsReader::open(reader(EXCEPTIONS_FILE, exceptions))?;
    Ok(OpenedRun { run_id, facts, exceptions, rules, settings })
}
