//! A comparison as JSON, written as it is read: the totals, then the list with one loan a line.

use std::io::{self, Write};

use super::Comparison;
use crate::facts::read::{RangeReader, ReadError};

/// Number of bytes that are written at once.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// Why a comparison could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The results of a run could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The answer could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl From<serde_json::Error> for WriteError {
    fn from(error: serde_json::Error) -> Self {
        Self::Write(error.into())
    }
}

/// Writes a comparison with at most `limit` of its listed loans, after the first `skip`.
///
/// # Errors
/// [`WriteError::Read`] when results cannot be read; [`WriteError::Write`] when `out` takes no more.
pub fn write_comparison<R: RangeReader>(
    comparison: &Comparison<'_, R>,
    skip: usize,
    limit: usize,
    out: &mut dyn Write,
) -> Result<(), WriteError> {
    let mut buffer = serde_json::to_vec_pretty(comparison.totals())?;
    // The list is the last member of the object.
    buffer.truncate(buffer.len().saturating_sub("\n}".len()));
    buffer.extend_from_slice(b",\n  \"loans\": [");
    let mut first = true;
    comparison.each_loan(skip, limit, |loan| {
        buffer.extend_from_slice(if first { b"\n    " } else { b",\n    " });
        first = false;
        serde_json::to_writer(&mut buffer, &loan)?;
        if buffer.len() >= WRITTEN_AT_ONCE {
            out.write_all(&buffer)?;
            buffer.clear();
        }
        Ok::<_, WriteError>(())
    })?;
    buffer.extend_from_slice(if first { b"]\n}\n" } else { b"\n  ]\n}\n" });
    Ok(out.write_all(&buffer)?)
}
