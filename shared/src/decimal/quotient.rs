//! Exact arithmetic with sums: what a comparison of two quotients needs, without a division.

use std::cmp::Ordering;

use num_bigint::BigInt;

use super::{Decimal, ExactSum, Ratio, big_text};

impl ExactSum {
    /// A whole number.
    pub fn of_count(count: u64) -> Self {
        let mut sum = Self::default();
        sum.add(i128::from(count), 0);
        sum
    }

    /// A decimal.
    pub fn of_decimal(value: Decimal) -> Self {
        let mut sum = Self::default();
        sum.add_decimal(value);
        sum
    }

    /// `self × factor`, exact.
    #[must_use]
    pub fn times(&self, factor: Decimal) -> Self {
        let (total, scale) = self.total();
        let (mantissa, factor_scale) = factor.parts();
        Self { by_scale: Vec::new(), spilled: vec![(scale + factor_scale, total * BigInt::from(mantissa))] }
    }

    /// `self − other`, exact.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let (total, scale) = other.total();
        let mut difference = self.clone();
        difference.spill(-total, scale);
        difference
    }

    /// Whether the sum is below, equal to or above zero.
    pub fn sign(&self) -> Ordering {
        self.total().0.cmp(&BigInt::ZERO)
    }

    /// `self / divisor`, rounded up to `decimals` decimals; `None` when the divisor is zero.
    pub fn ratio_up(&self, divisor: &Self, decimals: u8) -> Option<Ratio> {
        let (numerator, denominator) = self.fraction(divisor, decimals)?;
        let (quotient, rest) = (&numerator / &denominator, &numerator % &denominator);
        // The division of big integers rounds towards zero.
        let up = if rest > BigInt::ZERO { quotient + 1_u32 } else { quotient };
        Some(Ratio(big_text(&up, decimals, 0)))
    }

    /// `self × 10^decimals / divisor` as a fraction of two whole numbers, the second above zero; `None` when the divisor is zero.
    pub(super) fn fraction(&self, divisor: &Self, decimals: u8) -> Option<(BigInt, BigInt)> {
        let ((top, top_scale), (bottom, bottom_scale)) = (self.total(), divisor.total());
        if bottom == BigInt::ZERO {
            return None;
        }
        let ten = BigInt::from(10);
        let numerator = top * ten.pow(u32::from(bottom_scale) + u32::from(decimals));
        let denominator = bottom * ten.pow(u32::from(top_scale));
        Some(if denominator < BigInt::ZERO { (-numerator, -denominator) } else { (numerator, denominator) })
    }
}

impl Default for Ratio {
    /// Zero.
    fn default() -> Self {
        Self("0".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(text: &str) -> ExactSum {
        ExactSum::of_decimal(text.parse().unwrap())
    }

    #[test]
    fn quotients_round_up() {
        assert_eq!(sum("1").ratio_up(&sum("3"), 2).unwrap().to_string(), "0.34");
        assert_eq!(sum("-1").ratio_up(&sum("3"), 2).unwrap().to_string(), "-0.33");
        assert_eq!(sum("1").ratio_up(&sum("-3"), 2).unwrap().to_string(), "-0.33");
        assert_eq!(sum("1").ratio_up(&sum("4"), 2).unwrap().to_string(), "0.25");
        assert!(sum("1").ratio_up(&sum("0"), 2).is_none());
    }

    proptest! {
        #[test]
        fn products_and_differences_are_exact(
            a in -(10_i128.pow(18))..10_i128.pow(18), b in -(10_i128.pow(6))..10_i128.pow(6), s in 0_u8..10, t in 0_u8..10,
        ) {
            let (left, right) = (Decimal::new(a, s).unwrap(), Decimal::new(b, t).unwrap());
            let product = ExactSum::of_decimal(left).times(right);
            prop_assert_eq!(product.to_text(0), left.checked_mul(right).unwrap().to_string());
            let difference = ExactSum::of_decimal(left).minus(&ExactSum::of_decimal(right));
            prop_assert_eq!(difference.to_text(0), left.checked_sub(right).unwrap().to_string());
            prop_assert_eq!(difference.sign(), left.cmp(&right));
        }
    }
}
