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

/// The content of an object, or of one part of an object that was uploaded in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Name of the file.
    pub id: Uuid,
    /// Size in bytes.
    pub size: u64,
}

/// A content that was written.
pub struct WrittenBlob {
    pub blob: Blob,
    /// Tag of the content. Equal contents have equal tags, independent of writer and time.
    pub tag: String,
}

/// The folder that holds all contents.
#[derive(Clone)]
pub struct Blobs {
    folder: PathBuf,
    durable: bool,
    good: Arc<Mutex<HashMap<Uuid, Stamp>>>,
}

/// Time of the last change, and size in bytes, of a file. A content that was found good is still good while its stamp is the
/// same.
type Stamp = (SystemTime, u64);

fn stamp(file: &File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok((metadata.modified()?, metadata.len()))
}

/// Number of contents remembered as good. At this number all are forgotten, and checked again when they are read.
const MAX_GOOD: usize = 65_536;

/// Open files of consecutive contents, or of a range of them, that were found to be what was stored. Each file has the number of
/// bytes to read from it.
pub struct Opened(Vec<(File, u64)>);

/// Why contents cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The contents are not what was stored.
    #[error("the content is not what was stored")]
    Changed,
    /// A file is missing or cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Bytes read or passed on at once.
const CHUNK: usize = 256 * 1024;
/// Chunks that may wait to be written.
const WAITING: usize = 16;

impl Blobs {
    /// Opens the folder of contents, and creates it when it is missing.
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

    /// Writes a content from a stream, off the async threads. With `md5`, the content must have that MD5.
    ///
    /// # Errors
    /// `Other` when the stream fails, `FileTooLarge` when it is longer than `limit` bytes, `InvalidData` when it has another MD5,
    /// and the error of the operating system when the disk is full. No file remains after an error.
    pub async fn write<E: std::fmt::Display>(
        &self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
        md5: Option<Vec<u8>>,
    ) -> io::Result<WrittenBlob> {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
        let blobs = self.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let id = Uuid::new_v4();
            let unfinished = Unfinished(Some(blobs.path(id)));
            let mut file = File::create_new(blobs.path(id))?;
            let (mut hash, mut size) = (Hasher::new(), 0);
            // MD5 takes several times as long as all the rest of writing, so compute it only on request.
            let mut sum = md5.as_ref().map(|_| Md5::new());
            while let Some(bytes) = receiver.blocking_recv() {
                // An empty chunk marks the end of the stream. A stream that is dropped earlier sends none.
                if bytes.is_empty() {
                    if sum.map(|sum| sum.finalize().to_vec()) != md5 {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "the content has another MD5"));
                    }
                    if blobs.durable {
                        file.sync_data()?;
                    }
                    blobs.note_good(id, stamp(&file)?);
                    return Ok((WrittenBlob { blob: Blob { id, size }, tag: tag(&hash, 1) }, unfinished));
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

    /// Creates another name for the same content. Contents never change, so their files can be shared.
    pub fn link(&self, blob: &Blob) -> io::Result<Blob> {
        let linked = Blob { id: Uuid::new_v4(), size: blob.size };
        fs::hard_link(self.path(blob.id), self.path(linked.id))?;
        let stamp = self.good().get(&blob.id).copied();
        if let Some(stamp) = stamp {
            self.note_good(linked.id, stamp);
        }
        Ok(linked)
    }

    /// Opens a range of the contents of an object with the tag `etag`. It opens all files at once, so that the contents may be
    /// deleted meanwhile. The contents are hashed again when the whole object is asked for, when a file of the range has changed
    /// since it was written or found good, and when a file of the range was not checked since the start. So no byte of a changed
    /// content gets out, even when a client reads it range by range.
    ///
    /// # Errors
    /// [`OpenError::Changed`] when the contents do not fit the tag, [`OpenError::Io`] when a file is missing or cannot be read.
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

    /// Hashes the contents of an object and compares them with its tag.
    fn check(&self, contents: &[Blob], etag: &str) -> Result<(), OpenError> {
        let (mut tags, mut stamps) = (Vec::with_capacity(contents.len()), Vec::with_capacity(contents.len()));
        for blob in contents {
            let file = File::open(self.path(blob.id))?;
            stamps.push((blob.id, stamp(&file)?));
            let mut hash = Hasher::new();
            hash.update_reader(file)?;
            tags.push(tag(&hash, 1));
        }
        // An object stored in one request has the tag of its content. An object uploaded in parts, even in a single part, has a
        // tag made of the tags of its parts.
        let in_one_piece = matches!(&tags[..], [only] if only == etag);
        if !in_one_piece && tag_of_parts(tags.iter().map(String::as_str)) != etag {
            return Err(OpenError::Changed);
        }
        for (id, stamp) in stamps {
            self.note_good(id, stamp);
        }
        Ok(())
    }

    /// Deletes unused contents. A file that cannot be deleted is an orphan, which the next start removes.
    pub fn remove(&self, contents: &[Blob]) {
        for blob in contents {
            let _ = fs::remove_file(self.path(blob.id));
            self.good().remove(&blob.id);
        }
    }

    /// Deletes all contents but `kept`: the orphans that a crash left.
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

    /// Makes the names of new contents survive a loss of power. Call it before the index refers to them.
    pub fn sync(&self) -> io::Result<()> {
        if self.durable { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }
}

/// The tag of hashed data with this number of parts. It ends with that number, as the tag of an upload in parts does on S3, even
/// for one part, because tools take a tag without such an end for an MD5.
pub fn tag(hash: &Hasher, parts: usize) -> String {
    let mut bytes = [0; 16];
    hash.finalize_xof().fill(&mut bytes);
    format!("{:032x}-{parts}", u128::from_be_bytes(bytes))
}

/// The tag of an object whose parts have these tags.
pub fn tag_of_parts<'t>(tags: impl ExactSizeIterator<Item = &'t str>) -> String {
    let (mut hash, parts) = (Hasher::new(), tags.len());
    for tag in tags {
        hash.update(tag.as_bytes());
    }
    tag(&hash, parts)
}

impl Opened {
    /// Reads everything into memory.
    pub fn read(self) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(self.0.iter().map(|(_, length)| usize::try_from(*length).unwrap_or(0)).sum());
        for (file, length) in self.0 {
            if (file.take(length).read_to_end(&mut bytes)? as u64) < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(bytes.into())
    }

    /// Reads everything chunk by chunk.
    pub fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        stream::iter(self.0).map(Ok::<_, io::Error>).map_ok(|(file, left)| chunks_of(file, left, CHUNK)).try_flatten()
    }
}

/// The files that a range covers, each with the range of its bytes.
fn parts(contents: &[Blob], range: Range<u64>) -> impl Iterator<Item = (Uuid, Range<u64>)> {
    let mut start = 0;
    contents.iter().filter_map(move |blob| {
        let place = start..start + blob.size;
        start = place.end;
        let (from, to) = (range.start.max(place.start), range.end.min(place.end));
        (from < to).then(|| (blob.id, from - place.start..to - place.start))
    })
}

/// An unfinished file, which is deleted on drop; `None` once it is finished.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}
