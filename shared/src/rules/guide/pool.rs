//! Tests of whole pools of loans: `[[pool]]`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{decimal::Decimal, loan::Unit, phases::disposition::Disposition};

use super::{
    condition::Condition,
    field::{Slot, TestedField},
};

/// The pool tests of a rule set, with the fields that they look at.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    /// The fields that the tests look at.
    pub slots: Vec<Slot>,
    /// The tests that are on, in the order of the file.
    pub tests: Vec<PoolTest>,
}

/// A test of a whole pool of loans.
#[derive(Debug, Clone)]
pub struct PoolTest {
    pub name: String,
    pub of: PoolLoans,
    pub measure: PoolMeasure,
    /// In the unit of the measure.
    pub min: Option<Decimal>,
    /// In the unit of the measure.
    pub max: Option<Decimal>,
    pub severity: PoolSeverity,
}

/// Loans that a pool test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolLoans {
    All,
    Of(Disposition),
}

impl PoolLoans {
    pub const ALL: [(&'static str, Self); 4] = [
        ("to_purchase", Self::Of(Disposition::ToPurchase)),
        ("projected", Self::Of(Disposition::Projected)),
        ("rejected", Self::Of(Disposition::Rejected)),
        ("all", Self::All),
    ];

    #[inline]
    pub fn has(self, disposition: Disposition) -> bool {
        match self {
            Self::All => true,
            Self::Of(wanted) => wanted == disposition,
        }
    }

    /// The word in rule sets and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Of(disposition) => disposition.as_str(),
        }
    }
}

/// What a pool test measures.
#[derive(Debug, Clone)]
pub enum PoolMeasure {
    /// Percent of the balance of the pool that meets the condition.
    Share(Condition),
    /// Number of loans that meet the condition.
    Count(Condition),
    /// Balance of the loans that meet the condition, in dollars.
    Balance(Condition),
    /// Average of a field, weighted by balance over the loans that have a value. The index is that of the slot.
    Average(usize),
    /// Largest value of a field. The index is that of the slot.
    Largest(usize),
}

impl PoolMeasure {
    /// The word in rule sets.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Share(_) => "share",
            Self::Count(_) => "count",
            Self::Balance(_) => "balance",
            Self::Average(_) => "average",
            Self::Largest(_) => "largest",
        }
    }

    /// The condition that the measured loans meet; `None` for a measure of a field.
    pub const fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Share(condition) | Self::Count(condition) | Self::Balance(condition) => Some(condition),
            Self::Average(_) | Self::Largest(_) => None,
        }
    }
}

/// What a pool test that does not pass does to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(
    description = "What a pool test that does not pass does: `warn` reports the failure; `fail` also makes `pool_status` `failed`, and \
                   the command line exits with 3."
)]
pub enum PoolSeverity {
    Warn,
    Fail,
}

impl PoolSeverity {
    pub const ALL: [(&'static str, Self); 2] = [("warn", Self::Warn), ("fail", Self::Fail)];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Pools {
    /// The field of a slot.
    pub fn field(&self, slot: usize) -> Option<&TestedField> {
        self.slots.get(slot).map(|slot| &slot.field)
    }

    /// What a test measures, for people: `percent of the balance with property_state CA`.
    pub fn text_of(&self, measure: &PoolMeasure) -> String {
        let name = |slot: usize| self.field(slot).map_or("", TestedField::name);
        match measure {
            PoolMeasure::Share(condition) => format!("percent of the balance with {}", condition.text()),
            PoolMeasure::Count(condition) => format!("loans with {}", condition.text()),
            PoolMeasure::Balance(condition) => format!("balance in dollars with {}", condition.text()),
            PoolMeasure::Average(slot) => format!("average {} by balance", name(*slot)),
            PoolMeasure::Largest(slot) => format!("largest {}", name(*slot)),
        }
    }

    /// The names of the fields that a test looks at, each once.
    pub fn fields_of<'p>(&'p self, measure: &'p PoolMeasure) -> Vec<&'p str> {
        let mut names = Vec::new();
        match measure {
            PoolMeasure::Average(slot) | PoolMeasure::Largest(slot) => names.extend(self.field(*slot).map(TestedField::name)),
            PoolMeasure::Share(condition) | PoolMeasure::Count(condition) | PoolMeasure::Balance(condition) => {
                for test in condition.0.iter().flatten() {
                    if !names.contains(&test.field.name()) {
                        names.push(test.field.name());
                    }
                }
            }
        }
        names
    }

    /// The tests in one fixed form, for the hash of the rule set.
    pub fn push_canonical(&self, out: &mut String) {
        let bound = |bound: Option<Decimal>| bound.map_or_else(String::new, |bound| bound.to_string());
        for PoolTest { name, of, measure, min, max, severity } in &self.tests {
            let (of, severity) = (of.as_str(), severity.as_str());
            out.push_str(&format!("pool.{name}={of},{}..{},{severity},{}", bound(*min), bound(*max), measure.as_str()));
            match measure.condition() {
                Some(condition) => condition.push_canonical(out),
                None => out.push_str(&format!("({})", self.fields_of(measure).join(","))),
            }
            out.push('\n');
        }
    }
}

impl PoolTest {
    /// The accepted values as text: `>= 20 and <= 35`.
    pub fn limit(&self) -> String {
        let bound = |sign: &str, bound: Option<Decimal>| bound.map(|bound| format!("{sign} {bound}"));
        [bound(">=", self.min), bound("<=", self.max)].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// Whether a field holds numbers, which have an average and a largest one.
pub fn is_of_numbers(field: &TestedField) -> bool {
    match field.unit() {
        Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months => true,
        Unit::Word | Unit::Date | Unit::Text => false,
    }
}
