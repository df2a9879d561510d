//! What a comparison reads of one of its runs.

use std::{collections::HashMap, sync::Arc};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    column::{FieldValues, MISSING, ODD, OddCell, OddCells, Scale, TextHasher, push_integers, push_texts},
    matching::NumberHasher,
};
use crate::{
    decimal::{Decimal, ExactSum},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{
            ExceptionsReader, FactsReader, RangeReader, ReadError, SourceValue, members_of,
            scan::{GroupColumns, Integers, Texts},
        },
    },
    loan::{Field, UNKNOWN_NUMBER},
    phases::disposition::Disposition,
};

/// Largest number of loans for which room is made beforehand.
const MOST_EXPECTED: usize = 1 << 24;
/// Name of the price among the columns and the odd cells.
const FINAL_PRICE: &str = "final_price";

/// A run that is compared: its stored results.
pub struct ComparedRun<'r, R> {
    pub run_id: Uuid,
    pub facts: &'r FactsReader<R>,
    pub exceptions: &'r ExceptionsReader<R>,
}

impl<R> Clone for ComparedRun<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ComparedRun<'_, R> {}

/// What is kept of every loan of a run.
#[derive(Debug, Default)]
pub(super) struct Loans {
    /// Keys of the loans that have a number.
    pub(super) keys: Vec<u128>,
    pub(super) dispositions: Vec<Disposition>,
    /// Prices in ten-thousandths.
    pub(super) prices: Vec<i64>,
    /// Loan amounts in cents.
    pub(super) amounts: Vec<i64>,
    /// Odd cells by the name of their field.
    pub(super) odd: HashMap<String, OddCells>,
}

