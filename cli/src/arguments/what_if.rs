//! The arguments of `loan-engine what-if`.

use std::path::PathBuf;

use clap::Args;
use command::Format;
use shared::{
    decimal::Decimal,
    phases::pricing::IrrTarget,
    questions::what_if::{
        SweptParameter,
        changes::{ChangeMistake, RuleChanges},
    },
};

use super::WorkArgs;

#[derive(Debug, Args)]
pub struct WhatIfArgs {
    /// The folder that a run wrote with --out
    #[arg(value_name = "OUT_DIR")]
    pub run: PathBuf,
    /// Another return that a purchase must bring, in percent: above 0 and at most 30 [default: that of the run]
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true, value_parser = str::parse::<IrrTarget>)]
    pub irr_target: Option<IrrTarget>,
    /// Another value of a key of the rule set, such as limits.ltv_ratio.max=98 or rules.credit_score=false; may be given several
    /// times
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_change)]
    pub set: Vec<RuleChanges>,
    /// Another rule set, a TOML file [default: that of the run]
    #[arg(long, value_name = "FILE")]
    pub rule_set: Option<PathBuf>,
    /// What would be bought for each value of a number of the rule set or of irr_target, at most 41 values, such as
    /// limits.ltv_ratio.max=95..99:0.5
    #[arg(long, value_name = "PATH=FROM..TO:STEP", value_parser = parse_sweep)]
    pub sweep: Option<SweptParameter>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[command(flatten)]
    pub work: WorkArgs,
}

fn parse_change(text: &str) -> Result<RuleChanges, String> {
    RuleChanges::of_setting(text).map_err(|mistake| said(&mistake))
}

/// A mistake of a change as one sentence.
pub fn said(ChangeMistake { path, message, .. }: &ChangeMistake) -> String {
    if path.is_empty() { message.clone() } else { format!("{}: {message}", path.join(".")) }
}

/// Parses `PATH=FROM..TO:STEP`.
fn parse_sweep(text: &str) -> Result<SweptParameter, String> {
    let odd = || "it must be PATH=FROM..TO:STEP, such as limits.ltv_ratio.max=95..99:0.5".to_owned();
    let (parameter, range) = text.split_once('=').ok_or_else(odd)?;
    let (from, rest) = range.split_once("..").ok_or_else(odd)?;
    let (to, step) = rest.split_once(':').ok_or_else(odd)?;
    let number = |text: &str| text.trim().parse::<Decimal>().map_err(|_| format!("{text} is no number; {}", odd()));
    SweptParameter::new(parameter.trim(), number(from)?, number(to)?, number(step)?)
}
