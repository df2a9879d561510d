//! Pool tests in the summary: what a run counts for them, and what comes of it.

use std::{cmp::Ordering, sync::Arc};

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    decimal::{Decimal, ExactSum, MICRO, Ratio},
    loan::{Loan, OrdinaryLoan, StandardCells},
    phases::disposition::Disposition,
    rules::{
        guide::{
            Values,
            condition::Truth,
            field::Slot,
            pool::{PoolMeasure, PoolSeverity, PoolTest, Pools},
        },
        rule_set::RuleSet,
    },
};

use super::{
    SummaryBuilder,
    groups::{BALANCE_AT, NARROW_BALANCE, NARROW_VALUE},
};

/// Decimals of a value and a shortfall.
const SHOWN_DECIMALS: u8 = 4;

/// Whether the pool tests of a run pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(
    description = "Result of all pool tests: `passed`, `warn` (a test of severity `warn` does not pass) or `failed` (a test of severity \
                   `fail` does not pass).",
    example = "passed"
)]
pub enum PoolStatus {
    Passed,
    Warn,
    Failed,
}

impl PoolStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warn => "warn",
            Self::Failed => "failed",
        }
    }

    /// The status of these tests; `None` without tests.
    pub fn of(tests: &[PoolResult]) -> Option<Self> {
        let of = |test: &PoolResult| match (test.passed, test.severity) {
            (true, _) => Self::Passed,
            (false, PoolSeverity::Warn) => Self::Warn,
            (false, PoolSeverity::Fail) => Self::Failed,
        };
        tests.iter().map(of).max_by_key(|status| *status as u8)
    }
}

/// Result of one pool test.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PoolTest)]
pub struct PoolResult {
    /// Name of the test.
    #[schema(example = "california_share")]
    pub name: String,
    /// Loans that the test is about: `to_purchase`, `projected`, `rejected` or `all`.
    #[schema(example = "to_purchase")]
    pub of: &'static str,
    /// What the test measures, as text.
    #[schema(example = "percent of the balance with property_state CA")]
    pub measure: String,
    /// Measured value, rounded half to even to 4 decimals: a share in percent of the balance, a number of loans, a balance in dollars, or
    /// an average or largest value in the unit of its field. A loan that lacks a value of the condition counts in the balance of the
    /// pool, and not as one that meets the condition. Null: the pool has nothing to measure, and the test passes.
    #[schema(required, value_type = Option<f64>, example = 41.2)]
    pub value: Option<Ratio>,
    /// Smallest accepted value. Null: there is no minimum.
    #[schema(required, value_type = Option<f64>, example = json!(null))]
    pub min: Option<Decimal>,
    /// Largest accepted value. Null: there is no maximum.
    #[schema(required, value_type = Option<f64>, example = 35)]
    pub max: Option<Decimal>,
    /// Whether the pool passes. The exact value decides, not the rounded one.
    #[schema(example = false)]
    pub passed: bool,
    /// Distance of the value from the bound that it misses, rounded half to even to 4 decimals; 0 when the test passes.
    #[schema(value_type = f64, example = 6.2)]
    pub shortfall: Ratio,
    /// What to change so that the test passes, as a sentence. Null: the test passes, or no single change mends it.
    #[schema(required, example = "Drop at least $953,846.16 of the balance with property_state CA.")]
    pub mend: Option<String>,
    /// What a failure of the test does.
    pub severity: PoolSeverity,
}

/// What a run counts for its pool tests.
#[derive(Debug, Clone, Default)]
pub(super) struct PoolCounts {
    /// The tests; `None` for a rule set without one, and in the counts of a part that were stored.
    pools: Option<Arc<Pools>>,
    /// Purchase date, on which the age of a loan depends.
    pdate: Date,
    /// One for each test.
    sums: Vec<PoolSums>,
    /// Room for the values of a loan.
    values: Values,
}

impl Serialize for PoolCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sums.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PoolCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { sums: Vec::deserialize(deserializer)?, ..Self::default() })
    }
}

/// Exact sums over the loans of one pool.
#[derive(Debug, Clone, Default)]
struct PoolSums {
    /// Number of loans of the pool.
    loans: u64,
    /// Number of loans that meet the condition; of a measure of a field, those with a value.
    met: u64,
    /// Balance of the pool, of an average only of the loans with a value. In millionths.
    balance: i128,
    /// Balance of the loans that meet the condition, in millionths; of an average balance × value, in millionths of millionths.
    measured: i128,
    /// The same sums over the loans whose numbers are too large or too fine for 128 bits.
    wide: Option<Box<[ExactSum; 2]>>,
    largest: Option<Decimal>,
}

