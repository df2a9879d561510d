//! The finished summary, as the API and the command line show it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    decimal::{ExactSum, Ratio},
    rules::{ExceptionKind, Severity},
};

use crate::waivers::UnusedWaivers;

use super::{groups::Group, pools::PoolResult};

pub(super) fn averages(group: &Group) -> Averages {
    let [wac, wa_ltv, wa_dti, wa_credit_score] = [0, 1, 2, 3].map(|at| group.average(at));
    Averages { count: group.count, balance: group.balance(), wac, wa_ltv, wa_dti, wa_credit_score }
}

/// The bucket with a label and a filter.
pub(super) fn bucket((label, filter): (String, String), group: &Group, total_balance: &ExactSum) -> Bucket {
    let totals = averages(group);
    let share = totals.balance.ratio(total_balance, 4);
    let Averages { count, balance, wac, wa_ltv, wa_dti, wa_credit_score } = totals;
    Bucket { label, filter, count, balance, share, wac, wa_ltv, wa_dti, wa_credit_score }
}

/// The finished summary of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub total_loans: u64,
    /// The exact sum of the readable loan amounts, in dollars.
    pub total_balance: ExactSum,
    pub exceptions_count: u64,
    pub eligibility_checks: EligibilityChecks,
    /// Totals of the loans of each disposition.
    pub dispositions: Dispositions,
    /// Totals of the loans of each group, for one field after the other.
    pub strats: Vec<Strat>,
    /// The programs of the rule set, in order; empty for a rule set without programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramSummary>,
    /// The pool tests of the rule set, in order; empty for a rule set without one.
    pub pool_tests: Vec<PoolResult>,
    /// Waivers that met no failure of a rule; `None` for a run without a file of waivers.
    pub unused_waivers: Option<UnusedWaivers>,
    /// Kinds of exceptions, most frequent first.
    #[serde(skip)]
    pub exceptions: Vec<ExceptionFinding>,
}

/// Number of loans by outcome, and of exceptions by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EligibilityChecks {
    /// Number of loans.
    #[schema(example = 2)]
    pub total_loans: u64,
    /// Number of loans without a hard exception.
    #[schema(example = 1)]
    pub eligible: u64,
    /// Number of loans with a hard exception.
    #[schema(example = 1)]
    pub rejected: u64,
    /// Number of eligible loans that are not bought now.
    #[schema(example = 0)]
    pub projected: u64,
    /// Number of exceptions that a waiver waives. The counts by type, severity and category leave them out.
    #[schema(example = 0)]
    pub waived: u64,
    /// Number of exceptions of each type.
    #[schema(example = json!({"credit_score": 1, "ltv_ratio": 1, "missing_appraisal": 1}))]
    pub exceptions_by_type: BTreeMap<String, u64>,
    /// Number of exceptions of each severity.
    #[schema(example = json!({"hard": 2, "soft": 1}))]
    pub exceptions_by_severity: BTreeMap<String, u64>,
    /// Number of exceptions of each category.
    #[schema(example = json!({"credit": 2, "data_quality": 1}))]
    pub exceptions_by_category: BTreeMap<String, u64>,
}

/// Totals of a group of loans. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Averages {
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
    /// Average note rate, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 6.5)]
    pub wac: Option<Ratio>,
    /// Average LTV, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 80)]
    pub wa_ltv: Option<Ratio>,
    /// Average DTI, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 35)]
    pub wa_dti: Option<Ratio>,
    /// Average credit score. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 720)]
    pub wa_credit_score: Option<Ratio>,
}

/// The loans of each disposition.
#[derive(Debug, Clone, Serialize)]
pub struct Dispositions {
    pub to_purchase: DispositionSummary,
    /// Eligible loans that are held for later.
    pub projected: DispositionSummary,
    pub rejected: DispositionSummary,
}

/// Totals of one disposition. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DispositionSummary {
    #[serde(flatten)]
    #[schema(inline)]
    pub totals: Averages,
    /// Average price, in percent of the balance. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 96.125)]
    pub wa_price: Option<Ratio>,
    /// Average weighted average life (WAL), in years. Null: no loan has a price by its cash flows.
    #[schema(required, value_type = Option<f64>, example = json!(null))]
    pub wa_wal: Option<Ratio>,
    /// Average modified duration, in years. Null: no loan has a price by its cash flows.
    #[schema(required, value_type = Option<f64>, example = json!(null))]
    pub wa_duration: Option<Ratio>,
    /// Dollars to pay for the loans of `to_purchase`: the exact sum of amount × price / 100, rounded half to even to whole cents;
    /// 0 when no loan is bought. Null for `projected` and `rejected`: the buyer pays nothing for these loans.
    #[schema(required, value_type = Option<f64>, example = 240_312.5)]
    pub dollars_to_pay: Option<Ratio>,
}

/// One program of a rule set.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProgramSummary {
    /// Name of the program.
    #[schema(example = "agency")]
    pub name: String,
    /// Number of loans that the program does not reject.
    #[schema(example = 1)]
    pub eligible: u64,
    /// The loans for which the program is the best.
    pub best: BestLoans,
    /// For each type of exception, the number of loans that the program rejects for this type alone.
    #[schema(example = json!({"ltv_ratio": 1}))]
    pub rejected_only_by: BTreeMap<String, u64>,
}

/// The loans for which a program is the best.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BestLoans {
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
    /// Average price weighted by balance, in percent of the balance, rounded to 4 decimals. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 96.125)]
    pub wa_price: Option<Ratio>,
}

/// The loans of a run grouped by one field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Strat {
    /// Field that the loans are grouped by: `ltv_ratio`, `credit_score`, `note_rate`, `loan_amount`, `property_type`,
    /// `occupancy_status`, `loan_purpose` or `final_price`.
    #[schema(example = "ltv_ratio")]
    pub by: &'static str,
    /// Groups in order. They hold every loan once; `missing` holds the loans without the value. The groups by `final_price` hold
    /// the bought and the projected loans, are one point wide, and are left out when they have no loans.
    pub buckets: Vec<Bucket>,
}

/// One group of loans. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Bucket {
    /// Range or word that the loans of the group share. A range includes its lower bound, not its upper one.
    #[schema(example = "80 to <85")]
    pub label: String,
    /// Query parameter that makes `GET /api/loans` list exactly these loans.
    #[schema(example = "ltv_ratio=80..<85")]
    pub filter: String,
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
    /// Share of the balance of the run, from 0 to 1. Null: the run has no balance.
    #[schema(required, value_type = Option<f64>, example = 0.5)]
    pub share: Option<Ratio>,
    /// Average note rate, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 6.5)]
    pub wac: Option<Ratio>,
    /// Average LTV, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 80)]
    pub wa_ltv: Option<Ratio>,
    /// Average DTI, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 35)]
    pub wa_dti: Option<Ratio>,
    /// Average credit score. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 720)]
    pub wa_credit_score: Option<Ratio>,
}

/// How often one kind of exception was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionFinding {
    pub kind: ExceptionKind,
    /// Severity in this run.
    pub severity: Severity,
    /// Number of exceptions.
    pub count: u64,
    /// Number of loans with one or more of them.
    pub loans: u64,
    /// Message of the first exception in tape order.
    pub sample_message: String,
}
