//! The objects that are stored as they are shown, for the OpenAPI document.
//!
//! Their JSON is written where they come into being, with numbers of more digits than any number type of a JSON library has,
//! and goes to clients as it is. A test holds what is written here against real answers.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::run::RunStatus;

/// One execution of the pipeline.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunObject {
    /// The id, once more.
    pub id: Uuid,
    /// The id.
    pub run_id: Uuid,
    /// How it stands.
    pub status: RunStatus,
    /// The team whose run it is.
    pub sales_team_id: Option<Uuid>,
    /// How many loans it has.
    pub total_loans: u64,
    /// The exact sum of the readable loan amounts.
    pub total_balance: f64,
    /// How many exceptions there are.
    pub exceptions_count: u64,
    /// The day of the week, in UTC, of its creation: 0 for Monday.
    pub run_weekday: u8,
    /// The same as a word.
    pub run_weekday_name: String,
    /// The purchase date.
    #[schema(value_type = String, format = Date)]
    pub pdate: Date,
    /// The IRR target in percent.
    pub irr_target: f64,
    /// The last phase that has finished.
    pub last_phase: Option<String>,
    /// The folder of its output files; none of a dry run.
    pub output_dir: Option<String>,
    /// Why it failed.
    pub error: Option<RunErrorObject>,
    /// How far it is.
    pub progress: Option<ProgressObject>,
    /// The user who asked for it; nobody, when a tape that came in did.
    pub created_by: Option<Uuid>,
    /// When a worker began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The rules that apply.
    pub rule_set: RuleSetName,
    /// How each tape was read: its columns and units.
    pub column_mapping: Vec<MappingObject>,
}

/// Why a run failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunError)]
pub struct RunErrorObject {
    /// The phase that failed.
    pub phase: String,
    /// The stable code.
    pub code: String,
    /// What is wrong, and how to mend it.
    pub message: String,
    /// The tape that it is about.
    #[schema(required = false)]
    pub source_file: String,
    /// The line that it is about.
    #[schema(required = false)]
    pub line: u64,
}

/// How far a run is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub struct ProgressObject {
    /// Loans that have been read.
    pub loans: u64,
    /// Bytes of the tapes that have been read.
    pub bytes: u64,
    /// How many bytes the tapes have.
    pub total_bytes: u64,
}

/// What a run records of its rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleSetName {
    /// The name that the rule set gives itself.
    pub name: String,
    /// The version that it gives itself.
    pub version: String,
    /// The SHA-256 of all that it decides.
    pub hash: String,
}

/// How a tape was read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TapeMapping)]
pub struct MappingObject {
    /// The tape.
    pub source_file: String,
    /// `csv` or `xlsx`.
    pub format: String,
    /// The delimiter, of a CSV tape.
    #[schema(required = false)]
    pub delimiter: String,
    /// The encoding, of a CSV tape.
    #[schema(required = false)]
    pub encoding: String,
    /// The worksheet, of a workbook.
    #[schema(required = false)]
    pub sheet: String,
    /// The line, or the sheet row, of the header.
    pub header_line: u64,
    /// The columns.
    pub columns: Vec<ColumnObject>,
}

/// A column of a tape and what it was taken for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TapeColumn)]
pub struct ColumnObject {
    /// The header as it is written.
    pub header: String,
    /// The canonical column; absent for a column that is only kept.
    #[schema(required = false)]
    pub field: String,
    /// The name under which its cells appear in loans.
    pub name: String,
    /// What its numbers mean, for a column of percentages.
    #[schema(required = false)]
    pub unit: String,
}

/// What a run found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub struct SummaryObject {
    /// The run.
    pub run_id: Uuid,
    /// How it stands.
    pub status: RunStatus,
    /// How many loans it has.
    pub total_loans: u64,
    /// The exact sum of the readable loan amounts.
    pub total_balance: f64,
    /// How many exceptions there are.
    pub exceptions_count: u64,
    /// Counts of loans and exceptions.
    pub eligibility_checks: ChecksObject,
    /// By disposition: `to_purchase`, `projected`, `rejected`.
    pub dispositions: BTreeMap<String, DispositionObject>,
    /// By value of one field after the other.
    pub strats: Vec<StratObject>,
}

