//! Runs: created pending, claimed by one worker at a time, ended once. Every change of state is a conditional write.
//!
//! A run has two items: the run as the API shows it, and its request, which says what to do. Data that may be larger than an item
//! is in objects: the list of the run's tapes, and how the tapes were read. A worker that claims a run gets a *lease*: while the
//! worker reports, no other worker takes the run. When the lease expires, another worker may claim the run.

mod objects;
mod request;
mod search;
mod stored;

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use shared::{
    auth::user::Scope,
    engine::Progress,
    error::RunError,
    run::{Run, RunRecord, RunStatus},
};
use uuid::Uuid;

use crate::storage::s3::S3Storage;

use super::{
    StoreError,
    keys::{self, BY_STATUS, BY_TEAM, BY_TIME, DOC, EXPIRES_AT, Index},
    table::{
        Condition, Cursor, Item, ItemUpdate, List, Table, Transacted, Write, document_of, item_of, listed, number, text, written,
    },
};

use self::stored::{ATTEMPT, LEASE_UNTIL, PROGRESS, STATUS, run_of_record};

pub use self::{
    request::{KeptRules, KeptTapes, RulesOfRun, RunRequest, TapeList, TapeRef, WaiversOfRun},
    search::{MOST_LOOKED_AT, RunPlace, RunSearch},
    stored::{KeptHistory, ObjectVersion, OutputInfo, RunResults, RunState, StoredRun},
};

/// Time for which a worker keeps a run without reporting.
pub const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// Time for which several workers keep a run in parts without reporting. Each step reports only once, when it begins, because
/// forty steps at a time would write to the same item. A step may take the fifteen minutes of its function, and the lease must
/// also cover the time until the step is called again after that.
pub const LEASE_IN_PARTS: SignedDuration = SignedDuration::from_mins(20);
/// Number of attempts before a run is given up. Without a limit, a run that crashes its worker would do so for ever.
pub const MAX_ATTEMPTS: u32 = 3;
/// Lifetime of an idempotency key.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

const WEEKDAY: &str = "weekday";
const LEASE_OWNER: &str = "lease_owner";

/// Filter of a list of runs. `None` matches all.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter {
    pub status: Option<RunStatus>,
    /// Day of the week of the creation, 0 for Monday.
    pub run_weekday: Option<u8>,
    pub sales_team_id: Option<Uuid>,
}

/// A user's key for a request that the client may send more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Id of the user.
    pub user: Uuid,
    /// Hash of the key.
    pub key_hash: String,
    /// Hash of what the request asks for.
    pub request_hash: String,
    /// The same with a purchase date filled in: today's date, where the request has none.
    pub dated_hash: String,
    /// That date.
    pub pdate: Date,
}

impl IdempotencyKey {
    /// Whether this request asks for the same as the first request with its key, which an earlier version stored without its date. Two
    /// requests without a date are the same even on different days. A request with a date and one without are the same when the date
    /// is the day of the other.
    pub fn asks_for_the_same_as(&self, used: &UsedKey) -> bool {
        self.request_hash == used.request_hash || used.dated_hash.as_deref() == Some(&self.dated_hash)
    }
}

/// A used idempotency key, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedKey {
    /// Id of the run that the request created.
    pub run_id: Uuid,
    /// Hash of what the request asked for. Keys of earlier versions have the hash of the body's bytes under this name.
    #[serde(rename = "body_hash")]
    pub request_hash: String,
    /// The same with a purchase date filled in. Keys of earlier versions have none.
    pub dated_hash: Option<String>,
    /// That date. Keys of earlier versions have none.
    #[serde(default)]
    pub pdate: Option<Date>,
    /// Time at which the key expires, in seconds since 1970.
    pub expires_at: i64,
}

/// Result of creating a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The run is created and pending.
    Done,
    /// A run with this id exists already.
    Exists,
    /// Another request used the idempotency key in the meantime.
    KeyUsed,
    /// The sales team does not exist.
    NoSuchTeam,
}

/// The right of a worker to work on a run, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub run_id: Uuid,
    /// Id of the worker in this attempt.
    pub owner: Uuid,
    /// Time for which the worker keeps the run without reporting.
    pub lasts: SignedDuration,
}

