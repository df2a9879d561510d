//! Orders of loans.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use crate::{
    decimal::Decimal,
    facts::{
        decimals::DecimalType,
        read::{FactsReader, RangeReader, ReadError, scan::Texts},
    },
};

use super::{
    columns::{EXACT_VALUES, ExactValues, NumberField, WordField, damaged, integers_at, texts_at},
    row_set::RowSet,
};

/// The order of a list of loans. Loans without a value come last either way, and ties are in tape order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoanOrder {
    /// Tape order.
    Line {
        descending: bool,
    },
    Number {
        field: NumberField,
        descending: bool,
    },
    /// Words in the order of their letters.
    Word {
        field: WordField,
        descending: bool,
    },
}

impl Default for LoanOrder {
    fn default() -> Self {
        Self::Line { descending: false }
    }
}

/// The text is not an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an order of loans")]
pub struct NotAnOrder;

impl FromStr for LoanOrder {
    type Err = NotAnOrder;

    fn from_str(text: &str) -> Result<Self, NotAnOrder> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name == "line" {
            return Ok(Self::Line { descending });
        }
        let number = NumberField::from_name(name).map(|field| Self::Number { field, descending });
        number.or_else(|| Some(Self::Word { field: WordField::from_name(name)?, descending })).ok_or(NotAnOrder)
    }
}

impl LoanOrder {
    /// The names of all orders, each ascending.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["line"].into_iter().chain(NumberField::ALL.map(NumberField::name)).chain(WordField::ALL.map(WordField::name))
    }

    /// Puts loans in order.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged, or has
    /// more loans than can be sorted.
    pub(super) fn sorted<R: RangeReader>(self, facts: &FactsReader<R>, rows: &RowSet) -> Result<Vec<u32>, ReadError> {
        match self {
            Self::Line { descending } => {
                let mut places = rows.iter().map(place).collect::<Result<Vec<_>, _>>()?;
                if descending {
                    places.reverse();
                }
                Ok(places)
            }
            Self::Number { field, descending } => {
                let mut found = Keys::numbers(facts, rows, field)?;
                found.sort(descending, field.stored());
                Ok(found.into_places())
            }
            Self::Word { field, descending } => {
                let mut found = Keys::words(facts, rows, field)?;
                found.sort(descending, crate::facts::decimals::PERCENT);
                Ok(found.into_places())
            }
        }
    }
}

fn place(row: u64) -> Result<u32, ReadError> {
    u32::try_from(row).map_err(|_| damaged())
}

/// Loans with the values to sort by.
#[derive(Default)]
struct Keys {
    /// A value and its loan: a mantissa rounded down, or the rank of a word.
    keys: Vec<(i64, u32)>,
    /// The exact numbers of loans whose column does not hold them.
    exact: HashMap<u32, Decimal>,
    /// Loans without a value.
    missing: Vec<u32>,
}

impl Keys {
    fn numbers<R: RangeReader>(facts: &FactsReader<R>, rows: &RowSet, field: NumberField) -> Result<Self, ReadError> {
        let mut found = Self::default();
        let mut next = rows.iter().peekable();
        for group in 0..facts.groups() {
            if next.peek().is_none() {
                break;
            }
            let columns = facts.scan(group, &[field.name(), EXACT_VALUES])?;
            let numbers = integers_at(&columns, 0)?;
            let exact = ExactValues::read(texts_at(&columns, 1)?, columns.rows, &[field])?;
            let exact: HashMap<usize, Decimal> = exact.of(field).collect();
            let end = columns.first_row + columns.rows as u64;
            while let Some(row) = next.next_if(|row| *row < end) {
                let at = (row - columns.first_row) as usize;
                let row = place(row)?;
                if let Some(value) = exact.get(&at) {
                    found.keys.push((floor(*value, field.stored()), row));
                    found.exact.insert(row, *value);
                } else if let Some(mantissa) = numbers.get(at) {
                    found.keys.push((mantissa, row));
                } else {
                    found.missing.push(row);
                }
            }
        }
        Ok(found)
    }

    fn words<R: RangeReader>(facts: &FactsReader<R>, rows: &RowSet, field: WordField) -> Result<Self, ReadError> {
        let mut found = Self::default();
        // First the order of appearance, then the rank among all words.
        let mut known: BTreeMap<String, i64> = BTreeMap::new();
        let mut next = rows.iter().peekable();
        for group in 0..facts.groups() {
            if next.peek().is_none() {
                break;
            }
            let columns = facts.scan(group, &[field.name()])?;
            let texts = texts_at(&columns, 0)?;
            let mut codes: Vec<i64> = Vec::with_capacity(texts.codes());
            for code in 0..texts.codes() {
                let text = u32::try_from(code).ok().and_then(|code| texts.text(code)).ok_or_else(damaged)?;
                let next = known.len() as i64;
                codes.push(*known.entry(text.to_owned()).or_insert(next));
            }
            let end = columns.first_row + columns.rows as u64;
            while let Some(row) = next.next_if(|row| *row < end) {
                match texts.code((row - columns.first_row) as usize) {
                    Texts::NONE => found.missing.push(place(row)?),
                    code => found.keys.push((*codes.get(code as usize).ok_or_else(damaged)?, place(row)?)),
                }
            }
        }
        let mut ranks = vec![0; known.len()];
        for (rank, appearance) in (0..).zip(known.values()) {
            ranks[*appearance as usize] = rank;
        }
        found.keys.iter_mut().for_each(|(key, _)| *key = ranks[*key as usize]);
        Ok(found)
    }

    fn sort(&mut self, descending: bool, stored: DecimalType) {
        if self.exact.is_empty() {
            if descending {
                self.keys.sort_unstable_by_key(|(key, row)| (Reverse(*key), *row));
            } else {
                self.keys.sort_unstable();
            }
            return;
        }
        let exact = &self.exact;
        let value = |(key, row): &(i64, u32)| exact.get(row).copied().or_else(|| stored.value(*key));
        let ordered = |one: &(i64, u32), other: &(i64, u32)| {
            let by_value = match one.0.cmp(&other.0) {
                Ordering::Equal => value(one).cmp(&value(other)),
                order => order,
            };
            let by_value = if descending { by_value.reverse() } else { by_value };
            by_value.then(one.1.cmp(&other.1))
        };
        self.keys.sort_unstable_by(ordered);
    }

    fn into_places(self) -> Vec<u32> {
        let sorted = self.keys.into_iter().map(|(_, row)| row);
        sorted.chain(self.missing).collect()
    }
}

/// The mantissa of a value in a column, rounded down.
fn floor(value: Decimal, stored: DecimalType) -> i64 {
    let (mantissa, scale) = value.parts();
    let unit = 10_i128.pow(u32::from(scale.saturating_sub(stored.scale)));
    let floor = mantissa.div_euclid(unit);
    i64::try_from(floor).unwrap_or(if floor < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_field_with_a_minus_for_descending() {
        for name in LoanOrder::names() {
            let (ascending, descending) = (name.parse::<LoanOrder>().unwrap(), format!("-{name}").parse::<LoanOrder>().unwrap());
            assert_ne!(ascending, descending);
        }
        assert_eq!("line".parse(), Ok(LoanOrder::default()));
        for text in ["", "-", "ltv", "--ltv_ratio", "+ltv_ratio", "ltv_ratio ", "row", "seller_loan_number", "LINE"] {
            assert_eq!(text.parse::<LoanOrder>(), Err(NotAnOrder), "{text}");
        }
    }
}
