//! Reads parts of a stored file.

use std::{fs::File, io, ops::Range};

use bytes::Bytes;

/// Reads parts of a stored file, which may be a file in a file system or an object in an object store.
///
/// The Parquet library's `ChunkReader` does not fit here for two reasons. It moves the position of a file, which threads share.
/// And it asks for one range after the other, each of which would be a request to an object store.
pub trait RangeReader: Send + Sync {
    /// Size of the file in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads ranges, each to its end. The ranges ascend, do not touch each other and are within the file. An implementation with
    /// a cost for each request should read neighbouring ranges together: the ranges of one call are in one row group, a few
    /// megabytes at most.
    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>>;
}

impl RangeReader for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        #[cfg(unix)]
        let read_at = |bytes: &mut [u8], at| std::os::unix::fs::FileExt::read_exact_at(self, bytes, at);
        #[cfg(windows)]
        let read_at = |mut bytes: &mut [u8], mut at: u64| {
            while !bytes.is_empty() {
                match std::os::windows::fs::FileExt::seek_read(self, bytes, at)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => (bytes, at) = (&mut bytes[read..], at + read as u64),
                }
            }
            Ok(())
        };
        let read = |range: &Range<u64>| {
            let mut bytes = vec![0; length(range)];
            read_at(&mut bytes, range.start)?;
            Ok(Bytes::from(bytes))
        };
        ranges.iter().map(read).collect()
    }
}

impl RangeReader for Bytes {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        let read = |range: &Range<u64>| {
            let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
            match (start, end) {
                (Ok(start), Ok(end)) if start <= end && end <= self.len() => Ok(self.slice(start..end)),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        ranges.iter().map(read).collect()
    }
}

/// Parts of a file that have been read.
#[derive(Debug, Default)]
pub struct Parts {
    /// Each part with its range, ascending.
    parts: Vec<(Range<u64>, Bytes)>,
}

impl Parts {
    /// Reads ranges of a file. Ranges that touch or overlap are read as one.
    pub fn read(reader: &impl RangeReader, mut ranges: Vec<Range<u64>>) -> io::Result<Self> {
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, range| {
            let touch = next.start <= range.end;
            if touch {
                range.end = range.end.max(next.end);
            }
            touch
        });
        let read = reader.read(&ranges)?;
        if !ranges.iter().map(length).eq(read.iter().map(Bytes::len)) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "fewer bytes came than were asked for"));
        }
        Ok(Self { parts: ranges.into_iter().zip(read).collect() })
    }

    /// Adds parts that have not been read before.
    pub fn extend(&mut self, more: Self) {
        self.parts.extend(more.parts);
        self.parts.sort_unstable_by_key(|(range, _)| range.start);
    }

    /// The bytes of a range; `None` if they have not been read as one part.
    pub fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let after = self.parts.partition_point(|(part, _)| part.start <= range.start);
        let (part, bytes) = self.parts.get(after.checked_sub(1)?)?;
        (range.end <= part.end).then(|| bytes.slice(length(&(part.start..range.start))..length(&(part.start..range.end))))
    }

    /// All parts, each with its range.
    pub fn into_parts(self) -> Vec<(Range<u64>, Bytes)> {
        self.parts
    }
}

/// Length of a range. Ranges that are read at once are far shorter than memory, so the length fits `usize`.
fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}