impl Lease {
    /// The lease of one worker, which reports all the time.
    pub fn of_one(run_id: Uuid, owner: Uuid) -> Self {
        Self { run_id, owner, lasts: LEASE }
    }

    /// The lease of the workers that process a run in parts.
    pub fn in_parts(run_id: Uuid, owner: Uuid) -> Self {
        Self { run_id, owner, lasts: LEASE_IN_PARTS }
    }
}

#[derive(Clone)]
pub struct Runs {
    table: Table,
    storage: S3Storage,
}

impl Runs {
    /// The runs of a table, with their objects in a bucket.
    pub fn new(table: Table, storage: S3Storage) -> Self {
        Self { table, storage }
    }

    /// Creates a pending run. There is no other way to create one. The list of the run's tapes and its rule set are written first: if
    /// the run is not created after all, nothing refers to them, and a later sweep removes them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer; [`StoreError::TooLarge`] when an item is too large.
    pub async fn create(&self, run: &Run, request: &RunRequest, key: Option<&IdempotencyKey>) -> Result<Created, StoreError> {
        let id = request.run_id;
        let tapes = Box::pin(self.keep_tapes(id, &request.tapes)).await?;
        let rules = Box::pin(self.keep_rules(id, &request.rules)).await?;
        let shown_rules = Box::pin(self.show_rules(id, &request.rules)).await?;
        let waivers = Box::pin(self.keep_waivers(id, request.waivers.as_ref())).await?;
        let request = &RunRequest { tapes, rules, waivers, shown_rules, ..request.clone() };
        let mut item = item_of(&keys::run(id), &RunRecord(run))?;
        let moment = keys::moment(request.created_at, id);
        listed(&mut item, BY_TIME, keys::RUNS, moment.clone());
        listed(&mut item, BY_STATUS, keys::runs_with_status(run.status()), moment.clone());
        if let Some(team) = request.sales_team_id {
            listed(&mut item, BY_TEAM, keys::runs_of_team(team), moment);
        }
        item.insert(STATUS.to_owned(), text(run.status().as_str()));
        item.insert(WEEKDAY.to_owned(), number(run.weekday()));
        let mut purposes = vec![
            (Write::Put(item, Some(Condition::absent())), Created::Exists),
            (Write::Put(item_of(&keys::run_request(id), request)?, Some(Condition::absent())), Created::Exists),
        ];
        if let Some(team) = request.sales_team_id {
            purposes.push((Write::Check(keys::team(team), Condition::present()), Created::NoSuchTeam));
        }
        if let Some(key) = key {
            let expires_at = request.created_at.as_second() + KEY_LIFETIME.as_secs();
            let used = UsedKey {
                run_id: id,
                request_hash: key.request_hash.clone(),
                dated_hash: Some(key.dated_hash.clone()),
                pdate: Some(key.pdate),
                expires_at,
            };
            let mut item = item_of(&keys::idempotency(key.user, &key.key_hash), &used)?;
            item.insert(EXPIRES_AT.to_owned(), number(expires_at));
            let unused = Condition::new(format!("attribute_not_exists(pk) OR {EXPIRES_AT} <= :now"));
            let unused = unused.with(":now", number(request.created_at.as_second()));
            purposes.push((Write::Put(item, Some(unused)), Created::KeyUsed));
        }
        let (writes, reasons): (Vec<Write>, Vec<Created>) = purposes.into_iter().unzip();
        Ok(match self.table.transact(writes).await? {
            Transacted::Done => Created::Done,
            Transacted::Refused(places) => places.first().and_then(|at| reasons.get(*at)).copied().unwrap_or(Created::Exists),
        })
    }

    /// Reads a used idempotency key. `None` when the key is unused or expired.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the key cannot be read.
    pub async fn used_key(&self, user: Uuid, key_hash: &str, now: Timestamp) -> Result<Option<UsedKey>, StoreError> {
        let Some(item) = self.table.get(&keys::idempotency(user, key_hash)).await? else { return Ok(None) };
        let used: UsedKey = document_of(&item)?;
        Ok((used.expires_at > now.as_second()).then_some(used))
    }

