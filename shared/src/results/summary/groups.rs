//! Exact sums over a group of loans: balance, weighted averages, price.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    decimal::{Decimal, ExactSum, MICRO, Ratio},
    loan::{CellValue, Loan, OrdinaryLoan},
    phases::pricing::Price,
};

/// Indexes, among a loan's numbers, of the averaged numbers: note rate, LTV, DTI, credit score.
pub(super) const AVERAGED_AT: [usize; 4] = [1, 2, 3, 4];
/// Index of the balance, which is the loan amount.
pub(super) const BALANCE_AT: usize = 0;

/// Sums over a group of loans.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) count: u64,
    /// The sums in 128 bits cover the loans whose numbers are all whole millionths, as nearly all numbers are.
    pub(super) balance: i128,
    pub(super) weighted: [i128; 4],
    pub(super) absent: [i128; 4],
    pub(super) priced: i128,
    pub(super) unpriced: i128,
    /// The sums of all other loans.
    pub(super) wide: Option<Box<WideGroup>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct WideGroup {
    pub(super) balance: ExactSum,
    pub(super) weighted: [ExactSum; 4],
    pub(super) weights: [ExactSum; 4],
    pub(super) priced: ExactSum,
    pub(super) price_weights: ExactSum,
}

/// Terms of the sums of a [`WideGroup`], in the order in which they are stored.
pub(super) type SummaryTerms = [Vec<(u8, Vec<u8>)>; 11];

impl Serialize for WideGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [a, b, c, d] = &self.weighted;
        let [e, f, g, h] = &self.weights;
        let terms: SummaryTerms = [&self.balance, a, b, c, d, e, f, g, h, &self.priced, &self.price_weights].map(ExactSum::terms);
        terms.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WideGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let terms = SummaryTerms::deserialize(deserializer)?;
        let [balance, a, b, c, d, e, f, g, h, priced, price_weights] = terms.map(|terms| ExactSum::of_terms(&terms));
        Ok(Self { balance, weighted: [a, b, c, d], weights: [e, f, g, h], priced, price_weights })
    }
}

/// Contribution of one loan to each of its groups.
pub(super) enum Share {
    Narrow {
        balance: i64,
        weighted: [i128; 4],
        priced: i128,
        /// Set when a value is missing: the balances to leave out of the weights, for each averaged number and for the price.
        absent: Option<([i64; 4], i64)>,
    },
    Wide {
        balance: Decimal,
        values: [Option<Decimal>; 4],
        price: Option<Decimal>,
    },
    /// The loan has no readable balance and is only counted.
    None,
}

/// Balances and values below these numbers of millionths go to the sums in 128 bits, which a thousand million of their products
/// fit.
pub(super) const NARROW_BALANCE: u64 = 1 << 50;
pub(super) const NARROW_VALUE: u64 = 1 << 47;

impl Share {
    #[inline]
    pub(super) fn of(loan: &Loan<'_>, price: Option<Price>) -> Self {
        Self::narrow(loan, price).unwrap_or_else(|| Self::wide(loan, price))
    }

    /// Contribution of an ordinary loan; `None` when its numbers are too large for narrow sums.
    #[inline]
    pub(super) fn ordinary(loan: &OrdinaryLoan<'_>, price: Price) -> Option<Self> {
        let balance = loan.micros[BALANCE_AT];
        let values = AVERAGED_AT.map(|at| loan.micros[at]);
        // A negative number has its high bits set, so that it counts as too large.
        let bits = values.iter().fold(price.final_price.0, |bits, value| bits | value) as u64;
        if balance as u64 >= NARROW_BALANCE || bits >= NARROW_VALUE {
            return None;
        }
        let times_balance = |value: i64| i128::from(balance) * i128::from(value);
        let priced = times_balance(price.final_price.0);
        Some(Self::Narrow { balance, weighted: values.map(times_balance), priced, absent: None })
    }

    #[inline]
    pub(super) fn narrow(loan: &Loan<'_>, price: Option<Price>) -> Option<Self> {
        let balance = loan.numbers[BALANCE_AT].micros().filter(|balance| balance.unsigned_abs() < NARROW_BALANCE)?;
        let (mut weighted, mut absent, mut complete) = ([0; 4], [0; 4], price.is_some());
        for (at, place) in AVERAGED_AT.into_iter().enumerate() {
            let cell = &loan.numbers[place];
            match cell.micros() {
                Some(value) if value.unsigned_abs() < NARROW_VALUE => weighted[at] = i128::from(balance) * i128::from(value),
                None if !matches!(cell.reading, CellValue::Value(_)) => {
                    absent[at] = balance;
                    complete = false;
                }
                _ => return None,
            }
        }
        let price_units = price.map_or(0, |price| price.final_price.0);
        if price_units.unsigned_abs() >= NARROW_VALUE {
            return None;
        }
        let unpriced = if price.is_some() { 0 } else { balance };
        let priced = i128::from(balance) * i128::from(price_units);
        Some(Self::Narrow { balance, weighted, priced, absent: (!complete).then_some((absent, unpriced)) })
    }

