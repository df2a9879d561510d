//! OLE compound files: old workbooks, and Office files with a password.

use std::io;

use memchr::memmem;

use super::{
    ReadSeek,
    error::{WorkbookError, corrupt},
    limits::WINDOW,
    records::utf16,
};

/// The beginning of a stream's name, and the error of a file with this stream.
type EncryptedStream = (&'static str, fn() -> WorkbookError);

/// Streams that only an encrypted file has, with the error of such a file. A file under rights management has the other streams
/// as well, so its own comes first.
const ENCRYPTED: [EncryptedStream; 3] = [
    ("DRMEncrypted", || WorkbookError::RightsManaged),
    ("EncryptedPackage", || WorkbookError::PasswordProtected),
    ("EncryptionInfo", || WorkbookError::PasswordProtected),
];

/// Distinguishes an encrypted `.xlsx` from an old `.xls`: both are OLE compound files. The names of the streams are in a
/// directory that can be anywhere in the file, so all of it is searched.
pub fn encryption(reader: &mut dyn ReadSeek) -> io::Result<Option<WorkbookError>> {
    reader.rewind()?;
    let names = ENCRYPTED.map(|(name, _)| name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let overlap = names.iter().map(Vec::len).max().unwrap_or(0);
    let mut window = vec![0; WINDOW];
    let mut kept = 0;
    let mut found = [false; ENCRYPTED.len()];
    loop {
        let read = reader.read(&mut window[kept..])?;
        if read == 0 {
            let first = ENCRYPTED.iter().zip(found).find(|(_, found)| *found);
            return Ok(first.map(|((_, error), _)| error()));
        }
        let end = kept + read;
        for (name, found) in names.iter().zip(&mut found) {
            *found = *found || memmem::find(&window[..end], name).is_some();
        }
        kept = end.min(overlap);
        window.copy_within(end - kept..end, 0);
    }
}

/// Numbers from this one on are not sectors; one of them ends a chain of sectors.
const FIRST_SPECIAL: u32 = 0xFFFF_FFFA;
/// Number of bytes of a directory entry.
const ENTRY: usize = 128;
/// Streams that identify a file that is not a workbook, with the kind of file.
const OTHER_FILES: [(&str, &str); 3] = [
    ("WordDocument", "a Word document (.doc)"),
    ("PowerPoint Document", "a PowerPoint presentation (.ppt)"),
    ("__properties_version1.0", "an Outlook message (.msg)"),
];

/// An OLE compound file in memory: sectors, and a table that chains them to streams.
struct CompoundFile<'f> {
    bytes: &'f [u8],
    shift: u32,
    /// For each sector, the next one of its stream.
    next: Vec<u32>,
}

/// The name of a stream, its first sector, and its size in bytes.
struct StreamPlace {
    name: String,
    start: u32,
    size: usize,
}

/// The stream that holds the workbook of an `.xls`.
///
/// # Errors
/// [`WorkbookError::Corrupt`] when the file is damaged; [`WorkbookError::OtherFile`] when it has no workbook.
pub fn workbook_stream(bytes: &[u8]) -> Result<Vec<u8>, WorkbookError> {
    let file = CompoundFile::open(bytes).ok_or_else(|| corrupt("it is damaged or cut short"))?;
    let directory = file.chain(read_u32(bytes, 48).unwrap_or(u32::MAX));
    let streams: Vec<_> = directory.chunks_exact(ENTRY).filter_map(StreamPlace::of).collect();
    let find = |name: &str| streams.iter().find(|stream| stream.name == name);
    let Some(stream) = find("Workbook").or_else(|| find("Book")) else {
        let other = OTHER_FILES.iter().find(|(name, _)| find(name).is_some());
        return Err(WorkbookError::OtherFile { kind: other.map_or("an old Office file", |(_, kind)| kind) });
    };
    let found = if stream.size < read_u32(bytes, 56).unwrap_or(0) as usize {
        // Short streams share one stream, in which they have small sectors of their own.
        let shared = find("Root Entry").map(|root| file.chain(root.start)).unwrap_or_default();
        let table = file.chain(read_u32(bytes, 60).unwrap_or(u32::MAX));
        let shift = read_u16(bytes, 32).map_or(6, u32::from).min(16);
        let next = table.chunks_exact(4).filter_map(|entry| read_u32(entry, 0)).collect();
        CompoundFile { bytes: &shared, shift, next }.chain_from(stream.start, 0)
    } else {
        file.chain(stream.start)
    };
    let whole = found.get(..stream.size).ok_or_else(|| corrupt("it is damaged or cut short"))?;
    Ok(whole.to_vec())
}

impl<'f> CompoundFile<'f> {
    /// Reads the table of sectors.
    fn open(bytes: &'f [u8]) -> Option<Self> {
        /// Number of entries of the table of tables in the header.
        const IN_HEADER: usize = 109;
        let shift = read_u16(bytes, 30).map(u32::from).filter(|shift| (9..=16).contains(shift))?;
        let mut file = Self { bytes, shift, next: Vec::new() };
        let most = bytes.len() >> shift;
        let mut tables: Vec<u32> = (0..IN_HEADER).filter_map(|at| read_u32(bytes, 76 + 4 * at)).collect();
        let mut more = read_u32(bytes, 68)?;
        while more < FIRST_SPECIAL && tables.len() <= most + IN_HEADER {
            let mut entries: Vec<u32> = file.sector(more, 1)?.chunks_exact(4).filter_map(|entry| read_u32(entry, 0)).collect();
            more = entries.pop()?;
            tables.extend(entries);
        }
        for table in tables.into_iter().filter(|table| *table < FIRST_SPECIAL).take(most) {
            let entries: Vec<u32> = file.sector(table, 1)?.chunks_exact(4).filter_map(|entry| read_u32(entry, 0)).collect();
            file.next.extend(entries);
        }
        Some(file)
    }

    /// The bytes of a sector; `before` is the number of sectors before the first.
    fn sector(&self, number: u32, before: usize) -> Option<&'f [u8]> {
        let start = (number as usize).checked_add(before)?.checked_shl(self.shift)?;
        let rest = self.bytes.get(start..)?;
        Some(&rest[..rest.len().min(1 << self.shift)])
    }

    /// The bytes of a stream from its first sector on.
    fn chain(&self, start: u32) -> Vec<u8> {
        self.chain_from(start, 1)
    }

    fn chain_from(&self, start: u32, before: usize) -> Vec<u8> {
        let mut found = Vec::new();
        let mut sector = start;
        // Read no more sectors than the file has, so that a ring ends.
        for _ in 0..self.next.len() {
            let (Some(bytes), Some(next)) = (self.sector(sector, before), self.next.get(sector as usize)) else { break };
            found.extend_from_slice(bytes);
            sector = *next;
        }
        found
    }
}

impl StreamPlace {
    fn of(entry: &[u8]) -> Option<Self> {
        let length = usize::from(read_u16(entry, 64)?).checked_sub(2)?;
        let name = utf16(entry.get(..length.min(64))?).collect();
        Some(Self { name, start: read_u32(entry, 116)?, size: read_u32(entry, 120)? as usize })
    }
}

/// Two bytes as a number, the lower first.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes as a number, the lowest first.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
