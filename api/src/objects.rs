//! The objects that are stored as they are shown, for the OpenAPI document.
//!
//! Their JSON is written where they come into being, with numbers of more digits than any number type of a JSON library has,
//! and goes to clients as it is. A test holds what is written here against real answers.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use shared::{
    run::RunStatus,
    tape::objects::{MappingObject, NoticeObject, RunErrorObject},
};
use utoipa::ToSchema;
use uuid::Uuid;

/// One execution of the pipeline on one or more tapes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunObject {
    /// Id of the run. The same as `run_id`.
    pub id: Uuid,
    /// Id of the run. The same as `id`.
    pub run_id: Uuid,
    /// Status of the run.
    pub status: RunStatus,
    /// Sales team that owns the run. Null: the run belongs to no team, so members of sales teams cannot see it.
    #[schema(required)]
    pub sales_team_id: Option<Uuid>,
    /// Number of loans in the tapes. 0 until the run is completed.
    #[schema(example = 2)]
    pub total_loans: u64,
    /// Sum of all loan amounts that could be read, in dollars, exact. 0 until the run is completed.
    #[schema(example = 500_000)]
    pub total_balance: f64,
    /// Number of exceptions, hard and soft. 0 until the run is completed.
    #[schema(example = 3)]
    pub exceptions_count: u64,
    /// Weekday, in UTC, on which the run was created: 0 is Monday, 6 is Sunday.
    #[schema(maximum = 6, example = 0)]
    pub run_weekday: u8,
    /// Name of that weekday.
    #[schema(example = "Monday")]
    pub run_weekday_name: String,
    /// Purchase date. It is recorded with the run and does not change a price.
    #[schema(value_type = String, format = Date)]
    pub pdate: Date,
    /// IRR target, in percent. The spread of a loan is its note rate less this target.
    #[schema(example = 8.05)]
    pub irr_target: f64,
    /// Last phase that finished: `ingest`, `validate`, `eligibility`, `pricing`, `disposition`, `output` or `archive`. Null: none
    /// has finished yet.
    #[schema(required, example = "archive")]
    pub last_phase: Option<String>,
    /// Folder of the output files. Null: the run is a dry run and writes none.
    #[schema(required, example = "outputs/6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90")]
    pub output_dir: Option<String>,
    /// Why the run failed. Null: the run has not failed.
    #[schema(required)]
    pub error: Option<RunErrorObject>,
    /// How far the worker is. Null: no worker has reported yet.
    #[schema(required)]
    pub progress: Option<ProgressObject>,
    /// User who started the run. Null: a tape that arrived in a folder `incoming` started it.
    #[schema(required)]
    pub created_by: Option<Uuid>,
    /// When a worker began the run. Null: the run is pending.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When the run ended. Null: the run is pending or running.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    /// When the run was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Rule set that judges the loans.
    pub rule_set: RuleSetName,
    /// Profile that the tapes were read with. Null: none was given.
    #[schema(required)]
    pub profile: Option<ProfileName>,
    /// Number of rows below the headers that are no loans, such as totals and headers that stand there again. `notices` names them. 0
    /// until the run is completed.
    #[schema(example = 1)]
    pub ignored_rows: u64,
    /// Number of rows that the profile leaves out, because another row tells of the same loan. 0 until the run is completed.
    #[schema(example = 0)]
    pub superseded_rows: u64,
    /// Number of notices of each code. Empty until the run is completed.
    #[schema(example = json!({"not_a_loan": 1}))]
    pub notice_counts: BTreeMap<String, u64>,
    /// How each tape was read: its header, columns and units. Empty until the run has ended. Null: the run is one of a list, or its
    /// results were removed; read the run itself.
    #[schema(required)]
    pub column_mapping: Option<Vec<MappingObject>>,
    /// What happened to the tapes that is no fault of a loan: of each tape and code the first 200 notices, in the order of the tape, and at
    /// most 1,000 in all. `notice_counts` counts all of them. Empty until the run has ended. Null: the run is one of a list, or its
    /// results were removed; read the run itself.
    #[schema(required)]
    pub notices: Option<Vec<NoticeObject>>,
}

/// How far a run is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub struct ProgressObject {
    /// Number of loans read so far.
    #[schema(example = 2)]
    pub loans: u64,
    /// Number of bytes read so far, over all tapes.
    #[schema(example = 270)]
    pub bytes: u64,
    /// Number of bytes in all tapes.
    #[schema(example = 270)]
    pub total_bytes: u64,
}

