//! What a run would have decided under other rules or at another target.
//!
//! The phases judge the stored facts again, so that an answer has the dispositions, prices and counts of a run of the same tapes.

mod answer;
pub mod changes;
pub mod question;
mod sweep;
mod tally;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jiff::civil::Date;

use crate::{
    facts::read::{ExceptionsReader, FactsReader, RangeReader, ReadError},
    loan::{OrdinaryLoan, StandardCells},
    phases::{
        Scratch, buy_at_once,
        disposition::{Decided, Disposition},
        judge,
        pricing::{IrrTarget, Price, Pricing},
    },
    rules::rule_set::RuleSet,
    waivers::Waivers,
};

use self::tally::Tally;
use super::stored_loan::{CellRoom, LoanNeeds, StoredLoans, TapeFailures};

pub use self::{
    answer::{CurvePoint, DispositionTotals, Moves, RuleChange, Sides, WhatIfAnswer, WhatIfSweep},
    sweep::{MAX_VALUES, SweptParameter},
};

/// The stored results of a run, and what the run was judged by.
pub struct StoredRun<'r, R> {
    pub facts: &'r FactsReader<R>,
    pub exceptions: &'r ExceptionsReader<R>,
    pub rules: &'r Arc<RuleSet>,
    /// The waivers of the run, which hold under other rules as well; `None` for a run without a file of waivers.
    pub waivers: Option<&'r Waivers>,
    pub pdate: Date,
    /// Number of threads that judge.
    pub threads: usize,
}

/// Rules and target under which the loans are judged again.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub rules: Arc<RuleSet>,
    pub irr_target: IrrTarget,
}

/// Why a question about other rules cannot be answered from stored facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NeedsARun {
    /// The rules declare a field that the run did not read.
    #[error("the rules use the field `{0}`, which the run did not read: start a run of the tape under these rules")]
    Field(String),
    /// The rules require a field that the run did not require.
    #[error("the rules require the field `{0}`, which the run did not require: start a run of the tape under these rules")]
    Required(String),
    /// The rules read percentages otherwise.
    #[error("the rules read small percentages otherwise than the run did: start a run of the tape under these rules")]
    Units,
}

/// Checks that stored facts have everything that other rules look at.
///
/// # Errors
/// [`NeedsARun`] when the tape has to be read again.
pub fn check(run: &RuleSet, rules: &RuleSet) -> Result<(), NeedsARun> {
    if run.accepts_small_percentages() != rules.accepts_small_percentages() {
        return Err(NeedsARun::Units);
    }
    let (before, after) = (run.guide().declared(), rules.guide().declared());
    for field in &after.fields {
        let same = before.get(&field.name).is_some_and(|read| read.reads_as(field));
        if !same {
            return Err(NeedsARun::Field(field.name.to_string()));
        }
    }
    match after.required().find(|field| !before.requires(field)) {
        Some(field) => Err(NeedsARun::Required(field.name().to_owned())),
        None => Ok(()),
    }
}

/// Judges the loans of a run again.
///
/// # Errors
/// [`ReadError`] when the stored results cannot be read.
pub fn what_if<R: RangeReader>(run: &StoredRun<'_, R>, scenario: &Scenario) -> Result<WhatIfAnswer, ReadError> {
    let new = || Tally::new((run.rules, &scenario.rules), run.pdate);
    let tally = each_group(run, scenario, new, |tally, group| tally.add_group(group), Tally::merge)?;
    let before = tally::exceptions_before(run.exceptions)?;
    Ok(WhatIfAnswer::new(tally, before))
}

/// The rows of the loans that move between two dispositions, in tape order.
///
/// # Errors
/// [`ReadError`] when the stored results cannot be read.
pub fn moved_rows<R: RangeReader>(
    run: &StoredRun<'_, R>,
    scenario: &Scenario,
    (from, to): (Disposition, Disposition),
) -> Result<Vec<u64>, ReadError> {
    let add = |rows: &mut Vec<u64>, group: &JudgedGroup<'_>| {
        let mut judge = LoanJudge::default();
        for row in 0..group.loans.len() {
            let moves =
                group.loans.disposition(row) == Some(from) && judge.judge(group, row, |outcome| outcome.disposition() == to);
            if moves {
                rows.push(group.loans.first_row() + row as u64);
            }
        }
    };
    let mut rows = each_group(run, scenario, Vec::new, add, |rows: &mut Vec<u64>, more| rows.extend(more))?;
    rows.sort_unstable();
    Ok(rows)
}

