//! What a buyer assumes about the payments of a loan, and at which yield the payments are worth their price.

use crate::decimal::Decimal;

use super::{double::Double, speed::Speed};

/// Largest number of months of a loan.
pub const MAX_MONTHS: u32 = 600;
/// Largest number of months over which payments amortise a loan.
pub const MAX_AMORTIZATION: u32 = 1_200;
/// Largest number of months from default to recovery.
pub const MAX_LAG: u32 = 60;
/// Largest number of days by which a payment reaches the buyer after it is due.
pub const MAX_DELAY: u32 = 90;
/// Largest servicing fee, in percent a year.
pub const MAX_FEE: Decimal = Decimal::from_integer(5);

/// What a target yield means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YieldBasis {
    /// Nominal yearly yield, compounded monthly, as the yield of a mortgage.
    Monthly,
    /// Nominal yearly yield, compounded half-yearly, as the yield of a bond.
    BondEquivalent,
    /// Yearly yield, compounded yearly.
    Effective,
}

impl YieldBasis {
    pub const ALL: [Self; 3] = [Self::Monthly, Self::BondEquivalent, Self::Effective];

    /// The word in rule sets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monthly => "monthly",
            Self::BondEquivalent => "bond_equivalent",
            Self::Effective => "effective",
        }
    }

    /// What the yield means, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Monthly => "nominal yearly yield, compounded monthly",
            Self::BondEquivalent => "nominal yearly yield, compounded half-yearly",
            Self::Effective => "yearly yield, compounded yearly",
        }
    }

    /// How often a year the yield is compounded.
    const fn periods(self) -> u32 {
        match self {
            Self::Monthly => 12,
            Self::BondEquivalent => 2,
            Self::Effective => 1,
        }
    }

    /// Growth in one compounding period at a yield in percent, by which a Macaulay duration is divided to get the modified one.
    fn growth_of_period(self, percent: Double) -> Double {
        Double::ONE + percent / Double::from_integer(i128::from(self.periods()) * 100)
    }
}

/// What a buyer assumes about the payments of a loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumptions {
    pub prepayment: Speed,
    pub default: Speed,
    /// Loss in percent of the balance at default, costs and advances included.
    pub loss_severity: Decimal,
    /// Servicing fee in percent a year, taken from the interest.
    pub servicing_fee: Decimal,
    /// Months from default to recovery.
    pub recovery_lag: u32,
    /// Whether interest and principal of defaulted loans are advanced until recovery.
    pub advances: bool,
    /// Days by which every payment reaches the buyer after it is due, of months of 30 days.
    pub delay_days: u32,
}

/// What happens to the balance of a loan in a month at one age.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Share that defaults.
    pub default: Double,
    /// Share that does not default.
    pub stay: Double,
    /// Share of the scheduled balance that prepays.
    pub prepay: Double,
    /// Share of the scheduled balance that neither defaults nor prepays.
    pub survive: Double,
}

impl Step {
    fn new(default: Double, prepay: Double) -> Self {
        let stay = Double::ONE - default;
        // Prepayments give way where more than everything would be paid.
        let prepay = if prepay > stay { stay } else { prepay };
        Self { default, stay, prepay, survive: stay - prepay }
    }
}

/// Assumptions as numbers.
#[derive(Debug, Clone)]
pub struct Rates {
    /// What happens in a month, by age from 1. The last one holds on.
    pub steps: Vec<Step>,
    /// The same in the last months of a loan, which are too late for a default.
    pub last_steps: Vec<Step>,
    /// Share of the balance at default that is lost.
    pub severity: Double,
    pub lag: u32,
    pub advances: bool,
}

impl Rates {
    pub fn new(assumptions: &Assumptions) -> Self {
        let (prepayment, default) = (assumptions.prepayment.monthly(), assumptions.default.monthly());
        let at = |speeds: &[Double], age: usize| speeds.get(age).or(speeds.last()).copied().unwrap_or(Double::ZERO);
        let ages = 0..prepayment.len().max(default.len());
        let steps = |defaults: &[Double]| ages.clone().map(|age| Step::new(at(defaults, age), at(&prepayment, age))).collect();
        Self {
            steps: steps(&default),
            last_steps: steps(&[]),
            severity: Double::from_decimal(assumptions.loss_severity) / Double::from_integer(100),
            lag: assumptions.recovery_lag,
            advances: assumptions.advances,
        }
    }
}

/// A target yield as numbers.
#[derive(Debug, Clone, Copy)]
pub struct Discount {
    /// Worth of a payment in one month.
    pub month: Double,
    /// Worth of a payment that comes as late as every payment does.
    pub delay: Double,
    /// Growth in a compounding period of the yield.
    pub period: Double,
    /// Delay of every payment in months.
    pub delay_months: Double,
}

impl Discount {
    /// A yield above -100 % a compounding period, in percent.
    pub fn new(percent: Double, basis: YieldBasis, delay_days: u32) -> Self {
        let period = basis.growth_of_period(percent);
        let month = Double::ONE / period.root(12 / basis.periods());
        Self { month, delay: month.root(30).power(delay_days), period, delay_months: Double::ratio(delay_days.into(), 30) }
    }
}
