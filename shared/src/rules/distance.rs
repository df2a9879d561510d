//! How far a value lies beyond its limit: the one table of the steps that reasons are counted by.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{decimal::Decimal, loan::Unit};

use super::{Evidence, ExceptionType, guide::field::TestedField};

/// Number of steps of each unit.
pub const STEPS: usize = 6;

/// Unit in which distances from a limit are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(description = "Unit of `up_to`: `points` (percentage points), `count` (as of a credit score, or months) or \
                        `percent_of_limit` (of an amount).")]
pub enum DistanceUnit {
    /// Percentage points, for a field in percent.
    Points,
    /// Whole numbers such as a credit score, and months.
    Count,
    /// Percent of the limit, for an amount of money.
    PercentOfLimit,
}

impl DistanceUnit {
    /// The unit of the distances of a field; `None` when its distances have no steps.
    pub const fn of(unit: Unit) -> Option<Self> {
        match unit {
            Unit::Percent => Some(Self::Points),
            Unit::Count | Unit::Months => Some(Self::Count),
            Unit::Money => Some(Self::PercentOfLimit),
            Unit::Text | Unit::Word | Unit::Ratio | Unit::Date => None,
        }
    }

    /// The unit of the distances of a built-in kind of exceptions; `None` when its distances have no steps.
    pub fn of_kind(kind: ExceptionType) -> Option<Self> {
        Self::of(kind.rule()?.field.info().unit)
    }

    /// The unit of the distances of a field that every rule set knows.
    pub fn of_field(name: &str) -> Option<Self> {
        Self::of(TestedField::from_name(name)?.unit())
    }

    /// The steps, in ascending order.
    pub const fn steps(self) -> [Decimal; STEPS] {
        match self {
            Self::Points => tenths([5, 10, 20, 30, 50, 100]),
            Self::Count => tenths([50, 100, 200, 400, 600, 1_000]),
            Self::PercentOfLimit => tenths([10, 20, 50, 100, 250, 500]),
        }
    }

    /// Whether an excess over a limit is at most `step`.
    pub fn is_within(self, step: Decimal, excess: Decimal, limit: Option<Decimal>) -> bool {
        match self {
            Self::Points | Self::Count => excess <= step,
            Self::PercentOfLimit => {
                let most = limit.and_then(|limit| limit.magnitude().checked_mul(step));
                excess.times_hundred().zip(most).is_some_and(|(excess, most)| excess <= most)
            }
        }
    }

    /// The first step that the excess of an exception is within; `None` when the excess is larger than every step, and when there
    /// is none.
    pub fn step_of(self, evidence: &Evidence) -> Option<usize> {
        let excess = evidence.excess?;
        let limit = if self == Self::PercentOfLimit { bound_of(&evidence.limit) } else { None };
        self.steps().into_iter().position(|step| self.is_within(step, excess, limit))
    }
}

/// The number of a limit with one bound, such as `<= 5000000.0`; `None` for any other limit.
pub fn bound_of(limit: &str) -> Option<Decimal> {
    limit.trim_start_matches(['<', '>', '=', ' ']).parse().ok()
}

const fn tenths(tenths: [i64; STEPS]) -> [Decimal; STEPS] {
    let mut steps = [Decimal::ZERO; STEPS];
    let mut at = 0;
    while at < STEPS {
        steps[at] = Decimal::from_micros(tenths[at] * 100_000);
        at += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(excess: &str, limit: &str) -> Evidence {
        let excess = excess.parse().ok();
        Evidence { field: "x".into(), actual: "".into(), limit: limit.into(), excess, message: String::new() }
    }

    #[test]
    fn every_unit_has_ascending_steps() {
        for unit in [DistanceUnit::Points, DistanceUnit::Count, DistanceUnit::PercentOfLimit] {
            assert!(unit.steps().is_sorted() && unit.steps()[0].is_positive());
        }
    }

    #[test]
    fn a_step_includes_its_bound() {
        let points = |excess: &str| DistanceUnit::Points.step_of(&evidence(excess, "<= 97.0"));
        assert_eq!(["0", "0.5", "0.500001", "10", "10.01", ""].map(points), [Some(0), Some(0), Some(1), Some(5), None, None]);
        let count = |excess: &str| DistanceUnit::Count.step_of(&evidence(excess, ">= 620"));
        assert_eq!(["5", "6", "100", "101"].map(count), [Some(0), Some(1), Some(5), None]);
    }

    #[test]
    fn amounts_are_compared_with_their_limit() {
        let money = |excess: &str, limit| DistanceUnit::PercentOfLimit.step_of(&evidence(excess, limit));
        assert_eq!(money("50000", "<= 5000000.0"), Some(0));
        assert_eq!(money("50000.01", "<= 5000000.0"), Some(1));
        assert_eq!(money("25000", ">= 50000"), Some(5));
        assert_eq!(money("25000", ""), None);
    }
}
