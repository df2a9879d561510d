//! Runs: created pending, claimed by one worker at a time, ended once. Every move is a conditional write.
//!
//! A run is two items: the run as the API shows it, and what it is to do. What may be more than an item holds is in objects: the
//! list of its tapes, and how they were read. Who claims it gets a *lease*: as long as the worker
//! reports, nobody else takes the run; when its lease runs out, the run may be claimed again.

mod objects;
mod stored;

use jiff::{SignedDuration, Timestamp};
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
        Change, Condition, Item, List, Place, Table, Transacted, Write, document_of, item_of, listed, number, text, written,
    },
};

use self::stored::{ATTEMPT, LEASE_UNTIL, PROGRESS, STATUS, run_of_record};

pub use self::stored::{
    KeptTapes, ObjectVersion, OutputInfo, RequestError, RunRequest, RunResults, RunState, StoredRun, TapeList, TapeRef,
};

/// How long a worker keeps a run without reporting.
pub const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How long several workers keep a run that they do in parts. Each step reports once, when it begins, because forty at a time
/// write to the same item: a step may take its function's fifteen minutes, and has to be called again after that.
pub const LEASE_IN_PARTS: SignedDuration = SignedDuration::from_mins(20);
/// How often a run is tried before it is given up: one that takes its worker down would otherwise do so for ever.
pub const MAX_ATTEMPTS: u32 = 3;
/// How long an idempotency key is kept.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

const WEEKDAY: &str = "weekday";
const LEASE_OWNER: &str = "lease_owner";

/// Which runs are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter {
    /// How they stand.
    pub status: Option<RunStatus>,
    /// The day of the week of their creation, 0 for Monday.
    pub run_weekday: Option<u8>,
    /// Whose they are.
    pub sales_team_id: Option<Uuid>,
}

/// A user's key for a request that may come twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The user.
    pub user: Uuid,
    /// The hash of the key.
    pub key_hash: String,
    /// The hash of what the request asks for.
    pub request_hash: String,
    /// The same with the purchase date filled in: today's, where the request names none.
    pub dated_hash: String,
}

impl IdempotencyKey {
    /// Whether this request asks for what the first one with its key asked for. The date may be left out both times, on different
    /// days; or it is the same day, named or not.
    pub fn asks_for_the_same_as(&self, used: &UsedKey) -> bool {
        self.request_hash == used.request_hash || used.dated_hash.as_deref() == Some(&self.dated_hash)
    }
}

/// What is known of an idempotency key that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedKey {
    /// The run that it made.
    pub run_id: Uuid,
    /// The hash of what the request asked for. Keys of before carry the hash of its bytes, under this name.
    #[serde(rename = "body_hash")]
    pub request_hash: String,
    /// The same with the purchase date filled in. Keys of before have none.
    pub dated_hash: Option<String>,
    /// When it is forgotten, in seconds.
    pub expires_at: i64,
}

/// How the creation of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is there, pending.
    Done,
    /// There is a run of that id already.
    Exists,
    /// The idempotency key was used in the meantime.
    KeyUsed,
    /// There is no such team.
    NoSuchTeam,
}

/// A worker's hold on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run_id: Uuid,
    /// The worker, in this attempt.
    pub owner: Uuid,
    /// How long it keeps the run without reporting.
    pub lasts: SignedDuration,
}

impl Lease {
    /// Of one worker, who reports all the time.
    pub fn of_one(run_id: Uuid, owner: Uuid) -> Self {
        Self { run_id, owner, lasts: LEASE }
    }

    /// Of the workers who do a run in parts.
    pub fn in_parts(run_id: Uuid, owner: Uuid) -> Self {
        Self { run_id, owner, lasts: LEASE_IN_PARTS }
    }
}

/// The runs.
#[derive(Clone)]
pub struct Runs {
    table: Table,
    storage: S3Storage,
}

impl Runs {
    /// Those of a table, with their objects in a bucket.
    pub fn new(table: Table, storage: S3Storage) -> Self {
        Self { table, storage }
    }

