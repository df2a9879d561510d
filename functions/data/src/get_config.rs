//! `GET /api/config`: how the engine is set up, as far as clients need to know.

use axum::{Json, extract::State as FromState};
use serde::Serialize;
use shared::{
    api::problem::ProblemObject,
    config::Environment,
    decimal::Decimal,
    manifest::ENGINE_VERSION,
    paths::{ALLOWED_EXTENSIONS, Area},
    phases::pricing::IrrTarget,
    rules::{Rule, Severity, rule_set::RuleSet},
};
use utoipa::ToSchema;

use crate::{State, exception_query::SeverityWord};

/// How the engine is set up.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfigObject {
    /// `development`, `test`, `staging` or `production`.
    environment: &'static str,
    /// Always `s3`.
    storage_type: &'static str,
    /// The version of the engine.
    version: &'static str,
    /// The IRR target, in percent, of a run that names none.
    #[schema(value_type = f64)]
    default_irr_target: Decimal,
    /// The largest file that is taken as a form, in bytes.
    max_upload_bytes: u64,
    /// The extensions of files that are taken.
    allowed_extensions: &'static [&'static str],
    /// Where files can be.
    areas: [&'static str; Area::ALL.len()],
    /// The built-in rules.
    rule_set: RuleSetObject,
}

/// A rule set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleSet)]
struct RuleSetObject {
    /// Its name.
    name: String,
    /// Its version.
    version: String,
    /// The SHA-256 of all that it decides.
    hash: String,
    /// The rules, in the order in which they are reported.
    rules: Vec<RuleObject>,
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
struct RuleObject {
    /// What a loan that fails it is told to have failed.
    exception_type: &'static str,
    /// The field that it looks at.
    field: &'static str,
    /// What a good loan has.
    limit: String,
    /// Whether it turns a loan down.
    #[schema(value_type = SeverityWord)]
    severity: Severity,
    /// The group that reports sort it into.
    exception_category: &'static str,
    /// The stable name of the criterion.
    rejection_criteria: &'static str,
}

impl From<&Rule> for RuleObject {
    fn from(rule: &Rule) -> Self {
        let kind = rule.exception_type().kind();
        Self {
            exception_type: kind.name,
            field: rule.field().name(),
            limit: rule.limit().to_owned(),
            severity: rule.severity(),
            exception_category: kind.category,
            rejection_criteria: kind.rejection_criteria,
        }
    }
}

/// Show how the engine is set up
#[utoipa::path(
    get, path = "/api/config", tag = "data", security(("bearer" = [])),
    responses(
        (status = 200, body = ConfigObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
    )
)]
pub async fn get_config(FromState(state): FromState<State>) -> Json<ConfigObject> {
    let rules = RuleSet::built_in();
    let id = rules.id();
    Json(ConfigObject {
        environment: Environment::as_str(state.environment),
        storage_type: "s3",
        version: ENGINE_VERSION,
        default_irr_target: IrrTarget::DEFAULT.percent(),
        max_upload_bytes: state.max_upload_bytes,
        allowed_extensions: ALLOWED_EXTENSIONS,
        areas: Area::ALL.map(Area::as_str),
        rule_set: RuleSetObject {
            name: id.name,
            version: id.version,
            hash: id.hash,
            rules: rules.rules().iter().map(RuleObject::from).collect(),
        },
    })
}
