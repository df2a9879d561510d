//! Where the bytes of a tape come from: a local file, memory, or an object store.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use super::workbook::ReadSeek;

/// The bytes of one tape. All readers of a source read the same content.
#[cfg_attr(test, mockall::automock)]
pub trait TapeSource: Send + Sync {
    /// The name under which the tape appears in results, in the archive and in errors.
    fn name(&self) -> &str;
    /// The size in bytes that the tape had when it was found.
    fn size(&self) -> u64;
    /// Opens the tape at a byte offset.
    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>>;
    /// Opens the tape for reading in any order, as a workbook needs it.
    fn open_seekable(&self) -> io::Result<Box<dyn ReadSeek>>;
}

/// A tape in a local file.
#[derive(Debug)]
pub struct FileSource {
    name: String,
    path: PathBuf,
    size: u64,
}

impl FileSource {
    /// A tape at `path`, called `name` in results.
    pub fn new(path: PathBuf, name: String) -> io::Result<Self> {
        let size = std::fs::metadata(&path)?.len();
        Ok(Self { name, path, size })
    }

    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl TapeSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn open_seekable(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(File::open(&self.path)?))
    }
}

/// A tape in memory.
#[derive(Debug, Clone)]
pub struct MemorySource {
    name: String,
    bytes: std::sync::Arc<[u8]>,
}

impl MemorySource {
    pub fn new(name: impl Into<String>, bytes: impl Into<std::sync::Arc<[u8]>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

impl TapeSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut cursor = io::Cursor::new(self.bytes.clone());
        cursor.set_position(offset);
        Ok(Box::new(cursor))
    }

    fn open_seekable(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(io::Cursor::new(self.bytes.clone())))
    }
}
