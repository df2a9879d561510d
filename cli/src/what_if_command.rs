//! `loan-engine what-if`: what a run would have decided at another target or under other rules.

use std::{io::Write, sync::Arc};

use command::{
    CommandContext, Format,
    error::CommandError,
    plain_text::count,
    print,
    text_table::{Align, TextTable},
};
use shared::{
    phases::disposition::Disposition,
    questions::what_if::{
        Moves, RuleChange, StoredRun as AskedRun, WhatIfSweep,
        changes::RuleChanges,
        question::{QuestionError, WhatIfQuestion, WhatIfReport},
    },
};

use crate::{
    arguments::{WhatIfArgs, said},
    run_command::{read_rule_set, tuning},
    stored_run::{StoredRun, unreadable},
    summary_table::{dollars, in_cents, percent},
};

/// Judges the loans of a run again and prints what would change.
///
/// # Errors
/// [`CommandError::Usage`] when an argument is wrong; [`CommandError::Mistakes`] when the changed rule set has mistakes;
/// [`CommandError::Failed`] when the results cannot be read, or only a run of the tape can answer.
pub fn what_if(args: &WhatIfArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let run = StoredRun::open(&args.run, context)?;
    let rule_set = args.rule_set.as_deref().map(|file| read_rule_set(file, context)).transpose()?.map(Arc::new);
    let mut changes = RuleChanges::default();
    args.set.iter().for_each(|change| changes.add(change));
    let question = WhatIfQuestion { irr_target: args.irr_target, rule_set, changes, sweep: args.sweep.clone() };
    let rules = Arc::new(run.rules.clone());
    let asked = AskedRun {
        facts: &run.facts,
        exceptions: &run.exceptions,
        rules: &rules,
        pdate: run.manifest.parameters.pdate,
        threads: tuning(&args.work).threads,
    };
    let report = question.ask(&asked, run.irr_target()?).map_err(|error| refused(error, &run))?;
    match args.format {
        Format::Table => print(out, table(&report).as_bytes()),
        Format::Json => {
            let mut json = serde_json::to_vec_pretty(&report)
                .map_err(|error| CommandError::Failed(format!("The answer could not be put together: {error}.")))?;
            json.push(b'\n');
            print(out, &json)
        }
    }
}

fn refused(error: QuestionError, run: &StoredRun) -> CommandError {
    match error {
        QuestionError::Changes(mistakes) => {
            CommandError::Mistakes(mistakes.iter().map(|mistake| format!("error: --set {}", said(mistake))).collect())
        }
        QuestionError::Sweep { value, mistakes } => CommandError::Mistakes(
            mistakes.iter().map(|mistake| format!("error: --sweep at {value}: {}", said(mistake))).collect(),
        ),
        QuestionError::NeedsARun(error) => CommandError::Failed(format!("The stored results cannot answer: {error}.")),
        QuestionError::Read(error) => unreadable(&run.shown.display().to_string(), &error),
    }
}

fn table(WhatIfReport { answer, sweep, .. }: &WhatIfReport) -> String {
    let [before, after] = [(&answer.before, &answer.price.before), (&answer.after, &answer.price.after)]
        .map(|(sides, price)| format!("{} loans for ${}", count(sides.to_purchase.count), in_cents(price)));
    let mut text = format!("The run buys {before}; it would buy {after}\n\nDispositions\n");
    let columns = [
        ("", Align::Left),
        ("Loans", Align::Right),
        ("would be", Align::Right),
        ("Balance $", Align::Right),
        ("would be", Align::Right),
        ("WA price", Align::Right),
        ("would be", Align::Right),
    ];
    let mut table = TextTable::new(&columns);
    for disposition in Disposition::ALL {
        let sides = [answer.before.of(disposition), answer.after.of(disposition)];
        let [loans, balances, prices] = [
            sides.map(|totals| count(totals.count)),
            sides.map(|totals| dollars(&totals.balance)),
            sides.map(|totals| percent(totals.wa_price.as_ref())),
        ];
        table.row([disposition.as_str().to_owned()].into_iter().chain(loans).chain(balances).chain(prices));
    }
    table.print(&mut text, 2);
    push_moves(&mut text, &answer.moves);
    push_rules(&mut text, &answer.by_rule);
    if let Some(sweep) = sweep {
        push_sweep(&mut text, sweep);
    }
    text
}

/// The loans that would have another disposition.
fn push_moves(text: &mut String, moves: &Moves) {
    let columns = [("From", Align::Left), ("To", Align::Left), ("Loans", Align::Right), ("Balance $", Align::Right)];
    let mut table = TextTable::new(&columns);
    let mut moved = 0;
    for from in Disposition::ALL {
        for to in Disposition::ALL.into_iter().filter(|to| *to != from) {
            let loans = moves.of(from, to);
            if loans.count > 0 {
                moved += loans.count;
                let words = [from, to].map(|disposition| disposition.as_str().to_owned());
                table.row(words.into_iter().chain([count(loans.count), dollars(&loans.balance)]));
            }
        }
    }
    text.push_str("\nMoves");
    if moved == 0 {
        text.push_str(": none\n");
    } else {
        text.push('\n');
        table.print(text, 2);
    }
}

/// The rules that more or fewer loans would fail.
fn push_rules(text: &mut String, rules: &[RuleChange]) {
    let changed: Vec<&RuleChange> = rules.iter().filter(|rule| rule.before != rule.after).collect();
    if changed.is_empty() {
        return;
    }
    text.push_str("\nExceptions that change\n");
    let has_programs = changed.iter().any(|rule| rule.program.is_some());
    let columns = [
        ("Rule", Align::Left),
        ("Severity", Align::Left),
        ("Program", Align::Left),
        ("Count", Align::Right),
        ("would be", Align::Right),
    ];
    let kept = |at: &usize| has_programs || *at != 2;
    let mut table = TextTable::new(&(0..columns.len()).filter(kept).map(|at| columns[at]).collect::<Vec<_>>());
    for rule in changed {
        let cells = [
            rule.exception_type.clone(),
            rule.severity.as_str().to_owned(),
            rule.program.clone().unwrap_or_default(),
            count(rule.before),
            count(rule.after),
        ];
        table.row(cells.into_iter().enumerate().filter(|(at, _)| kept(at)).map(|(_, cell)| cell));
    }
    table.print(text, 2);
}

fn push_sweep(text: &mut String, sweep: &WhatIfSweep) {
    text.push_str(&format!("\nWhat would be bought by {}\n", sweep.parameter));
    let columns = [("Value", Align::Right), ("Loans", Align::Right), ("Balance $", Align::Right), ("WA price", Align::Right)];
    let mut table = TextTable::new(&columns);
    for point in &sweep.curve {
        let price = percent(point.wa_price.as_ref());
        table.row([point.value.to_string(), count(point.count), dollars(&point.balance), price]);
    }
    table.print(text, 2);
}
