//! Where the files of a run go.

use std::path::{Path, PathBuf};

use command::CommandContext;
use shared::{
    facts::{EXCEPTIONS_FILE, FACTS_FILE},
    manifest::MANIFEST_FILE,
    results::csv::OutputFile,
};
use uuid::Uuid;

/// The files of a run beside the archive, in the order in which they appear. The manifest comes last.
pub const RESULT_FILES: [&str; 7] = [
    OutputFile::PurchaseTape.file_name(),
    OutputFile::ProjectedTape.file_name(),
    OutputFile::RejectionReport.file_name(),
    OutputFile::ExceptionSummary.file_name(),
    FACTS_FILE,
    EXCEPTIONS_FILE,
    MANIFEST_FILE,
];

/// Where the decision workbook of a run goes.
#[derive(Debug, Clone)]
pub struct WorkbookPlace {
    /// The file, as the user knows it.
    pub shown: PathBuf,
    /// The file.
    pub file: PathBuf,
}

/// Where the files of a run go.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder of the results, as the user knows it.
    pub shown: PathBuf,
    /// The folder of the archive, as the user knows it; `None` for a run that is not archived.
    pub shown_archive: Option<PathBuf>,
    /// The folder in which results are staged: one that is there again in the next run.
    pub(super) staged_in: PathBuf,
    /// The folder of all archives.
    pub(super) archives: PathBuf,
    pub(super) run_id: Uuid,
    /// Whether the results of each run have a folder of their own.
    apart: bool,
}

impl Places {
    /// With a folder of the user's, everything goes there. Without one the results go to `outputs/{run_id}` and the
    /// archive to `archive/{run_id}`.
    pub fn new(out: Option<&Path>, archived: bool, run_id: Uuid, context: &CommandContext) -> Self {
        let id = run_id.to_string();
        let (shown, staged_in, archives) = match out {
            Some(folder) => (folder.to_owned(), folder.to_owned(), folder.join("archive")),
            None => (Path::new("outputs").join(&id), PathBuf::from("outputs"), PathBuf::from("archive")),
        };
        Self {
            shown,
            shown_archive: archived.then(|| archives.join(&id)),
            staged_in: context.locate(&staged_in),
            archives: context.locate(&archives),
            run_id,
            apart: out.is_none(),
        }
    }

    /// Whether the run would overwrite this file, or take its own results for tapes the next time.
    pub fn would_overwrite(&self, file: &Path) -> bool {
        let results = self.results();
        RESULT_FILES.iter().any(|name| results.join(name).canonicalize().is_ok_and(|result| result == file))
    }

    /// Whether a folder is there once the run has begun: the one that the user gave for results.
    pub fn begins_in(&self, folder: &Path) -> bool {
        self.staged_in == folder
    }

    /// The folder of the results.
    pub(super) fn results(&self) -> PathBuf {
        self.results_of(self.run_id)
    }

    /// The folder of the results of another run in the same place.
    pub(super) fn results_of(&self, run_id: Uuid) -> PathBuf {
        if self.apart { self.staged_in.join(run_id.to_string()) } else { self.staged_in.clone() }
    }

    /// The archive of any run in the same place.
    pub(super) fn archive_of(&self, run_id: Uuid) -> PathBuf {
        self.archives.join(run_id.to_string())
    }
}
