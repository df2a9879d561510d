//! The filter for exceptions, and an exception as the API shows it.

use api::{problem::ApiError, read_fields};
use jiff::Timestamp;
use serde::Serialize;
use shared::{
    clock::moment,
    facts::read::{ExceptionFilter, ExceptionRow},
    questions::lists::filter::LoanFilter,
    results::workbook::EXCEPTION_COLUMNS,
    rules::Severity,
};
use stores::runs::StoredRun;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::loan_query::{LoanFields, LoanMatch};

/// Which exceptions are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExceptionQuery {
    /// Only exceptions of this run. Without it: of all runs that the user may see.
    pub run_id: Option<Uuid>,
    /// Only exceptions of this type.
    #[param(min_length = 1, example = "ltv_ratio")]
    exception_type: Option<String>,
    /// Only exceptions of this severity.
    severity: Option<Severity>,
    /// Only exceptions of this category.
    #[param(min_length = 1, example = "credit")]
    exception_category: Option<String>,
    /// Only exceptions with this criterion.
    #[param(min_length = 1, example = "notebook.ltv_exceeds_maximum")]
    rejection_criteria: Option<String>,
    /// Only exceptions of the loan with exactly this number.
    #[param(min_length = 1, example = "L-2")]
    seller_loan_number: Option<String>,
    /// Only exceptions that are waived (`true`) or that are not (`false`). It needs `run_id`.
    #[param(example = false)]
    pub waived: Option<bool>,
}

read_fields!(ExceptionQuery {
    run_id: optional,
    exception_type: optional,
    severity: optional,
    exception_category: optional,
    rejection_criteria: optional,
    seller_loan_number: optional,
    waived: optional,
});

impl ExceptionQuery {
    /// The filter for the loans of the run. Type and severity belong to it where it filters by one exception of a loan, which then has
    /// them, too.
    ///
    /// # Errors
    /// Those of [`LoanFields::filter`].
    pub fn loans(&self, loans: LoanFields) -> Result<LoanFilter, ApiError> {
        let mut filter = loans.filter(LoanMatch::of_exceptions(self.exception_type.clone(), self.severity))?;
        let one = &mut filter.exceptions;
        if one.category.is_none() && one.program.is_none() && one.excess.is_none() {
            (one.exception_type, one.severity) = (None, None);
        }
        Ok(filter)
    }

    /// The filter for the exceptions of each run.
    pub fn filter(self) -> ExceptionFilter {
        ExceptionFilter {
            exception_type: self.exception_type,
            severity: self.severity,
            exception_category: self.exception_category,
            rejection_criteria: self.rejection_criteria,
            seller_loan_number: self.seller_loan_number,
        }
    }
}

/// An exception: a rule that a loan failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Exception)]
pub struct ExceptionObject<'r> {
    /// Id of the exception: the id of the run and the number of the exception in it.
    #[schema(example = "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90-0")]
    pub id: String,
    /// Id of the run.
    pub run_id: Uuid,
    /// Seller's loan number. `UNKNOWN` where the cell is empty.
    #[schema(example = "L-2")]
    pub seller_loan_number: &'r str,
    /// Type of the exception: the rule that the loan failed.
    #[schema(example = "ltv_ratio")]
    pub exception_type: &'r str,
    /// Category of the exception, by which reports group it.
    #[schema(example = "credit")]
    pub exception_category: &'r str,
    /// Severity of the exception: `hard` rejects the loan.
    pub severity: Severity,
    /// What is wrong with the loan, for people.
    #[schema(example = "LTV 97.80 % is above the maximum 97.00 % (by 0.80)")]
    pub message: &'r str,
    /// Stable name of the criterion.
    #[schema(example = "notebook.ltv_exceeds_maximum")]
    pub rejection_criteria: &'r str,
    /// Canonical field that the rule reads, or several, separated by commas.
    #[schema(example = "ltv_ratio")]
    pub field: &'r str,
    /// Value of the loan, as text.
    #[schema(example = "97.8")]
    pub actual: &'r str,
    /// Condition that a good loan meets, as text. Null: a missing value leaves the rule undecided, so that no condition is violated.
    #[schema(required, example = "<= 97.0")]
    pub limit: Option<&'r str>,
    /// Distance of the value from passing, in the unit of the field. Null: the exception is not about a number.
    #[schema(required, value_type = Option<f64>, example = 0.8)]
    pub excess: Option<shared::decimal::Decimal>,
    /// Program whose rule the loan failed. Null: the loan failed a validation. Absent: the rule set of the run has no programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>, example = "agency")]
    pub program: Option<Option<&'r str>>,
    /// Name of the tape that holds the loan.
    #[schema(example = "february.csv")]
    pub source_file: &'r str,
    /// Line of the tape, or row of the sheet, on which the loan starts, counted from 1.
    #[schema(example = 3)]
    pub line: u64,
    /// Place of the loan in its run, counted from 0: the same in the lists of loans and of exceptions.
    #[schema(example = 1)]
    pub row: u64,
    /// When the run was created.
    #[serde(serialize_with = "moment::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl<'r> ExceptionObject<'r> {
    /// The columns of an export: the fields of an exception, in order.
    pub const COLUMNS: [&'static str; EXCEPTION_COLUMNS.len()] = EXCEPTION_COLUMNS;

    /// The exception of a run from its stored row.
    pub fn new(run: &StoredRun, row: &'r ExceptionRow) -> Self {
        Self {
            id: format!("{}-{}", run.run_id, row.ordinal),
            run_id: run.run_id,
            seller_loan_number: &row.seller_loan_number,
            exception_type: &row.exception_type,
            exception_category: &row.exception_category,
            severity: row.severity,
            message: &row.message,
            rejection_criteria: &row.rejection_criteria,
            field: &row.field,
            actual: &row.actual,
            limit: row.limit.as_deref(),
            excess: row.excess,
            program: row.program.as_ref().map(Option::as_deref),
            source_file: &row.source_file,
            line: row.line,
            row: row.row,
            created_at: run.created_at,
        }
    }
}
