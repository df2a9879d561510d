//! A folder of unfinished files.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use uuid::Uuid;

use super::earlier::remove_abandoned;

/// How the names of these folders begin; the id of the run follows.
pub const PREFIX: &str = ".loan-engine-";
/// Held by the process that works in the folder.
pub const LOCK_FILE: &str = ".lock";
/// Name of the lock file until the run holds the lock, so that no other run finds it free. On a file system without locks the file
/// keeps this name; no run can tell there whether the folder is abandoned, and the folder stays.
pub const UNHELD_LOCK_FILE: &str = ".lock-new";
/// Names the folders that were made for the run, as a JSON list of paths.
pub const MADE_FILE: &str = ".made";
/// How often it is tried to remove the folder while another thread may still make a file in it, and how long is waited between.
const REMOVAL: (u32, Duration) = (20, Duration::from_millis(5));

/// Where the folder of a run is.
pub fn staged_path(parent: &Path, run_id: Uuid) -> PathBuf {
    parent.join(format!("{PREFIX}{run_id}"))
}

/// A folder of unfinished files, with the lock that says that somebody works in it, and the folders made for it. Dropping it
/// removes them.
pub struct StagedFolder {
    pub path: PathBuf,
    lock: Option<File>,
    /// From the outermost on.
    made: Vec<PathBuf>,
}

impl StagedFolder {
    /// Makes the folder, once what killed runs left beside it is removed. `undo` is done with the id and the folder of each.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(parent: &Path, run_id: Uuid, undo: impl Fn(Uuid, &Path)) -> io::Result<Self> {
        let mut staged = Self { path: staged_path(parent, run_id), lock: None, made: Vec::new() };
        make_folders(parent, &mut staged.made)?;
        // What was made for a run that was killed is as good as made for this one.
        staged.made.extend(remove_abandoned(parent, undo));
        staged.made.sort_by_key(|folder| folder.components().count());
        fs::create_dir(&staged.path)?;
        while !staged.take_lock()? {
            // Another run took the folder, in which nothing was yet, for what a killed run left.
            fs::create_dir_all(&staged.path)?;
        }
        staged.note_made()?;
        Ok(staged)
    }

    /// Takes the lock of the folder; false when the folder is being taken away.
    fn take_lock(&mut self) -> io::Result<bool> {
        let unheld = self.path.join(UNHELD_LOCK_FILE);
        let taken = File::create(&unheld).and_then(|lock| match lock.try_lock() {
            Ok(()) => fs::rename(&unheld, self.path.join(LOCK_FILE)).map(|()| Some(lock)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::NotFound.into()),
            Err(TryLockError::Error(_)) => Ok(None),
        });
        match taken {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            taken => {
                self.lock = taken?;
                Ok(true)
            }
        }
    }

    /// Notes which folders were made for the run, for the next one in case this one is killed.
    fn note_made(&self) -> io::Result<()> {
        if self.made.is_empty() {
            return Ok(());
        }
        // A path that is no Unicode cannot be noted. Then its folder stays.
        let paths = self.made.iter().filter_map(|folder| folder.canonicalize().ok()?.to_str().map(str::to_owned));
        fs::write(self.path.join(MADE_FILE), serde_json::to_vec(&paths.collect::<Vec<_>>())?)
    }

    /// Makes another folder for the run, and those above it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        make_folders(folder, &mut self.made)
    }

    /// Gives the folder its final name.
    ///
    /// # Errors
    /// It cannot have it.
    pub fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        if cfg!(windows) {
            // There, no folder is renamed in which a file is open.
            self.lock = None;
        }
        fs::rename(&self.path, path)?;
        for own in [MADE_FILE, LOCK_FILE, UNHELD_LOCK_FILE] {
            match fs::remove_file(path.join(own)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The folders that were made are to stay.
    pub fn keep_parents(&mut self) {
        self.made.clear();
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        self.lock = None;
        let (tries, pause) = REMOVAL;
        for _ in 0..tries {
            match fs::remove_dir_all(&self.path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                // Nothing can be done here about a folder that does not go away in the end; the next run tries again.
                Err(_) => thread::sleep(pause),
            }
        }
        remove_empty(&self.made);
    }
}

/// Removes those of these folders that are empty, from the innermost on. They stand in the order in which they were made.
pub fn remove_empty(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
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
