//! Jobs: files that take longer to make than an answer may take. A request creates a pending item, a worker claims it as it claims
//! runs and makes the file, and later requests find the file.
//!
//! The id of a job is the hash of its request, so that the same request has one job. Every change of state is a conditional write.
//! A failed job tells its failure to one request; the next request starts it anew. A job that starts anew is a new item, so that
//! the stream of the table reports it.

mod request;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    StoreError,
    keys::{self, BY_STATUS, DOC, EXPIRES_AT},
    runs::{LEASE, MAX_ATTEMPTS},
    table::{Condition, Item, ItemUpdate, List, Table, document_of, number, number_of, text, written},
};

pub use self::request::{ComparisonRequest, JobRequest};

/// Lifetime of an unfinished or failed job.
const JOB_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Time for which a made file is answered. The bucket deletes the file an hour later at the earliest.
const FILE_LIFETIME: SignedDuration = SignedDuration::from_hours(23);
/// Age from which a request starts a pending job anew, because its event was lost. The pipe of the template tries for an hour.
const OVERLOOKED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Time after the end of a lease from which a request starts the job anew, because no worker takes it over. The state machine of
/// the template calls the worker again within ten minutes.
const LOST_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// Number of times that a request looks at its job again, when other requests or workers change the job in between.
const LOOKS: usize = 5;

const STATUS: &str = "status";
const ATTEMPT: &str = "attempt";
const LEASE_OWNER: &str = "lease_owner";
const LEASE_UNTIL: &str = "lease_until";
/// Id of the item: a job that starts anew has another one.
const BIRTH: &str = "birth";
const CREATED_AT: &str = "created_at";
const RESULT: &str = "job_result";
/// Mark of the request that has been told the failure.
const TOLD: &str = "told";

const PENDING: &str = "pending";
const RUNNING: &str = "running";
const DONE: &str = "done";
const FAILED: &str = "failed";

/// A file that a job has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    /// Key of the object.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// ETag of the content.
    pub etag: String,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "failure", content = "detail", rename_all = "snake_case")]
pub enum JobFailure {
    /// Something that the file is made from no longer exists.
    Gone,
    /// The request cannot be met. With a sentence for the client.
    Refused(String),
    /// A store did not answer in the last attempt.
    Unavailable,
    /// A fault of the product.
    Internal,
}

/// What a request finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobFound {
    /// The file is not made yet.
    Preparing,
    /// The file.
    Made(JobFile),
    /// The job failed. Only one request finds this; the next one starts the job anew.
    Failed(JobFailure),
}

/// The right of a worker to make a file, until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    pub job_id: Uuid,
    /// Id of the worker in this attempt.
    pub owner: Uuid,
}

/// Result of a claim.
#[derive(Debug)]
pub enum JobClaim {
    /// The worker has the job. With its request and the number of this attempt, from 1.
    Ours(Box<JobRequest>, u32),
    /// The job has failed, because its request cannot be read, or because workers have used up its attempts.
    GivenUp,
    /// Another worker has the job, or it has ended.
    NotOurs,
}

/// The state of a job in its item.
#[derive(Debug, Clone, PartialEq, Eq)]
enum JobState {
    Pending,
    Running { until: Timestamp },
    Done(JobFile),
    Failed { failure: JobFailure, told: Option<String> },
}

/// A job as stored, without its request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StoredJob {
    state: JobState,
    attempt: u32,
    birth: String,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// What a request does with the job that it finds.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Waits for the worker.
    Wait,
    Answer(JobFile),
    /// Tells the failure, unless another request does.
    Tell(JobFailure),
    /// Deletes the item and creates a new one.
    Restart,
}

impl StoredJob {
    /// `None` when the item is not a job that this version can read. Such an item is replaced.
    fn read(item: &Item) -> Option<Self> {
        let word = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        let moment = |name: &str| number_of(item, name).and_then(|at| Timestamp::from_millisecond(at).ok());
        let result = || word(RESULT);
        let state = match word(STATUS)?.as_str() {
            PENDING => JobState::Pending,
            RUNNING => JobState::Running { until: moment(LEASE_UNTIL)? },
            DONE => JobState::Done(serde_json::from_str(result()?).ok()?),
            FAILED => JobState::Failed { failure: serde_json::from_str(result()?).ok()?, told: word(TOLD).cloned() },
            _ => return None,
        };
        Some(Self {
            state,
            attempt: number_of(item, ATTEMPT).unwrap_or(0),
            birth: word(BIRTH)?.clone(),
            created_at: moment(CREATED_AT)?,
            expires_at: number_of(item, EXPIRES_AT).and_then(|at| Timestamp::from_second(at).ok())?,
        })
    }

