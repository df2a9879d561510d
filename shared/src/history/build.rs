//! The index of a run from its stored facts.

use std::io::{self, Write};

use crate::{
    facts::read::{FactsReader, RangeReader, ReadError},
    loan::UNKNOWN_NUMBER,
    phases::disposition::Disposition,
};

use super::{IndexWriter, NumberMark};

/// Columns of the facts that the index is made of.
const COLUMNS: [&str; 2] = ["seller_loan_number", "disposition"];

/// Why an index cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the index of loan numbers could not be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes the index of a run's loan numbers, with the memory of one row group and one block of the index.
///
/// # Errors
/// [`IndexError::Read`] when the facts cannot be read, [`IndexError::Write`] when the index cannot be written.
pub fn write_index<R: RangeReader, W: Write>(facts: &FactsReader<R>, out: W) -> Result<W, IndexError> {
    let mut index = IndexWriter::new(out);
    for group in 0..facts.groups() {
        let columns = facts.scan(group, &COLUMNS)?;
        let (Some(numbers), Some(dispositions)) = (columns.texts(0), columns.texts(1)) else { continue };
        let mark = |row: usize| match (numbers.get(row), dispositions.get(row).and_then(Disposition::from_word)) {
            (Some(number), Some(disposition)) if number != UNKNOWN_NUMBER => NumberMark::new(number, disposition),
            _ => NumberMark::NONE,
        };
        let marks: Vec<NumberMark> = (0..columns.rows).map(mark).collect();
        index.add(&marks)?;
    }
    Ok(index.finish()?)
}
