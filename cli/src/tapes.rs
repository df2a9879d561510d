//! Finding the tapes that the user named, and naming them in results.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsStr,
    fs,
    path::{Component, Path, PathBuf},
};

use command::{CommandContext, error::CommandError};
use shared::{
    error::RunError,
    file_types::tape_extensions,
    folder::{FileKind, INCOMING, LeftOut, PROFILE},
    manifest::archived_tape,
    run::RunTape,
    tape::{
        not_a_tape::is_text_without_header,
        options::TapeOptions,
        source::{FileSource, TapeSource},
        workbook::looks_like_workbook,
    },
};

use crate::spool::Spool;

/// The argument that names standard input.
const STANDARD_INPUT: &str = "-";
/// Names of the tape from standard input: as a CSV, and as a workbook.
const NAMES: [&str; 2] = ["stdin.csv", "stdin.xlsx"];

/// A tape that exists.
#[derive(Debug, Clone)]
pub struct FoundTape {
    /// Path of the tape. All symbolic links but the last are resolved, so that the tape keeps the name that the user gave.
    pub path: PathBuf,
    /// Path of the file with all links resolved: the same for two names of one file. `-` for standard input.
    pub file: PathBuf,
    /// Name of the tape in results, in the archive and in errors.
    pub source_file: String,
    /// Whether the file was found in a folder that the user named.
    is_of_folder: bool,
    /// Whether the file is a text found in a folder. Such a text is a tape only when it has a header row.
    is_text_of_folder: bool,
    /// The content of standard input, once it has been read.
    spool: Option<Spool>,
}

/// The tapes that the arguments name, and the other files in the folders that they name.
#[derive(Debug, Clone)]
pub struct FoundTapes {
    pub tapes: Vec<FoundTape>,
    /// The files that are no tapes.
    others: Vec<PathBuf>,
    /// The arguments, as the user wrote them.
    shown: String,
}

impl FoundTapes {
    /// The profile of the folder that the tapes are in, if it has one.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when the tapes are in several folders and one of these has a profile.
    pub fn profile(&self) -> Result<Option<PathBuf>, CommandError> {
        let files = self.tapes.iter().filter(|tape| !tape.is_standard_input());
        let folders: BTreeSet<&Path> = files.filter_map(|tape| tape.path.parent()).collect();
        let several = folders.len() > 1 || self.tapes.iter().any(FoundTape::is_standard_input);
        let places = folders.into_iter().flat_map(|folder| {
            let above = folder.parent().filter(|_| folder.file_name() == Some(OsStr::new(INCOMING)));
            [Some(folder), above].into_iter().flatten().map(|folder| folder.join(PROFILE)).find(|place| place.is_file())
        });
        match places.collect::<Vec<_>>().first() {
            Some(place) if several => Err(CommandError::Usage(format!(
                "The tapes are in several folders, and {} is for those of its folder alone. Make a run of each folder, or name a \
                 profile with --profile.",
                place.display()
            ))),
            place => Ok(place.cloned()),
        }
    }

    /// Leaves out the rule set and the files that it names, where they are in a folder of tapes. They are neither tapes nor files that
    /// the run does not read.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when no tape is left.
    pub fn without_files_of(mut self, rule_set: &Path, named: &[String]) -> Result<Self, CommandError> {
        // The folder in which the rule set is named, also when its name is a link to another folder.
        let folder = match rule_set.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let Ok(folder) = folder.canonicalize() else { return Ok(self) };
        let is_named =
            |path: &Path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| named.iter().any(|of| of == name));
        let is_of_rules = |path: &Path| {
            let is_rule_set = path.file_name() == rule_set.file_name();
            path.parent() == Some(&folder) && (is_rule_set || is_named(path))
        };
        let all = self.tapes.len();
        self.tapes.retain(|tape| !(tape.is_of_folder && is_of_rules(&tape.path)));
        self.others.retain(|path| !is_of_rules(path));
        if self.tapes.is_empty() {
            return Err(no_tape(&self.shown));
        }
        if self.tapes.len() < all {
            name_all(&mut self.tapes)?;
        }
        Ok(self)
    }

    /// Leaves out texts of folders when they have no header row. Returns the tapes, and the files that are left out.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when no tape is left.
    pub fn with_headers(self, options: &TapeOptions) -> Result<(Vec<FoundTape>, LeftOut), CommandError> {
        let is_tape = |tape: &FoundTape| {
            !tape.is_text_of_folder || !tape.source().is_ok_and(|source| is_text_without_header(source.as_ref(), options))
        };
        let (tapes, others): (Vec<_>, Vec<_>) = self.tapes.into_iter().partition(is_tape);
        if tapes.is_empty() {
            return Err(no_tape(&self.shown));
        }
        let name = |path: PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = others.into_iter().map(|tape| tape.source_file).chain(self.others.into_iter().map(name)).collect();
        Ok((tapes, LeftOut::new(names)))
    }
}

