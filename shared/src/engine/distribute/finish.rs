//! The last step of a run in parts.

use std::{
    io::Read,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{error::RunError, tape::Tape};

use super::{
    super::{Job, Outcome, Workers, assembly::Assembly, block::JudgedBlock, feed::Feed, work_together},
    PartStore, Plan, frames,
    frames::{End, FrameKind},
    part_file, unusable,
};

/// Puts the results together from the results of all parts.
///
/// # Errors
/// The error with which a part was refused. `StorageFailed` when a part is missing or damaged, or the plan is damaged.
/// `OutputFailed` when a result cannot be written. `NoDataRows` when a tape has no loan. `Internal` when the job has other tapes
/// than the plan. The destination must discard what was written before the error.
pub fn finish(job: &Job<'_>, plan: &Plan, store: &dyn PartStore) -> Result<Outcome, RunError> {
    plan.check(job)?;
    let tapes = plan.tapes.iter().zip(job.tapes).map(|(tape, source)| {
        let known = Tape::known(source.as_ref(), &tape.known).ok_or_else(|| unusable("The plan", &"it is of no tape"))?;
        Ok(known.mapping())
    });
    let mappings = tapes.collect::<Result<Vec<_>, RunError>>()?;
    let named = plan.tapes.iter().map(|tape| (tape.source_file.clone(), tape.known.notices.clone()));
    let crew = FinishCrew {
        plan,
        store,
        feed: Feed::new(PartReader { part: 0, file: None, blocks: 0, next_block: 0 }),
        bytes: AtomicU64::new(0),
        assembly: Assembly::new(job, named.collect())?,
    };
    work_together(&crew, job.tuning.threads)?;
    crew.assembly.finish(plan.inputs.clone(), mappings)
}

/// The workers and what they share.
struct FinishCrew<'r> {
    plan: &'r Plan,
    store: &'r dyn PartStore,
    feed: Feed<PartReader>,
    bytes: AtomicU64,
    assembly: Assembly<'r>,
}

/// The source of the next block.
struct PartReader {
    part: usize,
    file: Option<Box<dyn Read + Send>>,
    /// Number of blocks of this part that have been read.
    blocks: u64,
    next_block: u64,
}

impl FinishCrew<'_> {
    /// Reads the next block. Returns its ticket, its part, and the packed block.
    fn next_block(&self) -> Result<Option<(u64, usize, Vec<u8>)>, RunError> {
        self.feed.next(|feed| self.read(feed))
    }

    fn read(&self, feed: &mut PartReader) -> Result<Option<(u64, usize, Vec<u8>)>, RunError> {
        while let Some(planned) = self.plan.parts.get(feed.part) {
            let failed = |error| unusable(&format!("Part {}", feed.part), &error);
            let file = match &mut feed.file {
                Some(file) => file,
                none => none.insert(self.store.open(&part_file(feed.part)).map_err(failed)?),
            };
            match frames::read(file).map_err(failed)? {
                (FrameKind::Block, packed) => {
                    feed.blocks += 1;
                    feed.next_block += 1;
                    let before: u64 = self.plan.tapes[..planned.tape].iter().map(|tape| tape.size).sum();
                    self.bytes.store(before + planned.end, Ordering::Relaxed);
                    return Ok(Some((feed.next_block - 1, feed.part, packed)));
                }
                (FrameKind::Refused, packed) => return Err(frames::refusal(&packed).unwrap_or_else(failed)),
                (FrameKind::End, packed) => {
                    let end: End = frames::unpack(&packed).map_err(failed)?;
                    if end != (End { part: feed.part, blocks: feed.blocks, rows: planned.rows }) {
                        return Err(failed(std::io::ErrorKind::InvalidData.into()));
                    }
                    feed.file = None;
                    feed.blocks = 0;
                    feed.part += 1;
                }
            }
        }
        Ok(None)
    }
}

impl Workers for FinishCrew<'_> {
    fn work(&self) -> Result<(), RunError> {
        while let Some((ticket, part, packed)) = self.next_block()? {
            let judged: JudgedBlock = frames::unpack(&packed).map_err(|error| unusable(&format!("Part {part}"), &error))?;
            if self.plan.parts.get(part).is_none_or(|planned| planned.tape != judged.tape) {
                return Err(unusable(&format!("Part {part}"), &"it is of another tape"));
            }
            if self.assembly.append(ticket, judged, &self.bytes)?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn close(&self) {
        self.assembly.close();
    }
}
