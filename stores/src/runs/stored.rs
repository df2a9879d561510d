//! What of a run is stored: what it is to do, how it stands, what its results are.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use shared::{
    clock::{moment, rfc3339},
    folder::LeftOut,
    phases::pricing::{IrrTarget, IrrTargetError},
    rules::rule_set::{RuleSet, RuleSetError, RuleSetFile, RuleSetId},
    run::{NewRun, Run, RunRecord, RunStatus},
    tape::request::ReadingRequest,
};
use uuid::Uuid;

use crate::{
    StoreError, keys,
    table::{Item, document_of, item_of, json_of, number_of},
};

/// The attribute that says how a run stands.
pub(super) const STATUS: &str = "status";
/// The attribute that says until when a worker keeps a run, in milliseconds.
pub(super) const LEASE_UNTIL: &str = "lease_until";
/// The attribute that counts the workers that have taken a run.
pub(super) const ATTEMPT: &str = "attempt";
/// The attributes of a run's progress while it works: loans, bytes, and how many bytes there are.
pub(super) const PROGRESS: [&str; 3] = ["loans_done", "bytes_done", "bytes_in_all"];

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The run.
    pub run_id: Uuid,
    /// When it was created.
    #[serde(with = "moment")]
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
    pub tapes: TapeList,
    /// The rule set; the built-in one without it.
    pub rule_set: Option<RuleSetFile>,
    /// How the tapes are to be read, beyond what they say themselves.
    #[serde(default, skip_serializing_if = "ReadingRequest::is_empty")]
    pub reading: ReadingRequest,
    /// The other files in the folder of the tapes.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// Whether nothing but the run and its summary is kept.
    pub dry_run: bool,
}

/// The tapes of a run. A thousand of them, with long paths, are more than an item holds: its list is an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TapeList {
    /// The tapes themselves: of a run that is not stored yet, or was stored by an earlier version.
    Here(Vec<TapeRef>),
    /// Which object lists them.
    Kept(KeptTapes),
}

impl TapeList {
    /// How many bytes the tapes have in all.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Here(tapes) => tapes.iter().map(|tape| tape.size).sum(),
            Self::Kept(kept) => kept.bytes,
        }
    }
}

/// A list of tapes that is an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTapes {
    /// How many bytes the tapes have in all.
    pub bytes: u64,
    /// Which version of the object it is.
    pub list: ObjectVersion,
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
        Ok(self.rule_set.as_ref().map_or_else(|| Ok(RuleSet::built_in()), RuleSetFile::rules)?)
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
        let mut run = Run::new(origin, self.created_at);
        run.read_with(self.reading.profile_id());
        Ok(run)
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
    /// How the tapes were read; none in what an earlier version stored, which is part of the run there.
    #[serde(default)]
    pub column_mapping: Option<ObjectVersion>,
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
    /// The details that the item holds: empty ones, unless an earlier version wrote them.
    pub(super) details: Box<RawValue>,
}

/// Where the details begin in the `run` object: they are its last members. Inside of strings the quotes would be escaped, so that
/// this can only be a member.
const DETAILS: &str = r#","column_mapping":"#;
/// The details as lists show them.
const DETAILS_LEFT_OUT: &str = r#","column_mapping":null,"notices":null}"#;
/// The details that an earlier version did not store, and the members that it did not.
const NO_NOTICES: &str = r#","notices":[]"#;
const NO_COUNTS: &str = r#","profile":null,"ignored_rows":0,"superseded_rows":0,"notice_counts":{}"#;
/// The details of a run that has none in its item.
pub(super) const NO_DETAILS: &str = r#"{"column_mapping":[],"notices":[]}"#;

