//! How a run comes about from tapes in the storage, whoever asks for it.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{Timestamp, civil::Date};
use sha2::{Digest as _, Sha256};
use shared::{
    folder::{FileKind, INCOMING, LeftOut, PROFILE, is_text_without_header, profile_places},
    paths::{PathError, safe_join, stored_path},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSetFile,
    tape::{
        options::TapeOptions,
        profile::MAX_PROFILE_BYTES,
        request::{ProfileFile, ReadingError, ReadingRequest},
        source::MemorySource,
    },
};
use uuid::{Builder, Uuid};

use crate::{
    keys,
    runs::{RunRequest, TapeList, TapeRef},
    storage::{Entry, FileInfo, StorageBackend, StorageError, collect},
};

/// The most tapes of one run.
pub const MAX_TAPES: usize = 1000;
/// How many files are asked for at once.
const ASKED_AT_ONCE: usize = 16;
/// How much of a text tells whether it has a header row, in bytes, and how many texts are looked at at once.
const LOOKED_AT_BYTES: u64 = 128 * 1024;
const TEXTS_AT_ONCE: usize = 4;

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
    /// The other files in the folder of the tapes.
    pub left_out: LeftOut,
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
        left_out: terms.left_out,
        dry_run: terms.dry_run,
    }
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
    #[error("`{0}` is no tape: name files such as .csv, .xlsx or .txt.")]
    NotATape(String),
    /// A file that was named before.
    #[error("`{0}` is named twice.")]
    Repeated(String),
    /// Tapes of several folders, of which one says in a profile how its tapes are read.
    #[error(
        "The tapes are in several folders, and `{0}` is for those of its folder alone. Make a run of each folder, or name a profile."
    )]
    SeveralFolders(String),
    /// The profile of the folder has mistakes.
    #[error("The file {PROFILE} in the folder of the tapes: {0}")]
    Profile(#[from] ReadingError),
    /// No tapes, or more than one run takes.
    #[error("A run takes 1 to {MAX_TAPES} tapes.")]
    Count,
    /// The storage fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The tapes of a run, and how they are to be read.
#[derive(Debug)]
pub struct FoundTapes {
    /// The tapes, in the order in which their loans come.
    pub tapes: Vec<TapeRef>,
    /// How they are to be read: what was asked for, or else what the profile of their folder says.
    pub reading: ReadingRequest,
    /// The other files of the folder.
    pub left_out: LeftOut,
}

/// Finds the tapes for a run below a root such as `inputs/teams/7`, and how they are to be read. The run reads the versions that are
/// there now, or fails.
///
/// # Errors
/// There is nothing to run, or the profile of the tapes' folder cannot be used.
pub async fn find_tapes(
    storage: &dyn StorageBackend,
    root: &str,
    wanted: &Wanted,
    mut reading: ReadingRequest,
) -> Result<FoundTapes, FindError> {
    let (tapes, others) = match wanted {
        Wanted::Folder(folder) => {
            let (stored, written) = (safe_join(root, &[&stored_path(folder)?])?, safe_join(root, &[folder])?);
            let files = files_of(storage.list(&stored, false).await?);
            // What came in by another way than this product may be in a folder of another name.
            if files.0.is_empty() && written != stored { files_of(storage.list(&written, false).await?) } else { files }
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

/// The tapes that somebody names, in this order.
async fn named_tapes(storage: &dyn StorageBackend, root: &str, paths: &[String]) -> Result<Vec<TapeRef>, FindError> {
    let mut named_paths: Vec<(String, String)> = Vec::with_capacity(paths.len());
    if !(1..=MAX_TAPES).contains(&paths.len()) {
        return Err(FindError::Count);
    }
    for path in paths {
        let stored = stored_path(path)?;
        // What the path says, since the stored one leaves out the point in front of a hidden file.
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
    // Many at once, and in the order in which they were named.
    Ok(named(stream::iter(found).buffered(ASKED_AT_ONCE).try_collect().await?))
}

/// The profile of the folder that tapes are in, if it has one.
///
/// # Errors
/// The tapes are in several folders, and one of these has a profile; the storage fails.
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
    // The size as it is now: the profile may have been replaced, or taken away, since it was found.
    let Some(info) = storage.info(&key).await? else { return Ok(None) };
    // One byte more than it may have tells that it is too large.
    let bytes = match head_of(storage, &key, info.size, None, MAX_PROFILE_BYTES + 1).await {
        Err(StorageError::NotFound) => return Ok(None),
        bytes => bytes?,
    };
    let toml = String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned();
    let called = PROFILE.strip_suffix(".toml").unwrap_or(PROFILE).to_owned();
    Ok(Some(ProfileFile { called, toml }))
}

/// The tapes of a folder without its texts that have no header row, and the names of these.
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

/// Whether a text has the header row of a tape.
///
/// # Errors
/// The storage fails.
pub async fn has_header(storage: &dyn StorageBackend, tape: &TapeRef, options: &TapeOptions) -> Result<bool, FindError> {
    let head = head_of(storage, &tape.key, tape.size, Some(&tape.etag), LOOKED_AT_BYTES).await?;
    let (source, options) = (MemorySource::new(tape.source_file.clone(), head), options.clone());
    // Off the async threads: a header is looked for under every delimiter.
    let looked = tokio::task::spawn_blocking(move || !is_text_without_header(&source, &options)).await;
    // A text that brings the reader down is left to the run, which says so.
    Ok(looked.unwrap_or(true))
}

/// The beginning of a file of this size, of at most so many bytes.
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

/// The files of a folder that may be tapes, in the order of their names, and the names of its other files.
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
/// starts one, too: the run fails and says so, where the seller looks for it. What no seller sends, such as a profile, starts none.
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
    (!folder && FileKind::of(file_name(below)) != FileKind::Unsent).then_some(team)
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
