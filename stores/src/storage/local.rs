//! Files in a folder of this machine, with the same rules as files in a bucket.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use shared::{file_types::content_type_of, paths::safe_join, tape::text::Fingerprint};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::StoreError;

use super::{ByteStream, Download, Entry, FileInfo, Found, InTheWay, SignedUrl, StorageBackend, StorageError, Stored};

/// Folder for files that are still being written. No key begins with `~`: see [`safe_join`].
const UNFINISHED: &str = "~unfinished";
/// Number of bytes that are read at once.
const CHUNK: usize = 256 * 1024;
/// Number of chunks that may wait to be written.
const WAITING: usize = 4;

/// Storage in a folder. Unlike in a bucket, a subfolder remains when its last file is deleted, and a file and a folder cannot
/// have the same name.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    root: PathBuf,
}

fn failed(error: io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::NotFound,
        io::ErrorKind::IsADirectory => StorageError::InTheWay(InTheWay::Folder),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => StorageError::InTheWay(InTheWay::File),
        _ => StorageError::Store(StoreError::Unavailable(Box::new(error))),
    }
}

impl LocalStorage {
    /// Storage in this folder, which is created with the first file.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path of a key. Callers have checked keys already; this second check ensures that no key leads out of the folder,
    /// even if a caller forgot its check.
    fn path(&self, key: &str) -> Result<PathBuf, StorageError> {
        let refused = |error| StorageError::Store(StoreError::Refused(error));
        let safe = safe_join("", &[key]).map_err(|error| refused(Box::new(error)))?;
        Ok(self.root.join(safe))
    }

    /// Does work outside the async threads.
    async fn blocking<T: Send + 'static>(
        work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| StorageError::Store(StoreError::Unavailable(Box::new(error))))?
    }

    /// Creates a file that [`Unfinished::place`] moves to its path later.
    fn unfinished(&self) -> Result<Unfinished, StorageError> {
        let folder = self.root.join(UNFINISHED);
        fs::create_dir_all(&folder).map_err(failed)?;
        let path = folder.join(Uuid::new_v4().to_string());
        Ok(Unfinished { file: File::create_new(&path).map_err(failed)?, path })
    }
}

/// A file that is being written. It is deleted when it is dropped without being placed.
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Unfinished {
    fn place(self, at: &Path) -> Result<(), StorageError> {
        self.file.sync_data().map_err(failed)?;
        if let Some(folder) = at.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::rename(&self.path, at).map_err(failed)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Fails after the file was placed, because then it is no longer here.
        let _ = fs::remove_file(&self.path);
    }
}

/// Metadata of a file. `None` for a folder, and for a path that does not exist.
fn info(path: &Path) -> Result<Option<FileInfo>, StorageError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    Ok(metadata.is_file().then(|| {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let millis = i64::try_from(modified.as_millis()).unwrap_or(0);
        FileInfo {
            size: metadata.len(),
            etag: format!("{:x}-{:x}", modified.as_nanos(), metadata.len()),
            last_modified: Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH),
            content_type: path.to_str().map(|path| content_type_of(path).to_owned()),
        }
    }))
}

/// Adds the entries of a folder and, with `recursive`, of its subfolders. A folder that does not exist has no entries.
fn walk(folder: &Path, key: &str, recursive: bool, entries: &mut Vec<Entry>) -> Result<(), StorageError> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for found in read {
        let found = found.map_err(failed)?;
        let Some(name) = found.file_name().to_str().filter(|name| *name != UNFINISHED).map(str::to_owned) else { continue };
        let key = if key.is_empty() { name } else { format!("{key}/{name}") };
        if found.file_type().map_err(failed)?.is_dir() {
            if recursive {
                walk(&found.path(), &key, true, entries)?;
            }
            entries.push(Entry { key, file: None });
        } else if let Some(file) = info(&found.path())? {
            entries.push(Entry { key, file: Some(file) });
        }
    }
    Ok(())
}

#[async_trait]
impl StorageBackend for LocalStorage {
    async fn find(&self, key: &str) -> Result<Option<Found>, StorageError> {
        let path = self.path(key)?;
        Self::blocking(move || {
            if let Some(info) = info(&path)? {
                return Ok(Some(Found::File(info)));
            }
            match fs::read_dir(&path) {
                Ok(mut entries) => Ok(Some(Found::Folder { empty: entries.next().is_none() })),
                Err(_) => Ok(None),
            }
        })
        .await
    }

    async fn info(&self, key: &str) -> Result<Option<FileInfo>, StorageError> {
        let path = self.path(key)?;
        Self::blocking(move || info(&path)).await
    }

