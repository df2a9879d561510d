//! `loan-engine rules`: checks and shows rule sets.

use std::{io::Write, path::Path};

use command::{
    CommandContext, Format,
    error::CommandError,
    plain_text::one_line,
    print,
    text_table::{Align, TextTable},
};
use jiff::civil::Date;
use serde_json::json;
use shared::{
    rules::{
        Severity,
        guide::{
            grid::Grid,
            rule::{Missing, Scope},
        },
        rule_set::{Mistake, RuleSet, RuleSetError, RuleSetFile},
    },
    tape::declared::{DeclaredFields, DeclaredWords},
};

use crate::{
    arguments::RulesCommand,
    run_command::{mistakes, read_rule_set, read_rule_set_file},
};

/// Checks or shows a rule set.
///
/// # Errors
/// [`CommandError::Usage`] when there is no such file; [`CommandError::Mistakes`] when the rule set has mistakes.
pub fn rules(command: &RulesCommand, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    match command {
        RulesCommand::Check { file, format } => check(file, *format, context, out),
        RulesCommand::Show { file: None } => print(out, shown(RuleSet::built_in()).as_bytes()),
        RulesCommand::Show { file: Some(file) } => print(out, shown(&read_rule_set(file, context)?).as_bytes()),
    }
}

fn check(file: &Path, format: Format, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let read: RuleSetFile = read_rule_set_file(file, context)?;
    let checked = read.rules();
    if format == Format::Json {
        print(out, json_of(file, &checked).as_bytes())?;
    }
    let rules = checked.map_err(|error| CommandError::Mistakes(mistakes(file, &error)))?;
    if format == Format::Json {
        return Ok(());
    }
    let id = rules.id();
    let own = rules.guide().rules().len() + rules.guide().limit_grids().len();
    let of_its_own = if own == 0 { String::new() } else { format!(", {own} of its own") };
    let count = rules.rules().len() + rules.guide().consistency().len() + own;
    let sentence = format!("{} {} has no mistakes: {count} rules{of_its_own}, hash {}\n", id.name, id.version, id.hash);
    let notices: String = rules.notices().iter().map(|notice| format!("Notice: {}\n", one_line(notice))).collect();
    print(out, (sentence + &notices).as_bytes())
}

/// What `check --format json` prints.
fn json_of(file: &Path, checked: &Result<RuleSet, RuleSetError>) -> String {
    let found = match checked {
        Ok(rules) => {
            let id = rules.id();
            json!({"valid": true, "name": id.name, "version": id.version, "hash": id.hash, "mistakes": [], "notices": rules.notices()})
        }
        Err(error) => {
            let shown = file.to_string_lossy();
            let named = |mistake: Mistake| Mistake { file: mistake.file.or(Some(shown.clone().into_owned())), ..mistake };
            let mistakes: Vec<_> = error.mistakes.iter().cloned().map(named).collect();
            json!({"valid": false, "name": null, "version": null, "hash": null, "mistakes": mistakes, "notices": []})
        }
    };
    format!("{found:#}\n")
}

/// The rules, with the fields of the loans that they apply to.
fn shown(rules: &RuleSet) -> String {
    let (id, guide) = (rules.id(), rules.guide());
    let mut text = format!("{} {}\n\nBuilt-in rules\n", id.name, id.version);
    let mut table = TextTable::new(&[("Rule", Align::Left), ("Severity", Align::Left), ("Requires", Align::Left)]);
    let built_in =
        rules.rules().iter().map(|rule| (rule.exception_type(), rule.severity(), format!("{} {}", rule.field(), rule.limit())));
    let compared =
        guide.consistency().iter().map(|(kind, severity)| (*kind, *severity, "fields that agree with each other".to_owned()));
    for (kind, severity, requires) in built_in.chain(compared) {
        table.row([kind.name().to_owned(), severity.as_str().to_owned(), requires]);
    }
    table.print(&mut text, 2);
    push_fields(&mut text, guide.declared());
    let limited =
        rules.rules().iter().filter_map(|rule| Some((rule.exception_type().name(), guide.scope(rule.exception_type())?)));
    let limited: Vec<_> = limited.collect();
    if !limited.is_empty() {
        text.push_str("\nBuilt-in rules that apply to some loans only\n");
    }
    for (name, scope) in limited {
        text.push_str(&format!("  {name}\n"));
        push_scope(&mut text, scope);
    }
    if !guide.rules().is_empty() {
        text.push_str("\nRules of this rule set\n");
    }
    for rule in guide.rules() {
        text.push_str(&format!("  {} ({})\n", rule.kind.name, severity_text(rule.severity, rule.hard_from)));
        push_scope(&mut text, &rule.scope);
        push_line(&mut text, "requires", &rule.requirement());
        let missing = match rule.missing {
            Missing::Hold if rule.severity == Severity::Soft => "the engine reports it",
            Missing::Hold => "the loan is held",
            Missing::Fail => "the loan fails the rule",
            Missing::Pass => "the loan passes the rule",
        };
        push_line(&mut text, "if undecided", missing);
    }
    push_grids(&mut text, "Grids of limits", guide.limit_grids());
    push_grids(&mut text, "Grids of adjustments", guide.adjustment_grids());
    push_policies(&mut text, rules);
    text
}

