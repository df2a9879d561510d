//! The Lambda that starts runs and shows them.
#![expect(unused_qualifications, reason = "what utoipa makes of `params` names its types in full")]

mod answer_run;
mod archive_zip;
mod check_rule_set;
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
    endpoint,
    file_answer::FileAnswers,
    routes::{Api, Routes},
};
use archive_zip::ArchiveZips;
use shared::{auth::permission::Permission, clock::Clock};
use stores::{export_turns::ExportTurns, resources::Resources, runs::Runs, storage::s3::S3Storage};
use workbooks::Workbooks;

/// Resources of the endpoints of this function.
#[derive(Clone)]
pub struct State {
    runs: Runs,
    storage: S3Storage,
    answers: FileAnswers,
    zips: ArchiveZips,
    workbooks: Workbooks,
    turns: ExportTurns,
    clock: Arc<dyn Clock>,
}

impl State {
    fn new(resources: &Resources) -> Self {
        let runs = resources.runs();
        Self {
            workbooks: Workbooks::new(resources, runs.clone()),
            runs,
            storage: resources.storage.clone(),
            answers: FileAnswers::new(resources),
            zips: ArchiveZips::new(resources),
            turns: resources.export_turns.clone(),
            clock: Arc::clone(&resources.clock),
        }
    }
}

/// Every route of this function.
pub fn api(resources: &Resources) -> Api {
    use Permission::{ChooseTerms, ReadFiles, ReadRuns, StartRuns};
    Routes::new(resources, State::new(resources))
        .with(StartRuns, endpoint!(start_run::start_run))
        .with(ReadFiles, endpoint!(inspect_tape::inspect_tape))
        .with(ChooseTerms, endpoint!(check_rule_set::check_rule_set))
        .with(ReadRuns, endpoint!(list_runs::list_runs))
        .with(ReadRuns, endpoint!(get_run::get_run))
        .with(ReadRuns, endpoint!(list_outputs::list_outputs))
        .with(ReadRuns, endpoint!(download_output::download_output))
        .with(ReadRuns, endpoint!(list_archive::list_archive))
        .with(ReadRuns, endpoint!(download_archive::download_archive))
        .with(ReadRuns, endpoint!(download_workbook::download_workbook))
        .finish()
}
