//! A loan as it was read from a tape.

use std::{borrow::Cow, fmt};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;

pub use crate::field::{
    CANONICAL, ColumnField, Field, FieldInfo, FieldKind, NUMBERS, STANDARD, STANDARD_WORDS, Unit, WORDS, Zones,
};

/// The unit of the numbers in a column of percentages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnUnit {
    /// 80 means 80 %. Also the unit of columns that do not hold percentages, and of those whose cells do not decide.
    Percent,
    /// 0.8 means 80 %.
    Fraction,
}

/// Value of a number cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellValue {
    /// None: the cell is empty, a word for "not available", or the sentinel of its column.
    Missing,
    /// A number, in the unit of its field.
    Value(Decimal),
    /// The cell has something else than a usable number.
    Unreadable(Unreadable),
}

/// Why a number cell cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The cell is not written as a number.
    NotANumber,
    /// The cell has a comma where a decimal point may be meant.
    DecimalComma,
    /// The cell has a percent sign in a column that holds no percentages.
    PercentSign,
    /// The number has more digits than can be kept exactly.
    TooManyDigits,
    /// The number looks like a percentage in a column of fractions.
    PercentInFractions,
    /// The number looks like a fraction in a column of percentages.
    FractionInPercents,
    /// The number may be a ratio above one in a column of percentages: 1.62 for 162 %.
    RatioInPercents,
    /// The number is outside the range of note rates.
    NoNoteRate,
}

/// A number cell: its value, and the cell as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberCell<'t> {
    /// Value of the cell.
    pub reading: CellValue,
    /// The cell as written, without surrounding spaces.
    pub written: &'t str,
    /// Whether the cell in the tape looks as an output shows it: plain digits in the unit of the field, or nothing.
    pub plain: bool,
}

impl<'t> NumberCell<'t> {
    /// A cell that says nothing.
    pub const MISSING: Self = Self { reading: CellValue::Missing, written: "", plain: true };

    /// A plain number, given in millionths. Neither a sentinel nor a unit changes it.
    #[inline]
    pub const fn ordinary(micros: i64, written: &'t str) -> Self {
        Self { reading: CellValue::Value(Decimal::from_micros(micros)), written, plain: true }
    }

    /// The number in millionths; `None` when there is no number, or it is not a whole number of millionths or does not fit 64
    /// bits.
    #[inline]
    pub fn micros(&self) -> Option<i64> {
        match &self.reading {
            CellValue::Value(value) => value.micros(),
            CellValue::Missing | CellValue::Unreadable(_) => None,
        }
    }

    /// The number; `None` when the cell has none that can be used.
    #[inline]
    pub fn value(&self) -> Option<Decimal> {
        match self.reading {
            CellValue::Value(value) => Some(value),
            CellValue::Missing | CellValue::Unreadable(_) => None,
        }
    }
}

/// A cell with a word of a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordCell<'t> {
    /// The cell says nothing.
    Missing,
    /// A canonical word, as its place in the vocabulary of its field.
    Known(u8),
    /// A text without an alias, as written, without surrounding spaces.
    Other(&'t str),
    /// A house of five units or more, under any name.
    ManyUnits {
        /// Property type as written.
        written: &'t str,
        /// Number of units as written.
        units: &'t str,
    },
}

/// Word for a house of five units or more.
pub const MANY_UNITS: &str = "5+_unit";

/// The reading of a cell of a standard field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardCell {
    /// The cell says that there is no value, or is empty.
    Missing,
    Value(StandardValue),
    /// The cell holds something that is not a value of the field.
    Unreadable,
}

impl StandardCell {
    /// The number of the cell; `None` when it has none.
    pub fn number(self) -> Option<Decimal> {
        match self {
            Self::Value(StandardValue::Number(number)) => Some(number),
            Self::Value(StandardValue::Whole(whole)) => Some(Decimal::from_integer(whole.into())),
            Self::Value(StandardValue::Date(_) | StandardValue::Word(_)) | Self::Missing | Self::Unreadable => None,
        }
    }

