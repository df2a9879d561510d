//! Disposition: buy, hold or reject.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
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

/// Policy that holds back an eligible loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(
    description = "Policy that holds back an eligible loan: `undetermined` (a value that the loan lacks decides a rule or an \
                        adjustment), `minimum_spread`, `minimum_price`, `hold_on_soft_exceptions` and `floor` (the keys of the \
                        rule set), or `not_priced`."
)]
pub enum HoldPolicy {
    /// A missing value decides a hard rule, a grid or an adjustment.
    Undetermined,
    MinimumSpread,
    MinimumPrice,
    HoldOnSoftExceptions,
    /// The final price is below the floor of the price waterfall.
    Floor,
    /// The loan has no price.
    NotPriced,
}

impl HoldPolicy {
    pub const ALL: [Self; 6] =
        [Self::Undetermined, Self::MinimumSpread, Self::MinimumPrice, Self::HoldOnSoftExceptions, Self::Floor, Self::NotPriced];

    /// The stable name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undetermined => "undetermined",
            Self::MinimumSpread => "minimum_spread",
            Self::MinimumPrice => "minimum_price",
            Self::HoldOnSoftExceptions => "hold_on_soft_exceptions",
            Self::Floor => "floor",
            Self::NotPriced => "not_priced",
        }
    }
}

/// One reason why an eligible loan is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub policy: HoldPolicy,
    /// The reason for people.
    pub reason: String,
}

impl Hold {
    /// The hold of a loan without a price.
    pub fn not_priced(why: &str) -> Self {
        Self { policy: HoldPolicy::NotPriced, reason: format!("not priced: {why}") }
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
    /// The reasons of [`Self::projection_reason`] one by one; empty for any other loan.
    pub holds: Vec<Hold>,
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
    let holds = if eligible { holds(loan, &exceptions, undecided, (price, objections), projection) } else { Vec::new() };
    let disposition = match (eligible, holds.is_empty()) {
        (false, _) => Disposition::Rejected,
        (true, false) => Disposition::Projected,
        (true, true) => Disposition::ToPurchase,
    };
    Decided {
        loan,
        exceptions,
        pricing_spread,
        price,
        parts,
        waterfall,
        disposition,
        projection_reason: reason_to_wait(&holds),
        holds,
        program: None,
        eligible_in: None,
    }
}

/// How the reason begins of a loan that is held for its note rate alone.
const COULD_NOT_BE_PRICED: &str = "The loan could not be priced: ";

/// All reasons to hold back an eligible loan, in the order of reports; empty when there is no reason.
fn holds(
    loan: &Loan<'_>,
    exceptions: &[Exception<'_>],
    undecided: Vec<String>,
    (price, mut objections): (Option<Price>, Vec<Hold>),
    projection: &Projection,
) -> Vec<Hold> {
    // A rule that cannot be decided is a reason of its own, and is not listed once more among the soft exceptions.
    let soft = exceptions.iter().filter(|of| !of.is_waived() && !undecided.contains(&of.evidence.message));
    let soft: Vec<&str> = soft.map(|exception| &*exception.kind.name).collect();
    let of = |policy| move |reason| Hold { policy, reason };
    let mut holds: Vec<Hold> = undecided.into_iter().map(of(HoldPolicy::Undetermined)).collect();
    let Some(price) = price else {
        if objections.is_empty() {
            let why = format!("note rate {} gives no price", loan.number(Field::NoteRate).written);
            objections.push(match holds.as_slice() {
                [] => of(HoldPolicy::NotPriced)(format!("{COULD_NOT_BE_PRICED}{why}")),
                _ => Hold::not_priced(&why),
            });
        }
        holds.append(&mut objections);
        return holds;
    };
    let (spread, final_price) = (price.pricing_spread.decimal(), price.final_price.decimal());
    let below = |what: &str, actual: Decimal, minimum: Decimal| {
        format!("{what} {} is below the minimum {}", actual.with_min_decimals(4), minimum.with_min_decimals(4))
    };
    if let Some(minimum) = projection.minimum_spread.filter(|minimum| spread < *minimum) {
        holds.push(of(HoldPolicy::MinimumSpread)(below("pricing spread", spread, minimum)));
    }
    if let Some(minimum) = projection.minimum_price.filter(|minimum| final_price < *minimum) {
        holds.push(of(HoldPolicy::MinimumPrice)(below("price", final_price, minimum)));
    }
    if projection.hold_on_soft_exceptions && !soft.is_empty() {
        holds.push(of(HoldPolicy::HoldOnSoftExceptions)(format!("soft exceptions: {}", soft.join(", "))));
    }
    holds.append(&mut objections);
    holds
}

/// All reasons to hold back a loan, as one text; `None` when there is no reason.
fn reason_to_wait(holds: &[Hold]) -> Option<String> {
    match holds {
        [] => None,
        [Hold { reason, .. }] if reason.starts_with(COULD_NOT_BE_PRICED) => Some(reason.clone()),
        holds => {
            let reasons: Vec<&str> = holds.iter().map(|hold| hold.reason.as_str()).collect();
            Some(format!("Held back: {}", reasons.join("; ")))
        }
    }
}
