//! Prepayment and default speeds: what share of the balance prepays or defaults in a month.

use crate::decimal::Decimal;

use super::double::Double;

/// In which unit a speed is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeedUnit {
    /// Percent of the balance a year: CPR or CDR.
    Yearly,
    /// Percent of the balance a month: SMM or MDR.
    Monthly,
    /// Percent of the PSA prepayment model: 0.2 % a year in the first month, 0.2 % more in each month up to the 30th.
    Psa,
    /// Percent of the SDA default model: rising to 0.6 % a year in month 30, falling from month 60 to 0.03 % in month 120.
    Sda,
}

/// A prepayment or default speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speed {
    pub unit: SpeedUnit,
    /// The speeds by month of age from 1, of which the last one holds on; of a model one value.
    pub values: Vec<Decimal>,
}

impl SpeedUnit {
    /// Names in rule sets of the units of prepayments.
    pub const OF_PREPAYMENTS: [(&'static str, Self); 3] = [("cpr", Self::Yearly), ("psa", Self::Psa), ("smm", Self::Monthly)];
    /// Names in rule sets of the units of defaults.
    pub const OF_DEFAULTS: [(&'static str, Self); 3] = [("cdr", Self::Yearly), ("sda", Self::Sda), ("mdr", Self::Monthly)];

    /// Whether the speed is one number in percent of a model, and not a list of numbers by age.
    pub const fn is_model(self) -> bool {
        matches!(self, Self::Psa | Self::Sda)
    }

    /// Largest value.
    pub const fn most(self) -> Decimal {
        if self.is_model() { Decimal::from_integer(10_000) } else { Decimal::HUNDRED }
    }

    /// Number of months of age after which the speed of a model stays the same.
    const fn months(self) -> usize {
        match self {
            Self::Yearly | Self::Monthly => 1,
            Self::Psa => 30,
            Self::Sda => 121,
        }
    }
}

impl Speed {
    /// The share of the balance in each month of age from 1. The last one holds on.
    pub fn monthly(&self) -> Vec<Double> {
        let hundred = Double::from_integer(100);
        let percent = |at: usize| self.values.get(at).or(self.values.last()).copied().unwrap_or(Decimal::ZERO);
        (0..self.values.len().max(self.unit.months()))
            .map(|at| {
                let yearly = match self.unit {
                    SpeedUnit::Monthly => return Double::from_decimal(percent(at)) / hundred,
                    SpeedUnit::Yearly => percent(at),
                    SpeedUnit::Psa => of_model(percent(0), Decimal::new(2 * (at as i128 + 1), 3)),
                    SpeedUnit::Sda => of_model(percent(0), Decimal::new(sda(at as i128 + 1), 6)),
                };
                // What stays is exact: near 0, its root would make a rounding error large.
                let stays = Decimal::HUNDRED.checked_sub(yearly).filter(|stays| stays.is_positive()).unwrap_or(Decimal::ZERO);
                Double::ONE - (Double::from_decimal(stays) / hundred).root(12)
            })
            .collect()
    }
}

/// Percent a year of a percentage of a model that has `of_one` percent a year at 1 %. A percentage with more digits than a decimal holds
/// is rounded.
fn of_model(percent: Decimal, of_one: Option<Decimal>) -> Decimal {
    let yearly = |percent: Decimal| percent.checked_mul(of_one?);
    yearly(percent).or_else(|| yearly(percent.round_half_even(12))).unwrap_or(Decimal::HUNDRED)
}

/// The yearly default rate of 100 SDA at an age in months, in ten-thousandths of a percent.
const fn sda(age: i128) -> i128 {
    match age {
        ..=30 => 200 * age,
        31..=60 => 6_000,
        61..=120 => 6_000 - 95 * (age - 60),
        _ => 300,
    }
}
