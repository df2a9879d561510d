//! `loan-engine explain`: what every rule says about a loan, and what it would need.

use std::{io::Write, sync::Arc};

use command::{
    CommandContext, Format,
    error::CommandError,
    plain_text::{count, one_line},
    print,
    text_table::{
        Align::{Left, Right},
        TextTable,
    },
};
use shared::{
    facts::index::ResultsIndex,
    phases::pricing::Pricing,
    questions::explain::{ExplainedLoan, ExplainedRun, RuleEntry, Why},
};

use crate::{
    arguments::ExplainArgs,
    stored_run::{StoredRun, unreadable},
};

/// Explains the loans with a number.
///
/// # Errors
/// [`CommandError::Usage`] when the folder has no results; [`CommandError::Failed`] when no loan has the number, or the results cannot
/// be read.
pub fn explain(args: &ExplainArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let run = StoredRun::open(&args.run, context)?;
    let rules = Arc::new(run.rules.clone());
    let pricing = Pricing::new(&rules, run.irr_target()?, run.manifest.parameters.pdate);
    // The readers need of the index only whether the rule set has programs.
    let programs = rules.programs().iter().map(|program| program.name.clone()).collect();
    let index = ResultsIndex { programs, ..ResultsIndex::default() };
    let explained = ExplainedRun {
        facts: &run.facts,
        exceptions: &run.exceptions,
        index: &index,
        rules: &rules,
        pricing: &pricing,
        waivers: run.waivers.as_ref(),
    };
    let failed = |error| unreadable(&run.shown.display().to_string(), &error);
    let mut loans = Vec::new();
    for row in explained.rows_of(&args.number).map_err(failed)? {
        loans.extend(explained.loan(row).map_err(failed)?);
    }
    if loans.is_empty() {
        let (shown, number) = (run.shown.display(), one_line(&args.number));
        return Err(CommandError::Failed(format!("No loan of the run in {shown} has the number {number}.")));
    }
    match args.format {
        Format::Json => {
            let mut json = serde_json::to_vec_pretty(&loans)
                .map_err(|error| CommandError::Failed(format!("The answer could not be put together: {error}.")))?;
            json.push(b'\n');
            print(out, &json)
        }
        Format::Table => print(out, loans.iter().map(table).collect::<Vec<_>>().join("\n").as_bytes()),
    }
}

fn table(explained: &ExplainedLoan) -> String {
    let ExplainedLoan { loan, exceptions, explanation } = explained;
    let price = loan.final_price.map_or_else(String::new, |price| format!(" at {}", price.with_min_decimals(4)));
    let mut text = format!(
        "Loan {}, line {} of {}: {}{price}\n",
        one_line(&loan.seller_loan_number),
        count(loan.line),
        one_line(&loan.source_file),
        loan.disposition.as_str()
    );
    if let Some(reason) = &loan.projection_reason {
        text.push_str(&format!("  {}\n", one_line(reason)));
    }
    for exception in exceptions {
        let waived = if exception.waived.is_some() { ", waived" } else { "" };
        text.push_str(&format!("  {}{waived}: {}\n", exception.severity.as_str(), one_line(&exception.message)));
    }
    let mut rules = TextTable::new(&[
        ("Rule", Left),
        ("Field", Left),
        ("Value", Left),
        ("Verdict", Left),
        ("Distance", Right),
        ("Limit", Left),
    ]);
    explanation.rules.iter().for_each(|entry| rules.row(row(entry)));
    text.push_str("\nRules\n");
    rules.print(&mut text, 2);
    match &explanation.needs {
        Some(needs) if needs.is_empty() => {}
        Some(needs) => {
            text.push_str("\nNeeds\n");
            needs.iter().for_each(|need| text.push_str(&format!("  {}\n", one_line(&need.text))));
        }
        None => text.push_str("\nNo value of a single field mends this loan: see the exceptions above.\n"),
    }
    let changed = explanation.needs.as_ref().is_some_and(|needs| !needs.is_empty());
    if let Some(would_be) = explanation.would_be.as_ref().filter(|_| changed) {
        let price = would_be.final_price.map_or_else(String::new, |price| format!(" at {}", price.with_min_decimals(4)));
        text.push_str(&format!("  It would then be {}{price}\n", would_be.disposition.as_str()));
    }
    text
}

fn row(entry: &RuleEntry) -> [String; 6] {
    let verdict = match (entry.passed, entry.why) {
        (Some(true), _) => "passed",
        (Some(false), _) => "FAILED",
        (None, Some(Why::NotApplicable)) => "not applicable",
        (None, Some(Why::Undetermined)) => "undetermined",
        (None, Some(Why::SwitchedOff)) => "switched off",
        (None, Some(Why::NotJudged) | None) => "not judged",
    };
    let rule = entry.program.as_ref().map_or_else(|| entry.rule.clone(), |program| format!("{program}: {}", entry.rule));
    let distance = entry.excess.or(entry.headroom).map_or_else(String::new, |distance| distance.with_min_decimals(0));
    [
        one_line(&rule),
        one_line(&entry.field),
        one_line(entry.actual.as_deref().unwrap_or("-")),
        verdict.to_owned(),
        distance,
        one_line(entry.limit.as_deref().unwrap_or("")),
    ]
}
