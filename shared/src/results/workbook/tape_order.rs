//! The tapes of a run: in which order their loans come, and which of their columns no rule reads.

use std::collections::{HashMap, hash_map::Entry};

use super::figures::TapeFigures;

/// A place in a run: a tape, and a line of it. Places of later loans are greater.
pub type TapePlace = (usize, u64);

/// The tapes of a run, in order.
pub struct TapeOrder<'r> {
    places: HashMap<&'r str, usize>,
    /// The columns that are only kept, of all tapes, in the order in which they are first seen.
    pub kept: Vec<&'r str>,
    kept_places: HashMap<&'r str, usize>,
}

impl<'r> TapeOrder<'r> {
    /// The order of some tapes.
    pub fn new(tapes: &'r [TapeFigures]) -> Self {
        let places = tapes.iter().enumerate().map(|(at, tape)| (tape.source_file.as_str(), at)).collect();
        let (mut kept, mut kept_places) = (Vec::new(), HashMap::new());
        for column in tapes.iter().flat_map(|tape| &tape.columns).filter(|column| !column.is_judged()) {
            if let Entry::Vacant(vacant) = kept_places.entry(column.name.as_str()) {
                vacant.insert(kept.len());
                kept.push(column.name.as_str());
            }
        }
        Self { places, kept, kept_places }
    }

    /// The place of a loan; `None` when it is of no tape of the run.
    pub fn place(&self, source_file: &str, line: u64) -> Option<TapePlace> {
        Some((*self.places.get(source_file)?, line))
    }

    /// The place of a column among those that are kept.
    pub fn kept_place(&self, name: &str) -> Option<usize> {
        self.kept_places.get(name).copied()
    }
}
