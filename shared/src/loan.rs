//! The domain: the canonical columns of a tape, and one loan as it was read.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::decimal::Decimal;

/// A canonical column of a tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// The seller's number for the loan, kept to the letter.
    SellerLoanNumber,
    /// The balance that is for sale, in dollars.
    LoanAmount,
    /// The interest rate of the note, in percent.
    NoteRate,
    /// Loan to value, in percent.
    LtvRatio,
    /// Debt to income, in percent.
    DtiRatio,
    /// The borrower's credit score.
    CreditScore,
    /// What kind of property secures the loan.
    PropertyType,
    /// Who lives there.
    OccupancyStatus,
    /// What the loan was taken for.
    LoanPurpose,
    /// What the borrower paid for the property, in dollars.
    PurchasePrice,
    /// What the property was appraised at, in dollars.
    AppraisalValue,
}

/// What a canonical column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, kept to the letter.
    Text,
    /// A number; the index is its place among the numbers of a loan.
    Number(usize),
    /// A word of a vocabulary; the index is its place among the words of a loan.
    Word(usize),
}

/// How a number is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Dollars: `$50,000.00`.
    Money,
    /// Percent: `97.80 %`.
    Percent,
    /// A bare number: `619`.
    Count,
}

/// All that the product knows about one canonical column.
#[derive(Debug)]
pub struct FieldInfo {
    /// The canonical name.
    pub name: &'static str,
    /// What people call it, as in messages.
    pub label: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether a loan without it fails validation, and a tape without the column cannot be used.
    pub required: bool,
    /// How its values are shown.
    pub unit: Unit,
    /// The value that agencies write for "not available".
    pub sentinel: Option<Decimal>,
    /// A column whose first values all lie in (0, bound] holds fractions, not percentages.
    pub fraction_bound: Option<Decimal>,
}

impl FieldInfo {
    /// Whether a value is so small that it can only be meant as a fraction: 0.8 where 80 % are meant.
    pub fn reads_as_fraction(&self, value: Decimal) -> bool {
        value.is_positive() && self.fraction_bound.is_some_and(|bound| value <= bound)
    }
}

/// How many numbers a loan has.
pub const NUMBERS: usize = 7;
/// How many words of a vocabulary a loan has.
pub const WORDS: usize = 3;

const fn info(name: &'static str, label: &'static str, kind: FieldKind, required: bool, unit: Unit) -> FieldInfo {
    FieldInfo { name, label, kind, required, unit, sentinel: None, fraction_bound: None }
}

const fn ratio(mut info: FieldInfo, sentinel: Option<i64>, bound_micros: i64) -> FieldInfo {
    if let Some(value) = sentinel {
        info.sentinel = Some(Decimal::from_integer(value));
    }
    if bound_micros > 0 {
        info.fraction_bound = Some(Decimal::from_micros(bound_micros));
    }
    info
}

/// The canonical columns, in the order of every output.
static FIELDS: [FieldInfo; 11] = {
    use FieldKind::{Number, Text, Word};
    use Unit::{Count, Money, Percent};
    [
        info("seller_loan_number", "Loan number", Text, true, Count),
        info("loan_amount", "Loan amount", Number(0), true, Money),
        ratio(info("note_rate", "Note rate", Number(1), true, Percent), None, 500_000),
        ratio(info("ltv_ratio", "LTV", Number(2), true, Percent), Some(999), 1_500_000),
        ratio(info("dti_ratio", "DTI", Number(3), false, Percent), Some(999), 1_500_000),
        ratio(info("credit_score", "Credit score", Number(4), true, Count), Some(9999), 0),
        info("property_type", "Property type", Word(0), true, Count),
        info("occupancy_status", "Occupancy status", Word(1), false, Count),
        info("loan_purpose", "Loan purpose", Word(2), false, Count),
        info("purchase_price", "Purchase price", Number(5), false, Money),
        info("appraisal_value", "Appraisal value", Number(6), false, Money),
    ]
};

impl Field {
    /// All canonical columns, in output order.
    pub const ALL: [Self; 11] = [
        Self::SellerLoanNumber,
        Self::LoanAmount,
        Self::NoteRate,
        Self::LtvRatio,
        Self::DtiRatio,
        Self::CreditScore,
        Self::PropertyType,
        Self::OccupancyStatus,
        Self::LoanPurpose,
        Self::PurchasePrice,
        Self::AppraisalValue,
    ];
    /// The columns that hold numbers, in the order of [`Loan::numbers`].
    pub const NUMERIC: [Self; NUMBERS] = [
        Self::LoanAmount,
        Self::NoteRate,
        Self::LtvRatio,
        Self::DtiRatio,
        Self::CreditScore,
        Self::PurchasePrice,
        Self::AppraisalValue,
    ];
    /// The columns that hold words of a vocabulary, in the order of [`Loan::words`].
    pub const WORDED: [Self; WORDS] = [Self::PropertyType, Self::OccupancyStatus, Self::LoanPurpose];

    /// What the product knows about the column.
    pub const fn info(self) -> &'static FieldInfo {
        &FIELDS[self as usize]
    }

    /// The canonical name.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The column of that canonical name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// A number of this column as people read it: `$50,000.00`, `97.80 %`, `619`.
    pub fn show(self, value: Decimal) -> String {
        let mut text = String::with_capacity(24);
        self.push_shown(&mut text, value);
        text
    }

    /// Appends a number of this column as people read it.
    pub fn push_shown(self, out: &mut String, value: Decimal) {
        match self.info().unit {
            Unit::Money => {
                if value < Decimal::ZERO {
                    out.push('-');
                }
                out.push('$');
                value.magnitude().push_with_thousands(out, 2);
            }
            Unit::Percent => {
                value.push_plain(out, 2);
                out.push_str(" %");
            }
            Unit::Count => value.push_plain(out, 0),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let found = Self::ALL.into_iter().find(|field| field.name() == name);
        found.ok_or_else(|| D::Error::custom(format!("there is no column {name}")))
    }
}

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
    /// It has more digits than can be kept exactly.
    TooManyDigits,
    /// It looks like a percentage in a column of fractions.
    PercentInFractions,
    /// It looks like a fraction in a column of percentages.
    FractionInPercents,
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
}

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
    /// Set when the row could not be read; everything else is missing then.
    pub malformed: Option<Malformed<'t>>,
}

impl<'t> Loan<'t> {
    /// A loan of which nothing is known but its line.
    pub const fn empty(line: u64) -> Self {
        Self {
            line,
            seller_loan_number: None,
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
            FieldKind::Text | FieldKind::Word(_) => NOTHING,
        }
    }

    /// The seller's number as every output shows it: `UNKNOWN` when it is missing.
    pub fn shown_number(&self) -> &str {
        self.seller_loan_number.as_deref().unwrap_or(UNKNOWN_NUMBER)
    }
}

/// What is shown for a missing loan number.
pub const UNKNOWN_NUMBER: &str = "UNKNOWN";
