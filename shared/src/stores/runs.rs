//! Runs: created pending, claimed by one worker at a time, ended once. Every move is a conditional write.
//!
//! A run is two items: the run as the API shows it, and what it is to do. Who claims it gets a *lease*: as long as the worker
//! reports, nobody else takes the run; when its lease runs out, the run may be claimed again.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    auth::user::Scope,
    engine::Progress,
    error::{Phase, RunError, RunErrorCode},
    phases::pricing::{IrrTarget, IrrTargetError},
    rules::rule_set::{RuleSet, RuleSetError},
    run::{NewRun, Run, RunStatus},
};

use super::{
    StoreError,
    keys::{self, BY_STATUS, BY_TEAM, BY_TIME, DOC, EXPIRES_AT},
    table::{
        Change, Condition, Item, List, Place, Table, Transacted, Write, document_of, item_of, json_of, listed, number, number_of,
        text, written,
    },
};

/// How long a worker keeps a run without reporting.
pub const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How often a run is tried before it is given up: one that takes its worker down would otherwise do so for ever.
pub const MAX_ATTEMPTS: u32 = 3;
/// How long an idempotency key is kept.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The run.
    pub run_id: Uuid,
    /// When it was created.
    pub created_at: Timestamp,
    /// The team whose run it is.
    pub sales_team_id: Option<Uuid>,
    /// The user who asked for it; nobody, when a tape that came in did.
    pub created_by: Option<Uuid>,
    /// The IRR target in percent.
    pub irr_target: String,
    /// The purchase date, if it was given.
    pub pdate: Option<Date>,
    /// The tapes, in the order in which their loans come.
    pub tapes: Vec<TapeRef>,
    /// The rule set as TOML; the built-in one without it.
    pub rule_set: Option<String>,
    /// Whether nothing but the run and its summary is kept.
    pub dry_run: bool,
}

/// A tape in the storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeRef {
    /// Where it is.
    pub key: String,
    /// What it is called in results, in the archive and in errors.
    pub source_file: String,
    /// Its size in bytes.
    pub size: u64,
    /// Which content of that name it is.
    pub etag: String,
}

/// A stored request that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Its target.
    #[error(transparent)]
    IrrTarget(#[from] IrrTargetError),
    /// Its rules.
    #[error(transparent)]
    RuleSet(#[from] RuleSetError),
}

impl RunRequest {
    /// The rules.
    ///
    /// # Errors
    /// They were sound when the run was created, and are not any more.
    pub fn rules(&self) -> Result<RuleSet, RequestError> {
        Ok(self.rule_set.as_deref().map_or_else(|| Ok(RuleSet::built_in()), RuleSet::from_toml)?)
    }

    /// The run, pending.
    ///
    /// # Errors
    /// What it is to do was sound when it was created, and is not any more.
    pub fn run(&self) -> Result<Run, RequestError> {
        let origin = NewRun {
            run_id: self.run_id,
            sales_team_id: self.sales_team_id,
            created_by: self.created_by,
            irr_target: self.irr_target.parse()?,
            pdate: self.pdate,
            rule_set: self.rules()?.id(),
            output_dir: (!self.dry_run).then(|| keys::outputs(self.run_id)),
        };
        Ok(Run::new(origin, self.created_at))
    }

    /// The target, read.
    ///
    /// # Errors
    /// It was sound when the run was created, and is not any more.
    pub fn target(&self) -> Result<IrrTarget, RequestError> {
        Ok(self.irr_target.parse()?)
    }
}

/// What the results of a completed run are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResults {
    /// The summary, as the API shows it.
    pub summary: Box<RawValue>,
    /// The output files; none of a dry run.
    pub outputs: Vec<OutputInfo>,
    /// Which version of the facts it is, and of the exceptions; none of a dry run.
    pub facts: Option<ObjectVersion>,
    /// Which version of the exceptions it is.
    pub exceptions: Option<ObjectVersion>,
    /// Where the pages of both are; none of a dry run.
    pub index: Option<ObjectVersion>,
}

/// An output file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputInfo {
    /// Which one it is.
    pub key: String,
    /// Its file name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// How many data rows it has.
    pub rows: u64,
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// Its size in bytes.
    pub size: u64,
    /// Which content it has.
    pub etag: String,
}

