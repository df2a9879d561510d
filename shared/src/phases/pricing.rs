//! Pricing: the spread over the IRR target, and the price that follows from it.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    decimal::Decimal,
    loan::{Field, Loan},
    rules::{
        ExceptionType, Severity,
        guide::{
            rule::Missing,
            waterfall::{OpenAdjustment, PartIndex, Waterfall},
        },
        rule_set::RuleSet,
    },
    ten_thousandths::TenThousandths,
};

use super::{Exception, eligibility::Assessed};

/// Error for a text or a number that is not an IRR target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("irr_target must be a percentage above 0 and at most 30, such as 8.05")]
pub struct IrrTargetError;

/// The internal rate of return that a purchase must bring, in percent: above 0 and at most 30.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IrrTarget(Decimal);

impl IrrTarget {
    /// The target of a run that does not name one: 8.05 %.
    pub const DEFAULT: Self = Self(Decimal::from_micros(8_050_000));

    /// A target in percent.
    ///
    /// # Errors
    /// [`IrrTargetError`] when `percent` is not above 0 and at most 30.
    pub fn new(percent: Decimal) -> Result<Self, IrrTargetError> {
        let allowed = percent.is_positive() && percent <= Decimal::from_integer(30);
        if allowed { Ok(Self(percent)) } else { Err(IrrTargetError) }
    }

    pub fn percent(self) -> Decimal {
        self.0
    }
}

impl std::str::FromStr for IrrTarget {
    type Err = IrrTargetError;
    fn from_str(text: &str) -> Result<Self, IrrTargetError> {
        text.trim().parse().map_err(|_| IrrTargetError).and_then(Self::new)
    }
}

impl Serialize for IrrTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IrrTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The price of a loan, and the spread from which the price follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Note rate minus IRR target, in percent.
    pub pricing_spread: TenThousandths,
    /// Price by the pricing method, in percent of the balance.
    pub base_price: TenThousandths,
    /// Base price plus adjustments, at most the cap, in percent of the balance.
    pub final_price: TenThousandths,
}

/// A loan after the pricing phase. Only an eligible loan has a price.
#[derive(Debug)]
pub struct Priced<'l, 't> {
    pub(super) loan: &'l Loan<'t>,
    pub(super) exceptions: Vec<Exception<'l>>,
    pub(super) eligible: bool,
    pub(super) undecided: Vec<String>,
    pub(super) price: Option<Price>,
    pub(super) parts: Vec<PartIndex>,
    pub(super) waterfall: &'l Waterfall,
    /// Why an eligible loan is not bought at its price, or has none.
    pub(super) objections: Vec<String>,
}

impl<'l, 't> Priced<'l, 't> {
    pub fn loan(&self) -> &'l Loan<'t> {
        self.loan
    }

    /// `None` when the loan is not eligible, or its note rate gives no price.
    pub fn price(&self) -> Option<Price> {
        self.price
    }
}

/// Pricing of the loans of a run: the method, the target and the purchase date.
#[derive(Debug, Clone)]
pub struct Pricing {
    method: Method,
    pdate: Date,
    /// The pricing of each program of the rule set.
    programs: Vec<Self>,
}

#[derive(Debug, Clone)]
enum Method {
    /// `pricing_spread = note_rate − irr_target`, `final_price = 100 + 2.5 × pricing_spread`, both exact, then rounded half to
    /// even to four decimals.
    Linear { irr_target: IrrTarget },
}

impl Pricing {
    /// The pricing of a rule set at a target, for loans bought on a date. A target of the rule set's own replaces it. All rule sets have
    /// the same method.
    pub fn new(rules: &RuleSet, irr_target: IrrTarget, pdate: Date) -> Self {
        let irr_target = rules.irr_target().and_then(|target| IrrTarget::new(target).ok()).unwrap_or(irr_target);
        let programs = rules.programs().iter().map(|program| Self::new(&program.rules, irr_target, pdate)).collect();
        Self { method: Method::Linear { irr_target }, pdate, programs }
    }

    /// The pricing of each program, in the order of the rule set.
    pub fn programs(&self) -> &[Self] {
        &self.programs
    }

    /// Name of the pricing method.
    pub fn source(&self) -> &'static str {
        match self.method {
            Method::Linear { .. } => "linear",
        }
    }

    /// The date on which the loans are bought.
    pub fn pdate(&self) -> Date {
        self.pdate
    }

    /// The price of a loan with this note rate, before adjustments; `None` when the rate is too large for a price.
    #[inline]
    pub fn price(&self, note_rate: Decimal) -> Option<Price> {
        match self.method {
            Method::Linear { irr_target } => linear(note_rate, irr_target),
        }
    }
}

/// Prices a loan, if it is eligible.
#[inline]
pub fn price<'l, 't>(assessed: Assessed<'l, 't>, pricing: &Pricing) -> Priced<'l, 't> {
    let Assessed { loan, exceptions, eligible, undecided, guide, values } = assessed;
    let rate = if eligible { loan.number(Field::NoteRate).value() } else { None };
    let price = rate.and_then(|rate| pricing.price(rate));
    let (parts, waterfall) = (Vec::new(), guide.waterfall());
    let mut priced = Priced { loan, exceptions, eligible, undecided, price, parts, waterfall, objections: Vec::new() };
    if eligible && waterfall.is_shown() {
        let determined = guide.adjust(&values, &mut priced.parts);
        if !determined {
            priced.note_open(guide.open_adjustments(loan, &values, pricing.pdate));
        }
        priced.adjust();
    }
    priced
}

