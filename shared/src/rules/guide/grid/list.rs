//! The list form of a grid: each row is a case, with a cell for each field that it asks about.

use crate::rules::guide::{
    condition::{Test, Truth},
    field::{MISSING, OTHER_WORD, Value, WHOLE, Words},
};

use super::axis::pieces;

/// Which rows of a list count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListPolicy {
    /// The first row that fits.
    #[default]
    First,
    /// The only row that fits: a loan that two rows fit is held.
    Unique,
    /// Every row that fits, of a list of adjustments.
    Sum,
}

impl ListPolicy {
    pub const ALL: [(&'static str, Self); 3] = [("first", Self::First), ("unique", Self::Unique), ("sum", Self::Sum)];

    /// The word in rule sets.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, policy)| *policy == self).map_or("", |(word, _)| word)
    }
}

/// What a look-up finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The case with this index.
    Case(usize),
    /// Every row that fits: there are no others that may.
    EachFitting,
    /// No combination, or one that refuses the loan.
    NoCell,
    /// A missing value decides.
    Undetermined,
    /// Two rows of a list that allows only one.
    Overlap(usize, usize),
}

/// The most rows of a list that are compiled into bit sets: a longer list would need too much memory.
const MAX_INDEXED: usize = 512;
/// The most words of 64 bits of the bit sets of a field.
const MAX_PIECES: usize = 1 << 16;
/// The most rows of a list that are compared with each other, and the most overlaps that are listed.
const MAX_COMPARED: usize = 1_000;
const MAX_OVERLAPS: usize = 100;

/// The rows of a list, ready for look-up.
#[derive(Debug, Clone)]
pub struct List {
    pub policy: ListPolicy,
    /// The tests of each row, one for each field; `None` is anything.
    pub rows: Vec<Vec<Option<Test>>>,
    /// Whether each row refuses the loan.
    pub refused: Vec<bool>,
    index: Option<ListIndex>,
}

/// Which rows fit, as bit sets: for each field and piece of its values.
#[derive(Debug, Clone)]
struct ListIndex {
    words: usize,
    columns: Vec<IndexedColumn>,
}

#[derive(Debug, Clone)]
struct IndexedColumn {
    slot: usize,
    /// The smallest value of each piece, in order.
    starts: Vec<Value>,
    /// For each piece, the rows that fit, and those that may fit.
    fits: Vec<u64>,
    may_fit: Vec<u64>,
}

impl IndexedColumn {
    fn new(slot: usize, column: usize, rows: &[Vec<Option<Test>>], words: usize) -> Self {
        let test = |row: &'_ [Option<Test>]| row.get(column).cloned().flatten();
        let tests: Vec<Option<Test>> = rows.iter().map(|row| test(row)).collect();
        let starts = pieces(tests.iter().flatten());
        let mut fits = vec![0; starts.len() * words];
        let mut may_fit = fits.clone();
        for (piece, start) in starts.iter().enumerate() {
            for (row, test) in tests.iter().enumerate() {
                let truth = test.as_ref().map_or(Truth::True, |test| test.truth_of(*start));
                let (word, bit) = (piece * words + row / 64, 1_u64 << (row % 64));
                fits[word] |= if truth == Truth::True { bit } else { 0 };
                may_fit[word] |= if truth == Truth::False { 0 } else { bit };
            }
        }
        Self { slot, starts, fits, may_fit }
    }

    #[inline]
    fn piece(&self, values: &[Value]) -> usize {
        self.starts.partition_point(|start| *start <= values[self.slot]).saturating_sub(1)
    }
}

impl List {
    /// The rows of a list about the fields in these slots.
    pub fn new(policy: ListPolicy, slots: &[usize], rows: Vec<Vec<Option<Test>>>, refused: Vec<bool>) -> Self {
        let words = rows.len().div_ceil(64);
        let is_small = |at: usize| pieces(rows.iter().filter_map(|row| row.get(at)?.as_ref())).len() * words <= MAX_PIECES;
        let index = (rows.len() <= MAX_INDEXED && (0..slots.len()).all(is_small)).then(|| {
            let columns = slots.iter().enumerate().map(|(at, slot)| IndexedColumn::new(*slot, at, &rows, words)).collect();
            ListIndex { words, columns }
        });
        Self { policy, rows, refused, index }
    }

