//! Price, weighted average life (WAL) and duration of a loan, rounded as exactly as if they were computed without rounding errors.

use crate::{decimal::Decimal, ten_thousandths::TenThousandths};

use super::{
    assumptions::{Assumptions, Discount, Rates, YieldBasis},
    double::Double,
    number::Number,
    value::{Schedule, Sums, Terms},
};

/// Largest relative error of a sum that is computed with 53 bits.
///
/// [`Terms::sums`] adds, multiplies and divides positive numbers, and each rounding changes a result by a factor of at most
/// 1 ± 2^-53, so that a result of n roundings one after the other has a relative error of at most n × 2^-53. Two differences keep the
/// error small: of the share `q` that is paid in a month, which has at most 3j roundings in the j-th month from the end of the
/// amortization and is at most 1/j, `1 − q` has no more than 9 roundings' worth of error from the second month on, and is exactly zero in
/// the first. No way through 600 months of a loan, 1,200 months of its schedule and 60 months of advances has more than 2^15
/// roundings. The third difference, the recovery after advances, is no larger than the balance, which counts as one more unit where
/// this is used. The bound is twice as large as that.
const ERROR: f64 = 1.0 / (1_u64 << 37) as f64;
/// Less than this share of the balance counts as nothing. Smaller sums lose digits, because exponents have no more room.
const NOTHING: f64 = 1e-200;
/// More months than a recovery comes after the purchase.
const MOST_MONTHS: f64 = 700.0;
/// One percent, in the unit of `final_price`.
const UNITS: f64 = 10_000.0;
/// Largest note rate that is priced with 53 bits, in millionths of a percent.
const LARGEST_QUICK_RATE: i64 = 100_000_000;
/// Largest number that can be rounded with 53 bits.
const LARGEST_QUICK: f64 = 1e12;

/// Price, WAL and duration to four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// In percent of the balance.
    pub price: TenThousandths,
    /// In years; `None` when no principal is paid.
    pub wal: Option<TenThousandths>,
    /// Modified duration in years; `None` when nothing is paid.
    pub duration: Option<TenThousandths>,
}

/// Price, WAL and durations with more digits than are ever shown.
#[derive(Debug, Clone, Copy)]
pub struct Valuation {
    /// In percent of the balance.
    pub price: Double,
    /// In years; `None` when no principal is paid.
    pub wal: Option<Double>,
    /// In years; `None` when nothing is paid.
    pub macaulay: Option<Double>,
    /// Modified duration in years; `None` when nothing is paid.
    pub duration: Option<Double>,
}

/// Prices loans under one set of assumptions, at one target yield.
#[derive(Debug, Clone)]
pub struct Model {
    servicing_fee: Decimal,
    rates: Rates,
    quick: Numbers<f64>,
    precise: Numbers<Double>,
}

#[derive(Debug, Clone)]
struct Numbers<N> {
    terms: Terms<N>,
    /// Worth of a payment of 100 that comes as late as every payment does.
    delay: N,
    /// Delay of every payment in months.
    delay_months: N,
    /// Growth in a compounding period of the yield.
    period: N,
}

impl<N: Number> Numbers<N> {
    fn new(rates: &Rates, discount: &Discount) -> Self {
        Self {
            terms: Terms::new(rates, discount),
            delay: N::nearest(Double::from_integer(100) * discount.delay),
            delay_months: N::nearest(discount.delay_months),
            period: N::nearest(discount.period),
        }
    }
}

impl Model {
    /// `target` is the yield in percent.
    pub fn new(assumptions: &Assumptions, target: Double, basis: YieldBasis) -> Self {
        Self::of_rates(assumptions, Rates::new(assumptions), target, basis)
    }

    /// The same assumptions at another target yield, in percent.
    #[must_use]
    pub fn at(&self, assumptions: &Assumptions, target: Double, basis: YieldBasis) -> Self {
        Self::of_rates(assumptions, self.rates.clone(), target, basis)
    }

    fn of_rates(assumptions: &Assumptions, rates: Rates, target: Double, basis: YieldBasis) -> Self {
        let discount = Discount::new(target, basis, assumptions.delay_days);
        let (quick, precise) = (Numbers::new(&rates, &discount), Numbers::new(&rates, &discount));
        Self { servicing_fee: assumptions.servicing_fee, rates, quick, precise }
    }

    /// Servicing fee in percent a year.
    pub fn servicing_fee(&self) -> Decimal {
        self.servicing_fee
    }

    /// Number of months of age after which the age of a loan no longer changes its price.
    pub fn ages(&self) -> u32 {
        u32::try_from(self.quick.terms.ages()).unwrap_or(u32::MAX)
    }

    /// The quote of a loan; `None` when its price is too large.
    pub fn quote(&self, note_rate: Decimal, schedule: &Schedule) -> Option<Quote> {
        self.quick_quote(note_rate, schedule).or_else(|| self.precise_quote(note_rate, schedule))
    }

