//! The decision workbook of a run. The first request makes it, in the turn of an export, and it is kept with the run's results:
//! its content never changes, and it may be far larger than an answer.

use std::io::Write;

use api::{
    problem::ApiError,
    stored_results::{as_absent, read_index, unreadable},
};
use shared::{
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        index::ResultsIndex,
        read::{ExceptionsReader, FactsReader},
    },
    results::workbook::{DecidedRun, SheetLimits, Stored, WORKBOOK_FILE, WorkbookError, write_decisions},
    run::RunStatus,
};
use stores::{
    export_turns::ExportTurns,
    keys,
    resources::Resources,
    runs::{ObjectVersion, RunResults, Runs, StoredRun},
    storage::{StorageBackend as _, StorageError, range_reader::ObjectReader, s3::S3Storage, uploads::Uploads},
};

/// Makes and keeps decision workbooks.
#[derive(Clone)]
pub struct Workbooks {
    storage: S3Storage,
    runs: Runs,
    turns: ExportTurns,
}

impl Workbooks {
    /// Uses the bucket and the export turns of the process.
    pub fn new(resources: &Resources, runs: Runs) -> Self {
        Self { storage: resources.storage.clone(), runs, turns: resources.export_turns.clone() }
    }

    /// The key of a run's workbook, which is made if it does not exist yet.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the run has no workbook; [`ApiError::Busy`] when no turn becomes free in time;
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the workbook cannot be made or stored.
    pub async fn of(&self, run: StoredRun) -> Result<String, ApiError> {
        if run.status != RunStatus::Completed || run.is_dry() {
            return Err(ApiError::NotFound(without_workbook(run.status).into()));
        }
        let key = format!("{}/{WORKBOOK_FILE}", keys::results(run.run_id));
        if self.storage.info(&key).await?.is_none() {
            let turn = self.turns.take().await?;
            let (workbooks, key) = (self.clone(), key.clone());
            // The client may disconnect before the workbook is made. The task goes on, and the next request finds it.
            let making = tokio::spawn(async move {
                let made = workbooks.make(run, key).await;
                drop(turn);
                made
            });
            making.await.map_err(ApiError::internal)??;
        }
        Ok(key)
    }

    /// Makes and stores a workbook, unless another request has made it in the meantime.
    async fn make(self, run: StoredRun, key: String) -> Result<(), ApiError> {
        if self.storage.info(&key).await?.is_some() {
            return Ok(());
        }
        let results = self.runs.results(run.run_id).await?;
        let RunResults { summary, outputs, facts: Some(facts), exceptions: Some(exceptions), index: Some(index), .. } =
            results.ok_or_else(|| ApiError::NotFound(without_workbook(run.status).into()))?
        else {
            return Err(ApiError::NotFound(without_workbook(run.status).into()));
        };
        let whole = self.runs.whole(&run).await?;
        let outputs = outputs.iter().map(|output| output.key.as_str());
        let decided = DecidedRun::read(whole.get().as_bytes(), summary.get().as_bytes(), outputs).map_err(ApiError::internal)?;
        let index = read_index(&self.storage, run.run_id, &index).await.map_err(as_absent)?;
        let reader = |name: &str, version: ObjectVersion| {
            let key = format!("{}/{name}", keys::results(run.run_id));
            ObjectReader::new(self.storage.clone(), key, version.size, version.etag)
        };
        let (facts, exceptions) = (reader(FACTS_FILE, facts), reader(EXCEPTIONS_FILE, exceptions));
        let uploads = Uploads::new(self.storage.clone(), move |_| key.clone());
        let out = uploads.create(WORKBOOK_FILE);
        let writing = tokio::task::spawn_blocking(move || write(out, &decided, &index, facts, exceptions));
        let written = writing.await.map_err(ApiError::internal)?;
        // An incomplete file does not appear in the storage.
        match (written, uploads.complete().await) {
            (Ok(()), Ok(_)) => Ok(()),
            (Err(WorkbookError::Read(error)), _) => Err(as_absent(unreadable(error))),
            (_, Err((_, error @ StorageError::Store(_)))) => Err(error.into()),
            (Err(error), _) => Err(ApiError::internal(error)),
            (Ok(()), Err((_, error))) => Err(ApiError::internal(error)),
        }
    }
}

/// Writes a workbook. The caller runs this off the async threads.
fn write(
    mut out: Box<dyn Write + Send>,
    decided: &DecidedRun,
    index: &ResultsIndex,
    facts: ObjectReader,
    exceptions: ObjectReader,
) -> Result<(), WorkbookError> {
    let stored = Stored { facts: &FactsReader::open(facts)?, exceptions: &ExceptionsReader::open(exceptions)?, index };
    write_decisions(&mut out, decided, &stored, SheetLimits::default())?;
    // The flush marks the file as whole.
    Ok(out.flush()?)
}

/// Why a run has no workbook.
fn without_workbook(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "The run has no workbook: it was a dry run. Start a run that keeps its results.",
        RunStatus::Failed => "The run has no workbook: it failed. The run says why; start a run of a corrected tape.",
        RunStatus::Pending | RunStatus::Running => {
            "There is no workbook yet: it can be made when the run has completed. Ask for it again then."
        }
    }
}
