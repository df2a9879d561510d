//! The tapes of a run: the order of their loans, and the columns that no rule reads.

use std::collections::{HashMap, hash_map::Entry};

use super::figures::TapeFigures;

/// Place of a loan in a run: index of the tape, and line in the tape. The place of a later loan is greater.
pub type TapePlace = (usize, u64);

/// The tapes of a run, in order.
pub struct TapeOrder<'r> {
    places: HashMap<&'r str, usize>,
    /// Columns of all tapes that are only kept, in the order of their first appearance.
    pub kept: Vec<&'r str>,
    kept_places: HashMap<&'r str, usize>,
}

impl<'r> TapeOrder<'r> {
    /// Takes the tapes in the order of the run.
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

    /// The place of a loan; `None` when the run has no such tape.
    pub fn place(&self, source_file: &str, line: u64) -> Option<TapePlace> {
        Some((*self.places.get(source_file)?, line))
    }

    /// Index of a column in `kept`; `None` when the column is not kept.
    pub fn kept_place(&self, name: &str) -> Option<usize> {
        self.kept_places.get(name).copied()
    }
}