impl Serialize for StoredRun {
    /// The `run` object of the API, as lists show it.
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

/// How long a time is that has three decimals, as nearly all have.
const RFC3339_LENGTH: usize = "2026-11-29T09:58:01.300Z".len();

/// The members of the run object that are times.
const TIMES: [&str; 3] = ["started_at", "completed_at", "created_at"];

/// The object with a time written as all times are: runs that were stored before all of them had three decimals are shown so, too.
fn with_decimals(json: String, name: &str) -> String {
    // As above: this can only be the member.
    let member = format!("\"{name}\":\"");
    let Some(start) = json.find(&member).map(|at| at + member.len()) else { return json };
    let Some(length) = json[start..].find('"') else { return json };
    if length == RFC3339_LENGTH {
        return json;
    }
    match json[start..start + length].parse::<Timestamp>() {
        Ok(at) => format!("{}{}{}", &json[..start], rfc3339(at), &json[start + length..]),
        Err(_) => json,
    }
}

impl StoredRun {
    pub(super) fn read(item: &Item) -> Result<Self, StoreError> {
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
        let json = TIMES.iter().fold(json, |json, name| with_decimals(json, name));
        let parted = json.strip_suffix('}').and_then(|json| json.split_once(DETAILS));
        let (members_before, details) = parted.ok_or_else(|| StoreError::Damaged("the run has no column mapping".to_owned()))?;
        let unless = |json: &str, name: &str, absent: &'static str| if json.contains(name) { "" } else { absent };
        let notices = unless(details, r#","notices":"#, NO_NOTICES);
        let counts = unless(members_before, r#","notice_counts":"#, NO_COUNTS);
        let details = RawValue::from_string(format!("{{{}{details}{notices}}}", &DETAILS[1..])).map_err(damaged)?;
        let object = RawValue::from_string(format!("{members_before}{counts}{DETAILS_LEFT_OUT}")).map_err(damaged)?;
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
            lease_until: lease_until(item),
            object,
            details,
        })
    }

    /// A run that has just been created: as it would be read.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn created(run: &Run) -> Result<Self, StoreError> {
        Self::read(&item_of(&keys::run(run.run_id()), &RunRecord(run))?)
    }

    /// The `run` object of the API, whose details are null: as lists show it.
    pub fn object(&self) -> &RawValue {
        &self.object
    }

    /// The same with its details.
    pub(super) fn with_details(&self, details: &RawValue) -> Result<Box<RawValue>, StoreError> {
        let (object, details) = (self.object.get(), details.get());
        let before = object.strip_suffix(DETAILS_LEFT_OUT).unwrap_or(object);
        // An earlier version stored the column mapping alone.
        let whole = match details.strip_prefix('{') {
            Some(members) => format!("{before},{members}"),
            None => format!("{before}{DETAILS}{details}{NO_NOTICES}}}"),
        };
        RawValue::from_string(whole).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Whether a worker may take it now.
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        is_claimable(self.status, self.lease_until, now)
    }
}

fn is_claimable(status: RunStatus, lease_until: Option<Timestamp>, now: Timestamp) -> bool {
    match status {
        RunStatus::Pending => true,
        RunStatus::Running => lease_until.is_none_or(|until| until < now),
        RunStatus::Completed | RunStatus::Failed => false,
    }
}

fn lease_until(item: &Item) -> Option<Timestamp> {
    number_of(item, LEASE_UNTIL).and_then(|until| Timestamp::from_millisecond(until).ok())
}

/// How a run stands, by the attributes of its item alone: whatever its document says, a worker is to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// The run.
    pub run_id: Uuid,
    /// How it stands.
    pub status: RunStatus,
    /// How many workers have taken it.
    pub attempt: u32,
    /// Until when its worker keeps it.
    pub lease_until: Option<Timestamp>,
}

impl RunState {
    /// That of an item; `None` of an item that is no run.
    pub(super) fn read(item: &Item) -> Option<Self> {
        let word = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        Some(Self {
            run_id: word(keys::PK).and_then(|key| keys::id_of_run(key))?,
            status: word(STATUS).and_then(|word| RunStatus::from_word(word))?,
            attempt: number_of(item, ATTEMPT).unwrap_or(0),
            lease_until: lease_until(item),
        })
    }

    /// Whether a worker may take the run now.
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        is_claimable(self.status, self.lease_until, now)
    }
}

/// What a run was created with, as its record says.
#[derive(Deserialize)]
struct Origin {
    run_id: Uuid,
    sales_team_id: Option<Uuid>,
    created_by: Option<Uuid>,
    irr_target: Box<RawValue>,
    pdate: Date,
    rule_set: RuleSetRecord,
    output_dir: Option<String>,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct RuleSetRecord {
    name: String,
    version: String,
    hash: String,
}

/// The run of an item as it was created, by its record alone: what it is to do cannot be read.
pub(super) fn run_of_record(item: &Item) -> Result<Run, StoreError> {
    let damaged = |error: &dyn std::error::Error| StoreError::Damaged(error.to_string());
    let origin: Origin = document_of(item)?;
    let RuleSetRecord { name, version, hash } = origin.rule_set;
    let new = NewRun {
        run_id: origin.run_id,
        sales_team_id: origin.sales_team_id,
        created_by: origin.created_by,
        irr_target: origin.irr_target.get().parse().map_err(|error: IrrTargetError| damaged(&error))?,
        pdate: Some(origin.pdate),
        rule_set: RuleSetId { name, version, hash },
        output_dir: origin.output_dir,
    };
    Ok(Run::new(new, origin.created_at))
}
