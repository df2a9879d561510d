//! Figures of a run as a whole, read from the JSON of the run and of its summary, in the form that the API shows.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{loan::Field, results::outputs::PRICING_REPORT_KEY};

/// A run with its summary. The numbers keep the digits of the JSON.
pub struct DecidedRun {
    pub(super) run: RunFigures,
    pub(super) summary: SummaryFigures,
    pub(super) guide: GuideColumns,
}

/// Columns that only some rule sets need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuideColumns {
    /// Whether the rule set adjusts prices.
    pub prices: bool,
    /// Whether a loan has a WAL or a duration.
    pub lives: bool,
    /// Whether the rule set has programs.
    pub programs: bool,
}

impl DecidedRun {
    /// Reads the `run` object and the summary of a run. `outputs` are the keys of the run's output files.
    ///
    /// # Errors
    /// [`serde_json::Error`] when one of them is damaged.
    pub fn read<'k>(run: &[u8], summary: &[u8], outputs: impl IntoIterator<Item = &'k str>) -> serde_json::Result<Self> {
        let summary: SummaryFigures = serde_json::from_slice(summary)?;
        let prices = outputs.into_iter().any(|key| key == PRICING_REPORT_KEY);
        let lives = summary.dispositions.groups().iter().any(|group| group.wa_wal.is_some() || group.wa_duration.is_some());
        let guide = GuideColumns { prices, lives, programs: !summary.programs.is_empty() };
        Ok(Self { run: serde_json::from_slice(run)?, summary, guide })
    }
}

#[derive(Deserialize)]
pub struct RunFigures {
    pub run_id: Uuid,
    pub created_at: Timestamp,
    pub pdate: Date,
    pub irr_target: Box<RawValue>,
    pub rule_set: RuleSetFigures,
    pub column_mapping: Vec<TapeFigures>,
}

#[derive(Deserialize)]
pub struct RuleSetFigures {
    pub name: String,
    pub version: String,
    pub hash: String,
}

#[derive(Deserialize)]
pub struct TapeFigures {
    pub source_file: String,
    pub columns: Vec<ColumnFigures>,
}

#[derive(Deserialize)]
pub struct ColumnFigures {
    pub name: String,
    pub field: Option<String>,
}

impl ColumnFigures {
    /// Whether the column holds a canonical field, which the rules read.
    pub fn is_judged(&self) -> bool {
        self.field.as_deref().and_then(Field::from_name).is_some_and(Field::is_canonical)
    }
}

#[derive(Deserialize)]
pub struct SummaryFigures {
    pub total_loans: u64,
    pub total_balance: Box<RawValue>,
    pub exceptions_count: u64,
    pub dispositions: DispositionFigures,
    pub strats: Vec<StratFigures>,
    /// The programs of the rule set.
    #[serde(default)]
    pub programs: Vec<IgnoredAny>,
    /// The pool tests of the rule set; summaries of earlier versions have none.
    #[serde(default)]
    pub pool_tests: Vec<PoolFigures>,
    pub eligibility_checks: EligibilityFigures,
}

/// Counts of exceptions.
#[derive(Deserialize)]
pub struct EligibilityFigures {
    /// Exceptions that a waiver waives; summaries of earlier versions have none.
    #[serde(default)]
    pub waived: u64,
}

/// Result of a pool test.
#[derive(Deserialize)]
pub struct PoolFigures {
    pub name: String,
    pub of: String,
    pub measure: String,
    pub value: Option<Box<RawValue>>,
    pub min: Option<Box<RawValue>>,
    pub max: Option<Box<RawValue>>,
    pub passed: bool,
    pub shortfall: Box<RawValue>,
    pub mend: Option<String>,
    pub severity: String,
}

#[derive(Deserialize)]
pub struct DispositionFigures {
    pub to_purchase: GroupFigures,
    pub projected: GroupFigures,
    pub rejected: GroupFigures,
}

impl DispositionFigures {
    /// The dispositions in the order of the workbook.
    pub fn groups(&self) -> [&GroupFigures; 3] {
        [&self.to_purchase, &self.projected, &self.rejected]
    }
}

/// Count, balance and averages of the loans of a disposition, or of a group of a strat.
#[derive(Deserialize)]
pub struct GroupFigures {
    /// Only for a group of a strat: range or word that the loans have in common.
    #[serde(default)]
    pub label: String,
    pub count: u64,
    pub balance: Box<RawValue>,
    /// Only for a group of a strat: share of the run's balance.
    #[serde(default)]
    pub share: Option<Box<RawValue>>,
    pub wac: Option<Box<RawValue>>,
    pub wa_ltv: Option<Box<RawValue>>,
    pub wa_dti: Option<Box<RawValue>>,
    pub wa_credit_score: Option<Box<RawValue>>,
    /// Only for a disposition.
    #[serde(default)]
    pub wa_price: Option<Box<RawValue>>,
    /// Only for a disposition whose loans have prices by cash flows.
    #[serde(default)]
    pub wa_wal: Option<Box<RawValue>>,
    /// Only for a disposition whose loans have prices by cash flows.
    #[serde(default)]
    pub wa_duration: Option<Box<RawValue>>,
    /// Only for the loans to purchase.
    #[serde(default)]
    pub dollars_to_pay: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub struct StratFigures {
    pub by: String,
    pub buckets: Vec<GroupFigures>,
}
