//! Why a run rejects and holds loans, for people.

use command::{
    plain_text::{count, short_line},
    text_table::{
        Align::{Left, Right},
        TextTable,
    },
};
use shared::{
    results::summary::{Held, Pair, Reason, Reasons},
    rules::{Severity, distance::DistanceUnit},
};

use crate::summary_table::dollars;

/// Characters shown of the reason of the first loan that a policy holds.
const REASON_CHARACTERS: usize = 200;

/// Rows of the brief table.
const BRIEF_ROWS: usize = 5;

/// Appends the reasons of a run; nothing when no loan has one. The brief form has the largest reasons for rejecting and all policies
/// that hold loans.
pub fn print_reasons(out: &mut String, reasons: &Reasons, in_full: bool) {
    let is_shown = |reason: &&Reason| in_full || reason.severity == Severity::Hard;
    let rows: Vec<&Reason> = reasons.reasons.iter().filter(is_shown).collect();
    if !rows.is_empty() {
        out.push_str("\nReasons\n");
        let kept = if in_full { rows.len() } else { rows.len().min(BRIEF_ROWS) };
        print_exceptions(out, &rows[..kept], in_full);
        if kept < rows.len() {
            out.push_str(&format!("  and {} more, which --strats prints\n", count((rows.len() - kept) as u64)));
        }
    }
    if !reasons.held.is_empty() {
        out.push_str("\nHeld by\n");
        let mut table = TextTable::new(&[("", Left), ("Loans", Right), ("Balance $", Right), ("The first one", Left)]);
        for Held { policy, reason, loans, balance } in &reasons.held {
            let reason = short_line(reason, REASON_CHARACTERS);
            table.row([policy.as_str().to_owned(), count(*loans), dollars(balance), reason]);
        }
        table.print(out, 2);
    }
    if in_full && !reasons.pairs.is_empty() {
        out.push_str("\nRejected for exactly two\n");
        let mut table = TextTable::new(&[("", Left), ("Loans", Right), ("Balance $", Right)]);
        for Pair { types, loans, balance } in &reasons.pairs {
            table.row([types.join(" and "), count(*loans), dollars(balance)]);
        }
        table.print(out, 2);
    }
}

fn print_exceptions(out: &mut String, reasons: &[&Reason], in_full: bool) {
    let has_programs = reasons.iter().any(|reason| reason.program.is_some());
    let program = has_programs.then_some(("Program", Left));
    let columns = [
        ("Rule", Left),
        ("Severity", Left),
        ("Loans", Right),
        ("Balance $", Right),
        ("Alone", Right),
        ("Alone $", Right),
        ("Alone, by at most", Left),
    ];
    let columns = &columns[..if in_full { columns.len() } else { columns.len() - 1 }];
    let columns: Vec<_> = program.into_iter().chain(columns.iter().copied()).collect();
    let mut table = TextTable::new(&columns);
    for reason in reasons {
        let program = has_programs.then(|| reason.program.clone().unwrap_or_default());
        let only = &reason.only_reason;
        let cells = [
            reason.exception_type.clone(),
            reason.severity.as_str().to_owned(),
            count(reason.loans),
            dollars(&reason.balance),
            count(only.loans),
            dollars(&only.balance),
        ];
        table.row(program.into_iter().chain(cells).chain(in_full.then(|| within(reason))));
    }
    table.print(out, 2);
}

/// How many of the loans with no other reason miss the limit by how much: `1: 3, 2: 5 points`; empty when no step has a loan.
fn within(reason: &Reason) -> String {
    let steps: Vec<String> = reason
        .by_distance
        .iter()
        .filter(|step| step.loans > 0)
        .map(|step| format!("{}: {}", step.up_to, count(step.loans)))
        .collect();
    let unit = match reason.distance_unit {
        Some(DistanceUnit::Points) => " points",
        Some(DistanceUnit::PercentOfLimit) => " % of the limit",
        Some(DistanceUnit::Count) | None => "",
    };
    if steps.is_empty() { String::new() } else { steps.join(", ") + unit }
}
