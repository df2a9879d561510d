//! The loan numbers of a run as a small index, and the questions that it answers: in which runs a loan was before, and what became
//! of it.
//!
//! # Format of the index
//! The index is a sequence of entries of 12 bytes, one for each loan that has a number. An entry is a mark and a row, both
//! little-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 0 to 7 | the mark: SipHash-1-3 of the loan number, with a key of zeros. Its two lowest bits are replaced by the disposition: 0 to_purchase, 1 projected, 2 rejected |
//! | 8 to 11 | the row: the 0-based place of the loan in its run |
//!
//! Each stretch of [`BLOCK_ENTRIES`] entries is sorted by mark, then by row; the last stretch may be shorter. So a run of any size
//! writes its index with the memory of one block, and a reader finds a number by a few reads per block: marks are spread evenly, so
//! the value of a mark says where in its block it is.
//!
//! Two different numbers have the same 62 bits by chance only: among ten million loans and as many others, the chance that any two are
//! taken for one is 1 in 40,000. A seller may choose such numbers on purpose; the list of a loan's history compares the numbers
//! themselves, and only the counts of loans seen before would be too high.

mod build;
mod index;
mod seen;

use siphasher::sip::SipHasher13;

use crate::phases::disposition::Disposition;

pub use self::{
    build::{IndexError, write_index},
    index::{Found, IndexWriter, find},
    seen::{OwnNumbers, SeenBefore, SeenLoans, content_of},
};

/// File name of the index among the results of a run.
pub const HISTORY_FILE: &str = "loan_numbers.index";
/// Number of entries that are sorted together.
pub const BLOCK_ENTRIES: usize = 1 << 20;
/// Size of an entry, in bytes.
pub const ENTRY_BYTES: usize = 12;

/// The bits of a mark that hold the disposition.
const DISPOSITION_BITS: u64 = 0b11;

/// A loan number, hashed, with the disposition of its loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberMark(u64);

impl NumberMark {
    /// The mark of a loan without a number, which has no history.
    pub const NONE: Self = Self(u64::MAX);

    /// The mark of a loan.
    pub fn new(number: &str, disposition: Disposition) -> Self {
        match number {
            "" => Self::NONE,
            number => Self(hash_of(number) | disposition as u64),
        }
    }

    /// The hash without the disposition.
    fn hash(self) -> u64 {
        self.0 & !DISPOSITION_BITS
    }

    /// The disposition of the loan; `None` for a loan without a number.
    fn disposition(self) -> Option<Disposition> {
        Disposition::ALL.into_iter().find(|disposition| *disposition as u64 == self.0 & DISPOSITION_BITS)
    }
}

fn hash_of(number: &str) -> u64 {
    SipHasher13::new_with_keys(0, 0).hash(number.as_bytes()) & !DISPOSITION_BITS
}

/// The marks of whole entries of an index.
pub fn marks_of(entries: &[u8]) -> impl Iterator<Item = NumberMark> {
    entries.chunks_exact(ENTRY_BYTES).filter_map(entry).map(|(mark, _)| mark)
}

/// Reads an entry of [`ENTRY_BYTES`] bytes.
fn entry(bytes: &[u8]) -> Option<(NumberMark, u32)> {
    let (mark, row) = bytes.split_first_chunk::<8>()?;
    Some((NumberMark(u64::from_le_bytes(*mark)), u32::from_le_bytes(*row.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_holds_the_disposition_and_the_same_hash_for_each() {
        for disposition in Disposition::ALL {
            let mark = NumberMark::new("L-1", disposition);
            assert_eq!((mark.disposition(), mark.hash()), (Some(disposition), hash_of("L-1")));
        }
        assert_eq!(NumberMark::new("", Disposition::Rejected), NumberMark::NONE);
        assert_eq!(NumberMark::NONE.disposition(), None);
        assert_ne!(hash_of("L-1"), hash_of("l-1"));
    }

    #[test]
    fn stored_indexes_keep_their_meaning() {
        assert_eq!(NumberMark::new("L-1", Disposition::Rejected).0, 0xe7bc_dcf6_d12c_51ae);
    }
}
