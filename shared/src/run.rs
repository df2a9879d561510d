//! The record of a run: one execution of the pipeline, from its creation to its end.

mod dispositions;
mod object;
mod tapes;

use std::{collections::BTreeMap, fmt};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    clock::Moment,
    decimal::ExactSum,
    engine::{Outcome, Progress},
    error::{Phase, RunError},
    history::SeenBefore,
    phases::pricing::IrrTarget,
    results::summary::{PoolResult, PoolStatus},
    rules::rule_set::RuleSetId,
    tape::{
        TapeMapping,
        notices::{Notice, NoticeCode},
        profile::ProfileId,
    },
};

pub use self::{
    dispositions::{DispositionTotal, RunDispositions},
    object::RunObject,
    tapes::{NAMED_TAPES, RunTape, RunTapes},
};

/// Status of a run: `pending` until a worker begins it, `running`, then `completed` with all results or `failed` without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "completed")]
pub enum RunStatus {
    /// The run has been created, and no worker has begun it yet.
    Pending,
    /// A worker executes the run.
    Running,
    /// The run has ended with all its results.
    Completed,
    /// The run has ended without results.
    Failed,
}

/// All allowed changes of status, from the first to the second.
const MOVES: [(RunStatus, RunStatus); 3] = [
    (RunStatus::Pending, RunStatus::Running),
    (RunStatus::Running, RunStatus::Completed),
    (RunStatus::Running, RunStatus::Failed),
];

/// A change of status that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {from} cannot become {to}")]
pub struct StatusMoveError {
    /// Status of the run.
    pub from: RunStatus,
    /// Status that was to follow.
    pub to: RunStatus,
}

impl RunStatus {
    /// All statuses, in the order in which a run can have them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Completed, Self::Failed];

    /// The word for the status in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The status with this word; `None` when there is none.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Changes the status to `to`.
    ///
    /// # Errors
    /// [`StatusMoveError`] when the change is not allowed.
    pub fn move_to(self, to: Self) -> Result<Self, StatusMoveError> {
        if MOVES.contains(&(self, to)) { Ok(to) } else { Err(StatusMoveError { from: self, to }) }
    }

    /// Whether the run has ended: no other status can follow.
    pub fn is_final(self) -> bool {
        MOVES.iter().all(|(from, _)| *from != self)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not a purchase date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pdate must be a day written YYYY-MM-DD, such as 2026-03-31")]
pub struct PurchaseDateError;

/// Reads a purchase date, which must be written as `YYYY-MM-DD`.
///
/// # Errors
/// [`PurchaseDateError`] for any other text, and for a day that does not exist.
pub fn parse_pdate(text: &str) -> Result<Date, PurchaseDateError> {
    let date: Date = text.parse().map_err(|_| PurchaseDateError)?;
    // The parser accepts other forms of ISO 8601 too. Only this form is the same when it is written back.
    if date.to_string() == text && text.len() == 10 { Ok(date) } else { Err(PurchaseDateError) }
}

/// Parameters of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// IRR target, from which spreads and prices follow.
    pub irr_target: IrrTarget,
    /// Purchase date.
    pub pdate: Date,
}

/// What is known about a run before its tapes are read.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub run_id: Uuid,
    /// Sales team that the run belongs to; `None` for a run of no team.
    pub sales_team_id: Option<Uuid>,
    /// User who started the run; `None` when no user did.
    pub created_by: Option<Uuid>,
    /// Name of that user when the run was created.
    pub created_by_username: Option<String>,
    /// The tapes; `None` when an earlier version stored the run.
    pub tapes: Option<RunTapes>,
    /// IRR target, from which spreads and prices follow.
    pub irr_target: IrrTarget,
    /// Purchase date; `None` means the day, in UTC, on which the run is created.
    pub pdate: Option<Date>,
    /// Name, version and hash of the rule set.
    pub rule_set: RuleSetId,
    /// Folder of the outputs; `None` for a run without outputs.
    pub output_dir: Option<String>,
}

