//! The layout of the table and of the bucket: every key that there is.
//!
//! | item | `pk` | `sk` | listed by |
//! |---|---|---|---|
//! | a user | `USER#{id}` | `USER` | `by_time`: `USERS`, creation |
//! | an address that is taken | `EMAIL#{folded}` | `EMAIL` | |
//! | a username that is taken | `USERNAME#{folded}` | `USERNAME` | |
//! | a sales team | `TEAM#{id}` | `TEAM` | `by_time`: `TEAMS`, name |
//! | a team's name that is taken | `TEAMNAME#{folded}` | `TEAMNAME` | |
//! | a run | `RUN#{id}` | `RUN` | `by_time`: `RUNS`; `by_team`: `RUNS#{team}`; `by_status`: `RUNS#{status}`; creation |
//! | what a run is to do | `RUN#{id}` | `REQUEST` | |
//! | what its results are | `RUN#{id}` | `RESULTS` | |
//! | an idempotency key | `KEY#{user}#{hash}` | `KEY` | |
//! | failed log-ins | `FAILURES#{kind}#{whose}` | `FAILURES` | |
//! | what the table is tried out by | `TRIED_OUT` | `TRIED_OUT` | |
//!
//! Objects: `inputs/…`, `outputs/{run}/…`, `output_share/…` are the areas; `archive/{run}/input|output/…` and
//! `archive/{run}/manifest.json` the archive; `results/{run}/…` the facts, the exceptions, where their pages are, how the tapes
//! were read, and while a run is done in parts `results/{run}/parts/{owner}/…`, what its steps hand on to each other;
//! `requests/{run}.json` the list of a run's tapes; `answers/…` what was too large for an answer of a Lambda; `health/tried_out`
//! what the bucket is tried out by.
//!
//! An item has at most 400 KB. What grows with the number of tapes or of their columns is therefore an object, and its item
//! says which version of it is meant.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use shared::{
    auth::user::{Scope, folded},
    paths::Area,
    run::RunStatus,
};
use uuid::Uuid;

/// The attribute of the partition key.
pub const PK: &str = "pk";
/// The attribute of the sort key.
pub const SK: &str = "sk";
/// The attribute that holds an item as JSON.
pub const DOC: &str = "doc";
/// The attribute that counts the changes of an item.
pub const REVISION: &str = "revision";
/// The attribute whose second ends an item.
pub const EXPIRES_AT: &str = "expires_at";

/// A secondary index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// The attribute of its partition key.
    pub pk: &'static str,
    /// The attribute of its sort key.
    pub sk: &'static str,
}

/// Lists of everything of a kind.
pub const BY_TIME: Index = Index { name: "by_time", pk: "time_pk", sk: "time_sk" };
/// Runs of a team.
pub const BY_TEAM: Index = Index { name: "by_team", pk: "team_pk", sk: "team_sk" };
/// Runs that stand alike.
pub const BY_STATUS: Index = Index { name: "by_status", pk: "status_pk", sk: "status_sk" };
/// All of them.
pub const INDEXES: [Index; 3] = [BY_TIME, BY_TEAM, BY_STATUS];

/// A partition key and a sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: &'static str,
}

/// A user.
pub fn user(id: Uuid) -> Key {
    Key { pk: format!("USER#{id}"), sk: "USER" }
}

/// The longest text that is part of a key as it is, in bytes. DynamoDB takes partition keys of 2,048 bytes and sort keys of 1,024,
/// and folding may make eleven bytes of one.
const MAX_PART_BYTES: usize = 900;

