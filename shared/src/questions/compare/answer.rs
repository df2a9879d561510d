//! What a comparison answers, as objects of the API and of the command line.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use utoipa::ToSchema;

use crate::{
    decimal::{Decimal, ExactSum},
    phases::disposition::Disposition,
};

use super::settings::Setting;

/// A value for each disposition. It serializes as an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByDisposition<T>(pub [T; Disposition::ALL.len()]);

impl<T> ByDisposition<T> {
    /// The value of a disposition.
    pub fn of(&self, disposition: Disposition) -> &T {
        &self.0[disposition as usize]
    }

    pub(super) fn of_mut(&mut self, disposition: Disposition) -> &mut T {
        &mut self.0[disposition as usize]
    }
}

impl<T: Serialize> Serialize for ByDisposition<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for disposition in Disposition::ALL {
            object.serialize_entry(disposition.as_str(), self.of(disposition))?;
        }
        object.end()
    }
}

/// Loans of one disposition in one run.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = ComparedTotal)]
pub struct Total {
    /// Number of loans.
    #[schema(example = 2)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars, exact.
    #[schema(value_type = f64, example = 500_000)]
    pub balance: ExactSum,
}

/// Loans of one disposition in the base run and one in the other.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = ComparedMove)]
pub struct Move {
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts in the base run, in dollars, exact; 0 for added loans.
    #[schema(value_type = f64, example = 250_000)]
    pub base_balance: ExactSum,
    /// Sum of their loan amounts in the other run, in dollars, exact; 0 for removed loans.
    #[schema(value_type = f64, example = 249_500)]
    pub with_balance: ExactSum,
}

/// Totals of both runs, by disposition.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = ComparedTotals)]
pub struct BothTotals {
    /// Totals of the base run.
    #[schema(value_type = BTreeMap<String, Total>)]
    pub base: ByDisposition<Total>,
    /// Totals of the other run.
    #[schema(value_type = BTreeMap<String, Total>)]
    pub with: ByDisposition<Total>,
}

/// A field, and the number of loans in which it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangedField {
    /// Name of a canonical or standard field, or of one that both rule sets declare.
    #[schema(example = "ltv_ratio")]
    pub field: String,
    /// Number of loans that are in both runs and in which the field differs.
    #[schema(example = 1)]
    pub loans: u64,
}

/// How prices differ, in loans that are in both runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PriceChanges {
    /// Number of loans whose price is higher than in the base run.
    #[schema(example = 1)]
    pub higher: u64,
    /// Number of loans whose price is lower than in the base run.
    #[schema(example = 0)]
    pub lower: u64,
    /// Number of loans with the same price in both runs, or with none in both.
    #[schema(example = 1)]
    pub unchanged: u64,
    /// Number of loans that have a price, and had none in the base run.
    #[schema(example = 0)]
    pub gained: u64,
    /// Number of loans that have no price, and had one in the base run.
    #[schema(example = 0)]
    pub lost: u64,
}

/// What differs between two runs, in totals.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = ComparisonTotals)]
pub struct Answer {
    /// Parameters and decisions of the rule sets that differ.
    pub settings: Vec<Setting>,
    /// Totals of both runs.
    pub totals: BothTotals,
    /// Loans that are in both runs: for each disposition in the base run, those of each disposition in the other run. Loans that did
    /// not move are counted, too.
    #[schema(value_type = BTreeMap<String, BTreeMap<String, Move>>)]
    pub moves: ByDisposition<ByDisposition<Move>>,
    /// Loans that only the other run has, by disposition. Loans without a number are always added and removed.
    #[schema(value_type = BTreeMap<String, Move>)]
    pub added: ByDisposition<Move>,
    /// Loans that only the base run has, by disposition.
    #[schema(value_type = BTreeMap<String, Move>)]
    pub removed: ByDisposition<Move>,
    /// Fields that differ, in the order of the facts. Numbers are compared by value: 80 equals 80.0.
    pub changed_fields: Vec<ChangedField>,
    /// How prices differ.
    pub price: PriceChanges,
    /// Number of loans that differ and pass the filters: the length of the whole list `loans`.
    #[schema(example = 1)]
    pub loans_count: u64,
}

/// What differs between two runs: totals, and a page of the loans that differ.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Comparison)]
pub struct ComparisonPage {
    #[serde(flatten)]
    #[schema(inline)]
    pub totals: Answer,
    /// Loans that differ: first those that moved between dispositions, then added and removed ones, then the rest; each group by the
    /// larger of both loan amounts descending, then by number.
    pub loans: Vec<ComparedLoan>,
}

/// A loan that differs. Lists of two hold the value in the base run and the one in the other run; null: the loan is not in that run, or
/// lacks the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ComparedLoan {
    /// Seller's number; `UNKNOWN` for a loan without one.
    #[schema(example = "LN-0001")]
    pub seller_loan_number: String,
    /// Place of the loan in the base run, from 0. Null: the loan was added.
    #[schema(required, example = 0)]
    pub base_row: Option<u32>,
    /// Place of the loan in the other run, from 0. Null: the loan was removed.
    #[schema(required, example = 0)]
    pub with_row: Option<u32>,
    /// Decisions on the loan.
    #[schema(value_type = Vec<Option<Disposition>>, example = json!(["rejected", "to_purchase"]))]
    pub disposition: [Option<Disposition>; 2],
    /// Prices in percent of the balance.
    #[schema(value_type = Vec<Option<f64>>, example = json!([null, 96.125]))]
    pub final_price: [Option<Decimal>; 2],
    /// Fields that differ, each with both values as `/api/loans` shows them. Empty for an added or removed loan.
    #[schema(value_type = BTreeMap<String, Vec<Value>>, example = json!({"ltv_ratio": [97.8, 96.5]}))]
    pub fields: ChangedCells,
    /// Types of exceptions that differ.
    pub reasons: Reasons,
}

/// Types of exceptions that a loan has in one of the runs only, sorted. Both are empty for an added or removed loan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ComparedReasons)]
pub struct Reasons {
    /// Types that the loan has in the base run only.
    #[schema(example = json!(["ltv_ratio"]))]
    pub gone: Vec<String>,
    /// Types that the loan has in the other run only.
    #[schema(example = json!([]))]
    pub new: Vec<String>,
}

/// Fields of a loan that differ, in the order of the facts, with both values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedCells(pub Vec<(String, [CellText; 2])>);

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CellText {
    /// The loan lacks the value. Serializes as null.
    Missing,
    /// Serializes as an exact JSON number.
    Number(Decimal),
    /// A whole number.
    Whole(i64),
    /// A word, a date, or a cell that could not be read.
    Text(String),
}

impl Serialize for ChangedCells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, cells)| (name, cells)))
    }
}
