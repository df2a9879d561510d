//! Disposition: buy, hold or turn down.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    loan::{Field, Loan},
    rules::rule_set::Projection,
};

use super::{
    Exception,
    pricing::{Price, Priced},
};

/// What is done with a loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(description = "What is done with a loan: `to_purchase` (buy it), `projected` (eligible, not bought now) or `rejected`.")]
#[repr(u8)]
pub enum Disposition {
    /// It is bought.
    ToPurchase,
    /// It is kept for later.
    Projected,
    /// It is turned down.
    Rejected,
}

impl Disposition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ToPurchase, Self::Projected, Self::Rejected];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToPurchase => "to_purchase",
            Self::Projected => "projected",
            Self::Rejected => "rejected",
        }
    }

    /// The disposition of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|disposition| disposition.as_str() == word)
    }
}

/// A loan and all that was found about it.
#[derive(Debug)]
pub struct Decided<'l, 't> {
    /// The loan.
    pub loan: &'l Loan<'t>,
    /// What it failed, in the order of reports.
    pub exceptions: Vec<Exception>,
    /// Its price; `None` when it may not be bought.
    pub price: Option<Price>,
    /// What is done with it.
    pub disposition: Disposition,
    /// Why it is held back, of a projected loan.
    pub projection_reason: Option<String>,
}

/// Decides on a loan. Whatever is not eligible is rejected; what is eligible is bought, unless it has no price or a policy
/// of the rule set holds it back.
#[inline]
pub fn decide<'l, 't>(priced: Priced<'l, 't>, projection: &Projection) -> Decided<'l, 't> {
    let Priced { loan, exceptions, eligible, price } = priced;
    let projection_reason = if eligible { reason_to_wait(loan, &exceptions, price, projection) } else { None };
    let disposition = match (eligible, &projection_reason) {
        (false, _) => Disposition::Rejected,
        (true, Some(_)) => Disposition::Projected,
        (true, None) => Disposition::ToPurchase,
    };
    Decided { loan, exceptions, price, disposition, projection_reason }
}

/// Why an eligible loan is held back, with every reason there is.
fn reason_to_wait(loan: &Loan<'_>, exceptions: &[Exception], price: Option<Price>, projection: &Projection) -> Option<String> {
    let Some(price) = price else {
        let rate = loan.number(Field::NoteRate).written;
        return Some(format!("The loan could not be priced: note rate {rate} gives no price"));
    };
    let mut reasons = Vec::new();
    let (spread, final_price) = (price.pricing_spread.decimal(), price.final_price.decimal());
    if let Some(minimum) = projection.minimum_spread.filter(|minimum| spread < *minimum) {
        reasons.push(format!(
            "pricing spread {} is below the minimum {}",
            spread.with_min_decimals(4),
            minimum.with_min_decimals(4)
        ));
    }
    if let Some(minimum) = projection.minimum_price.filter(|minimum| final_price < *minimum) {
        reasons.push(format!("price {} is below the minimum {}", final_price.with_min_decimals(4), minimum.with_min_decimals(4)));
    }
    if projection.hold_on_soft_exceptions && !exceptions.is_empty() {
        let names: Vec<&str> = exceptions.iter().map(|exception| exception.exception_type.name()).collect();
        reasons.push(format!("soft exceptions: {}", names.join(", ")));
    }
    (!reasons.is_empty()).then(|| format!("Held back: {}", reasons.join("; ")))
}