/// Appends grids, each as the table that its file holds.
fn push_grids(text: &mut String, title: &str, grids: &[Grid]) {
    if !grids.is_empty() {
        text.push_str(&format!("\n{title}\n"));
    }
    for grid in grids {
        match grid.severity() {
            Some((severity, hard_from)) => {
                text.push_str(&format!("  {} ({})\n", grid.name(), severity_text(severity, hard_from)))
            }
            None => text.push_str(&format!("  {}\n", grid.name())),
        }
        push_scope(text, grid.scope());
        push_line(text, "gives", &grid.gives());
        push_line(text, "from", &one_line(&grid.source()));
        let missing = match (grid.missing(), grid.severity()) {
            (Missing::Hold, Some((Severity::Soft, _))) => "the engine reports it",
            (Missing::Hold, _) => "the loan is held",
            (Missing::Fail, Some(_)) => "the loan fails the grid",
            (Missing::Fail, None) => "the loan is not priced",
            (Missing::Pass, Some(_)) => "the loan passes the grid",
            (Missing::Pass, None) => "the grid adds nothing",
        };
        push_line(text, "if undecided", missing);
        let mut rows = grid.written().into_iter().map(|row| row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>());
        let Some(headings) = rows.next() else { continue };
        let columns: Vec<(&str, Align)> = (0..)
            .zip(&headings)
            .map(|(at, heading)| {
                let is_result = grid.is_result(at);
                (heading.as_str(), if is_result { Align::Right } else { Align::Left })
            })
            .collect();
        let mut table = TextTable::new(&columns);
        rows.for_each(|row| table.row(row));
        table.print(text, 4);
    }
}

/// Appends the fields that the rule set declares, and the standard fields that it requires.
fn push_fields(text: &mut String, declared: &DeclaredFields) {
    if declared.is_empty() {
        return;
    }
    text.push_str("\nFields of this rule set\n");
    let columns = ["Field", "Kind", "Unit", "Required", "Headers", "Words"].map(|name| (name, Align::Left));
    let mut table = TextTable::new(&columns);
    let yes_or_no = |required: bool| if required { "yes" } else { "no" }.to_owned();
    for field in &declared.fields {
        let (kind, unit) = field.kind();
        let words = match &field.words {
            DeclaredWords::None => String::new(),
            DeclaredWords::Listed(vocabulary) => vocabulary.canonical().join(", "),
            DeclaredWords::Any(_) => "any".to_owned(),
        };
        let required = yes_or_no(field.required);
        let unit = unit.unwrap_or_default().to_owned();
        table.row([field.name.to_string(), kind.to_owned(), unit, required, field.headers.join(", "), words]);
    }
    for field in &declared.required {
        let standard = "standard".to_owned();
        table.row([field.name().to_owned(), standard, String::new(), yes_or_no(true), String::new(), String::new()]);
    }
    table.print(text, 2);
}

fn push_scope(text: &mut String, scope: &Scope) {
    if !scope.when.text().is_empty() {
        push_line(text, "applies to", &scope.when.text());
    }
    if let Some(unless) = &scope.unless {
        push_line(text, "except", &unless.text());
    }
}

fn push_line(text: &mut String, name: &str, value: &str) {
    text.push_str(&format!("    {name:<13} {value}\n"));
}

fn severity_text(severity: Severity, hard_from: Option<Date>) -> String {
    match hard_from {
        Some(date) => format!("soft, hard from {date}"),
        None => severity.as_str().to_owned(),
    }
}

/// Appends the policies that project a loan instead of buying it.
fn push_policies(text: &mut String, rules: &RuleSet) {
    let projection = rules.projection();
    let mut policies = Vec::new();
    if let Some(spread) = projection.minimum_spread {
        policies.push(format!("the pricing spread is below {}", spread.with_min_decimals(4)));
    }
    if let Some(price) = projection.minimum_price {
        policies.push(format!("the price is below {}", price.with_min_decimals(4)));
    }
    if projection.hold_on_soft_exceptions {
        policies.push("the loan has a soft exception".to_owned());
    }
    if !policies.is_empty() {
        text.push_str("\nAn eligible loan is held back when\n");
        policies.iter().for_each(|policy| text.push_str(&format!("  {policy}\n")));
    }
}
