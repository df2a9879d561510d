//! Writes the files of a run, and gives them their final names all at once or not at all.
//!
//! Results are staged inside their final folder, the archive inside the folder of archives, so that a rename moves them. The run
//! first withdraws the results of the run before. A run that fails, or is ended by a signal, removes its files and the folders
//! that were made for it. A killed process cannot do that: the next run in the same place does it. Until then the manifest shows
//! what is complete, because it exists only beside all the files that it names.

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
    manifest::{MANIFEST_FILE, OUTPUT_FOLDER, archived_output, archived_tape, files_of},
    results::outputs::Output,
    rules::rule_set::RuleSet,
    tape::text::RawCopy,
    waivers::WaiverFile,
};

use crate::extra_files::ExtraFile;

pub use self::{
    begun::{Begun, Stage},
    places::{Places, RESULT_FILES, SUMMARY_FILE},
};
use self::{
    earlier::{lock_folder, place_file, place_results, remove_abandoned, undo, withdraw},
    folder::{StagedFolder, remove_empty, staged_path},
};

/// What is being moved to its final name.
enum Placing<'w> {
    Archive,
    Extra(&'w ExtraFile),
    Results,
}

/// The files of a run that is not completed. Dropping it removes them.
pub struct Staging {
    places: Places,
    begun: Begun,
    /// The folder of the unfinished results.
    results: PathBuf,
    /// The folder of the unfinished archive; `None` for a run that is not archived.
    archive: Option<PathBuf>,
}

impl Staging {
    /// Creates the folders, and withdraws the results of the run before.
    ///
    /// # Errors
    /// [`RunError`] when a folder cannot be written, or a folder is in the place of a result.
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
        // Wait for other runs outside of a step, so that a signal does not have to wait.
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
            // A run without an archive, too, removes what killed runs left there.
            remove_empty(&remove_abandoned(&places.archives, nothing));
            return Ok(());
        }
        self.begun.step(|work| {
            let archive = work.archive.insert(StagedFolder::new(&places.archives, places.run_id, nothing)?);
            fs::create_dir(archive.path.join(OUTPUT_FOLDER))
        })
    }

    /// Path of a result while it is staged.
    pub fn staged(&self, name: &str) -> PathBuf {
        self.results.join(name)
    }

    /// Copies the output files into the archive. The copies are files of their own, so that a later change of a result does not
    /// change the archive.
    ///
    /// # Errors
    /// [`RunError`] when a file cannot be copied.
    pub fn archive_outputs(&self, outcome: &Outcome) -> Result<(), RunError> {
        let Some(archive) = &self.archive else { return Ok(()) };
        let copy = |output: &Output, size: u64| {
            let from = self.results.join(output.file_name);
            let copied = fs::copy(from, archive.join(archived_output(output)))?;
            if copied == size { Ok(()) } else { Err(io::Error::other(format!("{copied} of {size} bytes were copied"))) }
        };
        std::thread::scope(|scope| {
            let copy = &copy;
            let copies = outcome.outputs.iter().map(|(output, is)| scope.spawn(move || copy(output, is.size)));
            let copies: Vec<_> = copies.collect();
            copies.into_iter().try_for_each(|copy| copy.join().unwrap_or_else(|_| Err(io::Error::other("a copy was given up"))))
        })
        .map_err(|error| self.archive_not_written(&error))
    }

    /// Writes the files of a rule set that names others into the archive.
    ///
    /// # Errors
    /// [`RunError`] when a file cannot be written.
    pub fn archive_rules(&self, rules: &RuleSet) -> Result<(), RunError> {
        let Some(archive) = &self.archive else { return Ok(()) };
        let write = |(path, content): (String, &[u8])| {
            let file = archive.join(path);
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(file, content)
        };
        files_of(rules).try_for_each(write).map_err(|error| self.archive_not_written(&error))
    }

    /// Writes the file of waivers to the staged archive, if there is one.
    ///
    /// # Errors
    /// [`RunError`] when the file cannot be written.
    pub fn archive_waivers(&self, waivers: &WaiverFile) -> Result<(), RunError> {
        let Some(archive) = &self.archive else { return Ok(()) };
        let file = archive.join(waivers.archived());
        let made = file.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(file, &waivers.bytes)).map_err(|error| self.archive_not_written(&error))
    }

    /// Writes the summary to the staged results.
    ///
    /// # Errors
    /// [`RunError`] when the summary cannot be written.
    pub fn write_summary(&self, json: &[u8]) -> Result<(), RunError> {
        let written = fs::write(self.results.join(SUMMARY_FILE), json);
        written.map_err(|error| not_written(Phase::Output, &self.places.shown, &error))
    }

    /// Writes the manifest to the staged results and the staged archive.
    ///
    /// # Errors
    /// [`RunError`] when the manifest cannot be written.
    pub fn write_manifest(&self, json: &[u8]) -> Result<(), RunError> {
        let written = fs::write(self.results.join(MANIFEST_FILE), json);
        written.map_err(|error| not_written(Phase::Output, &self.places.shown, &error))?;
        let Some(archive) = &self.archive else { return Ok(()) };
        fs::write(archive.join(MANIFEST_FILE), json).map_err(|error| self.archive_not_written(&error))
    }

    /// Moves all files to their final names, and the staged extra files to the names that the user gave.
    ///
    /// # Errors
    /// [`RunError`] when a file cannot be placed; the earlier files are then restored, except for earlier extra files.
    pub fn publish(self, extra: &[ExtraFile]) -> Result<(), RunError> {
        let places = &self.places;
        let (results, archive) = (places.results(), places.archive_of(places.run_id));
        let failed = |error| not_written(Phase::Output, &places.shown, &error);
        let made = self.begun.step(|work| work.results.as_mut().map_or(Ok(()), |staged| staged.make_folder(&results)));
        made.map_err(failed)?;
        let _locked = lock_folder(&results);
        let mut at = Placing::Archive;
        // One step: a thread that ends the run finds all files in place, or none.
        let placed = self.begun.step(|work| {
            let mut placed = Vec::new();
            let mut place = || {
                work.archive.as_mut().map_or(Ok(()), |staged| staged.rename_to(&archive))?;
                for file in extra {
                    at = Placing::Extra(file);
                    place_file(&self.results.join(file.kind.staged_name()), &file.file)?;
                    placed.push(file);
                }
                at = Placing::Results;
                place_results(&self.results, &results)
            };
            if let Err(error) = place() {
                for file in placed {
                    let _ = fs::remove_file(&file.file);
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
            Placing::Extra(file) => file.not_written(&error),
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

/// A staged file whose errors name its final folder.
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
            // Pass `Interrupted` on unchanged: writers retry it by its kind.
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
        // This folder did not exist when the run began.
        fs::create_dir(out.join(FACTS_FILE)).unwrap();
        let error = staging.publish(&[]).unwrap_err();
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
