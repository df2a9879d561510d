//! Disposition: buy, hold or reject.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    loan::{Field, Loan},
    rules::{
        guide::waterfall::{PartIndex, Waterfall},
        rule_set::Projection,
    },
    ten_thousandths::TenThousandths,
};

use super::{
    Exception,
    pricing::{Price, Priced},
    programs::{ProgramBits, ProgramRef},
};

/// What is done with a loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(description = "What is done with a loan: `to_purchase` (buy it), `projected` (eligible, not bought now) or `rejected`.")]
#[repr(u8)]
pub enum Disposition {
    /// Buy the loan.
    ToPurchase,
    /// Hold the loan for later.
    Projected,
    /// Reject the loan.
    Rejected,
}

impl Disposition {
    pub const ALL: [Self; 3] = [Self::ToPurchase, Self::Projected, Self::Rejected];

    /// The word in output files and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToPurchase => "to_purchase",
            Self::Projected => "projected",
            Self::Rejected => "rejected",
        }
    }

    /// Inverse of [`Self::as_str`]; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|disposition| disposition.as_str() == word)
    }
}

/// A loan with its exceptions, price and disposition.
#[derive(Debug)]
pub struct Decided<'l, 't> {
    pub loan: &'l Loan<'t>,
    /// Validations and rules that the loan failed, in the order of reports.
    pub exceptions: Vec<Exception<'l>>,
    /// Note rate minus IRR target, in percent; `None` for a loan that is not eligible.
    pub pricing_spread: Option<TenThousandths>,
    /// `None` when the loan is not eligible or cannot be priced.
    pub price: Option<Price>,
    /// The parts of the waterfall that make the final price; empty for a loan without a price.
    pub parts: Vec<PartIndex>,
    /// The waterfall of the parts.
    pub waterfall: &'l Waterfall,
    pub disposition: Disposition,
    /// Why a projected loan is held back; `None` for any other loan.
    pub projection_reason: Option<String>,
    /// The best program; `None` when every program rejects the loan, and for a rule set without programs.
    pub program: Option<ProgramRef<'l>>,
    /// The programs that do not reject the loan; `None` for a rule set without programs.
    pub eligible_in: Option<ProgramBits>,
}

/// Decides on a loan. An ineligible loan is rejected. An eligible loan is bought, unless it has no price or a policy of the rule
/// set holds it back.
#[inline]
pub fn decide<'l, 't>(priced: Priced<'l, 't>, projection: &Projection) -> Decided<'l, 't> {
    let Priced { loan, exceptions, eligible, undecided, pricing_spread, price, parts, waterfall, objections } = priced;
    let reason = || reason_to_wait(loan, &exceptions, undecided, (price, objections), projection);
    let projection_reason = if eligible { reason() } else { None };
    let disposition = match (eligible, &projection_reason) {
        (false, _) => Disposition::Rejected,
        (true, Some(_)) => Disposition::Projected,
        (true, None) => Disposition::ToPurchase,
    };
    Decided {
        loan,
        exceptions,
        pricing_spread,
        price,
        parts,
        waterfall,
        disposition,
        projection_reason,
        program: None,
        eligible_in: None,
    }
}

/// All reasons to hold back an eligible loan, as one text; `None` when there is no reason.
fn reason_to_wait(
    loan: &Loan<'_>,
    exceptions: &[Exception<'_>],
    undecided: Vec<String>,
    (price, mut objections): (Option<Price>, Vec<String>),
    projection: &Projection,
) -> Option<String> {
    let Some(price) = price else {
        if undecided.is_empty() && objections.is_empty() {
            let rate = loan.number(Field::NoteRate).written;
            return Some(format!("The loan could not be priced: note rate {rate} gives no price"));
        }
        if objections.is_empty() {
            objections.push(format!("not priced: note rate {} gives no price", loan.number(Field::NoteRate).written));
        }
        return Some(format!("Held back: {}", [undecided, objections].concat().join("; ")));
    };
    // A rule that cannot be decided is a reason of its own, and is not listed once more among the soft exceptions.
    let soft = exceptions.iter().filter(|of| !of.is_waived() && !undecided.contains(&of.evidence.message));
    let soft: Vec<&str> = soft.map(|exception| &*exception.kind.name).collect();
    let mut reasons = undecided;
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
    if projection.hold_on_soft_exceptions && !soft.is_empty() {
        reasons.push(format!("soft exceptions: {}", soft.join(", ")));
    }
    reasons.append(&mut objections);
    (!reasons.is_empty()).then(|| format!("Held back: {}", reasons.join("; ")))
}