    fn next(self, now: Timestamp) -> Next {
        if self.expires_at <= now && !matches!(self.state, JobState::Running { until } if until >= now) {
            return Next::Restart;
        }
        match self.state {
            JobState::Done(file) => Next::Answer(file),
            JobState::Failed { told: Some(_), .. } => Next::Restart,
            JobState::Failed { failure, told: None } => Next::Tell(failure),
            JobState::Pending if now.duration_since(self.created_at) > OVERLOOKED_AFTER => Next::Restart,
            JobState::Running { until } if now.duration_since(until) > LOST_AFTER => Next::Restart,
            JobState::Pending | JobState::Running { .. } => Next::Wait,
        }
    }

    fn is_claimable(&self, now: Timestamp) -> bool {
        match self.state {
            JobState::Pending => true,
            JobState::Running { until } => until < now,
            JobState::Done(_) | JobState::Failed { .. } => false,
        }
    }
}

/// The jobs in a table.
#[derive(Clone)]
pub struct Jobs {
    table: Table,
}

impl Jobs {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Finds the file of a request, and starts its job if there is none. The caller has checked that its client may have the file.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn ask(&self, request: &JobRequest, now: Timestamp) -> Result<JobFound, StoreError> {
        let (key, me) = (keys::job(request.id()), Uuid::new_v4().to_string());
        for _ in 0..LOOKS {
            let Some(item) = self.table.get(&key).await? else {
                self.create(request, now).await?;
                return Ok(JobFound::Preparing);
            };
            let Some(job) = StoredJob::read(&item) else {
                self.table.delete(&key, None).await?;
                continue;
            };
            let birth = job.birth.clone();
            match job.next(now) {
                Next::Wait => return Ok(JobFound::Preparing),
                Next::Answer(file) => return Ok(JobFound::Made(file)),
                Next::Restart => self.forget(&key, &birth, now).await?,
                Next::Tell(failure) if self.tell(&key, &birth, &me).await? => return Ok(JobFound::Failed(failure)),
                Next::Tell(_) => {}
            }
        }
        Ok(JobFound::Preparing)
    }