/// A run as it is stored: the members that decide something, and the whole object as it was written, so that its exact
/// numbers go to clients without a detour over binary ones.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// The id.
    pub run_id: Uuid,
    /// How it stands.
    pub status: RunStatus,
    /// The team whose run it is.
    pub sales_team_id: Option<Uuid>,
    /// When it was created.
    pub created_at: Timestamp,
    /// How many loans it has.
    pub total_loans: u64,
    /// The exact sum of their amounts, as a JSON number.
    pub total_balance: Box<RawValue>,
    /// How many exceptions there are.
    pub exceptions_count: u64,
    /// The folder of its output files; none of a dry run.
    pub output_dir: Option<String>,
    /// How many workers have taken it.
    pub attempt: u32,
    /// Until when its worker keeps it.
    pub lease_until: Option<Timestamp>,
    object: Box<RawValue>,
}

impl Serialize for StoredRun {
    /// The `run` object of the API.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}

/// The members of the run object that decide something.
#[derive(Deserialize)]
struct Members {
    run_id: Uuid,
    status: RunStatus,
    sales_team_id: Option<Uuid>,
    created_at: Timestamp,
    total_loans: u64,
    total_balance: Box<RawValue>,
    exceptions_count: u64,
    output_dir: Option<String>,
}

impl StoredRun {
    fn read(item: &Item) -> Result<Self, StoreError> {
        let json = json_of(item)?;
        let damaged = |error: serde_json::Error| StoreError::Damaged(error.to_string());
        let members: Members = serde_json::from_str(&json).map_err(damaged)?;
        let progress: [Option<u64>; 3] = PROGRESS.map(|name| number_of(item, name));
        // The text is kept as it is, because its numbers have more digits than any number type of JSON libraries. Inside of
        // strings the quotes would be escaped, so that this can only be the member.
        let json = match progress {
            [Some(loans), Some(bytes), Some(total_bytes)] => {
                let progress = format!(r#""progress":{{"loans":{loans},"bytes":{bytes},"total_bytes":{total_bytes}}}"#);
                json.replacen(r#""progress":null"#, &progress, 1)
            }
            _ => json,
        };
        let object = RawValue::from_string(json).map_err(damaged)?;
        let lease_until = number_of(item, LEASE_UNTIL).and_then(|until| Timestamp::from_millisecond(until).ok());
        Ok(Self {
            run_id: members.run_id,
            status: members.status,
            sales_team_id: members.sales_team_id,
            created_at: members.created_at,
            total_loans: members.total_loans,
            total_balance: members.total_balance,
            exceptions_count: members.exceptions_count,
            output_dir: members.output_dir,
            attempt: number_of(item, ATTEMPT).unwrap_or(0),
            lease_until,
            object,
        })
    }

    /// The `run` object of the API.
    pub fn object(&self) -> &RawValue {
        &self.object
    }

    /// Whether a worker may take it now.
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        match self.status {
            RunStatus::Pending => true,
            RunStatus::Running => self.lease_until.is_none_or(|until| until < now),
            RunStatus::Completed | RunStatus::Failed => false,
        }
    }
}

const STATUS: &str = "status";
const WEEKDAY: &str = "weekday";
const LEASE_OWNER: &str = "lease_owner";
const LEASE_UNTIL: &str = "lease_until";
const ATTEMPT: &str = "attempt";
const PROGRESS: [&str; 3] = ["loans_done", "bytes_done", "bytes_in_all"];

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
    /// The hash of the body that it came with.
    pub body_hash: String,
}

/// What is known of an idempotency key that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedKey {
    /// The run that it made.
    pub run_id: Uuid,
    /// The hash of the body that it came with.
    pub body_hash: String,
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
}

/// The runs.
#[derive(Clone)]
pub struct Runs {
    table: Table,
}

impl Runs {
    /// Those of a table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Creates a pending run: the only way in which one begins.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn create(&self, run: &Run, request: &RunRequest, key: Option<&IdempotencyKey>) -> Result<Created, StoreError> {
        let id = request.run_id;
        let mut item = item_of(&keys::run(id), run)?;
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
            let used = UsedKey { run_id: id, body_hash: key.body_hash.clone(), expires_at };
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
    pub async fn waiting(&self, now: Timestamp, limit: u64) -> Result<Vec<StoredRun>, StoreError> {
        let mut waiting = Vec::new();
        for status in [RunStatus::Running, RunStatus::Pending] {
            let partition = keys::runs_with_status(status);
            let list = List { index: BY_STATUS, partition, forward: true, only: Vec::new(), after: None, skip: 0, limit };
            for item in self.table.list(list).await?.items {
                waiting.push(StoredRun::read(&item)?);
            }
        }
        waiting.retain(|run| run.is_claimable(now));
        Ok(waiting)
    }

