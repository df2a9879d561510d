//! The decimal types of the Parquet files: one table with the number of digits of each kind of number.
//!
//! Tools multiply columns, and a product has as many decimals as both factors together, within a limited number of digits: 18 in
//! DuckDB, unless another width is set. So a column has no more decimals than its numbers need. A separate column holds the exact
//! value of each number that does not fit.

use crate::{
    decimal::{Decimal, MICRO},
    loan::{Field, NUMBERS, Unit},
};

/// A type of decimals: DECIMAL(precision, scale).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecimalType {
    /// Largest number of digits of a value.
    pub precision: u8,
    /// Number of decimals among these digits: at most six.
    pub scale: u8,
    /// The smallest magnitude that has too many digits.
    too_large: u64,
    /// Number of millionths in one unit of the last decimal.
    unit: i64,
    /// `unit` as a power of two times an odd number: the exponent of the power of two, and the inverse of the odd number modulo
    /// 2^64.
    twos: u32,
    inverse: i64,
}

/// Dollars: up to a trillion, with cents.
pub const MONEY: DecimalType = DecimalType::new(14, 2);
/// Percentages.
pub const PERCENT: DecimalType = DecimalType::new(9, 6);
/// Credit scores. A score is a whole number of three digits, or an average of several; a mistyped score of five digits still
/// fits.
pub const SCORE: DecimalType = DecimalType::new(9, 4);
/// Spreads and prices, which are rounded to four decimals.
pub const PRICE: DecimalType = DecimalType::new(9, 4);
/// Distance of a value from passing: dollars, percentages and scores in one column.
pub const EXCESS: DecimalType = DecimalType::new(15, 6);

/// The types of the numbers of a loan, in the order of [`Field::NUMERIC`].
pub static NUMBER_TYPES: [DecimalType; NUMBERS] = {
    let mut types = [PERCENT; NUMBERS];
    let mut at = 0;
    while at < NUMBERS {
        types[at] = DecimalType::of(Field::NUMERIC[at].info().unit);
        at += 1;
    }
    types
};

impl DecimalType {
    const fn new(precision: u8, scale: u8) -> Self {
        let unit = 10_i64.pow((MICRO - scale) as u32);
        let twos = unit.trailing_zeros();
        let odd = unit >> twos;
        // An odd number is its own inverse modulo 2^3, and each step doubles the number of bits.
        let (mut inverse, mut bits) = (odd, 3);
        while bits < u64::BITS {
            inverse = inverse.wrapping_mul(2_i64.wrapping_sub(odd.wrapping_mul(inverse)));
            bits *= 2;
        }
        Self { precision, scale, too_large: 10_u64.pow(precision as u32), unit, twos, inverse }
    }

    /// The type for the numbers of a field with this unit.
    pub const fn of(unit: Unit) -> Self {
        match unit {
            Unit::Money => MONEY,
            Unit::Percent | Unit::Ratio => PERCENT,
            Unit::Text | Unit::Word | Unit::Count | Unit::Months | Unit::Date => SCORE,
        }
    }

    /// Whether values are stored in 32 bits; the others are stored in 64.
    pub const fn is_narrow(self) -> bool {
        self.precision <= 9
    }

    /// Whether a mantissa has no more digits than the type.
    #[inline]
    pub const fn fits(self, mantissa: i64) -> bool {
        mantissa.unsigned_abs() < self.too_large
    }

    /// The mantissa of a number of millionths; `None` when the number does not fit exactly.
    #[inline]
    pub const fn exact_micros(self, micros: i64) -> Option<i64> {
        // This divides exactly if the number is a multiple of the unit. Otherwise multiplying back does not give the number. A
        // division instruction would take several times as long, and every loan has seven numbers.
        let mantissa = (micros >> self.twos).wrapping_mul(self.inverse);
        if self.fits(mantissa) & (mantissa.wrapping_mul(self.unit) == micros) { Some(mantissa) } else { None }
    }

    /// The mantissa of a value; `None` when the value does not fit exactly.
    #[inline]
    pub fn exact(self, value: Decimal) -> Option<i64> {
        value.micros().and_then(|micros| self.exact_micros(micros))
    }

    /// The mantissa of a value, rounded half to even; `None` when the rounded value has too many digits before the point.
    pub fn rounded(self, value: Decimal) -> Option<i64> {
        self.exact(value.round_half_even(self.scale))
    }

    /// The number of millionths of a mantissa; `None` when it does not fit 64 bits.
    #[inline]
    pub const fn micros(self, mantissa: i64) -> Option<i64> {
        mantissa.checked_mul(self.unit)
    }

    /// The decimal value of a mantissa.
    pub fn value(self, mantissa: i64) -> Option<Decimal> {
        Decimal::new(mantissa.into(), self.scale)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_of_ten_million_dollars_times_a_thousand_fits_18_digits() {
        for other in [PERCENT, SCORE, PRICE, EXCESS] {
            assert!(10 + MONEY.scale + other.scale <= 18, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn a_mantissa_is_the_value_or_the_nearest(micros: i64, digits in 0_u32..19, at in 0..5_usize) {
            let kind = [MONEY, PERCENT, SCORE, PRICE, EXCESS][at];
            let micros = micros % 10_i64.pow(digits);
            let value = Decimal::from_micros(micros);
            let unit = 10_i64.pow(u32::from(6 - kind.scale));
            let fits = |mantissa: i64| mantissa.unsigned_abs() < 10_u64.pow(u32::from(kind.precision));
            let exact = (micros % unit == 0).then_some(micros / unit).filter(|mantissa| fits(*mantissa));
            prop_assert_eq!(kind.exact_micros(micros), exact);
            prop_assert_eq!(kind.exact(value), exact);
            prop_assert_eq!(exact.map(|mantissa| kind.value(mantissa)), exact.map(|_| Some(value)));
            match kind.rounded(value) {
                Some(mantissa) => {
                    let twice = (i128::from(mantissa) * i128::from(unit) - i128::from(micros)).abs() * 2;
                    prop_assert!(twice < i128::from(unit) || twice == i128::from(unit) && mantissa % 2 == 0 || exact.is_some());
                }
                None => prop_assert!(micros.unsigned_abs() >= (10_u64.pow(u32::from(kind.precision)) - 1) * unit.unsigned_abs()),
            }
        }
    }
}
