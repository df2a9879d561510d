//! Reads the assumptions of prices by cash flows from a rule set's file.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    cash_flow::{
        assumptions::{Assumptions, MAX_DELAY, MAX_FEE, MAX_LAG, MAX_MONTHS, YieldBasis},
        speed::{Speed, SpeedUnit},
    },
    decimal::Decimal,
    rules::reading::{Key, Parsed, flag, number, sections},
};

use super::{
    Reader,
    cash_flow::{Adjustable, CashFlowPricing, Segment},
    read::{one_of, rule_name},
    rule::Scope,
};

/// Keys of `[pricing]` that only prices by cash flows have.
pub(super) const KEYS: [&str; 11] = [
    "yield_basis",
    "prepayment",
    "default",
    "loss_severity",
    "servicing_fee",
    "recovery_lag",
    "advances",
    "delay_days",
    "term",
    "adjustable",
    "segment",
];
/// What a rule set must say, with an example.
const REQUIRED: [(&str, &str); 5] = [
    ("yield_basis", "yield_basis = \"monthly\""),
    ("prepayment", "prepayment = { cpr = 6.0 }"),
    ("default", "default = { cdr = 0.5 }"),
    ("loss_severity", "loss_severity = 30.0"),
    ("servicing_fee", "servicing_fee = 0.25"),
];
/// Largest number of segments of a rule set.
const MAX_SEGMENTS: usize = 50;
/// Name in results of a loan without a segment.
pub const NO_SEGMENT: &str = "none";

/// Assumptions as far as a table gives them.
#[derive(Debug, Default)]
struct Given {
    prepayment: Option<Speed>,
    default: Option<Speed>,
    loss_severity: Option<Decimal>,
    servicing_fee: Option<Decimal>,
    recovery_lag: Option<u32>,
    advances: Option<bool>,
    delay_days: Option<u32>,
}

impl Given {
    /// Assumptions with nothing left open but what has a default; `None` when something is missing.
    fn complete(self) -> Option<Assumptions> {
        Some(Assumptions {
            prepayment: self.prepayment?,
            default: self.default?,
            loss_severity: self.loss_severity?,
            servicing_fee: self.servicing_fee?,
            recovery_lag: self.recovery_lag.unwrap_or(0),
            advances: self.advances.unwrap_or(false),
            delay_days: self.delay_days.unwrap_or(0),
        })
    }

    /// Other assumptions, with these in their place.
    fn over(self, base: &Assumptions) -> Assumptions {
        Assumptions {
            prepayment: self.prepayment.unwrap_or_else(|| base.prepayment.clone()),
            default: self.default.unwrap_or_else(|| base.default.clone()),
            loss_severity: self.loss_severity.unwrap_or(base.loss_severity),
            servicing_fee: self.servicing_fee.unwrap_or(base.servicing_fee),
            recovery_lag: self.recovery_lag.unwrap_or(base.recovery_lag),
            advances: self.advances.unwrap_or(base.advances),
            delay_days: self.delay_days.unwrap_or(base.delay_days),
        }
    }
}

