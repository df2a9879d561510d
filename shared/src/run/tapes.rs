//! The tapes of a run, as the run names them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Largest number of tapes that a run names. `tapes_count` counts all of them.
pub const NAMED_TAPES: usize = 100;
/// The named tapes have at most this number of bytes together, as JSON, because the run is an item of the table, and lists of runs
/// read many.
const NAMED_BYTES: usize = 16 * 1024;

/// A tape of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunTape {
    /// Path of the tape in the area `inputs`.
    #[schema(example = "2026-02/february.csv")]
    pub path: String,
    /// Size in bytes.
    #[schema(example = 270)]
    pub size: u64,
    /// ETag of the version that the run reads. Null: the command line read the tape from a folder.
    #[schema(required, example = "\"5d41402abc4b2a76b9719d911017c592\"")]
    pub etag: Option<String>,
}

/// The first tapes of a run, and the number of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTapes {
    tapes: Vec<RunTape>,
    count: u64,
}

impl RunTapes {
    /// Names the first of these tapes, at most [`NAMED_TAPES`], and counts all.
    pub fn new(tapes: impl ExactSizeIterator<Item = RunTape>) -> Self {
        let count = tapes.len() as u64;
        let mut left = NAMED_BYTES;
        let fits = |tape: &RunTape| {
            let bytes = serde_json::to_string(tape).map_or(usize::MAX, |json| json.len() + 1);
            left.checked_sub(bytes).is_some_and(|rest| {
                left = rest;
                true
            })
        };
        Self { tapes: tapes.take(NAMED_TAPES).take_while(fits).collect(), count }
    }

    /// The tapes that a record names, and the number of all.
    pub fn of_record(tapes: Vec<RunTape>, count: u64) -> Self {
        Self { tapes, count }
    }

    /// The named tapes, in the order of their loans.
    pub fn named(&self) -> &[RunTape] {
        &self.tapes
    }

    /// Number of all tapes.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tape(path: String) -> RunTape {
        RunTape { path, size: 270, etag: Some("\"5d41402abc4b2a76b9719d911017c592\"".to_owned()) }
    }

    #[test]
    fn the_first_hundred_tapes_are_named_and_all_are_counted() {
        let all: Vec<RunTape> = (0..101).map(|at| tape(format!("2026-02/pool-{at}.csv"))).collect();
        let tapes = RunTapes::new(all.clone().into_iter());
        assert_eq!((tapes.named(), tapes.count()), (&all[..100], 101));
    }

    #[test]
    fn tapes_with_long_paths_fit_an_item() {
        let tapes = RunTapes::new((0..1_000).map(|_| tape("\u{1}".repeat(1_024))));
        assert_eq!((tapes.named().len(), tapes.count()), (2, 1_000));
        assert!(serde_json::to_string(tapes.named()).unwrap().len() <= NAMED_BYTES + 1);
    }
}
