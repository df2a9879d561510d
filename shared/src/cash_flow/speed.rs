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
        if self.unit == SpeedUnit::Monthly {
            return self.values.iter().map(|percent| Double::from_decimal(*percent) / Double::from_integer(100)).collect();
        }
        self.yearly().map(|yearly| Double::ONE - (Double::ONE - yearly).root(12)).collect()
    }

    /// The share of the balance a year, in each month of age from 1.
    fn yearly(&self) -> impl Iterator<Item = Double> {
        let percent =
            |at: usize| self.values.get(at).or(self.values.last()).map_or(Double::ZERO, |value| Double::from_decimal(*value));
        let months = self.values.len().max(self.unit.months());
        (0..months).map(move |at| {
            let age = i128::try_from(at + 1).unwrap_or(i128::MAX);
            let hundred = Double::from_integer(100);
            match self.unit {
                SpeedUnit::Yearly | SpeedUnit::Monthly => percent(at) / hundred,
                SpeedUnit::Psa => {
                    let yearly = percent(0) * Double::ratio(2 * age, 100_000);
                    if yearly > Double::ONE { Double::ONE } else { yearly }
                }
                SpeedUnit::Sda => percent(0) * Double::ratio(sda(age), 100_000_000),
            }
        })
    }
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
