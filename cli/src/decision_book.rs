//! `--workbook FILE`: the decision workbook of a run on the command line.
//!
//! The run writes the workbook from the staged results, into the same folder, and publishes both together, so that a failed run
//! leaves no workbook.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use command::{CommandContext, error::CommandError};
use shared::{
    engine::{Destination as _, Outcome},
    error::{Phase, RunError},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionsReader, FactsReader},
    },
    results::workbook::{DecidedRun, SheetLimits, Stored, WORKBOOK_FILE, WorkbookError, write_decisions},
    run::Run,
    run_summary::RunSummary,
};

use crate::{
    staging::{Places, Staging, WorkbookPlace, remove_own_workbook},
    tapes::FoundTape,
};

/// The decision workbook of a run.
pub struct DecisionBook {
    /// Where the workbook goes.
    pub place: WorkbookPlace,
}

impl DecisionBook {
    /// Checks where the workbook of a run of these tapes goes.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when the name does not end in `.xlsx`, the folder does not exist, or the file is a folder, a tape
    /// or another result of the run.
    pub fn new(
        shown: &Path,
        tapes: &[FoundTape],
        places: Option<&Places>,
        context: &CommandContext,
    ) -> Result<Self, CommandError> {
        let place = context.locate(shown);
        let refuse = |what: &str| Err(CommandError::Usage(format!("The workbook {} {what}", shown.display())));
        if !place.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx")) {
            return refuse("must have a name that ends in .xlsx, because spreadsheets go by it.");
        }
        if place.is_dir() {
            return refuse("is a folder. Name a file.");
        }
        let is_there = |folder: &&Path| folder.is_dir() || places.is_some_and(|places| places.begins_in(folder));
        let Some(folder) = place.parent().filter(is_there) else {
            return refuse("would be in a folder that is not there. Make the folder, or choose another one.");
        };
        let file = place
            .canonicalize()
            .or_else(|_| folder.canonicalize().map(|folder| folder.join(place.file_name().unwrap_or_default())));
        if file.is_ok_and(|file| {
            tapes.iter().any(|tape| tape.file == file) || places.is_some_and(|places| places.would_overwrite(&file))
        }) {
            return refuse("would replace a tape or a result of this run. Choose another name.");
        }
        Ok(Self { place: WorkbookPlace { shown: shown.to_owned(), file: place } })
    }

    /// Removes the workbook of an earlier run, as its results are removed: a run that fails must not leave it behind. Any other
    /// file of that name belongs to the user, and stays until this run replaces it.
    ///
    /// # Errors
    /// [`RunError`] when the file cannot be removed.
    pub fn withdraw(&self) -> Result<(), RunError> {
        remove_own_workbook(&self.place.file).map_err(|error| self.not_written(&error))
    }

    /// Writes the workbook into the folder of staged results.
    pub fn make(&self, staging: &Staging, run: &Run, outcome: &Outcome) -> Result<(), RunError> {
        self.write(staging, run, outcome).map_err(|error| match error {
            WorkbookError::Write(error) => self.not_written(&error),
            error => RunError::internal(Phase::Output, format!("The workbook could not be made: {error}")),
        })
    }

    fn write(&self, staging: &Staging, run: &Run, outcome: &Outcome) -> Result<(), WorkbookError> {
        let summary = outcome.summary.finish();
        let summary = RunSummary::new(run.run_id(), run.status(), &summary);
        let outputs = outcome.outputs.iter().map(|(output, _)| output.key);
        let decided = DecidedRun::read(&serde_json::to_vec(run)?, &serde_json::to_vec(&summary)?, outputs)?;
        let open = |name: &str| File::open(staging.staged(name));
        let stored = Stored {
            facts: &FactsReader::open(open(FACTS_FILE)?)?,
            exceptions: &ExceptionsReader::open(open(EXCEPTIONS_FILE)?)?,
            index: &outcome.index,
        };
        let mut out = staging.create(WORKBOOK_FILE)?;
        write_decisions(&mut out, &decided, &stored, SheetLimits::default())?;
        Ok(out.flush()?)
    }

    fn not_written(&self, error: &io::Error) -> RunError {
        RunError::output(Phase::Output, &format!("The workbook {}", self.place.shown.display()), error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use shared::clock::SystemClock;
    use uuid::Uuid;

    use crate::staging::{Begun, RESULT_FILES};

    use super::*;

    /// A staging with all results and a workbook, and where the workbook goes.
    fn staged(folder: &Path) -> (Staging, DecisionBook) {
        let context = CommandContext::bare(SystemClock, folder.to_owned());
        let places = Places::new(Some(Path::new("out")), true, Uuid::from_u128(7), &context);
        let book = DecisionBook::new(Path::new("book.xlsx"), &[], Some(&places), &context);
        let staging = Staging::new(places, Begun::default()).unwrap();
        for name in RESULT_FILES.into_iter().chain([WORKBOOK_FILE]) {
            staging.create(name).unwrap().write_all(b"new").unwrap();
        }
        (staging, book.unwrap_or_else(|error| panic!("{error:?}")))
    }

    #[test]
    fn a_workbook_is_there_with_the_results() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        staging.publish(Some(&book.place)).unwrap();
        assert_eq!(fs::read(folder.path().join("book.xlsx")).unwrap(), b"new");
        assert!(!folder.path().join("out").join(WORKBOOK_FILE).exists());
    }

    #[test]
    fn results_that_cannot_be_placed_leave_no_workbook() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        // This folder did not exist when the run began.
        fs::create_dir(folder.path().join("out").join(FACTS_FILE)).unwrap();
        assert!(staging.publish(Some(&book.place)).is_err());
        assert!(!folder.path().join("book.xlsx").exists());
    }

    #[test]
    fn a_workbook_that_cannot_be_placed_leaves_no_results() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        fs::create_dir_all(folder.path().join("book.xlsx/in the way")).unwrap();
        let error = staging.publish(Some(&book.place)).unwrap_err();
        assert!(error.message.starts_with("The workbook book.xlsx could not be written: "), "{error}");
        assert!(!folder.path().join("out/manifest.json").exists());
    }
}
