//! One loan as it was read.

use std::{borrow::Cow, fmt};

use crate::decimal::Decimal;

pub use crate::field::{CANONICAL, Field, FieldInfo, FieldKind, NUMBERS, STANDARD, STANDARD_WORDS, Unit, WORDS, Zones};

/// What the cell of a number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nothing: empty, a word for "not available", or the sentinel of its column.
    Missing,
    /// A number, in the unit of its field.
    Value(Decimal),
    /// Something that is not a number that can be used.
    Unreadable(Unreadable),
}

/// Why the cell of a number cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not written as a number.
    NotANumber,
    /// It has a comma where a decimal point may be meant.
    DecimalComma,
    /// It has a percent sign in a column that holds no percentages.
    PercentSign,
    /// It has more digits than can be kept exactly.
    TooManyDigits,
    /// It looks like a percentage in a column of fractions.
    PercentInFractions,
    /// It looks like a fraction in a column of percentages.
    FractionInPercents,
    /// It may be a ratio above one in a column of percentages: 1.62 for 162 %.
    RatioInPercents,
    /// No note has such a rate.
    NoNoteRate,
}

/// The cell of a number: what it says, and how it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberCell<'t> {
    /// What it says.
    pub reading: Reading,
    /// How it was written, without surrounding spaces.
    pub written: &'t str,
    /// Whether the cell stands in the tape as an output shows it: plain digits in the unit of the field, or nothing.
    pub plain: bool,
}

impl<'t> NumberCell<'t> {
    /// A cell that says nothing.
    pub const MISSING: Self = Self { reading: Reading::Missing, written: "", plain: true };

    /// A plain number of millionths that nothing changes.
    #[inline]
    pub const fn ordinary(micros: i64, written: &'t str) -> Self {
        Self { reading: Reading::Value(Decimal::from_micros(micros)), written, plain: true }
    }

    /// The number in millionths, where there is one that is a whole number of them.
    #[inline]
    pub fn micros(&self) -> Option<i64> {
        match &self.reading {
            Reading::Value(value) => value.micros(),
            Reading::Missing | Reading::Unreadable(_) => None,
        }
    }

    /// The number, where there is one.
    #[inline]
    pub fn value(&self) -> Option<Decimal> {
        match self.reading {
            Reading::Value(value) => Some(value),
            Reading::Missing | Reading::Unreadable(_) => None,
        }
    }
}

/// The cell of a vocabulary word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordCell<'t> {
    /// Nothing.
    Missing,
    /// A canonical word: its place in the vocabulary of its field.
    Known(u8),
    /// Something that has no alias, as written, without surrounding spaces.
    Other(&'t str),
    /// A house of five units or more, whatever it is called.
    ManyUnits {
        /// The type as written.
        written: &'t str,
        /// The number of units as written.
        units: &'t str,
    },
}

/// What a house of five units or more is called.
pub const MANY_UNITS: &str = "5+_unit";

/// A data row that could not be read as a loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed<'t> {
    /// What is wrong with it.
    pub reason: MalformedReason,
    /// The row as it stands in the tape, or its beginning.
    pub raw: &'t str,
    /// The tape, where the run has several.
    pub source_file: Option<&'t str>,
}

/// Why a row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedReason {
    /// It has another number of fields than the header.
    FieldCount {
        /// How many the header has.
        expected: u32,
        /// How many the row has.
        found: u32,
    },
    /// Something stands between a closing quote and the next delimiter.
    StrayQuote,
    /// A quoted field does not close within the allowed lines and bytes, or before the end of the tape.
    UnclosedQuote,
    /// The line is longer than any record may be.
    TooLong,
    /// A quoted field takes along a line that reads as a loan of its own: a quotation mark may stand where none belongs.
    RowsInside,
}

impl fmt::Display for MalformedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldCount { expected, found } => {
                let plural = if *found == 1 { "" } else { "s" };
                write!(f, "the row has {found} field{plural}, the header has {expected}")
            }
            Self::StrayQuote => f.write_str("text follows a closing quotation mark"),
            Self::UnclosedQuote => f.write_str("a quotation mark opens a field that is never closed"),
            Self::RowsInside => f.write_str("a quotation mark takes along rows below, which look like loans of their own"),
            Self::TooLong => f.write_str("the row is longer than a row may be"),
        }
    }
}

/// What an ordinary loan says, as nearly all are: every number is there and plain, every word is known, and the loan has a
/// number. It is a shorter form of the same [`Loan`], from which [`crate::phases::buy_at_once`] decides in a few comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdinaryLoan<'t> {
    /// The physical, 1-based line on which the row starts.
    pub line: u64,
    /// The seller's number, to the letter.
    pub seller_loan_number: &'t str,
    /// The numbers in millionths, in the order of [`Field::NUMERIC`].
    pub micros: [i64; NUMBERS],
    /// The places of the words in their vocabularies, in the order of [`Field::WORDED`].
    pub codes: [u8; WORDS],
}

/// One data row of a tape, read but not yet judged.
#[derive(Debug, Clone)]
pub struct Loan<'t> {
    /// The physical, 1-based line (in a workbook the sheet row) on which the row starts.
    pub line: u64,
    /// The seller's number, to the letter; `None` when the cell says nothing.
    pub seller_loan_number: Option<Cow<'t, str>>,
    /// The numbers, in the order of [`Field::NUMERIC`].
    pub numbers: [NumberCell<'t>; NUMBERS],
    /// The vocabulary words, in the order of [`Field::WORDED`].
    pub words: [WordCell<'t>; WORDS],
    /// Whether the seller's number is one that a spreadsheet has cut: it may be that of another loan.
    pub number_is_cut: bool,
    /// Set when the rows of the loan's latest period count, and this row does not say which period it is of.
    pub unread_period: Option<UnreadPeriod<'t>>,
    /// Set when the row could not be read; everything else is missing then.
    pub malformed: Option<Malformed<'t>>,
}

impl<'t> Loan<'t> {
    /// A loan of which nothing is known but its line.
    pub const fn empty(line: u64) -> Self {
        Self {
            line,
            seller_loan_number: None,
            number_is_cut: false,
            unread_period: None,
            numbers: [NumberCell::MISSING; NUMBERS],
            words: [WordCell::Missing; WORDS],
            malformed: None,
        }
    }

    /// The cell of a number field.
    ///
    /// For a field that holds no number this is the cell that says nothing.
    #[inline]
    pub fn number(&self, field: Field) -> &NumberCell<'t> {
        const NOTHING: &NumberCell<'static> = &NumberCell::MISSING;
        match field.info().kind {
            FieldKind::Number(at) => &self.numbers[at],
            FieldKind::Text | FieldKind::Word(_) | FieldKind::Standard(_) => NOTHING,
        }
    }

    /// The seller's number as every output shows it: `UNKNOWN` when it is missing.
    pub fn shown_number(&self) -> &str {
        self.seller_loan_number.as_deref().unwrap_or(UNKNOWN_NUMBER)
    }
}

/// A cell that ought to say which period its row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadPeriod<'t> {
    /// The name of its column.
    pub column: &'t str,
    /// What it says.
    pub written: &'t str,
}

/// What is shown for a missing loan number.
pub const UNKNOWN_NUMBER: &str = "UNKNOWN";
