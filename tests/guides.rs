//! Guides: rule sets with conditions and rules of their own.

#![cfg(test)]

mod cash_flow;
mod conditions;
mod consistency;
mod fields;
mod grids;
mod mistakes;
mod pools;
mod prices;
mod programs;
mod rules;
mod runs;
pub mod shipped;

use jiff::civil::{Date, date};
use shared::{
    phases::{
        judge,
        pricing::{IrrTarget, Pricing},
    },
    rules::rule_set::RuleSet,
};

use crate::support::loans::LoanBuilder;

/// The date on which the loans of these tests are bought.
const PDATE: Date = date(2026, 2, 2);

/// A rule set without mistakes.
fn guide(toml: &str) -> RuleSet {
    RuleSet::from_toml(toml).unwrap_or_else(|error| panic!("{error}\n{toml}"))
}

/// An exception: type, severity, field, actual, limit, excess, message.
type Told = [String; 7];

/// The exceptions of the good loan with some cells replaced.
fn exceptions(rules: &RuleSet, cells: &[(&str, &str)]) -> Vec<Told> {
    decided(rules, cells, PDATE).0
}

/// The messages of the exceptions of the good loan with some cells replaced.
fn messages(rules: &RuleSet, cells: &[(&str, &str)]) -> Vec<String> {
    exceptions(rules, cells).into_iter().map(|[.., message]| message).collect()
}

/// Exceptions, disposition, and the reason for holding the loan.
fn decided(rules: &RuleSet, cells: &[(&str, &str)], pdate: Date) -> (Vec<Told>, &'static str, Option<String>) {
    let loan = cells.iter().fold(LoanBuilder::good(), |loan, (column, cell)| loan.with(column, cell)).build();
    let decided = judge(&loan, None, rules, &Pricing::new(rules, IrrTarget::DEFAULT, pdate));
    let told = decided.exceptions.iter().map(|exception| {
        let evidence = &exception.evidence;
        let excess = evidence.excess.map(|excess| excess.to_string()).unwrap_or_default();
        [
            exception.kind.name.to_string(),
            exception.severity.as_str().to_owned(),
            evidence.field.to_string(),
            evidence.actual.to_string(),
            evidence.limit.to_string(),
            excess,
            evidence.message.clone(),
        ]
    });
    (told.collect(), decided.disposition.as_str(), decided.projection_reason)
}

/// One rule, with a name that no test depends on.
fn one_rule(rest: &str) -> RuleSet {
    guide(&format!("[[rule]]\nname = \"the_rule\"\n{rest}"))
}