    /// Reads a run. `None` when it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the record of the run cannot be
    /// read.
    pub async fn get(&self, id: Uuid) -> Result<Option<StoredRun>, StoreError> {
        self.table.get(&keys::run(id)).await?.map(|item| StoredRun::read(&item)).transpose()
    }

    /// Reads the state of a run from its attributes, so that an unreadable document does not matter. `None` when the run does not
    /// exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn state(&self, id: Uuid) -> Result<Option<RunState>, StoreError> {
        Ok(self.table.get(&keys::run(id)).await?.as_ref().and_then(RunState::read))
    }

    /// Reads a run within the scope of a caller, as that caller sees it. `None` when it does not exist or belongs to another team: a caller cannot tell
    /// the two apart.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the record of the run cannot be
    /// read.
    pub async fn get_within(&self, scope: Scope, id: Uuid) -> Result<Option<StoredRun>, StoreError> {
        let run = self.get(id).await?.filter(|run| scope.covers(run.sales_team_id));
        Ok(run.map(|run| run.seen_within(scope)))
    }

    /// Reads the request of a run. `None` when it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the request cannot be read.
    pub async fn request(&self, id: Uuid) -> Result<Option<RunRequest>, StoreError> {
        self.table.get(&keys::run_request(id)).await?.map(|item| document_of(&item)).transpose()
    }

    /// Lists runs, the newest first, after the run with a creation time and an id. The second value says whether more runs
    /// follow.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the record of a run cannot be
    /// read.
    pub async fn list(
        &self,
        filter: RunFilter,
        after: Option<(Timestamp, Uuid)>,
        skip: u64,
        limit: u64,
    ) -> Result<(Vec<StoredRun>, bool), StoreError> {
        let mut only = Vec::new();
        only.extend(filter.run_weekday.map(|day| (WEEKDAY, number(day))));
        let (index, partition) = match (filter.sales_team_id, filter.status) {
            (Some(team), status) => {
                only.extend(status.map(|status| (STATUS, text(status.as_str()))));
                (BY_TEAM, keys::runs_of_team(team))
            }
            (None, Some(status)) => (BY_STATUS, keys::runs_with_status(status)),
            (None, None) => (BY_TIME, keys::RUNS.to_owned()),
        };
        let after = after.map(|(at, id)| Cursor { place: keys::moment(at, id), key: keys::run(id) });
        let listed = self.table.list(List { index, partition, forward: false, only, after, skip, limit }).await?;
        let runs = listed.items.iter().map(StoredRun::read).collect::<Result<_, _>>()?;
        Ok((runs, listed.more))
    }

    /// Lists the runs that a worker may claim now: those whose worker has stopped reporting, then pending runs, each the oldest
    /// first. At most `limit` runs of each status are looked at.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn waiting(&self, now: Timestamp, limit: u64) -> Result<Vec<RunState>, StoreError> {
        let mut waiting = Vec::new();
        for status in [RunStatus::Running, RunStatus::Pending] {
            let partition = keys::runs_with_status(status);
            let list = List { index: BY_STATUS, partition, forward: true, only: Vec::new(), after: None, skip: 0, limit };
            waiting.extend(self.table.list(list).await?.items.iter().filter_map(RunState::read));
        }
        waiting.retain(|run| run.is_claimable(now));
        Ok(waiting)
    }

    /// Claims a run with a lease: the run is running afterwards. Returns the number of this attempt, from 1. Returns `None` when
    /// another worker has the run, when the run has ended, or when other workers have used up its [`MAX_ATTEMPTS`] since the
    /// caller looked at it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn claim(&self, lease: &Lease, running: &Run, now: Timestamp) -> Result<Option<u32>, StoreError> {
        let change = ItemUpdate::new(format!(
            "SET {DOC} = :doc, #status = :running, {status_pk} = :partition, {LEASE_OWNER} = :owner, {LEASE_UNTIL} = :until \
             ADD {ATTEMPT} :one",
            status_pk = BY_STATUS.pk
        ));
        let change = change
            .with(":doc", written(&RunRecord(running))?)
            .with(":running", text(RunStatus::Running.as_str()))
            .with(":partition", text(keys::runs_with_status(RunStatus::Running)))
            .with(":owner", text(lease.owner))
            .with(":until", number((now + lease.lasts).as_millisecond()))
            .with(":one", number(1));
        let claimed = self.table.update(&keys::run(lease.run_id), change, Some(free(now).and(may_be_tried()))).await?;
        let item = match claimed {
            Some(item) => Some(item),
            // The SDK may have sent the claim twice, because the first answer was lost. Then the run already has this lease.
            None => self.table.get(&keys::run(lease.run_id)).await?.filter(|item| is_of(lease, item)),
        };
        Ok(item.as_ref().and_then(RunState::read).map(|state| state.attempt))
    }

    /// Stores the progress of a run and extends the lease. Returns false when the worker no longer has the run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn report(&self, lease: &Lease, progress: Option<Progress>, now: Timestamp) -> Result<bool, StoreError> {
        let mut expression = format!("SET {LEASE_UNTIL} = :until");
        let mut change = ItemUpdate::new("").with(":until", number((now + lease.lasts).as_millisecond()));
        if let Some(progress) = progress {
            let values = [progress.loans, progress.bytes, progress.total_bytes];
            for (at, (name, value)) in PROGRESS.into_iter().zip(values).enumerate() {
                expression.push_str(&format!(", {name} = :p{at}"));
                change = change.with(&format!(":p{at}"), number(value));
            }
        }
        let change = change.saying(expression);
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Releases a run after a failure that may be temporary, so that a worker can claim it at once. Returns false when the worker
    /// no longer has the run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        let change = ItemUpdate::new(format!("SET {LEASE_UNTIL} = :over")).with(":over", number(0));
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Releases a run and does not count the attempt, because the worker did not try to execute the run. Returns false when the
    /// worker no longer has the run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn return_untried(&self, lease: &Lease) -> Result<bool, StoreError> {
        let change = ItemUpdate::new(format!("SET {LEASE_UNTIL} = :over ADD {ATTEMPT} :one_less"));
        let change = change.with(":over", number(0)).with(":one_less", number(-1));
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Releases all running runs and returns their number. Only a caller that knows that no worker is alive may call this.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn free_all(&self) -> Result<usize, StoreError> {
        let partition = keys::runs_with_status(RunStatus::Running);
        let (mut freed, mut after) = (0, None);
        loop {
            let (partition, only) = (partition.clone(), Vec::new());
            let list = List { index: BY_STATUS, partition, forward: false, only, after: after.take(), skip: 0, limit: 100 };
            let listed = self.table.list(list).await?;
            for run in listed.items.iter().filter_map(RunState::read) {
                let change = ItemUpdate::new(format!("SET {LEASE_UNTIL} = :over")).with(":over", number(0));
                let still = Condition::new("#status = :running").with(":running", text(RunStatus::Running.as_str()));
                freed += usize::from(self.table.update(&keys::run(run.run_id), change, Some(still)).await?.is_some());
            }
            after = listed.items.last().and_then(|item| place_of(item, BY_STATUS));
            if !listed.more || after.is_none() {
                return Ok(freed);
            }
        }
    }

    /// Ends a run. Returns false when the worker no longer has the run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::TooLarge`] when the record of the run is too
    /// large.
    pub async fn end(&self, lease: &Lease, ended: &Run) -> Result<bool, StoreError> {
        let change = ending(ended)?;
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Ends a run that has results, completed or failed. Returns false when the worker no longer has the run. One transaction
    /// writes the end and the results, so that readers see both or neither.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::TooLarge`] when the record or the results of
    /// the run are too large.
    pub async fn complete(&self, lease: &Lease, ended: &Run, results: &RunResults) -> Result<bool, StoreError> {
        let key = keys::run(lease.run_id);
        let results = Write::Put(item_of(&keys::run_results(lease.run_id), results)?, None);
        let writes = vec![Write::Update(key, ending(ended)?, Some(held(lease))), results];
        Ok(self.table.transact(writes).await? == Transacted::Done)
    }

    /// Reads the results of an ended run. `None` when the run has none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the results cannot be read.
    pub async fn results(&self, id: Uuid) -> Result<Option<RunResults>, StoreError> {
        self.table.get(&keys::run_results(id)).await?.map(|item| document_of(&item)).transpose()
    }

    /// Fails a run that cannot be finished: a run that no worker has, or that `owner` has and gives up. Returns false when
    /// another worker has the run, when it has ended, or when it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when neither the request of the run nor
    /// its record can be read.
    pub async fn give_up(&self, run_id: Uuid, owner: Option<Uuid>, now: Timestamp) -> Result<bool, StoreError> {
        self.fail(run_id, owner, RunError::worker_lost(), now).await
    }

    /// The same as [`Self::give_up`], with another error. It also fails a run of which either the request or the record cannot be
    /// read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when neither the request of the run nor
    /// its record can be read.
    pub async fn fail(&self, run_id: Uuid, owner: Option<Uuid>, error: RunError, now: Timestamp) -> Result<bool, StoreError> {
        let Some(mut run) = self.as_created(run_id).await? else { return Ok(false) };
        let moved = run.start(now).and_then(|()| run.fail(error, now));
        moved.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let given = match owner {
            Some(owner) => free(now).or(held(&Lease::in_parts(run_id, owner))),
            None => free(now),
        };
        Ok(self.table.update(&keys::run(run_id), ending(&run)?, Some(given)).await?.is_some())
    }

    /// A run as it was created, from its request or, where the request cannot be read, from its record.
    async fn as_created(&self, run_id: Uuid) -> Result<Option<Run>, StoreError> {
        let damaged = |why: String| Err(StoreError::Damaged(why));
        let of_request = match self.request(run_id).await {
            Ok(Some(request)) => Ok(request.run()),
            Ok(None) => damaged("it is not said what the run is to do".to_owned()),
            Err(error) => Err(error),
        };
        match of_request {
            Err(StoreError::Damaged(_)) => self.table.get(&keys::run(run_id)).await?.map(|item| run_of_record(&item)).transpose(),
            run => run.map(Some),
        }
    }
}

