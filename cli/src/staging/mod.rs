//! Where the files of a run are written, and how they appear under their final names all at once or not at all.
//!
//! Results are staged inside the folder that they are for, the archive inside the folder of archives, so that what moves
//! them is a rename. What the run before left in the folder of the results is withdrawn first. What fails, or is ended by a
//! signal, is removed again, with the folders that were made for it. A process that is killed cannot do that: the next run of the
//! place does it, and until then the manifest, which is there only beside all the files that it names, says what is whole.

mod begun;
mod earlier;
mod folder;
mod places;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use shared::{
    engine::{Destination, Outcome},
    error::{Phase, RunError},
    manifest::{MANIFEST_FILE, OUTPUT_FOLDER, archived_output, archived_tape},
    results::{csv::OutputFile, workbook::WORKBOOK_FILE},
    tape::text::RawCopy,
};

pub use self::{
    begun::{Begun, Stage},
    earlier::remove_own_workbook,
    places::{Places, RESULT_FILES, WorkbookPlace},
};
use self::{
    earlier::{lock_folder, place_file, place_results, remove_abandoned, undo, withdraw},
    folder::{StagedFolder, remove_empty, staged_path},
};

/// What is being given its final name.
enum Placing<'w> {
    Archive,
    Workbook(&'w WorkbookPlace),
    Results,
}

/// The files of a run while it is not completed. Dropping it removes them.
pub struct Staging {
    places: Places,
    begun: Begun,
    /// The folder of the unfinished results.
    results: PathBuf,
    /// The folder of the unfinished archive; `None` for a run that is not archived.
    archive: Option<PathBuf>,
}

impl Staging {
    /// Makes the folders, and withdraws the results of the run before.
    ///
    /// # Errors
    /// A folder that cannot be written, or a folder in the place of a result.
    pub fn new(places: Places, begun: Begun) -> Result<Self, RunError> {
        let results = staged_path(&places.staged_in, places.run_id);
        let archive = places.shown_archive.is_some().then(|| staged_path(&places.archives, places.run_id));
        let staging = Self { places, begun, results, archive };
        staging.begin_results().map_err(|error| not_written(Phase::Output, &staging.places.shown, &error))?;
        staging.begin_archive().map_err(|error| staging.archive_not_written(&error))?;
        Ok(staging)
    }

    fn begin_results(&self) -> io::Result<()> {
        let places = &self.places;
        self.begun.step(|work| {
            let undo = |run_id, staged: &Path| undo(places, run_id, staged);
            work.results = Some(StagedFolder::new(&places.staged_in, places.run_id, undo)?);
            work.stage = Stage::Unfinished;
            Ok(())
        })?;
        // It is waited for other runs where a signal need not wait, too.
        let results = places.results();
        let _locked = lock_folder(&results);
        self.begun.step(|_| withdraw(&results, &self.results))?;
        match RESULT_FILES.iter().find(|name| results.join(name).is_dir()) {
            None => Ok(()),
            Some(name) => Err(io::Error::new(io::ErrorKind::IsADirectory, format!("there is a folder named {name}"))),
        }
    }

    fn begin_archive(&self) -> io::Result<()> {
        let places = &self.places;
        let nothing = |_, _: &Path| {};
        if self.archive.is_none() {
            // What a run left there that was killed goes all the same.
            remove_empty(&remove_abandoned(&places.archives, nothing));
            return Ok(());
        }
        self.begun.step(|work| {
            let archive = work.archive.insert(StagedFolder::new(&places.archives, places.run_id, nothing)?);
            fs::create_dir(archive.path.join(OUTPUT_FOLDER))
        })
    }

    /// Where a result is while it is staged.
    pub fn staged(&self, name: &str) -> PathBuf {
        self.results.join(name)
    }