    /// Creates a pending run: the only way in which one begins. The list of its tapes is written before it: should the run not
    /// come into being, nothing refers to the list, and it is swept.
    ///
    /// # Errors
    /// A store does not answer.
    pub async fn create(&self, run: &Run, request: &RunRequest, key: Option<&IdempotencyKey>) -> Result<Created, StoreError> {
        let id = request.run_id;
        let request = &RunRequest { tapes: Box::pin(self.keep_tapes(id, &request.tapes)).await?, ..request.clone() };
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

    /// What is known of an idempotency key.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn used_key(&self, user: Uuid, key_hash: &str, now: Timestamp) -> Result<Option<UsedKey>, StoreError> {
        let Some(item) = self.table.get(&keys::idempotency(user, key_hash)).await? else { return Ok(None) };
        let used: UsedKey = document_of(&item)?;
        Ok((used.expires_at > now.as_second()).then_some(used))
    }

    /// A run.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn get(&self, id: Uuid) -> Result<Option<StoredRun>, StoreError> {
        self.table.get(&keys::run(id)).await?.map(|item| StoredRun::read(&item)).transpose()
    }

    /// How a run stands, whatever its document says.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn state(&self, id: Uuid) -> Result<Option<RunState>, StoreError> {
        Ok(self.table.get(&keys::run(id)).await?.as_ref().and_then(RunState::read))
    }

    /// A run, if it may be reached. One of another team is as if it were not there.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn get_within(&self, scope: Scope, id: Uuid) -> Result<Option<StoredRun>, StoreError> {
        Ok(self.get(id).await?.filter(|run| scope.covers(run.sales_team_id)))
    }

    /// What a run is to do.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn request(&self, id: Uuid) -> Result<Option<RunRequest>, StoreError> {
        self.table.get(&keys::run_request(id)).await?.map(|item| document_of(&item)).transpose()
    }

    /// Runs, the newest first, and whether there are more.
    ///
    /// # Errors
    /// The store does not answer.
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
        let after = after.map(|(at, id)| Place { place: keys::moment(at, id), key: keys::run(id) });
        let listed = self.table.list(List { index, partition, forward: false, only, after, skip, limit }).await?;
        let runs = listed.items.iter().map(StoredRun::read).collect::<Result<_, _>>()?;
        Ok((runs, listed.more))
    }

    /// Runs that a worker may take now, the oldest first: pending ones, and those whose worker does not report any more.
    ///
    /// # Errors
    /// The store does not answer.
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

    /// Takes a run with a lease: it is running afterwards. Which try of it this is; nothing when somebody else has it, when it
    /// has ended, or when it was tried as often as it may be since whoever claims it looked at it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn claim(&self, lease: &Lease, running: &Run, now: Timestamp) -> Result<Option<u32>, StoreError> {
        let change = Change::new(format!(
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
            // The client may have sent the claim twice, because the first answer was lost: then it is this lease already.
            None => self.table.get(&keys::run(lease.run_id)).await?.filter(|item| is_of(lease, item)),
        };
        Ok(item.as_ref().and_then(RunState::read).map(|state| state.attempt))
    }

    /// Notes how far a run is, and keeps it for its worker; false when it is not that worker's any more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn report(&self, lease: &Lease, progress: Option<Progress>, now: Timestamp) -> Result<bool, StoreError> {
        let mut expression = format!("SET {LEASE_UNTIL} = :until");
        let mut change = Change::new("").with(":until", number((now + lease.lasts).as_millisecond()));
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

    /// Gives a run back, so that it can be claimed at once: something got in the way that may be gone the next time.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        let change = Change::new(format!("SET {LEASE_UNTIL} = :over")).with(":over", number(0));
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Gives a run back as if it had not been taken: nothing of it was tried.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn return_untried(&self, lease: &Lease) -> Result<bool, StoreError> {
        let change = Change::new(format!("SET {LEASE_UNTIL} = :over ADD {ATTEMPT} :one_less"));
        let change = change.with(":over", number(0)).with(":one_less", number(-1));
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Gives back every run that a worker has; how many there were. Only for whoever knows that no worker is alive.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn free_all(&self) -> Result<usize, StoreError> {
        let partition = keys::runs_with_status(RunStatus::Running);
        let (mut freed, mut after) = (0, None);
        loop {
            let (partition, only) = (partition.clone(), Vec::new());
            let list = List { index: BY_STATUS, partition, forward: false, only, after: after.take(), skip: 0, limit: 100 };
            let listed = self.table.list(list).await?;
            for run in listed.items.iter().filter_map(RunState::read) {
                let change = Change::new(format!("SET {LEASE_UNTIL} = :over")).with(":over", number(0));
                let still = Condition::new("#status = :running").with(":running", text(RunStatus::Running.as_str()));
                freed += usize::from(self.table.update(&keys::run(run.run_id), change, Some(still)).await?.is_some());
            }
            after = listed.items.last().and_then(|item| place_of(item, BY_STATUS));
            if !listed.more || after.is_none() {
                return Ok(freed);
            }
        }
    }

    /// Ends a run; false when it is not that worker's any more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn end(&self, lease: &Lease, ended: &Run) -> Result<bool, StoreError> {
        let change = ending(ended)?;
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Ends a run that has results, completed or failed; false when it is not that worker's any more. What readers see
    /// appears with this one write.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn complete(&self, lease: &Lease, ended: &Run, results: &RunResults) -> Result<bool, StoreError> {
        let key = keys::run(lease.run_id);
        let results = Write::Put(item_of(&keys::run_results(lease.run_id), results)?, None);
        let writes = vec![Write::Update(key, ending(ended)?, Some(held(lease))), results];
        Ok(self.table.transact(writes).await? == Transacted::Done)
    }

    /// What the results of a completed run are.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn results(&self, id: Uuid) -> Result<Option<RunResults>, StoreError> {
        self.table.get(&keys::run_results(id)).await?.map(|item| document_of(&item)).transpose()
    }

    /// Fails a run that cannot be seen through: one that nobody has, or that `owner` has, who gives it up. False when another
    /// worker has it, or when it has ended.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn give_up(&self, run_id: Uuid, owner: Option<Uuid>, now: Timestamp) -> Result<bool, StoreError> {
        self.fail(run_id, owner, RunError::worker_lost(), now).await
    }

    /// The same with another reason. A run whose own record, or what it is to do, cannot be read is failed, too.
    ///
    /// # Errors
    /// The store does not answer; [`StoreError::Damaged`] when neither of the two can be read.
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

    /// A run as it was created: by what it is to do or, where that cannot be read, by its own record.
    async fn as_created(&self, run_id: Uuid) -> Result<Option<Run>, StoreError> {
        let damaged = |why: String| Err(StoreError::Damaged(why));
        let of_request = match self.request(run_id).await {
            Ok(Some(request)) => request.run().or_else(|error| damaged(error.to_string())),
            Ok(None) => damaged("it is not said what the run is to do".to_owned()),
            Err(error) => Err(error),
        };
        match of_request {
            Err(StoreError::Damaged(_)) => self.table.get(&keys::run(run_id)).await?.map(|item| run_of_record(&item)).transpose(),
            run => run.map(Some),
        }
    }
}

