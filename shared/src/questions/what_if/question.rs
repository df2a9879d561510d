//! A what-if as a client asks it: a target, a rule set, changes, a sweep.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    facts::read::{RangeReader, ReadError},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
};

use super::{
    NeedsARun, Scenario, StoredRun, WhatIfAnswer, WhatIfSweep,
    changes::{ChangeMistake, RuleChanges},
    check,
    sweep::{SweptParameter, sweep},
    what_if,
};

/// The parameter of a sweep that is the target of the run and not a part of its rule set.
pub const IRR_TARGET: &str = "irr_target";

/// What is asked about a run. The default asks about the run as it was.
#[derive(Debug, Clone, Default)]
pub struct WhatIfQuestion {
    /// Another target; `None` for that of the run.
    pub irr_target: Option<IrrTarget>,
    /// Another rule set; `None` for that of the run.
    pub rule_set: Option<Arc<RuleSet>>,
    /// Changes that are laid over the rule set.
    pub changes: RuleChanges,
    /// A parameter that takes one value after the other.
    pub sweep: Option<SweptParameter>,
}

/// Why a what-if has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The changes do not make a rule set.
    #[error("the changes do not make a rule set")]
    Changes(Vec<ChangeMistake>),
    /// A value of the sweep does not make a rule set.
    #[error("the value {value} of the sweep does not make a rule set")]
    Sweep {
        /// The first such value.
        value: Decimal,
        mistakes: Vec<ChangeMistake>,
    },
    /// Only a run of the tape can answer.
    #[error(transparent)]
    NeedsARun(#[from] NeedsARun),
    /// The stored results cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What a run decided, what it would decide, and the rule set that says so.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WhatIf)]
pub struct WhatIfReport {
    #[serde(flatten)]
    #[schema(inline)]
    pub answer: WhatIfAnswer,
    /// The rule set that was asked about, as the text of a file. A run under this rule set, with the same target, gives the same
    /// decisions.
    #[schema(example = "[limits]\nltv_ratio = { max = 98 }\n")]
    pub toml: String,
    /// Loans that would be bought, for each value of the swept parameter. Null: the question has no sweep.
    #[schema(required)]
    pub sweep: Option<WhatIfSweep>,
}

impl WhatIfQuestion {
    /// The rules and the target that are asked about. `target` is that of the run.
    ///
    /// # Errors
    /// [`QuestionError::Changes`] when the changes do not make a rule set; [`QuestionError::NeedsARun`] when stored facts cannot
    /// answer.
    pub fn scenario(&self, rules: &Arc<RuleSet>, target: IrrTarget) -> Result<Scenario, QuestionError> {
        let base = self.rule_set.as_ref().unwrap_or(rules);
        let changed = self.changes.apply(base).map_err(QuestionError::Changes)?;
        check(rules, &changed)?;
        Ok(Scenario { rules: changed, irr_target: self.irr_target.unwrap_or(target) })
    }

    /// Judges the loans of a run again, and sweeps if the question has a sweep. `target` is that of the run.
    ///
    /// # Errors
    /// [`QuestionError`] when the question has no answer.
    pub fn ask<R: RangeReader>(&self, run: &StoredRun<'_, R>, target: IrrTarget) -> Result<WhatIfReport, QuestionError> {
        let scenario = self.scenario(run.rules, target)?;
        let scenarios = self.sweep.as_ref().map(|swept| swept.scenarios(&scenario)).transpose()?;
        let answer = what_if(run, &scenario)?;
        let sweep = match (&self.sweep, &scenarios) {
            (Some(swept), Some(scenarios)) => Some(sweep(run, swept, scenarios)?),
            _ => None,
        };
        Ok(WhatIfReport { answer, toml: scenario.rules.toml().to_owned(), sweep })
    }
}

impl SweptParameter {
    /// The rules and the target at each value.
    fn scenarios(&self, base: &Scenario) -> Result<Vec<Scenario>, QuestionError> {
        let at = |value: &Decimal| {
            let failed = |mistakes| QuestionError::Sweep { value: *value, mistakes };
            if self.parameter == IRR_TARGET {
                let path = vec![IRR_TARGET.to_owned()];
                let out_of_range = |error: crate::phases::pricing::IrrTargetError| {
                    failed(vec![ChangeMistake { path: path.clone(), message: error.to_string(), needs_a_run: false }])
                };
                let irr_target = IrrTarget::new(*value).map_err(out_of_range)?;
                return Ok(Scenario { irr_target, rules: Arc::clone(&base.rules) });
            }
            let change =
                RuleChanges::of_parameter(&self.parameter, &value.to_string()).map_err(|mistake| failed(vec![mistake]))?;
            let rules = change.apply(&base.rules).map_err(failed)?;
            Ok(Scenario { rules, irr_target: base.irr_target })
        };
        self.values.iter().map(at).collect()
    }
}
