//! Linear prices: `pricing_spread = note_rate − irr_target` and `final_price = 100 + 2.5 × pricing_spread`, both exact, then rounded
//! half to even to four decimals.

use crate::{decimal::Decimal, ten_thousandths::TenThousandths};

use super::{IrrTarget, Price};

/// Note rate minus IRR target; `None` when it is too large.
#[inline]
pub fn spread(note_rate: Decimal, irr_target: IrrTarget) -> Option<TenThousandths> {
    if let (Some(rate), Some(target)) = (note_rate.micros(), irr_target.percent().micros())
        && let Some(spread) = rate.checked_sub(target)
    {
        return Some(half_even(spread, 100));
    }
    TenThousandths::rounded(note_rate.checked_sub(irr_target.percent())?)
}

/// The price of a loan; `None` when its rate is too large for one.
#[inline]
pub fn linear(note_rate: Decimal, irr_target: IrrTarget) -> Option<Price> {
    if let (Some(rate), Some(target)) = (note_rate.micros(), irr_target.percent().micros()) {
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
    let spread = note_rate.checked_sub(irr_target.percent())?;
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
