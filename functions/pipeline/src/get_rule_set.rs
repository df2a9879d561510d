//! `GET /api/runs/{run_id}/rule-set`: shows the rule set that judges the loans of a run.

use api::{
    caller::Caller,
    extract::PathId,
    file_answer::made_file,
    problem::{ApiError, ProblemObject},
    questioned_run::not_kept,
    stored_results::vanished,
};
use axum::{extract::State as FromState, response::Response};
use shared::{auth::permission::Permission, rules::in_force::RuleSetInForce};
use stores::StoreError;

use crate::State;

/// Show the rule set of a run
///
/// Shows what is in force for a run, from its creation on, also for a dry run and a failed one: the text of the rule set, the files that
/// it names, and its rules. A member of a sales team sees the built-in rule set only.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/rule-set", tag = "runs", security(("bearer" = [])),
    params(("run_id" = Uuid, Path, description = "Id of the run.")),
    responses(
        (status = 200, description = "The rule set.", body = RuleSetInForce),
        (status = 307),
        (
            status = 403, description = "The user is a member of a sales team, and the rule set is not the built-in one.",
            body = ProblemObject
        ),
        (
            status = 404,
            description = "The run does not exist or belongs to another team, or an earlier version of Loan Engine created it \
                           (`rule_set_not_kept`).",
            body = ProblemObject
        ),
        (status = 410),
    )
)]
pub async fn get_rule_set(
    FromState(state): FromState<State>,
    caller: Caller,
    PathId(run_id): PathId,
) -> Result<Response, ApiError> {
    state.run_of(&caller, run_id).await?;
    let absent = || not_kept("rule_set_not_kept", "The rule set");
    let request = match state.runs.request(run_id).await {
        // An earlier version stored rules that this version cannot read.
        Err(StoreError::Damaged(_)) => None,
        request => request?,
    };
    let request = request.ok_or_else(absent)?;
    if !request.rules.is_built_in() {
        caller.scope(Permission::ChooseTerms)?;
    }
    let json = state.runs.shown_rules(&request).await.map_err(vanished)?.ok_or_else(absent)?;
    made_file(&state.answers, json.into(), "rule_set.json", "inline").await
}