impl FoundTape {
    fn of_standard_input() -> Self {
        Self {
            path: NAMES[0].into(),
            file: STANDARD_INPUT.into(),
            source_file: String::new(),
            is_of_folder: false,
            is_text_of_folder: false,
            spool: None,
        }
    }

    fn is_standard_input(&self) -> bool {
        self.file == Path::new(STANDARD_INPUT)
    }

    /// The tape as the run names it. The size is 0 when the file has disappeared meanwhile; the run then fails.
    pub fn named(&self) -> RunTape {
        let size = self.source().map_or(0, |source| source.size());
        RunTape { path: self.source_file.clone(), size, etag: None }
    }

    /// Opens the tape for the engine.
    ///
    /// # Errors
    /// [`RunError`] when the file has disappeared meanwhile.
    pub fn source(&self) -> Result<Box<dyn TapeSource>, RunError> {
        let name = self.source_file.clone();
        match &self.spool {
            Some(spool) => Ok(Box::new(spool.source(name))),
            None => match FileSource::new(self.path.clone(), name) {
                Ok(source) => Ok(Box::new(source)),
                Err(error) => Err(RunError::unreadable(&self.source_file, &error)),
            },
        }
    }
}

/// Finds the tapes that the arguments name, in the order of the arguments; the tapes of a folder in the order of their names.
/// Reads no tape yet.
///
/// # Errors
/// [`CommandError::Usage`] when a tape or a folder does not exist, a folder has no tape, a file is named twice, or an archive
/// cannot keep the name of a tape.
pub fn find(given: &[PathBuf], context: &CommandContext) -> Result<FoundTapes, CommandError> {
    let (mut tapes, mut left_out) = (Vec::new(), Vec::new());
    for shown in given {
        if shown == Path::new(STANDARD_INPUT) {
            tapes.push(FoundTape::of_standard_input());
            continue;
        }
        let path = context.locate(shown);
        let metadata = fs::metadata(&path).map_err(|error| not_there(shown, &error))?;
        if metadata.is_dir() {
            tapes.extend(tapes_of_folder(&path, shown, &mut left_out)?);
        } else if metadata.is_file() {
            tapes.push(found(&path, shown)?);
        } else {
            let what_to_name = "Name a tape, or read one from standard input with `-`";
            return Err(CommandError::Usage(format!("{} is neither a file nor a folder. {what_to_name}.", shown.display())));
        }
    }
    refuse_repeats(&tapes)?;
    name_all(&mut tapes)?;
    let shown: Vec<String> = given.iter().map(|shown| shown.display().to_string()).collect();
    Ok(FoundTapes { tapes, others: left_out, shown: shown.join(", ") })
}

/// Reads the tape from standard input, if the arguments name one, and names the tape by its format.
///
/// # Errors
/// [`CommandError::Failed`] when standard input cannot be read, or the temporary folder cannot hold it.
pub fn read_standard_input(tapes: &mut [FoundTape], context: &CommandContext) -> Result<(), CommandError> {
    let Some(tape) = tapes.iter_mut().find(|tape| tape.is_standard_input()) else { return Ok(()) };
    let spooled = Spool::read((context.standard_input)()).and_then(|spool| Ok((spool.head(8)?, spool)));
    let (head, spool) = spooled.map_err(|error| {
        let sentence = format!("The tape from standard input could not be kept in the temporary folder: {error}.");
        CommandError::Failed(format!("{sentence} Make room there, or name a file."))
    })?;
    tape.spool = Some(spool);
    tape.path = NAMES[usize::from(looks_like_workbook(&head))].into();
    name_all(tapes)
}

/// Gives each tape a name that an archive can keep.
fn name_all(tapes: &mut [FoundTape]) -> Result<(), CommandError> {
    name(tapes);
    let mut names = HashSet::new();
    for tape in tapes.iter() {
        let kept = archived_tape(&tape.source_file).map_err(|error| CommandError::Usage(error.to_string()))?;
        // Two names may still be the same when a folder's name is not valid Unicode.
        if !kept.ends_with(&tape.source_file) || !names.insert(&tape.source_file) {
            let sentence = format!("The tape {} has a name that an archive cannot keep. Rename it.", tape.source_file);
            return Err(CommandError::Usage(sentence));
        }
    }
    Ok(())
}

fn no_tape(folder: &str) -> CommandError {
    let known = tape_extensions().collect::<Vec<_>>().join(", ");
    CommandError::Usage(format!(
        "There is no tape in the folder {folder}: its tapes are the files {known}; a .txt needs a header row."
    ))
}

