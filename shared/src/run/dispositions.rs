//! The decisions of a run in totals, as the run shows them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{decimal::ExactSum, phases::disposition::Disposition, results::summary::SummaryBuilder};

/// Number and balance of the loans of each disposition.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunDispositions {
    to_purchase: DispositionTotal,
    projected: DispositionTotal,
    rejected: DispositionTotal,
}

/// Number and balance of loans.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DispositionTotal {
    /// Number of loans.
    #[schema(example = 1)]
    count: u64,
    /// Sum of their loan amounts that could be read, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    balance: ExactSum,
}

impl RunDispositions {
    /// The totals of a summary.
    pub fn of(summary: &SummaryBuilder) -> Self {
        let of = |disposition| DispositionTotal { count: summary.count(disposition), balance: summary.balance(disposition) };
        Self {
            to_purchase: of(Disposition::ToPurchase),
            projected: of(Disposition::Projected),
            rejected: of(Disposition::Rejected),
        }
    }
}
