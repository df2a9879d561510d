//! Which loans a comparison lists, and in which order.

use std::cmp::Reverse;

use super::{
    Question, Side,
    changes::{Changes, Pair},
    column::{MISSING, ODD},
    matching::NONE,
    side::Loans,
};
use crate::{
    decimal::Decimal,
    facts::{
        decimals::MONEY,
        read::{RangeReader, ReadError},
    },
    phases::disposition::Disposition,
};

/// Marks the row of an added loan: it is a row of the other run.
const ADDED: u32 = 1 << 31;
/// Amounts in cents are within this distance of zero when loans are put in order; larger ones are compared digit for digit.
const MOST_CENTS: i64 = 1 << 60;

/// A listed loan: its row in the base run, or for an added loan its row in the other run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed(u32);

impl Listed {
    /// The rows of the loan in both runs.
    pub(super) fn rows(self, partners: &[u32]) -> [Option<u32>; 2] {
        if self.0 & ADDED != 0 {
            return [None, Some(self.0 & !ADDED)];
        }
        let partner = partners.get(self.0 as usize).copied().filter(|partner| *partner != NONE);
        [Some(self.0), partner]
    }
}

/// The key by which a loan comes before another: its group, and then the larger amount first.
fn key(group: u64, cents: i64) -> u64 {
    group << 62 | (MOST_CENTS - cents.clamp(-MOST_CENTS, MOST_CENTS)).unsigned_abs()
}

/// The loan amount of a loan in cents, rounded half to even; zero for a loan without one.
fn cents(loans: &Loans, row: usize) -> i64 {
    match loans.amounts.get(row) {
        Some(&MISSING) | None => 0,
        Some(&ODD) => loans.amount(row).map_or(0, |amount| {
            let cents = amount.round_half_even(MONEY.scale).times_hundred();
            let whole = cents.map(|cents| cents.parts()).map(|(mantissa, scale)| mantissa / 10_i128.pow(scale.into()));
            whole.and_then(|cents| i64::try_from(cents).ok()).unwrap_or(if amount.is_positive() {
                MOST_CENTS
            } else {
                -MOST_CENTS
            })
        }),
        Some(cents) => *cents,
    }
}

/// Puts the loans that differ and pass the filters of the question in order: those that moved between dispositions, then added and
/// removed ones, then the rest; each by the larger of both amounts descending, then by number, then in the order of the tapes.
pub(super) fn listed<R: RangeReader>(
    pair: &Pair<'_, R>,
    changes: &Changes,
    matched: &super::bits::RowSet,
    question: &Question,
) -> Result<Vec<Listed>, ReadError> {
    let [base, with] = &pair.loans;
    let mut differing = changes.reasons.clone();
    if differing == Default::default() {
        differing = super::bits::RowSet::new(pair.partners.len());
    }
    changes.fields.iter().for_each(|changed| differing.add_all(&changed.rows));
    let changed = question.changed.as_ref();
    let wanted =
        changed.map(|field| changes.fields.iter().find(|changed| changed.field.name() == *field).map(|found| &found.rows));
    let side = |loans: &Loans, row: Option<usize>| match row.and_then(|row| loans.dispositions.get(row)) {
        Some(disposition) => Side::Disposition(*disposition),
        None => Side::None,
    };
    let passes =
        |from: Side, to: Side| question.from.is_none_or(|asked| asked == from) && question.to.is_none_or(|asked| asked == to);
    let mut entries: Vec<(u64, Listed)> = Vec::new();
    for (row, partner) in pair.partners.iter().enumerate() {
        let at = (*partner != NONE).then_some(*partner as usize);
        let (from, to) = (side(base, Some(row)), side(with, at));
        let Some(at) = at else {
            if changed.is_none() && passes(from, to) {
                entries.push((key(1, cents(base, row)), Listed(row as u32)));
            }
            continue;
        };
        if from == to && !differing.has(row) && base.prices[row] == with.prices[at] && pair.same_price(row, at) {
            continue;
        }
        if passes(from, to) && wanted.is_none_or(|rows| rows.is_some_and(|rows| rows.has(row))) {
            let group = if from == to { 2 } else { 0 };
            entries.push((key(group, cents(base, row).max(cents(with, at))), Listed(row as u32)));
        }
    }
    for row in (0..with.dispositions.len()).filter(|row| changed.is_none() && !matched.has(*row)) {
        if passes(Side::None, side(with, Some(row))) {
            entries.push((key(1, cents(with, row)), Listed(row as u32 | ADDED)));
        }
    }
    entries.sort_unstable_by_key(|(key, Listed(row))| (*key, *row));
    pair.settle_ties(&mut entries)?;
    Ok(entries.into_iter().map(|(_, listed)| listed).collect())
}

impl<R: RangeReader> Pair<'_, R> {
    /// Whether a loan has the same price in both runs, digit for digit.
    pub(super) fn same_price(&self, row: usize, partner: usize) -> bool {
        self.loans[0].price(row) == self.loans[1].price(partner)
    }

    /// Puts loans with the same key in order.
    fn settle_ties(&self, entries: &mut [(u64, Listed)]) -> Result<(), ReadError> {
        let mut tied: Vec<Listed> = Vec::new();
        for run in entries.chunk_by(|one, other| one.0 == other.0).filter(|run| run.len() > 1) {
            tied.extend(run.iter().map(|(_, listed)| *listed));
        }
        let numbers = self.numbers(&tied)?;
        let mut taken = 0;
        let mut order: Vec<(Reverse<Option<Decimal>>, usize, Listed)> = Vec::new();
        for run in entries.chunk_by_mut(|one, other| one.0 == other.0).filter(|run| run.len() > 1) {
            order.clear();
            order.extend((taken..).zip(run.iter()).map(|(at, (_, listed))| (Reverse(self.larger_amount(*listed)), at, *listed)));
            taken += run.len();
            let rows = |listed: Listed| listed.rows(&self.partners).map(|row| (row.is_none(), row));
            order.sort_unstable_by(|one, other| {
                let by_number = || numbers.get(one.1).cmp(numbers.get(other.1));
                one.0.cmp(&other.0).then_with(by_number).then_with(|| rows(one.2).cmp(&rows(other.2)))
            });
            run.iter_mut().zip(&order).for_each(|(entry, (.., listed))| entry.1 = *listed);
        }
        Ok(())
    }

    /// The larger of both loan amounts, exact; `Some(0)` for a loan without one.
    fn larger_amount(&self, listed: Listed) -> Option<Decimal> {
        let rows = listed.rows(&self.partners);
        [0, 1].into_iter().filter_map(|side| Some(self.loans[side].amount(rows[side]? as usize).unwrap_or(Decimal::ZERO))).max()
    }

    /// The disposition of a listed loan in both runs.
    pub(super) fn dispositions(&self, rows: [Option<u32>; 2]) -> [Option<Disposition>; 2] {
        [0, 1].map(|side: usize| self.loans[side].dispositions.get(rows[side]? as usize).copied())
    }
}