    /// The index of the cell's word in the vocabulary of the field; `None` when it has none.
    pub fn word(self) -> Option<u8> {
        if let Self::Value(StandardValue::Word(code)) = self { Some(code) } else { None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardValue {
    /// Dollars, percent, or a ratio.
    Number(Decimal),
    /// A count, or a number of months.
    Whole(i32),
    /// A calendar date.
    Date(Date),
    /// A canonical word, as its index in the vocabulary of the field; of a declared field also a word without an index, as 64.
    Word(u8),
}

/// The standard fields of a row, each with the cell as written, in the order of [`Field::STANDARD`]; then the fields that the rule
/// set declares, in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandardCells<'t>(pub [(StandardCell, &'t str); STANDARD], pub &'t [(StandardCell, &'t str)]);

impl StandardCells<'_> {
    /// A row without standard fields.
    pub const NONE: Self = Self([(StandardCell::Missing, ""); STANDARD], &[]);

    /// The cell of a field, and the cell as written; a missing one for a field that is no standard field.
    pub fn cell(&self, field: Field) -> (StandardCell, &str) {
        match field.info().kind {
            FieldKind::Standard(at) => self.0[at],
            FieldKind::Text | FieldKind::Number(_) | FieldKind::Word(_) => (StandardCell::Missing, ""),
        }
    }

    fn value(&self, field: Field) -> Option<StandardValue> {
        if let StandardCell::Value(value) = self.cell(field).0 { Some(value) } else { None }
    }

    /// The number of a field; `None` when it has none.
    pub fn number(&self, field: Field) -> Option<Decimal> {
        StandardCell::Value(self.value(field)?).number()
    }

    /// The date of a field; `None` when it has none.
    pub fn date(&self, field: Field) -> Option<Date> {
        if let StandardValue::Date(date) = self.value(field)? { Some(date) } else { None }
    }

    /// The whole number of a field; `None` when it has none.
    pub fn whole(&self, field: Field) -> Option<i32> {
        if let StandardValue::Whole(whole) = self.value(field)? { Some(whole) } else { None }
    }
}

/// A data row that could not be read as a loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed<'t> {
    /// What is wrong with the row.
    pub reason: MalformedReason,
    /// The row as the tape has it, or its beginning.
    pub raw: &'t str,
    /// Name of the tape; `None` in a run of one tape.
    pub source_file: Option<&'t str>,
}

/// Why a row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedReason {
    /// The row has another number of fields than the header.
    FieldCount {
        /// Number of fields in the header.
        expected: u32,
        /// Number of fields in the row.
        found: u32,
    },
    /// There is text between a closing quotation mark and the next delimiter.
    StrayQuote,
    /// A quoted field is not closed within the allowed lines and bytes, or before the end of the tape.
    UnclosedQuote,
    /// The line is longer than any record may be.
    TooLong,
    /// A quoted field contains a line that reads as a loan of its own, so there may be a stray quotation mark.
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

/// An ordinary loan, as nearly all loans are: every number is there and plain, every word is known, and the loan has a loan
/// number. This is a shorter form of the same [`Loan`], from which [`crate::phases::buy_at_once`] decides in a few comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdinaryLoan<'t> {
    /// Physical line on which the row starts, from 1.
    pub line: u64,
    /// Seller's number, exactly as written.
    pub seller_loan_number: &'t str,
    /// Numbers in millionths, in the order of [`Field::NUMERIC`].
    pub micros: [i64; NUMBERS],
    /// Places of the words in their vocabularies, in the order of [`Field::WORDED`].
    pub codes: [u8; WORDS],
}

impl OrdinaryLoan<'_> {
    /// The loan in its full form, without standard fields.
    pub fn in_full(&self) -> Loan<'_> {
        Loan {
            seller_loan_number: Some(Cow::Borrowed(self.seller_loan_number)),
            numbers: self.micros.map(|micros| NumberCell::ordinary(micros, "")),
            words: self.codes.map(WordCell::Known),
            ..Loan::empty(self.line)
        }
    }
}

/// A data row of a tape, read but not yet judged.
#[derive(Debug, Clone)]
pub struct Loan<'t> {
    /// Physical line (in a workbook the row of the worksheet) on which the row starts, from 1.
    pub line: u64,
    /// Seller's number, exactly as written; `None` when the cell says nothing.
    pub seller_loan_number: Option<Cow<'t, str>>,
    /// Numbers, in the order of [`Field::NUMERIC`].
    pub numbers: [NumberCell<'t>; NUMBERS],
    /// Vocabulary words, in the order of [`Field::WORDED`].
    pub words: [WordCell<'t>; WORDS],
    /// Standard fields, if the rule set needs them.
    pub standard: &'t StandardCells<'t>,
    /// Whether a spreadsheet has cut digits of the seller's number, so that it may be the number of another loan.
    pub number_is_cut: bool,
    /// Set when only the rows of the latest period count and the period of this row cannot be read.
    pub unread_period: Option<UnreadPeriod<'t>>,
    /// Set when the row could not be read. Everything else is then missing.
    pub malformed: Option<Malformed<'t>>,
}

impl<'t> Loan<'t> {
    /// A loan with a line and nothing else.
    pub const fn empty(line: u64) -> Self {
        Self {
            line,
            seller_loan_number: None,
            number_is_cut: false,
            unread_period: None,
            numbers: [NumberCell::MISSING; NUMBERS],
            words: [WordCell::Missing; WORDS],
            standard: &StandardCells::NONE,
            malformed: None,
        }
    }

    /// The cell of a number field; [`NumberCell::MISSING`] for a field that holds no canonical number.
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

/// A period cell that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadPeriod<'t> {
    /// Name of the column.
    pub column: &'t str,
    /// The cell as written, without surrounding spaces.
    pub written: &'t str,
}

/// Text that outputs show for a missing loan number.
pub const UNKNOWN_NUMBER: &str = "UNKNOWN";