/// A row group, and what its loans are judged by.
pub(super) struct JudgedGroup<'g> {
    pub(super) loans: &'g StoredLoans<'g>,
    pub(super) rules: &'g RuleSet,
    pub(super) pricing: &'g Pricing,
}

/// What the phases decide about a loan.
pub(super) enum LoanOutcome<'o> {
    /// The loan takes the short way and is bought at this price.
    Bought(&'o OrdinaryLoan<'o>, &'o StandardCells<'o>, Price),
    /// The loan went through the phases.
    Decided(&'o Decided<'o, 'o>),
}

impl LoanOutcome<'_> {
    pub(super) fn disposition(&self) -> Disposition {
        match self {
            Self::Bought(..) => Disposition::ToPurchase,
            Self::Decided(decided) => decided.disposition,
        }
    }
}

/// Judges stored loans one after the other.
#[derive(Default)]
pub(super) struct LoanJudge {
    scratch: Scratch,
    room: CellRoom,
}

impl LoanJudge {
    /// Judges a loan, and calls `then` with the outcome.
    pub(super) fn judge<T>(&mut self, group: &JudgedGroup<'_>, row: usize, then: impl FnOnce(LoanOutcome<'_>) -> T) -> T {
        let JudgedGroup { loans, rules, pricing } = group;
        let Self { scratch, room } = self;
        loans.with_standard(row, room, |standard| {
            if let Some(loan) = loans.ordinary(row)
                && let Some(price) = buy_at_once(&loan, standard, rules, pricing, scratch)
            {
                return then(LoanOutcome::Bought(&loan, standard, price));
            }
            loans.with_loan(row, standard, |loan, first_use| {
                let decided = judge(loan, first_use, rules, pricing);
                then(LoanOutcome::Decided(&decided))
            })
        })
    }
}

/// Passes each row group to `add`, with what its loans are judged by, on several threads, and merges what the threads gathered.
/// The order of the row groups is not kept.
fn each_group<R: RangeReader, T: Send>(
    run: &StoredRun<'_, R>,
    scenario: &Scenario,
    new: impl Fn() -> T + Sync,
    add: impl Fn(&mut T, &JudgedGroup<'_>) + Sync,
    merge: impl Fn(&mut T, T),
) -> Result<T, ReadError> {
    let pricing = Pricing::new(&scenario.rules, scenario.irr_target, run.pdate);
    let judged = |gathered: &mut T, loans: &StoredLoans<'_>| {
        add(gathered, &JudgedGroup { loans, rules: &scenario.rules, pricing: &pricing });
    };
    each_row_group(run, &scenario.rules, new, judged, merge)
}

/// Passes the loans of each row group to `add`, on several threads, and merges what the threads gathered. The order of the row
/// groups is not kept.
fn each_row_group<R: RangeReader, T: Send>(
    run: &StoredRun<'_, R>,
    rules: &Arc<RuleSet>,
    new: impl Fn() -> T + Sync,
    add: impl Fn(&mut T, &StoredLoans<'_>) + Sync,
    merge: impl Fn(&mut T, T),
) -> Result<T, ReadError> {
    let failures = TapeFailures::read(run.exceptions, run.rules.guide().declared())?;
    // The pool tests of the run may look at fields that the other rules do not look at.
    let needs = if run.rules.guide().pools().is_some() { LoanNeeds::of(&[run.rules, rules]) } else { LoanNeeds::of(&[rules]) };
    let needs = &needs;
    let next = AtomicUsize::new(0);
    let work = || -> Result<T, ReadError> {
        let mut gathered = new();
        loop {
            let group = next.fetch_add(1, Ordering::Relaxed);
            if group >= run.facts.groups() {
                return Ok(gathered);
            }
            add(&mut gathered, &StoredLoans::read(run.facts, group, needs, &failures, run.waivers)?);
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..run.threads).map(|_| scope.spawn(work)).collect();
        let mut gathered = work()?;
        for other in others {
            match other.join() {
                Ok(more) => merge(&mut gathered, more?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(gathered)
    })
}
