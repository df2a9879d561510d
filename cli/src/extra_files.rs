//! Files that a run writes on request, apart from its results: the decision workbook (`--workbook FILE`), the seller return
//! (`--seller-return FILE`) and the purchase advice (`--purchase-advice FILE`).
//!
//! The run writes them from the staged results, into the same folder, and publishes all together, so that a failed run leaves none
//! of them.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use command::{CommandContext, error::CommandError, plain_text::one_line};
use shared::{
    engine::{Destination as _, Outcome, open_tapes},
    error::{Phase, RunError},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionsReader, FactsReader},
    },
    results::{
        purchase_advice::{self, AdviceError, PURCHASE_ADVICE_FILE, write_purchase_advice},
        workbook::{
            DecidedRun, RETURN_FILE, ReturnError, ReturnedRun, SheetLimits, Stored, WORKBOOK_FILE, WorkbookError, is_own_return,
            is_own_workbook, write_decisions, write_seller_return,
        },
    },
    rules::rule_set::RuleSet,
    run::Run,
    run_summary::RunSummary,
    tape::{options::TapeOptions, request::ReadingRequest, source::TapeSource},
};

use crate::{
    arguments::RunArgs,
    staging::{Places, Staging},
    tapes::FoundTape,
};

/// A kind of file that a run writes on request, apart from its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraKind {
    Workbook,
    SellerReturn,
    PurchaseAdvice,
}

/// Whether a file is one that a run wrote on request.
pub fn is_extra_file(file: &Path) -> bool {
    let is = |kind: ExtraKind| kind.is_named_by(file) && kind.is_own(file);
    [ExtraKind::Workbook, ExtraKind::SellerReturn, ExtraKind::PurchaseAdvice].into_iter().any(is)
}

impl ExtraKind {
    /// Begins the sentences about the file.
    fn noun(self) -> &'static str {
        match self {
            Self::Workbook => "The workbook",
            Self::SellerReturn => "The seller return",
            Self::PurchaseAdvice => "The purchase advice",
        }
    }

    /// Name of the file while it is staged.
    pub fn staged_name(self) -> &'static str {
        match self {
            Self::Workbook => WORKBOOK_FILE,
            Self::SellerReturn => RETURN_FILE,
            Self::PurchaseAdvice => PURCHASE_ADVICE_FILE,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Workbook | Self::SellerReturn => "xlsx",
            Self::PurchaseAdvice => "csv",
        }
    }

    fn is_named_by(self, file: &Path) -> bool {
        file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(self.extension()))
    }

    /// Whether a file is one of this kind that an earlier run wrote. Any other file belongs to the user.
    fn is_own(self, file: &Path) -> bool {
        let Ok(mut open) = File::open(file) else { return false };
        match self {
            Self::Workbook => is_own_workbook(&mut open).unwrap_or(false),
            Self::SellerReturn => is_own_return(&mut open).unwrap_or(false),
            Self::PurchaseAdvice => {
                let mut head = [0; purchase_advice::HEADER.len()];
                open.read_exact(&mut head).is_ok_and(|()| head == purchase_advice::HEADER.as_bytes())
            }
        }
    }
}

/// A file that a run writes on request, apart from its results.
#[derive(Debug, Clone)]
pub struct ExtraFile {
    pub kind: ExtraKind,
    /// Path that the user gave, for messages.
    pub shown: PathBuf,
    /// Path to write to.
    pub file: PathBuf,
}

/// Checks where the extra files of a run of these tapes go.
///
/// # Errors
/// Those of [`ExtraFile::new`]; [`CommandError::Usage`] when two of them have the same place.
pub fn extra_files(
    args: &RunArgs,
    tapes: &[FoundTape],
    places: Option<&Places>,
    context: &CommandContext,
) -> Result<Vec<ExtraFile>, CommandError> {
    let asked = [
        (ExtraKind::Workbook, &args.workbook),
        (ExtraKind::SellerReturn, &args.seller_return),
        (ExtraKind::PurchaseAdvice, &args.purchase_advice),
    ];
    let asked = asked.into_iter().filter_map(|(kind, shown)| Some((kind, shown.as_deref()?)));
    let files: Vec<ExtraFile> =
        asked.map(|(kind, shown)| ExtraFile::new(kind, shown, tapes, places, context)).collect::<Result<_, _>>()?;
    for (at, file) in files.iter().enumerate() {
        if let Some(other) = files[..at].iter().find(|other| other.file == file.file) {
            let (one, two) = (other.kind.noun(), file.kind.noun().to_lowercase());
            let shown = file.shown.display();
            return Err(CommandError::Usage(format!("{one} and {two} have the same name {shown}. Choose two names.")));
        }
    }
    Ok(files)
}

