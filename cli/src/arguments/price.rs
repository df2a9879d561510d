//! The arguments of `loan-engine price`.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
    value_parser,
};
use command::Format;
use shared::{
    cash_flow::{
        assumptions::{MAX_AMORTIZATION, MAX_DELAY, MAX_FEE, MAX_LAG, MAX_MONTHS, YieldBasis},
        speed::{Speed, SpeedUnit},
        yield_of::YIELDS,
    },
    decimal::Decimal,
};

/// Largest balance of a loan whose cash flows are printed.
const MAX_BALANCE: Decimal = Decimal::from_integer(1_000_000_000_000);
/// The options that a rule set replaces.
const ASSUMPTIONS: [&str; 12] =
    ["cpr", "psa", "smm", "cdr", "sda", "mdr", "severity", "fee", "yield_basis", "lag", "advances", "delay"];

#[derive(Debug, Args)]
pub struct PriceArgs {
    /// Note rate in percent, from 0
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    #[arg(value_parser = percent_within(Decimal::ZERO, Decimal::HUNDRED))]
    pub note_rate: Decimal,
    /// Number of months left, 1 to 600
    #[arg(long, value_name = "MONTHS", allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(u32).range(1..=i64::from(MAX_MONTHS)))]
    pub term: u32,
    /// Number of months from origination over which level payments amortise the loan; what is left at the end of --term is a
    /// balloon [default: no balloon]
    #[arg(long, value_name = "MONTHS", allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(u32).range(1..=i64::from(MAX_AMORTIZATION)))]
    pub amortization_term: Option<u32>,
    /// Number of months from origination in which the loan pays only interest
    #[arg(long, value_name = "MONTHS", default_value_t = 0, allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(u32).range(0..=i64::from(MAX_AMORTIZATION)))]
    pub interest_only_term: u32,
    /// Age of the loan in months
    #[arg(long, value_name = "MONTHS", default_value_t = 0, allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(u32).range(0..=i64::from(MAX_AMORTIZATION)))]
    pub age: u32,
    #[command(flatten)]
    pub asked: AskedArgs,
    /// Take the assumptions from the section `[pricing]` of a rule set, a TOML file
    #[arg(long, value_name = "FILE", conflicts_with_all = ASSUMPTIONS)]
    pub rule_set: Option<PathBuf>,
    /// Take the assumptions of this segment of the rule set
    #[arg(long, value_name = "NAME", requires = "rule_set", conflicts_with_all = ASSUMPTIONS)]
    pub segment: Option<String>,
    /// Print the cash flows of each month as CSV, instead of the price
    #[arg(long)]
    pub cash_flows: bool,
    /// Balance of the loan whose cash flows are printed
    #[arg(long, value_name = "AMOUNT", default_value = "100", allow_negative_numbers = true, value_parser = balance)]
    #[arg(requires = "cash_flows")]
    pub balance: Decimal,
    /// Format of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    // The last ones, because their heading holds for all that follow.
    #[command(flatten)]
    pub assumptions: AssumptionArgs,
}

/// What is computed: a price, or a yield.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct AskedArgs {
    /// Print the price that brings this yield, in percent from -50 to 200
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    #[arg(value_parser = percent_within(Decimal::from_integer(YIELDS[0]), Decimal::from_integer(YIELDS[1])))]
    pub target: Option<Decimal>,
    /// Print the yield that this price brings, in percent of the balance
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = price)]
    pub at_price: Option<Decimal>,
}

