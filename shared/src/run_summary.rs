//! The summary object of a run. It is the same in the API, on the command line and in the store.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    decimal::ExactSum,
    history::SeenBefore,
    results::summary::{DispositionSummary, Dispositions, EligibilityChecks, ProgramSummary, Strat, Summary},
    run::RunStatus,
};

/// What a run found, in totals.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub struct RunSummary<'s> {
    /// Id of the run.
    run_id: Uuid,
    /// Status of the run.
    status: RunStatus,
    /// Number of loans.
    #[schema(example = 2)]
    total_loans: u64,
    /// Sum of all loan amounts that could be read, in dollars, exact.
    #[schema(value_type = f64, example = 500_000)]
    total_balance: &'s ExactSum,
    /// Number of exceptions, hard and soft.
    #[schema(example = 3)]
    exceptions_count: u64,
    /// Number of loans by outcome, and of exceptions by kind.
    #[schema(value_type = EligibilityChecks)]
    eligibility_checks: &'s EligibilityChecks,
    /// Totals of each disposition: `to_purchase`, `projected` and `rejected`.
    #[schema(value_type = BTreeMap<String, DispositionSummary>, example = json!({
        "to_purchase": {
            "count": 1, "balance": 250_000, "wac": 6.5, "wa_ltv": 80, "wa_dti": 35, "wa_credit_score": 720, "wa_price": 96.125,
            "wa_wal": null, "wa_duration": null,
            "dollars_to_pay": 240_312.5
        },
        "projected": {
            "count": 0, "balance": 0, "wac": null, "wa_ltv": null, "wa_dti": null, "wa_credit_score": null, "wa_price": null,
            "wa_wal": null, "wa_duration": null,
            "dollars_to_pay": null
        },
        "rejected": {
            "count": 1, "balance": 250_000, "wac": 6.5, "wa_ltv": 97.8, "wa_dti": 35, "wa_credit_score": 580, "wa_price": null,
            "wa_wal": null, "wa_duration": null,
            "dollars_to_pay": null
        }
    }))]
    dispositions: &'s Dispositions,
    /// Strats: the loans grouped by one field after the other.
    #[schema(value_type = Vec<Strat>)]
    strats: &'s [Strat],
    /// The programs of the rule set, in order. Absent for a rule set without programs.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<ProgramSummary>, required = false)]
    programs: &'s [ProgramSummary],
    /// What earlier runs say about the loans. Null: the run was not asked to check the history (`check_history`), or has not completed.
    #[schema(required, value_type = Option<SeenBefore>)]
    seen_before: Option<SeenBefore>,
}

impl<'s> RunSummary<'s> {
    /// A run's summary: that of an empty builder, when the run has found nothing.
    pub fn new(run_id: Uuid, status: RunStatus, summary: &'s Summary) -> Self {
        Self {
            run_id,
            status,
            total_loans: summary.total_loans,
            total_balance: &summary.total_balance,
            exceptions_count: summary.exceptions_count,
            eligibility_checks: &summary.eligibility_checks,
            dispositions: &summary.dispositions,
            strats: &summary.strats,
            programs: &summary.programs,
            seen_before: None,
        }
    }

    /// Adds what earlier runs say about the loans.
    #[must_use]
    pub fn with_history(self, seen_before: Option<&SeenBefore>) -> Self {
        Self { seen_before: seen_before.copied(), ..self }
    }
}
