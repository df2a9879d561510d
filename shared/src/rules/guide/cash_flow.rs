//! Prices by cash flows, as a rule set says them: what the buyer assumes, and for which loans something else.

use crate::{
    cash_flow::{
        assumptions::{Assumptions, YieldBasis},
        speed::{Speed, SpeedUnit},
    },
    decimal::Decimal,
};

use super::rule::Scope;

/// Prices by cash flows: `[pricing]` with `method = "cash_flow"`.
#[derive(Debug, Clone)]
pub struct CashFlowPricing {
    /// What the IRR target means.
    pub yield_basis: YieldBasis,
    /// What holds for loans without a segment.
    pub assumptions: Assumptions,
    /// Months left of a loan whose tape does not say. `None` holds the loan.
    pub term: Option<u32>,
    pub adjustable: Adjustable,
    /// In the order of the file.
    pub segments: Vec<Segment>,
}

/// What the price of a loan with an adjustable rate is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Adjustable {
    /// There is none: the loan is held.
    #[default]
    Hold,
    /// That of a loan with a fixed rate.
    AsFixed,
}

impl Adjustable {
    pub const ALL: [(&'static str, Self); 2] = [("hold", Self::Hold), ("as_fixed", Self::AsFixed)];
}

/// Loans for which the buyer assumes something else: `[[pricing.segment]]`.
#[derive(Debug, Clone)]
pub struct Segment {
    pub name: String,
    pub scope: Scope,
    /// The assumptions of `[pricing]` with those of the segment in their place.
    pub assumptions: Assumptions,
}

impl Speed {
    /// The speed for people: `6.0 % CPR`, `150 % PSA`, `0.2, 0.4, 6.0 % CPR by month of age`.
    pub fn text(&self, names: &[(&str, SpeedUnit)]) -> String {
        let name = names.iter().find(|(_, unit)| *unit == self.unit).map_or("", |(name, _)| name).to_uppercase();
        let values: Vec<String> = self.values.iter().map(Decimal::to_string).collect();
        let by_age = if values.len() > 1 { " by month of age" } else { "" };
        format!("{} % {name}{by_age}", values.join(", "))
    }
}

impl Assumptions {
    /// The assumptions for people, one after the other: a name and what is assumed.
    pub fn texts(&self) -> [(&'static str, String); 7] {
        let months = if self.recovery_lag == 1 { "month" } else { "months" };
        let days = if self.delay_days == 1 { "day" } else { "days" };
        [
            ("prepayment", self.prepayment.text(&SpeedUnit::OF_PREPAYMENTS)),
            ("default", self.default.text(&SpeedUnit::OF_DEFAULTS)),
            ("loss severity", format!("{} %", self.loss_severity)),
            ("servicing fee", format!("{} %", self.servicing_fee)),
            ("recovery lag", format!("{} {months}", self.recovery_lag)),
            ("advances", if self.advances { "yes" } else { "no" }.to_owned()),
            ("delay", format!("{} {days}", self.delay_days)),
        ]
    }

    /// The assumptions in one fixed form, for the hash of the rule set.
    fn push_canonical(&self, out: &mut String) {
        let Self { prepayment, default, loss_severity, servicing_fee, recovery_lag, advances, delay_days } = self;
        for Speed { unit, values } in [prepayment, default] {
            let values: Vec<String> = values.iter().map(Decimal::to_string).collect();
            out.push_str(&format!("{unit:?}:{};", values.join(",")));
        }
        out.push_str(&format!("{loss_severity};{servicing_fee};{recovery_lag};{advances};{delay_days};"));
    }
}

impl CashFlowPricing {
    /// What holds for all segments, for people: a name and what is said.
    pub fn texts(&self) -> [(&'static str, String); 3] {
        let term = match self.term {
            Some(months) => format!("{months} months left, where the tape does not say"),
            None => "a loan is held where the tape does not say how many months are left".to_owned(),
        };
        let adjustable = match self.adjustable {
            Adjustable::Hold => "a loan with an adjustable rate is held",
            Adjustable::AsFixed => "a loan with an adjustable rate is priced as if its rate were fixed",
        };
        [("target yield", self.yield_basis.text().to_owned()), ("term", term), ("adjustable", adjustable.to_owned())]
    }

    /// The pricing in one fixed form, for the hash of the rule set.
    pub fn push_canonical(&self, out: &mut String) {
        let Self { yield_basis, assumptions, term, adjustable, segments } = self;
        out.push_str(&format!("cash_flow,{},{term:?},{adjustable:?},", yield_basis.as_str()));
        assumptions.push_canonical(out);
        for Segment { name, scope, assumptions } in segments {
            out.push_str(&format!("\npricing.segment.{name}="));
            assumptions.push_canonical(out);
            scope.push_canonical(out);
        }
    }
}
