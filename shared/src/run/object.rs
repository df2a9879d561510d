//! The `run` object of the API.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    clock::Moment,
    decimal::{Decimal, ExactSum},
    engine::Progress,
    error::{Phase, RunError},
    history::SeenBefore,
    results::summary::{PoolResult, PoolStatus},
    rules::rule_set::RuleSetId,
    tape::{
        TapeMapping,
        notices::{Notice, NoticeCode},
        profile::ProfileId,
    },
};

use super::{RunDispositions, RunStatus, RunTape};

/// One execution of the pipeline on one or more tapes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunObject<'r> {
    /// Id of the run. The same as `run_id`.
    pub(super) id: Uuid,
    /// Id of the run. The same as `id`.
    pub(super) run_id: Uuid,
    /// Status of the run.
    pub(super) status: RunStatus,
    /// Sales team that owns the run. Null: the run belongs to no team, so members of sales teams cannot see it.
    #[schema(required)]
    pub(super) sales_team_id: Option<Uuid>,
    /// Number of loans in the tapes. 0 until the run is completed.
    #[schema(example = 2)]
    pub(super) total_loans: u64,
    /// Sum of all loan amounts that could be read, in dollars, exact. 0 until the run is completed.
    #[schema(value_type = f64, example = 500_000)]
    pub(super) total_balance: &'r ExactSum,
    /// Number of exceptions, hard and soft. 0 until the run is completed.
    #[schema(example = 3)]
    pub(super) exceptions_count: u64,
    /// Weekday, in UTC, on which the run was created: 0 is Monday, 6 is Sunday.
    #[schema(maximum = 6, example = 0)]
    pub(super) run_weekday: u8,
    /// Name of that weekday.
    #[schema(value_type = String, example = "Monday")]
    pub(super) run_weekday_name: Option<&'static str>,
    /// Purchase date. It is recorded with the run and does not change a price.
    #[schema(value_type = String, format = Date)]
    pub(super) pdate: Date,
    /// IRR target, in percent. The spread of a loan is its note rate less this target.
    #[schema(value_type = f64, example = 8.05)]
    pub(super) irr_target: Decimal,
    /// Last phase that finished: `ingest`, `validate`, `eligibility`, `pricing`, `disposition`, `output` or `archive`. Null: none
    /// has finished yet.
    #[schema(required, value_type = Option<String>, example = "archive")]
    pub(super) last_phase: Option<Phase>,
    /// Folder of the output files. Null: the run is a dry run and writes none.
    #[schema(required, example = "outputs/6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90")]
    pub(super) output_dir: Option<&'r str>,
    /// Why the run failed. Null: the run has not failed.
    #[schema(required, value_type = Option<RunError>)]
    pub(super) error: Option<&'r RunError>,
    /// How far the worker is. Null: no worker has reported yet.
    #[schema(required)]
    pub(super) progress: Option<Progress>,
    /// User who started the run. Null: a tape that arrived in a folder `incoming` started it.
    #[schema(required)]
    pub(super) created_by: Option<Uuid>,
    /// When a worker began the run. Null: the run is pending.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub(super) started_at: Option<Moment>,
    /// When the run ended. Null: the run is pending or running.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub(super) completed_at: Option<Moment>,
    /// When the run was created.
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: Moment,
    /// Rule set that judges the loans.
    #[schema(value_type = RuleSetId)]
    pub(super) rule_set: &'r RuleSetId,
    /// Profile that the tapes were read with. Null: none was given.
    #[schema(required, value_type = Option<ProfileId>)]
    pub(super) profile: Option<&'r ProfileId>,
    /// Number of rows below the header that are not loans, such as totals and repeated headers. `notices` names them. 0 until the run
    /// is completed.
    #[schema(example = 1)]
    pub(super) ignored_rows: u64,
    /// Number of rows that the profile leaves out, because another row describes the same loan. 0 until the run is completed.
    #[schema(example = 0)]
    pub(super) superseded_rows: u64,
    /// Number of notices of each code. Empty until the run is completed.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({"not_a_loan": 1}))]
    pub(super) notice_counts: &'r BTreeMap<NoticeCode, u64>,
    /// Whether the run is a dry run, which keeps only the run and its summary.
    #[schema(example = false)]
    pub(super) dry_run: bool,
    /// Username, when the run was created, of the user who started it. Null: a tape that arrived in a folder `incoming` or the command line
    /// started the run, or an earlier version of Loan Engine created it.
    #[schema(required, example = "ana")]
    pub(super) created_by_username: Option<&'r str>,
    /// The first tapes of the run, in the order of their loans: at most 100, and at most 16 KiB of JSON. Null: an earlier version of Loan
    /// Engine created the run.
    #[schema(required, value_type = Option<Vec<RunTape>>)]
    pub(super) tapes: Option<&'r [RunTape]>,
    /// Number of all tapes of the run. Null: an earlier version of Loan Engine created the run.
    #[schema(required, example = 1)]
    pub(super) tapes_count: Option<u64>,
    /// Number and balance of the loans of each disposition. Null: the run has not completed, or an earlier version of Loan Engine
    /// completed it.
    #[schema(required, value_type = Option<RunDispositions>)]
    pub(super) dispositions: Option<&'r RunDispositions>,
    /// What earlier runs say about the loans. Null: the run was not asked to check the history (`check_history`), or has not completed.
    #[schema(required, value_type = Option<SeenBefore>)]
    pub(super) seen_before: Option<&'r SeenBefore>,
    /// Pool tests of the rule set, in order. Empty for a rule set without pool tests, and until the run is completed.
    #[schema(value_type = Vec<PoolResult>)]
    pub(super) pool_tests: &'r [PoolResult],
    /// Result of all pool tests. Null: the rule set has none, or the run is not completed.
    #[schema(required, value_type = Option<PoolStatus>, example = "warn")]
    pub(super) pool_status: Option<PoolStatus>,
    // The details come last: what is read of a stored run is cut there.
    /// How each tape was read: its header, columns and units. Empty until the run has ended. Null: the run is one of a list, or its
    /// results were removed; read the run itself.
    #[schema(required, value_type = Option<Vec<TapeMapping>>)]
    pub(super) column_mapping: &'r [TapeMapping],
    /// Events of the tapes that are not the fault of a loan: the first 200 notices of each tape and code, in the order of the tape, and at
    /// most 1,000 in all. `notice_counts` counts all of them. Empty until the run has ended. Null: the run is one of a list, or its
    /// results were removed; read the run itself.
    #[schema(required, value_type = Option<Vec<Notice>>)]
    pub(super) notices: &'r [Notice],
}
