//! The Lambda that starts runs and shows them.
#![expect(unused_qualifications, reason = "what utoipa makes of `params` names its types in full")]

mod answer_run;
mod archive_zip;
mod download_archive;
mod download_output;
mod download_workbook;
mod get_run;
mod inspect_tape;
mod list_archive;
mod list_outputs;
mod list_runs;
mod start_run;
mod stored_files;
mod workbooks;

use std::sync::Arc;

use api::{
    authenticate::Authenticator,
    file_answer::FileAnswers,
    routes::{Api, Routes, Verb},
};
use archive_zip::ArchiveZips;
use axum::extract::FromRef;
use shared::{auth::permission::Permission, clock::Clock};
use stores::{export_turns::ExportTurns, resources::Resources, runs::Runs, storage::s3::S3Storage};
use utoipa::OpenApi;
use workbooks::Workbooks;

/// What the endpoints of this function have.
#[derive(Clone)]
pub struct State {
    runs: Runs,
    storage: S3Storage,
    answers: FileAnswers,
    zips: ArchiveZips,
    workbooks: Workbooks,
    turns: ExportTurns,
    clock: Arc<dyn Clock>,
    authenticator: Authenticator,
}

impl State {
    /// Of what a process has.
    pub fn new(resources: &Resources) -> Self {
        let runs = Runs::new(resources.table.clone(), resources.storage.clone());
        Self {
            workbooks: Workbooks::new(resources, runs.clone()),
            runs,
            storage: resources.storage.clone(),
            answers: FileAnswers::new(resources),
            zips: ArchiveZips::new(resources),
            turns: resources.export_turns.clone(),
            clock: Arc::clone(&resources.clock),
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
    use Permission::{ReadFiles, ReadRuns, StartRuns};
    let output = "/api/runs/{run_id}/notebook-outputs/{output_key}/download";
    Routes::new(state)
        .with(StartRuns, Verb::Post, "/api/pipeline/run", start_run::start_run)
        .with(ReadFiles, Verb::Post, "/api/tapes/inspect", inspect_tape::inspect_tape)
        .with(ReadRuns, Verb::Get, "/api/runs", list_runs::list_runs)
        .with(ReadRuns, Verb::Get, "/api/runs/{run_id}", get_run::get_run)
        .with(ReadRuns, Verb::Get, "/api/runs/{run_id}/notebook-outputs", list_outputs::list_outputs)
        .with(ReadRuns, Verb::Get, output, download_output::download_output)
        .with(ReadRuns, Verb::Get, "/api/runs/{run_id}/archive", list_archive::list_archive)
        .with(ReadRuns, Verb::Get, "/api/runs/{run_id}/archive/download", download_archive::download_archive)
        .with(ReadRuns, Verb::Get, "/api/runs/{run_id}/workbook", download_workbook::download_workbook)
        .finish(&Document::openapi())
}

/// This function's part of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    start_run::start_run,
    inspect_tape::inspect_tape,
    list_runs::list_runs,
    get_run::get_run,
    list_outputs::list_outputs,
    download_output::download_output,
    list_archive::list_archive,
    download_archive::download_archive,
    download_workbook::download_workbook
))]
pub struct Document;
