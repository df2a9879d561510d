//! The ZIP archive that a workbook is: its directory, and its parts as streams of unpacked bytes.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use zip::{CompressionMethod, ZipArchive};

use super::{
    ReadSeek,
    error::{WorkbookError, bomb, corrupt, mebibytes},
    limits::{MAX_DIRECTORY, MAX_PART, MAX_PARTS, MAX_WORKBOOK},
};
use crate::{results::workbook::OWN_MARK, tape::not_a_tape::by_zip_parts};

/// The name of the ZIP directory in messages.
const DIRECTORY: &str = "list of parts";
/// Number of packed bytes read at a time.
const PACKED: usize = 1 << 16;

/// What the ZIP directory says about a part.
#[derive(Debug)]
pub struct Part {
    /// The name of the part, as written.
    pub name: String,
    /// The declared size when unpacked, in bytes; the directory may lie about it.
    pub unpacked: u64,
    /// Offset of the part's data in the file.
    start: u64,
    packed: u64,
    crc: u32,
    method: CompressionMethod,
}

/// The parts of a workbook, by name.
#[derive(Debug)]
pub struct Package {
    parts: Vec<Arc<Part>>,
    /// Indexes into `parts`, by names in lower case with `/` between folders: producers disagree about both.
    by_name: HashMap<String, usize>,
}

impl Package {
    /// Reads the ZIP directory, and rejects a file whose parts are too many, too large, encrypted or overlapping, or that is not
    /// a workbook.
    ///
    /// # Errors
    /// [`WorkbookError::Bomb`], [`WorkbookError::Corrupt`], [`WorkbookError::PasswordProtected`] or [`WorkbookError::OtherFile`]
    /// for such a file; [`WorkbookError::Io`] only for errors of `reader` itself.
    pub fn read(reader: &mut dyn ReadSeek) -> Result<Self, WorkbookError> {
        let allowance = Cell::new(MAX_DIRECTORY);
        let mut source = DirectoryReader { inner: BufReader::new(reader), allowance: &allowance, trouble: None };
        // The ZIP library reads hostile bytes here. If it panics, the workbook is reported as unreadable.
        let read = catch_unwind(AssertUnwindSafe(|| Self::read_directory(&mut source)));
        let read = read.unwrap_or_else(|_| Err(corrupt("its parts make no sense")));
        read.map_err(|error| source.trouble.map_or(error, WorkbookError::Io))
    }

    fn read_directory(source: &mut DirectoryReader<'_>) -> Result<Self, WorkbookError> {
        let allowance = source.allowance;
        let mut archive = match ZipArchive::new(&mut *source) {
            Ok(archive) => archive,
            Err(_) if allowance.get() == 0 => return Err(bomb(DIRECTORY, mebibytes(MAX_DIRECTORY))),
            Err(error) => return Err(corrupt(format_args!("it is damaged or cut short: {error}"))),
        };
        // Test this before the limits of a workbook: the file may not be a workbook.
        let names: Vec<_> = archive.file_names_raw().map(String::from_utf8_lossy).collect();
        if let Some(kind) = by_zip_parts(&names) {
            return Err(WorkbookError::OtherFile { kind });
        }
        if archive.comment() == OWN_MARK.as_bytes() {
            return Err(WorkbookError::OtherFile { kind: "a workbook that Loan Engine wrote" });
        }
        if archive.len() > MAX_PARTS {
            return Err(bomb(DIRECTORY, format!("{MAX_PARTS} parts")));
        }
        let mut places = BTreeMap::new();
        let mut total = 0_u64;
        for index in 0..archive.len() {
            let (header, part) = read_entry(&mut archive, index)?;
            total = total.saturating_add(part.unpacked);
            if part.unpacked > MAX_PART {
                return Err(bomb(&part.name, mebibytes(MAX_PART)));
            }
            if total > MAX_WORKBOOK {
                return Err(bomb("all parts together", mebibytes(MAX_WORKBOOK)));
            }
            if places.insert(part.start, (header, part)).is_some() {
                return Err(corrupt("two of its parts are in one place"));
            }
        }
        // Bytes that belong to several parts would be unpacked several times.
        let following = places.values().skip(1);
        if places.values().zip(following).any(|((_, part), (next, _))| part.start.saturating_add(part.packed) > *next) {
            return Err(corrupt("two of its parts are in one place"));
        }
        let parts: Vec<_> = places.into_values().map(|(_, part)| Arc::new(part)).collect();
        let by_name = parts.iter().enumerate().map(|(at, part)| (folded(&part.name), at)).collect();
        Ok(Self { parts, by_name })
    }

    /// The index of the part with this name, in any case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&folded(name)).copied()
    }

    /// The part at an index from [`Self::find`].
    pub fn part(&self, at: usize) -> Option<&Arc<Part>> {
        self.parts.get(at)
    }

    /// The part with this name; `None` when there is none.
    pub fn get(&self, name: &str) -> Option<&Arc<Part>> {
        self.part(self.find(name)?)
    }
}

fn folded(name: &str) -> String {
    name.replace('\\', "/").to_ascii_lowercase()
}

