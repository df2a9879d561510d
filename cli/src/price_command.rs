//! `loan-engine price`: what a loan is worth at a yield, or which yield its price brings.

mod numbers;
mod terms;

use std::io::Write;

use command::{CommandContext, Format, error::CommandError, print};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::{
    cash_flow::{
        double::Double,
        flows::{MonthFlows, flows},
        quote::{Model, Valuation},
        value::Schedule,
        yield_of::{YIELDS, yield_of},
    },
    decimal::Decimal,
};

use self::{numbers::text, terms::Terms};
use crate::arguments::PriceArgs;

/// Decimals of prices and of times in years.
const PRICE_DECIMALS: u8 = 10;
const YIELD_DECIMALS: u8 = 6;
/// Decimals of cash flows.
const AMOUNT_DECIMALS: u8 = 6;
const CASH_FLOW_HEADER: &str = "month,performing,new_defaults,in_foreclosure,scheduled_balance,amortization,prepayments,\
                                amortization_of_defaults,interest,recovery,loss,cash\n";

/// Prices a loan and prints its price, or its cash flows.
///
/// # Errors
/// [`CommandError::Usage`] when the arguments do not give all assumptions, or the note rate is below the servicing fee;
/// [`CommandError::Mistakes`] when the rule set has mistakes; [`CommandError::Failed`] when no yield brings the price.
pub fn price(args: &PriceArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    if args.cash_flows && args.format == Format::Json {
        return Err(CommandError::Usage("--cash-flows prints CSV: leave out --format json, or --cash-flows.".to_owned()));
    }
    let terms = Terms::new(args, context)?;
    let fee = terms.assumptions.servicing_fee;
    if args.note_rate < fee {
        return Err(CommandError::Usage(format!(
            "The note rate {} % is below the servicing fee {} %: give a higher --note-rate, or assume a lower fee.",
            args.note_rate.with_min_decimals(2),
            fee.with_min_decimals(2)
        )));
    }
    let schedule = Schedule::from_origination(args.term, args.age, args.interest_only_term, args.amortization_term);
    let priced = priced(args, &terms, &schedule)?;
    let printed = match args.format {
        _ if args.cash_flows => csv(&flows(args.note_rate, &schedule, &terms.assumptions), args.balance)?,
        Format::Table => priced.table(&terms)?,
        Format::Json => priced.json(&terms, &schedule)?,
    };
    print(out, printed.as_bytes())
}

/// A loan's price and yield, one of which the arguments give.
struct Priced {
    /// In percent of the balance.
    price: Double,
    /// In percent.
    yield_percent: Double,
    /// What the loan is worth at the yield.
    valuation: Valuation,
}

fn priced(args: &PriceArgs, terms: &Terms, schedule: &Schedule) -> Result<Priced, CommandError> {
    let (price, yield_percent) = match (args.asked.target, args.asked.at_price) {
        (_, Some(price)) => (Some(Double::from_decimal(price)), yield_at(price, args, terms, schedule)?),
        (Some(target), None) => (None, Double::from_decimal(target)),
        // The parser of the arguments requires one of them.
        (None, None) => return Err(CommandError::Usage("Give a yield with --target, or a price with --at-price.".to_owned())),
    };
    let valuation = valuation(yield_percent, args, terms, schedule);
    Ok(Priced { price: price.unwrap_or(valuation.price), yield_percent, valuation })
}

fn valuation(yield_percent: Double, args: &PriceArgs, terms: &Terms, schedule: &Schedule) -> Valuation {
    Model::new(&terms.assumptions, yield_percent, terms.yield_basis).valuation(args.note_rate, schedule)
}