    #[cold]
    pub(super) fn wide(loan: &Loan<'_>, price: Option<Price>) -> Self {
        let Some(balance) = loan.numbers[BALANCE_AT].value() else { return Self::None };
        let values = AVERAGED_AT.map(|at| loan.numbers[at].value());
        Self::Wide { balance, values, price: price.map(|price| price.final_price.decimal()) }
    }
}

impl Group {
    #[inline]
    pub(super) fn add(&mut self, share: &Share) {
        self.count += 1;
        match share {
            Share::None => {}
            Share::Narrow { balance, weighted, priced, absent } => {
                self.balance += i128::from(*balance);
                for (sum, product) in self.weighted.iter_mut().zip(weighted) {
                    *sum += product;
                }
                self.priced += priced;
                if let Some((absent, unpriced)) = absent {
                    for (sum, balance) in self.absent.iter_mut().zip(absent) {
                        *sum += i128::from(*balance);
                    }
                    self.unpriced += i128::from(*unpriced);
                }
            }
            Share::Wide { balance, values, price } => self.add_wide(*balance, values, *price),
        }
    }

    #[cold]
    pub(super) fn add_wide(&mut self, balance: Decimal, values: &[Option<Decimal>; 4], price: Option<Decimal>) {
        let wide = self.wide.get_or_insert_default();
        wide.balance.add_decimal(balance);
        for (at, value) in values.iter().enumerate() {
            if let Some(value) = value {
                wide.weighted[at].add_product(balance, *value);
                wide.weights[at].add_decimal(balance);
            }
        }
        if let Some(price) = price {
            wide.priced.add_product(balance, price);
            wide.price_weights.add_decimal(balance);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.balance += other.balance;
        self.priced += other.priced;
        self.unpriced += other.unpriced;
        for at in 0..4 {
            self.weighted[at] += other.weighted[at];
            self.absent[at] += other.absent[at];
        }
        if let Some(theirs) = &other.wide {
            let wide = self.wide.get_or_insert_default();
            wide.balance.merge(&theirs.balance);
            wide.priced.merge(&theirs.priced);
            wide.price_weights.merge(&theirs.price_weights);
            for at in 0..4 {
                wide.weighted[at].merge(&theirs.weighted[at]);
                wide.weights[at].merge(&theirs.weights[at]);
            }
        }
    }

    pub(super) fn balance(&self) -> ExactSum {
        self.sum(self.balance, MICRO, |wide| &wide.balance)
    }

    /// Average of the number at `at` in [`AVERAGED_AT`], weighted by balance over the loans that have the number.
    pub(super) fn average(&self, at: usize) -> Option<Ratio> {
        let weighted = self.sum(self.weighted[at], 2 * MICRO, |wide| &wide.weighted[at]);
        weighted.ratio(&self.sum(self.balance - self.absent[at], MICRO, |wide| &wide.weights[at]), 4)
    }

    pub(super) fn average_price(&self) -> Option<Ratio> {
        let priced = self.sum(self.priced, MICRO + 4, |wide| &wide.priced);
        priced.ratio(&self.sum(self.balance - self.unpriced, MICRO, |wide| &wide.price_weights), 4)
    }

    /// Cost of the loans at their prices: the exact sum of amount × price / 100, rounded half to even to whole cents.
    pub(super) fn dollars_to_pay(&self) -> Option<Ratio> {
        let mut hundred = ExactSum::default();
        hundred.add_decimal(Decimal::HUNDRED);
        self.sum(self.priced, MICRO + 4, |wide| &wide.priced).ratio(&hundred, 2)
    }

    pub(super) fn sum(&self, narrow: i128, scale: u8, wide: impl Fn(&WideGroup) -> &ExactSum) -> ExactSum {
        let mut sum = self.wide.as_deref().map_or_else(ExactSum::default, |group| wide(group).clone());
        sum.add(narrow, scale);
        sum
    }
}
