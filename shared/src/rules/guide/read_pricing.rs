//! Reads adjustments and the section `[pricing]` from a rule set's file.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    decimal::Decimal,
    rules::reading::{Parsed, line_of, number, section, sections},
    ten_thousandths::TenThousandths,
};

use super::{
    Reader,
    read::{one_of, rule_name},
    read_cash_flow,
    rule::{Missing, Scope},
    waterfall::Adjustment,
};

/// Largest number of adjustments of a rule set.
const MAX_ADJUSTMENTS: usize = 200;
/// Largest points of an adjustment, cap and floor, and their negative the smallest.
const LARGEST_POINTS: Decimal = Decimal::from_integer(1_000);

impl Reader<'_> {
    /// Reads `[[adjustment]]`: points that are added to the price.
    pub fn adjustments(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(tables) = self.take(sections(value, "adjustment")) else { return };
        if tables.len() > MAX_ADJUSTMENTS {
            let message = format!("a rule set has at most {MAX_ADJUSTMENTS} adjustments, and this one has {}", tables.len());
            self.mistakes.add(value.span(), message);
            return;
        }
        for table in tables.iter() {
            if let DeValue::Table(keys) = table.get_ref() {
                self.adjustment(keys, table.span());
            }
        }
    }

    fn adjustment(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        let (mut name, mut scope, mut read_points, mut missing) = (None, Scope::default(), None, Missing::default());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => name = self.take(rule_name(value)).map(|name| (name, value.span())),
                "when" => scope.when = self.condition(value, "when").unwrap_or_default(),
                "unless" => scope.unless = self.condition(value, "unless"),
                "points" => read_points = self.take(points(value, "points")),
                "missing" => missing = self.take(one_of(value, "missing", &Missing::ALL)).unwrap_or(missing),
                _ => self.unknown(key, "name, when, unless, points, missing"),
            }
        }
        if !table.contains_key("name") {
            self.mistakes.add(place.clone(), "the adjustment has no name: write name = \"investor_property\"".to_owned());
        }
        if !table.contains_key("points") {
            self.mistakes.add(place, "the adjustment has no points: write points = -1.125".to_owned());
        }
        let Some((name, span)) = name.filter(|(name, span)| self.claim(name, span.clone(), "adjustment")) else { return };
        let Some(points) = read_points else { return };
        let source = format!("{}:{}", self.file.file_name(), line_of(&self.file.toml, &span));
        self.guide.waterfall.adjustments.push(Adjustment { name, scope, points, missing, source });
    }

    /// Reads `[pricing]`: the method with its assumptions, the cap and the floor.
    pub fn pricing(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = self.take(section(value, "pricing")) else { return };
        self.guide.waterfall.has_section = true;
        self.guide.waterfall.cap_source = format!("{}:pricing", self.file.file_name());
        let written = table.iter().find(|(key, _)| key.get_ref() == "method");
        let method = written.map_or(Some(Method::Linear), |(_, value)| self.take(one_of(value, "method", &Method::ALL)));
        let mut is_cash_flow = method == Some(Method::CashFlow);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "method" => {}
                "cap" => self.guide.waterfall.cap = self.take(price(value, "cap")),
                "floor" => self.guide.waterfall.floor = self.take(price(value, "floor")),
                name if read_cash_flow::KEYS.contains(&name) => {
                    // A method that is misspelled hides no other mistake.
                    is_cash_flow |= method.is_none();
                    if method == Some(Method::Linear) {
                        let change = if written.is_some() { "change the method to" } else { "add method =" };
                        let message =
                            format!("`{name}` belongs to prices by cash flows: {change} \"cash_flow\", or leave it out");
                        self.mistakes.add(key.span(), message);
                    }
                }
                _ => {
                    let known: Vec<&str> = ["method", "cap", "floor"].into_iter().chain(read_cash_flow::KEYS).collect();
                    self.unknown(key, &known.join(", "));
                }
            }
        }
        if is_cash_flow {
            self.cash_flow(table, value.span());
        }
        if let (Some(cap), Some(floor)) = (self.guide.waterfall.cap, self.guide.waterfall.floor)
            && floor >= cap
        {
            let message = format!("the floor {} must be below the cap {}", floor.text(), cap.text());
            self.mistakes.add(value.span(), message);
        }
    }
}

/// How a rule set prices loans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Linear,
    CashFlow,
}

impl Method {
    const ALL: [(&'static str, Self); 2] = [("linear", Self::Linear), ("cash_flow", Self::CashFlow)];
}

fn points(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<TenThousandths> {
    let points = number(value, name)?;
    let fits = points.magnitude() <= LARGEST_POINTS;
    TenThousandths::exact(points).filter(|_| fits).ok_or_else(|| {
        (value.span(), format!("`{name}` must be a number of at most 4 decimals, from -1000 to 1000, and not {points}"))
    })
}

/// A price in percent of the balance.
fn price(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<TenThousandths> {
    let price = points(value, name)?;
    if price > TenThousandths::ZERO {
        return Ok(price);
    }
    Err((value.span(), format!("`{name}` must be a price above 0, in percent of the balance, such as 104.0")))
}
