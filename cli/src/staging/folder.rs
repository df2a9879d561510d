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

/// Prefix of the names of these folders; the id of the run follows.
pub const PREFIX: &str = ".loan-engine-";
/// The lock file, which the process that works in the folder holds.
pub const LOCK_FILE: &str = ".lock";
/// Name of the lock file until the run holds the lock, so that no other run finds it free. On a file system without locks the
/// file keeps this name; no run can tell there whether the folder is abandoned, and the folder stays.
pub const UNHELD_LOCK_FILE: &str = ".lock-new";
/// The file that names the folders made for the run, as a JSON list of paths.
pub const MADE_FILE: &str = ".made";
/// Attempts to remove the folder, and the pause between them, because another thread may still create a file in it.
const REMOVAL: (u32, Duration) = (20, Duration::from_millis(5));

/// Path of the staging folder of a run.
pub fn staged_path(parent: &Path, run_id: Uuid) -> PathBuf {
    parent.join(format!("{PREFIX}{run_id}"))
}

/// A folder of unfinished files, with the lock that shows that a process works in it, and the folders made for it. Dropping it
/// removes all of them.
pub struct StagedFolder {
    pub path: PathBuf,
    lock: Option<File>,
    /// The folders made for the run, the outermost first.
    made: Vec<PathBuf>,
}

impl StagedFolder {
    /// Creates the folder, after removing what killed runs left in `parent`. Calls `undo` with the id and the folder of each
    /// killed run.
    ///
    /// # Errors
    /// [`io::Error`] when the folder cannot be created.
    pub fn new(parent: &Path, run_id: Uuid, undo: impl Fn(Uuid, &Path)) -> io::Result<Self> {
        let mut staged = Self { path: staged_path(parent, run_id), lock: None, made: Vec::new() };
        make_folders(parent, &mut staged.made)?;
        // Treat folders made for a killed run as made for this one.
        staged.made.extend(remove_abandoned(parent, undo));
        staged.made.sort_by_key(|folder| folder.components().count());
        fs::create_dir(&staged.path)?;
        while !staged.take_lock()? {
            // Another run took the folder, which was still empty, for one that a killed run left, and removed it.
            fs::create_dir_all(&staged.path)?;
        }
        Ok(staged)
    }

    /// Takes the lock of the folder, after recording the folders made for the run; false when another run is removing the folder.
    fn take_lock(&mut self) -> io::Result<bool> {
        let unheld = self.path.join(UNHELD_LOCK_FILE);
        let taken = File::create(&unheld).and_then(|lock| match lock.try_lock() {
            Ok(()) => {
                self.note_made()?;
                fs::rename(&unheld, self.path.join(LOCK_FILE)).map(|()| Some(lock))
            }
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::NotFound.into()),
            Err(TryLockError::Error(_)) => self.note_made().map(|()| None),
        });
        match taken {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            taken => {
                self.lock = taken?;
                Ok(true)
            }
        }
    }

    /// Records which folders were made for the run, so that the next run can remove them if this one is killed.
    fn note_made(&self) -> io::Result<()> {
        if self.made.is_empty() {
            return Ok(());
        }
        // A path that is no Unicode cannot be recorded, so its folder stays.
        let paths = self.made.iter().filter_map(|folder| folder.canonicalize().ok()?.to_str().map(str::to_owned));
        fs::write(self.path.join(MADE_FILE), serde_json::to_vec(&paths.collect::<Vec<_>>())?)
    }

    /// Creates another folder for the run, and missing folders above it.
    ///
    /// # Errors
    /// [`io::Error`] when a folder cannot be created.
    pub fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        make_folders(folder, &mut self.made)
    }

    /// Gives the folder its final name.
    ///
    /// # Errors
    /// [`io::Error`] when the folder cannot be renamed, or its own files cannot be removed.
    pub fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        if cfg!(windows) {
            // Windows does not rename a folder in which a file is open.
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

    /// Keeps the folders that were made for the run.
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
                // If the folder is still there after the last attempt, the next run tries again.
                Err(_) => thread::sleep(pause),
            }
        }
        remove_empty(&self.made);
    }
}

/// Removes the empty ones of these folders, the innermost first. The list has the order in which they were made.
pub fn remove_empty(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// Creates a folder and missing folders above it, and adds the new ones to `made`.
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
