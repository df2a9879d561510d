//! Writing the index of a run, and finding a number in it.

use std::{
    io::{self, Write},
    ops::Range,
};

use crate::{facts::read::RangeReader, phases::disposition::Disposition};

use super::{BLOCK_ENTRIES, ENTRY_BYTES, NumberMark, entry, hash_of};

/// Writes the index of a run. The marks come in the order of the loans.
pub struct IndexWriter<W> {
    out: W,
    /// Number of loans so far, with and without a number.
    rows: u64,
    /// The entries that are not written yet.
    block: Vec<(NumberMark, u32)>,
    block_entries: usize,
}

impl<W: Write> IndexWriter<W> {
    /// An empty index that is written to `out`.
    pub fn new(out: W) -> Self {
        Self::with_blocks(out, BLOCK_ENTRIES)
    }

    fn with_blocks(out: W, block_entries: usize) -> Self {
        Self { out, rows: 0, block: Vec::new(), block_entries }
    }

    /// Adds the next loans.
    ///
    /// # Errors
    /// Those of the output, and [`io::ErrorKind::FileTooLarge`] for a run of more than 2^32 loans.
    pub fn add(&mut self, marks: &[NumberMark]) -> io::Result<()> {
        for mark in marks {
            let row = u32::try_from(self.rows).map_err(|_| io::ErrorKind::FileTooLarge)?;
            self.rows += 1;
            if *mark == NumberMark::NONE {
                continue;
            }
            self.block.push((*mark, row));
            if self.block.len() == self.block_entries {
                self.write_block()?;
            }
        }
        Ok(())
    }

    /// Writes what is left. Returns the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_block(&mut self) -> io::Result<()> {
        self.block.sort_unstable();
        let mut bytes = Vec::with_capacity(self.block.len() * ENTRY_BYTES);
        for (mark, row) in self.block.drain(..) {
            bytes.extend_from_slice(&mark.0.to_le_bytes());
            bytes.extend_from_slice(&row.to_le_bytes());
        }
        self.out.write_all(&bytes)
    }
}

/// A loan that an index has under a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Place of the loan in its run, from 0.
    pub row: u32,
    pub disposition: Disposition,
}

/// The loans with a number, in the order of their rows, at most `most`.
///
/// # Errors
/// Those of the reader, and [`io::ErrorKind::InvalidData`] for an index that is damaged.
pub fn find(index: &dyn RangeReader, number: &str, most: usize) -> io::Result<Vec<Found>> {
    find_in_blocks(index, number, most, BLOCK_ENTRIES)
}

fn find_in_blocks(index: &dyn RangeReader, number: &str, most: usize, block_entries: usize) -> io::Result<Vec<Found>> {
    let size = index.size()?;
    let entries = size / ENTRY_BYTES as u64;
    if size % ENTRY_BYTES as u64 != 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (mut found, step) = (Vec::new(), block_entries as u64);
    let mut first = 0;
    while first < entries && found.len() < most {
        let block = first..(first + step).min(entries);
        find_in_block(index, hash_of(number), block, &mut found)?;
        first += step;
    }
    // Within a block, the rows of each disposition ascend.
    found.sort_unstable_by_key(|found: &Found| found.row);
    found.truncate(most);
    Ok(found)
}

/// Adds the loans of one block with a hash.
fn find_in_block(index: &dyn RangeReader, hash: u64, block: Range<u64>, found: &mut Vec<Found>) -> io::Result<()> {
    let entries = block.end - block.start;
    // Hashes are spread evenly over all values, so the place of a hash is close to this one: four standard deviations to each
    // side are read first.
    let guess = block.start + ((u128::from(hash) * u128::from(entries)) >> u64::BITS) as u64;
    let mut reach = 2 * entries.isqrt() + 16;
    loop {
        let window = guess.saturating_sub(reach).max(block.start)..guess.saturating_add(reach).min(block.end);
        let bytes = read(index, &window)?;
        let marks: Vec<(NumberMark, u32)> = bytes.chunks_exact(ENTRY_BYTES).filter_map(entry).collect();
        let from = marks.partition_point(|(mark, _)| mark.hash() < hash);
        let to = marks.partition_point(|(mark, _)| mark.hash() <= hash);
        let begins = from > 0 || window.start == block.start;
        let ends = to < marks.len() || window.end == block.end;
        if begins && ends {
            let of = |(mark, row): &(NumberMark, u32)| Some(Found { row: *row, disposition: mark.disposition()? });
            found.extend(marks[from..to].iter().filter_map(of));
            return Ok(());
        }
        reach *= 8;
    }
}

