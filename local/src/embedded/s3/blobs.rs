//! The contents of objects: files with random names that are written once and never changed.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use blake3::Hasher;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use stores::storage::chunks_of;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::embedded::private;

/// A content, and a part of an object that was uploaded in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// The name of its file.
    pub id: Uuid,
    /// Its size in bytes.
    pub size: u64,
}

/// A content that was written.
pub struct Written {
    /// The content.
    pub blob: Blob,
    /// Its tag: the same content has the same one, whoever writes it and whenever.
    pub tag: String,
}

/// The folder of all contents.
#[derive(Clone)]
pub struct Blobs {
    folder: PathBuf,
    durable: bool,
    good: Arc<Mutex<HashMap<Uuid, Stamp>>>,
}

/// When a file was changed last, and how long it is: a content with the stamp that it had when it was found good is still good.
type Stamp = (SystemTime, u64);

fn stamp(file: &File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok((metadata.modified()?, metadata.len()))
}

/// Of how many contents it is kept that they were found good. Those of the rest are looked at again.
const MAX_GOOD: usize = 65_536;

/// Contents that follow each other, or a range of them, opened, and found to be what was stored.
pub struct Opened(Vec<(File, u64)>);

/// Why contents are not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// They are not what was stored.
    #[error("the content is not what was stored")]
    Changed,
    /// They cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How much is read or handed on at once.
const CHUNK: usize = 256 * 1024;
/// How many chunks wait to be written.
const WAITING: usize = 16;

impl Blobs {
    /// In a folder, which is made if it is not there.
    pub fn open(folder: &Path, durable: bool) -> io::Result<Self> {
        private::folder(folder)?;
        private::keep(folder)?;
        Ok(Self { folder: folder.to_owned(), durable, good: Arc::default() })
    }