    /// Takes a run for a worker: it is running afterwards. `None` when somebody else has it or it has ended.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn claim(&self, running: &Run, owner: Uuid, now: Timestamp) -> Result<Option<Lease>, StoreError> {
        let run_id = running.run_id();
        let change = Change::new(format!(
            "SET {DOC} = :doc, #status = :running, {status_pk} = :partition, {LEASE_OWNER} = :owner, {LEASE_UNTIL} = :until \
             ADD {ATTEMPT} :one",
            status_pk = BY_STATUS.pk
        ));
        let change = change
            .with(":doc", written(running)?)
            .with(":running", text(RunStatus::Running.as_str()))
            .with(":partition", text(keys::runs_with_status(RunStatus::Running)))
            .with(":owner", text(owner))
            .with(":until", number((now + LEASE).as_millisecond()))
            .with(":one", number(1));
        let free = Condition::new(format!("#status = :pending OR (#status = :running AND {LEASE_UNTIL} < :now)"))
            .with(":pending", text(RunStatus::Pending.as_str()))
            .with(":now", number(now.as_millisecond()));
        let claimed = self.table.update(&keys::run(run_id), change, Some(free)).await?;
        Ok(claimed.map(|_| Lease { run_id, owner }))
    }

    /// Notes how far a run is, and keeps it for its worker; false when it is not that worker's any more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn report(&self, lease: &Lease, progress: Option<Progress>, now: Timestamp) -> Result<bool, StoreError> {
        let mut expression = format!("SET {LEASE_UNTIL} = :until");
        let mut change = Change::new("").with(":until", number((now + LEASE).as_millisecond()));
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

    /// Ends a run; false when it is not that worker's any more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn end(&self, lease: &Lease, ended: &Run) -> Result<bool, StoreError> {
        let change = ending(ended)?;
        Ok(self.table.update(&keys::run(lease.run_id), change, Some(held(lease))).await?.is_some())
    }

    /// Completes a run, with what its results are; false when it is not that worker's any more. What readers see appears
    /// with this one write.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn complete(&self, lease: &Lease, completed: &Run, results: &RunResults) -> Result<bool, StoreError> {
        let key = keys::run(lease.run_id);
        let results = Write::Put(item_of(&keys::run_results(lease.run_id), results)?, None);
        let writes = vec![Write::Update(key, ending(completed)?, Some(held(lease))), results];
        Ok(self.table.transact(writes).await? == Transacted::Done)
    }

    /// What the results of a completed run are.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn results(&self, id: Uuid) -> Result<Option<RunResults>, StoreError> {
        self.table.get(&keys::run_results(id)).await?.map(|item| document_of(&item)).transpose()
    }

    /// Ends a run that nobody works on any more: it was tried too often, or its worker cannot be reached.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn give_up(&self, run_id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
        let (Some(stored), Some(request)) = (self.get(run_id).await?, self.request(run_id).await?) else { return Ok(false) };
        let mut run = request.run().map_err(|error| StoreError::Damaged(error.to_string()))?;
        let moved = run.start(now).and_then(|()| run.fail(worker_lost(), now));
        moved.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let mut seen = Condition::new(format!(
            "#status = :seen AND {}",
            match stored.lease_until {
                Some(_) => format!("{LEASE_UNTIL} = :lease"),
                None => format!("attribute_not_exists({LEASE_UNTIL})"),
            }
        ));
        if stored.status.is_final() {
            return Ok(false);
        }
        seen = seen.with(":seen", text(stored.status.as_str()));
        if let Some(until) = stored.lease_until {
            seen = seen.with(":lease", number(until.as_millisecond()));
        }
        Ok(self.table.update(&keys::run(run_id), ending(&run)?, Some(seen)).await?.is_some())
    }
}

/// Why a run ended that no worker finished.
fn worker_lost() -> RunError {
    RunError {
        phase: Phase::Ingest,
        code: RunErrorCode::WorkerLost,
        message: "The worker stopped before the run was finished, each time it was tried. Start the run again; if it stops \
                  again, split the tape."
            .to_owned(),
        source_file: None,
        line: None,
    }
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
    let change = change.with(":doc", written(ended)?).with(":ended", text(status.as_str()));
    Ok(change.with(":partition", text(keys::runs_with_status(status))))
}
