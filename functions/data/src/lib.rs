//! The Lambda of results: summaries, exceptions and loans. It also serves sales teams and the configuration.
#![expect(unused_qualifications, reason = "what utoipa makes of `params` names its types in full")]

mod create_sales_team;
mod exception_pages;
mod exception_query;
mod export_exceptions;
mod export_file;
mod get_config;
mod get_reasons;
mod get_report;
mod get_summary;
mod known_runs;
mod list_exceptions;
mod list_loans;
mod list_sales_teams;
mod run_findings;

use api::{
    endpoint,
    exports::Exports,
    file_answer::FileAnswers,
    routes::{Api, Routes},
};
use known_runs::KnownRuns;
use shared::{auth::permission::Permission, phases::disposition::Disposition};
use stores::{config::Environment, resources::Resources, teams::Teams};

/// Resources of the endpoints of this function.
#[derive(Clone)]
pub struct State {
    known: KnownRuns,
    teams: Teams,
    answers: FileAnswers,
    exports: Exports,
    environment: Environment,
    max_upload_bytes: u64,
}

impl State {
    fn new(resources: &Resources) -> Self {
        Self {
            known: KnownRuns::new(resources),
            teams: resources.teams(),
            answers: FileAnswers::new(resources),
            exports: Exports::new(resources),
            environment: resources.environment,
            max_upload_bytes: resources.max_upload_bytes,
        }
    }
}

/// Every route of this function.
pub fn api(resources: &Resources) -> Api {
    use Permission::{ManageTeams, ReadConfig, ReadRuns, ReadTeams};
    Routes::new(resources, State::new(resources))
        .with(ReadRuns, endpoint!(get_summary::get_summary))
        .with(ReadRuns, endpoint!(get_reasons::get_reasons))
        .with(ReadRuns, endpoint!(get_report::get_report))
        .with(ReadRuns, endpoint!(list_exceptions::list_exceptions))
        .with(ReadRuns, endpoint!(export_exceptions::export_exceptions))
        .with(ReadRuns, endpoint!(list_loans::list_loans, components(schemas(Disposition))))
        .with(ReadTeams, endpoint!(list_sales_teams::list_sales_teams))
        .with(ManageTeams, endpoint!(create_sales_team::create_sales_team))
        .with(ReadConfig, endpoint!(get_config::get_config))
        .finish()
}
