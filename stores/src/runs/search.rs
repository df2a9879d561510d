//! Lists of runs by filters that no index has: each page looks at a limited number of runs.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use shared::{auth::user::folded, run::RunTape};
use uuid::Uuid;

use crate::StoreError;

use super::{RunFilter, Runs, StoredRun};

/// Largest number of runs that one page looks at.
pub const MOST_LOOKED_AT: u64 = 2_000;
/// Number of runs that are read at once.
const READ_AT_ONCE: u64 = 250;

/// Filter of a list of runs. `None` matches all.
#[derive(Debug, Clone, Default)]
pub struct RunSearch {
    pub filter: RunFilter,
    pub dry_run: Option<bool>,
    /// Id of the user who started the run.
    pub created_by: Option<Uuid>,
    /// Part of the name of one of the tapes that the run names, in the form of [`folded`].
    pub tape: Option<String>,
}

/// A place in a list of runs: creation time and id of the last run before it, and the number of matching runs that are still to be
/// skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlace(pub Timestamp, pub Uuid, #[serde(default)] pub u64);

impl RunPlace {
    fn after(run: &StoredRun, skip: u64) -> Self {
        Self(run.created_at, run.run_id, skip)
    }
}

impl RunSearch {
    /// Whether an index has the filter, so that a page reads no other runs.
    fn is_indexed(&self) -> bool {
        let RunFilter { status, run_weekday, sales_team_id } = self.filter;
        let by_one = status.is_none() || sales_team_id.is_none();
        by_one && run_weekday.is_none() && self.dry_run.is_none() && self.created_by.is_none() && self.tape.is_none()
    }

    /// The part of the filter that an index has.
    fn indexed(&self) -> RunFilter {
        let RunFilter { status, sales_team_id, .. } = self.filter;
        RunFilter { status: status.filter(|_| sales_team_id.is_none()), sales_team_id, run_weekday: None }
    }

    fn matches(&self, run: &StoredRun) -> bool {
        self.filter.status.is_none_or(|status| run.status == status)
            && self.filter.run_weekday.is_none_or(|day| weekday(run.created_at) == day)
            && self.dry_run.is_none_or(|dry| run.is_dry() == dry)
            && self.created_by.is_none_or(|user| run.created_by == Some(user))
            && self.tape.as_ref().is_none_or(|part| run.tapes().iter().any(|tape| is_named(tape, part)))
    }
}

fn weekday(at: Timestamp) -> u8 {
    at.to_zoned(TimeZone::UTC).date().weekday().to_monday_zero_offset().unsigned_abs()
}

/// Whether the name of a tape, which is the last part of its path, has this part.
fn is_named(tape: &RunTape, part: &str) -> bool {
    folded(tape.path.rsplit('/').next().unwrap_or(&tape.path)).contains(part)
}

impl Runs {
    /// Lists the runs that match, the newest first, after a place. Looks at no more than [`MOST_LOOKED_AT`] runs, so the page may be
    /// shorter than `limit`. The second value is the place where the next page begins; `None` at the end of the list.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the record of a run cannot be read.
    pub async fn search(
        &self,
        search: &RunSearch,
        after: Option<RunPlace>,
        skip: u64,
        limit: u64,
    ) -> Result<(Vec<StoredRun>, Option<RunPlace>), StoreError> {
        let mut left = after.map_or(skip, |RunPlace(.., left)| left);
        let mut place = after.map(|RunPlace(at, id, _)| (at, id));
        if search.is_indexed() {
            let (runs, more) = self.list(search.indexed(), place, left, limit).await?;
            let next = runs.last().filter(|_| more).map(|run| RunPlace::after(run, 0));
            return Ok((runs, next));
        }
        let (mut runs, mut looked_at) = (Vec::new(), 0);
        while looked_at < MOST_LOOKED_AT {
            let (listed, more) = self.list(search.indexed(), place, 0, READ_AT_ONCE.min(MOST_LOOKED_AT - looked_at)).await?;
            looked_at += listed.len() as u64;
            place = listed.last().map(|run| (run.created_at, run.run_id));
            for run in listed.into_iter().filter(|run| search.matches(run)) {
                if left > 0 {
                    left -= 1;
                } else if (runs.len() as u64) < limit {
                    runs.push(run);
                } else {
                    let next = runs.last().map(|run| RunPlace::after(run, 0));
                    return Ok((runs, next));
                }
            }
            if !more || place.is_none() {
                return Ok((runs, None));
            }
        }
        Ok((runs, place.map(|(at, id)| RunPlace(at, id, left))))
    }
}
