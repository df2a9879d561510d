//! Which exceptions are wanted, and how one is shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    facts::read::{ExceptionFilter, ExceptionRow},
    results::workbook::EXCEPTION_COLUMNS,
    rules::Severity,
    stores::runs::StoredRun,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which exceptions are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExceptionQuery {
    /// The run; all of them without it.
    pub run_id: Option<Uuid>,
    /// What was failed.
    exception_type: Option<String>,
    /// Whether it turns a loan down.
    severity: Option<SeverityWord>,
    /// The group that reports sort it into.
    exception_category: Option<String>,
    /// The criterion that rejects.
    rejection_criteria: Option<String>,
    /// The seller's number of the loan, to the letter.
    seller_loan_number: Option<String>,
}

/// A severity, as it is asked for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[schema(as = Severity)]
#[serde(rename_all = "snake_case")]
pub enum SeverityWord {
    /// Turns a loan down.
    Hard,
    /// Is noted alone.
    Soft,
}

impl ExceptionQuery {
    /// What is asked for of a run's exceptions.
    pub fn filter(self) -> ExceptionFilter {
        let severity = self.severity.map(|word| match word {
            SeverityWord::Hard => Severity::Hard,
            SeverityWord::Soft => Severity::Soft,
        });
        ExceptionFilter {
            exception_type: self.exception_type,
            severity,
            exception_category: self.exception_category,
            rejection_criteria: self.rejection_criteria,
            seller_loan_number: self.seller_loan_number,
        }
    }
}

/// A rule that a loan failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Exception)]
pub struct ExceptionObject<'r> {
    /// The id: the run, and the place among its exceptions.
    pub id: String,
    /// The run.
    pub run_id: Uuid,
    /// The seller's number of the loan, `UNKNOWN` when it is missing.
    pub seller_loan_number: &'r str,
    /// What was failed.
    pub exception_type: &'r str,
    /// The group that reports sort it into.
    pub exception_category: &'r str,
    /// Whether it turns the loan down.
    #[schema(value_type = SeverityWord)]
    pub severity: Severity,
    /// One sentence for the seller.
    pub message: &'r str,
    /// The stable name of the criterion that rejects.
    pub rejection_criteria: &'r str,
    /// The canonical field, or several with commas between them.
    pub field: &'r str,
    /// What the loan has.
    pub actual: &'r str,
    /// What a good loan has.
    pub limit: &'r str,
    /// How far the value is from passing, in the unit of the field.
    #[schema(value_type = Option<f64>)]
    pub excess: Option<shared::decimal::Decimal>,
    /// The tape that the loan is from.
    pub source_file: &'r str,
    /// The line, or the sheet row, on which it starts.
    pub line: u64,
    /// When the run was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl<'r> ExceptionObject<'r> {
    /// The columns of an export: the members, in order.
    pub const COLUMNS: [&'static str; EXCEPTION_COLUMNS.len()] = EXCEPTION_COLUMNS;

    /// An exception of a run.
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
            limit: &row.limit,
            excess: row.excess,
            source_file: &row.source_file,
            line: row.line,
            created_at: run.created_at,
        }
    }
}
