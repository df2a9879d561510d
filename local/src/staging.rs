//! Where the files of a run are written, and how they appear under their final names all at once or not at all.
//!
//! Results are staged inside the folder that they are for, the archive inside the folder of archives, so that what moves
//! them is a rename. What fails is removed again, with the folders that were made for it. A process that is killed between two
//! of the renames cannot do that: the manifest, which is there only beside all the files that it names, says what is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use shared::{
    engine::{Destination, Outcome},
    error::{Phase, RunError},
    facts::{EXCEPTIONS_FILE, FACTS_FILE},
    manifest::{MANIFEST_FILE, OUTPUT_FOLDER, archived_output, archived_tape},
    results::csv::OutputFile,
    tape::text::RawCopy,
};
use uuid::Uuid;

use crate::Surroundings;

const PREFIX: &str = ".loan-engine-";
/// Held by the process that works in a staging folder.
const LOCK_FILE: &str = ".lock";
/// What the results replace, until all of them are in place.
const REPLACED_FOLDER: &str = "replaced";

/// The files of a run beside the archive, in the order in which they appear.
pub const RESULT_FILES: [&str; 7] = [
    OutputFile::PurchaseTape.file_name(),
    OutputFile::ProjectedTape.file_name(),
    OutputFile::RejectionReport.file_name(),
    OutputFile::ExceptionSummary.file_name(),
    FACTS_FILE,
    EXCEPTIONS_FILE,
    MANIFEST_FILE,
];

/// Where the files of a run go.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder of the results, as the user knows it.
    pub shown: PathBuf,
    /// The folder of the archive, as the user knows it.
    pub shown_archive: PathBuf,
    results: PathBuf,
    /// The folder in which results are staged: one that is there again in the next run.
    staged_in: PathBuf,
    archives: PathBuf,
    run_id: Uuid,
}

impl Places {
    /// With a folder of the user's, everything goes there. Without one the results go to `outputs/{run_id}` and the
    /// archive to `archive/{run_id}`.
    pub fn new(out: Option<&Path>, run_id: Uuid, around: &Surroundings) -> Self {
        let id = run_id.to_string();
        let (shown, staged_in, archives) = match out {
            Some(folder) => (folder.to_owned(), folder.to_owned(), folder.join("archive")),
            None => (Path::new("outputs").join(&id), PathBuf::from("outputs"), PathBuf::from("archive")),
        };
        Self {
            results: around.locate(&shown),
            staged_in: around.locate(&staged_in),
            shown_archive: archives.join(&id),
            archives: around.locate(&archives),
            shown,
            run_id,
        }
    }

    /// Whether a folder is there once the run has begun: the one that the user gave for results.
    pub fn begins_in(&self, folder: &Path) -> bool {
        self.staged_in == folder
    }

    /// Whether the run would overwrite this file, or take its own results for tapes the next time.
    pub fn would_overwrite(&self, file: &Path) -> bool {
        RESULT_FILES.iter().any(|name| self.results.join(name).canonicalize().is_ok_and(|result| result == file))
    }
}

/// The files of a run while it is not completed. Dropping it removes them.
pub struct Staging {
    places: Places,
    // Dropped before `results`, because the folder of the archives may lie in that of the results.
    archive: StagedFolder,
    results: StagedFolder,
}

impl Staging {
    /// Makes the folders.
    ///
    /// # Errors
    /// A folder that cannot be written, or a folder in the place of a result.
    pub fn new(places: Places) -> Result<Self, RunError> {
        let results = StagedFolder::new(&places.staged_in, places.run_id)
            .map_err(|error| not_written(Phase::Output, &places.shown, &error))?;
        for name in RESULT_FILES {
            if places.results.join(name).is_dir() {
                let error = io::Error::new(io::ErrorKind::IsADirectory, format!("there is a folder named {name}"));
                return Err(not_written(Phase::Output, &places.shown, &error));
            }
        }
        let archive = StagedFolder::new(&places.archives, places.run_id)
            .and_then(|archive| fs::create_dir(archive.path.join(OUTPUT_FOLDER)).map(|()| archive))
            .map_err(|error| not_written(Phase::Archive, &places.shown_archive, &error))?;
        Ok(Self { places, archive, results })
    }

