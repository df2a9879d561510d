//! How a run comes about from tapes in the storage, whoever asks for it.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{Timestamp, civil::Date};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use crate::{
    paths::{PathError, TAPE_EXTENSIONS, safe_join, stored_path},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSetFile,
    storage::{Entry, FileInfo, StorageBackend, StorageError},
    stores::{
        keys,
        runs::{RunRequest, TapeList, TapeRef},
    },
    tape::request::ReadingRequest,
};

/// The most tapes of one run.
pub const MAX_TAPES: usize = 1000;
/// The largest rule set that a run may bring with it, in bytes.
pub const MAX_RULE_SET_BYTES: u64 = 64 * 1024;
/// How many files are asked for at once.
const ASKED_AT_ONCE: usize = 16;
/// The folder whose files start runs by themselves.
pub const INCOMING: &str = "incoming";
/// The file that says how the tapes of a folder are to be run. It is no tape, and no mistake of whoever sends tapes.
pub const PROFILE: &str = "profile.toml";

/// What somebody asked for.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The team whose run it is.
    pub sales_team_id: Option<Uuid>,
    /// The user who asked.
    pub created_by: Option<Uuid>,
    /// The target that prices follow from.
    pub irr_target: Option<IrrTarget>,
    /// The purchase date.
    pub pdate: Option<Date>,
    /// The rule set.
    pub rule_set: Option<RuleSetFile>,
    /// How the tapes are to be read.
    pub reading: ReadingRequest,
    /// Whether nothing but the run and its summary is to be kept.
    pub dry_run: bool,
}

/// What a new run is to do.
pub fn request(run_id: Uuid, terms: Terms, tapes: Vec<TapeRef>, now: Timestamp) -> RunRequest {
    RunRequest {
        run_id,
        created_at: now,
        sales_team_id: terms.sales_team_id,
        created_by: terms.created_by,
        irr_target: terms.irr_target.unwrap_or(IrrTarget::DEFAULT).percent().to_string(),
        pdate: terms.pdate,
        tapes: TapeList::Here(tapes),
        rule_set: terms.rule_set,
        reading: terms.reading,
        dry_run: terms.dry_run,
    }
}

/// Whether a file of that name is a tape.
pub fn is_tape(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // A text may be anything; it is a tape when it is named.
    TAPE_EXTENSIONS.iter().any(|extension| *extension != ".txt" && name.ends_with(extension))
}

/// The last part of a key.
pub fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// Which tapes somebody asked for, by paths below their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All tapes of a folder, but not of the folders in it.
    Folder(String),
    /// These.
    Files(Vec<String>),
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// A path that may not be.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A folder without tapes.
    #[error("There is no tape in this folder. Upload a .csv or .xlsx file to it.")]
    NoTape,
    /// A file that is not there.
    #[error("The tape `{0}` does not exist.")]
    Absent(String),
    /// A file that is no tape.
    #[error("`{0}` is no tape: name .csv or .xlsx files.")]
    NotATape(String),
    /// A file that was named before.
    #[error("`{0}` is named twice.")]
    Repeated(String),
    /// No tapes, or more than one run takes.
    #[error("A run takes 1 to {MAX_TAPES} tapes.")]
    Count,
    /// The storage fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Finds the tapes for a run below a root such as `inputs/teams/7`. The run reads the versions that are there now, or fails.
///
/// # Errors
/// There is nothing to run.
pub async fn find_tapes(storage: &dyn StorageBackend, root: &str, wanted: &Wanted) -> Result<Vec<TapeRef>, FindError> {
    let tapes = match wanted {
        Wanted::Folder(folder) => {
            let (stored, written) = (safe_join(root, &[&stored_path(folder)?])?, safe_join(root, &[folder])?);
            let tapes = tapes_of(storage.list(&stored, false).await?);
            // What came in by another way than this product may be in a folder of another name.
            if tapes.is_empty() && written != stored { tapes_of(storage.list(&written, false).await?) } else { tapes }
        }
        Wanted::Files(paths) => {
            let mut named_paths: Vec<(String, String)> = Vec::with_capacity(paths.len());
            if !(1..=MAX_TAPES).contains(&paths.len()) {
                return Err(FindError::Count);
            }
            for path in paths {
                let stored = stored_path(path)?;
                if !is_tape(&stored) {
                    return Err(FindError::NotATape(stored));
                }
                if named_paths.iter().any(|(_, other)| *other == stored) {
                    return Err(FindError::Repeated(stored));
                }
                named_paths.push((path.clone(), stored));
            }
            let found = named_paths
                .into_iter()
                .map(|(path, stored)| async move { find_file(storage, root, &path).await?.ok_or(FindError::Absent(stored)) });
            // Many at once, and in the order in which they were named.
            named(stream::iter(found).buffered(ASKED_AT_ONCE).try_collect().await?)
        }
    };
    match tapes.len() {
        0 => Err(FindError::NoTape),
        1..=MAX_TAPES => Ok(tapes),
        _ => Err(FindError::Count),
    }
}

/// A file below a root, with its path and its key: under the path as this product stores it, or else under the path to the letter.
/// `None` when there is neither.
///
/// # Errors
/// A path that may not be; the storage fails.
pub async fn find_file(
    storage: &dyn StorageBackend,
    root: &str,
    path: &str,
) -> Result<Option<(String, String, FileInfo)>, FindError> {
    let (stored, written) = (stored_path(path)?, safe_join("", &[path])?);
    let other = (written != stored).then_some(written);
    for path in [Some(stored), other].into_iter().flatten() {
        let key = safe_join(root, &[&path])?;
        if let Some(info) = storage.info(&key).await? {
            return Ok(Some((path, key, info)));
        }
    }
    Ok(None)
}

