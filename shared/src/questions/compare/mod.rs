//! Compares the stored results of two runs loan by loan: which loans moved, which values, prices and reasons differ.
//!
//! Loans are matched by hashes of their numbers; a run that is compared with itself has each loan matched with itself. One field of one run is in memory at a time, so a comparison of ten million loans
//! on each side takes less than a gigabyte.

mod answer;
mod bits;
mod changes;
mod column;
mod json;
mod loans;
mod matching;
mod order;
mod settings;
mod side;

use crate::{
    decimal::Decimal,
    facts::read::{RangeReader, ReadError},
    loan::{ColumnField, Field, Unit},
    phases::disposition::Disposition,
    rules::rule_set::RuleSet,
};

use self::{
    answer::Answer,
    changes::{Asked, Changes, Pair},
    column::TextHasher,
    matching::{Matching, NONE, NumberHasher, match_loans},
    order::Listed,
};

pub use self::{
    answer::{
        Answer as ComparisonTotals, BothTotals, ByDisposition, CellText, ChangedCells, ChangedField, ComparedLoan,
        ComparisonPage, Move, PriceChanges, Reasons, Total,
    },
    json::{WriteError, write_comparison},
    settings::{RunSettings, Setting, SettingValue, differing},
    side::ComparedRun,
};

/// Number of listed loans whose details are in memory at a time.
const LOANS_AT_ONCE: usize = 1 << 20;

/// What is asked about two runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Fields with the distance up to which two numbers count as equal.
    pub tolerances: Vec<(String, Decimal)>,
    /// List only loans that come from here.
    pub from: Option<Side>,
    /// List only loans that went there.
    pub to: Option<Side>,
    /// List only loans in which this field differs.
    pub changed: Option<String>,
}

/// Where a loan is in one of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The run does not have the loan.
    None,
    Disposition(Disposition),
}

impl Side {
    /// The side that a word names: a disposition, or `none`.
    pub fn from_word(word: &str) -> Option<Self> {
        if word == "none" { Some(Self::None) } else { Disposition::from_word(word).map(Self::Disposition) }
    }
}

/// A field that can be compared, and whether its values have a distance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparableField {
    pub field: ColumnField,
    pub numeric: bool,
}

/// The fields that are compared between runs under two rule sets: the canonical and standard ones, and those that both declare. The
/// loan number is not among them.
pub fn comparable_fields(base: &RuleSet, with: &RuleSet) -> Vec<ComparableField> {
    let numeric = |unit: Unit| matches!(unit, Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months);
    let known = Field::ALL.into_iter().filter(|field| *field != Field::SellerLoanNumber);
    let known = known.map(|field| ComparableField { field: field.into(), numeric: numeric(field.info().unit) });
    let declared = base.guide().declared().fields.iter().filter_map(|field| {
        let other = with.guide().declared().get(&field.name)?;
        let both = numeric(field.unit) && numeric(other.unit);
        Some(ComparableField { field: ColumnField::Declared(field.name.clone()), numeric: both })
    });
    known.chain(declared).collect()
}

impl Question {
    /// Reads a question from its parts as texts: two sides, a field, and tolerances as `FIELD:DISTANCE` with commas between them.
    ///
    /// # Errors
    /// Every mistake, with the name of its part and a sentence.
    pub fn parse(
        from: Option<&str>,
        to: Option<&str>,
        changed: Option<&str>,
        tolerance: Option<&str>,
    ) -> Result<Self, Vec<(&'static str, String)>> {
        let mut mistakes = Vec::new();
        let mut side = |name: &'static str, word: Option<&str>| {
            let found = Side::from_word(word?);
            if found.is_none() {
                mistakes.push((name, "it must be to_purchase, projected, rejected or none".to_owned()));
            }
            found
        };
        let (from, to) = (side("from", from), side("to", to));
        let mut tolerances = Vec::new();
        for part in tolerance.into_iter().flat_map(|text| text.split(',')) {
            let parsed = part
                .split_once(':')
                .and_then(|(field, distance)| Some((field.trim().to_owned(), distance.trim().parse::<Decimal>().ok()?)));
            match parsed {
                Some(tolerance) => tolerances.push(tolerance),
                None => mistakes.push(("tolerance", "it must be FIELD:DISTANCE, such as note_rate:0.125".to_owned())),
            }
        }
        let question = Self { tolerances, from, to, changed: changed.map(str::to_owned) };
        if mistakes.is_empty() { Ok(question) } else { Err(mistakes) }
    }

    /// What is wrong with the question: each mistake with the name of what has it, `tolerance` or `changed`, and a sentence.
    pub fn mistakes(&self, fields: &[ComparableField]) -> Vec<(&'static str, String)> {
        let known = |numeric: bool| {
            let names = fields.iter().filter(|field| field.numeric || !numeric).map(|field| field.field.name());
            names.collect::<Vec<_>>().join(", ")
        };
        let mut mistakes = Vec::new();
        for (at, (name, tolerance)) in self.tolerances.iter().enumerate() {
            match fields.iter().find(|field| field.field.name() == name) {
                None => mistakes.push(("tolerance", format!("there is no field {name} to compare; there are {}", known(true)))),
                Some(field) if !field.numeric => {
                    mistakes.push((
                        "tolerance",
                        format!("{name} holds no numbers, so it takes no tolerance; these do: {}", known(true)),
                    ));
                }
                Some(_) if *tolerance < Decimal::ZERO => {
                    mistakes.push(("tolerance", format!("the tolerance of {name} is {tolerance}: it must be 0 or more")));
                }
                Some(_) if self.tolerances[..at].iter().any(|(earlier, _)| earlier == name) => {
                    mistakes.push(("tolerance", format!("{name} has two tolerances: leave one out")));
                }
                Some(_) => {}
            }
        }
        if let Some(name) = self.changed.as_ref().filter(|name| !fields.iter().any(|field| field.field.name() == *name)) {
            mistakes.push(("changed", format!("there is no field {name} to compare; there are {}", known(false))));
        }
        mistakes
    }
}

