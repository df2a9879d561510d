//! One part of a run.

use std::{
    io::{self, Read as _, Write},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use crate::{
    error::{Phase, RunError},
    phases::validate::FirstUse,
    results::outputs::LoanRows,
    tape::{Tape, TapeReader, block_text, records::RecordBlock},
};

use super::{
    super::{
        Job, Workers,
        block::{JudgingContext, WorkerCaches, judge_block},
        cut::CutBlock,
        feed::Feed,
        intake::Repeat,
        latest::RecordSet,
        loan_numbers::NumberHasher,
        row_reader::RowReader,
        turnstile::Turnstile,
        work_together,
    },
    Part, PartStore, Plan, frames,
    frames::{End, FrameKind},
    part_file, repeats_file, superseded_file, unusable,
};

/// Judges the rows of one part and stores the results. Processing a part again stores the same results.
///
/// # Errors
/// The error of a tape that cannot be read. `OutputFailed` when the results cannot be stored. `StorageFailed` when a list that
/// the plan keeps for the part is missing or damaged. `Internal` when the job has other tapes than the plan, the plan has no such
/// part, or the part has another number of rows than planned.
pub fn process(job: &Job<'_>, plan: &Plan, part: usize, store: &dyn PartStore) -> Result<(), RunError> {
    plan.check(job)?;
    let none = || RunError::internal(Phase::Ingest, format!("The plan has no part {part}."));
    let planned @ Part { tape: at, start, end, line, .. } = plan.parts.get(part).ok_or_else(none)?;
    let (source, of) = job.tapes.get(*at).zip(plan.tapes.get(*at)).ok_or_else(none)?;
    let tape = Tape::known(source.as_ref(), &of.known).ok_or_else(none)?;
    let name = part_file(part);
    let not_kept = |error: io::Error| RunError::output(Phase::Output, &name, &error);
    let mut reader = RowReader::new(&tape, job.rules, job.options).among(plan.tapes.len());
    reader.superseded = superseded_of(planned, part, store)?;
    let crew = PartCrew {
        job,
        plan,
        names: plan.tapes.iter().map(|tape| tape.source_file.clone()).collect(),
        part: planned,
        reader,
        hasher: NumberHasher::random(),
        feed: Feed::new((tape.read_within(job.tuning.block_bytes, *start..*end, *line)?, 0)),
        rows: Turnstile::new(PartRows { next: 0, repeats: repeats_of(planned, part, store)?, used: 0 }),
        kept: Turnstile::new(Kept { file: store.create(&name).map_err(not_kept)?, blocks: 0 }),
    };
    work_together(&crew, job.tuning.threads)?;
    let lost = || RunError::internal(Phase::Output, "A worker of the engine stopped. Please report this run.");
    let rows = crew.rows.into_state().ok_or_else(lost)?.next;
    let Kept { mut file, blocks } = crew.kept.into_state().ok_or_else(lost)?;
    if rows != planned.rows {
        let message =
            format!("Part {part} of the tape has {rows} rows, and was planned with {}. Start the run again.", planned.rows);
        return Err(RunError::internal(Phase::Ingest, message));
    }
    let ended = frames::pack(&End { part, blocks, rows }).and_then(|packed| {
        frames::write(&mut file, FrameKind::End, &packed)?;
        file.flush()
    });
    ended.map_err(not_kept)
}

/// The rows of a part that use a loan number that was used before.
fn repeats_of(planned: &Part, part: usize, store: &dyn PartStore) -> Result<Vec<Repeat>, RunError> {
    if planned.repeats == 0 {
        return Ok(Vec::new());
    }
    let what = format!("The list of repeated loan numbers of part {part}");
    let repeats: Vec<Repeat> = load(store, &repeats_file(part)).map_err(|error| unusable(&what, &error))?;
    if repeats.len() as u64 == planned.repeats {
        Ok(repeats)
    } else {
        Err(unusable(&what, &"it is not the one that was planned"))
    }
}

/// The rows of a part that a later row of the same loan supersedes.
fn superseded_of(planned: &Part, part: usize, store: &dyn PartStore) -> Result<RecordSet, RunError> {
    if !planned.supersedes {
        return Ok(RecordSet::default());
    }
    let what = format!("The list of superseded rows of part {part}");
    load(store, &superseded_file(part)).map_err(|error| unusable(&what, &error))
}

/// Reads a list that the plan keeps for a part.
fn load<T: DeserializeOwned>(store: &dyn PartStore, name: &str) -> io::Result<T> {
    let mut packed = Vec::new();
    store.open(name)?.read_to_end(&mut packed)?;
    frames::unpack(&packed)
}

/// The workers of a part and what they share.
struct PartCrew<'r, 't> {
    job: &'r Job<'r>,
    plan: &'r Plan,
    names: Vec<String>,
    part: &'r Part,
    reader: RowReader<'t>,
    hasher: NumberHasher,
    feed: Feed<(TapeReader<'t>, u64)>,
    rows: Turnstile<PartRows>,
    kept: Turnstile<Kept>,
}

/// Position in the rows of the part, and in their repeats.
struct PartRows {
    next: u64,
    repeats: Vec<Repeat>,
    /// Number of repeats that have been handed out.
    used: usize,
}

/// The results that have been stored.
struct Kept {
    file: Box<dyn Write + Send>,
    blocks: u64,
}

impl PartRows {
    /// Takes the repeats of the next `rows` rows. Their row numbers count from the first of these rows.
    fn take(&mut self, rows: usize) -> Vec<Repeat> {
        let (first, end) = (self.next, self.next + rows as u64);
        self.next = end;
        let repeats = &self.repeats[self.used..];
        let repeats = &repeats[..repeats.partition_point(|repeat| repeat.row < end)];
        self.used += repeats.len();
        repeats.iter().map(|repeat| Repeat { row: repeat.row - first, ..*repeat }).collect()
    }
}

impl PartCrew<'_, '_> {
    fn next_block(&self, block: &mut RecordBlock) -> Result<Option<u64>, RunError> {
        self.feed.next(|(reader, next)| {
            let read = reader.next_block(block)?;
            *next += u64::from(read);
            Ok(read.then(|| *next - 1))
        })
    }
}

impl Workers for PartCrew<'_, '_> {
    fn work(&self) -> Result<(), RunError> {
        let (mut block, mut cut, mut caches) = (RecordBlock::default(), CutBlock::default(), WorkerCaches::default());
        let mut room = LoanRows::default();
        let Part { tape, .. } = *self.part;
        let pricing = self.job.pricing();
        let context = JudgingContext {
            rules: self.job.rules,
            pricing: &pricing,
            waivers: self.job.waivers.map(Arc::as_ref),
            list_rows: self.plan.list_rows,
            store_facts: self.plan.store_facts,
        };
        while let Some(ticket) = self.next_block(&mut block)? {
            let text = block_text(&block, self.job.tapes[tape].as_ref())?;
            cut.cut(&block, text, &self.reader, &self.hasher);
            let Some(repeats) = self.rows.pass(ticket, |rows| rows.take(cut.rows())) else { return Ok(()) };
            let first_use = |repeat: &Repeat| (repeat.row as u32, repeat.first_use(&self.names));
            let repeats: Vec<(u32, FirstUse)> = repeats.iter().map(first_use).collect();
            let judged = judge_block(&block, text, &cut, (tape, &self.reader), context, &repeats, room, &mut caches);
            let packed = frames::pack(&judged);
            room = judged.rows;
            let kept = self.kept.pass(ticket, |kept| {
                kept.blocks += 1;
                frames::write(&mut kept.file, FrameKind::Block, &packed?)
            });
            match kept {
                Some(kept) => kept.map_err(|error| RunError::output(Phase::Output, "What a part gave", &error))?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn close(&self) {
        self.rows.close();
        self.kept.close();
    }
}
