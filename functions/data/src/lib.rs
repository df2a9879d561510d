//! The Lambda of results: summaries, exceptions and loans. It also serves sales teams and the configuration.
#![expect(unused_qualifications, reason = "what utoipa makes of `params` names its types in full")]

mod ask_what_if;
mod create_sales_team;
mod exception_pages;
mod exception_query;
mod export_exceptions;
mod export_file;
mod export_loans;
mod found_lists;
mod get_compare;
mod get_config;
mod get_loan_history;
mod get_purchase_advice;
mod get_reasons;
mod get_report;
mod get_seller_return;
mod get_summary;
mod known_runs;
mod list_exceptions;
mod list_loans;
mod list_sales_teams;
mod loan_export_file;
mod loan_pages;
mod loan_query;
mod run_findings;
mod what_if_request;

use api::{
    endpoint,
    exports::Exports,
    file_answer::FileAnswers,
    jobs::JobAnswers,
    routes::{Api, Routes},
};
use found_lists::FoundLists;
use known_runs::KnownRuns;
use shared::{auth::permission::Permission, phases::disposition::Disposition};
use stores::{config::Environment, resources::Resources, storage::s3::S3Storage, teams::Teams};
use what_if_request::SweepRange;

/// Resources of the endpoints of this function.
#[derive(Clone)]
pub struct State {
    known: KnownRuns,
    storage: S3Storage,
    lists: FoundLists,
    teams: Teams,
    answers: FileAnswers,
    exports: Exports,
    jobs: JobAnswers,
    environment: Environment,
    max_upload_bytes: u64,
}

impl State {
    fn new(resources: &Resources) -> Self {
        Self {
            known: KnownRuns::new(resources),
            storage: resources.storage.clone(),
            lists: FoundLists::new(),
            teams: resources.teams(),
            answers: FileAnswers::new(resources),
            exports: Exports::new(resources),
            jobs: JobAnswers::new(resources),
            environment: resources.environment,
            max_upload_bytes: resources.max_upload_bytes,
        }
    }
}

/// Every route of this function.
pub fn api(resources: &Resources) -> Api {
    use Permission::{ChooseTerms, ManageTeams, ReadConfig, ReadRuns, ReadTeams};
    Routes::new(resources, State::new(resources))
        .with(ReadRuns, endpoint!(get_summary::get_summary))
        .with(ReadRuns, endpoint!(get_reasons::get_reasons))
        .with(ReadRuns, endpoint!(get_report::get_report))
        .with(ReadRuns, endpoint!(list_exceptions::list_exceptions))
        .with(ReadRuns, endpoint!(export_exceptions::export_exceptions))
        .with(ReadRuns, endpoint!(list_loans::list_loans, components(schemas(Disposition))))
        .with(ChooseTerms, endpoint!(ask_what_if::ask_what_if, components(schemas(SweepRange))))
        .with(ReadRuns, endpoint!(export_loans::export_loans))
        .with(ReadRuns, endpoint!(get_loan_history::get_loan_history))
        .with(ReadRuns, endpoint!(get_purchase_advice::get_purchase_advice))
        .with(ReadRuns, endpoint!(get_compare::get_compare))
        .with(ReadRuns, endpoint!(get_seller_return::get_seller_return))
        .with(ReadTeams, endpoint!(list_sales_teams::list_sales_teams))
        .with(ManageTeams, endpoint!(create_sales_team::create_sales_team))
        .with(ReadConfig, endpoint!(get_config::get_config))
        .finish()
}