/// A comparison: its totals, and the list of the loans that differ.
pub struct Comparison<'r, R> {
    pair: Pair<'r, R>,
    changes: Changes,
    list: Vec<Listed>,
    answer: Answer,
}

/// Compares two runs. `settings` are those that differ, `threads` is how many threads read.
///
/// # Errors
/// [`ReadError::Unavailable`] when the storage does not return a file; [`ReadError::Damaged`] when a file is damaged.
pub fn compare<'r, R: RangeReader>(
    runs: [ComparedRun<'r, R>; 2],
    fields: &[ComparableField],
    question: &Question,
    settings: Vec<Setting>,
    threads: usize,
) -> Result<Comparison<'r, R>, ReadError> {
    let hasher = NumberHasher::random();
    let [base, with] = if threads > 1 {
        std::thread::scope(|scope| {
            let with = scope.spawn(|| runs[1].loans(&hasher));
            // A panic of the thread goes on in this one.
            [runs[0].loans(&hasher), with.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))]
        })
    } else {
        runs.map(|run| run.loans(&hasher))
    };
    let (mut base, mut with) = (base?, with?);
    let rows = [&base, &with].map(|loans| loans.dispositions.len());
    let keys = [&mut base, &mut with].map(|loans| std::mem::take(&mut loans.keys));
    let [base_keys, with_keys] = keys;
    let Matching { partners, matched } = if runs[0].run_id == runs[1].run_id && rows[0] == rows[1] {
        Matching::with_itself(rows[0])
    } else {
        match_loans(base_keys, with_keys, rows)
    };
    let pair = Pair { runs, loans: [base, with], partners, hasher: TextHasher::random() };
    let asked: Vec<Asked> = fields.iter().map(|field| question.asked(&field.field)).collect();
    let changes = pair.changes(&asked, threads)?;
    let list = order::listed(&pair, &changes, &matched, question)?;
    let mut answer = Answer { settings, ..totals(&pair, &matched) };
    answer.loans_count = list.len() as u64;
    let changed = changes.fields.iter().map(|changed| ChangedField { field: changed.field.to_string(), loans: changed.loans });
    answer.changed_fields = changed.collect();
    Ok(Comparison { pair, changes, list, answer })
}

impl Question {
    fn asked(&self, field: &ColumnField) -> Asked {
        let tolerance = self.tolerances.iter().find(|(name, _)| name == field.name()).map(|(_, tolerance)| *tolerance);
        Asked { field: field.clone(), tolerance }
    }
}

/// Adds up the loans and the changes of their prices.
fn totals<R: RangeReader>(pair: &Pair<'_, R>, matched: &bits::RowSet) -> Answer {
    let mut answer = Answer::default();
    let [base, with] = &pair.loans;
    for (row, disposition) in base.dispositions.iter().enumerate() {
        let total = answer.totals.base.of_mut(*disposition);
        total.count += 1;
        base.add_amount(row, &mut total.balance);
        let partner = pair.partners.get(row).copied().unwrap_or(NONE) as usize;
        let Some(other) = with.dispositions.get(partner) else {
            let removed = answer.removed.of_mut(*disposition);
            removed.count += 1;
            base.add_amount(row, &mut removed.base_balance);
            continue;
        };
        let moved = answer.moves.of_mut(*disposition).of_mut(*other);
        moved.count += 1;
        base.add_amount(row, &mut moved.base_balance);
        with.add_amount(partner, &mut moved.with_balance);
        let price = &mut answer.price;
        *match (base.price(row), with.price(partner)) {
            (None, Some(_)) => &mut price.gained,
            (Some(_), None) => &mut price.lost,
            (Some(old), Some(new)) if new > old => &mut price.higher,
            (Some(old), Some(new)) if new < old => &mut price.lower,
            _ => &mut price.unchanged,
        } += 1;
    }
    for (row, disposition) in with.dispositions.iter().enumerate() {
        let total = answer.totals.with.of_mut(*disposition);
        total.count += 1;
        with.add_amount(row, &mut total.balance);
        if !matched.has(row) {
            let added = answer.added.of_mut(*disposition);
            added.count += 1;
            with.add_amount(row, &mut added.with_balance);
        }
    }
    answer
}

impl<R: RangeReader> Comparison<'_, R> {
    /// What differs, in totals.
    pub fn totals(&self) -> &Answer {
        &self.answer
    }

    /// Calls `give` with at most `limit` of the listed loans, after the first `skip`.
    ///
    /// # Errors
    /// Those of [`compare`], and those of `give`.
    pub fn each_loan<E: From<ReadError>>(
        &self,
        skip: usize,
        limit: usize,
        mut give: impl FnMut(ComparedLoan) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = skip.min(self.list.len());
        let end = start.saturating_add(limit).min(self.list.len());
        for part in self.list[start..end].chunks(LOANS_AT_ONCE) {
            self.pair.each_loan(&self.changes, part, &mut give)?;
        }
        Ok(())
    }
}