/// One execution of the pipeline.
#[derive(Debug, Clone)]
pub struct Run {
    origin: NewRun,
    parameters: Parameters,
    status: RunStatus,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    last_phase: Option<Phase>,
    progress: Option<Progress>,
    error: Option<RunError>,
    total_loans: u64,
    total_balance: ExactSum,
    exceptions_count: u64,
    details: RunDetails,
    profile: Option<ProfileId>,
    ignored_rows: u64,
    superseded_rows: u64,
    notice_counts: BTreeMap<NoticeCode, u64>,
    pool_tests: Vec<PoolResult>,
    dispositions: Option<RunDispositions>,
    seen_before: Option<SeenBefore>,
}

impl Run {
    /// A pending run, created at `now`.
    pub fn new(origin: NewRun, now: Timestamp) -> Self {
        let pdate = origin.pdate.unwrap_or_else(|| utc_date(now));
        Self {
            parameters: Parameters { irr_target: origin.irr_target, pdate },
            origin,
            status: RunStatus::Pending,
            created_at: now,
            started_at: None,
            completed_at: None,
            last_phase: None,
            progress: None,
            error: None,
            total_loans: 0,
            total_balance: ExactSum::default(),
            exceptions_count: 0,
            details: RunDetails::default(),
            profile: None,
            ignored_rows: 0,
            superseded_rows: 0,
            notice_counts: BTreeMap::new(),
            pool_tests: Vec::new(),
            dispositions: None,
            seen_before: None,
        }
    }

    /// Changes the status to `running`, when a worker begins.
    ///
    /// # Errors
    /// [`StatusMoveError`] when the run is not pending.
    pub fn start(&mut self, now: Timestamp) -> Result<(), StatusMoveError> {
        self.status = self.status.move_to(RunStatus::Running)?;
        self.started_at = Some(now);
        Ok(())
    }

    /// Sets the progress of the run.
    pub fn report(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// Sets the last phase that has finished. Loans go through the phases block by block, so the phases from ingest to output
    /// finish together, with the last block.
    pub fn finish_phase(&mut self, phase: Phase) {
        self.last_phase = Some(phase);
    }

    /// The phase that a failure interrupts: `ingest` when no phase has finished, `archive` when `output` has, and `output` in
    /// between.
    pub fn interrupted_phase(&self) -> Phase {
        match self.last_phase {
            None => Phase::Ingest,
            Some(Phase::Output | Phase::Archive) => Phase::Archive,
            Some(_) => Phase::Output,
        }
    }

    /// Sets the profile with which the tapes are read.
    pub fn read_with(&mut self, profile: Option<ProfileId>) {
        self.profile = profile;
    }

    /// Takes over the results of the engine: totals, notices and mappings.
    pub fn record(&mut self, outcome: &Outcome) {
        self.total_loans = outcome.summary.total_loans();
        self.total_balance = outcome.summary.total_balance();
        self.exceptions_count = outcome.summary.exceptions_count();
        self.details = RunDetails::of(outcome);
        self.ignored_rows = outcome.notices.ignored_rows;
        self.superseded_rows = outcome.notices.superseded_rows;
        self.notice_counts.clone_from(outcome.notices.counts());
        self.pool_tests = outcome.summary.pool_tests();
        self.dispositions = Some(RunDispositions::of(&outcome.summary));
    }

    /// Sets what earlier runs say about the loans.
    pub fn remember(&mut self, seen_before: SeenBefore) {
        self.seen_before = Some(seen_before);
    }

    /// Changes the status to `completed`, when all results are stored.
    ///
    /// # Errors
    /// [`StatusMoveError`] when the run is not running.
    pub fn complete(&mut self, now: Timestamp) -> Result<(), StatusMoveError> {
        self.status = self.status.move_to(RunStatus::Completed)?;
        self.completed_at = Some(now);
        Ok(())
    }

    /// Changes the status to `failed`, because of `error`.
    ///
    /// # Errors
    /// [`StatusMoveError`] when the run is not running.
    pub fn fail(&mut self, error: RunError, now: Timestamp) -> Result<(), StatusMoveError> {
        self.status = self.status.move_to(RunStatus::Failed)?;
        self.completed_at = Some(now);
        self.error = Some(error);
        Ok(())
    }

    pub fn run_id(&self) -> Uuid {
        self.origin.run_id
    }

    /// Sales team that the run belongs to; `None` for a run of no team.
    pub fn sales_team_id(&self) -> Option<Uuid> {
        self.origin.sales_team_id
    }

    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// Day of the week, in UTC, on which the run was created: 0 for Monday.
    pub fn weekday(&self) -> u8 {
        utc_date(self.created_at).weekday().to_monday_zero_offset().unsigned_abs()
    }

    /// Name, version and hash of the rule set.
    pub fn rule_set(&self) -> &RuleSetId {
        &self.origin.rule_set
    }

    /// Folder of the outputs; `None` for a run without outputs.
    pub fn output_dir(&self) -> Option<&str> {
        self.origin.output_dir.as_deref()
    }

    /// What earlier runs say about the loans; `None` when the run did not compare them.
    pub fn seen_before(&self) -> Option<&SeenBefore> {
        self.seen_before.as_ref()
    }

    /// Why the run failed; `None` for a run that has not failed.
    pub fn error(&self) -> Option<&RunError> {
        self.error.as_ref()
    }

    /// How each tape was read.
    pub fn column_mapping(&self) -> &[TapeMapping] {
        &self.details.column_mapping
    }

    /// Events that are not the fault of a loan: the first notices of each kind and tape.
    pub fn notices(&self) -> &[Notice] {
        &self.details.notices
    }

    /// Number of notices of each kind, those that are not kept included.
    pub fn notice_counts(&self) -> &BTreeMap<NoticeCode, u64> {
        &self.notice_counts
    }

    /// Result of all pool tests; `None` for a rule set without one, and before the run has completed.
    pub fn pool_status(&self) -> Option<PoolStatus> {
        PoolStatus::of(&self.pool_tests)
    }

    /// Start and end of the run; `None` before it has ended.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.started_at.zip(self.completed_at)
    }
}

