//! The policies by which an eligible loan is held.

use crate::decimal::Decimal;

/// Policy by which an eligible loan is projected instead of bought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Lowest pricing spread of a loan that is bought, in percent.
    pub minimum_spread: Option<Decimal>,
    /// Lowest price of a loan that is bought, in percent of the balance.
    pub minimum_price: Option<Decimal>,
    /// Whether a loan with any soft exception is projected.
    pub hold_on_soft_exceptions: bool,
}

impl Projection {
    /// Whether the policy projects no loan, because no part of it is set.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.minimum_spread.is_none() && self.minimum_price.is_none() && !self.hold_on_soft_exceptions
    }
}
