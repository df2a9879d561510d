//! The first step of a run in parts.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::{
    error::{Phase, RunError},
    tape::{Tape, records::RecordBlock},
};

use super::{
    super::{
        Job, Workers,
        assembly::check_loans,
        cut::CutBlock,
        intake::{Intake, Repeat},
        latest::RecordSet,
        open_tapes, readers,
        row_reader::RowReader,
        work_together,
    },
    Part, PartStore, Plan, Planned, PlannedTape, frames, keep, repeats_file, superseded_file,
};

/// Reads all tapes of a job once and cuts them into parts of about `part_bytes` bytes. Stores the lists of repeats and superseded
/// rows, but not the plan itself.
///
/// # Errors
/// The error of a tape that cannot be used, which is also the error of a run by one worker. `OutputFailed` when a list cannot be
/// stored.
pub fn plan(job: &Job<'_>, part_bytes: u64, store: &dyn PartStore) -> Result<Planned, RunError> {
    let tapes = open_tapes(job.tapes, job.options, job.rules)?;
    if !tapes.iter().all(Tape::can_be_split) {
        return Ok(Planned::Whole);
    }
    let readers = readers(job, &tapes)?;
    let cutter = Cutter {
        part_bytes,
        sizes: job.tapes.iter().map(|source| source.size()).collect(),
        store,
        parts: Vec::new(),
        repeats: Vec::new(),
        superseded: RecordSet::default(),
        records: 0,
        readers: &readers,
        loans: vec![0; tapes.len()],
    };
    let crew = PlanCrew { intake: Intake::new(job, &tapes, &readers), cutter: Mutex::new(cutter) };
    work_together(&crew, job.tuning.threads)?;
    // The encoding is certain only after reading: a tape may end in bytes that are not UTF-8.
    if !tapes.iter().all(Tape::can_be_split) {
        return Ok(Planned::Whole);
    }
    let mappings: Vec<_> = tapes.iter().map(Tape::mapping).collect();
    let mut cutter = crew.cutter.into_inner().unwrap_or_else(PoisonError::into_inner);
    check_loans(&cutter.loans, &mappings)?;
    cutter.end_part(None)?;
    let planned = job.tapes.iter().zip(&tapes).map(|(source, tape)| PlannedTape {
        source_file: source.name().to_owned(),
        size: source.size(),
        known: tape.knowledge(),
    });
    Ok(Planned::Parts(Plan {
        tapes: planned.collect(),
        parts: cutter.parts,
        inputs: crew.intake.finish(),
        list_rows: job.destination.is_some(),
        store_facts: job.destination.is_some_and(|destination| destination.keeps_records()),
    }))
}

/// Workers that read without judging.
struct PlanCrew<'r, 't> {
    intake: Intake<'r, 't>,
    cutter: Mutex<Cutter<'t, 't>>,
}

impl Workers for PlanCrew<'_, '_> {
    fn work(&self) -> Result<(), RunError> {
        let (mut block, mut cut) = (RecordBlock::default(), CutBlock::default());
        while let Some((ticket, tape)) = self.intake.next_block(&mut block)? {
            self.intake.cut(tape, &block, &mut cut)?;
            let failure = cut.failure.take();
            let cut_parts = |repeats: Vec<Repeat>| {
                if let Some(failure) = failure {
                    return Err(failure);
                }
                let mut cutter = self.cutter.lock().unwrap_or_else(PoisonError::into_inner);
                cutter.add(tape, &block, &cut, &repeats)
            };
            match self.intake.pass(ticket, tape, &block, &cut, cut_parts) {
                Some(added) => added?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn close(&self) {
        self.intake.close();
    }
}

/// Cuts parts from blocks that come in tape order.
struct Cutter<'r, 't> {
    readers: &'r [RowReader<'t>],
    part_bytes: u64,
    /// Sizes of the tapes in bytes.
    sizes: Vec<u64>,
    store: &'r dyn PartStore,
    /// The parts. The last one still grows.
    parts: Vec<Part>,
    /// Repeats of the last part.
    repeats: Vec<Repeat>,
    /// Superseded rows of the last part, and its number of records.
    superseded: RecordSet,
    records: u64,
    /// Number of loans of each tape.
    loans: Vec<u64>,
}

impl Cutter<'_, '_> {
    fn add(&mut self, tape: usize, block: &RecordBlock, cut: &CutBlock, repeats: &[Repeat]) -> Result<(), RunError> {
        self.loans[tape] += cut.rows() as u64;
        let mut repeats = repeats.iter().peekable();
        let mut rows = (0_u64..).zip(&cut.rows).peekable();
        for (at, record) in (0_u32..).zip(&block.records) {
            let place = block.offset + u64::from(record.start);
            let full = |part: &Part| part.tape != tape || place - part.start >= self.part_bytes;
            if self.parts.last().is_none_or(full) {
                self.end_part(Some((tape, place)))?;
                let end = self.sizes[tape];
                self.parts.push(Part { tape, start: place, end, line: record.line, rows: 0, repeats: 0, supersedes: false });
            }
            if self.readers[tape].superseded.contains(block.first + u64::from(at)) {
                self.superseded.insert(self.records);
            }
            self.records += 1;
            // A record that is not a loan is not a row.
            let Some((row, _)) = rows.next_if(|(_, row)| row.record == at) else { continue };
            let Some(part) = self.parts.last_mut() else { continue };
            if let Some(repeat) = repeats.next_if(|repeat| repeat.row == row) {
                self.repeats.push(Repeat { row: part.rows, ..*repeat });
                part.repeats += 1;
            }
            part.rows += 1;
        }
        Ok(())
    }

    /// Ends the last part where the next one begins, given as tape and byte. `None` ends it with the tape.
    fn end_part(&mut self, next: Option<(usize, u64)>) -> Result<(), RunError> {
        let Some((at, part)) = self.parts.iter_mut().enumerate().next_back() else { return Ok(()) };
        if let Some((_, place)) = next.filter(|(tape, _)| *tape == part.tape) {
            part.end = place;
        }
        let (repeats, superseded) = (std::mem::take(&mut self.repeats), std::mem::take(&mut self.superseded));
        self.records = 0;
        part.supersedes = !superseded.is_empty();
        if !repeats.is_empty() {
            keep_packed(self.store, &repeats_file(at), &repeats)?;
        }
        if !superseded.is_empty() {
            keep_packed(self.store, &superseded_file(at), &superseded)?;
        }
        Ok(())
    }
}

/// Writes a list that a part needs.
fn keep_packed(store: &dyn PartStore, name: &str, what: &impl Serialize) -> Result<(), RunError> {
    let kept = frames::pack(what).and_then(|packed| keep(store, name, &packed));
    kept.map_err(|error| RunError::output(Phase::Output, name, &error))
}