/// Terms of an exact sum: scale and mantissa.
type Terms = Vec<(u8, Vec<u8>)>;

/// The stored form of sums.
#[derive(Serialize, Deserialize)]
struct HandedSums {
    counts: [u64; 2],
    narrow: [i128; 2],
    wide: Option<[Terms; 2]>,
    largest: Option<(i128, u8)>,
}

impl Serialize for PoolSums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HandedSums {
            counts: [self.loans, self.met],
            narrow: [self.balance, self.measured],
            wide: self.wide.as_ref().map(|wide| wide.each_ref().map(ExactSum::terms)),
            largest: self.largest.map(Decimal::parts),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PoolSums {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let HandedSums { counts: [loans, met], narrow: [balance, measured], wide, largest } =
            HandedSums::deserialize(deserializer)?;
        Ok(Self {
            loans,
            met,
            balance,
            measured,
            wide: wide.map(|wide| Box::new(wide.map(|terms| ExactSum::of_terms(&terms)))),
            largest: largest.and_then(|(mantissa, scale)| Decimal::new(mantissa, scale)),
        })
    }
}

impl SummaryBuilder {
    /// Prepares the counts of the pool tests of a rule set.
    pub fn begin_pools(&mut self, rules: &RuleSet, pdate: Date) {
        let pools = rules.guide().pools().cloned();
        let tests = pools.as_ref().map_or(0, |pools| pools.tests.len());
        self.pools = PoolCounts { pools, pdate, sums: vec![PoolSums::default(); tests], values: Values::new() };
    }

    /// Adds a loan to the pools. A loan that failed validation is one of them, with the values that it has.
    pub(super) fn add_to_pools(&mut self, loan: &Loan<'_>, disposition: Disposition) {
        let PoolCounts { pools: Some(pools), pdate, sums, values } = &mut self.pools else { return };
        values.clear();
        values.extend(pools.slots.iter().map(|slot| slot.value(loan, *pdate)));
        let counted = CountedLoan { disposition, balance: loan.numbers[BALANCE_AT].value(), values };
        for (test, sums) in pools.tests.iter().zip(sums) {
            sums.add(test, &counted, |slot| pools.slots.get(slot)?.decimal(loan, *pdate));
        }
    }

    /// Adds an ordinary loan that is bought to the pools.
    #[inline]
    pub fn add_bought_to_pools(&mut self, loan: &OrdinaryLoan<'_>, standard: &StandardCells<'_>) {
        let PoolCounts { pools: Some(pools), pdate, sums, values } = &mut self.pools else { return };
        values.clear();
        values.extend(pools.slots.iter().map(|slot| slot.ordinary_value(loan, standard, *pdate)));
        let balance = Some(Decimal::from_micros(loan.micros[BALANCE_AT]));
        let counted = CountedLoan { disposition: Disposition::ToPurchase, balance, values };
        let value = |slot: &Slot| slot.ordinary_decimal(loan, standard, *pdate);
        for (test, sums) in pools.tests.iter().zip(sums) {
            sums.add(test, &counted, |slot| value(pools.slots.get(slot)?));
        }
    }

    pub(super) fn merge_pools(&mut self, next: &PoolCounts) {
        if self.pools.sums.is_empty() {
            self.pools.sums.clone_from(&next.sums);
            return;
        }
        for (ours, theirs) in self.pools.sums.iter_mut().zip(&next.sums) {
            ours.merge(theirs);
        }
    }

    /// The results of the pool tests, in the order of the rule set; empty for a rule set without one.
    pub fn pool_tests(&self) -> Vec<PoolResult> {
        let PoolCounts { pools: Some(pools), sums, .. } = &self.pools else { return Vec::new() };
        pools.tests.iter().zip(sums).map(|(test, sums)| sums.result(pools, test)).collect()
    }
}

/// What the tests need of a loan.
struct CountedLoan<'v> {
    disposition: Disposition,
    /// `None` for a loan without a readable amount.
    balance: Option<Decimal>,
    values: &'v Values,
}