    /// Forgets a file that the bucket no longer has, so that the next request starts the job anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn forget_file(&self, request: &JobRequest, file: &JobFile) -> Result<(), StoreError> {
        let result = serde_json::to_string(file).map_err(damaged)?;
        let same = Condition::new(format!("{RESULT} = :result")).with(":result", text(result));
        self.table.delete(&keys::job(request.id()), Some(same)).await.map(drop)
    }

    /// Creates a pending job, unless another request has created it.
    async fn create(&self, request: &JobRequest, now: Timestamp) -> Result<(), StoreError> {
        let id = request.id();
        let change = ItemUpdate::new(format!(
            "SET {DOC} = :doc, #status = :pending, {pk} = :partition, {sk} = :place, {BIRTH} = :birth, {CREATED_AT} = :created, \
             {EXPIRES_AT} = :expires",
            pk = BY_STATUS.pk,
            sk = BY_STATUS.sk,
        ));
        let change = change
            .with(":doc", written(request)?)
            .with(":pending", text(PENDING))
            .with(":partition", text(keys::jobs_with_status(PENDING)))
            .with(":place", text(keys::moment(now, id)))
            .with(":birth", text(Uuid::new_v4()))
            .with(":created", number(now.as_millisecond()))
            .with(":expires", number((now + JOB_LIFETIME).as_second()));
        self.table.update(&keys::job(id), change, Some(Condition::absent())).await.map(drop)
    }

    /// Marks a failure as told. Returns false when another request was told.
    async fn tell(&self, key: &keys::Key, birth: &str, me: &str) -> Result<bool, StoreError> {
        let change = ItemUpdate::new(format!("SET {TOLD} = :me")).with(":me", text(me));
        let untold = Condition::new(format!("{BIRTH} = :birth AND attribute_not_exists({TOLD})")).with(":birth", text(birth));
        match self.table.update(key, change, Some(untold)).await? {
            Some(_) => Ok(true),
            // The SDK may have sent the update twice, because the first answer was lost. Then the mark is already there.
            None => Ok(self.table.get(key).await?.is_some_and(|item| item.get(TOLD) == Some(&text(me)))),
        }
    }

    /// Deletes a job that no worker has.
    async fn forget(&self, key: &keys::Key, birth: &str, now: Timestamp) -> Result<(), StoreError> {
        let same = Condition::new(format!("{BIRTH} = :birth")).with(":birth", text(birth));
        let free = Condition::new(format!("attribute_not_exists({LEASE_UNTIL}) OR {LEASE_UNTIL} < :now"));
        let free = free.with(":now", number(now.as_millisecond()));
        self.table.delete(key, Some(same.and(free))).await.map(drop)
    }

    /// Lists the ids of the jobs that a worker may claim now: those whose worker has stopped reporting, then pending jobs, each the
    /// oldest first. At most `limit` jobs of each status are looked at.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn waiting(&self, now: Timestamp, limit: u64) -> Result<Vec<Uuid>, StoreError> {
        let mut waiting = Vec::new();
        for status in [RUNNING, PENDING] {
            for item in self.with_status(status, limit).await? {
                let id = item.get(keys::PK).and_then(|pk| pk.as_s().ok()).and_then(|pk| keys::id_of_job(pk));
                if let (Some(id), Some(job)) = (id, StoredJob::read(&item))
                    && job.is_claimable(now)
                {
                    waiting.push(id);
                }
            }
        }
        Ok(waiting)
    }

    async fn with_status(&self, status: &str, limit: u64) -> Result<Vec<Item>, StoreError> {
        let partition = keys::jobs_with_status(status);
        let list = List { index: BY_STATUS, partition, forward: true, only: Vec::new(), after: None, skip: 0, limit };
        Ok(self.table.list(list).await?.items)
    }

    /// Claims a job with a lease.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn claim(&self, lease: JobLease, now: Timestamp) -> Result<JobClaim, StoreError> {
        let key = keys::job(lease.job_id);
        let change = ItemUpdate::new(format!(
            "SET #status = :running, {pk} = :partition, {LEASE_OWNER} = :owner, {LEASE_UNTIL} = :until ADD {ATTEMPT} :one",
            pk = BY_STATUS.pk
        ));
        let change = change
            .with(":running", text(RUNNING))
            .with(":partition", text(keys::jobs_with_status(RUNNING)))
            .with(":owner", text(lease.owner))
            .with(":until", number((now + LEASE).as_millisecond()))
            .with(":one", number(1));
        let tried = Condition::new(format!("attribute_not_exists({ATTEMPT}) OR {ATTEMPT} < :most"));
        let tried = tried.with(":most", number(MAX_ATTEMPTS));
        let claimed = match self.table.update(&key, change, Some(free(now).and(tried))).await? {
            Some(item) => Some(item),
            None => self.table.get(&key).await?,
        };
        let Some(item) = claimed else { return Ok(JobClaim::NotOurs) };
        // The SDK may have sent the claim twice, because the first answer was lost. Then the job already has this lease.
        if item.get(LEASE_OWNER) == Some(&text(lease.owner)) {
            return match document_of(&item) {
                Ok(request) => Ok(JobClaim::Ours(Box::new(request), number_of(&item, ATTEMPT).unwrap_or(1))),
                Err(error) => {
                    tracing::error!(job_id = %lease.job_id, %error, "the request of a job cannot be read");
                    self.end(&key, Err(&JobFailure::Internal), held(lease), now).await?;
                    Ok(JobClaim::GivenUp)
                }
            };
        }
        let used_up = number_of::<u32>(&item, ATTEMPT).is_some_and(|attempt| attempt >= MAX_ATTEMPTS);
        if used_up && self.end(&key, Err(&JobFailure::Internal), free(now), now).await? {
            return Ok(JobClaim::GivenUp);
        }
        Ok(JobClaim::NotOurs)
    }

    /// Extends a lease. Returns false when the worker no longer has the job.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn report(&self, lease: JobLease, now: Timestamp) -> Result<bool, StoreError> {
        let change = ItemUpdate::new(format!("SET {LEASE_UNTIL} = :until"));
        let change = change.with(":until", number((now + LEASE).as_millisecond()));
        Ok(self.table.update(&keys::job(lease.job_id), change, Some(held(lease))).await?.is_some())
    }

    /// Releases a job after a failure that may be temporary, so that a worker can claim it at once. Returns false when the worker
    /// no longer has the job.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn release(&self, lease: JobLease) -> Result<bool, StoreError> {
        let change = ItemUpdate::new(format!("SET {LEASE_UNTIL} = :over")).with(":over", number(0));
        Ok(self.table.update(&keys::job(lease.job_id), change, Some(held(lease))).await?.is_some())
    }

    /// Releases all running jobs. Only a caller that knows that no worker is alive may call this.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn free_all(&self) -> Result<usize, StoreError> {
        let mut freed = 0;
        for item in self.with_status(RUNNING, u64::MAX).await? {
            let id = item.get(keys::PK).and_then(|pk| pk.as_s().ok()).and_then(|pk| keys::id_of_job(pk));
            let Some(id) = id else { continue };
            let change = ItemUpdate::new(format!("SET {LEASE_UNTIL} = :over")).with(":over", number(0));
            let still = Condition::new("#status = :running").with(":running", text(RUNNING));
            freed += usize::from(self.table.update(&keys::job(id), change, Some(still)).await?.is_some());
        }
        Ok(freed)
    }

    /// Ends a job with its file. Returns false when the worker no longer has the job.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn complete(&self, lease: JobLease, file: &JobFile, now: Timestamp) -> Result<bool, StoreError> {
        self.end(&keys::job(lease.job_id), Ok(file), held(lease), now).await
    }

    /// Ends a job with a failure. Returns false when the worker no longer has the job.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn fail(&self, lease: JobLease, failure: &JobFailure, now: Timestamp) -> Result<bool, StoreError> {
        self.end(&keys::job(lease.job_id), Err(failure), held(lease), now).await
    }

    async fn end(
        &self,
        key: &keys::Key,
        ended: Result<&JobFile, &JobFailure>,
        given: Condition,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (status, lifetime, result) = match ended {
            Ok(file) => (DONE, FILE_LIFETIME, serde_json::to_string(file)),
            Err(failure) => (FAILED, JOB_LIFETIME, serde_json::to_string(failure)),
        };
        let result = result.map_err(damaged)?;
        let change = ItemUpdate::new(format!(
            "SET #status = :ended, {RESULT} = :result, {EXPIRES_AT} = :expires REMOVE {LEASE_OWNER}, {LEASE_UNTIL}, {}, {}",
            BY_STATUS.pk, BY_STATUS.sk
        ));
        let change = change
            .with(":ended", text(status))
            .with(":result", text(&result))
            .with(":expires", number((now + lifetime).as_second()));
        match self.table.update(key, change, Some(given)).await? {
            Some(_) => Ok(true),
            // The SDK may have sent the update twice, because the first answer was lost. Then the job has this result.
            None => Ok(self.table.get(key).await?.is_some_and(|item| item.get(RESULT) == Some(&text(result)))),
        }
    }
}

