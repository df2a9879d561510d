//! The layout of the table and of the bucket: every kind of key.
//!
//! | item | `pk` | `sk` | listed by |
//! |---|---|---|---|
//! | a user | `USER#{id}` | `USER` | `by_time`: `USERS`, creation |
//! | a taken email address | `EMAIL#{folded}` | `EMAIL` | |
//! | a taken username | `USERNAME#{folded}` | `USERNAME` | |
//! | a sales team | `TEAM#{id}` | `TEAM` | `by_time`: `TEAMS`, name |
//! | a taken team name | `TEAMNAME#{folded}` | `TEAMNAME` | |
//! | a run | `RUN#{id}` | `RUN` | `by_time`: `RUNS`; `by_team`: `RUNS#{team}`; `by_status`: `RUNS#{status}`; creation |
//! | the request of a run | `RUN#{id}` | `REQUEST` | |
//! | the results of a run | `RUN#{id}` | `RESULTS` | |
//! | an idempotency key | `KEY#{user}#{hash}` | `KEY` | |
//! | a job | `JOB#{id}` | `JOB` | `by_status`: `JOBS#{status}`; creation, until it has ended |
//! | failed log-ins | `FAILURES#{kind}#{whose}` | `FAILURES` | |
//! | the readiness check's own item | `TRIED_OUT` | `TRIED_OUT` | |
//!
//! Objects: `inputs/…`, `outputs/{run}/…` and `output_share/…` are the areas. `archive/{run}/input|output/…` and
//! `archive/{run}/manifest.json` are the archive. `results/{run}/…` has the facts, the exceptions, the places of their pages, the
//! rule set, and how the tapes were read. While a run in parts is not finished, `results/{run}/parts/{owner}/…` has the files that its steps
//! hand on to each other. `requests/{run}.json` is the list of a run's tapes. `answers/…` has the files of jobs, and answers that
//! are too large for a Lambda. `health/tried_out` is the readiness check's own object.
//!
//! DynamoDB limits an item to 400 KB. Data that grows with the number of tapes or of their columns is therefore in an object, and
//! the item names the version of that object.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use shared::{
    auth::user::{Scope, folded},
    hex::hex,
    paths::Area,
    run::RunStatus,
};
use uuid::Uuid;

/// Attribute of the partition key.
pub const PK: &str = "pk";
/// Attribute of the sort key.
pub const SK: &str = "sk";
/// Attribute with the document of an item, as JSON.
pub const DOC: &str = "doc";
/// Attribute that counts the changes of an item.
pub const REVISION: &str = "revision";
/// Attribute with the time at which DynamoDB may delete an item, in seconds since 1970.
pub const EXPIRES_AT: &str = "expires_at";

/// A global secondary index of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    pub name: &'static str,
    /// Attribute of the partition key.
    pub pk: &'static str,
    /// Attribute of the sort key.
    pub sk: &'static str,
}

/// All items of a kind: users and runs by creation, teams by name.
pub const BY_TIME: Index = Index { name: "by_time", pk: "time_pk", sk: "time_sk" };
/// The runs of each team, by creation.
pub const BY_TEAM: Index = Index { name: "by_team", pk: "team_pk", sk: "team_sk" };
/// The runs of each status, and the unfinished jobs of each status, by creation.
pub const BY_STATUS: Index = Index { name: "by_status", pk: "status_pk", sk: "status_sk" };
pub const INDEXES: [Index; 3] = [BY_TIME, BY_TEAM, BY_STATUS];

/// Primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: &'static str,
}

pub fn user(id: Uuid) -> Key {
    Key { pk: format!("USER#{id}"), sk: "USER" }
}

/// Longest text that becomes part of a key unchanged, in bytes. DynamoDB accepts partition keys of up to 2,048 bytes and sort
/// keys of up to 1,024, and folding may turn one byte into eleven.
const MAX_PART_BYTES: usize = 900;

/// Folded form of a text as a part of a key. A form that is too long is cut, and its hash is added.
fn key_part(text: &str) -> String {
    let folded = folded(text);
    if folded.len() <= MAX_PART_BYTES {
        return folded;
    }
    let hash = hex(&Sha256::digest(folded.as_bytes()));
    let beginning = &folded[..folded.floor_char_boundary(MAX_PART_BYTES - hash.len() - 1)];
    format!("{beginning}#{hash}")
}

