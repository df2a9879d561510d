//! The fields of a loan, as one table. A field's place, its column in the schema, its CSV header and its list of aliases follow
//! from its row.
//!
//! A *canonical* field is judged and is in every output. A *standard* field is read when a tape has it, and stored with its type
//! next to the judged fields.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::decimal::Decimal;

/// Kind of values in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, kept exactly as written.
    Text,
    /// A number; the index is its place among the numbers of a loan.
    Number(usize),
    /// A word of a vocabulary; the index is its place among the words of a loan.
    Word(usize),
    /// A standard field; the index is its place in [`Field::STANDARD`]. The field's unit gives the kind of its values.
    Standard(usize),
}

/// Unit of a value, which determines how the value is read and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Text, kept exactly as written.
    Text,
    /// A word of a vocabulary.
    Word,
    /// Dollars: `$50,000.00`.
    Money,
    /// Percent: `97.80 %`.
    Percent,
    /// A ratio: `1.25`.
    Ratio,
    /// A bare number: `619`.
    Count,
    /// A number of months.
    Months,
    /// A calendar date.
    Date,
}

/// Ranges of values that show the unit of a column of percentages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zones {
    /// Values above zero and up to this one are fractions.
    pub fraction_to: Decimal,
    /// Values from this one on are percentages.
    pub percent_from: Decimal,
}

/// Properties of a field.
#[derive(Debug)]
pub struct FieldInfo {
    /// Canonical name.
    pub name: &'static str,
    /// Name for people, as in messages.
    pub label: &'static str,
    pub kind: FieldKind,
    /// Whether a loan without the field fails validation and a tape without the column cannot be used.
    pub required: bool,
    /// Unit of the values.
    pub unit: Unit,
    /// Value that agencies write for "not available".
    pub sentinel: Option<Decimal>,
    /// Ranges that tell percentages from fractions; `None` for a field without percentages.
    pub zones: Option<Zones>,
}

/// A row of the table: name, label, unit, whether it is required, sentinel, the zones in millionths.
struct Row(&'static str, &'static str, Unit, bool, Option<i64>, Option<(i64, i64)>);

/// Zones of ratios (80 % or 0.8), in millionths.
const RATIO: Option<(i64, i64)> = Some((1_500_000, 5_000_000));
/// Zones of rates (6.5 % or 0.065), in millionths.
const RATE: Option<(i64, i64)> = Some((500_000, 1_000_000));

const OPTIONAL: bool = false;
const REQUIRED: bool = true;