/// What the buyer assumes, where no rule set says so.
#[derive(Debug, Args)]
#[command(next_help_heading = "Assumptions, without a rule set")]
pub struct AssumptionArgs {
    /// Prepayments in percent of the balance a year; a list gives one number for each month of age, of which the last one holds
    /// on, such as 0.2,0.4,6
    #[arg(long, value_name = "LIST", group = "prepayment", allow_negative_numbers = true)]
    #[arg(value_parser = speed(SpeedUnit::Yearly))]
    pub cpr: Option<Speed>,
    /// Prepayments in percent of the PSA model
    #[arg(long, value_name = "PERCENT", group = "prepayment", allow_negative_numbers = true)]
    #[arg(value_parser = speed(SpeedUnit::Psa))]
    pub psa: Option<Speed>,
    /// Prepayments in percent of the balance a month, or a list as for --cpr
    #[arg(long, value_name = "LIST", group = "prepayment", allow_negative_numbers = true)]
    #[arg(value_parser = speed(SpeedUnit::Monthly))]
    pub smm: Option<Speed>,
    /// Defaults in percent of the balance a year, or a list as for --cpr
    #[arg(long, value_name = "LIST", group = "default", allow_negative_numbers = true)]
    #[arg(value_parser = speed(SpeedUnit::Yearly))]
    pub cdr: Option<Speed>,
    /// Defaults in percent of the SDA model
    #[arg(long, value_name = "PERCENT", group = "default", allow_negative_numbers = true)]
    #[arg(value_parser = speed(SpeedUnit::Sda))]
    pub sda: Option<Speed>,
    /// Defaults in percent of the balance a month, or a list as for --cpr
    #[arg(long, value_name = "LIST", group = "default", allow_negative_numbers = true)]
    #[arg(value_parser = speed(SpeedUnit::Monthly))]
    pub mdr: Option<Speed>,
    /// Loss in percent of the balance at default, costs and advances included
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    #[arg(value_parser = percent_within(Decimal::ZERO, Decimal::HUNDRED))]
    pub severity: Option<Decimal>,
    /// Servicing fee in percent a year, 0 to 5
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    #[arg(value_parser = percent_within(Decimal::ZERO, MAX_FEE))]
    pub fee: Option<Decimal>,
    /// How often a year the yield is compounded
    #[arg(long, value_name = "BASIS", value_parser = yield_basis())]
    pub yield_basis: Option<YieldBasis>,
    /// Number of months from default to recovery, 0 to 60
    #[arg(long, value_name = "MONTHS", default_value_t = 0, allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(u32).range(0..=i64::from(MAX_LAG)))]
    pub lag: u32,
    /// The servicer advances interest and principal of defaulted loans until recovery
    #[arg(long)]
    pub advances: bool,
    /// Number of days by which every payment reaches the buyer after it is due, 0 to 90
    #[arg(long, value_name = "DAYS", default_value_t = 0, allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(u32).range(0..=i64::from(MAX_DELAY)))]
    pub delay: u32,
}

fn decimal(text: &str) -> Result<Decimal, String> {
    text.trim().parse::<Decimal>().map_err(|error| format!("{error}; write a number such as 6.5"))
}

/// Parses a number of percent within bounds.
fn percent_within(least: Decimal, most: Decimal) -> impl Fn(&str) -> Result<Decimal, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let percent = decimal(text)?;
        let fits = (least..=most).contains(&percent);
        if fits { Ok(percent) } else { Err(format!("it must be from {least} to {most}, in percent, and not {percent}")) }
    }
}

fn price(text: &str) -> Result<Decimal, String> {
    let price = decimal(text)?;
    if price.is_positive() {
        return Ok(price);
    }
    Err(format!("it must be above 0, in percent of the balance, and not {price}"))
}

fn balance(text: &str) -> Result<Decimal, String> {
    let balance = decimal(text)?;
    let fits = balance.is_positive() && balance <= MAX_BALANCE;
    if fits { Ok(balance) } else { Err(format!("it must be above 0 and at most {MAX_BALANCE}, and not {balance}")) }
}

/// Parses a speed: one number, or of a speed without a model a list with commas between the numbers.
fn speed(unit: SpeedUnit) -> impl Fn(&str) -> Result<Speed, String> + Clone + Send + Sync + 'static {
    let percent = percent_within(Decimal::ZERO, unit.most());
    move |text: &str| {
        let numbers: Vec<&str> = text.split(',').collect();
        let count = numbers.len();
        if count > 1 && unit.is_model() {
            return Err("it takes one number, the percentage of the model, such as 150".to_owned());
        }
        if count > MAX_MONTHS as usize {
            return Err(format!("a list has at most {MAX_MONTHS} numbers, and this one has {count}"));
        }
        let in_place = |place: usize, error: String| {
            if count == 1 { error } else { format!("number {place} of the list: {error}") }
        };
        let values = (1..).zip(numbers).map(|(place, number)| percent(number).map_err(|error| in_place(place, error)));
        Ok(Speed { unit, values: values.collect::<Result<_, _>>()? })
    }
}

/// Parses a yield basis by its word in rule sets.
fn yield_basis() -> impl TypedValueParser<Value = YieldBasis> {
    let words = YieldBasis::ALL.map(|basis| {
        PossibleValue::new(basis.as_str()).help(match basis {
            YieldBasis::Monthly => "Monthly, as the yield of a mortgage",
            YieldBasis::BondEquivalent => "Half-yearly, as the yield of a bond",
            YieldBasis::Effective => "Yearly",
        })
    });
    PossibleValuesParser::new(words).try_map(|word: String| {
        YieldBasis::ALL.into_iter().find(|basis| basis.as_str() == word).ok_or("there is no such yield basis")
    })
}
