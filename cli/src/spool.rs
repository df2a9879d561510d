//! A tape from standard input, which can be read only once. The spool keeps it in a file without a name, which disappears with
//! the process, however the process ends.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::{Arc, Mutex, PoisonError},
};

use shared::tape::{source::TapeSource, workbook::ReadSeek};

/// The content of standard input.
#[derive(Debug, Clone)]
pub struct Spool {
    /// Shared by all readers: each seeks to its own place before it reads.
    file: Arc<Mutex<File>>,
    size: u64,
}

impl Spool {
    /// Reads the whole input. Memory does not grow with the input.
    ///
    /// # Errors
    /// [`io::Error`] when the input cannot be read, or the temporary folder cannot hold it.
    pub fn read(mut input: impl Read) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        let size = io::copy(&mut input, &mut file)?;
        Ok(Self { file: Arc::new(Mutex::new(file)), size })
    }

    /// The first bytes, at most `most`.
    ///
    /// # Errors
    /// [`io::Error`] when the file cannot be read.
    pub fn head(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.reader_at(0).take(most).read_to_end(&mut head)?;
        Ok(head)
    }

    /// The content as a tape of this name.
    pub fn source(&self, name: String) -> impl TapeSource + use<> {
        SpooledTape { name, spool: self.clone() }
    }

    fn reader_at(&self, at: u64) -> SpoolReader {
        SpoolReader { spool: self.clone(), at }
    }
}

struct SpooledTape {
    name: String,
    spool: Spool,
}

impl TapeSource for SpooledTape {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.spool.size
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.spool.reader_at(offset)))
    }

    fn open_seekable(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(self.spool.reader_at(0)))
    }
}

struct SpoolReader {
    spool: Spool,
    at: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.spool.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let length = file.read(buffer)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for SpoolReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
            SeekFrom::End(offset) => self.spool.size.checked_add_signed(offset),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_has_a_place_of_its_own() {
        let tape = Spool::read(&b"0123456789"[..]).unwrap().source("stdin.csv".to_owned());
        let text = |reader: &mut dyn Read, length: u64| {
            let mut text = String::new();
            reader.take(length).read_to_string(&mut text).unwrap();
            text
        };
        let (mut first, mut second) = (tape.open_at(0).unwrap(), tape.open_at(4).unwrap());
        assert_eq!([text(&mut first, 3), text(&mut second, 3), text(&mut first, 99)], ["012", "456", "3456789"]);
        let mut sought = tape.open_seekable().unwrap();
        for (to, rest) in [(SeekFrom::End(-2), "89"), (SeekFrom::Start(7), "789"), (SeekFrom::Current(-1), "9")] {
            sought.seek(to).unwrap();
            assert_eq!(text(&mut sought, 99), rest);
        }
        assert_eq!(sought.seek(SeekFrom::Current(-11)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!((tape.name(), tape.size()), ("stdin.csv", 10));
    }
}