impl PoolSums {
    #[inline]
    fn add(&mut self, test: &PoolTest, loan: &CountedLoan<'_>, value: impl FnOnce(usize) -> Option<Decimal>) {
        if !test.of.has(loan.disposition) {
            return;
        }
        self.loans += 1;
        match &test.measure {
            PoolMeasure::Share(condition) | PoolMeasure::Count(condition) | PoolMeasure::Balance(condition) => {
                let meets = condition.truth(loan.values) == Truth::True;
                self.met += u64::from(meets);
                if let Some(balance) = loan.balance {
                    self.add_balance(balance, meets);
                }
            }
            PoolMeasure::Average(slot) => {
                if let (Some(value), Some(balance)) = (value(*slot), loan.balance) {
                    self.met += 1;
                    self.add_weighted(balance, value);
                }
            }
            PoolMeasure::Largest(slot) => {
                let value = value(*slot);
                self.met += u64::from(value.is_some());
                self.largest = self.largest.max(value);
            }
        }
    }

    #[inline]
    fn add_balance(&mut self, balance: Decimal, meets: bool) {
        match balance.micros() {
            Some(micros) => {
                self.balance += i128::from(micros);
                self.measured += if meets { i128::from(micros) } else { 0 };
            }
            None => {
                let [all, measured] = self.wide.get_or_insert_default().as_mut();
                all.add_decimal(balance);
                if meets {
                    measured.add_decimal(balance);
                }
            }
        }
    }

    #[inline]
    fn add_weighted(&mut self, balance: Decimal, value: Decimal) {
        let narrow = |number: Decimal, limit: u64| number.micros().filter(|micros| micros.unsigned_abs() < limit);
        match (narrow(balance, NARROW_BALANCE), narrow(value, NARROW_VALUE)) {
            (Some(balance), Some(value)) => {
                self.balance += i128::from(balance);
                self.measured += i128::from(balance) * i128::from(value);
            }
            _ => {
                let [weights, weighted] = self.wide.get_or_insert_default().as_mut();
                weights.add_decimal(balance);
                weighted.add_product(balance, value);
            }
        }
    }

    fn merge(&mut self, next: &Self) {
        self.loans += next.loans;
        self.met += next.met;
        self.balance += next.balance;
        self.measured += next.measured;
        if let Some(theirs) = &next.wide {
            let ours = self.wide.get_or_insert_default();
            ours.iter_mut().zip(theirs.iter()).for_each(|(ours, theirs)| ours.merge(theirs));
        }
        self.largest = self.largest.max(next.largest);
    }

    /// The value as a quotient; `None` when there is nothing to measure.
    fn quotient(&self, measure: &PoolMeasure) -> Option<Quotient> {
        if self.loans == 0 {
            return None;
        }
        let whole = |top: ExactSum| Some(Quotient { top, bottom: ExactSum::of_count(1) });
        match measure {
            PoolMeasure::Share(_) => Quotient::new(self.measured(MICRO).times(Decimal::HUNDRED), self.balance()),
            PoolMeasure::Average(_) => Quotient::new(self.measured(2 * MICRO), self.balance()),
            PoolMeasure::Count(_) => whole(ExactSum::of_count(self.met)),
            PoolMeasure::Balance(_) => whole(self.measured(MICRO)),
            PoolMeasure::Largest(_) => whole(ExactSum::of_decimal(self.largest?)),
        }
    }

    fn balance(&self) -> ExactSum {
        let mut sum = self.wide.as_ref().map_or_else(ExactSum::default, |wide| wide[0].clone());
        sum.add(self.balance, MICRO);
        sum
    }

    fn measured(&self, scale: u8) -> ExactSum {
        let mut sum = self.wide.as_ref().map_or_else(ExactSum::default, |wide| wide[1].clone());
        sum.add(self.measured, scale);
        sum
    }

    fn result(&self, pools: &Pools, test: &PoolTest) -> PoolResult {
        let PoolTest { name, of, measure, min, max, severity } = test;
        let value = self.quotient(measure);
        let missed = value.as_ref().and_then(|value| value.missed(*min, *max));
        let mend = missed.as_ref().and_then(|missed| self.mend(pools, measure, missed));
        let passed = missed.is_none();
        PoolResult {
            name: name.clone(),
            of: of.as_str(),
            measure: pools.text_of(measure),
            value: value.map(|value| value.rounded()),
            min: *min,
            max: *max,
            passed,
            shortfall: missed.map(|missed| missed.by.rounded()).unwrap_or_default(),
            mend,
            severity: *severity,
        }
    }

