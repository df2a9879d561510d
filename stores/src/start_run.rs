//! Starts runs from tapes in the storage, for requests of users and for incoming tapes alike.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{Timestamp, civil::Date};
use sha2::{Digest as _, Sha256};
use shared::{
    folder::{FileKind, INCOMING, LeftOut, PROFILE, profile_places},
    paths::{PathError, safe_join, stored_path},
    phases::pricing::IrrTarget,
    rules::rule_set::RunRules,
    tape::{
        not_a_tape::is_text_without_header,
        options::TapeOptions,
        profile::MAX_PROFILE_BYTES,
        request::{ProfileFile, ReadingError, ReadingRequest},
        source::MemorySource,
    },
    waivers::WaiverFile,
};
use uuid::{Builder, Uuid};

use crate::{
    keys,
    runs::{RulesOfRun, RunRequest, TapeList, TapeRef, WaiversOfRun},
    storage::{Entry, FileInfo, StorageBackend, StorageError, collect},
};

/// Largest number of tapes of one run.
pub const MAX_TAPES: usize = 1000;
/// Number of concurrent look-ups of files.
const ASKED_AT_ONCE: usize = 16;
/// Number of bytes at the beginning of a text file that decide whether it has a header row.
const LOOKED_AT_BYTES: u64 = 128 * 1024;
/// Number of text files that are read at the same time.
const TEXTS_AT_ONCE: usize = 4;

/// Terms of a new run.
#[derive(Debug, Clone, Default)]
pub struct RunOrder {
    /// Sales team that the run belongs to; `None` for a run of no team.
    pub sales_team_id: Option<Uuid>,
    /// User who starts the run; `None` for an incoming tape.
    pub created_by: Option<Uuid>,
    /// Name of that user.
    pub created_by_username: Option<String>,
    /// IRR target that prices follow from; `None` for the default.
    pub irr_target: Option<IrrTarget>,
    /// Purchase date, if the user gives one.
    pub pdate: Option<Date>,
    /// The rule set; `None` for the built-in one.
    pub rules: RunRules,
    /// The file of waivers; `None` for a run without one.
    pub waivers: Option<WaiverFile>,
    /// How to read the tapes.
    pub reading: ReadingRequest,
    /// The other files in the folder of the tapes.
    pub left_out: LeftOut,
    /// Whether to keep only the run and its summary.
    pub dry_run: bool,
    /// Whether to count the loans that were in earlier runs.
    pub check_history: bool,
}

/// The request of a new run.
pub fn request(run_id: Uuid, order: RunOrder, tapes: Vec<TapeRef>, now: Timestamp) -> RunRequest {
    RunRequest {
        run_id,
        created_at: now,
        sales_team_id: order.sales_team_id,
        created_by: order.created_by,
        created_by_username: order.created_by_username,
        irr_target: order.irr_target.unwrap_or(IrrTarget::DEFAULT),
        pdate: order.pdate,
        tapes: TapeList::Here(tapes),
        rules: RulesOfRun::Here(order.rules),
        waivers: order.waivers.map(WaiversOfRun::Here),
        shown_rules: None,
        reading: order.reading,
        left_out: order.left_out,
        dry_run: order.dry_run,
        check_history: order.check_history,
    }
}

/// The last part of a key.
pub fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// The tapes that a user asks for, as paths below the root of the area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All tapes of a folder, without those of its subfolders.
    Folder(String),
    /// These files.
    Files(Vec<String>),
}