    /// Calls `each` with every row that fits or may fit, in order, until it returns `false`.
    #[inline]
    fn scan(&self, values: &[Value], mut each: impl FnMut(usize, bool) -> bool) {
        let Some(index) = &self.index else {
            for (row, tests) in self.rows.iter().enumerate() {
                let truth = tests.iter().flatten().map(|test| test.truth(values)).min().unwrap_or(Truth::True);
                if truth != Truth::False && !each(row, truth == Truth::True) {
                    return;
                }
            }
            return;
        };
        for word in 0..index.words {
            let last = self.rows.len() - word * 64;
            let all = if last >= 64 { u64::MAX } else { (1 << last) - 1 };
            let (mut fits, mut may_fit) = (all, all);
            for column in &index.columns {
                let at = column.piece(values) * index.words + word;
                fits &= column.fits[at];
                may_fit &= column.may_fit[at];
            }
            while may_fit != 0 {
                let bit = may_fit.trailing_zeros() as usize;
                if !each(word * 64 + bit, fits >> bit & 1 == 1) {
                    return;
                }
                may_fit &= may_fit - 1;
            }
        }
    }

    /// The case of a loan.
    #[inline]
    pub fn find(&self, values: &[Value]) -> Lookup {
        let case = |row: usize| if self.refused[row] { Lookup::NoCell } else { Lookup::Case(row) };
        let (mut found, mut second, mut open, mut refused) = (None, None, false, false);
        self.scan(values, |row, fits| {
            match (fits, found) {
                (false, _) => open = true,
                (true, None) => found = Some(row),
                (true, Some(_)) => second = second.or(Some(row)),
            }
            refused |= fits && self.refused[row];
            self.policy == ListPolicy::Sum || (self.policy == ListPolicy::Unique && second.is_none())
        });
        match (self.policy, found, second) {
            (ListPolicy::Sum, ..) if refused => Lookup::NoCell,
            (ListPolicy::Sum, ..) if !open => Lookup::EachFitting,
            (ListPolicy::Unique, Some(one), Some(other)) => Lookup::Overlap(one, other),
            _ if open => Lookup::Undetermined,
            (_, Some(row), _) => case(row),
            _ => Lookup::NoCell,
        }
    }

    /// Calls `each` with every row that fits.
    #[inline]
    pub fn each_fitting(&self, values: &[Value], mut each: impl FnMut(usize)) {
        self.scan(values, |row, fits| {
            if fits {
                each(row);
            }
            true
        });
    }

    /// The slots whose values leave the list undetermined: those of the deciding rows, in the order of the fields.
    pub fn undetermined_slots(&self, values: &[Value]) -> Vec<usize> {
        let mut slots: Vec<(usize, usize)> = Vec::new();
        self.scan(values, |row, fits| {
            if !fits {
                let tests = self.rows[row].iter().enumerate().filter_map(|(at, test)| Some((at, test.as_ref()?)));
                let open = tests.filter(|(_, test)| test.truth(values) == Truth::Undetermined);
                slots.extend(open.map(|(at, test)| (at, test.slot)));
            }
            self.policy != ListPolicy::First
        });
        slots.sort_unstable();
        slots.dedup();
        slots.into_iter().map(|(_, slot)| slot).collect()
    }

    /// The pairs of rows that one loan can fit, at most [`MAX_OVERLAPS`]; `None` for a list that is too long to be searched.
    pub fn overlaps(&self) -> Option<Vec<(usize, usize)>> {
        if self.rows.len() > MAX_COMPARED {
            return None;
        }
        let fit_together = |one: &[Option<Test>], other: &[Option<Test>]| {
            one.iter().zip(other).all(|(one, other)| can_both_hold(one.as_ref(), other.as_ref()))
        };
        let mut found = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let below = self.rows.iter().enumerate().skip(at + 1).filter(|(_, other)| fit_together(row, other));
            found.extend(below.map(|(other, _)| (at, other)).take(MAX_OVERLAPS - found.len()));
            if found.len() == MAX_OVERLAPS {
                break;
            }
        }
        Some(found)
    }
}

/// Whether some value meets both tests.
fn can_both_hold(one: Option<&Test>, other: Option<&Test>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let starts = pieces([one, other].into_iter());
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([Value::MAX]);
    let holds = |test: &Test, value| test.truth_of(value) == Truth::True;
    // Of a field without a list of words, any word may occur.
    let of = |words: Words<'_>| if words.is_open() { OTHER_WORD + 1 } else { words.canonical().count() as Value };
    let words = one.field.words().map(of);
    starts.iter().zip(ends).any(|(start, end)| {
        let exists = match words {
            Some(count) => (0..count).contains(start),
            None => !one.is_of_whole_numbers() || has_whole(*start, end),
        };
        *start != MISSING && exists && holds(one, *start) && holds(other, *start)
    })
}

/// Whether a whole number is between two values, both included.
fn has_whole(start: Value, end: Value) -> bool {
    let first = start.checked_add(WHOLE - 1).map_or(start, |start| start.div_euclid(WHOLE) * WHOLE);
    first <= end
}
