//! Numbers of 106 bits, each the sum of two binary floating-point numbers.
//!
//! Algorithms and error bounds: Joldes, Muller, Popescu, *Tight and rigorous error bounds for basic building blocks of double-word
//! arithmetic* (2017). A sum has a relative error below 2^-104, a product below 2^-103, a quotient below 2^-102. Only operations
//! that IEEE 754 rounds correctly are used, so every machine computes the same bits.

use std::{
    cmp::Ordering,
    ops::{Add, Div, Mul, Neg, Sub},
};

use crate::decimal::Decimal;

/// A number of 106 bits. `high` is the whole number rounded to 53 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Double {
    high: f64,
    low: f64,
}

/// Largest relative error of a computed result, which leaves 25 digits: 2^15 operations with a relative error of 2^-102 each make less
/// than an eighth of it.
const TIE: f64 = 1.0 / (1_u128 << 84) as f64;

/// The sum of two numbers and its rounding error.
fn two_sum(one: f64, other: f64) -> (f64, f64) {
    let sum = one + other;
    let of_one = sum - other;
    let of_other = sum - of_one;
    (sum, (one - of_one) + (other - of_other))
}

impl Double {
    pub const ZERO: Self = Self { high: 0.0, low: 0.0 };
    pub const ONE: Self = Self { high: 1.0, low: 0.0 };

    /// The sum of two numbers of which the second is the smaller one.
    fn normalized(high: f64, low: f64) -> Self {
        let sum = high + low;
        Self { high: sum, low: low - (sum - high) }
    }

    /// The number rounded to 53 bits.
    pub fn to_f64(self) -> f64 {
        self.high
    }

    /// A whole number, exactly up to 2^106.
    #[expect(clippy::cast_precision_loss, reason = "the second part keeps what the first one loses")]
    pub fn from_integer(value: i128) -> Self {
        let high = value as f64;
        // The difference fits: it is at most half a unit of the last place of `high`.
        Self::normalized(high, value.wrapping_sub(high as i128) as f64)
    }

    /// `numerator / denominator`.
    pub fn ratio(numerator: i128, denominator: i128) -> Self {
        Self::from_integer(numerator) / Self::from_integer(denominator)
    }

    /// The value of a decimal.
    pub fn from_decimal(value: Decimal) -> Self {
        let (mantissa, scale) = value.parts();
        Self::ratio(mantissa, 10_i128.pow(scale.into()))
    }

    /// The value to the power of a whole number.
    pub fn power(self, exponent: u32) -> Self {
        let (mut result, mut factor, mut rest) = (Self::ONE, self, exponent);
        while rest > 0 {
            if rest & 1 == 1 {
                result = result * factor;
            }
            factor = factor * factor;
            rest >>= 1;
        }
        result
    }

    /// The root of a number from 0 to 10, by Newton's method. Zero for numbers below 0.
    pub fn root(self, degree: u32) -> Self {
        if self <= Self::ZERO {
            return Self::ZERO;
        }
        let times = Self::from_integer(degree.into());
        let mut root = Self::ONE;
        // Far from the root, a round takes a share of 1/degree off; near to it, each round doubles the number of right digits.
        for _ in 0..60 * degree {
            let power = root.power(degree - 1);
            let step = (power * root - self) / (times * power);
            root = root - step;
            if step.high.abs() <= 1e-30 * root.high {
                break;
            }
        }
        root
    }

    pub fn is_finite(self) -> bool {
        self.high.is_finite() && self.low.is_finite()
    }

    /// The nearest whole number of `1 / unit`, half to even; `None` when it is too large. A number that lies in the middle between two
    /// whole numbers, up to [`TIE`] of itself, lies in the middle exactly: a computed tie has rounding errors.
    pub fn rounded(self, unit: i128) -> Option<i64> {
        let scaled = self * Self::from_integer(unit);
        if !scaled.is_finite() || scaled.high.abs() >= 9e15 {
            return None;
        }
        let whole = scaled.high.floor();
        let rest = scaled - Self { high: whole, low: 0.0 };
        let (whole, rest) = if rest < Self::ZERO { (whole - 1.0, rest + Self::ONE) } else { (whole, rest) };
        let beyond_half = (rest - Self { high: 0.5, low: 0.0 }).high;
        let floor = whole as i64;
        let up = if beyond_half.abs() <= scaled.high.abs() * TIE { floor & 1 == 1 } else { beyond_half > 0.0 };
        Some(floor + i64::from(up))
    }