/// The yield in percent that a price brings.
fn yield_at(price: Decimal, args: &PriceArgs, terms: &Terms, schedule: &Schedule) -> Result<Double, CommandError> {
    let found = yield_of(&terms.assumptions, terms.yield_basis, args.note_rate, schedule, Double::from_decimal(price));
    if let Some(percent) = found {
        return Ok(percent);
    }
    let [lowest, highest] = YIELDS;
    let worth = |percent: i64| text(valuation(Double::from_integer(percent.into()), args, terms, schedule).price, 4);
    Err(CommandError::Failed(format!(
        "No yield from {lowest} to {highest} % brings the price {price}: the loan is worth {} at {lowest} % and {} at {highest} %.",
        worth(lowest)?,
        worth(highest)?
    )))
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Answer<'t> {
    price: Box<RawValue>,
    wal: Option<Box<RawValue>>,
    duration: Option<Box<RawValue>>,
    macaulay: Option<Box<RawValue>>,
    #[serde(rename = "yield")]
    yield_percent: Box<RawValue>,
    /// Number of months left.
    n: u32,
    segment: Option<&'t str>,
}

impl Priced {
    fn json(&self, terms: &Terms, schedule: &Schedule) -> Result<String, CommandError> {
        let failed = |error: serde_json::Error| CommandError::Failed(format!("The answer could not be put together: {error}."));
        let number = |value: Double, decimals: u8| RawValue::from_string(text(value, decimals)?).map_err(failed);
        let years = |value: Option<Double>| value.map(|value| number(value, PRICE_DECIMALS)).transpose();
        let Valuation { wal, macaulay, duration, .. } = self.valuation;
        let answer = Answer {
            price: number(self.price, PRICE_DECIMALS)?,
            wal: years(wal)?,
            duration: years(duration)?,
            macaulay: years(macaulay)?,
            yield_percent: number(self.yield_percent, YIELD_DECIMALS)?,
            n: schedule.term,
            segment: terms.segment.as_deref(),
        };
        let mut json = serde_json::to_string_pretty(&answer).map_err(failed)?;
        json.push('\n');
        Ok(json)
    }

    fn table(&self, terms: &Terms) -> Result<String, CommandError> {
        let Valuation { wal, macaulay, duration, .. } = self.valuation;
        let years = |value: Option<Double>| value.map_or_else(|| Ok("-".to_owned()), |value| text(value, PRICE_DECIMALS));
        let basis = format!("%, {}", terms.yield_basis.as_str());
        let lines = [
            ("Price", text(self.price, PRICE_DECIMALS)?, "% of the balance"),
            ("Yield", text(self.yield_percent, YIELD_DECIMALS)?, basis.as_str()),
            ("WAL", years(wal)?, "years"),
            ("Duration", years(duration)?, "years, modified"),
            ("Macaulay duration", years(macaulay)?, "years"),
        ];
        Ok(aligned(&lines))
    }
}

/// Lines of a name, a number and its unit, with the decimal points one below the other.
fn aligned(lines: &[(&str, String, &str)]) -> String {
    let before_point = |number: &str| number.find('.').unwrap_or(number.len());
    let names = lines.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let whole = lines.iter().map(|(_, number, _)| before_point(number)).max().unwrap_or(0);
    let width = whole + 1 + usize::from(PRICE_DECIMALS);
    let line = |(name, number, unit): &(&str, String, &str)| {
        let number = format!("{}{number}", " ".repeat(whole - before_point(number)));
        format!("{name:<names$}  {number:<width$}  {unit}\n")
    };
    lines.iter().map(line).collect()
}

/// The cash flows of a loan with a balance, a line for each month.
fn csv(months: &[MonthFlows], balance: Decimal) -> Result<String, CommandError> {
    let balance = Double::from_decimal(balance);
    let mut csv = CASH_FLOW_HEADER.to_owned();
    for (number, month) in (1..).zip(months) {
        csv.push_str(&format!("{number}"));
        let amounts = [
            month.performing,
            month.new_defaults,
            month.in_foreclosure,
            month.scheduled_balance,
            month.amortization,
            month.prepayments,
            month.amortization_of_defaults,
            month.interest,
            month.recovery,
            month.loss,
            month.cash(),
        ];
        for amount in amounts {
            csv.push(',');
            csv.push_str(&text(amount * balance, AMOUNT_DECIMALS)?);
        }
        csv.push('\n');
    }
    Ok(csv)
}