macro_rules! fields {
    (
        canonical { $($(#[$doc:meta])* $variant:ident = $row:expr;)* }
        standard { $($(#[$standard_doc:meta])* $standard:ident = $standard_row:expr;)* }
    ) => {
        /// A field of a loan.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field {
            $($(#[$doc])* $variant,)*
            $($(#[$standard_doc])* $standard,)*
        }

        impl Field {
            /// The canonical fields, in the order of every output.
            pub const CANONICAL: [Self; CANONICAL] = [$(Self::$variant),*];
            /// The standard fields, in the order of the facts.
            pub const STANDARD: [Self; STANDARD] = [$(Self::$standard),*];
            /// All fields: the canonical ones, then the standard ones.
            pub const ALL: [Self; FIELDS] = [$(Self::$variant,)* $(Self::$standard),*];
        }

        /// Number of canonical fields.
        pub const CANONICAL: usize = [$(stringify!($variant)),*].len();
        /// Number of standard fields.
        pub const STANDARD: usize = [$(stringify!($standard)),*].len();

        const ROWS: [Row; FIELDS] = [$($row,)* $($standard_row),*];
    };
}

fields! {
    canonical {
        /// The seller's number for the loan, kept exactly as written.
        SellerLoanNumber = Row("seller_loan_number", "Loan number", Unit::Text, REQUIRED, None, None);
        /// The balance that is for sale, in dollars.
        LoanAmount = Row("loan_amount", "Loan amount", Unit::Money, REQUIRED, None, None);
        /// The interest rate of the note, in percent.
        NoteRate = Row("note_rate", "Note rate", Unit::Percent, REQUIRED, None, RATE);
        /// Loan to value, in percent.
        LtvRatio = Row("ltv_ratio", "LTV", Unit::Percent, REQUIRED, Some(999), RATIO);
        /// Debt to income, in percent.
        DtiRatio = Row("dti_ratio", "DTI", Unit::Percent, OPTIONAL, Some(999), RATIO);
        /// The borrower's credit score.
        CreditScore = Row("credit_score", "Credit score", Unit::Count, REQUIRED, Some(9999), None);
        /// The type of property that secures the loan.
        PropertyType = Row("property_type", "Property type", Unit::Word, REQUIRED, None, None);
        /// How the property is occupied.
        OccupancyStatus = Row("occupancy_status", "Occupancy status", Unit::Word, OPTIONAL, None, None);
        /// The purpose of the loan.
        LoanPurpose = Row("loan_purpose", "Loan purpose", Unit::Word, OPTIONAL, None, None);
        /// The price that the borrower paid for the property, in dollars.
        PurchasePrice = Row("purchase_price", "Purchase price", Unit::Money, OPTIONAL, None, None);
        /// The appraised value of the property, in dollars.
        AppraisalValue = Row("appraisal_value", "Appraisal value", Unit::Money, OPTIONAL, None, None);
    }
    standard {
        /// The state of the property, as its USPS code.
        PropertyState = Row("property_state", "Property state", Unit::Word, OPTIONAL, None, None);
        /// The number of dwellings of the property.
        NumberOfUnits = Row("number_of_units", "Number of units", Unit::Count, OPTIONAL, None, None);
        /// The rank of the lien: 1 for the first lien.
        LienPosition = Row("lien_position", "Lien position", Unit::Count, OPTIONAL, None, None);
        /// All loans on the property, to its value, in percent.
        CltvRatio = Row("cltv_ratio", "CLTV", Unit::Percent, OPTIONAL, Some(999), RATIO);
        /// Rent to debt service.
        Dscr = Row("dscr", "DSCR", Unit::Ratio, OPTIONAL, None, None);
        /// How income and assets were documented.
        DocumentationType = Row("documentation_type", "Documentation type", Unit::Word, OPTIONAL, None, None);
        /// The balance at origination, in dollars.
        OriginalBalance = Row("original_balance", "Original balance", Unit::Money, OPTIONAL, None, None);
        /// The current balance, in dollars, when the loan amount is another column.
        CurrentBalance = Row("current_balance", "Current balance", Unit::Money, OPTIONAL, None, None);
        /// The balance of junior liens, in dollars.
        JuniorBalance = Row("junior_balance", "Junior balance", Unit::Money, OPTIONAL, None, None);
        /// The interest rate at origination, in percent.
        OriginalRate = Row("original_rate", "Original rate", Unit::Percent, OPTIONAL, None, RATE);
        /// The date on which the loan was made.
        OriginationDate = Row("origination_date", "Origination date", Unit::Date, OPTIONAL, None, None);
        /// The date on which the first payment was due.
        FirstPaymentDate = Row("first_payment_date", "First payment date", Unit::Date, OPTIONAL, None, None);
        /// The date on which the last payment is due.
        MaturityDate = Row("maturity_date", "Maturity date", Unit::Date, OPTIONAL, None, None);
        /// The date up to which interest is paid.
        PaidThroughDate = Row("paid_through_date", "Paid-through date", Unit::Date, OPTIONAL, None, None);
        /// Months from the first payment to maturity, at origination.
        OriginalTerm = Row("original_term", "Original term", Unit::Months, OPTIONAL, None, None);
        /// Months to maturity.
        RemainingTerm = Row("remaining_term", "Remaining term", Unit::Months, OPTIONAL, None, None);
        /// Months over which the balance amortizes.
        AmortizationTerm = Row("amortization_term", "Amortization term", Unit::Months, OPTIONAL, None, None);
        /// Months in which the borrower pays only interest.
        InterestOnlyTerm = Row("interest_only_term", "Interest-only term", Unit::Months, OPTIONAL, None, None);
        /// Days since the oldest unpaid payment was due.
        DaysPastDue = Row("days_past_due", "Days past due", Unit::Count, OPTIONAL, None, None);
        /// Whether the rate is fixed or adjustable.
        AmortizationType = Row("amortization_type", "Amortization type", Unit::Word, OPTIONAL, None, None);
    }
}

/// Number of all fields.
pub const FIELDS: usize = CANONICAL + STANDARD;
/// Number of canonical fields that hold numbers.
pub const NUMBERS: usize = count(0, CANONICAL, &[Unit::Money, Unit::Percent, Unit::Count]);
/// Number of canonical fields that hold words of a vocabulary.
pub const WORDS: usize = count(0, CANONICAL, &[Unit::Word]);
/// Number of standard fields that hold words of a vocabulary.
pub const STANDARD_WORDS: usize = count(CANONICAL, FIELDS, &[Unit::Word]);

const fn is_one_of(unit: Unit, units: &[Unit]) -> bool {
    let mut at = 0;
    while at < units.len() {
        if unit as u8 == units[at] as u8 {
            return true;
        }
        at += 1;
    }
    false
}

/// Number of fields at the places `from..to` that have one of the units.
const fn count(from: usize, to: usize, units: &[Unit]) -> usize {
    let (mut count, mut at) = (0, from);
    while at < to {
        if is_one_of(ROWS[at].2, units) {
            count += 1;
        }
        at += 1;
    }
    count
}

const fn info_of(row: &Row, kind: FieldKind) -> FieldInfo {
    let Row(name, label, unit, required, sentinel, zones) = *row;
    FieldInfo {
        name,
        label,
        kind,
        required,
        unit,
        sentinel: match sentinel {
            Some(value) => Some(Decimal::from_integer(value)),
            None => None,
        },
        zones: match zones {
            Some((fraction, percent)) => {
                Some(Zones { fraction_to: Decimal::from_micros(fraction), percent_from: Decimal::from_micros(percent) })
            }
            None => None,
        },
    }
}

static INFOS: [FieldInfo; FIELDS] = {
    const NOTHING: FieldInfo = info_of(&ROWS[0], FieldKind::Text);
    let mut infos = [const { NOTHING }; FIELDS];
    let (mut at, mut numbers, mut words) = (1, 0, 0);
    while at < FIELDS {
        let kind = if at >= CANONICAL {
            FieldKind::Standard(at - CANONICAL)
        } else if is_one_of(ROWS[at].2, &[Unit::Word]) {
            words += 1;
            FieldKind::Word(words - 1)
        } else {
            numbers += 1;
            FieldKind::Number(numbers - 1)
        };
        infos[at] = info_of(&ROWS[at], kind);
        at += 1;
    }
    infos
};

/// The first `N` fields, from the place `from` on, that have one of the units.
const fn of_units<const N: usize>(from: usize, units: &[Unit]) -> [Field; N] {
    let mut found = [Field::SellerLoanNumber; N];
    let (mut at, mut next) = (from, 0);
    while next < N {
        if is_one_of(ROWS[at].2, units) {
            found[next] = Field::ALL[at];
            next += 1;
        }
        at += 1;
    }
    found
}

impl Field {
    /// The canonical fields that hold numbers, in the order of the numbers of a loan.
    pub const NUMERIC: [Self; NUMBERS] = of_units(0, &[Unit::Money, Unit::Percent, Unit::Count]);
    /// The canonical fields that hold words of a vocabulary, in the order of the words of a loan.
    pub const WORDED: [Self; WORDS] = of_units(0, &[Unit::Word]);

    /// Properties of the field.
    pub const fn info(self) -> &'static FieldInfo {
        &INFOS[self as usize]
    }

    /// The canonical name.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The field with this canonical name; `None` when there is none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Whether the field is judged and is in every output.
    pub const fn is_canonical(self) -> bool {
        (self as usize) < CANONICAL
    }

    /// Formats a number of this field for people: `$50,000.00`, `97.80 %`, `619`.
    pub fn show(self, value: Decimal) -> String {
        let mut text = String::with_capacity(24);
        self.push_shown(&mut text, value);
        text
    }

    /// Appends a number of this field, formatted like [`Self::show`].
    pub fn push_shown(self, out: &mut String, value: Decimal) {
        self.info().unit.push_shown(out, value);
    }
}

impl Unit {
    /// Appends a number of this unit for people: `$50,000.00`, `97.80 %`, `619`.
    pub fn push_shown(self, out: &mut String, value: Decimal) {
        match self {
            Self::Money => {
                if value < Decimal::ZERO {
                    out.push('-');
                }
                out.push('$');
                value.magnitude().push_with_thousands(out, 2);
            }
            Self::Percent => {
                value.push_plain(out, 2);
                out.push_str(" %");
            }
            Self::Ratio => value.push_plain(out, 2),
            Self::Count | Self::Months | Self::Text | Self::Word | Self::Date => value.push_plain(out, 0),
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
        Self::from_name(&name).ok_or_else(|| D::Error::custom(format!("there is no field {name}")))
    }
}

/// The field that a column holds: one that the product knows, or one that the rule set of the run declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnField {
    /// A canonical or standard field.
    Known(Field),
    /// The name of a declared field.
    Declared(Arc<str>),
}

impl ColumnField {
    pub fn name(&self) -> &str {
        match self {
            Self::Known(field) => field.name(),
            Self::Declared(name) => name,
        }
    }

    /// The canonical or standard field; `None` for a declared one.
    pub const fn known(&self) -> Option<Field> {
        match self {
            Self::Known(field) => Some(*field),
            Self::Declared(_) => None,
        }
    }
}

impl From<Field> for ColumnField {
    fn from(field: Field) -> Self {
        Self::Known(field)
    }
}

impl fmt::Display for ColumnField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ColumnField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ColumnField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Ok(Field::from_name(&name).map_or_else(|| Self::Declared(name.as_ref().into()), Self::Known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_from_the_rows() {
        for (at, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, at);
            assert_eq!(field.is_canonical(), at < CANONICAL);
            match field.info().kind {
                FieldKind::Text => assert_eq!(field, Field::SellerLoanNumber),
                FieldKind::Number(place) => assert_eq!(Field::NUMERIC[place], field),
                FieldKind::Word(place) => assert_eq!(Field::WORDED[place], field),
                FieldKind::Standard(place) => assert_eq!(Field::STANDARD[place], field),
            }
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(field.info().zones.is_some(), field.info().unit == Unit::Percent);
        }
        assert_eq!((NUMBERS, WORDS, STANDARD_WORDS, CANONICAL, STANDARD), (7, 3, 3, 11, 20));
    }
}