/// Which rule set a run used.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleSetName {
    /// Name in the rule set, or else the name of its file.
    #[schema(example = "built-in")]
    pub name: String,
    /// Version in the rule set, or else `unversioned`.
    #[schema(example = "1")]
    pub version: String,
    /// SHA-256 of everything the rule set decides, in lower-case hexadecimal, whatever its name and however it is written. Equal
    /// hashes mean equal rules.
    #[schema(example = "1e2809335995aebe54788a07a2ee783fbee1c602dcafafa97381243fad4cd697")]
    pub hash: String,
}

/// Which profile the tapes of a run were read with.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileName {
    /// Name in the profile, or else the name of its file or preset.
    #[schema(example = "acme")]
    pub name: String,
    /// Version in the profile, or else `unversioned`.
    #[schema(example = "2026-11")]
    pub version: String,
    /// SHA-256 of the profile, in lower-case hexadecimal.
    #[schema(example = "5c9f2b7e0d6a4f1388b1c2e94a7d3f60b5e8172c9d0a6f4e3b7c8d1205f9a6e4")]
    pub hash: String,
}

/// What a run found, in totals.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub struct SummaryObject {
    /// Id of the run.
    pub run_id: Uuid,
    /// Status of the run.
    pub status: RunStatus,
    /// Number of loans.
    #[schema(example = 2)]
    pub total_loans: u64,
    /// Sum of all loan amounts that could be read, in dollars, exact.
    #[schema(example = 500_000)]
    pub total_balance: f64,
    /// Number of exceptions, hard and soft.
    #[schema(example = 3)]
    pub exceptions_count: u64,
    /// Number of loans by outcome, and of exceptions by kind.
    pub eligibility_checks: ChecksObject,
    /// Totals of each disposition: `to_purchase`, `projected` and `rejected`.
    #[schema(example = json!({
        "to_purchase": {
            "count": 1, "balance": 250_000, "wac": 6.5, "wa_ltv": 80, "wa_dti": 35, "wa_credit_score": 720, "wa_price": 96.125,
            "dollars_to_pay": 240_312.5
        },
        "projected": {
            "count": 0, "balance": 0, "wac": null, "wa_ltv": null, "wa_dti": null, "wa_credit_score": null, "wa_price": null,
            "dollars_to_pay": null
        },
        "rejected": {
            "count": 1, "balance": 250_000, "wac": 6.5, "wa_ltv": 97.8, "wa_dti": 35, "wa_credit_score": 580, "wa_price": null,
            "dollars_to_pay": null
        }
    }))]
    pub dispositions: BTreeMap<String, DispositionObject>,
    /// Strats: the loans grouped by one field after the other.
    pub strats: Vec<StratObject>,
}

/// Number of loans by outcome, and of exceptions by kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EligibilityChecks)]
pub struct ChecksObject {
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

/// Totals of one disposition. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DispositionSummary)]
pub struct DispositionObject {
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars.
    #[schema(example = 250_000)]
    pub balance: f64,
    /// Average note rate, in percent. Null: no loan has one.
    #[schema(required, example = 6.5)]
    pub wac: Option<f64>,
    /// Average LTV, in percent. Null: no loan has one.
    #[schema(required, example = 80)]
    pub wa_ltv: Option<f64>,
    /// Average DTI, in percent. Null: no loan has one.
    #[schema(required, example = 35)]
    pub wa_dti: Option<f64>,
    /// Average credit score. Null: no loan has one.
    #[schema(required, example = 720)]
    pub wa_credit_score: Option<f64>,
    /// Average price, in percent of the balance. Null: no loan has one.
    #[schema(required, example = 96.125)]
    pub wa_price: Option<f64>,
    /// Dollars to pay for the loans of `to_purchase`: the exact sum of amount × price / 100, rounded half to even to whole cents;
    /// 0 when no loan is bought. Null for `projected` and `rejected`: the buyer pays nothing for these loans.
    #[schema(required, example = 240_312.5)]
    pub dollars_to_pay: Option<f64>,
}

/// The loans of a run grouped by one field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Strat)]
pub struct StratObject {
    /// Field that the loans are grouped by: `ltv_ratio`, `credit_score`, `note_rate`, `loan_amount`, `property_type`,
    /// `occupancy_status` or `loan_purpose`.
    #[schema(example = "ltv_ratio")]
    pub by: String,
    /// Groups in order. They hold every loan once; `missing` holds the loans without the value.
    pub buckets: Vec<BucketObject>,
}

/// One group of loans. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bucket)]
pub struct BucketObject {
    /// Range or word that the loans of the group share. A range includes its lower bound, not its upper one.
    #[schema(example = "80 to <85")]
    pub label: String,
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars.
    #[schema(example = 250_000)]
    pub balance: f64,
    /// Share of the balance of the run, from 0 to 1. Null: the run has no balance.
    #[schema(required, example = 0.5)]
    pub share: Option<f64>,
    /// Average note rate, in percent. Null: no loan has one.
    #[schema(required, example = 6.5)]
    pub wac: Option<f64>,
    /// Average LTV, in percent. Null: no loan has one.
    #[schema(required, example = 80)]
    pub wa_ltv: Option<f64>,
    /// Average DTI, in percent. Null: no loan has one.
    #[schema(required, example = 35)]
    pub wa_dti: Option<f64>,
    /// Average credit score. Null: no loan has one.
    #[schema(required, example = 720)]
    pub wa_credit_score: Option<f64>,
}

/// A number of a tape, or the text of its cell where the cell is not a number.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum TapeNumber {
    /// An exact number.
    #[schema(example = 250_000)]
    Number(f64),
    /// The text of a cell that could not be read as a number.
    Text(String),
}