fn read(index: &dyn RangeReader, window: &Range<u64>) -> io::Result<bytes::Bytes> {
    let bytes = window.start * ENTRY_BYTES as u64..window.end * ENTRY_BYTES as u64;
    index.read(std::slice::from_ref(&bytes))?.pop().ok_or(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn written(loans: &[(String, Disposition)], block_entries: usize, at_once: usize) -> Bytes {
        let mut index = IndexWriter::with_blocks(Vec::new(), block_entries);
        for some in loans.chunks(at_once) {
            let marks: Vec<NumberMark> = some.iter().map(|(number, is)| NumberMark::new(number, *is)).collect();
            index.add(&marks).unwrap();
        }
        index.finish().unwrap().into()
    }

    fn searched(loans: &[(String, Disposition)], number: &str) -> Vec<Found> {
        let rows = (0..).zip(loans).filter(|(_, (other, _))| other == number && !number.is_empty());
        rows.map(|(row, (_, disposition))| Found { row, disposition: *disposition }).collect()
    }

    fn a_loan() -> impl Strategy<Value = (String, Disposition)> {
        let number = prop_oneof![2 => "[a-c]{0,2}", 3 => "[A-Z0-9]{6}"];
        (number, prop::sample::select(Disposition::ALL.to_vec()))
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_search_of_all_loans_finds(
            loans in prop::collection::vec(a_loan(), 0..300),
            block_entries in 1usize..80,
            at_once in 1usize..50,
            absent in "[A-Z0-9]{6}",
        ) {
            let index = written(&loans, block_entries, at_once);
            let numbers = loans.iter().map(|(number, _)| number.as_str()).chain([absent.as_str(), ""]);
            for number in numbers {
                let found = find_in_blocks(&index, number, usize::MAX, block_entries).unwrap();
                prop_assert_eq!(found, searched(&loans, number), "{}", number);
            }
        }
    }

    #[test]
    fn a_number_among_many_is_found_by_few_reads() {
        struct Counting(Bytes, std::sync::atomic::AtomicU64);
        impl RangeReader for Counting {
            fn size(&self) -> io::Result<u64> {
                self.0.size()
            }

            fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
                let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                self.1.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
                self.0.read(ranges)
            }
        }
        let loans: Vec<(String, Disposition)> = (0..200_000).map(|at| (format!("L-{at}"), Disposition::ToPurchase)).collect();
        let index = Counting(written(&loans, BLOCK_ENTRIES, 8_192), Default::default());
        for at in (0..200_000).step_by(997) {
            let found = find(&index, &format!("L-{at}"), 10).unwrap();
            assert_eq!(found, [Found { row: at, disposition: Disposition::ToPurchase }]);
        }
        let read = index.1.into_inner() / 201;
        assert!(read < 32 * 1024, "{read} bytes for each number");
    }

    #[test]
    fn many_loans_with_one_number_are_found_in_their_order() {
        let loans: Vec<(String, Disposition)> = (0..5_000).map(|at| ("7".to_owned(), Disposition::ALL[at % 3])).collect();
        let index = written(&loans, BLOCK_ENTRIES, 100);
        let rows: Vec<u32> = find(&index, "7", 60).unwrap().iter().map(|found| found.row).collect();
        assert_eq!(rows, (0..60).collect::<Vec<u32>>());
    }

    #[test]
    fn a_damaged_index_is_an_error_and_no_empty_answer() {
        let index = written(&[("7".to_owned(), Disposition::Rejected)], 4, 1);
        assert_eq!(find(&index.slice(..11), "7", 1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