impl ExtraFile {
    /// Checks where a file of a run of these tapes goes.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when the name has another extension, the folder does not exist, or the file is a folder, a tape
    /// or another result of the run.
    pub fn new(
        kind: ExtraKind,
        shown: &Path,
        tapes: &[FoundTape],
        places: Option<&Places>,
        context: &CommandContext,
    ) -> Result<Self, CommandError> {
        let place = context.locate(shown);
        let refuse = |what: &str| Err(CommandError::Usage(format!("{} {} {what}", kind.noun(), shown.display())));
        if !kind.is_named_by(&place) {
            let wanted = kind.extension();
            return refuse(&format!("must have a name that ends in .{wanted}, because spreadsheets go by it."));
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
        let is_result = |file: &Path| places.is_some_and(|places| places.would_overwrite(file));
        let will_be_result = places.is_some_and(|places| places.is_result(&place));
        if will_be_result || file.is_ok_and(|file| tapes.iter().any(|tape| tape.file == file) || is_result(&file)) {
            return refuse("would replace a tape or a result of this run. Choose another name.");
        }
        Ok(Self { kind, shown: shown.to_owned(), file: place })
    }

    /// The line of the summary that says where the file is.
    pub fn told(&self) -> String {
        let noun = self.kind.noun().trim_start_matches("The ");
        let (first, rest) = noun.split_at(1);
        format!("{}{rest} in {}\n", first.to_uppercase(), one_line(&self.shown.display().to_string()))
    }

    /// Removes the file of an earlier run, as its results are removed: a run that fails must not leave it behind. Any other
    /// file of that name belongs to the user, and stays until this run replaces it.
    ///
    /// # Errors
    /// [`RunError`] when the file cannot be removed.
    pub fn withdraw(&self) -> Result<(), RunError> {
        if !self.file.is_file() || !self.kind.is_own(&self.file) {
            return Ok(());
        }
        fs::remove_file(&self.file).map_err(|error| self.not_written(&error))
    }

    /// Writes the file into the folder of staged results.
    ///
    /// # Errors
    /// [`RunError`] when the staged results cannot be read, or the file cannot be written.
    pub fn make(&self, staging: &Staging, run: &Run, outcome: &Outcome, read: &ReadTapes<'_>) -> Result<(), RunError> {
        match self.kind {
            ExtraKind::SellerReturn => write_return(staging, run, outcome, read).map_err(|error| match error {
                ReturnError::Tape(error) => error,
                ReturnError::Workbook(WorkbookError::Write(error)) => self.not_written(&error),
                ReturnError::Workbook(error) => self.not_made(&error),
            }),
            ExtraKind::Workbook => write_workbook(staging, run, outcome).map_err(|error| match error {
                WorkbookError::Write(error) => self.not_written(&error),
                error => self.not_made(&error),
            }),
            ExtraKind::PurchaseAdvice => write_advice(staging, outcome).map_err(|error| match error {
                AdviceError::Write(error) => self.not_written(&error),
                error @ AdviceError::Read(_) => self.not_made(&error),
            }),
        }
    }

    /// The error for a file that could not be written.
    pub fn not_written(&self, error: &io::Error) -> RunError {
        RunError::output(Phase::Output, &format!("{} {}", self.kind.noun(), self.shown.display()), error)
    }

    fn not_made(&self, error: &dyn std::error::Error) -> RunError {
        RunError::internal(Phase::Output, format!("{} could not be made: {error}", self.kind.noun()))
    }
}

/// How the run reads its tapes.
pub struct ReadTapes<'r> {
    pub sources: &'r [Box<dyn TapeSource>],
    pub options: &'r TapeOptions,
    pub rules: &'r RuleSet,
    pub reading: &'r ReadingRequest,
}

fn write_return(staging: &Staging, run: &Run, outcome: &Outcome, read: &ReadTapes<'_>) -> Result<(), ReturnError> {
    let open = |name: &str| File::open(staging.staged(name)).map_err(WorkbookError::from);
    let returned = ReturnedRun {
        run_id: run.run_id(),
        created_at: run.created_at(),
        reading: read.reading,
        tapes: &open_tapes(read.sources, read.options, read.rules)?,
        facts: &FactsReader::open(open(FACTS_FILE)?)?,
        exceptions: &ExceptionsReader::open(open(EXCEPTIONS_FILE)?)?,
        index: &outcome.index,
    };
    let mut out = staging.create(RETURN_FILE).map_err(WorkbookError::from)?;
    write_seller_return(&mut out, &returned, SheetLimits::default())?;
    Ok(out.flush().map_err(WorkbookError::from)?)
}

fn write_workbook(staging: &Staging, run: &Run, outcome: &Outcome) -> Result<(), WorkbookError> {
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

fn write_advice(staging: &Staging, outcome: &Outcome) -> Result<(), AdviceError> {
    let facts = FactsReader::open(File::open(staging.staged(FACTS_FILE))?)?;
    let mut out = staging.create(PURCHASE_ADVICE_FILE)?;
    write_purchase_advice(&mut out, &facts, &outcome.index)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use shared::clock::SystemClock;
    use uuid::Uuid;

    use crate::staging::{Begun, RESULT_FILES};

    use super::*;

    /// A staging with all results and a workbook, and where the workbook goes.
    fn staged(folder: &Path) -> (Staging, ExtraFile) {
        let context = CommandContext::bare(SystemClock, folder.to_owned());
        let places = Places::new(Some(Path::new("out")), true, Uuid::from_u128(7), &context);
        let book = ExtraFile::new(ExtraKind::Workbook, Path::new("book.xlsx"), &[], Some(&places), &context);
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
        staging.publish(&[book]).unwrap();
        assert_eq!(fs::read(folder.path().join("book.xlsx")).unwrap(), b"new");
        assert!(!folder.path().join("out").join(WORKBOOK_FILE).exists());
    }

    #[test]
    fn results_that_cannot_be_placed_leave_no_workbook() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        // This folder did not exist when the run began.
        fs::create_dir(folder.path().join("out").join(FACTS_FILE)).unwrap();
        assert!(staging.publish(&[book]).is_err());
        assert!(!folder.path().join("book.xlsx").exists());
    }

    #[test]
    fn a_workbook_that_cannot_be_placed_leaves_no_results() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, book) = staged(folder.path());
        fs::create_dir_all(folder.path().join("book.xlsx/in the way")).unwrap();
        let error = staging.publish(&[book]).unwrap_err();
        assert!(error.message.starts_with("The workbook book.xlsx could not be written: "), "{error}");
        assert!(!folder.path().join("out/manifest.json").exists());
    }
}
