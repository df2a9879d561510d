//! Counts and sums while loans are judged again.

use std::collections::BTreeMap;

use crate::{
    decimal::{Decimal, ExactSum},
    facts::read::{ExceptionsReader, RangeReader, ReadError, scan::Texts},
    loan::Loan,
    phases::{
        disposition::{Decided, Disposition},
        pricing::{Price, PriceSource},
    },
    results::summary::{LoanShare, LoanTotals},
    rules::Severity,
    ten_thousandths::TenThousandths,
};

use super::{JudgedGroup, LoanJudge, LoanOutcome};

const DISPOSITIONS: usize = Disposition::ALL.len();

/// A kind of exceptions: program, type and severity.
pub(super) type ExceptionKey = (Option<String>, String, Severity);

/// Totals of the loans before and after.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) before: [LoanTotals; DISPOSITIONS],
    pub(super) after: [LoanTotals; DISPOSITIONS],
    /// Number and balance of the loans by disposition before and after.
    pub(super) moves: [[(u64, ExactSum); DISPOSITIONS]; DISPOSITIONS],
    /// Number of exceptions after. Few kinds occur, so that a list is the fastest table.
    exceptions: Vec<(Option<u16>, u16, Severity, u64)>,
    names: BTreeMap<(Option<u16>, u16, Severity), ExceptionKey>,
}

impl Tally {
    /// Judges the loans of a row group and adds them.
    pub(super) fn add_group(&mut self, group: &JudgedGroup<'_>) {
        let mut judge = LoanJudge::default();
        for row in 0..group.loans.len() {
            let Some(before) = group.loans.disposition(row) else { continue };
            let price_before = group.loans.final_price(row).map(price_of);
            judge.judge(group, row, |outcome| match outcome {
                LoanOutcome::Bought(loan, price) => {
                    let shares = LoanShare::of_ordinary(loan, price).map(|share| {
                        let same = price_before.is_some_and(|before| before.final_price == price.final_price);
                        let earlier = price_before.filter(|_| !same).and_then(|price| LoanShare::of_ordinary(loan, price));
                        (share, earlier, same)
                    });
                    match shares {
                        Some((share, Some(earlier), _)) => self.add_shares(before, &earlier, Disposition::ToPurchase, &share),
                        Some((share, None, true)) => self.add_shares(before, &share, Disposition::ToPurchase, &share),
                        _ => {
                            let loan = loan.in_full();
                            self.add_loan(&loan, (before, price_before), (Disposition::ToPurchase, Some(price)));
                        }
                    }
                    self.add_move(before, Disposition::ToPurchase, Some(Decimal::from_micros(loan.micros[0])));
                }
                LoanOutcome::Decided(decided) => {
                    self.add_loan(decided.loan, (before, price_before), (decided.disposition, decided.price));
                    self.add_move(before, decided.disposition, decided.loan.numbers[0].value());
                    self.add_exceptions(decided);
                }
            });
        }
    }

    fn add_loan(
        &mut self,
        loan: &Loan<'_>,
        (before, price_before): (Disposition, Option<Price>),
        (after, price): (Disposition, Option<Price>),
    ) {
        self.add_shares(before, &LoanShare::new(loan, price_before), after, &LoanShare::new(loan, price));
    }

    fn add_shares(&mut self, before: Disposition, earlier: &LoanShare, after: Disposition, share: &LoanShare) {
        self.before[before as usize].add(earlier);
        self.after[after as usize].add(share);
    }

    fn add_move(&mut self, before: Disposition, after: Disposition, balance: Option<Decimal>) {
        let (count, sum) = &mut self.moves[before as usize][after as usize];
        *count += 1;
        if let Some(balance) = balance {
            sum.add_decimal(balance);
        }
    }

    fn add_exceptions(&mut self, decided: &Decided<'_, '_>) {
        for exception in &decided.exceptions {
            let key = (exception.program.map(|program| program.index), exception.kind.id, exception.severity);
            let found = self.exceptions.iter_mut().find(|(program, id, severity, _)| (*program, *id, *severity) == key);
            if let Some((.., count)) = found {
                *count += 1;
                continue;
            }
            let program = exception.program.map(|program| program.name.to_owned());
            self.exceptions.push((key.0, key.1, key.2, 1));
            self.names.insert(key, (program, exception.kind.name.to_string(), exception.severity));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.before.iter_mut().zip(&other.before).for_each(|(ours, theirs)| ours.merge(theirs));
        self.after.iter_mut().zip(&other.after).for_each(|(ours, theirs)| ours.merge(theirs));
        for (ours, theirs) in self.moves.iter_mut().flatten().zip(other.moves.iter().flatten()) {
            ours.0 += theirs.0;
            ours.1.merge(&theirs.1);
        }
        for (program, id, severity, count) in other.exceptions {
            let found = self.exceptions.iter_mut().find(|ours| (ours.0, ours.1, ours.2) == (program, id, severity));
            match found {
                Some(ours) => ours.3 += count,
                None => self.exceptions.push((program, id, severity, count)),
            }
        }
        self.names.extend(other.names);
    }

    /// Number of exceptions after, by kind.
    pub(super) fn exceptions_after(&self) -> BTreeMap<ExceptionKey, u64> {
        let named = self.exceptions.iter().filter_map(|(program, id, severity, count)| {
            let name = self.names.get(&(*program, *id, *severity))?;
            Some((name.clone(), *count))
        });
        named.collect()
    }
}

/// A price of which only the final price counts.
fn price_of(final_price: TenThousandths) -> Price {
    Price {
        pricing_spread: TenThousandths::ZERO,
        base_price: final_price,
        final_price,
        wal: None,
        duration: None,
        source: PriceSource::Linear,
    }
}

/// Number of stored exceptions of a run, by kind.
///
/// # Errors
/// [`ReadError`] when the exceptions cannot be read.
pub(super) fn exceptions_before<R: RangeReader>(
    exceptions: &ExceptionsReader<R>,
) -> Result<BTreeMap<ExceptionKey, u64>, ReadError> {
    let mut counts = BTreeMap::new();
    for group in 0..exceptions.groups() {
        let columns = exceptions.scan(group, &["program", "exception_type", "severity"])?;
        let (Some(programs), Some(types), Some(severities)) = (columns.texts(0), columns.texts(1), columns.texts(2)) else {
            continue;
        };
        let mut by_code: BTreeMap<(u32, u32, u32), u64> = BTreeMap::new();
        for row in 0..columns.rows {
            *by_code.entry((programs.code(row), types.code(row), severities.code(row))).or_default() += 1;
        }
        for ((program, kind, severity), count) in by_code {
            let program = if program == Texts::NONE { None } else { programs.text(program).map(str::to_owned) };
            let severity = severities.text(severity).and_then(Severity::from_word).unwrap_or(Severity::Hard);
            let kind = types.text(kind).unwrap_or_default().to_owned();
            *counts.entry((program, kind, severity)).or_default() += count;
        }
    }
    Ok(counts)
}