/// The mark that an email address is taken.
pub fn email(address: &str) -> Key {
    Key { pk: format!("EMAIL#{}", key_part(address)), sk: "EMAIL" }
}

/// The mark that a username is taken.
pub fn username(name: &str) -> Key {
    Key { pk: format!("USERNAME#{}", key_part(name)), sk: "USERNAME" }
}

pub fn team(id: Uuid) -> Key {
    Key { pk: format!("TEAM#{id}"), sk: "TEAM" }
}

/// The mark that a team name is taken.
pub fn team_name(name: &str) -> Key {
    Key { pk: format!("TEAMNAME#{}", key_part(name)), sk: "TEAMNAME" }
}

pub fn run(id: Uuid) -> Key {
    Key { pk: format!("RUN#{id}"), sk: "RUN" }
}

/// Id of the run with this partition key; `None` for the key of anything else.
pub fn id_of_run(pk: &str) -> Option<Uuid> {
    pk.strip_prefix("RUN#")?.parse().ok()
}

/// The request of a run: what the run has to do.
pub fn run_request(id: Uuid) -> Key {
    Key { sk: "REQUEST", ..run(id) }
}

/// The results of an ended run.
pub fn run_results(id: Uuid) -> Key {
    Key { sk: "RESULTS", ..run(id) }
}

/// An idempotency key of a user, by the hash of the key.
pub fn idempotency(user: Uuid, key_hash: &str) -> Key {
    Key { pk: format!("KEY#{user}#{key_hash}"), sk: "KEY" }
}

/// A job, by the id of its request.
pub fn job(id: Uuid) -> Key {
    Key { pk: format!("JOB#{id}"), sk: "JOB" }
}

/// Id of the job with this partition key; `None` for the key of anything else.
pub fn id_of_job(pk: &str) -> Option<Uuid> {
    pk.strip_prefix("JOB#")?.parse().ok()
}

/// Failed log-ins of a username or from a network address.
pub fn failures(kind: &str, whose: &str) -> Key {
    Key { pk: format!("FAILURES#{kind}#{whose}"), sk: "FAILURES" }
}

/// The item that the readiness check writes and reads back.
pub fn tried_out() -> Key {
    Key { pk: "TRIED_OUT".to_owned(), sk: "TRIED_OUT" }
}

/// The object that the readiness check writes and reads back.
pub const TRIED_OUT: &str = "health/tried_out";

/// Partition of all users in [`BY_TIME`].
pub const USERS: &str = "USERS";
/// Partition of all teams in [`BY_TIME`].
pub const TEAMS: &str = "TEAMS";
/// Partition of all runs in [`BY_TIME`].
pub const RUNS: &str = "RUNS";

/// Partition of a team's runs in [`BY_TEAM`].
pub fn runs_of_team(team: Uuid) -> String {
    format!("RUNS#{team}")
}

/// Partition of the runs with a status in [`BY_STATUS`].
pub fn runs_with_status(status: RunStatus) -> String {
    format!("RUNS#{status}")
}

/// Partition of the unfinished jobs with a status in [`BY_STATUS`].
pub fn jobs_with_status(status: &str) -> String {
    format!("JOBS#{status}")
}

/// Sort key in a list by creation: time and id. The order of these texts is the order of the times.
pub fn moment(at: Timestamp, id: Uuid) -> String {
    format!("{:015}#{id}", at.as_millisecond())
}

/// Sort key in the list of teams: name and id.
pub fn by_name(name: &str, id: Uuid) -> String {
    format!("{}#{id}", key_part(name))
}

/// Folder of a run's output files, in the bucket and as a path that begins with the area `outputs`.
pub fn outputs(run: Uuid) -> String {
    format!("outputs/{run}")
}

/// Folder of a run's archive in the bucket.
pub fn archive(run: Uuid) -> String {
    format!("archive/{run}")
}

/// Folder of a run's facts and exceptions in the bucket.
pub fn results(run: Uuid) -> String {
    format!("results/{run}")
}

/// Folder, among a run's results, of the files that the steps of a run in parts hand on to each other. The worker deletes it when
/// the run ends.
pub fn all_parts(run: Uuid) -> String {
    format!("{}/parts", results(run))
}

