//! The Lambda of results: summaries, exceptions, loans, and what clients need to know to ask for them.
#![expect(unused_qualifications, reason = "what utoipa makes of `params` names its types in full")]

mod create_sales_team;
mod exception_pages;
mod exception_query;
mod export_exceptions;
mod export_file;
mod get_config;
mod get_summary;
mod known_runs;
mod list_exceptions;
mod list_loans;
mod list_sales_teams;

use api::{
    authenticate::Authenticator,
    exports::Exports,
    file_answer::FileAnswers,
    routes::{Api, Routes, Verb},
};
use axum::extract::FromRef;
use known_runs::KnownRuns;
use shared::auth::permission::Permission;
use stores::{config::Environment, resources::Resources, teams::Teams};
use utoipa::OpenApi;

/// What the endpoints of this function have.
#[derive(Clone)]
pub struct State {
    known: KnownRuns,
    teams: Teams,
    answers: FileAnswers,
    exports: Exports,
    environment: Environment,
    max_upload_bytes: u64,
    authenticator: Authenticator,
}

impl State {
    /// Of what a process has.
    pub fn new(resources: &Resources) -> Self {
        Self {
            known: KnownRuns::new(resources),
            teams: Teams::new(resources.table.clone()),
            answers: FileAnswers::new(resources),
            exports: Exports::new(resources),
            environment: resources.environment,
            max_upload_bytes: resources.max_upload_bytes,
            authenticator: Authenticator::new(resources),
        }
    }
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// Every route of this function.
pub fn api(state: State) -> Api {
    use Permission::{ManageTeams, ReadConfig, ReadRuns, ReadTeams};
    Routes::new(state)
        .with(ReadRuns, Verb::Get, "/api/summary/{run_id}", get_summary::get_summary)
        .with(ReadRuns, Verb::Get, "/api/exceptions", list_exceptions::list_exceptions)
        .with(ReadRuns, Verb::Get, "/api/exceptions/export", export_exceptions::export_exceptions)
        .with(ReadRuns, Verb::Get, "/api/loans", list_loans::list_loans)
        .with(ReadTeams, Verb::Get, "/api/sales-teams", list_sales_teams::list_sales_teams)
        .with(ManageTeams, Verb::Post, "/api/sales-teams", create_sales_team::create_sales_team)
        .with(ReadConfig, Verb::Get, "/api/config", get_config::get_config)
        .finish(&Document::openapi())
}

/// This function's part of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    paths(
        get_summary::get_summary,
        list_exceptions::list_exceptions,
        export_exceptions::export_exceptions,
        list_loans::list_loans,
        list_sales_teams::list_sales_teams,
        create_sales_team::create_sales_team,
        get_config::get_config
    ),
    components(schemas(list_loans::DispositionWord))
)]
pub struct Document;
