//! The request of a what-if, and the question that it asks.

use std::sync::Arc;

use api::{
    caller::Caller,
    fields::{Fields, FromFields, any},
    input_files::{errors_of, rule_set_file},
    problem::{ApiError, InputError},
    values::{BadValue, FieldValue},
};
use serde_json::value::RawValue;
use shared::{
    auth::permission::Permission,
    decimal::Decimal,
    paths::Area,
    phases::pricing::IrrTarget,
    questions::what_if::{
        SweptParameter,
        changes::{ChangeMistake, RuleChanges},
        question::{QuestionError, WhatIfQuestion},
    },
};
use stores::keys;
use utoipa::ToSchema;

use crate::State;

/// Another target, another rule set or changes of a rule set, under which the loans of a run are judged again. Every field is
/// optional.
#[derive(Debug, Clone, Default, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "irr_target": 7.5, "changes": {"limits": {"ltv_ratio": {"max": 98}}},
    "sweep": {"parameter": "limits.ltv_ratio.max", "from": 95, "to": 99, "step": 0.5}
}))]
pub struct AskWhatIf {
    /// IRR target in percent, above 0 and at most 30. Null or absent: that of the run.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 30, example = 7.5)]
    pub irr_target: Option<IrrTarget>,
    /// Path of a rule set, a TOML file in the area `inputs`. Null or absent: the rule set of the run.
    #[schema(example = "rules/strict.toml")]
    pub rule_set: Option<String>,
    /// Tables as in a rule set, laid over the rule set key by key; lists replace lists. `rule`, `grid`, `adjustment` and `pool` are
    /// objects by name. Null or absent: no changes.
    #[schema(value_type = Option<HashMap<String, Object>>, example = json!({"limits": {"ltv_ratio": {"max": 98}}}))]
    pub changes: Option<AskedChanges>,
    /// A parameter that takes one value after the other. Null or absent: none.
    #[schema(value_type = Option<SweepRange>)]
    pub sweep: Option<SweptParameter>,
}

/// A parameter, and the values that it takes: `from`, `from` + `step`, … up to `to`, at most 41 values.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it only describes the object in the OpenAPI document; `AskedSweep` reads it")]
pub struct SweepRange {
    /// `irr_target`, or the keys that lead to a number of the rule set.
    #[schema(example = "limits.ltv_ratio.max")]
    parameter: String,
    /// First value.
    #[schema(value_type = f64, example = 95)]
    from: Decimal,
    /// Largest value.
    #[schema(value_type = f64, example = 99)]
    to: Decimal,
    /// Distance of two values, above 0.
    #[schema(value_type = f64, exclusive_minimum = 0, example = 0.5)]
    step: Decimal,
}

impl FromFields for AskWhatIf {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let irr_target = fields.optional("irr_target", any);
        let rule_set = fields.optional("rule_set", any);
        let changes = fields.optional("changes", any);
        let sweep = fields.optional("sweep", any);
        Some(Self {
            irr_target: irr_target?,
            rule_set: rule_set?,
            changes: changes?,
            sweep: sweep?.map(|AskedSweep(swept)| swept),
        })
    }
}

/// Changes of a rule set, or the change that only a run of the tape could answer.
#[derive(Debug, Clone)]
pub enum AskedChanges {
    Changes(RuleChanges),
    NeedsARun(ChangeMistake),
}

impl FieldValue for AskedChanges {
    fn expected() -> String {
        "an object with sections of a rule set".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        let json: &RawValue = serde_json::from_str(text).map_err(|_| BadValue::text::<Self>(text))?;
        Self::from_json(json)
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        match RuleChanges::of_json(json) {
            Ok(changes) => Ok(Self::Changes(changes)),
            Err(mistake) if mistake.needs_a_run => Ok(Self::NeedsARun(mistake)),
            Err(ChangeMistake { path, message, .. }) => Err(vec![BadValue { path, msg: sentence(&message) }]),
        }
    }
}

/// A mistake as a sentence.
fn sentence(message: &str) -> String {
    format!("It {}.", message.trim_end_matches('.'))
}

/// A sweep as JSON.
struct AskedSweep(SweptParameter);