/// Condition: no worker has the job. The job is pending, or its lease has expired.
fn free(now: Timestamp) -> Condition {
    Condition::new(format!("#status = :is_pending OR (#status = :is_running AND {LEASE_UNTIL} < :now)"))
        .with(":is_pending", text(PENDING))
        .with(":is_running", text(RUNNING))
        .with(":now", number(now.as_millisecond()))
}

/// Condition: the worker still has the job.
fn held(lease: JobLease) -> Condition {
    Condition::new(format!("#status = :held AND {LEASE_OWNER} = :holder"))
        .with(":held", text(RUNNING))
        .with(":holder", text(lease.owner))
}

fn damaged(error: serde_json::Error) -> StoreError {
    StoreError::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: JobState) -> StoredJob {
        let created_at = Timestamp::from_second(1_000_000).unwrap();
        StoredJob { state, attempt: 1, birth: "b".to_owned(), created_at, expires_at: created_at + JOB_LIFETIME }
    }

    #[test]
    fn a_request_waits_for_a_job_that_a_worker_may_still_do_and_restarts_one_that_none_will() {
        let begun = job(JobState::Pending).created_at;
        let pending = |after: SignedDuration| job(JobState::Pending).next(begun + after);
        assert_eq!(pending(OVERLOOKED_AFTER), Next::Wait);
        assert_eq!(pending(OVERLOOKED_AFTER + SignedDuration::from_secs(1)), Next::Restart);
        let running = |after: SignedDuration| job(JobState::Running { until: begun + LEASE }).next(begun + LEASE + after);
        assert_eq!(running(LOST_AFTER), Next::Wait);
        assert_eq!(running(LOST_AFTER + SignedDuration::from_secs(1)), Next::Restart);
        // A worker that reports keeps its job for as long as it takes.
        let late = begun + JOB_LIFETIME + JOB_LIFETIME;
        assert_eq!(job(JobState::Running { until: late }).next(late), Next::Wait);
    }

    #[test]
    fn a_file_is_answered_until_it_expires_and_a_failure_is_told_once() {
        let file = JobFile { key: "k".to_owned(), size: 1, etag: "e".to_owned() };
        let done = job(JobState::Done(file.clone()));
        assert_eq!(done.clone().next(done.created_at), Next::Answer(file));
        assert_eq!(done.clone().next(done.expires_at), Next::Restart);
        let failed = |told| job(JobState::Failed { failure: JobFailure::Gone, told });
        assert_eq!(failed(None).next(done.created_at), Next::Tell(JobFailure::Gone));
        assert_eq!(failed(Some("me".to_owned())).next(done.created_at), Next::Restart);
    }
}
