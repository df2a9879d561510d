//! `loan-engine rules`: checks and shows rule sets.

mod programs;
mod shown;

use std::{io::Write, path::Path};

use command::{CommandContext, Format, error::CommandError, plain_text::one_line, print};
use serde_json::json;
use shared::rules::rule_set::{Mistake, RuleSet, RuleSetError, RuleSetFile};

use self::shown::shown;
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
    let counts = parts(&rules).map(|part| {
        let own = part.guide().rules().len() + part.guide().limit_grids().len();
        (part.rules().len() + part.guide().consistency().len() + own, own)
    });
    let (count, own) = counts.fold((0, 0), |(count, own), (of_part, own_of_part)| (count + of_part, own + own_of_part));
    let (programs, whose) = match rules.programs().len() {
        0 => (String::new(), "its"),
        1 => ("1 program, ".to_owned(), "its"),
        several => (format!("{several} programs, "), "their"),
    };
    let of_own = if own == 0 { String::new() } else { format!(", {own} of {whose} own") };
    let pools = match rules.guide().pools().map_or(0, |pools| pools.tests.len()) {
        0 => String::new(),
        1 => ", 1 pool test".to_owned(),
        several => format!(", {several} pool tests"),
    };
    let counted = format!("{programs}{count} rules{of_own}{pools}");
    let sentence = format!("{} {} has no mistakes: {counted}, hash {}\n", id.name, id.version, id.hash);
    let notices: String = rules.notices().iter().map(|notice| format!("Notice: {}\n", one_line(notice))).collect();
    print(out, (sentence + &notices).as_bytes())
}

/// The rule sets that judge loans: the programs, or the rule set itself.
fn parts(rules: &RuleSet) -> impl Iterator<Item = &RuleSet> {
    let itself = rules.programs().is_empty().then_some(rules);
    itself.into_iter().chain(rules.programs().iter().map(|program| &program.rules))
}

/// What `check --format json` prints.
fn json_of(file: &Path, checked: &Result<RuleSet, RuleSetError>) -> String {
    let found = match checked {
        Ok(rules) => {
            let id = rules.id();
            let (notices, listed) = (rules.notices(), rules.listing());
            json!({
                "valid": true, "name": id.name, "version": id.version, "hash": id.hash,
                "mistakes": [], "notices": notices, "rules": listed
            })
        }
        Err(error) => {
            let shown = file.to_string_lossy();
            let named = |mistake: Mistake| Mistake { file: mistake.file.or(Some(shown.clone().into_owned())), ..mistake };
            let mistakes: Vec<_> = error.mistakes.iter().cloned().map(named).collect();
            json!({"valid": false, "name": null, "version": null, "hash": null, "mistakes": mistakes, "notices": [], "rules": []})
        }
    };
    format!("{found:#}\n")
}
