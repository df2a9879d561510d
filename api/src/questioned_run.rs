//! Questions about a run: which runs can answer which questions, and the problems for those that cannot.
//!
//! An endpoint that asks a run for its totals or its loans loads the run and checks it by [`RunNeeds`]. All such endpoints then give
//! the same four problems: 409 `run_not_completed`, 409 `dry_run_keeps_no_loans`, 410 `results_gone` and 404 `…_not_kept`.

use shared::{auth::permission::Permission, run::RunStatus};
use stores::runs::{Runs, StoredRun};
use uuid::Uuid;

use super::{caller::Caller, problem::ApiError};

/// What a question needs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunNeeds {
    /// The totals, which every completed run has, also a dry run.
    Totals,
    /// The stored loans, which a dry run does not keep.
    Loans,
}

impl RunNeeds {
    /// Checks that a run can answer the question.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] with the code `run_not_completed` or `dry_run_keeps_no_loans`.
    pub fn check(self, run: &StoredRun) -> Result<(), ApiError> {
        if run.status != RunStatus::Completed {
            return Err(ApiError::Conflict("run_not_completed", not_completed(run.status).into()));
        }
        if self == Self::Loans && run.is_dry() {
            let sentence = "The run is a dry run, which keeps no loans. Start a run of the same tapes without `dry_run`.";
            return Err(ApiError::Conflict("dry_run_keeps_no_loans", sentence.into()));
        }
        Ok(())
    }

    /// Loads a run that the caller may see and that can answer the question.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the run does not exist or belongs to another team; [`ApiError::Forbidden`] when the caller may
    /// not read runs; those of [`Self::check`]; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the store fails.
    pub async fn load(self, runs: &Runs, caller: &Caller, run_id: Uuid) -> Result<StoredRun, ApiError> {
        let scope = caller.scope(Permission::ReadRuns)?;
        let run = runs.get_within(scope, run_id).await?.ok_or(ApiError::not_found("The run"))?;
        self.check(&run)?;
        Ok(run)
    }
}

/// The answer for a part that the run lacks, because an earlier version of Loan Engine stored it. `code` ends in `_not_kept`, and
/// `what` begins the sentence, as in "The reasons".
pub fn not_kept(code: &'static str, what: &str) -> ApiError {
    let sentence = format!("{what} of the run were not kept: an earlier version of Loan Engine made it. Run its tapes again.");
    ApiError::NotKept(code, sentence.into())
}

fn not_completed(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Failed => "The run failed, so it has no results. The run says why; start a run of a corrected tape.",
        _ => "The run has not completed yet. Ask again when its status is `completed`.",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::{
        error::RunError,
        rules::rule_set::RuleSet,
        run::{NewRun, Run},
    };

    use super::*;
    use crate::stored_results::results_gone;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn run(dry: bool) -> Run {
        let new = NewRun {
            run_id: Uuid::from_u128(7),
            sales_team_id: None,
            created_by: None,
            irr_target: "8.05".parse().unwrap(),
            pdate: None,
            rule_set: RuleSet::built_in().id(),
            output_dir: (!dry).then(|| "outputs/7".to_owned()),
        };
        Run::new(new, NOW)
    }

    fn completed(dry: bool) -> Run {
        let mut run = run(dry);
        run.start(NOW).unwrap();
        run.complete(NOW).unwrap();
        run
    }

    fn code(needs: RunNeeds, run: &Run) -> &'static str {
        needs.check(&StoredRun::created(run).unwrap()).map_or_else(|error| error.problem().code, |()| "answers")
    }

    #[test]
    fn a_completed_run_answers_and_a_dry_run_only_about_its_totals() {
        assert_eq!(code(RunNeeds::Loans, &completed(false)), "answers");
        assert_eq!(code(RunNeeds::Totals, &completed(true)), "answers");
        assert_eq!(code(RunNeeds::Loans, &completed(true)), "dry_run_keeps_no_loans");
    }

    #[test]
    fn a_run_without_results_answers_nothing() {
        let mut failed = run(false);
        failed.start(NOW).unwrap();
        let running = failed.clone();
        failed.fail(RunError::worker_lost(), NOW).unwrap();
        for needs in [RunNeeds::Totals, RunNeeds::Loans] {
            for run in [&run(false), &run(true), &running, &failed] {
                assert_eq!(code(needs, run), "run_not_completed", "{}", run.status());
            }
        }
    }

    #[test]
    fn each_problem_has_its_status() {
        let of = |error: ApiError| {
            let problem = error.problem();
            (problem.status.as_u16(), problem.code)
        };
        assert_eq!(of(not_kept("reasons_not_kept", "The reasons")), (404, "reasons_not_kept"));
        assert_eq!(of(results_gone()), (410, "results_gone"));
        let pending = StoredRun::created(&run(false)).unwrap();
        assert_eq!(of(RunNeeds::Totals.check(&pending).unwrap_err()), (409, "run_not_completed"));
    }
}
