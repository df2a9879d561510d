//! `GET /api/config`: shows the configuration of the engine, as far as clients need it.

use axum::{Json, extract::State as FromState};
use serde::Serialize;
use shared::{
    decimal::Decimal,
    file_types::allowed_extensions,
    manifest::ENGINE_VERSION,
    paths::Area,
    phases::pricing::IrrTarget,
    rules::{listing::RuleObject, rule_set::RuleSet},
};
use stores::config::Environment;
use utoipa::ToSchema;

use crate::State;

/// Configuration of the engine.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfigObject {
    /// Environment: `development`, `test`, `staging` or `production`.
    #[schema(example = "production")]
    environment: &'static str,
    /// Always `s3`.
    #[schema(example = "s3")]
    storage_type: &'static str,
    /// Version of the engine.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// IRR target, in percent, of runs that name none.
    #[schema(value_type = f64, example = 8.05)]
    default_irr_target: Decimal,
    /// Size of the largest file that `/api/files/upload` takes, in bytes.
    #[schema(example = 104_857_600)]
    max_upload_bytes: u64,
    /// Extensions that an uploaded file may have.
    #[schema(example = json!([".csv", ".xlsx"]))]
    allowed_extensions: Vec<&'static str>,
    /// Areas of files.
    #[schema(example = json!(["inputs", "outputs", "output_share"]))]
    areas: [&'static str; Area::ALL.len()],
    /// Built-in rule set, which judges the loans of runs that name none.
    rule_set: RuleSetObject,
}

/// A rule set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleSet)]
struct RuleSetObject {
    /// Name of the rule set.
    #[schema(example = "built-in")]
    name: String,
    /// Version of the rule set.
    #[schema(example = "1")]
    version: String,
    /// SHA-256 of everything the rule set decides, in lower-case hexadecimal. Equal hashes mean equal rules.
    #[schema(example = "1e2809335995aebe54788a07a2ee783fbee1c602dcafafa97381243fad4cd697")]
    hash: String,
    /// Rules in the order in which exceptions report them.
    rules: Vec<RuleObject>,
}

/// Show the configuration
///
/// Shows the limits, the areas of files and the built-in rules. It shows no secret and no name of a store.
#[utoipa::path(
    get, path = "/api/config", tag = "data", security(("bearer" = [])),
    responses(
        (status = 200, description = "The configuration.", body = ConfigObject),
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
        allowed_extensions: allowed_extensions(),
        areas: Area::ALL.map(Area::as_str),
        rule_set: RuleSetObject { name: id.name, version: id.version, hash: id.hash, rules: rules.listing() },
    })
}