fn not_there(shown: &Path, error: &std::io::Error) -> CommandError {
    let reason =
        if error.kind() == std::io::ErrorKind::NotFound { "there is no such file".to_owned() } else { error.to_string() };
    CommandError::Usage(format!("The tape {} cannot be read: {reason}. Check its name and folder.", shown.display()))
}

fn found(path: &Path, shown: &Path) -> Result<FoundTape, CommandError> {
    let failed = |error| not_there(shown, &error);
    let file = path.canonicalize().map_err(failed)?;
    let path = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => folder.canonicalize().map_err(failed)?.join(name),
        _ => file.clone(),
    };
    if path.file_name().and_then(OsStr::to_str).is_none() {
        let sentence = format!("The name of the tape {} is not valid Unicode. Rename it.", shown.display());
        return Err(CommandError::Usage(sentence));
    }
    Ok(FoundTape { path, file, source_file: String::new(), is_of_folder: false, is_text_of_folder: false, spool: None })
}

/// Finds the tapes of a folder. Adds its other files to `left_out`, except those that no seller sends, such as hidden files.
fn tapes_of_folder(folder: &Path, shown: &Path, left_out: &mut Vec<PathBuf>) -> Result<Vec<FoundTape>, CommandError> {
    let failed = |error| not_there(shown, &error);
    let folder = &folder.canonicalize().map_err(failed)?;
    let (mut names, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // `found` rejects a tape whose name is not valid Unicode.
        let kind = FileKind::of(&name.to_string_lossy());
        if kind == FileKind::Unsent || !fs::metadata(folder.join(&name)).is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        if kind.may_be_a_tape() {
            names.push((name, kind == FileKind::Text));
        } else {
            others.push(folder.join(name));
        }
    }
    if names.is_empty() {
        return Err(no_tape(&shown.display().to_string()));
    }
    names.sort();
    left_out.extend(others);
    let tape = |(name, is_text_of_folder)| {
        let found = found(&folder.join(&name), &shown.join(&name))?;
        Ok(FoundTape { is_of_folder: true, is_text_of_folder, ..found })
    };
    names.into_iter().map(tape).collect()
}

fn refuse_repeats(tapes: &[FoundTape]) -> Result<(), CommandError> {
    let mut files = HashSet::new();
    match tapes.iter().find(|tape| !files.insert(&tape.file)) {
        None => Ok(()),
        Some(tape) if tape.is_standard_input() => {
            Err(CommandError::Usage("Standard input is named twice. It holds one tape.".to_owned()))
        }
        Some(tape) => {
            let sentence = format!("The tape {} is named twice. Name each tape once.", tape.path.display());
            Err(CommandError::Usage(sentence))
        }
    }
}

/// Gives each tape its file name, or when several tapes have the same one, the shortest end of its path that no other tape has.
fn name(tapes: &mut [FoundTape]) {
    let paths: Vec<Vec<String>> = tapes.iter().map(|tape| names_of(&tape.path)).collect();
    let mut namesakes: HashMap<Option<&String>, Vec<usize>> = HashMap::new();
    for (at, path) in paths.iter().enumerate() {
        namesakes.entry(path.last()).or_default().push(at);
    }
    for (at, tape) in tapes.iter_mut().enumerate() {
        let path = &paths[at];
        let is_apart = |length: &usize| {
            let end = &path[path.len() - length..];
            namesakes[&path.last()].iter().all(|other| *other == at || !paths[*other].ends_with(end))
        };
        let length = (1..=path.len()).find(is_apart).unwrap_or(path.len());
        tape.source_file = path[path.len() - length..].join("/");
    }
}

fn names_of(path: &Path) -> Vec<String> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(paths: &[&str]) -> Vec<String> {
        let tape = |path: &&str| FoundTape {
            path: path.into(),
            file: path.into(),
            source_file: String::new(),
            is_of_folder: false,
            is_text_of_folder: false,
            spool: None,
        };
        let mut tapes: Vec<FoundTape> = paths.iter().map(tape).collect();
        name(&mut tapes);
        tapes.into_iter().map(|tape| tape.source_file).collect()
    }

    #[test]
    fn a_name_is_as_short_as_it_can_be_and_nobody_elses() {
        assert_eq!(named(&["/d/a/x.csv", "/d/b/y.csv"]), ["x.csv", "y.csv"]);
        assert_eq!(named(&["/d/a/x.csv", "/d/b/x.csv", "/d/b/y.csv"]), ["a/x.csv", "b/x.csv", "y.csv"]);
        assert_eq!(named(&["/d/a/m/x.csv", "/d/b/m/x.csv"]), ["a/m/x.csv", "b/m/x.csv"]);
        assert_eq!(named(&["/m/x.csv", "/b/m/x.csv"]), ["m/x.csv", "b/m/x.csv"]);
        assert_eq!(named(&["/d/stdin.csv", NAMES[0]]), ["d/stdin.csv", "stdin.csv"]);
    }
}