/// Place of a run's item in an index.
fn place_of(item: &Item, index: Index) -> Option<Cursor> {
    let word = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let run = word(keys::PK).as_deref().and_then(keys::id_of_run)?;
    Some(Cursor { place: word(index.sk)?, key: keys::run(run) })
}

/// Condition: no worker has the run. The run is pending, or its lease has expired.
fn free(now: Timestamp) -> Condition {
    Condition::new(format!("#status = :pending OR (#status = :running AND {LEASE_UNTIL} < :now)"))
        .with(":pending", text(RunStatus::Pending.as_str()))
        .with(":running", text(RunStatus::Running.as_str()))
        .with(":now", number(now.as_millisecond()))
}

/// Condition: the run has had fewer than [`MAX_ATTEMPTS`] attempts.
fn may_be_tried() -> Condition {
    Condition::new(format!("attribute_not_exists({ATTEMPT}) OR {ATTEMPT} < :most")).with(":most", number(MAX_ATTEMPTS))
}

/// Whether the item of a run names this lease.
fn is_of(lease: &Lease, item: &Item) -> bool {
    item.get(LEASE_OWNER) == Some(&text(lease.owner))
}

/// Condition: the worker still has the run.
fn held(lease: &Lease) -> Condition {
    Condition::new(format!("#status = :held AND {LEASE_OWNER} = :holder"))
        .with(":held", text(RunStatus::Running.as_str()))
        .with(":holder", text(lease.owner))
}

fn ending(ended: &Run) -> Result<ItemUpdate, StoreError> {
    let change = ItemUpdate::new(format!(
        "SET {DOC} = :doc, #status = :ended, {} = :partition REMOVE {LEASE_OWNER}, {LEASE_UNTIL}, {}",
        BY_STATUS.pk,
        PROGRESS.join(", ")
    ));
    let status = ended.status();
    let change = change.with(":doc", written(&RunRecord(ended))?).with(":ended", text(status.as_str()));
    Ok(change.with(":partition", text(keys::runs_with_status(status))))
}
