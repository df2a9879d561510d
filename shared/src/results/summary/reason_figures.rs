//! Reasons and samples, as the API and the command line show them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    decimal::{Decimal, ExactSum},
    phases::disposition::HoldPolicy,
    rules::{Severity, distance::DistanceUnit},
};

/// Why a run rejects and holds loans, with the balances of these loans.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Reasons {
    /// Exceptions by program, type and severity, largest balance first, then by type.
    pub reasons: Vec<Reason>,
    /// Policies that hold loans back, largest balance first. A loan that several policies hold back counts under each of them.
    pub held: Vec<Held>,
    /// Pairs of types of the rejected loans that have hard exceptions of exactly two types: the ten pairs with the largest balance.
    pub pairs: Vec<Pair>,
}

/// The exceptions of one program, type and severity.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Reason {
    /// Program whose rule the loans fail. Null: the exceptions are failures of validation, or the rule set has no programs.
    #[schema(required, example = json!(null))]
    pub program: Option<String>,
    /// Type of the exceptions.
    #[schema(example = "ltv_ratio")]
    pub exception_type: String,
    pub severity: Severity,
    /// Category of the type.
    #[schema(example = "credit")]
    pub category: String,
    /// Number of exceptions.
    #[schema(example = 1)]
    pub exceptions: u64,
    /// Number of loans with one or more of them.
    #[schema(example = 1)]
    pub loans: u64,
    /// Sum of the loan amounts of these loans, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
    /// Rejected loans whose hard exceptions (of this program) are all of this type. 0 for soft exceptions.
    pub only_reason: OnlyReason,
    /// Unit of `up_to`. Null: `by_distance` is empty.
    #[schema(required, example = "points")]
    pub distance_unit: Option<DistanceUnit>,
    /// The loans of `only_reason` whose largest excess is at most `up_to`, cumulative. Loans with an exception without an excess,
    /// such as a missing value, are in no step. Empty when the field of the type has no steps, such as a word or a ratio.
    #[schema(example = json!([{"up_to": 0.5, "loans": 0, "balance": 0}, {"up_to": 1, "loans": 1, "balance": 250_000}]))]
    pub by_distance: Vec<Step>,
}

/// Loans that are rejected for one reason alone.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OnlyReason {
    /// Number of loans.
    #[schema(example = 1)]
    pub loans: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
}

/// Loans that miss a limit by at most a distance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Step {
    /// Largest excess over the limit, in `distance_unit`.
    #[schema(value_type = f64, example = 0.5)]
    pub up_to: Decimal,
    /// Number of loans, including those of all smaller steps.
    #[schema(example = 1)]
    pub loans: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
}

/// Loans that a policy holds back.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Held {
    pub policy: HoldPolicy,
    /// Reason of the first of these loans in tape order.
    #[schema(example = "price 92.1000 is below the minimum 95.0000")]
    pub reason: String,
    /// Number of loans.
    #[schema(example = 1)]
    pub loans: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
}

/// Rejected loans that have hard exceptions of exactly two types.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Pair {
    /// The two types, in alphabetical order.
    #[schema(value_type = Vec<String>, min_items = 2, max_items = 2, example = json!(["credit_score", "ltv_ratio"]))]
    pub types: [String; 2],
    /// Number of loans.
    #[schema(example = 1)]
    pub loans: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
}

/// The first exceptions of one type and severity.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ExceptionSamples)]
pub struct Samples {
    /// Type of the exceptions.
    #[schema(example = "ltv_ratio")]
    pub exception_type: String,
    pub severity: Severity,
    /// The first three exceptions, in tape order.
    pub exceptions: Vec<Sample>,
}

/// An exception as a sample of its type.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ExceptionSample)]
pub struct Sample {
    /// Place of the loan among the loans of the run, from 0.
    #[schema(example = 1)]
    pub row: u64,
    /// Line of the loan in its tape.
    #[schema(example = 3)]
    pub line: u64,
    /// Name of the tape.
    #[schema(example = "tape.csv")]
    pub source_file: String,
    /// Seller's number of the loan; `UNKNOWN` when it is missing.
    #[schema(example = "1002")]
    pub seller_loan_number: String,
    /// Explanation for the seller, cut at 300 characters.
    #[schema(example = "LTV 97.80 % is above the maximum 97.00 % (by 0.80)")]
    pub message: String,
}
