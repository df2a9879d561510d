//! The request of a run: what the run has to do.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use shared::{
    clock::moment,
    folder::LeftOut,
    phases::pricing::IrrTarget,
    rules::rule_set::{RuleSetFile, RuleSetId, RunRules},
    run::{NewRun, Run, RunTape, RunTapes},
    tape::request::ReadingRequest,
    waivers::WaiverFile,
};
use uuid::Uuid;

use crate::keys;

use super::ObjectVersion;

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
    /// Name of that user at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by_username: Option<String>,
    /// IRR target in percent, as decimal text.
    pub irr_target: IrrTarget,
    /// Purchase date, if the request has one.
    pub pdate: Option<Date>,
    /// The tapes, in the order of their loans in the results.
    pub tapes: TapeList,
    /// The rule set.
    #[serde(rename = "rule_set")]
    pub rules: RulesOfRun,
    /// The file of waivers; `None` for a run without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<WaiversOfRun>,
    /// Version of the object that shows the rule set. `None` in requests of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_rules: Option<ObjectVersion>,
    /// How to read the tapes, beyond what the tapes themselves say.
    #[serde(default, skip_serializing_if = "ReadingRequest::is_empty")]
    pub reading: ReadingRequest,
    /// The other files in the folder of the tapes.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// Whether to keep only the run and its summary.
    pub dry_run: bool,
    /// Whether to count the loans that were in earlier runs.
    #[serde(default)]
    pub check_history: bool,
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

    /// The tapes that the run names; `None` when an earlier version stored the list.
    pub fn named(&self) -> Option<RunTapes> {
        match self {
            Self::Here(tapes) => Some(RunTapes::new(tapes.iter().map(TapeRef::named))),
            Self::Kept(kept) => kept.named.clone(),
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
    /// Whether these are the built-in rules.
    pub fn is_built_in(&self) -> bool {
        matches!(self, Self::Here(rules) if rules.file().is_none())
    }

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

/// The file of waivers of a run. It exceeds the size of an item, so it is an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WaiversOfRun {
    /// The object that holds the file.
    Kept {
        /// Name of the file.
        name: String,
        file: ObjectVersion,
    },
    /// The file itself, in a run that is not stored yet.
    #[serde(skip)]
    Here(WaiverFile),
}

/// Reference to a list of tapes that is an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTapes {
    /// Number of bytes of all tapes together.
    pub bytes: u64,
    /// Version of the object that has the list.
    pub list: ObjectVersion,
    /// The tapes that the run names. `None` in requests of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<RunTapes>,
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

impl TapeRef {
    /// The tape as the run names it.
    fn named(&self) -> RunTape {
        let path = self.key.strip_prefix(INPUTS).unwrap_or(&self.key);
        RunTape { path: path.to_owned(), size: self.size, etag: Some(self.etag.clone()) }
    }
}

/// Beginning of the keys of all tapes: the area `inputs`.
const INPUTS: &str = "inputs/";

impl RunRequest {
    /// The run, with status `pending`.
    pub fn run(&self) -> Run {
        let origin = NewRun {
            run_id: self.run_id,
            sales_team_id: self.sales_team_id,
            created_by: self.created_by,
            created_by_username: self.created_by_username.clone(),
            tapes: self.tapes.named(),
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
