//! Values of one field of all loans of a run, in a form that is compared quickly: one 64-bit number for each loan.

use std::{collections::HashMap, hash::Hasher as _};

use siphasher::sip::SipHasher13;

use crate::{
    decimal::Decimal,
    facts::{
        decimals::DecimalType,
        read::scan::{Integers, Texts},
        schema::ColumnKind,
    },
    loan::ColumnField,
};

/// The value of a loan that lacks the field.
pub(super) const MISSING: i64 = i64::MIN;
/// The value of a loan whose cell is among the odd cells.
pub(super) const ODD: i64 = i64::MIN + 1;

/// A cell that the column of its field does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OddCell {
    /// A number with more digits than the column has.
    Exact(Decimal),
    /// A cell that could not be read, as written.
    Written(String),
}

/// The odd cells of a field, by row.
pub(super) type OddCells = HashMap<u32, OddCell>;

/// Values of a field, one for each loan: numbers in the scale of the column, days, or hashes of texts; or [`MISSING`] or [`ODD`].
#[derive(Debug, Default)]
pub(super) struct FieldValues {
    pub(super) values: Vec<i64>,
    /// Odd cells that the facts do not list: numbers of a declared field with more than six decimals.
    pub(super) odd: OddCells,
}

/// Gives each text a number of 63 bits. Different texts share one with a chance of 2^-63, and no seller can choose texts that do,
/// because the key is drawn anew for each comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextHasher(SipHasher13);

impl TextHasher {
    pub(super) fn random() -> Self {
        let seed = || std::hash::BuildHasher::build_hasher(&std::collections::hash_map::RandomState::new()).finish();
        Self(SipHasher13::new_with_keys(seed(), seed()))
    }

    /// The number of a text. It is never negative.
    pub(super) fn number(&self, text: &str) -> i64 {
        (self.0.hash(text.as_bytes()) >> 1).cast_signed()
    }
}

/// Appends the numbers of a row group.
pub(super) fn push_integers(integers: &Integers, rows: usize, out: &mut Vec<i64>) {
    out.extend((0..rows).map(|row| integers.get(row).unwrap_or(MISSING)));
}

/// Appends the hashes of the texts of a row group.
pub(super) fn push_texts(texts: &Texts, rows: usize, hasher: &TextHasher, out: &mut Vec<i64>) {
    let mut numbers = vec![MISSING; texts.codes()];
    for row in 0..rows {
        let code = texts.code(row);
        let Some(number) = numbers.get_mut(code as usize) else {
            out.push(MISSING);
            continue;
        };
        if *number == MISSING {
            *number = texts.text(code).map_or(MISSING, |text| hasher.number(text));
        }
        out.push(*number);
    }
}

/// How a number of a column is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Texts and dates, which have no distance.
    None,
    /// Whole numbers.
    Whole,
    /// Decimals.
    Decimal(DecimalType),
    /// Millionths: declared numbers.
    Micros,
}

impl Scale {
    pub(super) fn of(field: &ColumnField) -> Self {
        let Some(known) = field.known() else { return Self::Micros };
        match ColumnKind::of(known.info().kind, known.info().unit) {
            ColumnKind::Text | ColumnKind::Date => Self::None,
            ColumnKind::Whole | ColumnKind::Integer => Self::Whole,
            ColumnKind::Decimal(stored) => Self::Decimal(stored),
        }
    }

    /// The number of a value; `None` for a value that is no number.
    pub(super) fn decimal(self, value: i64) -> Option<Decimal> {
        match self {
            _ if value == MISSING || value == ODD => None,
            Self::None => None,
            Self::Whole => Some(Decimal::from_integer(value)),
            Self::Decimal(stored) => stored.value(value),
            Self::Micros => Some(Decimal::from_micros(value)),
        }
    }
}

/// Two cells of a field, and how they are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellPair<'c> {
    pub(super) values: [i64; 2],
    pub(super) odd: [Option<&'c OddCell>; 2],
}

impl CellPair<'_> {
    /// Whether the cells differ: numbers by value, by more than the tolerance if there is one.
    pub(super) fn differ(&self, scale: Scale, tolerance: Option<Decimal>) -> bool {
        let [base, with] = [0, 1].map(|side| match self.odd[side] {
            Some(OddCell::Exact(number)) => Some(*number),
            Some(OddCell::Written(_)) => None,
            None => scale.decimal(self.values[side]),
        });
        match (base, with) {
            (Some(base), Some(with)) => match tolerance {
                Some(tolerance) => base.checked_sub(with).is_none_or(|distance| distance.magnitude() > tolerance),
                None => base != with,
            },
            (None, None) => self.values != [self.values[0]; 2] || self.odd[0] != self.odd[1],
            _ => true,
        }
    }
}
