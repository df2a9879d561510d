//! Finds the rows that a row of a later period of the same loan supersedes, for tapes with a row for every loan and period.
//!
//! This takes two passes over the tapes before any row is judged. The first pass finds the latest period of each loan. It takes
//! at most 32 bytes a loan, which are freed before the rows are judged. The second pass marks the rows of earlier periods, one
//! bit a row.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    error::{RunError, RunErrorCode},
    tape::{
        Tape, block_text, cell,
        header::Header,
        options::TapeOptions,
        records::{Record, RecordBlock},
        rows::RowKind,
        standard::{DateOrder, has_day_first, parse_date},
        with_fields,
    },
};

use super::{
    loan_numbers::{LoanNumbers, NumberHasher},
    row_reader::RowReader,
};

/// The column with the period of a row, and how it is read.
#[derive(Debug)]
pub struct PeriodColumn {
    /// Index of the column.
    pub at: usize,
    /// Name of the column in messages.
    pub name: String,
    /// Order in which the column writes dates; `None` when neither `keep` nor the profile gives one.
    dates: Option<DateOrder>,
}

impl PeriodColumn {
    /// The period column of a tape; `None` unless the options keep only the rows of the latest period.
    pub fn of(header: &Header, options: &TapeOptions) -> Option<Self> {
        let latest = options.latest.as_ref()?;
        let places = latest.period.places(header.columns[..header.width()].iter().map(|column| column.header.as_str()));
        let at = *places.first()?;
        Some(Self { at, name: header.columns[at].name.clone(), dates: latest.dates.or(options.dates) })
    }

    /// The period in a cell, as its first day or another day in it; `None` when the cell has no date.
    pub fn read(&self, cell: &str) -> Option<Date> {
        parse_date(&cell::content(cell), self.dates.unwrap_or_default())
    }
}

/// A set of records of a tape or of a part, by their order: below the header, or in the part.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    bits: Vec<u64>,
}

impl RecordSet {
    /// Whether the set has a record.
    #[inline]
    pub fn contains(&self, record: u64) -> bool {
        let word = usize::try_from(record / 64).ok().and_then(|at| self.bits.get(at));
        word.is_some_and(|word| word >> (record % 64) & 1 == 1)
    }

    /// Adds a record.
    pub fn insert(&mut self, record: u64) {
        let at = (record / 64) as usize;
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        self.bits[at] |= 1 << (record % 64);
    }

    /// Whether the set has no records.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }
}

/// Sets the superseded rows of each reader. The later row may be on any tape of the run.
///
/// # Errors
/// [`RunErrorCode::ProfileInvalid`] when a period has its day in front and neither `keep` nor the profile gives the order of
/// dates. The error of a tape that cannot be read.
pub fn find_superseded(tapes: &[Tape<'_>], readers: &mut [RowReader<'_>], block_bytes: usize) -> Result<(), RunError> {
    let mut latest = Latest::new();
    for (tape, reader) in tapes.iter().zip(&*readers) {
        each_period(tape, reader, block_bytes, |number, period, _| latest.add(number, period))?;
    }
    for (tape, reader) in tapes.iter().zip(readers) {
        let mut superseded = RecordSet::default();
        each_period(tape, reader, block_bytes, |number, period, record| {
            if latest.of(number).is_some_and(|latest| period < latest) {
                superseded.insert(record);
            }
        })?;
        reader.superseded = superseded;
    }
    Ok(())
}