impl FieldValue for AskedSweep {
    fn expected() -> String {
        "an object with `parameter`, `from`, `to` and `step`".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        Err(BadValue::text::<Self>(text))
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        let members: std::collections::BTreeMap<String, &RawValue> =
            serde_json::from_str(json.get()).map_err(|_| BadValue::kind::<Self>(json))?;
        let mut bad = Vec::new();
        for name in members.keys().filter(|name| !["parameter", "from", "to", "step"].contains(&name.as_str())) {
            bad.push(BadValue { path: vec![name.clone()], msg: "There is no such field.".to_owned() });
        }
        let mut member = |name: &str| {
            let found = members.get(name).copied();
            if found.is_none() {
                bad.push(BadValue { path: vec![name.to_owned()], msg: "It is missing.".to_owned() });
            }
            found
        };
        let [parameter, from, to, step] = ["parameter", "from", "to", "step"].map(&mut member);
        let mut number = |name: &str, value: Option<&RawValue>| {
            let read = value.and_then(|value| value.get().parse::<Decimal>().ok());
            if value.is_some() && read.is_none() {
                bad.push(BadValue { path: vec![name.to_owned()], msg: "Expected a number.".to_owned() });
            }
            read
        };
        let numbers = (number("from", from), number("to", to), number("step", step));
        let parameter = parameter.map(|value| serde_json::from_str::<String>(value.get()));
        if let Some(Err(_)) = &parameter {
            bad.push(BadValue { path: vec!["parameter".to_owned()], msg: "Expected text.".to_owned() });
        }
        match (parameter, numbers) {
            (Some(Ok(parameter)), (Some(from), Some(to), Some(step))) if bad.is_empty() => {
                SweptParameter::new(&parameter, from, to, step).map(Self).map_err(|message| BadValue::new(sentence_of(&message)))
            }
            _ => Err(bad),
        }
    }
}

/// A clause as a sentence.
fn sentence_of(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

impl State {
    /// The question that a request asks.
    ///
    /// # Errors
    /// [`ApiError::NeedsARun`] when a change decides how a tape is read; those of [`rule_set_file`] and [`ApiError::Invalid`] when the
    /// rule set cannot be used.
    pub async fn what_if_question(&self, caller: &Caller, asked: AskWhatIf) -> Result<WhatIfQuestion, ApiError> {
        let scope = caller.scope(Permission::ChooseTerms)?;
        let changes = match asked.changes {
            None => RuleChanges::default(),
            Some(AskedChanges::Changes(changes)) => changes,
            Some(AskedChanges::NeedsARun(ChangeMistake { path, message, .. })) => {
                return Err(ApiError::NeedsARun(sentence_of(&format!("`{}` {message}", path.join("."))).into()));
            }
        };
        let rule_set = match &asked.rule_set {
            None => None,
            Some(path) => {
                let root = keys::area_root(Area::Inputs, scope);
                let (file, _) = rule_set_file(&self.storage, &root, path, "rule_set").await?;
                Some(Arc::new(file.rules().map_err(|error| ApiError::Invalid(errors_of(&error)))?))
            }
        };
        Ok(WhatIfQuestion { irr_target: asked.irr_target, rule_set, changes, sweep: asked.sweep })
    }
}

/// The problem of a question that has no answer. `place` is where its changes came from: `body` or `query`.
pub fn refused(error: QuestionError, place: &str) -> ApiError {
    let inputs = |field: &str, mistakes: Vec<ChangeMistake>| {
        let input = |ChangeMistake { path, message, .. }: ChangeMistake| InputError {
            loc: [place, field].into_iter().map(str::to_owned).chain(path).collect(),
            msg: sentence_of(&message),
            kind: "value_error",
        };
        ApiError::Invalid(mistakes.into_iter().map(input).collect())
    };
    match error {
        QuestionError::Changes(mistakes) => inputs("changes", mistakes),
        QuestionError::Sweep { mistakes, .. } => inputs("sweep", mistakes),
        QuestionError::NeedsARun(error) => ApiError::NeedsARun(sentence_of(&error.to_string()).into()),
        QuestionError::Read(error) => api::stored_results::unreadable(error),
    }
}