    /// Copies the four output files into the archive. They are files of their own: who changes one later changes only it.
    ///
    /// # Errors
    /// A file that cannot be copied.
    pub fn archive_outputs(&self, outcome: &Outcome) -> Result<(), RunError> {
        let Some(archive) = &self.archive else { return Ok(()) };
        let copy = |file: OutputFile, size: u64| {
            let from = self.results.join(file.file_name());
            let copied = fs::copy(from, archive.join(archived_output(file)))?;
            if copied == size { Ok(()) } else { Err(io::Error::other(format!("{copied} of {size} bytes were copied"))) }
        };
        std::thread::scope(|scope| {
            let copy = &copy;
            let copies = outcome.outputs.iter().map(|(file, is)| scope.spawn(move || copy(*file, is.size)));
            let copies: Vec<_> = copies.collect();
            copies.into_iter().try_for_each(|copy| copy.join().unwrap_or_else(|_| Err(io::Error::other("a copy was given up"))))
        })
        .map_err(|error| self.archive_not_written(&error))
    }

    /// Writes the manifest, among the results and in the archive.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_manifest(&self, json: &[u8]) -> Result<(), RunError> {
        let written = fs::write(self.results.join(MANIFEST_FILE), json);
        written.map_err(|error| not_written(Phase::Output, &self.places.shown, &error))?;
        let Some(archive) = &self.archive else { return Ok(()) };
        fs::write(archive.join(MANIFEST_FILE), json).map_err(|error| self.archive_not_written(&error))
    }

    /// Gives everything its final name, and the decision workbook that is staged the one that the user gave, if there is one.
    ///
    /// # Errors
    /// A file that cannot be put in its place; what had been there before is there again, but for an earlier workbook.
    pub fn publish(self, workbook: Option<&WorkbookPlace>) -> Result<(), RunError> {
        let places = &self.places;
        let (results, archive) = (places.results(), places.archive_of(places.run_id));
        let failed = |error| not_written(Phase::Output, &places.shown, &error);
        let made = self.begun.step(|work| work.results.as_mut().map_or(Ok(()), |staged| staged.make_folder(&results)));
        made.map_err(failed)?;
        let _locked = lock_folder(&results);
        let mut at = Placing::Archive;
        // One step: who ends the run finds it in place or not begun to be.
        let placed = self.begun.step(|work| {
            let mut place = || {
                work.archive.as_mut().map_or(Ok(()), |staged| staged.rename_to(&archive))?;
                if let Some(workbook) = workbook {
                    at = Placing::Workbook(workbook);
                    place_file(&self.results.join(WORKBOOK_FILE), &workbook.file)?;
                }
                at = Placing::Results;
                place_results(&self.results, &results)
            };
            if let Err(error) = place() {
                if let (Placing::Results, Some(workbook)) = (&at, workbook) {
                    let _ = fs::remove_file(&workbook.file);
                }
                // The archive is of no use without the results.
                let _ = fs::remove_dir_all(&archive);
                return Err(error);
            }
            work.settle();
            Ok(())
        });
        placed.map_err(|error| match at {
            Placing::Archive => self.archive_not_written(&error),
            Placing::Workbook(workbook) => {
                RunError::output(Phase::Output, &format!("The workbook {}", workbook.shown.display()), &error)
            }
            Placing::Results => failed(error),
        })
    }

    fn archive_not_written(&self, error: &io::Error) -> RunError {
        not_written(Phase::Archive, self.places.shown_archive.as_deref().unwrap_or(&self.places.shown), error)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.begun.remove();
    }
}

impl Destination for Staging {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        self.begun.step(|_| StagedFile::create(&self.results.join(file_name), &self.places.shown))
    }

    fn archive_tape(&self, source_file: &str) -> io::Result<Option<RawCopy>> {
        let (Some(archive), Some(shown)) = (&self.archive, &self.places.shown_archive) else { return Ok(None) };
        let path = archive.join(archived_tape(source_file).map_err(io::Error::other)?);
        self.begun.step(|_| {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| in_folder(&error, shown))?;
            }
            StagedFile::create(&path, shown).map(Some)
        })
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

#[cfg(test)]
mod tests {
    use command::CommandContext;
    use shared::{clock::SystemClock, facts::FACTS_FILE};
    use uuid::Uuid;

    use super::*;

    /// A staging for `out` in a folder, with all results written.
    fn staged(folder: &Path) -> Staging {
        let context = CommandContext::bare(SystemClock, folder.to_owned());
        let places = Places::new(Some(Path::new("out")), true, Uuid::from_u128(7), &context);
        let staging = Staging::new(places, Begun::default()).unwrap();
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
        let error = staging.publish(None).unwrap_err();
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
