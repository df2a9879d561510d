//! Which rows of a tape give way to a row of a later period of the same loan, for tapes with a row for every loan and period.
//!
//! Found out in a pass of its own over the whole tape, before any row is judged: at most 42 bytes a loan, which are given back
//! before the rows are read again, and one bit a row, which stays.

use std::collections::HashMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    error::{RunError, RunErrorCode},
    tape::{
        Tape, block_text, cell,
        header::Header,
        options::TapeOptions,
        records::RecordBlock,
        rows::RowKind,
        standard::{DateOrder, parse_date},
        with_fields,
    },
};

use super::{
    block::RowReader,
    loan_numbers::{LoanNumbers, NumberHasher},
};

/// The column that says which period a row is of, and how it is read.
#[derive(Debug)]
pub struct PeriodColumn {
    /// Where it stands.
    pub at: usize,
    /// What it is called in messages.
    pub name: String,
    dates: DateOrder,
}

impl PeriodColumn {
    /// That of a tape, where the rows of the latest period count.
    pub fn of(header: &Header, dates: DateOrder, options: &TapeOptions) -> Option<Self> {
        let latest = options.latest.as_ref()?;
        let places = latest.period.places(header.columns[..header.width()].iter().map(|column| column.header.as_str()));
        let at = *places.first()?;
        Some(Self { at, name: header.columns[at].name.clone(), dates: latest.dates.unwrap_or(dates) })
    }

    /// The period that a cell says, by its first day or one in it.
    pub fn read(&self, cell: &str) -> Option<Date> {
        parse_date(&cell::content(cell), self.dates)
    }
}

/// A set of records of a tape, by their order below the header.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    bits: Vec<u64>,
}

impl RecordSet {
    /// Whether a record is among them.
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

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }
}

/// The rows of a tape that give way to a later one; none where every row counts.
///
/// # Errors
/// The tape cannot be read, or has more rows than can be compared.
pub fn superseded(tape: &Tape<'_>, reader: &RowReader<'_>, block_bytes: usize) -> Result<RecordSet, RunError> {
    let Some(period) = &reader.period else { return Ok(RecordSet::default()) };
    let (mut rows, mut block) = (tape.read(block_bytes, false, None)?, RecordBlock::default());
    let mut latest = Latest::new();
    while rows.next_block(&mut block)? {
        let text = block_text(&block, tape.source())?;
        for (record, at) in block.records.iter().zip(block.first..) {
            let Ok(at) = u32::try_from(at) else {
                let message = format!("Rows of a later period can be found among at most {} rows. Split the tape.", u32::MAX);
                return Err(RunError::ingest(RunErrorCode::UnsupportedFormat, tape.name(), Some(record.line), message));
            };
            with_fields(text, record, reader.delimiter, reader.layout.unwraps, |cells| {
                if !matches!(reader.rules.kind(cells, record.line, record.ended), RowKind::Loan | RowKind::ShortLoan) {
                    return;
                }
                let cell = |at: usize| cells.get(at).map_or("", |cell| cell.as_ref());
                let number = cell::content(cell(reader.loan_number));
                let readable = !cell::is_missing(&number) && !cell::has_cut_digits(&number);
                if let Some(date) = period.read(cell(period.at)).filter(|_| readable) {
                    latest.add(&number, date, at);
                }
            });
        }
    }
    Ok(latest.superseded)
}

/// How many loans there is room for at first.
const FIRST_ROWS: usize = 1_024;

/// The latest period of every loan so far.
struct Latest {
    hasher: NumberHasher,
    /// For each loan, its place in `rows`.
    numbers: LoanNumbers,
    /// For each loan, its latest period and the first row of it.
    rows: Vec<(Date, u32)>,
    /// Further rows of the latest period of a loan.
    others: HashMap<u32, Vec<u32>>,
    superseded: RecordSet,
}

impl Latest {
    fn new() -> Self {
        Self {
            hasher: NumberHasher::random(),
            numbers: LoanNumbers::with_room(0),
            rows: Vec::new(),
            others: HashMap::new(),
            superseded: RecordSet::default(),
        }
    }

    fn add(&mut self, number: &str, period: Date, record: u32) {
        // There are no more loans than rows.
        let next = self.rows.len() as u32;
        let Some(loan) = self.numbers.first_use(self.hasher.key(number), next) else {
            if self.rows.len() == self.rows.capacity() {
                // A quarter more, not twice as many: the old rows are there until the new ones are.
                self.rows.reserve_exact((self.rows.len() / 4).max(FIRST_ROWS));
            }
            self.rows.push((period, record));
            return;
        };
        let (latest, first) = &mut self.rows[loan as usize];
        match period.cmp(latest) {
            std::cmp::Ordering::Less => self.superseded.insert(u64::from(record)),
            std::cmp::Ordering::Equal => self.others.entry(loan).or_default().push(record),
            std::cmp::Ordering::Greater => {
                let others = self.others.remove(&loan).unwrap_or_default();
                for earlier in std::iter::once(*first).chain(others) {
                    self.superseded.insert(u64::from(earlier));
                }
                (*latest, *first) = (period, record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn of_each_loan_the_rows_of_the_latest_period_stay() {
        let mut latest = Latest::new();
        // Loan, month: the fourth row of A is as late as the third, until the seventh comes.
        let rows = [("A", 1), ("B", 5), ("A", 3), ("A", 3), ("B", 4), ("C", 2), ("A", 4), ("A", 4), ("A", 2)];
        for (record, (loan, month)) in rows.into_iter().enumerate() {
            latest.add(loan, date(2026, month, 1), record as u32);
        }
        let superseded: Vec<usize> = (0..80).filter(|record| latest.superseded.contains(*record as u64)).collect();
        assert_eq!(superseded, [0, 2, 3, 4, 8]);
    }

    #[test]
    fn a_loan_takes_at_most_18_bytes_more() {
        let mut latest = Latest::new();
        for loan in 0..1_000_000_u32 {
            let before = latest.rows.capacity();
            latest.add(&loan.to_string(), date(2026, 1, 1), loan);
            let after = latest.rows.capacity();
            let bytes = (after + if after > before { before } else { 0 }) * size_of::<(Date, u32)>();
            assert!(bytes <= 18 * (loan as usize).max(4 * FIRST_ROWS), "{bytes} bytes for {loan} loans");
        }
    }
}