/// An entry of the directory, with the offset of its header.
fn read_entry<R: Read + Seek>(archive: &mut ZipArchive<R>, index: usize) -> Result<(u64, Part), WorkbookError> {
    let damaged = |error| corrupt(format_args!("it is damaged: {error}"));
    let entry = archive.by_index_raw(index).map_err(damaged)?;
    let name = entry.name().map(Cow::into_owned).map_err(damaged)?;
    if entry.encrypted() {
        return Err(WorkbookError::PasswordProtected);
    }
    let start = entry.data_start().ok_or_else(|| corrupt("one of its parts has no place"))?;
    let part = Part {
        name,
        unpacked: entry.size(),
        start,
        packed: entry.compressed_size(),
        crc: entry.crc32(),
        method: entry.compression(),
    };
    Ok((entry.header_start(), part))
}

/// The reader through which the ZIP library reads the directory. It reads no more than a directory needs. It keeps the first
/// error of the inner reader, because the library wraps such errors beyond recognition.
struct DirectoryReader<'r> {
    inner: BufReader<&'r mut dyn ReadSeek>,
    allowance: &'r Cell<u64>,
    trouble: Option<io::Error>,
}

impl DirectoryReader<'_> {
    fn keep(&mut self, error: io::Error) -> io::Error {
        match error.kind() {
            // `Interrupted` only asks for another try; `InvalidInput` comes from an offset in the workbook that leads nowhere.
            io::ErrorKind::Interrupted | io::ErrorKind::InvalidInput => error,
            kind => {
                self.trouble.get_or_insert(error);
                kind.into()
            }
        }
    }
}

impl Read for DirectoryReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance.get() == 0 {
            return Err(io::Error::other("more is read than a workbook needs"));
        }
        let room = buffer.len().min(usize::try_from(self.allowance.get()).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..room]).map_err(|error| self.keep(error))?;
        self.allowance.set(self.allowance.get() - read as u64);
        Ok(read)
    }
}

impl Seek for DirectoryReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to).map_err(|error| self.keep(error))
    }
}

/// Reads the unpacked bytes of one part. The end of the part is an error when the checksum is wrong.
pub struct PartReader<R> {
    inner: BufReader<R>,
    part: Arc<Part>,
    /// `None` for a part that is stored without compression.
    inflater: Option<Decompress>,
    /// Number of packed bytes that have not been taken yet.
    packed: u64,
    unpacked: u64,
    crc: Crc,
    ended: bool,
}

impl<R: Read + Seek> PartReader<R> {
    /// Starts at the beginning of a part.
    ///
    /// # Errors
    /// [`WorkbookError::Bomb`] when the part declares more than `limit` unpacked bytes; [`WorkbookError::Corrupt`] when it is
    /// packed in a way that Excel does not use; [`WorkbookError::Io`] for errors of `reader`.
    pub fn new(reader: R, part: &Arc<Part>, limit: u64) -> Result<Self, WorkbookError> {
        if part.unpacked > limit {
            return Err(bomb(&part.name, mebibytes(limit)));
        }
        let inflater = match part.method {
            CompressionMethod::Stored => None,
            CompressionMethod::Deflated => Some(Decompress::new(false)),
            _ => return Err(corrupt(format_args!("its part {} is packed in a way that Excel does not use", part.name))),
        };
        let mut inner = BufReader::with_capacity(PACKED, reader);
        inner.seek(SeekFrom::Start(part.start))?;
        let part = Arc::clone(part);
        Ok(Self { inner, packed: part.packed, part, inflater, unpacked: 0, crc: Crc::new(), ended: false })
    }

    pub fn name(&self) -> &str {
        &self.part.name
    }

    /// Fills the buffer with the next unpacked bytes; fewer only at the end of the part.
    ///
    /// # Errors
    /// [`WorkbookError::Corrupt`] when the part is damaged or its checksum is wrong; [`WorkbookError::Bomb`] when it is larger
    /// than the directory says; [`WorkbookError::Io`] for errors of the reader.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, WorkbookError> {
        let mut filled = 0;
        while filled < buffer.len() && !self.ended {
            let made = self.unpack(&mut buffer[filled..])?;
            self.crc.update(&buffer[filled..filled + made]);
            filled += made;
            self.unpacked += made as u64;
            if self.unpacked > self.part.unpacked {
                return Err(bomb(&self.part.name, format!("the {} bytes that it declares", self.part.unpacked)));
            }
        }
        if self.ended && self.crc.sum() != self.part.crc {
            return Err(corrupt(format_args!("its part {} is damaged: its checksum is wrong", self.part.name)));
        }
        Ok(filled)
    }

    /// Unpacks some bytes; may return 0 before the end.
    fn unpack(&mut self, room: &mut [u8]) -> Result<usize, WorkbookError> {
        let packed = if self.packed == 0 { &[] } else { self.inner.fill_buf()? };
        let packed = &packed[..packed.len().min(usize::try_from(self.packed).unwrap_or(usize::MAX))];
        let (used, made) = match &mut self.inflater {
            None => {
                let taken = packed.len().min(room.len());
                room[..taken].copy_from_slice(&packed[..taken]);
                self.ended = self.packed == taken as u64;
                (taken, taken)
            }
            Some(inflater) => {
                let before = (inflater.total_in(), inflater.total_out());
                let status = inflater.decompress(packed, room, FlushDecompress::None);
                let status = status.map_err(|_| corrupt(format_args!("its part {} is damaged", self.part.name)))?;
                self.ended = status == Status::StreamEnd;
                // Both differences are at most the length of a slice.
                ((inflater.total_in() - before.0) as usize, (inflater.total_out() - before.1) as usize)
            }
        };
        if used == 0 && made == 0 && !self.ended {
            return Err(corrupt(format_args!("its part {} is cut short", self.part.name)));
        }
        self.inner.consume(used);
        self.packed -= used as u64;
        Ok(made)
    }
}