impl Priced<'_, '_> {
    /// Notes adjustments that a missing value leaves undetermined.
    fn note_open(&mut self, open: Vec<OpenAdjustment>) {
        for OpenAdjustment { missing, evidence } in open {
            if missing == Missing::Fail {
                self.objections.push(format!("not priced: {}", evidence.message));
                self.price = None;
            } else {
                self.undecided.push(evidence.message.clone());
                self.exceptions.push(Exception {
                    kind: ExceptionType::Undetermined.kind(),
                    severity: Severity::Soft,
                    evidence,
                    program: None,
                });
            }
        }
    }

    /// Adjusts the price.
    fn adjust(&mut self) {
        let base = self.price.filter(|_| self.waterfall.is_shown());
        let adjusted = base.and_then(|price| price.adjusted(self.waterfall, &self.parts));
        match (base, adjusted) {
            (Some(_), None) => {
                self.objections.push("not priced: the adjusted price is too large".to_owned());
                self.price = None;
            }
            (_, Some(price)) => {
                self.objections.extend(self.waterfall.below_floor(price.final_price));
                self.price = adjusted;
            }
            (None, None) => {}
        }
        if self.price.is_none() {
            self.parts.clear();
        }
    }
}

impl Price {
    fn unadjusted(pricing_spread: TenThousandths, base_price: TenThousandths) -> Self {
        Self { pricing_spread, base_price, final_price: base_price }
    }

    /// The price with these parts of a waterfall; `None` when it is too large.
    #[inline]
    pub fn adjusted(self, waterfall: &Waterfall, parts: &[PartIndex]) -> Option<Self> {
        Some(Self { final_price: waterfall.final_price(self.base_price, parts)?, ..self })
    }
}

#[inline]
fn linear(note_rate: Decimal, irr_target: IrrTarget) -> Option<Price> {
    if let (Some(rate), Some(target)) = (note_rate.micros(), irr_target.0.micros()) {
        // The spread is in whole millionths and the price in whole ten-millionths: 100 % is 10^9 ten-millionths.
        if let Some(spread) = rate.checked_sub(target)
            && let Some(price) = spread.checked_mul(25).and_then(|part| part.checked_add(1_000_000_000))
        {
            return Some(Price::unadjusted(half_even(spread, 100), half_even(price, 1_000)));
        }
    }
    linear_slowly(note_rate, irr_target)
}

#[cold]
fn linear_slowly(note_rate: Decimal, irr_target: IrrTarget) -> Option<Price> {
    let spread = note_rate.checked_sub(irr_target.0)?;
    let price = spread.times_tenths(25)?.checked_add(Decimal::HUNDRED)?;
    Some(Price::unadjusted(TenThousandths::rounded(spread)?, TenThousandths::rounded(price)?))
}

fn half_even(value: i64, unit: i64) -> TenThousandths {
    let (quotient, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    let up = rest * 2 > unit || (rest * 2 == unit && quotient & 1 == 1);
    TenThousandths(quotient + i64::from(up))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(rate: &str, target: &str) -> (String, String) {
        let price = linear(rate.parse().unwrap(), target.parse().unwrap()).unwrap();
        (price.pricing_spread.decimal().with_min_decimals(4), price.final_price.decimal().with_min_decimals(4))
    }

    fn pair(spread: &str, price: &str) -> (String, String) {
        (spread.to_owned(), price.to_owned())
    }

    #[test]
    fn spread_and_price_are_exact() {
        assert_eq!(price("8.05", "8.05"), pair("0.0000", "100.0000"));
        assert_eq!(price("6.5", "8.05"), pair("-1.5500", "96.1250"));
        assert_eq!(price("8.85", "8.05"), pair("0.8000", "102.0000"));
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        assert_eq!(price("8.05005", "8.05"), pair("0.0000", "100.0001"));
        assert_eq!(price("8.05015", "8.05"), pair("0.0002", "100.0004"));
        assert_eq!(price("8.05002", "8.05"), pair("0.0000", "100.0000"));
        assert_eq!(price("8.05006", "8.05"), pair("0.0001", "100.0002"));
        assert_eq!(price("8.04985", "8.05"), pair("-0.0002", "99.9996"));
    }

    #[test]
    fn targets_outside_the_range_are_refused() {
        for text in ["0", "-1", "30.01", "abc", "", "NaN", "1e400"] {
            assert_eq!(text.parse::<IrrTarget>(), Err(IrrTargetError), "{text}");
        }
        assert_eq!("30".parse::<IrrTarget>().unwrap().percent(), Decimal::from_integer(30));
        assert_eq!("8.05".parse::<IrrTarget>().unwrap(), IrrTarget::DEFAULT);
    }

    #[test]
    fn a_rate_too_large_for_a_price_has_none() {
        assert_eq!(linear("1e25".parse().unwrap(), IrrTarget::DEFAULT), None);
    }

    proptest! {
        #[test]
        fn the_fast_way_agrees_with_the_slow_one(rate in -100_000_000_i64..100_000_000, target in 1_i64..30_000_000) {
            let (rate, target) = (Decimal::from_micros(rate), IrrTarget::new(Decimal::from_micros(target)).unwrap());
            prop_assert_eq!(linear(rate, target), linear_slowly(rate, target));
        }
    }
}