/// One loan and what is done with it. Standard fields, such as `property_state`, are there where the tape says something of them. The
/// other columns of the tape follow as text, under their names in `column_mapping`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Loan, example = json!({
    "seller_loan_number": "L-1",
    "loan_amount": 250_000,
    "note_rate": 6.5,
    "ltv_ratio": 80,
    "dti_ratio": 35,
    "credit_score": 720,
    "property_type": "sfr",
    "occupancy_status": "primary",
    "loan_purpose": "purchase",
    "purchase_price": 312_500,
    "appraisal_value": 312_500,
    "property_state": "CA",
    "origination_date": "2026-01-15",
    "original_term": 360,
    "disposition": "to_purchase",
    "projection_reason": null,
    "pricing_spread": -1.55,
    "final_price": 96.125,
    "source_file": "february.csv",
    "line": 2,
    "County": "Kings"
}))]
pub struct LoanObject {
    /// Seller's loan number. `UNKNOWN` where the cell is empty.
    #[schema(example = "L-1")]
    pub seller_loan_number: String,
    /// Loan amount, in dollars. Null: the cell is empty.
    #[schema(required)]
    pub loan_amount: Option<TapeNumber>,
    /// Note rate, in percent. Null: the cell is empty.
    #[schema(required)]
    pub note_rate: Option<TapeNumber>,
    /// Loan-to-value ratio, in percent. Null: the cell is empty.
    #[schema(required)]
    pub ltv_ratio: Option<TapeNumber>,
    /// Debt-to-income ratio, in percent. Null: the cell is empty.
    #[schema(required)]
    pub dti_ratio: Option<TapeNumber>,
    /// Credit score. Null: the cell is empty.
    #[schema(required)]
    pub credit_score: Option<TapeNumber>,
    /// Type of the property. Null: the cell is empty.
    #[schema(required, example = "sfr")]
    pub property_type: Option<String>,
    /// Who lives in the property. Null: the cell is empty.
    #[schema(required, example = "primary")]
    pub occupancy_status: Option<String>,
    /// What the loan pays for. Null: the cell is empty.
    #[schema(required, example = "purchase")]
    pub loan_purpose: Option<String>,
    /// Purchase price of the property, in dollars. Null: the cell is empty.
    #[schema(required)]
    pub purchase_price: Option<TapeNumber>,
    /// Appraised value of the property, in dollars. Null: the cell is empty.
    #[schema(required)]
    pub appraisal_value: Option<TapeNumber>,
    /// What is done with the loan: `to_purchase`, `projected` or `rejected`.
    #[schema(example = "to_purchase")]
    pub disposition: String,
    /// Why an eligible loan is not bought now. Null: the loan is not projected.
    #[schema(required, example = "Held back: price 96.1250 is below the minimum 98.0000")]
    pub projection_reason: Option<String>,
    /// Spread: note rate less IRR target, in percentage points. Null: the loan is rejected, or its note rate gives no price.
    #[schema(required, example = json!(-1.55))]
    pub pricing_spread: Option<f64>,
    /// Price, in percent of the loan amount. Null: the loan is rejected, or its note rate gives no price.
    #[schema(required, example = 96.125)]
    pub final_price: Option<f64>,
    /// Name of the tape that holds the loan.
    #[schema(example = "february.csv")]
    pub source_file: String,
    /// Line of the tape, or row of the sheet, on which the loan starts, counted from 1.
    #[schema(example = 2)]
    pub line: u64,
}
