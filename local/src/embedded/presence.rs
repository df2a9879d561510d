//! Checks whether the files of a store are still where the store opened them. A moved or deleted file still accepts writes, but
//! the writes are lost.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The files and folders that a store was opened on. Clones share them.
#[derive(Debug, Clone)]
pub struct Presence(Arc<[(PathBuf, Identity)]>);

impl Presence {
    /// Records which files and folders the paths lead to now.
    ///
    /// # Errors
    /// [`io::Error`] when one of them does not exist.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        paths.into_iter().map(|path| identity(&path).map(|identity| (path, identity))).collect::<io::Result<_>>().map(Self)
    }

    /// Checks that all files are still there, and the same. A store calls this before it acknowledges a write.
    ///
    /// # Errors
    /// `NotFound` when one was moved, deleted or replaced.
    pub fn check(&self) -> io::Result<()> {
        let there = self.0.iter().all(|(path, opened)| identity(path).is_ok_and(|found| found == *opened));
        if there {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "the data folder was moved, deleted or replaced"))
        }
    }
}

/// Device and inode number, which distinguish a file from another file with the same path.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Without inode numbers, the check only sees whether a file exists.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(drop)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_deleted_or_replaced_is_not_there_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let (data, moved) = (folder.path().join("data"), folder.path().join("moved"));
        let file = data.join("table.sqlite");
        fs::create_dir(&data).unwrap();
        fs::write(&file, "").unwrap();
        let presence = Presence::of([file.clone()]).unwrap();
        presence.check().unwrap();
        fs::rename(&data, &moved).unwrap();
        assert_eq!(presence.check().unwrap_err().kind(), io::ErrorKind::NotFound);
        // A copy is another file.
        fs::create_dir(&data).unwrap();
        fs::write(&file, "").unwrap();
        presence.check().unwrap_err();
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&moved, &data).unwrap();
        presence.check().unwrap();
        fs::remove_file(&file).unwrap();
        presence.check().unwrap_err();
    }
}