/// Why the tapes of a run cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// A path is refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The folder has no tape.
    #[error("There is no tape in this folder. Upload a .csv or .xlsx file to it.")]
    NoTape,
    /// A named file does not exist.
    #[error("The tape `{0}` does not exist.")]
    Absent(String),
    /// A named file is not a tape.
    #[error("`{0}` is no tape: name files such as .csv, .xlsx or .txt.")]
    NotATape(String),
    /// A file is named twice.
    #[error("`{0}` is named twice.")]
    Repeated(String),
    /// The tapes are in several folders, and one of the folders has a profile, which applies only to its own tapes.
    #[error(
        "The tapes are in several folders, and `{0}` is for those of its folder alone. Make a run of each folder, or name a profile."
    )]
    SeveralFolders(String),
    /// The profile of the folder is not valid.
    #[error("The file {PROFILE} in the folder of the tapes: {0}")]
    Profile(#[from] ReadingError),
    /// No tape is named, or there are more than [`MAX_TAPES`].
    #[error("A run takes 1 to {MAX_TAPES} tapes.")]
    Count,
    /// The storage fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The tapes of a run, and how to read them.
#[derive(Debug)]
pub struct FoundTapes {
    /// The tapes, in the order of their loans in the results.
    pub tapes: Vec<TapeRef>,
    /// How to read the tapes. Its profile is that of the request or else that of the tapes' folder.
    pub reading: ReadingRequest,
    /// The other files of the folder.
    pub left_out: LeftOut,
}

/// Finds the tapes for a run below a root such as `inputs/teams/7`, and how to read them. The run reads the versions that exist
/// now, or fails. In a folder, the objects with the keys `rule_files` are files of the run's rule set and no tapes.
///
/// # Errors
/// [`FindError`] when there is no tape, when a path, a named file or the profile of the folder cannot be used, or when the
/// storage fails.
pub async fn find_tapes(
    storage: &dyn StorageBackend,
    root: &str,
    wanted: &Wanted,
    rule_files: &[String],
    mut reading: ReadingRequest,
) -> Result<FoundTapes, FindError> {
    let of_folder = |mut entries: Vec<Entry>| {
        entries.retain(|entry| !rule_files.contains(&entry.key));
        files_of(entries)
    };
    let (tapes, others) = match wanted {
        Wanted::Folder(folder) => {
            let (stored, written) = (safe_join(root, &[&stored_path(folder)?])?, safe_join(root, &[folder])?);
            let files = of_folder(storage.list(&stored, false).await?);
            // Files that another tool uploaded may be in a folder with the name as written, not as this product stores it.
            if files.0.is_empty() && written != stored { of_folder(storage.list(&written, false).await?) } else { files }
        }
        Wanted::Files(paths) => (named_tapes(storage, root, paths).await?, Vec::new()),
    };
    if reading.profile.is_none() {
        reading.profile = folder_profile(storage, &tapes).await?;
    }
    let (options, _) = reading.options()?;
    let (tapes, mut left_out) = match wanted {
        Wanted::Folder(_) => tapes_with_header(storage, tapes, &options).await?,
        Wanted::Files(_) => (tapes, Vec::new()),
    };
    left_out.extend(others);
    match tapes.len() {
        0 => Err(FindError::NoTape),
        1..=MAX_TAPES => Ok(FoundTapes { tapes, reading, left_out: LeftOut::new(left_out) }),
        _ => Err(FindError::Count),
    }
}

/// The tapes that a user names, in the order of their names, as the tapes of a folder.
async fn named_tapes(storage: &dyn StorageBackend, root: &str, paths: &[String]) -> Result<Vec<TapeRef>, FindError> {
    let mut named_paths: Vec<(String, String)> = Vec::with_capacity(paths.len());
    if !(1..=MAX_TAPES).contains(&paths.len()) {
        return Err(FindError::Count);
    }
    for path in paths {
        let stored = stored_path(path)?;
        // Check the path as given, too, because the stored path omits the dot of a hidden file.
        if ![path, &stored].iter().all(|path| FileKind::of(file_name(path)).may_be_a_tape()) {
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
    // `buffered` looks up many files at once.
    let mut tapes = named(stream::iter(found).buffered(ASKED_AT_ONCE).try_collect().await?);
    tapes.sort_by(|a, b| a.source_file.cmp(&b.source_file));
    Ok(tapes)
}

/// The profile of the folder of the tapes, if it has one.
///
/// # Errors
/// [`FindError::SeveralFolders`] when the tapes are in several folders and one of the folders has a profile;
/// [`FindError::Storage`] when the storage fails.
pub async fn folder_profile(storage: &dyn StorageBackend, tapes: &[TapeRef]) -> Result<Option<ProfileFile>, FindError> {
    let folder = |tape: &TapeRef| tape.key.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let folders: BTreeSet<String> = tapes.iter().map(folder).collect();
    let several = folders.len() > 1;
    let find = |folder: String| async move {
        for place in profile_places(&folder) {
            if storage.info(&place).await?.is_some() {
                return Ok::<_, StorageError>(Some(place));
            }
        }
        Ok(None)
    };
    let found: Vec<Option<String>> = stream::iter(folders.into_iter().map(find)).buffered(ASKED_AT_ONCE).try_collect().await?;
    let Some(key) = found.into_iter().flatten().next() else { return Ok(None) };
    if several {
        return Err(FindError::SeveralFolders(key));
    }
    // Read the size again: the profile may have been replaced or deleted since it was found.
    let Some(info) = storage.info(&key).await? else { return Ok(None) };
    // Read one byte more than allowed, which shows that a profile is too large.
    let bytes = match head_of(storage, &key, info.size, None, MAX_PROFILE_BYTES + 1).await {
        Err(StorageError::NotFound) => return Ok(None),
        bytes => bytes?,
    };
    let toml = String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned();
    let called = PROFILE.strip_suffix(".toml").unwrap_or(PROFILE).to_owned();
    Ok(Some(ProfileFile::new(called, toml)))
}

/// Splits the tapes of a folder into those that a run reads and the names of text files that have no header row.
async fn tapes_with_header(
    storage: &dyn StorageBackend,
    tapes: Vec<TapeRef>,
    options: &TapeOptions,
) -> Result<(Vec<TapeRef>, Vec<String>), FindError> {
    let look = |tape: TapeRef| async move {
        let is_text = FileKind::of(file_name(&tape.key)) == FileKind::Text;
        let is_tape = !is_text || has_header(storage, &tape, options).await?;
        Ok::<_, FindError>((tape, is_tape))
    };
    let looked: Vec<(TapeRef, bool)> = stream::iter(tapes.into_iter().map(look)).buffered(TEXTS_AT_ONCE).try_collect().await?;
    let (tapes, others): (Vec<_>, Vec<_>) = looked.into_iter().partition(|(_, is_tape)| *is_tape);
    let names = others.into_iter().map(|(tape, _)| tape.source_file);
    Ok((tapes.into_iter().map(|(tape, _)| tape).collect(), names.collect()))
}

/// Whether a text file has the header row of a tape.
///
/// # Errors
/// [`FindError::Storage`] when the storage fails, or when the file was deleted or replaced.
pub async fn has_header(storage: &dyn StorageBackend, tape: &TapeRef, options: &TapeOptions) -> Result<bool, FindError> {
    let head = head_of(storage, &tape.key, tape.size, Some(&tape.etag), LOOKED_AT_BYTES).await?;
    let (source, options) = (MemorySource::new(tape.source_file.clone(), head), options.clone());
    // Search outside the async threads, because the search tries every delimiter.
    let looked = tokio::task::spawn_blocking(move || !is_text_without_header(&source, &options)).await;
    // If the text file crashes the reader, let the run report it.
    Ok(looked.unwrap_or(true))
}

/// The first bytes of a file of this size, at most `most` of them.
async fn head_of(
    storage: &dyn StorageBackend,
    key: &str,
    size: u64,
    etag: Option<&str>,
    most: u64,
) -> Result<Vec<u8>, StorageError> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let download = storage.get(key, Some(0..size.min(most)), etag).await?;
    collect(download.body, usize::try_from(most).unwrap_or(usize::MAX)).await
}

/// Finds a file below a root, and returns its path, its key and its metadata. The file is looked up under the path as this
/// product stores it, and then under the path exactly as written. `None` when neither exists.
///
/// # Errors
/// [`FindError::Path`] when the path is refused; [`FindError::Storage`] when the storage fails.
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

/// The files of a folder that may be tapes, sorted by name, and the names of its other files.
pub fn files_of(entries: Vec<Entry>) -> (Vec<TapeRef>, Vec<String>) {
    let (mut tapes, mut others) = (Vec::new(), Vec::new());
    for Entry { key, file } in entries {
        let (Some(info), name) = (file, file_name(&key).to_owned()) else { continue };
        match FileKind::of(&name) {
            FileKind::Tape | FileKind::Text => tapes.push(tape(name, key, &info)),
            FileKind::Unsent => {}
            FileKind::Other => others.push(name),
        }
    }
    tapes.sort_by(|a: &TapeRef, b| a.source_file.cmp(&b.source_file));
    (tapes, others)
}

/// References to tapes that the user named, from their paths, keys and metadata. The source file of a tape is its file name. If
/// two of the tapes have the same file name, the source file of every tape is its path.
pub fn named(found: Vec<(String, String, FileInfo)>) -> Vec<TapeRef> {
    let ambiguous = |path: &str| found.iter().filter(|(other, ..)| file_name(other) == file_name(path)).count() > 1;
    let by_path = found.iter().any(|(path, ..)| ambiguous(path));
    let name = |path: &str| if by_path { path.to_owned() } else { file_name(path).to_owned() };
    found.iter().map(|(path, key, info)| tape(name(path), key.clone(), info)).collect()
}

pub fn tape(source_file: String, key: String, info: &FileInfo) -> TapeRef {
    TapeRef { key, source_file, size: info.size, etag: info.etag.clone() }
}

/// The team of the run that a new file with this key starts: `Some(None)` for a run of no team, `None` when the file starts no
/// run. A file that is not a tape also starts a run: the run fails and says why, and the seller looks for the answer there. A
/// file that a seller does not send, such as a profile, starts no run.
pub fn incoming(key: &str) -> Option<Option<Uuid>> {
    let path = key.strip_prefix("inputs/")?;
    let (team, rest) = match path.strip_prefix("teams/").and_then(|path| path.split_once('/')) {
        Some((team, rest)) => {
            let id: Uuid = team.parse().ok()?;
            // Ids have only one form in keys. A folder whose name has another form is not the folder of a team.
            (keys::team_folder(id) == format!("teams/{team}")).then_some(())?;
            (Some(id), rest)
        }
        None => (None, path),
    };
    let below = rest.strip_prefix(INCOMING)?.strip_prefix('/')?;
    let folder = below.is_empty() || below.ends_with('/');
    (!folder && FileKind::of(file_name(below)) != FileKind::Unsent).then_some(team)
}

/// Id of the run that a version of an object starts. It is the same for every notification of that version.
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
        // A seller's mistake starts a run, so that it is visible.
        for name in ["offer.pdf", "loans.zip", "a.toml", "tape", "no profile.toml", "notes.txt"] {
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
            "inputs/incoming/.DS_Store",
            "inputs/incoming/~$tape.xlsx",
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