/// Folder of the parts of one attempt. It has the id of the lease owner that made the plan, so that attempts never mix.
pub fn parts(run: Uuid, owner: Uuid) -> String {
    format!("{}/{owner}", all_parts(run))
}

/// Object with the list of a run's tapes. It is written before the run, so a list may remain without a run; nothing refers to it
/// then.
pub fn tape_list(run: Uuid) -> String {
    format!("{REQUESTS}/{run}.json")
}

/// Object with a file that the rule set of a run names. It is written before the run.
pub fn rule_file(run: Uuid, name: &str) -> String {
    format!("{REQUESTS}/{run}/{name}")
}

/// Object with the file of waivers of a run. It is written before the run.
pub fn waiver_file(run: Uuid) -> String {
    format!("{REQUESTS}/{run}/waivers/file")
}

/// Folder of the tape lists, of the files that rule sets of runs name, and of files of waivers.
pub const REQUESTS: &str = "requests";

/// Object with the file of a job, or with an answer that is too large to be sent. The bucket deletes it after a day.
pub fn answer(id: Uuid, name: &str) -> String {
    format!("{ANSWERS}/{id}/{name}")
}

/// Folder of the files of jobs and of the answers that clients fetch from the bucket.
pub const ANSWERS: &str = "answers";

/// File, among a run's results, with the places of the pages of facts and exceptions.
pub const INDEX_FILE: &str = "index.json";

/// File, among a run's results, with how its tapes were read: columns and units.
pub const COLUMN_MAPPING_FILE: &str = "column_mapping.json";

/// File, among a run's results, with its reasons and the samples of its exceptions.
pub const FINDINGS_FILE: &str = "findings.json";
/// File, among a run's results, with the rule set that judges its loans. It is written before the run.
pub const RULE_SET_FILE: &str = "rule_set.json";

/// File, among a run's results, with the archive of the run as a ZIP. It is made at the first request for it, unless the archive is
/// so large that a job makes its ZIP.
pub const ARCHIVE_ZIP: &str = "archive.zip";

/// Folder in an area that is the root of a team.
pub fn team_folder(team: Uuid) -> String {
    format!("teams/{team}")
}

/// Root of an area in the bucket, for a caller with this scope. A team has no root of its own in `outputs`: it sees the folders
/// of its runs.
pub fn area_root(area: Area, scope: Scope) -> String {
    match (area, scope.team()) {
        (Area::Inputs | Area::OutputShare, Some(team)) => format!("{area}/{}", team_folder(team)),
        _ => area.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_the_order_of_their_texts() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let id = Uuid::from_u128(1);
        let texts = ["1999-12-31T23:59:59Z", "2026-02-01T10:00:00Z", "2026-02-01T10:00:00.001Z", "2286-11-20T17:46:40Z"];
        let keys: Vec<String> = texts.iter().map(|text| moment(at(text), id)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn a_team_has_a_root_of_its_own() {
        let team = Uuid::from_u128(7);
        assert_eq!(area_root(Area::Inputs, Scope::All), "inputs");
        assert_eq!(area_root(Area::Inputs, Scope::Team(team)), format!("inputs/teams/{team}"));
        assert_eq!(area_root(Area::OutputShare, Scope::Team(team)), format!("output_share/teams/{team}"));
        assert_eq!(area_root(Area::Outputs, Scope::Team(team)), "outputs");
    }

    #[test]
    fn case_does_not_make_another_name() {
        assert_eq!(username("Ana"), username("aNA"));
        assert_eq!(email("Ana@Example.com"), email("ana@example.COM"));
        assert_eq!(team_name(" North "), team_name("north"));
        assert_ne!(username("ana").pk, email("ana").pk);
    }

    #[test]
    fn names_that_grow_when_they_are_folded_stay_different_and_within_the_bounds_of_keys() {
        // Folding turns this one letter into eighteen.
        let name = |last: &str| format!("{}{last}", "\u{fdfa}".repeat(199));
        let id = Uuid::nil();
        assert!(folded(&name("a")).len() > 6_000);
        assert_eq!(team_name(&name("a")), team_name(&name("A")));
        assert_ne!(team_name(&name("a")), team_name(&name("b")));
        assert!(team_name(&name("a")).pk.len() <= 2_048 && by_name(&name("a"), id).len() <= 1_024);
    }
}