    /// Where a result is while it is staged.
    pub fn staged(&self, name: &str) -> PathBuf {
        self.results.path.join(name)
    }

    /// Copies the four output files into the archive. They are files of their own: who changes one later changes only it.
    pub fn archive_outputs(&self, outcome: &Outcome) -> Result<(), RunError> {
        let copy = |file: OutputFile, size: u64| {
            let from = self.results.path.join(file.file_name());
            let copied = fs::copy(from, self.archive.path.join(archived_output(file)))?;
            if copied == size { Ok(()) } else { Err(io::Error::other(format!("{copied} of {size} bytes were copied"))) }
        };
        std::thread::scope(|scope| {
            let copy = &copy;
            let copies = outcome.outputs.iter().map(|(file, is)| scope.spawn(move || copy(*file, is.size)));
            let copies: Vec<_> = copies.collect();
            copies.into_iter().try_for_each(|copy| copy.join().unwrap_or_else(|_| Err(io::Error::other("a copy was given up"))))
        })
        .map_err(|error| not_written(Phase::Archive, &self.places.shown_archive, &error))
    }

    /// Writes the manifest, among the results and in the archive.
    pub fn write_manifest(&self, json: &[u8]) -> Result<(), RunError> {
        for (staged, phase, shown) in
            [(&self.results, Phase::Output, &self.places.shown), (&self.archive, Phase::Archive, &self.places.shown_archive)]
        {
            fs::write(staged.path.join(MANIFEST_FILE), json).map_err(|error| not_written(phase, shown, &error))?;
        }
        Ok(())
    }

    /// Gives everything its final name.
    ///
    /// # Errors
    /// A file that cannot be put in its place; what had been there before is there again.
    pub fn publish(mut self) -> Result<(), RunError> {
        let failed = |phase, shown: &Path, error| not_written(phase, shown, &error);
        let archive = self.places.archives.join(self.places.run_id.to_string());
        self.archive.rename_to(&archive).map_err(|error| failed(Phase::Archive, &self.places.shown_archive, error))?;
        if let Err(error) = self.place_results() {
            // The first error is the one to tell; the archive is of no use without it.
            let _ = fs::remove_dir_all(&archive);
            return Err(failed(Phase::Output, &self.places.shown, error));
        }
        self.results.keep_parents();
        self.archive.keep_parents();
        Ok(())
    }