/// The folded form of a text as a part of a key: as it is or, where that is too long, its beginning and its hash.
fn key_part(text: &str) -> String {
    let folded = folded(text);
    if folded.len() <= MAX_PART_BYTES {
        return folded;
    }
    let hash: String = Sha256::digest(folded.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let beginning = &folded[..folded.floor_char_boundary(MAX_PART_BYTES - hash.len() - 1)];
    format!("{beginning}#{hash}")
}

/// The mark that an address is taken.
pub fn email(address: &str) -> Key {
    Key { pk: format!("EMAIL#{}", key_part(address)), sk: "EMAIL" }
}

/// The mark that a username is taken.
pub fn username(name: &str) -> Key {
    Key { pk: format!("USERNAME#{}", key_part(name)), sk: "USERNAME" }
}

/// A sales team.
pub fn team(id: Uuid) -> Key {
    Key { pk: format!("TEAM#{id}"), sk: "TEAM" }
}

/// The mark that the name of a team is taken.
pub fn team_name(name: &str) -> Key {
    Key { pk: format!("TEAMNAME#{}", key_part(name)), sk: "TEAMNAME" }
}

/// A run.
pub fn run(id: Uuid) -> Key {
    Key { pk: format!("RUN#{id}"), sk: "RUN" }
}

/// The id of the run whose partition key this is.
pub fn id_of_run(pk: &str) -> Option<Uuid> {
    pk.strip_prefix("RUN#")?.parse().ok()
}

/// What a run is to do.
pub fn run_request(id: Uuid) -> Key {
    Key { sk: "REQUEST", ..run(id) }
}

/// What the results of a run are.
pub fn run_results(id: Uuid) -> Key {
    Key { sk: "RESULTS", ..run(id) }
}

/// An idempotency key of a user, by its hash.
pub fn idempotency(user: Uuid, key_hash: &str) -> Key {
    Key { pk: format!("KEY#{user}#{key_hash}"), sk: "KEY" }
}

/// Failed log-ins of a username or from an address.
pub fn failures(kind: &str, whose: &str) -> Key {
    Key { pk: format!("FAILURES#{kind}#{whose}"), sk: "FAILURES" }
}

/// The item by whose writing and reading the table is tried out.
pub fn tried_out() -> Key {
    Key { pk: "TRIED_OUT".to_owned(), sk: "TRIED_OUT" }
}

/// The object by whose writing and reading the bucket is tried out.
pub const TRIED_OUT: &str = "health/tried_out";

/// The partition of all users in [`BY_TIME`].
pub const USERS: &str = "USERS";
/// The partition of all teams in [`BY_TIME`].
pub const TEAMS: &str = "TEAMS";
/// The partition of all runs in [`BY_TIME`].
pub const RUNS: &str = "RUNS";

/// The partition of a team's runs in [`BY_TEAM`].
pub fn runs_of_team(team: Uuid) -> String {
    format!("RUNS#{team}")
}

/// The partition of runs in [`BY_STATUS`].
pub fn runs_with_status(status: RunStatus) -> String {
    format!("RUNS#{status}")
}

/// A place in a list by creation. Its texts are in the order of the moments.
pub fn moment(at: Timestamp, id: Uuid) -> String {
    format!("{:015}#{id}", at.as_millisecond())
}

/// A place in the list of teams.
pub fn by_name(name: &str, id: Uuid) -> String {
    format!("{}#{id}", key_part(name))
}

/// The folder of a run's output files, in the bucket and among the files of the area.
pub fn outputs(run: Uuid) -> String {
    format!("outputs/{run}")
}

/// The folder of a run's archive in the bucket.
pub fn archive(run: Uuid) -> String {
    format!("archive/{run}")
}

/// The folder of a run's facts and exceptions in the bucket.
pub fn results(run: Uuid) -> String {
    format!("results/{run}")
}

/// The folder, among a run's results, of what the steps of a run in parts hand on to each other. It is gone with the run's end.
pub fn all_parts(run: Uuid) -> String {
    format!("{}/parts", results(run))
}

/// The folder of the parts of one attempt, by who made its plan: two attempts never mix.
pub fn parts(run: Uuid, owner: Uuid) -> String {
    format!("{}/{owner}", all_parts(run))
}

/// The list of the tapes of a run. It is written before the run is, so that one without a run may be left: nothing refers to it.
pub fn tape_list(run: Uuid) -> String {
    format!("{REQUESTS}/{run}.json")
}

/// The folder of such lists.
pub const REQUESTS: &str = "requests";

/// An answer that is too large to be sent: it is fetched from the bucket, which drops it after a day.
pub fn answer(id: Uuid, name: &str) -> String {
    format!("{ANSWERS}/{id}/{name}")
}

/// The folder of such answers.
pub const ANSWERS: &str = "answers";

/// The file, among a run's results, that says where the pages of facts and exceptions are.
pub const INDEX_FILE: &str = "index.json";

/// The file, among a run's results, that says how its tapes were read: their columns and units.
pub const COLUMN_MAPPING_FILE: &str = "column_mapping.json";

/// The file, among a run's results, that is its archive as a ZIP, once somebody has asked for it.
pub const ARCHIVE_ZIP: &str = "archive.zip";

/// The folder, in an area, that is the root of a team.
pub fn team_folder(team: Uuid) -> String {
    format!("teams/{team}")
}

/// The root of an area for a caller, in the bucket. Of the outputs a team has no root of its own: it sees the folders of
/// its runs.
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
        // One letter that is folded to eighteen.
        let name = |last: &str| format!("{}{last}", "\u{fdfa}".repeat(199));
        let id = Uuid::nil();
        assert!(folded(&name("a")).len() > 6_000);
        assert_eq!(team_name(&name("a")), team_name(&name("A")));
        assert_ne!(team_name(&name("a")), team_name(&name("b")));
        assert!(team_name(&name("a")).pk.len() <= 2_048 && by_name(&name("a"), id).len() <= 1_024);
    }
}