    fn good(&self) -> MutexGuard<'_, HashMap<Uuid, Stamp>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_good(&self, id: Uuid, stamp: Stamp) {
        let mut good = self.good();
        if good.len() >= MAX_GOOD {
            good.clear();
        }
        good.insert(id, stamp);
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.folder.join(id.simple().to_string())
    }

    /// Writes a content from a stream, off the async threads. With `md5`, it must have that MD5.
    ///
    /// # Errors
    /// The stream breaks off, is longer than `limit`, has another MD5 (`InvalidData`), or the disk is full. Nothing is left
    /// then.
    pub async fn write<E: std::fmt::Display>(
        &self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
        md5: Option<Vec<u8>>,
    ) -> io::Result<Written> {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
        let blobs = self.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let id = Uuid::new_v4();
            let unfinished = Unfinished(Some(blobs.path(id)));
            let mut file = File::create_new(blobs.path(id))?;
            let (mut hash, mut size) = (Hasher::new(), 0);
            // MD5 takes several times as long as all the rest of writing: only for those who ask for it.
            let mut sum = md5.as_ref().map(|_| Md5::new());
            while let Some(bytes) = receiver.blocking_recv() {
                // An empty chunk says that the stream came to its end: one that is dropped did not.
                if bytes.is_empty() {
                    if sum.map(|sum| sum.finalize().to_vec()) != md5 {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "the content has another MD5"));
                    }
                    if blobs.durable {
                        file.sync_data()?;
                    }
                    blobs.note_good(id, stamp(&file)?);
                    return Ok((Written { blob: Blob { id, size }, tag: tag(&hash, 1) }, unfinished));
                }
                size += bytes.len() as u64;
                if size > limit {
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the content is too large"));
                }
                hash.update(&bytes);
                if let Some(sum) = &mut sum {
                    sum.update(&bytes);
                }
                file.write_all(&bytes)?;
            }
            Err(io::ErrorKind::UnexpectedEof.into())
        });
        loop {
            let chunk = match body.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
                None => Bytes::new(),
            };
            let last = chunk.is_empty();
            if sender.send(chunk).await.is_err() || last {
                break;
            }
        }
        drop(sender);
        let (written, mut unfinished) = writing.await.map_err(io::Error::other)??;
        unfinished.0 = None;
        Ok(written)
    }

    /// Another name for the same content: what is never changed can be shared.
    pub fn link(&self, blob: &Blob) -> io::Result<Blob> {
        let linked = Blob { id: Uuid::new_v4(), size: blob.size };
        fs::hard_link(self.path(blob.id), self.path(linked.id))?;
        let stamp = self.good().get(&blob.id).copied();
        if let Some(stamp) = stamp {
            self.note_good(linked.id, stamp);
        }
        Ok(linked)
    }

    /// Opens a range of the contents of an object with a tag, at once, so that they may be deleted meanwhile. What is opened is
    /// what was stored: the contents are hashed again when all of them are asked for, and when a file of the range has changed
    /// since it was written or found good, or was not looked at since the start. So nothing of a changed content gets out, also
    /// where it is read piece by piece.
    ///
    /// # Errors
    /// [`OpenError::Changed`] when the contents do not fit the tag.
    pub fn open_checked(&self, contents: &[Blob], etag: &str, range: Range<u64>) -> Result<Opened, OpenError> {
        let all = range == (0..contents.iter().map(|blob| blob.size).sum());
        let (mut files, mut all_good) = (Vec::new(), !all);
        for (id, part) in parts(contents, range) {
            let mut file = File::open(self.path(id))?;
            all_good = all_good && self.good().get(&id).copied() == Some(stamp(&file)?);
            file.seek(SeekFrom::Start(part.start))?;
            files.push((file, part.end - part.start));
        }
        if !all_good {
            self.check(contents, etag)?;
        }
        Ok(Opened(files))
    }

    /// Hashes contents and compares them with their tag.
    fn check(&self, contents: &[Blob], etag: &str) -> Result<(), OpenError> {
        let (mut tags, mut stamps) = (Vec::with_capacity(contents.len()), Vec::with_capacity(contents.len()));
        for blob in contents {
            let file = File::open(self.path(blob.id))?;
            stamps.push((blob.id, stamp(&file)?));
            let mut hash = Hasher::new();
            hash.update_reader(file)?;
            tags.push(tag(&hash, 1));
        }
        // What was put in one piece has the tag of its content. What was uploaded in parts, be it in one, has that of their tags.
        let in_one_piece = matches!(&tags[..], [only] if only == etag);
        if !in_one_piece && tag_of_parts(tags.iter().map(String::as_str)) != etag {
            return Err(OpenError::Changed);
        }
        for (id, stamp) in stamps {
            self.note_good(id, stamp);
        }
        Ok(())
    }

    /// Deletes contents that nothing refers to any more. One that stays is an orphan, which the next start removes.
    pub fn remove(&self, contents: &[Blob]) {
        for blob in contents {
            let _ = fs::remove_file(self.path(blob.id));
            self.good().remove(&blob.id);
        }
    }

    /// Deletes everything that is not referred to: what a crash left.
    pub fn remove_all_but(&self, kept: &HashSet<Uuid>) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|name| name.parse::<Uuid>().ok());
            if id.is_none_or(|id| !kept.contains(&id)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes the names of new contents survive a loss of power, before the index refers to them.
    pub fn sync(&self) -> io::Result<()> {
        if self.durable { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }
}

/// The tag of what was hashed, of so many parts. It ends like that of an upload in parts, even where there is one part,
/// because tools take a tag without such an end for an MD5.
pub fn tag(hash: &Hasher, parts: usize) -> String {
    let mut bytes = [0; 16];
    hash.finalize_xof().fill(&mut bytes);
    format!("{:032x}-{parts}", u128::from_be_bytes(bytes))
}

/// The tag of what is uploaded in parts with these tags.
pub fn tag_of_parts<'t>(tags: impl ExactSizeIterator<Item = &'t str>) -> String {
    let (mut hash, parts) = (Hasher::new(), tags.len());
    for tag in tags {
        hash.update(tag.as_bytes());
    }
    tag(&hash, parts)
}

impl Opened {
    /// Reads all of it.
    pub fn read(self) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(self.0.iter().map(|(_, length)| usize::try_from(*length).unwrap_or(0)).sum());
        for (file, length) in self.0 {
            if (file.take(length).read_to_end(&mut bytes)? as u64) < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(bytes.into())
    }

    /// Reads it chunk by chunk.
    pub fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        stream::iter(self.0).map(Ok::<_, io::Error>).map_ok(|(file, left)| chunks_of(file, left, CHUNK)).try_flatten()
    }
}

/// Which parts of which files a range is.
fn parts(contents: &[Blob], range: Range<u64>) -> impl Iterator<Item = (Uuid, Range<u64>)> {
    let mut start = 0;
    contents.iter().filter_map(move |blob| {
        let place = start..start + blob.size;
        start = place.end;
        let (from, to) = (range.start.max(place.start), range.end.min(place.end));
        (from < to).then(|| (blob.id, from - place.start..to - place.start))
    })
}

/// A file that goes away unless it is finished.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}
