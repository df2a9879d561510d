//! What a loan is priced by: the assumptions of the arguments, or those of a rule set.

use std::path::Path;

use command::{CommandContext, error::CommandError};
use shared::{
    cash_flow::assumptions::{Assumptions, YieldBasis},
    rules::{
        guide::NO_SEGMENT,
        rule_set::{PROGRAM, RuleSetFile},
    },
};

use crate::{
    arguments::{AssumptionArgs, PriceArgs},
    run_command::read_rule_set,
};

/// What a loan is priced by.
pub struct Terms {
    pub assumptions: Assumptions,
    pub yield_basis: YieldBasis,
    /// Name of the segment of the rule set that gives the assumptions.
    pub segment: Option<String>,
}

impl Terms {
    /// The terms that the arguments give, or the rule set that they name.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when an assumption is missing, there is no such rule set or segment, or the rule set has no
    /// assumptions of its own; [`CommandError::Mistakes`] when the rule set has mistakes.
    pub fn new(args: &PriceArgs, context: &CommandContext) -> Result<Self, CommandError> {
        match &args.rule_set {
            Some(shown) => Self::of_rule_set(shown, args.segment.as_deref(), context),
            None => Self::of_options(&args.assumptions),
        }
    }

    fn of_options(args: &AssumptionArgs) -> Result<Self, CommandError> {
        let AssumptionArgs { cpr, psa, smm, cdr, sda, mdr, severity, fee, yield_basis, lag, advances, delay } = args;
        let prepayment = [cpr, psa, smm].into_iter().flatten().next();
        let default = [cdr, sda, mdr].into_iter().flatten().next();
        let required = (prepayment, default, *severity, *fee, *yield_basis);
        let (Some(prepayment), Some(default), Some(loss_severity), Some(servicing_fee), Some(yield_basis)) = required else {
            let names = [
                (prepayment.is_some(), "prepayment (--cpr, --psa or --smm)"),
                (default.is_some(), "default (--cdr, --sda or --mdr)"),
                (severity.is_some(), "loss severity (--severity)"),
                (fee.is_some(), "servicing fee (--fee)"),
                (yield_basis.is_some(), "yield basis (--yield-basis)"),
            ];
            let missing: Vec<&str> = names.into_iter().filter(|(given, _)| !given).map(|(_, name)| name).collect();
            return Err(CommandError::Usage(format!(
                "There is no silent assumption, and these are missing: {}. Give each of them, or a rule set with --rule-set.",
                missing.join(", ")
            )));
        };
        let assumptions = Assumptions {
            prepayment: prepayment.clone(),
            default: default.clone(),
            loss_severity,
            servicing_fee,
            recovery_lag: *lag,
            advances: *advances,
            delay_days: *delay,
        };
        Ok(Self { assumptions, yield_basis, segment: None })
    }

    fn of_rule_set(shown: &Path, segment: Option<&str>, context: &CommandContext) -> Result<Self, CommandError> {
        let rules = read_rule_set(shown, context)?;
        let refuse = |what: String| Err(CommandError::Usage(format!("The rule set {} {what}.", shown.display())));
        if !rules.programs().is_empty() {
            let named = rules.source().map(RuleSetFile::named).unwrap_or_default();
            let programs = named.iter().filter(|name| name.ends_with(PROGRAM));
            let programs: Vec<String> = programs.map(|name| shown.with_file_name(name).display().to_string()).collect();
            return refuse(format!("has programs, each with its own pricing: give --rule-set one of {}", programs.join(", ")));
        }
        let Some(pricing) = rules.guide().cash_flow() else {
            return refuse(
                "prices linearly, without assumptions: add method = \"cash_flow\" and the assumptions to its [pricing], or leave \
                 --rule-set out and give the assumptions as options"
                    .to_owned(),
            );
        };
        let Some(name) = segment.filter(|name| *name != NO_SEGMENT) else {
            let (assumptions, yield_basis) = (pricing.assumptions.clone(), pricing.yield_basis);
            return Ok(Self { assumptions, yield_basis, segment: None });
        };
        match pricing.segments.iter().find(|segment| segment.name == name) {
            Some(segment) => Ok(Self {
                assumptions: segment.assumptions.clone(),
                yield_basis: pricing.yield_basis,
                segment: Some(segment.name.clone()),
            }),
            None if pricing.segments.is_empty() => {
                refuse(format!("has no segment {name}: it has no segments, so leave --segment out"))
            }
            None => {
                let names: Vec<&str> = pricing.segments.iter().map(|segment| segment.name.as_str()).collect();
                refuse(format!("has no segment {name}: it has {}, and {NO_SEGMENT} for all other loans", names.join(", ")))
            }
        }
    }
}
