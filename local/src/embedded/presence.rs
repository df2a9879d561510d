//! Whether the files of a store are still where the store opened them. A moved or deleted file still takes writes, and they are
//! lost.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The files and folders that a store was opened on. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Presence(Arc<[(PathBuf, Identity)]>);

impl Presence {
    /// Of what is there now.
    ///
    /// # Errors
    /// One of them is not there.
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

/// What tells a file from another one of its name: the device and the number on it.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Where files have no numbers, that there is one has to do.
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
        // A copy is another one.
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