/// Counts of loans and exceptions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EligibilityChecks)]
pub struct ChecksObject {
    /// All loans.
    pub total_loans: u64,
    /// Loans that no hard rule turned down.
    pub eligible: u64,
    /// Loans that are turned down.
    pub rejected: u64,
    /// Eligible loans that are held back.
    pub projected: u64,
    /// Exceptions by type.
    pub exceptions_by_type: BTreeMap<String, u64>,
    /// Exceptions by severity.
    pub exceptions_by_severity: BTreeMap<String, u64>,
    /// Exceptions by category.
    pub exceptions_by_category: BTreeMap<String, u64>,
}

/// The loans of one disposition. Averages are weighted by balance over present values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DispositionSummary)]
pub struct DispositionObject {
    /// How many loans.
    pub count: u64,
    /// Their balance.
    pub balance: f64,
    /// Average note rate, in percent.
    pub wac: Option<f64>,
    /// Average LTV, in percent.
    pub wa_ltv: Option<f64>,
    /// Average DTI, in percent.
    pub wa_dti: Option<f64>,
    /// Average credit score.
    pub wa_credit_score: Option<f64>,
    /// Average price, in percent of the balance.
    pub wa_price: Option<f64>,
    /// Dollars to pay for the loans of `to_purchase`: the exact sum of amount × price / 100, rounded half to even to whole cents;
    /// 0 when no loan is bought. `null` for `projected` and `rejected`, which nobody pays for.
    #[schema(example = 45_123_456.78)]
    pub dollars_to_pay: Option<f64>,
}

/// The loans cut into groups by one field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Strat)]
pub struct StratObject {
    /// The field.
    pub by: String,
    /// The groups: half-open ranges or words, then `missing`.
    pub buckets: Vec<BucketObject>,
}

/// One group of loans.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bucket)]
pub struct BucketObject {
    /// What they have in common.
    pub label: String,
    /// How many loans.
    pub count: u64,
    /// Their balance.
    pub balance: f64,
    /// Their part of the run's balance, 0 to 1.
    pub share: Option<f64>,
    /// Average note rate, in percent.
    pub wac: Option<f64>,
    /// Average LTV, in percent.
    pub wa_ltv: Option<f64>,
    /// Average DTI, in percent.
    pub wa_dti: Option<f64>,
    /// Average credit score.
    pub wa_credit_score: Option<f64>,
}

/// One loan with its disposition, and, besides what is named here, the columns of its tape that are only kept, as text. A number
/// that could not be read is shown as the text that stands in the tape.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Loan)]
pub struct LoanObject {
    /// The seller's number, `UNKNOWN` when it is missing.
    pub seller_loan_number: String,
    /// The amount.
    pub loan_amount: Option<f64>,
    /// The note rate, in percent.
    pub note_rate: Option<f64>,
    /// The loan-to-value ratio, in percent.
    pub ltv_ratio: Option<f64>,
    /// The debt-to-income ratio, in percent.
    pub dti_ratio: Option<f64>,
    /// The credit score.
    pub credit_score: Option<f64>,
    /// The type of the property.
    pub property_type: Option<String>,
    /// Who lives there.
    pub occupancy_status: Option<String>,
    /// What the loan is for.
    pub loan_purpose: Option<String>,
    /// The price of the property.
    pub purchase_price: Option<f64>,
    /// Its appraised value.
    pub appraisal_value: Option<f64>,
    /// `to_purchase`, `projected` or `rejected`.
    pub disposition: String,
    /// Why it is held back, of a projected loan.
    pub projection_reason: Option<String>,
    /// Note rate less target, in percent.
    pub pricing_spread: Option<f64>,
    /// The price, in percent of the balance.
    pub final_price: Option<f64>,
    /// The tape that it is from.
    pub source_file: String,
    /// The line, or the sheet row, on which it starts.
    pub line: u64,
}