impl Reader<'_> {
    /// Reads the keys of `[pricing]` that say how to price by cash flows.
    pub(super) fn cash_flow(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        for (key, example) in REQUIRED {
            if !table.contains_key(key) {
                let message =
                    format!("prices by cash flows need `{key}`: there is no silent assumption, so say it, such as {example}");
                self.mistakes.add(place.clone(), message);
            }
        }
        let (mut given, mut yield_basis, mut term, mut adjustable) = (Given::default(), None, None, Adjustable::default());
        let bases = YieldBasis::ALL.map(|basis| (basis.as_str(), basis));
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "yield_basis" => yield_basis = self.take(one_of(value, "yield_basis", &bases)),
                "term" => term = self.take(whole(value, "term", 1, MAX_MONTHS)),
                "adjustable" => adjustable = self.take(one_of(value, "adjustable", &Adjustable::ALL)).unwrap_or(adjustable),
                _ => {
                    self.assumption(&mut given, key, value);
                }
            }
        }
        let base = given.complete().zip(yield_basis);
        let listed = table.iter().find(|(key, _)| key.get_ref() == "segment");
        let segments = listed.map_or_else(Vec::new, |(_, value)| self.segments(value, base.as_ref().map(|(base, _)| base)));
        self.guide.cash_flow = base
            .map(|(assumptions, yield_basis)| CashFlowPricing { yield_basis, assumptions, term, adjustable, segments }.into());
    }

    /// Reads a key that `[pricing]` and its segments share. Returns whether it is one.
    fn assumption(&mut self, given: &mut Given, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> bool {
        match key.get_ref().as_ref() {
            "prepayment" => given.prepayment = self.speed(value, "prepayment", &SpeedUnit::OF_PREPAYMENTS),
            "default" => given.default = self.speed(value, "default", &SpeedUnit::OF_DEFAULTS),
            "loss_severity" => given.loss_severity = self.take(percent(value, "loss_severity", Decimal::HUNDRED)),
            "servicing_fee" => given.servicing_fee = self.take(percent(value, "servicing_fee", MAX_FEE)),
            "recovery_lag" => given.recovery_lag = self.take(whole(value, "recovery_lag", 0, MAX_LAG)),
            "advances" => given.advances = self.take(flag(value, "advances")),
            "delay_days" => given.delay_days = self.take(whole(value, "delay_days", 0, MAX_DELAY)),
            _ => return false,
        }
        true
    }

    fn segments(&mut self, value: &Spanned<DeValue<'_>>, base: Option<&Assumptions>) -> Vec<Segment> {
        let Some(tables) = self.take(sections(value, "pricing.segment")) else { return Vec::new() };
        if tables.len() > MAX_SEGMENTS {
            let message = format!("a rule set has at most {MAX_SEGMENTS} segments, and this one has {}", tables.len());
            self.mistakes.add(value.span(), message);
            return Vec::new();
        }
        let mut segments = Vec::new();
        for table in tables.iter() {
            if let DeValue::Table(keys) = table.get_ref() {
                segments.extend(self.segment(keys, table.span(), base));
            }
        }
        segments
    }

    fn segment(&mut self, table: &DeTable<'_>, place: Range<usize>, base: Option<&Assumptions>) -> Option<Segment> {
        let (mut given, mut name, mut when) = (Given::default(), None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => name = self.take(rule_name(value)).map(|name| (name, value.span())),
                "when" => when = self.condition(value, "when"),
                _ if self.assumption(&mut given, key, value) => {}
                _ => self.unknown(
                    key,
                    "name, when, prepayment, default, loss_severity, servicing_fee, recovery_lag, advances, delay_days",
                ),
            }
        }
        if !table.contains_key("name") {
            self.mistakes.add(place.clone(), "the segment has no name: write name = \"low_score\"".to_owned());
        }
        if !table.contains_key("when") {
            let message = "the segment does not say which loans it is for: write when = { credit_score = { max = 660 } }";
            self.mistakes.add(place, message.to_owned());
        }
        let (name, span) = name?;
        if name == NO_SEGMENT {
            let message = format!("`{NO_SEGMENT}` means no segment in results: give the segment another name");
            self.mistakes.add(span, message);
            return None;
        }
        if !self.claim(&name, span, "segment") {
            return None;
        }
        Some(Segment { name, scope: Scope { when: when?, unless: None }, assumptions: given.over(base?) })
    }

    /// Reads a speed: a table with exactly one key, which is its unit.
    fn speed(&mut self, value: &Spanned<DeValue<'_>>, name: &str, units: &[(&str, SpeedUnit)]) -> Option<Speed> {
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("`{name}` takes a table with its unit, such as {name} = {{ {} = 1.0 }}", units[0].0);
            self.mistakes.add(value.span(), message);
            return None;
        };
        let known: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
        let mut keys = table.iter();
        let (Some((key, value_of_key)), None) = (keys.next(), keys.next()) else {
            let message = format!("`{name}` has exactly one of {}: write {name} = {{ {} = 1.0 }}", known.join(", "), known[0]);
            self.mistakes.add(value.span(), message);
            return None;
        };
        let Some((_, unit)) = units.iter().find(|(unit, _)| unit == key.get_ref()) else {
            self.unknown(key, &known.join(", "));
            return None;
        };
        let values = self.speeds(value_of_key, key.get_ref(), *unit)?;
        Some(Speed { unit: *unit, values })
    }

    /// Reads the values of a speed: one number, or of a speed without a model a list of numbers by month of age.
    fn speeds(&mut self, value: &Spanned<DeValue<'_>>, name: &str, unit: SpeedUnit) -> Option<Vec<Decimal>> {
        let DeValue::Array(items) = value.get_ref() else { return Some(vec![self.take(percent(value, name, unit.most()))?]) };
        if unit.is_model() {
            let message = format!("`{name}` takes one number, the percentage of the model: write {name} = 100");
            self.mistakes.add(value.span(), message);
            return None;
        }
        if items.is_empty() || items.len() > MAX_MONTHS as usize {
            let message =
                format!("`{name}` takes a number or a list of 1 to {MAX_MONTHS} numbers, and this list has {}", items.len());
            self.mistakes.add(value.span(), message);
            return None;
        }
        let read: Vec<Option<Decimal>> = (1..)
            .zip(items.iter())
            .map(|(age, item)| self.take(percent(item, &format!("{name}, month {age}"), unit.most())))
            .collect();
        read.into_iter().collect()
    }
}

/// A number of percent from 0.
fn percent(value: &Spanned<DeValue<'_>>, name: &str, most: Decimal) -> Parsed<Decimal> {
    let percent = number(value, name)?;
    if percent >= Decimal::ZERO && percent <= most {
        return Ok(percent);
    }
    Err((value.span(), format!("`{name}` must be from 0 to {most}, in percent, and not {percent}")))
}

fn whole(value: &Spanned<DeValue<'_>>, name: &str, least: u32, most: u32) -> Parsed<u32> {
    let found = number(value, name)?;
    let whole = found.to_string().parse().ok().filter(|whole| (least..=most).contains(whole));
    whole.ok_or_else(|| (value.span(), format!("`{name}` must be a whole number from {least} to {most}, and not {found}")))
}