impl<R: RangeReader> ComparedRun<'_, R> {
    /// Reads what is kept of every loan.
    pub(super) fn loans(&self, hasher: &NumberHasher) -> Result<Loans, ReadError> {
        let mut loans = Loans { odd: self.odd_cells()?, ..Loans::default() };
        // A damaged file must not reserve all memory by the number of rows that it claims.
        let rows = self.facts.rows().min(MOST_EXPECTED);
        loans.keys.reserve_exact(rows);
        loans.dispositions.reserve_exact(rows);
        loans.prices.reserve_exact(rows);
        loans.amounts.reserve_exact(rows);
        for group in 0..self.facts.groups() {
            let columns = [Field::SellerLoanNumber.name(), "disposition", FINAL_PRICE, Field::LoanAmount.name()];
            let scanned = self.facts.scan(group, &columns)?;
            let (numbers, dispositions) = (texts(&scanned, 0)?, texts(&scanned, 1)?);
            for row in 0..scanned.rows {
                let number = numbers.get(row).ok_or_else(nonsense)?;
                if number != UNKNOWN_NUMBER {
                    let place = u32::try_from(scanned.first_row + row as u64).map_err(|_| nonsense())?;
                    loans.keys.push(hasher.key(number, place));
                }
                let word = dispositions.get(row).and_then(Disposition::from_word);
                loans.dispositions.push(word.ok_or_else(nonsense)?);
            }
            push_integers(integers(&scanned, 2)?, scanned.rows, &mut loans.prices);
            push_integers(integers(&scanned, 3)?, scanned.rows, &mut loans.amounts);
        }
        mark_odd(&mut loans.prices, loans.odd.get(FINAL_PRICE));
        mark_odd(&mut loans.amounts, loans.odd.get(Field::LoanAmount.name()));
        Ok(loans)
    }

    /// Reads the cells that the columns of their fields do not hold.
    fn odd_cells(&self) -> Result<HashMap<String, OddCells>, ReadError> {
        let mut found: HashMap<String, OddCells> = HashMap::new();
        for group in 0..self.facts.groups() {
            let scanned = self.facts.scan(group, &["as_written", "exact_values"])?;
            let (written, exact) = (texts(&scanned, 0)?, texts(&scanned, 1)?);
            let first = scanned.first_row;
            let mut note = |row: usize, name: String, cell: OddCell| {
                let row = u32::try_from(first + row as u64).map_err(|_| nonsense())?;
                found.entry(name).or_default().insert(row, cell);
                Ok::<_, ReadError>(())
            };
            for row in 0..scanned.rows {
                if let Some(object) = written.get(row) {
                    for (name, cell) in members_of::<String>(object).ok_or_else(nonsense)? {
                        note(row, name, OddCell::Written(cell))?;
                    }
                }
                if let Some(object) = exact.get(row) {
                    for (name, number) in members_of::<Box<RawValue>>(object).ok_or_else(nonsense)? {
                        let number: Decimal = number.get().parse().map_err(|_| nonsense())?;
                        note(row, name, OddCell::Exact(number))?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Reads a canonical or standard field of one row group. Texts become numbers of the hasher.
    pub(super) fn known(&self, group: usize, field: Field, hasher: &TextHasher) -> Result<(u64, Vec<i64>), ReadError> {
        let scanned = self.facts.scan(group, &[field.name()])?;
        let mut values = Vec::with_capacity(scanned.rows);
        match scanned.texts(0) {
            Some(texts) => push_texts(texts, scanned.rows, hasher, &mut values),
            None => push_integers(integers(&scanned, 0)?, scanned.rows, &mut values),
        }
        Ok((scanned.first_row, values))
    }

    /// Reads a canonical or standard field of all loans.
    pub(super) fn all_known(&self, field: Field, odd: Option<&OddCells>, hasher: &TextHasher) -> Result<Vec<i64>, ReadError> {
        let mut values = Vec::with_capacity(self.facts.rows());
        for group in 0..self.facts.groups() {
            values.append(&mut self.known(group, field, hasher)?.1);
        }
        mark_odd(&mut values, odd);
        Ok(values)
    }

    /// Reads declared fields of all loans. `give` gets the row and the place of the field among `names` with its value, for each
    /// value that there is.
    pub(super) fn each_declared(
        &self,
        names: &[Arc<str>],
        mut give: impl FnMut(u32, usize, SourceValue),
    ) -> Result<(), ReadError> {
        for group in 0..self.facts.groups() {
            let scanned = self.facts.scan(group, &["source_columns"])?;
            let objects = texts(&scanned, 0)?;
            for row in 0..scanned.rows {
                let Some(object) = objects.get(row) else { continue };
                let place = u32::try_from(scanned.first_row + row as u64).map_err(|_| nonsense())?;
                for (name, json) in members_of::<Box<RawValue>>(object).ok_or_else(nonsense)? {
                    // Declared fields come before the columns that are only kept, which never have their names.
                    if let Some(at) = names.iter().position(|wanted| **wanted == *name) {
                        give(place, at, SourceValue::of_json(json.get()).ok_or_else(nonsense)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads declared fields of all loans as values to compare.
    pub(super) fn all_declared(&self, names: &[Arc<str>], hasher: &TextHasher) -> Result<Vec<FieldValues>, ReadError> {
        let rows = self.facts.rows();
        let mut fields: Vec<FieldValues> =
            names.iter().map(|_| FieldValues { values: vec![MISSING; rows], odd: OddCells::new() }).collect();
        self.each_declared(names, |row, at, value| {
            let Some(field) = fields.get_mut(at) else { return };
            let number = match value {
                SourceValue::Missing => return,
                SourceValue::Text(text) => hasher.number(&text),
                SourceValue::Number(number) => match number.micros() {
                    Some(micros) if micros != MISSING && micros != ODD => micros,
                    _ => {
                        field.odd.insert(row, OddCell::Exact(number));
                        ODD
                    }
                },
            };
            if let Some(cell) = field.values.get_mut(row as usize) {
                *cell = number;
            }
        })?;
        Ok(fields)
    }

    /// Reads which types of exceptions the loans have: `give` gets each row with a type, in the order of the rows. A type may come
    /// several times. An exception that is waived does not count.
    pub(super) fn each_reason(&self, mut give: impl FnMut(u32, &str)) -> Result<(), ReadError> {
        for group in 0..self.exceptions.groups() {
            let scanned = self.exceptions.scan(group, &["row", "exception_type", "waived"])?;
            let damaged = || ReadError::Damaged { file: EXCEPTIONS_FILE, what: "the values of a row make no sense".to_owned() };
            let (rows, types) = scanned.integers(0).zip(scanned.texts(1)).ok_or_else(damaged)?;
            let waived = scanned.texts(2).ok_or_else(damaged)?;
            for at in 0..scanned.rows {
                let row = rows.get(at).and_then(|row| u32::try_from(row).ok()).ok_or_else(damaged)?;
                if waived.get(at).is_none() {
                    give(row, types.get(at).ok_or_else(damaged)?);
                }
            }
        }
        Ok(())
    }

    /// For each loan a number of the set of its types of exceptions, which does not depend on their order.
    pub(super) fn reason_sets(&self, hasher: &TextHasher) -> Result<Vec<i64>, ReadError> {
        let mut sets = vec![0_i64; self.facts.rows()];
        let mut numbers: HashMap<String, i64> = HashMap::new();
        let (mut last, mut of_last) = (u32::MAX, Vec::<i64>::new());
        self.each_reason(|row, kind| {
            let number = match numbers.get(kind) {
                Some(number) => *number,
                None => *numbers.entry(kind.to_owned()).or_insert_with(|| hasher.number(kind)),
            };
            if row != last {
                last = row;
                of_last.clear();
            }
            if !of_last.contains(&number) {
                of_last.push(number);
                if let Some(set) = sets.get_mut(row as usize) {
                    *set = set.wrapping_add(number);
                }
            }
        })?;
        Ok(sets)
    }
}

impl Loans {
    /// The exact loan amount; `None` when it is missing or could not be read.
    pub(super) fn amount(&self, row: usize) -> Option<Decimal> {
        self.exact(&self.amounts, Field::LoanAmount.name(), Scale::of(&Field::LoanAmount.into()), row)
    }

    /// The price in percent; `None` for a loan without one.
    pub(super) fn price(&self, row: usize) -> Option<Decimal> {
        self.exact(&self.prices, FINAL_PRICE, Scale::Decimal(crate::facts::decimals::PRICE), row)
    }

    fn exact(&self, values: &[i64], name: &str, scale: Scale, row: usize) -> Option<Decimal> {
        let value = *values.get(row)?;
        if value != ODD {
            return scale.decimal(value);
        }
        match self.odd.get(name)?.get(&u32::try_from(row).ok()?)? {
            OddCell::Exact(number) => Some(*number),
            OddCell::Written(_) => None,
        }
    }

    /// Adds the loan amount to a sum.
    pub(super) fn add_amount(&self, row: usize, sum: &mut ExactSum) {
        match self.amounts.get(row) {
            Some(&MISSING) | None => {}
            Some(&ODD) => self.amount(row).into_iter().for_each(|amount| sum.add_decimal(amount)),
            Some(cents) => sum.add((*cents).into(), crate::facts::decimals::MONEY.scale),
        }
    }
}

/// Marks the values of the loans that have an odd cell.
fn mark_odd(values: &mut [i64], odd: Option<&OddCells>) {
    for row in odd.into_iter().flat_map(OddCells::keys) {
        if let Some(value) = values.get_mut(*row as usize) {
            *value = ODD;
        }
    }
}

fn texts(scanned: &GroupColumns, at: usize) -> Result<&Texts, ReadError> {
    scanned.texts(at).ok_or_else(nonsense)
}

fn integers(scanned: &GroupColumns, at: usize) -> Result<&Integers, ReadError> {
    scanned.integers(at).ok_or_else(nonsense)
}

fn nonsense() -> ReadError {
    ReadError::Damaged { file: FACTS_FILE, what: "the values of a row make no sense".to_owned() }
}