    /// What to change so that a value no longer misses a bound; `None` when no single change does it.
    fn mend(&self, pools: &Pools, measure: &PoolMeasure, missed: &Missed) -> Option<String> {
        let Missed { bound, is_above, .. } = *missed;
        match measure {
            PoolMeasure::Share(condition) => {
                let amount = self.balance_to_drop(bound, is_above)?;
                let which = if is_above { "with" } else { "without" };
                Some(format!("Drop at least ${} of the balance {which} {}.", with_cents(&amount), condition.text()))
            }
            PoolMeasure::Count(condition) if is_above => {
                let over = ExactSum::of_count(self.met).minus(&ExactSum::of_decimal(bound));
                let loans = over.ratio_up(&ExactSum::of_count(1), 0)?;
                Some(format!("Drop at least {loans} of the loans with {}.", condition.text()))
            }
            PoolMeasure::Balance(condition) if is_above => {
                let over = self.measured(MICRO).minus(&ExactSum::of_decimal(bound));
                let amount = over.ratio_up(&ExactSum::of_count(1), 2)?;
                Some(format!("Drop at least ${} of the balance with {}.", with_cents(&amount), condition.text()))
            }
            PoolMeasure::Largest(slot) if is_above => {
                let field = pools.field(*slot)?;
                Some(format!("Drop every loan with {} above {}.", field.name(), field.show(bound)))
            }
            _ => None,
        }
    }

    /// Dollars to drop, in whole cents, so that a share of the balance meets its bound: above the maximum m those that meet the
    /// condition, (n − m·d) / (1 − m); below the minimum m those that do not, d − n / m.
    fn balance_to_drop(&self, bound: Decimal, is_above: bool) -> Option<Ratio> {
        let hundred = ExactSum::of_decimal(Decimal::HUNDRED);
        let (all, met, bound_sum) = (self.balance(), self.measured(MICRO), ExactSum::of_decimal(bound));
        let (top, bottom) = if is_above {
            (met.times(Decimal::HUNDRED).minus(&all.times(bound)), hundred.minus(&bound_sum))
        } else {
            (all.times(bound).minus(&met.times(Decimal::HUNDRED)), bound_sum)
        };
        // Without any balance that meets the condition, no drop reaches a minimum. Negative balances have no such mend.
        let sound = [&top, &bottom, &met].into_iter().all(|sum| sum.sign() == Ordering::Greater);
        let rest = all.minus(&met).sign() != Ordering::Less;
        if sound && rest { top.ratio_up(&bottom, 2) } else { None }
    }
}

/// Dollars with two decimals and commas.
fn with_cents(amount: &Ratio) -> String {
    let text = amount.to_string();
    // An amount with too many digits for a decimal is shown unchanged.
    text.parse().map_or(text, |amount: Decimal| amount.with_thousands(2))
}

/// A value as an exact quotient.
struct Quotient {
    top: ExactSum,
    /// Not zero.
    bottom: ExactSum,
}

/// A bound that a value misses.
struct Missed {
    bound: Decimal,
    is_above: bool,
    /// Distance of the value from the bound.
    by: Quotient,
}

impl Quotient {
    /// `None` when the bottom is zero.
    fn new(top: ExactSum, bottom: ExactSum) -> Option<Self> {
        match bottom.sign() {
            Ordering::Equal => None,
            Ordering::Greater => Some(Self { top, bottom }),
            // The bottom is made positive, so that a comparison needs no division.
            Ordering::Less => Some(Self { top: ExactSum::default().minus(&top), bottom: ExactSum::default().minus(&bottom) }),
        }
    }

    /// The bound that the value misses; `None` when it is within both.
    fn missed(&self, min: Option<Decimal>, max: Option<Decimal>) -> Option<Missed> {
        let distance = |bound: Decimal| self.top.minus(&self.bottom.times(bound));
        let above = max.map(|max| (max, true, distance(max)));
        let below = min.map(|min| (min, false, ExactSum::default().minus(&distance(min))));
        let missed = above.into_iter().chain(below).find(|(.., distance)| distance.sign() == Ordering::Greater);
        missed.map(|(bound, is_above, top)| Missed { bound, is_above, by: Self { top, bottom: self.bottom.clone() } })
    }

    fn rounded(&self) -> Ratio {
        self.top.ratio(&self.bottom, SHOWN_DECIMALS).unwrap_or_default()
    }
}
