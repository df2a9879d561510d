//! The schema of a loan, for the OpenAPI document.
//!
//! `shared::facts::read::FactRow` writes the JSON itself, because its numbers have more digits than any number type of a JSON
//! library. A test checks that both have the same members.

use serde::Serialize;
use utoipa::ToSchema;

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

/// Points that were added to the price of a loan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PriceAdjustment)]
pub struct PriceAdjustmentObject {
    /// Name of the adjustment or of the adjustment grid; `cap` for what the cap took.
    #[schema(example = "investor_property")]
    pub name: String,
    /// Points added to the price.
    #[schema(example = json!(-1.125))]
    pub points: f64,
    /// Where the points come from: file and line of the rule set, or file and cell of a grid.
    #[schema(example = "agency.toml:12")]
    pub source: String,
}

/// One loan and its disposition. Standard fields, such as `property_state`, are present when the tape has a value for them. The other
/// columns of the tape follow as text, under their names in `column_mapping`. A request with `fields` gets only these members and `row`.
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
    "base_price": null,
    "base_price_source": null,
    "price_adjustments": [],
    "wal": null,
    "duration": null,
    "source_file": "february.csv",
    "line": 2,
    "row": 0,
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
    /// Spread: note rate less IRR target, in percentage points. Null: the loan is rejected.
    #[schema(required, example = json!(-1.55))]
    pub pricing_spread: Option<f64>,
    /// Price, in percent of the loan amount. Null: the loan is rejected, or `projection_reason` says why it is not priced.
    #[schema(required, example = 96.125)]
    pub final_price: Option<f64>,
    /// Price before adjustments, in percent of the loan amount. Null: the loan has no price, or its rule set does not adjust prices.
    #[schema(required, example = 97.25)]
    pub base_price: Option<f64>,
    /// Where the base price comes from: `linear`; or of a price by cash flows the segment, the number of months left and the field
    /// that says so. Null: there is no base price.
    #[schema(required, example = "cash_flow, segment low_score, n 340 (remaining_term)")]
    pub base_price_source: Option<String>,
    /// What was added to the base price, in the order of the rule set. Base price and points add up to the final price. Empty without a
    /// base price.
    pub price_adjustments: Vec<PriceAdjustmentObject>,
    /// Weighted average life (WAL): when principal is paid on average, in years. Null: no price by cash flows, or no principal is
    /// paid.
    #[schema(required, example = 7.4312)]
    pub wal: Option<f64>,
    /// Modified duration: by how many percent the price falls when the target yield rises by one percentage point, in years. Null: no
    /// price by cash flows, or nothing is paid.
    #[schema(required, example = 5.2108)]
    pub duration: Option<f64>,
    /// Best program for the loan. Null: every program rejects the loan. Absent: the rule set of the run has no programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>, example = "agency")]
    pub program: Option<Option<String>>,
    /// Name of the tape that holds the loan.
    #[schema(example = "february.csv")]
    pub source_file: String,
    /// Line of the tape, or row of the sheet, on which the loan starts, counted from 1.
    #[schema(example = 2)]
    pub line: u64,
    /// Place of the loan in its run, counted from 0: the same in the lists of loans and of exceptions.
    #[schema(example = 0)]
    pub row: u64,
}