/// The tapes among the files of a folder, in the order of their names.
pub fn tapes_of(entries: Vec<Entry>) -> Vec<TapeRef> {
    let tapes = entries.into_iter().filter(|entry| is_tape(&entry.key));
    let mut tapes: Vec<TapeRef> =
        tapes.filter_map(|Entry { key, file }| file.map(|info| tape(file_name(&key).to_owned(), key, &info))).collect();
    tapes.sort_by(|a, b| a.source_file.cmp(&b.source_file));
    tapes
}

/// Tapes that were named one by one, with the paths that they were named by. They are called by their names alone, unless
/// two of them have the same.
pub fn named(found: Vec<(String, String, FileInfo)>) -> Vec<TapeRef> {
    let ambiguous = |path: &str| found.iter().filter(|(other, ..)| file_name(other) == file_name(path)).count() > 1;
    let by_path = found.iter().any(|(path, ..)| ambiguous(path));
    let name = |path: &str| if by_path { path.to_owned() } else { file_name(path).to_owned() };
    found.iter().map(|(path, key, info)| tape(name(path), key.clone(), info)).collect()
}

/// A tape in the storage.
pub fn tape(source_file: String, key: String, info: &FileInfo) -> TapeRef {
    TapeRef { key, source_file, size: info.size, etag: info.etag.clone() }
}

/// Whose run a file starts by appearing under a key: the team's, or nobody's. `None` when it starts none. A file that is no tape
/// starts one, too: the run fails and says so, where whoever sent the file looks for it.
pub fn incoming(key: &str) -> Option<Option<Uuid>> {
    let path = key.strip_prefix("inputs/")?;
    let (team, rest) = match path.strip_prefix("teams/").and_then(|path| path.split_once('/')) {
        Some((team, rest)) => {
            let id: Uuid = team.parse().ok()?;
            // Ids have one form in keys: another one is no team's folder.
            (keys::team_folder(id) == format!("teams/{team}")).then_some(())?;
            (Some(id), rest)
        }
        None => (None, path),
    };
    let below = rest.strip_prefix(INCOMING)?.strip_prefix('/')?;
    let folder = below.is_empty() || below.ends_with('/');
    (!folder && file_name(below) != PROFILE).then_some(team)
}

/// The id of the run that a version of an object starts: the same, however often it is told of.
pub fn run_of_object(key: &str, version: &str) -> Uuid {
    let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(version).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_come_in_start_runs_and_others_do_not() {
        let team = Uuid::from_u128(7);
        assert_eq!(incoming("inputs/incoming/a.csv"), Some(None));
        assert_eq!(incoming("inputs/incoming/2026/a.XLSX"), Some(None));
        // A mistake is to be seen.
        for name in ["offer.pdf", "loans.zip", "a.toml", "tape", "no profile.toml", ".DS_Store"] {
            assert_eq!(incoming(&format!("inputs/incoming/{name}")), Some(None), "{name}");
        }
        assert_eq!(incoming(&format!("inputs/teams/{team}/incoming/a.csv")), Some(Some(team)));
        for key in [
            "inputs/a.csv",
            "inputs/2026/incoming/a.csv",
            "inputs/incoming",
            "inputs/incoming/",
            "inputs/incoming/2026/",
            "inputs/incoming/profile.toml",
            "inputs/incoming/2026/profile.toml",
            &format!("inputs/teams/{team}/incoming/"),
            &format!("inputs/teams/{team}/incoming/profile.toml"),
            "inputs/incomings/a.csv",
            "outputs/incoming/a.csv",
            "inputs/teams/7/incoming/a.csv",
            "inputs/teams/incoming/a.csv",
            &format!("inputs/teams/{}/incoming/a.csv", team.simple()),
            &format!("inputs/teams/{team}/x/incoming/a.csv"),
            &format!("archive/{team}/input/incoming/a.csv"),
        ] {
            assert_eq!(incoming(key), None, "{key}");
        }
    }

    #[test]
    fn a_version_of_an_object_has_one_run() {
        assert_eq!(run_of_object("a", "1"), run_of_object("a", "1"));
        assert_ne!(run_of_object("a", "1"), run_of_object("a", "2"));
        assert_ne!(run_of_object("a", "1"), run_of_object("b", "1"));
        assert_ne!(run_of_object("a1", ""), run_of_object("a", "1"));
    }

    #[test]
    fn tapes_of_one_name_are_called_by_their_paths() {
        let info = FileInfo { size: 1, etag: "e".to_owned(), last_modified: Timestamp::UNIX_EPOCH, content_type: None };
        let names = |paths: &[&str]| {
            let found = paths.iter().map(|path| ((*path).to_owned(), format!("inputs/{path}"), info.clone())).collect();
            named(found).into_iter().map(|tape| tape.source_file).collect::<Vec<_>>()
        };
        assert_eq!(names(&["x/a.csv", "y/b.csv"]), ["a.csv", "b.csv"]);
        assert_eq!(names(&["x/a.csv", "y/a.csv", "b.csv"]), ["x/a.csv", "y/a.csv", "b.csv"]);
    }
}
