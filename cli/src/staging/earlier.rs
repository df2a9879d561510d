//! Removes what earlier runs left in the same place: results, which are withdrawn, and files that killed runs could not remove.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::IgnoredAny};
use shared::{
    manifest::{MANIFEST_FILE, Manifest, ManifestFile},
    results::outputs::OUTPUTS,
    rules::rule_set::RuleSet,
};
use uuid::Uuid;

use crate::{extra_files::is_extra_file, replay::MAX_MANIFEST_BYTES};

use super::{
    folder::{LOCK_FILE, MADE_FILE, PREFIX, UNHELD_LOCK_FILE},
    places::{Places, RESULT_FILES},
};

/// Folder in a staging folder for the results of the run before. They are removed with the staging folder.
const WITHDRAWN_FOLDER: &str = "withdrawn";
/// Folder in a staging folder for the files that the results replace, until all results are in place.
const REPLACED_FOLDER: &str = "replaced";

/// Locks a folder of results. Runs that begin or end in one folder do so one after the other, so that all results in it are from
/// one run. `None` when the system cannot lock the folder; the run then goes on without a lock, because there is no other means.
pub fn lock_folder(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    folder.lock().is_ok().then_some(folder)
}

/// Removes the extra files of earlier runs from the folder of the results. A workbook that was saved again belongs to the user.
///
/// # Errors
/// [`io::Error`] when a file cannot be removed.
fn remove_extra_files(results: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(results) else { return Ok(()) };
    let mut files = entries.flatten().map(|entry| entry.path()).filter(|file| file.is_file() && is_extra_file(file));
    files.try_for_each(fs::remove_file)
}

/// Moves a staged file to its place. In another file system, the file is first copied under another name, so that no reader finds
/// half a file.
///
/// # Errors
/// [`io::Error`] when the file cannot be placed; an earlier file then stays there.
pub fn place_file(staged: &Path, place: &Path) -> io::Result<()> {
    match fs::rename(staged, place) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_file(staged, place),
        placed => placed,
    }
}

fn copy_file(staged: &Path, place: &Path) -> io::Result<()> {
    let mut copied = place.as_os_str().to_owned();
    copied.push(".loan-engine-new");
    let copied = PathBuf::from(copied);
    let placed = fs::copy(staged, &copied).and_then(|_| fs::rename(&copied, place));
    if placed.is_err() {
        // Report the first error, not one of the removal.
        let _ = fs::remove_file(&copied);
    }
    placed
}