fn utc_date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Names of the days of the week, starting with day 0.
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object(&self.details).serialize(serializer)
    }
}

/// The parts of a run that grow with its tapes, columns and notices. They may be too large for an item of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunDetails {
    column_mapping: Vec<TapeMapping>,
    notices: Vec<Notice>,
}

impl RunDetails {
    /// The details of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        Self { column_mapping: outcome.mappings.clone(), notices: outcome.notices.kept().to_vec() }
    }
}

/// A run as its item in the table holds it: without its details.
pub struct RunRecord<'r>(pub &'r Run);

impl Serialize for RunRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.object(&RunDetails::default()).serialize(serializer)
    }
}

impl Run {
    fn object<'r>(&'r self, details: &'r RunDetails) -> RunObject<'r> {
        let run_weekday = self.weekday();
        RunObject {
            id: self.origin.run_id,
            run_id: self.origin.run_id,
            status: self.status,
            sales_team_id: self.origin.sales_team_id,
            total_loans: self.total_loans,
            total_balance: &self.total_balance,
            exceptions_count: self.exceptions_count,
            run_weekday,
            run_weekday_name: WEEKDAYS.get(usize::from(run_weekday)).copied(),
            pdate: self.parameters.pdate,
            irr_target: self.parameters.irr_target.percent(),
            last_phase: self.last_phase,
            output_dir: self.output_dir(),
            error: self.error.as_ref(),
            progress: self.progress,
            created_by: self.origin.created_by,
            started_at: self.started_at.map(Moment),
            completed_at: self.completed_at.map(Moment),
            created_at: Moment(self.created_at),
            rule_set: &self.origin.rule_set,
            profile: self.profile.as_ref(),
            ignored_rows: self.ignored_rows,
            superseded_rows: self.superseded_rows,
            notice_counts: &self.notice_counts,
            pool_tests: &self.pool_tests,
            pool_status: self.pool_status(),
            dry_run: self.origin.output_dir.is_none(),
            created_by_username: self.origin.created_by_username.as_deref(),
            tapes: self.origin.tapes.as_ref().map(RunTapes::named),
            tapes_count: self.origin.tapes.as_ref().map(RunTapes::count),
            dispositions: self.dispositions.as_ref().filter(|_| self.status == RunStatus::Completed),
            seen_before: self.seen_before.as_ref(),
            column_mapping: &details.column_mapping,
            notices: &details.notices,
        }
    }
}

#[cfg(test)]
mod tests;
