//! `--workbook FILE`: the decision workbook of a run on the command line.
//!
//! The workbook is made from the staged results, beside them, and gets its name before they get theirs: a run that fails leaves
//! none.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

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
    Surroundings,
    command_error::CommandError,
    staging::{Places, Staging},
    tapes::FoundTape,
};

/// Where the decision workbook of a run goes.
pub struct DecisionBook {
    /// The file, as the user knows it.
    pub shown: PathBuf,
    place: PathBuf,
}

impl DecisionBook {
    /// The workbook of a run of these tapes.
    ///
    /// # Errors
    /// A name that is not one of a workbook, a folder that is not there, a file that the run reads or writes otherwise.
    pub fn new(shown: &Path, tapes: &[FoundTape], places: Option<&Places>, around: &Surroundings) -> Result<Self, CommandError> {
        let place = around.locate(shown);
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
        Ok(Self { shown: shown.to_owned(), place })
    }

    /// Removes the workbook of an earlier run, as its results are removed: a run that fails must not leave it behind.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn withdraw(&self) -> Result<(), RunError> {
        match fs::remove_file(&self.place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.not_written(&error)),
            _ => Ok(()),
        }
    }

    /// Makes the workbook among the staged results.
    pub fn make(&self, staging: &Staging, run: &Run, outcome: &Outcome) -> Result<(), RunError> {
        self.write(staging, run, outcome).map_err(|error| match error {
            WorkbookError::Write(error) => self.not_written(&error),
            error => RunError::internal(Phase::Output, format!("The workbook could not be made: {error}")),
        })
    }

    fn write(&self, staging: &Staging, run: &Run, outcome: &Outcome) -> Result<(), WorkbookError> {
        let summary = outcome.summary.finish();
        let summary = RunSummary { run_id: run.run_id(), status: run.status(), summary: &summary };
        let decided = DecidedRun::read(&serde_json::to_vec(run)?, &serde_json::to_vec(&summary)?)?;
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

    /// Gives the workbook its name, and then the results theirs. When the latter fails, there is no workbook either.
    pub fn publish(&self, staging: Staging) -> Result<(), RunError> {
        self.place(&staging)?;
        staging.publish().inspect_err(|_| {
            // The first error is the one to tell.
            let _ = fs::remove_file(&self.place);
        })
    }

    fn place(&self, staging: &Staging) -> Result<(), RunError> {
        let staged = staging.staged(WORKBOOK_FILE);
        let placed = match fs::rename(&staged, &self.place) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => self.copy(&staged),
            placed => placed,
        };
        placed.map_err(|error| self.not_written(&error))
    }

    /// Copies the workbook to another file system: there under another name first, so that nobody finds a half of it.
    fn copy(&self, staged: &Path) -> io::Result<()> {
        let copied = self.place.with_extension("xlsx.loan-engine-new");
        let placed = fs::copy(staged, &copied).and_then(|_| fs::rename(&copied, &self.place));
        if placed.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&copied);
        }
        placed
    }

    fn not_written(&self, error: &io::Error) -> RunError {
        RunError::output(Phase::Output, &format!("The workbook {}", self.shown.display()), error)
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::SystemClock;
    use uuid::Uuid;

    use super::*;
    use crate::staging::{Begun, RESULT_FILES};

    /// A staging with all results and a workbook, and where the workbook goes.
    fn staged(folder: &Path) -> (Staging, DecisionBook) {
        let around = Surroundings::bare(SystemClock, folder.to_owned());
        let places = Places::new(Some(Path::new("out")), true, Uuid::from_u128(7), &around);
        let book = DecisionBook::new(Path::new("book.xlsx"), &[], Some(&places), &around);
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
        book.publish(staging).unwrap();
        assert_eq!(fs::read(folder.path().join("book.xlsx")).unwrap(), b"new");
        assert!(!folder.path().join("out").join(WORKBOOK_FILE).exists());
    }

    #[test]
    fn results_that_cannot_be_placed_leave_no_workbook() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        // It was not there when the run began.
        fs::create_dir(folder.path().join("out").join(FACTS_FILE)).unwrap();
        assert!(book.publish(staging).is_err());
        assert!(!folder.path().join("book.xlsx").exists());
    }

    #[test]
    fn a_workbook_that_cannot_be_placed_leaves_no_results() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        fs::create_dir_all(folder.path().join("book.xlsx/in the way")).unwrap();
        let error = book.publish(staging).unwrap_err();
        assert!(error.message.starts_with("The workbook book.xlsx could not be written: "), "{error}");
        assert!(!folder.path().join("out/manifest.json").exists());
    }

    #[test]
    fn a_workbook_is_copied_where_it_cannot_be_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        fs::write(&book.place, "old").unwrap();
        book.copy(&staging.staged(WORKBOOK_FILE)).unwrap();
        drop(staging);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!((names, fs::read(&book.place).unwrap()), (vec!["book.xlsx".into()], b"new".to_vec()));
    }
}
