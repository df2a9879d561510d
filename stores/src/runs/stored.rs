//! The stored forms of a run: its request, its state, its results.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use shared::{
    clock::{moment, rfc3339},
    folder::LeftOut,
    phases::pricing::{IrrTarget, IrrTargetError},
    rules::rule_set::{RuleSetFile, RuleSetId, RunRules},
    run::{NewRun, Run, RunRecord, RunStatus},
    tape::request::ReadingRequest,
};
use uuid::Uuid;

use crate::{
    StoreError, keys,
    table::{Item, document_of, item_of, json_of, number_of},
};

/// Attribute with the status of a run.
pub(super) const STATUS: &str = "status";
/// Attribute with the time at which the lease of a run expires, in milliseconds since 1970.
pub(super) const LEASE_UNTIL: &str = "lease_until";
/// Attribute with the number of attempts of a run.
pub(super) const ATTEMPT: &str = "attempt";
/// Attributes with the progress of a running run: loans done, bytes done, bytes in total.
pub(super) const PROGRESS: [&str; 3] = ["loans_done", "bytes_done", "bytes_in_all"];

/// The request of a run: what the run has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    pub run_id: Uuid,
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// Sales team that the run belongs to; `None` for a run of no team.
    pub sales_team_id: Option<Uuid>,
    /// User who started the run; `None` for a run that an incoming tape started.
    pub created_by: Option<Uuid>,
    /// IRR target in percent, as decimal text.
    pub irr_target: IrrTarget,
    /// Purchase date, if the request has one.
    pub pdate: Option<Date>,
    /// The tapes, in the order of their loans in the results.
    pub tapes: TapeList,
    /// The rule set.
    #[serde(rename = "rule_set")]
    pub rules: RulesOfRun,
    /// How to read the tapes, beyond what the tapes themselves say.
    #[serde(default, skip_serializing_if = "ReadingRequest::is_empty")]
    pub reading: ReadingRequest,
    /// The other files in the folder of the tapes.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// Whether to keep only the run and its summary.
    pub dry_run: bool,
}

/// The tapes of a run. A thousand tapes with long paths exceed the size of an item, so their list is an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TapeList {
    /// The tapes themselves, in a run that is not stored yet or that an earlier version stored.
    Here(Vec<TapeRef>),
    /// The object that lists the tapes.
    Kept(KeptTapes),
}

impl TapeList {
    /// Number of bytes of all tapes together.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Here(tapes) => tapes.iter().map(|tape| tape.size).sum(),
            Self::Kept(kept) => kept.bytes,
        }
    }
}

/// The rules of a run. The files that a rule set names exceed the size of an item, so they are objects of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RulesOfRun {
    /// The rule set, with objects that hold the files that it names.
    Kept(KeptRules),
    /// The rule set itself: it names no files, or the run is not stored yet.
    Here(RunRules),
}

impl RulesOfRun {
    /// Name, version and hash of the rule set.
    pub fn id(&self) -> RuleSetId {
        match self {
            Self::Kept(kept) => kept.id.clone(),
            Self::Here(rules) => rules.rules().id(),
        }
    }
}

/// A rule set whose files are objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRules {
    #[serde(flatten)]
    pub file: RuleSetFile,
    /// Name, version and hash of the rule set.
    pub id: RuleSetId,
    /// Versions of the objects with the files that the rule set names, by the names of the files.
    pub files: BTreeMap<String, ObjectVersion>,
}

/// Reference to a list of tapes that is an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTapes {
    /// Number of bytes of all tapes together.
    pub bytes: u64,
    /// Version of the object that has the list.
    pub list: ObjectVersion,
}

/// One version of a tape in the storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeRef {
    /// Key of the object.
    pub key: String,
    /// Name of the tape in results, in the archive and in errors.
    pub source_file: String,
    /// Size in bytes.
    pub size: u64,
    /// ETag of the content.
    pub etag: String,
}

impl RunRequest {
    /// The run, with status `pending`.
    pub fn run(&self) -> Run {
        let origin = NewRun {
            run_id: self.run_id,
            sales_team_id: self.sales_team_id,
            created_by: self.created_by,
            irr_target: self.irr_target,
            pdate: self.pdate,
            rule_set: self.rules.id(),
            output_dir: (!self.dry_run).then(|| keys::outputs(self.run_id)),
        };
        let mut run = Run::new(origin, self.created_at);
        run.read_with(self.reading.profile_id());
        run
    }
}

/// The results of an ended run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResults {
    /// The summary, as the API shows it.
    pub summary: Box<RawValue>,
    /// The output files; empty for a dry run.
    pub outputs: Vec<OutputInfo>,
    /// Version of the facts; `None` for a dry run.
    pub facts: Option<ObjectVersion>,
    /// Version of the exceptions; `None` for a dry run.
    pub exceptions: Option<ObjectVersion>,
    /// Version of the index with the places of the pages of both; `None` for a dry run.
    pub index: Option<ObjectVersion>,
    /// Version of the column mapping, which says how the tapes were read. `None` in results of earlier versions, which stored it
    /// in the record of the run.
    #[serde(default)]
    pub column_mapping: Option<ObjectVersion>,
}

