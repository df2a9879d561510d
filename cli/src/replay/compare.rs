//! Compares output files with the archived ones while the engine writes them, so that the new files are not stored.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use shared::{engine::Destination, tape::text::RawCopy};

/// Bytes of a line that are kept to show them.
const KEPT_OF_LINE: usize = 1_000;

/// The first line in which a file differs from the archived one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineDifference {
    /// Number of the line, from 1.
    pub line: u64,
    /// The line of the archived file; `None` when the file ends before.
    pub archived: Option<String>,
    /// The line of the new file; `None` when the file ends before.
    pub again: Option<String>,
}

/// Receives the results of a run, and keeps only the differences from the archived files.
pub struct Comparing {
    files: Vec<(&'static str, PathBuf)>,
    comparisons: Mutex<Vec<(&'static str, SharedComparison)>>,
}

type SharedComparison = Arc<Mutex<Comparison>>;

impl Comparing {
    /// `files` holds the name of each file to compare, with the path of the archived file.
    pub fn new(files: Vec<(&'static str, PathBuf)>) -> Self {
        Self { files, comparisons: Mutex::default() }
    }

    /// The differences, once the run is over.
    pub fn finish(self) -> Vec<(&'static str, LineDifference)> {
        let comparisons = self.comparisons.into_inner().unwrap_or_else(PoisonError::into_inner);
        let finished = comparisons.into_iter().filter_map(|(name, comparison)| {
            let difference = comparison.lock().unwrap_or_else(PoisonError::into_inner).finish();
            difference.map(|difference| (name, difference))
        });
        finished.collect()
    }
}

impl Destination for Comparing {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        let Some((name, path)) = self.files.iter().find(|(name, _)| *name == file_name) else {
            return Ok(Box::new(io::sink()));
        };
        let comparison = Arc::new(Mutex::new(Comparison::new(Box::new(File::open(path)?))));
        self.comparisons.lock().unwrap_or_else(PoisonError::into_inner).push((*name, Arc::clone(&comparison)));
        Ok(Box::new(Compared(comparison)))
    }

    fn archive_tape(&self, _: &str) -> io::Result<Option<RawCopy>> {
        Ok(None)
    }
}

/// A file that is compared instead of written.
struct Compared(SharedComparison);

impl Write for Compared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).compare(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Comparison {
    archived: BufReader<Box<dyn io::Read + Send>>,
    line: u64,
    /// The beginning of the current line, which both files have in common.
    common: Vec<u8>,
    found: Option<LineDifference>,
}

impl Comparison {
    fn new(archived: Box<dyn io::Read + Send>) -> Self {
        Self { archived: BufReader::with_capacity(128 * 1024, archived), line: 1, common: Vec::new(), found: None }
    }

    fn compare(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.found.is_none() && !bytes.is_empty() {
            let archived = self.archived.fill_buf()?;
            let length = archived.len().min(bytes.len());
            let same = if archived[..length] == bytes[..length] {
                length
            } else {
                archived.iter().zip(bytes).take_while(|(a, b)| a == b).count()
            };
            let (common, rest) = bytes.split_at(same);
            self.archived.consume(same);
            self.pass(common);
            if same < length || length == 0 {
                self.found = Some(self.difference(Some(rest))?);
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Moves on behind bytes that both files have.
    fn pass(&mut self, common: &[u8]) {
        if let Some(end) = common.iter().rposition(|byte| *byte == b'\n') {
            self.line += common.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.common.clear();
            self.keep(&common[end + 1..]);
        } else {
            self.keep(common);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = KEPT_OF_LINE.saturating_sub(self.common.len()).min(part.len());
        self.common.extend_from_slice(&part[..room]);
    }

    /// The difference at the current place. `again` is the rest of the new file; `None` when the new file ends.
    fn difference(&mut self, again: Option<&[u8]>) -> io::Result<LineDifference> {
        let mut archived = Vec::new();
        self.archived.by_ref().take(KEPT_OF_LINE as u64).read_until(b'\n', &mut archived)?;
        let shown = |rest: &[u8]| {
            if rest.is_empty() && self.common.is_empty() {
                return None;
            }
            let rest = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = [&self.common[..], &rest[..rest.len().min(KEPT_OF_LINE)]].concat();
            Some(String::from_utf8_lossy(&line).into_owned())
        };
        Ok(LineDifference { line: self.line, archived: shown(&archived), again: shown(again.unwrap_or_default()) })
    }

    /// The difference, if there is one. An archived file that is longer than the new one differs, too.
    fn finish(&mut self) -> Option<LineDifference> {
        if self.found.is_none() && self.archived.fill_buf().is_ok_and(|rest| !rest.is_empty()) {
            self.found = self.difference(None).ok();
        }
        self.found.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(archived: &'static str, parts: &[&str]) -> Option<LineDifference> {
        let mut comparison = Comparison::new(Box::new(archived.as_bytes()));
        for part in parts {
            comparison.compare(part.as_bytes()).unwrap();
        }
        comparison.finish()
    }

    fn difference(line: u64, archived: Option<&str>, again: Option<&str>) -> Option<LineDifference> {
        Some(LineDifference { line, archived: archived.map(str::to_owned), again: again.map(str::to_owned) })
    }

    #[test]
    fn equal_files_are_equal_however_they_are_cut() {
        assert_eq!(compared("a,b\nc,d\n", &["a,b\nc,d\n"]), None);
        assert_eq!(compared("a,b\nc,d\n", &["a", ",b\nc", ",d", "\n"]), None);
        assert_eq!(compared("", &[]), None);
    }

    #[test]
    fn the_first_differing_line_is_shown_whole() {
        assert_eq!(compared("a,b\nc,d\ne\n", &["a,b\nc", ",x\ne\n"]), difference(2, Some("c,d"), Some("c,x")));
        assert_eq!(compared("a,b\n", &["A,b\n"]), difference(1, Some("a,b"), Some("A,b")));
    }

    #[test]
    fn a_file_that_ends_early_differs_there() {
        assert_eq!(compared("a\n", &["a\nb\n"]), difference(2, None, Some("b")));
        assert_eq!(compared("a\nb\n", &["a\n"]), difference(2, Some("b"), None));
        assert_eq!(compared("a\nbc", &["a\nb"]), difference(2, Some("bc"), Some("b")));
        assert_eq!(compared("a\n", &[]), difference(1, Some("a"), None));
    }
}