    fn place_results(&mut self) -> io::Result<()> {
        make_folders(&self.places.results, &mut self.results.made)?;
        // Runs that end in one folder at the same time put their results there one after the other, so that all of them
        // are of one run. Where a folder cannot be locked, nothing else can be done about it.
        let folder = File::open(&self.places.results).ok();
        let _locked = folder.as_ref().map(File::lock);
        let replaced = self.results.path.join(REPLACED_FOLDER);
        fs::create_dir(&replaced)?;
        let (manifest, old_manifest) = (self.places.results.join(MANIFEST_FILE), replaced.join(MANIFEST_FILE));
        // The manifest comes last and goes first. Whoever is killed in between leaves no manifest of other files than those
        // that are there, and files without one pass for the results of no run.
        match fs::rename(&manifest, &old_manifest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for (at, name) in RESULT_FILES.iter().enumerate() {
            let place = self.places.results.join(name);
            // A second name for what is replaced, where the file system has such a thing.
            let _ = fs::hard_link(&place, replaced.join(name));
            if let Err(error) = fs::rename(self.results.path.join(name), &place) {
                for name in &RESULT_FILES[..at] {
                    let place = self.places.results.join(name);
                    let _ = fs::rename(replaced.join(name), &place).or_else(|_| fs::remove_file(&place));
                }
                let _ = fs::rename(&old_manifest, &manifest);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Destination for Staging {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        StagedFile::create(&self.results.path.join(file_name), &self.places.shown)
    }

    fn archive_tape(&self, source_file: &str) -> io::Result<Option<RawCopy>> {
        let path = self.archive.path.join(archived_tape(source_file).map_err(io::Error::other)?);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| in_folder(&error, &self.places.shown_archive))?;
        }
        StagedFile::create(&path, &self.places.shown_archive).map(Some)
    }
}

fn not_written(phase: Phase, folder: &Path, error: &io::Error) -> RunError {
    RunError::output(phase, &format!("The folder {}", folder.display()), error)
}

fn in_folder(error: &io::Error, folder: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{error}, in the folder {}", folder.display()))
}

/// A file whose errors name the folder that it is for.
struct StagedFile {
    file: File,
    folder: Arc<Path>,
}

impl StagedFile {
    fn create(path: &Path, folder: &Path) -> io::Result<Box<dyn Write + Send>> {
        let file = File::create(path).map_err(|error| in_folder(&error, folder))?;
        Ok(Box::new(Self { file, folder: folder.into() }))
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            // Whoever writes tries these again by their kind.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(in_folder(&error, &self.folder)),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| in_folder(&error, &self.folder))
    }
}

/// A folder of unfinished files, with the lock that says that somebody works in it, and the folders made for it.
struct StagedFolder {
    path: PathBuf,
    lock: Option<File>,
    made: Vec<PathBuf>,
}

impl StagedFolder {
    fn new(parent: &Path, run_id: Uuid) -> io::Result<Self> {
        let mut staged = Self { path: parent.join(format!("{PREFIX}{run_id}")), lock: None, made: Vec::new() };
        make_folders(parent, &mut staged.made)?;
        remove_abandoned(parent);
        fs::create_dir(&staged.path)?;
        // The lock is taken before it has its name, so that nobody finds it free. A file system without locks does
        // without: then nothing there is taken for abandoned.
        let unnamed = staged.path.join(".lock-new");
        let lock = File::create(&unnamed)?;
        if lock.try_lock().is_ok() {
            fs::rename(unnamed, staged.path.join(LOCK_FILE))?;
            staged.lock = Some(lock);
        } else {
            fs::remove_file(unnamed)?;
        }
        Ok(staged)
    }

    fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        if self.lock.take().is_some() {
            fs::remove_file(self.path.join(LOCK_FILE))?;
        }
        fs::rename(&self.path, path)
    }

    fn keep_parents(&mut self) {
        self.made.clear();
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        self.lock = None;
        // Nothing can be done here about a folder that does not go away; the next run tries again.
        let _ = fs::remove_dir_all(&self.path);
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Makes a folder and those above it, and notes which ones it made.
fn make_folders(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let create = |made: &mut Vec<PathBuf>| fs::create_dir(folder).map(|()| made.push(folder.to_owned()));
    match create(made) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).ok_or(error)?;
            make_folders(parent, made)?;
            create(made)
        }
        Err(_) if folder.is_dir() => Ok(()),
        Err(_) if folder.exists() => Err(io::Error::new(io::ErrorKind::NotADirectory, "there is a file of that name")),
        made => made,
    }
}

/// Removes what runs left behind that were interrupted: staging folders whose lock nobody holds.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let staged = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if staged && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let lock = File::open(entry.path().join(LOCK_FILE));
            if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::SystemClock;

    use super::*;

    /// A staging for `out` in a folder, with all results written.
    fn staged(folder: &Path) -> Staging {
        let around = Surroundings::bare(SystemClock, folder.to_owned());
        let staging = Staging::new(Places::new(Some(Path::new("out")), Uuid::from_u128(7), &around)).unwrap();
        for name in RESULT_FILES {
            staging.create(name).unwrap().write_all(b"new").unwrap();
        }
        staging
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(staged(folder.path()));
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn a_result_that_cannot_be_placed_takes_all_others_back() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        for name in ["purchase_tape.csv", MANIFEST_FILE] {
            fs::write(out.join(name), "old").unwrap();
        }
        let staging = staged(folder.path());
        // It was not there when the run began.
        fs::create_dir(out.join(FACTS_FILE)).unwrap();
        let error = staging.publish().unwrap_err();
        assert!(error.message.starts_with("The folder out could not be written: "), "{error}");
        assert_eq!(names(&out), [FACTS_FILE, MANIFEST_FILE, "purchase_tape.csv"]);
        for name in ["purchase_tape.csv", MANIFEST_FILE] {
            assert_eq!(fs::read_to_string(out.join(name)).unwrap(), "old");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_with_the_folder() {
        let mut file = StagedFile::create(Path::new("/dev/full"), Path::new("out")).unwrap();
        let error = file.write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().ends_with(", in the folder out"), "{error}");
    }
}