/// An output file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputInfo {
    /// Key of the output in the API.
    pub key: String,
    /// File name.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Number of data rows.
    pub rows: u64,
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// Size in bytes.
    pub size: u64,
    /// ETag of the content.
    pub etag: String,
}

/// A run as stored: the members that the code needs, and the whole JSON object as it was written, so that its exact numbers reach
/// clients without conversion to binary floating point.
#[derive(Debug, Clone)]
pub struct StoredRun {
    pub run_id: Uuid,
    pub status: RunStatus,
    /// Sales team that the run belongs to; `None` for a run of no team.
    pub sales_team_id: Option<Uuid>,
    pub created_at: Timestamp,
    /// When a worker began it.
    pub started_at: Option<Timestamp>,
    /// Number of loans.
    pub total_loans: u64,
    /// Exact sum of the loan amounts, as a JSON number.
    pub total_balance: Box<RawValue>,
    /// Number of exceptions.
    pub exceptions_count: u64,
    /// Folder of the output files; `None` for a dry run.
    pub output_dir: Option<String>,
    /// Number of attempts so far.
    pub attempt: u32,
    /// Time at which the lease expires; `None` when the run has no lease.
    pub lease_until: Option<Timestamp>,
    object: Box<RawValue>,
    /// The details in the item; empty, unless an earlier version wrote them.
    pub(super) details: Box<RawValue>,
}

/// Beginning of the details in the `run` object. The details are its last members. Quotes inside strings are escaped, so this
/// text can only be a member.
const DETAILS: &str = r#","column_mapping":"#;
/// The details as lists show them.
const DETAILS_LEFT_OUT: &str = r#","column_mapping":null,"notices":null}"#;
/// Details and members that earlier versions did not store.
const NO_NOTICES: &str = r#","notices":[]"#;
const NO_COUNTS: &str = r#","profile":null,"ignored_rows":0,"superseded_rows":0,"notice_counts":{}"#;
/// The details of a run without details in its item.
pub(super) const NO_DETAILS: &str = r#"{"column_mapping":[],"notices":[]}"#;

impl Serialize for StoredRun {
    /// The `run` object of the API, as lists show it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}

/// The members of the `run` object that the code needs.
#[derive(Deserialize)]
struct Members {
    run_id: Uuid,
    status: RunStatus,
    sales_team_id: Option<Uuid>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    total_loans: u64,
    total_balance: Box<RawValue>,
    exceptions_count: u64,
    output_dir: Option<String>,
}

/// Length of a time with three decimals. Nearly all stored times have them.
const RFC3339_LENGTH: usize = "2026-11-29T09:58:01.300Z".len();

/// The members of the `run` object that are times.
const TIMES: [&str; 3] = ["started_at", "completed_at", "created_at"];

/// The object with the time of a member rewritten to three decimals. Earlier versions stored times with other numbers of
/// decimals.
fn with_decimals(json: String, name: &str) -> String {
    // As with `DETAILS`, this text can only be the member.
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
        // Edit the text instead of parsing it, because its numbers have more digits than any number type of JSON libraries. As
        // with `DETAILS`, the text `"progress":null` can only be the member.
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
            started_at: members.started_at,
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

    /// A run that has just been created, in the form in which it would be read.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the run cannot be written as JSON.
    pub fn created(run: &Run) -> Result<Self, StoreError> {
        Self::read(&item_of(&keys::run(run.run_id()), &RunRecord(run))?)
    }

    /// Whether the run is a dry run, which keeps no files and no loans.
    pub fn is_dry(&self) -> bool {
        self.output_dir.is_none()
    }

    /// The `run` object of the API with null details, as lists show it.
    pub fn object(&self) -> &RawValue {
        &self.object
    }

    /// The `run` object of the API with its details.
    pub(super) fn with_details(&self, details: &RawValue) -> Result<Box<RawValue>, StoreError> {
        let (object, details) = (self.object.get(), details.get());
        let before = object.strip_suffix(DETAILS_LEFT_OUT).unwrap_or(object);
        // Earlier versions stored the column mapping without notices.
        let whole = match details.strip_prefix('{') {
            Some(members) => format!("{before},{members}"),
            None => format!("{before}{DETAILS}{details}{NO_NOTICES}}}"),
        };
        RawValue::from_string(whole).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Whether a worker may claim the run now.
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

/// The state of a run, from the attributes of its item alone, so that a worker finds the run even when its document is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    pub run_id: Uuid,
    pub status: RunStatus,
    /// Number of attempts so far.
    pub attempt: u32,
    /// Time at which the lease expires; `None` when the run has no lease.
    pub lease_until: Option<Timestamp>,
}

impl RunState {
    /// The state in an item; `None` when the item is not a run.
    pub(super) fn read(item: &Item) -> Option<Self> {
        let word = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        Some(Self {
            run_id: word(keys::PK).and_then(|key| keys::id_of_run(key))?,
            status: word(STATUS).and_then(|word| RunStatus::from_word(word))?,
            attempt: number_of(item, ATTEMPT).unwrap_or(0),
            lease_until: lease_until(item),
        })
    }

    /// Whether a worker may claim the run now.
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        is_claimable(self.status, self.lease_until, now)
    }
}

/// What a run was created with, from its record.
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

/// The run as it was created, from its record alone, for a run whose request cannot be read.
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
