//! Where the files of a run go.

use std::path::{Path, PathBuf};

use command::CommandContext;
use shared::{
    facts::{EXCEPTIONS_FILE, FACTS_FILE},
    manifest::MANIFEST_FILE,
    results::outputs::OUTPUTS,
};
use uuid::Uuid;

/// The files of a run except the archive, in the order in which they appear. The manifest comes last.
pub const RESULT_FILES: [&str; OUTPUTS.len() + 4] = {
    let mut names = [MANIFEST_FILE; OUTPUTS.len() + 4];
    let mut at = 0;
    while at < OUTPUTS.len() {
        names[at] = OUTPUTS[at].file_name;
        at += 1;
    }
    [names[at], names[at + 1], names[at + 2]] = [FACTS_FILE, EXCEPTIONS_FILE, SUMMARY_FILE];
    names
};

/// The run with its summary and its reasons. It has times of day, so that the manifest does not name it.
pub const SUMMARY_FILE: &str = "summary.json";

/// Where the files of a run go.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder of the results, as messages show it.
    pub shown: PathBuf,
    /// The folder of the archive, as messages show it; `None` for a run that is not archived.
    pub shown_archive: Option<PathBuf>,
    /// The folder in which results are staged. The next run uses the same one, and so finds what a killed run left.
    pub(super) staged_in: PathBuf,
    /// The folder of all archives.
    pub(super) archives: PathBuf,
    pub(super) run_id: Uuid,
    /// Whether the results of each run have a folder of their own.
    apart: bool,
}

impl Places {
    /// With `out`, all files go to that folder. Without it, the results go to `outputs/{run_id}` and the archive to
    /// `archive/{run_id}`.
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

    /// Whether this file is in the place of a result: the run would overwrite it, or the next run would read a result as a tape.
    pub fn would_overwrite(&self, file: &Path) -> bool {
        let results = self.results();
        RESULT_FILES.iter().any(|name| results.join(name).canonicalize().is_ok_and(|result| result == file))
    }

    /// Whether this is the path of a result, which need not exist yet.
    pub fn is_result(&self, file: &Path) -> bool {
        RESULT_FILES.iter().any(|name| self.results().join(name) == file)
    }

    /// Whether the run creates this folder when it begins: the folder that the user gave for results.
    pub fn begins_in(&self, folder: &Path) -> bool {
        self.staged_in == folder
    }

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