/// Where an item stands in an index.
fn place_of(item: &Item, index: Index) -> Option<Place> {
    let word = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let run = word(keys::PK).as_deref().and_then(keys::id_of_run)?;
    Some(Place { place: word(index.sk)?, key: keys::run(run) })
}

/// Nobody has the run: it waits, or its worker has not reported for longer than its lease lasts.
fn free(now: Timestamp) -> Condition {
    Condition::new(format!("#status = :pending OR (#status = :running AND {LEASE_UNTIL} < :now)"))
        .with(":pending", text(RunStatus::Pending.as_str()))
        .with(":running", text(RunStatus::Running.as_str()))
        .with(":now", number(now.as_millisecond()))
}

/// The run was not tried as often yet as it may be.
fn may_be_tried() -> Condition {
    Condition::new(format!("attribute_not_exists({ATTEMPT}) OR {ATTEMPT} < :most")).with(":most", number(MAX_ATTEMPTS))
}

/// Whether an item says that its run is held by a lease.
fn is_of(lease: &Lease, item: &Item) -> bool {
    item.get(LEASE_OWNER) == Some(&text(lease.owner))
}

/// The run is still the worker's.
fn held(lease: &Lease) -> Condition {
    Condition::new(format!("#status = :held AND {LEASE_OWNER} = :holder"))
        .with(":held", text(RunStatus::Running.as_str()))
        .with(":holder", text(lease.owner))
}

fn ending(ended: &Run) -> Result<Change, StoreError> {
    let change = Change::new(format!(
        "SET {DOC} = :doc, #status = :ended, {} = :partition REMOVE {LEASE_OWNER}, {LEASE_UNTIL}, {}",
        BY_STATUS.pk,
        PROGRESS.join(", ")
    ));
    let status = ended.status();
    let change = change.with(":doc", written(&RunRecord(ended))?).with(":ended", text(status.as_str()));
    Ok(change.with(":partition", text(keys::runs_with_status(status))))
}