    /// The value with this number of decimals, half to even; `None` when it is too large.
    pub fn text(self, decimals: u8) -> Option<String> {
        let unit = 10_u64.pow(decimals.into());
        let rounded = self.rounded(unit.into())?;
        let (sign, digits) = (if rounded < 0 { "-" } else { "" }, rounded.unsigned_abs());
        let width = usize::from(decimals);
        let fraction = if width == 0 { String::new() } else { format!(".{:0width$}", digits % unit) };
        Some(format!("{sign}{}{fraction}", digits / unit))
    }
}

impl PartialOrd for Double {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.high.partial_cmp(&other.high)?.then(self.low.partial_cmp(&other.low)?))
    }
}

impl Neg for Double {
    type Output = Self;

    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

impl Add for Double {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (high, high_error) = two_sum(self.high, other.high);
        let (low, low_error) = two_sum(self.low, other.low);
        let sum = Self::normalized(high, high_error + low);
        Self::normalized(sum.high, low_error + sum.low)
    }
}

impl Sub for Double {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let high = self.high * other.high;
        let error = self.high.mul_add(other.high, -high);
        let low = self.high.mul_add(other.low, self.low * other.low);
        Self::normalized(high, error + self.low.mul_add(other.high, low))
    }
}

impl Div for Double {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let quotient = self.high / other.high;
        let product = other * Self { high: quotient, low: 0.0 };
        let rest = (self.high - product.high) + (self.low - product.low);
        Self::normalized(quotient, rest / other.high)
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::*;

    /// Numerator and exponent of two of the exact value.
    fn exact(value: Double) -> (BigInt, i32) {
        let part = |part: f64| {
            let bits = part.to_bits();
            let exponent = (bits >> 52 & 0x7ff) as i32;
            let fraction = bits & ((1 << 52) - 1);
            let (fraction, exponent) = if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
            (BigInt::from(fraction) * if part < 0.0 { -1 } else { 1 }, exponent)
        };
        let ((high, high_at), (low, low_at)) = (part(value.high), part(value.low));
        let at = high_at.min(low_at);
        let shifted = |number: BigInt, from: i32| number << usize::try_from(from - at).unwrap();
        (shifted(high, high_at) + shifted(low, low_at), at)
    }

    /// Whether `value × denominator` is `numerator`, up to 2^-100 of it.
    fn is_ratio(value: Double, numerator: &BigInt, denominator: &BigInt) -> bool {
        let (digits, at) = exact(value);
        let (mut left, mut right) = (digits * denominator, numerator.clone());
        if at < 0 {
            right <<= usize::try_from(-at).unwrap();
        } else {
            left <<= usize::try_from(at).unwrap();
        }
        let error: BigInt = (&left - &right) << 100;
        error.magnitude() <= right.magnitude()
    }

    fn whole() -> impl Strategy<Value = i128> {
        (1_i128..1_i128 << 100, 0_u32..90).prop_map(|(value, shift)| (value >> shift).max(1))
    }

    proptest! {
        #[test]
        fn operations_are_right_to_a_hundred_bits(a in whole(), b in whole(), c in whole(), d in whole()) {
            let (one, other) = (Double::ratio(a, b), Double::ratio(c, d));
            let [a, b, c, d] = [a, b, c, d].map(BigInt::from);
            prop_assert!(is_ratio(one, &a, &b));
            prop_assert!(is_ratio(one + other, &(&a * &d + &c * &b), &(&b * &d)));
            prop_assert!(is_ratio(one * other, &(&a * &c), &(&b * &d)));
            prop_assert!(is_ratio(one / other, &(&a * &d), &(&b * &c)));
        }

        #[test]
        fn the_power_of_a_root_is_the_number(micros in 1_i128..10_000_000, degree in prop::sample::select(vec![2_u32, 6, 12, 30])) {
            let number = Double::ratio(micros, 1_000_000);
            let error = (number.root(degree).power(degree) - number) / number;
            prop_assert!(error.to_f64().abs() < 1e-29, "{error:?}");
        }

        #[test]
        fn rounding_is_that_of_decimals(micros in -10_000_000_000_i64..10_000_000_000) {
            let decimal = Decimal::from_micros(micros);
            let expected = decimal.round_half_even(4).with_min_decimals(4);
            prop_assert_eq!(Double::from_decimal(decimal).text(4), Some(expected));
        }
    }

    #[test]
    fn numbers_too_large_to_round_are_refused() {
        assert_eq!(Double::from_integer(1 << 60).rounded(1), None);
        assert_eq!((Double::ONE / Double::ZERO).rounded(1), None);
        assert_eq!(Double::from_integer(9_000_000_000_000).rounded(100), Some(900_000_000_000_000));
    }
}