    async fn list(&self, folder: &str, recursive: bool) -> Result<Vec<Entry>, StorageError> {
        let (path, key) = (self.path(folder)?, folder.to_owned());
        Self::blocking(move || {
            let mut entries = Vec::new();
            walk(&path, &key, recursive, &mut entries)?;
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(entries)
        })
        .await
    }

    async fn put(&self, key: &str, mut body: ByteStream, _: &str, limit: u64) -> Result<Stored, StorageError> {
        let (storage, path) = (self.clone(), self.path(key)?);
        // `None` marks the end of the body. A sender that is dropped before means that the body broke off.
        let (sender, mut receiver) = mpsc::channel::<Option<Bytes>>(WAITING);
        let writing = tokio::spawn(Self::blocking(move || {
            let mut unfinished = storage.unfinished()?;
            let (mut hash, mut size) = (Sha256::new(), 0);
            while let Some(chunk) = receiver.blocking_recv() {
                let Some(bytes) = chunk else {
                    unfinished.place(&path)?;
                    let etag = info(&path)?.map(|info| info.etag).unwrap_or_default();
                    let Fingerprint { size, sha256 } = Fingerprint::new(size, hash);
                    return Ok(Stored { size, sha256, etag });
                };
                size += bytes.len() as u64;
                if size > limit {
                    return Err(StorageError::TooLarge { limit });
                }
                hash.update(&bytes);
                unfinished.file.write_all(&bytes).map_err(failed)?;
            }
            Err(StorageError::Broken)
        }));
        loop {
            let chunk = body.next().await.transpose()?;
            let last = chunk.is_none();
            if sender.send(chunk).await.is_err() || last {
                break;
            }
        }
        writing.await.map_err(|error| StorageError::Store(StoreError::Unavailable(Box::new(error))))?
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>, etag: Option<&str>) -> Result<Download, StorageError> {
        let (path, etag) = (self.path(key)?, etag.map(str::to_owned));
        let (info, file) = Self::blocking(move || {
            let info = info(&path)?.ok_or(StorageError::NotFound)?;
            if etag.is_some_and(|etag| etag != info.etag) {
                return Err(StorageError::Changed);
            }
            Ok((info, File::open(&path).map_err(failed)?))
        })
        .await?;
        let range = range.unwrap_or(0..info.size);
        let body = stream::try_unfold((file, range), |(mut file, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            Self::blocking(move || {
                let length = usize::try_from(range.end - range.start).unwrap_or(CHUNK).min(CHUNK);
                let mut bytes = vec![0; length];
                file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
                let read = file.read(&mut bytes).map_err(failed)?;
                bytes.truncate(read);
                let rest = range.start + read as u64..if read == 0 { range.start } else { range.end };
                Ok(Some((Bytes::from(bytes), (file, rest))))
            })
            .await
        });
        Ok(Download { info, body: Box::pin(body) })
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let path = self.path(key)?;
        Self::blocking(move || match info(&path)? {
            Some(_) => fs::remove_file(&path).map_err(failed),
            None => Ok(()),
        })
        .await
    }

    async fn delete_folder(&self, key: &str) -> Result<(), StorageError> {
        let path = self.path(key)?;
        Self::blocking(move || match fs::remove_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Err(StorageError::NotEmpty),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(failed),
        })
        .await
    }

    async fn make_folder(&self, key: &str) -> Result<bool, StorageError> {
        match self.find(key).await? {
            Some(Found::File(_)) => Err(StorageError::InTheWay(InTheWay::File)),
            Some(Found::Folder { .. }) => Ok(false),
            None => {
                let path = self.path(key)?;
                Self::blocking(move || fs::create_dir_all(&path).map_err(failed)).await?;
                Ok(true)
            }
        }
    }

    async fn copy(&self, from: &str, to: &str, etag: Option<&str>) -> Result<(), StorageError> {
        let (storage, from, to, etag) = (self.clone(), self.path(from)?, self.path(to)?, etag.map(str::to_owned));
        Self::blocking(move || {
            let info = info(&from)?.ok_or(StorageError::NotFound)?;
            if etag.is_some_and(|etag| etag != info.etag) {
                return Err(StorageError::Changed);
            }
            let mut unfinished = storage.unfinished()?;
            io::copy(&mut File::open(&from).map_err(failed)?, &mut unfinished.file).map_err(failed)?;
            unfinished.place(&to)
        })
        .await
    }

    async fn url_to_get(&self, _: &str, _: u64, _: &str) -> Result<SignedUrl, StorageError> {
        Err(StorageError::Unsupported)
    }

    async fn url_to_put(&self, _: &str, _: u64, _: &str) -> Result<SignedUrl, StorageError> {
        Err(StorageError::Unsupported)
    }
}
