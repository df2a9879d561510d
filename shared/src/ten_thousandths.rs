//! Whole numbers of ten-thousandths: prices, spreads and points.

use crate::decimal::Decimal;

/// A whole number of ten-thousandths, to which prices and spreads are rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TenThousandths(pub i64);

impl TenThousandths {
    pub const ZERO: Self = Self(0);

    /// The exact value.
    pub fn decimal(self) -> Decimal {
        // A number of at most 19 digits and four decimals is always in range.
        Decimal::new(i128::from(self.0), 4).unwrap_or(Decimal::ZERO)
    }

    /// The value, rounded half to even; `None` when it is too large.
    pub fn rounded(value: Decimal) -> Option<Self> {
        let (mantissa, scale) = value.round_half_even(4).parts();
        i64::try_from(mantissa / 10_i128.pow(u32::from(scale) - 4)).ok().map(Self)
    }

    /// The value; `None` when it has more than four decimals or is too large.
    pub fn exact(value: Decimal) -> Option<Self> {
        Self::rounded(value).filter(|rounded| rounded.decimal() == value)
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// For people and files: `-1.1250`.
    pub fn text(self) -> String {
        self.decimal().with_min_decimals(4)
    }
}
