//! The numbers that prices are computed with: quickly with 53 bits, and exactly enough for every rounding with 106 bits.

use std::ops::{Add, Div, Mul, Sub};

use super::double::Double;

/// A number that prices can be computed with.
pub trait Number: Copy + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    const ZERO: Self;
    const ONE: Self;

    /// The number nearest to `value`.
    fn nearest(value: Double) -> Self;
}

impl Number for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn nearest(value: Double) -> Self {
        value.to_f64()
    }
}

impl Number for Double {
    const ZERO: Self = Self::ZERO;
    const ONE: Self = Self::ONE;

    fn nearest(value: Double) -> Self {
        value
    }
}