/// Calls `then` with the loan number, the period and the record of every loan that gives both.
fn each_period(
    tape: &Tape<'_>,
    reader: &RowReader<'_>,
    block_bytes: usize,
    mut then: impl FnMut(&str, Date, u64),
) -> Result<(), RunError> {
    let Some(period) = &reader.period else { return Ok(()) };
    let (mut rows, mut block) = (tape.read(block_bytes, false, None)?, RecordBlock::default());
    let mut day_first = None;
    while rows.next_block(&mut block)? {
        let text = block_text(&block, tape.source())?;
        for (record, at) in block.records.iter().zip(block.first..) {
            let Record { start, end, line, ended, .. } = *record;
            if reader.holds_rows(&text[start as usize..end as usize]) {
                // A row that cannot be read has no period.
                continue;
            }
            with_fields(text, record, reader.delimiter, reader.layout.unwraps, |cells| {
                if !matches!(reader.rules.kind(cells, line, ended), RowKind::Loan | RowKind::ShortLoan) {
                    return;
                }
                let cell = |at: usize| cells.get(at).map_or("", |cell| cell.as_ref());
                if period.dates.is_none() && day_first.is_none() && has_day_first(&cell::content(cell(period.at))) {
                    day_first = Some((line, cell(period.at).trim().to_owned()));
                }
                let number = cell::content(cell(reader.loan_number));
                let readable = !cell::is_missing(&number) && !cell::has_cut_digits(&number);
                if let Some(date) = period.read(cell(period.at)).filter(|_| readable) {
                    then(&number, date, at);
                }
            });
        }
    }
    let Some((line, written)) = day_first else { return Ok(()) };
    let message = format!(
        "The period `{written}` in line {line} has its day in front, and others may be read either way. Say how the column \"{}\" writes \
         dates, as with date = \"DMY\" in `keep`.",
        period.name
    );
    Err(RunError::ingest(RunErrorCode::ProfileInvalid, tape.name(), Some(line), message))
}

/// Number of loans for which room is made at first.
const FIRST_LOANS: usize = 1_024;

/// The latest period of every loan so far.
struct Latest {
    hasher: NumberHasher,
    /// For each loan, its index in `periods`.
    numbers: LoanNumbers,
    periods: Vec<Date>,
}

impl Latest {
    fn new() -> Self {
        Self { hasher: NumberHasher::random(), numbers: LoanNumbers::with_room(0), periods: Vec::new() }
    }

    fn add(&mut self, number: &str, period: Date) {
        let Ok(next) = u32::try_from(self.periods.len()) else { return };
        match self.numbers.first_use(self.hasher.key(number), next) {
            Some(loan) => {
                let latest = &mut self.periods[loan as usize];
                *latest = period.max(*latest);
            }
            None => {
                if self.periods.len() == self.periods.capacity() {
                    // Grow by a quarter instead of doubling, because old and new room exist at the same time.
                    self.periods.reserve_exact((self.periods.len() / 4).max(FIRST_LOANS));
                }
                self.periods.push(period);
            }
        }
    }

    /// The latest period of a loan.
    fn of(&mut self, number: &str) -> Option<Date> {
        // The first pass added every loan, so this lookup adds none.
        let loan = self.numbers.first_use(self.hasher.key(number), u32::MAX)?;
        self.periods.get(loan as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn of_each_loan_the_latest_period_is_known() {
        let mut latest = Latest::new();
        for (loan, month) in [("A", 1), ("B", 5), ("A", 3), ("A", 3), ("B", 4), ("C", 2), ("A", 4), ("A", 2)] {
            latest.add(loan, date(2026, month, 1));
        }
        let months = ["A", "B", "C"].map(|loan| latest.of(loan).map(Date::month));
        assert_eq!(months, [Some(4), Some(5), Some(2)]);
    }

    #[test]
    fn a_loan_takes_at_most_9_bytes_more() {
        let mut latest = Latest::new();
        for loan in 0..1_000_000_u32 {
            let before = latest.periods.capacity();
            latest.add(&loan.to_string(), date(2026, 1, 1));
            let after = latest.periods.capacity();
            let bytes = (after + if after > before { before } else { 0 }) * size_of::<Date>();
            assert!(bytes <= 9 * (loan as usize).max(4 * FIRST_LOANS), "{bytes} bytes for {loan} loans");
        }
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let mut set = RecordSet::default();
        assert!(set.is_empty() && !set.contains(0));
        [3, 64, 200].into_iter().for_each(|record| set.insert(record));
        assert_eq!((0..300).filter(|record| set.contains(*record)).collect::<Vec<_>>(), [3, 64, 200]);
    }
}