    /// Price, WAL and duration with 53 bits; `None` when one of them is too near to the middle between two rounded numbers.
    fn quick_quote(&self, note_rate: Decimal, schedule: &Schedule) -> Option<Quote> {
        let (rate, fee) = (note_rate.micros()?, self.servicing_fee.micros()?);
        if !(0..=LARGEST_QUICK_RATE).contains(&rate) || fee > rate {
            return None;
        }
        // Both are whole numbers below 2^53, so each quotient has one rounding.
        let (growth, coupon) = ((1_200_000_000 + rate) as f64 / 1.2e9, (rate - fee) as f64 / 1.2e9);
        let Numbers { terms, delay, delay_months, period } = &self.quick;
        let Sums { paid: [worth, principal], paid_time: [worth_time, principal_time] } = terms.sums(schedule, growth, coupon);
        // The recovery after advances makes a balance of 1 more uncertain, and sums of times that balance in each month.
        let uncertain = |value: f64, balances: f64| if terms.has_advances() { (value + balances) / value } else { 1.0 };
        let price = rounded(delay * worth, uncertain(worth, 1.0))?;
        let years = |time: f64, of: f64| (time / of + delay_months) / 12.0;
        let life = |time: f64, of: f64, divisor: f64| {
            let errors = 3.0 * uncertain(of, MOST_MONTHS);
            if of < NOTHING { None } else { rounded(years(time, of) / divisor, errors).map(Some) }
        };
        Some(Quote { price, wal: life(principal_time, principal, 1.0)?, duration: life(worth_time, worth, *period)? })
    }

    /// The price with 53 bits, not rounded.
    pub(super) fn quick_price(&self, note_rate: Decimal, schedule: &Schedule) -> f64 {
        let [growth, coupon] = growth_and_coupon(note_rate, self.servicing_fee).map(Double::to_f64);
        self.quick.delay * self.quick.terms.sums(schedule, growth, coupon).paid[0]
    }

    pub(super) fn precise_quote(&self, note_rate: Decimal, schedule: &Schedule) -> Option<Quote> {
        let rounded = |value: Double| value.rounded(10_000).map(TenThousandths);
        let life = |value: Option<Double>| value.map_or(Some(None), |value| rounded(value).map(Some));
        let Valuation { price, wal, duration, .. } = self.valuation(note_rate, schedule);
        Some(Quote { price: rounded(price)?, wal: life(wal)?, duration: life(duration)? })
    }

    /// Price, WAL and durations of a loan with 106 bits.
    pub fn valuation(&self, note_rate: Decimal, schedule: &Schedule) -> Valuation {
        let Numbers { terms, delay, delay_months, period } = &self.precise;
        let [growth, coupon] = growth_and_coupon(note_rate, self.servicing_fee);
        let Sums { paid: [worth, principal], paid_time: [worth_time, principal_time] } = terms.sums(schedule, growth, coupon);
        let years =
            |time: Double, of: Double| (of.to_f64() >= NOTHING).then(|| (time / of + *delay_months) / Double::from_integer(12));
        let macaulay = years(worth_time, worth);
        Valuation {
            price: *delay * worth,
            wal: years(principal_time, principal),
            macaulay,
            duration: macaulay.map(|macaulay| macaulay / *period),
        }
    }
}

#[cfg(test)]
impl Model {
    /// The error of the price with 53 bits, as a share of what is allowed for it.
    pub(super) fn error_of_quick_price(&self, note_rate: Decimal, schedule: &Schedule) -> f64 {
        let quick = self.quick_price(note_rate, schedule);
        let precise = self.valuation(note_rate, schedule).price.to_f64();
        let allowed = ERROR * (precise + if self.rates.advances { 100.0 } else { 0.0 });
        if quick == precise { 0.0 } else { (quick - precise).abs() / allowed }
    }
}

/// 1 + the monthly note rate, and the monthly note rate less the servicing fee, as fractions.
pub(super) fn growth_and_coupon(note_rate: Decimal, servicing_fee: Decimal) -> [Double; 2] {
    let [rate, fee] = [note_rate, servicing_fee].map(|percent| Double::from_decimal(percent) / Double::from_integer(1_200));
    [Double::ONE + rate, rate - fee]
}

/// The value to four decimals; `None` when its error of `errors` times [`ERROR`] could change them.
fn rounded(value: f64, errors: f64) -> Option<TenThousandths> {
    let scaled = value * UNITS;
    let floor = scaled.floor();
    let from_middle = (scaled - floor - 0.5).abs();
    let is_certain = scaled < LARGEST_QUICK && from_middle > scaled * ERROR * errors;
    // A number next to a whole one may lie on either side of it, and rounds to it on both.
    is_certain.then(|| TenThousandths((scaled + 0.5).floor() as i64))
}