/// Moves the results of the run before out of their folder, so that they cannot pass for those of the run that begins. Files are
/// results when the manifest of a run is in the same folder; other files of these names belong to the user, and stay until the
/// run that begins replaces them. The manifest goes first.
///
/// # Errors
/// [`io::Error`] when a file cannot be moved.
pub fn withdraw(results: &Path, staged: &Path) -> io::Result<()> {
    remove_extra_files(results)?;
    if !is_of_a_run(&results.join(MANIFEST_FILE)) {
        return Ok(());
    }
    let withdrawn = staged.join(WITHDRAWN_FOLDER);
    fs::create_dir(&withdrawn)?;
    for name in RESULT_FILES.iter().rev() {
        let place = results.join(name);
        if place.is_dir() {
            continue;
        }
        match fs::rename(place, withdrawn.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The fields that a manifest of any version has.
#[derive(Deserialize)]
struct AnyManifest {
    run_id: Uuid,
    outputs: Vec<IgnoredAny>,
}

fn is_of_a_run(manifest: &Path) -> bool {
    let mut json = Vec::new();
    let read = File::open(manifest).and_then(|file| file.take(MAX_MANIFEST_BYTES).read_to_end(&mut json));
    let manifest = read.ok().and_then(|_| serde_json::from_slice::<AnyManifest>(&json).ok());
    manifest.is_some_and(|manifest| !manifest.run_id.is_nil() && !manifest.outputs.is_empty())
}

/// Moves the results in a staging folder to their places.
///
/// # Errors
/// [`io::Error`] when a file cannot be placed; the earlier files are then restored.
pub fn place_results(staged: &Path, results: &Path) -> io::Result<()> {
    let replaced = staged.join(REPLACED_FOLDER);
    fs::create_dir(&replaced)?;
    // Write the manifest last, remove it first. A process that is killed in between leaves no manifest that describes other files
    // than those in the folder, and files without a manifest do not count as results of a run.
    match fs::rename(results.join(MANIFEST_FILE), replaced.join(MANIFEST_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for name in RESULT_FILES.into_iter().filter(|name| is_result(staged, name)) {
        let place = results.join(name);
        // Keep the replaced file under a second name, if the file system supports hard links.
        let _ = fs::hard_link(&place, replaced.join(name));
        if let Err(error) = fs::rename(staged.join(name), &place) {
            take_back(staged, results);
            return Err(error);
        }
    }
    Ok(())
}

/// Whether a run has a result of this name. Only the manifest, which is staged until all others are placed, says it of a file that not
/// all runs have.
fn is_result(staged: &Path, name: &str) -> bool {
    let is_optional = OUTPUTS.iter().any(|output| output.file_name == name && !output.is_of(RuleSet::built_in()));
    if !is_optional {
        return true;
    }
    let manifest = fs::read(staged.join(MANIFEST_FILE)).ok().and_then(|json| Manifest::from_json(&json).ok());
    let is_it = |file: &ManifestFile| file.path.rsplit('/').next() == Some(name);
    manifest.is_some_and(|manifest| manifest.outputs.iter().any(is_it))
}

/// Removes the results that were placed without the manifest, which is still staged, and restores the files that they replaced.
fn take_back(staged: &Path, results: &Path) {
    let replaced = staged.join(REPLACED_FOLDER);
    // A result that is not staged any more is in its place.
    let is_placed = |name: &str| name != MANIFEST_FILE && !staged.join(name).exists() && is_result(staged, name);
    for name in RESULT_FILES.into_iter().filter(|name| is_placed(name)) {
        let place = results.join(name);
        let _ = fs::rename(replaced.join(name), &place).or_else(|_| fs::remove_file(&place));
    }
    let _ = fs::rename(replaced.join(MANIFEST_FILE), results.join(MANIFEST_FILE));
}

/// Undoes what a killed run did outside of its staging folder `staged`. The manifest is the last file that is written to the
/// staging folder, and the last that leaves it.
pub fn undo(places: &Places, run_id: Uuid, staged: &Path) {
    let results = places.results_of(run_id);
    let _locked = lock_folder(&results);
    let was_being_placed = staged.join(MANIFEST_FILE).exists();
    // Files with a manifest are complete: they are from the killed run, or from a later one.
    let whole = || results.join(MANIFEST_FILE).exists();
    if !whole() {
        if was_being_placed {
            take_back(staged, &results);
        }
        let withdrawn = staged.join(WITHDRAWN_FOLDER);
        if !whole() && withdrawn.join(MANIFEST_FILE).exists() {
            // Remove the results of the run before that were not withdrawn yet.
            for name in RESULT_FILES.into_iter().filter(|name| !withdrawn.join(name).exists()) {
                let _ = fs::remove_file(results.join(name));
            }
        }
    }
    if was_being_placed {
        let _ = fs::remove_dir_all(places.archive_of(run_id));
    }
    if results != places.staged_in {
        let _ = fs::remove_dir(results);
    }
}

/// Removes what killed runs left behind: staging folders whose lock no process holds. Before that, calls `undo` with the id of
/// the run and the folder. Returns the folders that were made for these runs.
pub fn remove_abandoned(parent: &Path, undo: impl Fn(Uuid, &Path)) -> Vec<PathBuf> {
    let mut made = Vec::new();
    let Ok(entries) = fs::read_dir(parent) else { return made };
    for entry in entries.flatten() {
        let (name, staged) = (entry.file_name(), entry.path());
        let Some(id) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let Ok(lock) = File::open(staged.join(LOCK_FILE)) else {
            made.extend(remove_unbegun(&staged, parent));
            continue;
        };
        // The folder stays locked until it is gone: of several runs that begin at the same time, only one removes it.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && lock.try_lock().is_ok() {
            if let Ok(run_id) = id.parse() {
                undo(run_id, &staged);
            }
            made.extend(made_for(&staged, parent));
            let _ = fs::remove_dir_all(&staged);
        }
    }
    made
}

/// Removes a staging folder whose run was killed before its lock got its name, so that the folder holds no results. A run that is
/// just about to take the lock creates the folder again. Returns the folders that were made for the run.
fn remove_unbegun(staged: &Path, parent: &Path) -> Vec<PathBuf> {
    let mut made = Vec::new();
    let unheld = staged.join(UNHELD_LOCK_FILE);
    match File::open(&unheld) {
        Ok(lock) if lock.try_lock().is_ok() => {
            made = made_for(staged, parent);
            let _ = fs::remove_file(staged.join(MADE_FILE));
            let _ = fs::remove_file(unheld);
        }
        Ok(_) => return made,
        Err(_) => {}
    }
    // The system removes the folder only when it is empty.
    let _ = fs::remove_dir(staged);
    made
}

/// The folders that were made for the run of a staging folder. The list is not trusted: only folders above the staging folder
/// count.
fn made_for(staged: &Path, parent: &Path) -> Vec<PathBuf> {
    let (Ok(json), Ok(parent)) = (fs::read(staged.join(MADE_FILE)), parent.canonicalize()) else { return Vec::new() };
    let made: Vec<PathBuf> = serde_json::from_slice(&json).unwrap_or_default();
    made.into_iter().filter(|folder| parent.starts_with(folder)).collect()
}

#[cfg(test)]
mod tests {
    use crate::staging::folder::staged_path;

    use super::*;

    #[test]
    fn a_file_is_copied_where_it_cannot_be_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let (staged, place) = (folder.path().join("staged"), folder.path().join("book.xlsx"));
        fs::write(&staged, "new").unwrap();
        fs::write(&place, "old").unwrap();
        copy_file(&staged, &place).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!((names, fs::read(&place).unwrap()), (vec!["book.xlsx".into(), "staged".into()], b"new".to_vec()));
    }

    #[test]
    fn what_was_killed_before_its_lock_was_held_goes_and_what_is_held_stays() {
        let folder = tempfile::tempdir().unwrap();
        let begun = |id: u128, files: &[&str]| {
            let staged = folder.path().join(format!("{PREFIX}{}", Uuid::from_u128(id)));
            fs::create_dir(&staged).unwrap();
            files.iter().map(|name| File::create(staged.join(name)).unwrap()).collect::<Vec<_>>()
        };
        begun(1, &[]);
        begun(2, &[UNHELD_LOCK_FILE]);
        let held = begun(3, &[UNHELD_LOCK_FILE]);
        held[0].lock().unwrap();
        begun(4, &["a file of the user"]);
        begun(5, &[UNHELD_LOCK_FILE]);
        let parent = folder.path().canonicalize().unwrap();
        let noted = staged_path(folder.path(), Uuid::from_u128(5)).join(MADE_FILE);
        fs::write(noted, serde_json::to_vec(&[&parent]).unwrap()).unwrap();
        let made = remove_abandoned(folder.path(), |_, _| panic!("nothing was begun"));
        assert_eq!(made, [parent]);
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [3, 4].map(|id| folder.path().join(format!("{PREFIX}{}", Uuid::from_u128(id)))));
    }

    #[test]
    fn workbooks_of_ours_go_and_those_of_the_user_stay() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("ours.xlsx", "PK… Written by Loan Engine"), ("saved.xlsx", "PK… saved again"), ("empty.xlsx", "")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("folder.xlsx")).unwrap();
        remove_extra_files(folder.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["empty.xlsx", "folder.xlsx", "saved.xlsx"]);
    }
}
