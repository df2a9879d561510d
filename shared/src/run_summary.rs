//! The summary object of a run. It is the same in the API, on the command line and in the store.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    decimal::ExactSum,
    engine::Outcome,
    history::SeenBefore,
    results::summary::{
        DispositionSummary, Dispositions, EligibilityChecks, PoolResult, PoolStatus, ProgramSummary, Reasons, Samples, Strat,
        Summary,
    },
    run::{Run, RunStatus},
    waivers::UnusedWaivers,
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
    /// Pool tests of the rule set, in order. Empty for a rule set without pool tests, and until the run is completed.
    #[schema(value_type = Vec<PoolResult>)]
    pool_tests: &'s [PoolResult],
    /// Result of all pool tests. Null: the rule set has none, or the run is not completed.
    #[schema(required, value_type = Option<PoolStatus>, example = "warn")]
    pool_status: Option<PoolStatus>,
    /// Waivers of the run that met no failure of a rule. Null: the run has no file of waivers, or is not completed.
    #[schema(required, value_type = Option<UnusedWaivers>)]
    unused_waivers: Option<&'s UnusedWaivers>,
    /// The first exceptions of each type and severity, most frequent type first. Null: an earlier version made the run, or the
    /// results of the run were removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, value_type = Option<Vec<Samples>>, example = json!([{
        "exception_type": "ltv_ratio", "severity": "hard",
        "exceptions": [{
            "row": 1, "line": 3, "source_file": "tape.csv", "seller_loan_number": "1002",
            "message": "LTV 97.80 % is above the maximum 97.00 % (by 0.80)"
        }]
    }]))]
    samples: Option<&'s [Samples]>,
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
            pool_tests: &summary.pool_tests,
            pool_status: PoolStatus::of(&summary.pool_tests),
            unused_waivers: summary.unused_waivers.as_ref(),
            samples: None,
            seen_before: None,
        }
    }

    /// Adds what earlier runs say about the loans.
    #[must_use]
    pub fn with_history(self, seen_before: Option<&SeenBefore>) -> Self {
        Self { seen_before: seen_before.copied(), ..self }
    }

    /// The summary with its samples. Without them it is the summary as the record of the run keeps it: samples are among the results.
    pub fn with_samples(self, samples: &'s [Samples]) -> Self {
        Self { samples: Some(samples), ..self }
    }
}

/// A completed run with all that it found, as `summary.json` in the folder of the results has it.
#[derive(Debug, Serialize)]
pub struct RunAnswer<'r> {
    pub run: &'r Run,
    /// `None` for a run that failed.
    pub summary: Option<RunSummary<'r>>,
    /// `None` for a run that failed.
    pub reasons: Option<&'r Reasons>,
}

/// Reasons and samples of a run, as they are stored among its results.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunFindings {
    pub reasons: Box<RawValue>,
    pub samples: Box<RawValue>,
}

impl RunFindings {
    /// What a run found.
    ///
    /// # Errors
    /// [`serde_json::Error`] when a value cannot be serialised.
    pub fn of(outcome: &Outcome) -> Result<Self, serde_json::Error> {
        Ok(Self { reasons: to_raw_value(&outcome.summary.reasons())?, samples: to_raw_value(&outcome.samples())? })
    }
}
