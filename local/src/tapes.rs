//! Finding the tapes that the user named, and naming them in results.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs,
    path::{Component, Path, PathBuf},
};

use shared::{
    error::{RunError, RunErrorCode},
    manifest::archived_tape,
    paths::TAPE_EXTENSIONS,
    tape::{
        Tape,
        options::TapeOptions,
        source::{FileSource, TapeSource},
        workbook::looks_like_workbook,
    },
};

use crate::{Surroundings, command_error::CommandError, spool::Spool};

/// What stands for standard input among the tapes.
const STANDARD_INPUT: &str = "-";
/// What its tape is called: as a CSV, and as a workbook.
const NAMES: [&str; 2] = ["stdin.csv", "stdin.xlsx"];

/// A tape that is there.
#[derive(Debug, Clone)]
pub struct FoundTape {
    /// Where it is. Symbolic links are followed except the last, so that the tape keeps the name it was given under.
    pub path: PathBuf,
    /// The file itself, behind all links: the same for two names of one file. `-` for standard input.
    pub file: PathBuf,
    /// What it is called in results, in the archive and in errors.
    pub source_file: String,
    /// What standard input held, once it has been read.
    spool: Option<Spool>,
}

/// The tapes that were named, and the files in their folders that are none.
#[derive(Debug, Clone)]
pub struct FoundTapes {
    /// The tapes.
    pub tapes: Vec<FoundTape>,
    /// The names of the other files.
    pub left_out: Vec<String>,
}

impl FoundTape {
    fn of_standard_input() -> Self {
        Self { path: NAMES[0].into(), file: STANDARD_INPUT.into(), source_file: String::new(), spool: None }
    }

    fn is_standard_input(&self) -> bool {
        self.file == Path::new(STANDARD_INPUT)
    }

    /// Opens it for the engine.
    ///
    /// # Errors
    /// A file that went away just now.
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

/// The tapes that the arguments name, in their order; those of a folder in the order of their names. Nothing is read yet.
///
/// # Errors
/// A tape or a folder that is not there, a folder without a tape, a file that is named twice, a name that an archive
/// cannot keep.
pub fn find(given: &[PathBuf], around: &Surroundings) -> Result<FoundTapes, CommandError> {
    let (mut tapes, mut left_out) = (Vec::new(), Vec::new());
    for shown in given {
        if shown == Path::new(STANDARD_INPUT) {
            tapes.push(FoundTape::of_standard_input());
            continue;
        }
        let path = around.locate(shown);
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
    Ok(FoundTapes { tapes, left_out })
}

/// Reads the tape that is to come from standard input, if one is, and names it by what it is.
///
/// # Errors
/// It cannot be read or kept.
pub fn read_standard_input(tapes: &mut [FoundTape], around: &Surroundings) -> Result<(), CommandError> {
    let Some(tape) = tapes.iter_mut().find(|tape| tape.is_standard_input()) else { return Ok(()) };
    let spooled = Spool::read((around.standard_input)()).and_then(|spool| Ok((spool.head(8)?, spool)));
    let (head, spool) = spooled.map_err(|error| {
        let sentence = format!("The tape from standard input could not be kept in the temporary folder: {error}.");
        CommandError::Failed(format!("{sentence} Make room there, or name a file."))
    })?;
    tape.spool = Some(spool);
    tape.path = NAMES[usize::from(looks_like_workbook(&head))].into();
    name_all(tapes)
}

/// Names all tapes, each as an archive can keep it.
fn name_all(tapes: &mut [FoundTape]) -> Result<(), CommandError> {
    name(tapes);
    let mut names = HashSet::new();
    for tape in tapes.iter() {
        let kept = archived_tape(&tape.source_file).map_err(|error| CommandError::Usage(error.to_string()))?;
        // Names may still be the same where a folder's name is not valid Unicode.
        if !kept.ends_with(&tape.source_file) || !names.insert(&tape.source_file) {
            let sentence = format!("The tape {} has a name that an archive cannot keep. Rename it.", tape.source_file);
            return Err(CommandError::Usage(sentence));
        }
    }
    Ok(())
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
    Ok(FoundTape { path, file, source_file: String::new(), spool: None })
}

/// The tapes of a folder. Its other files are added to `left_out`, but for those that are hidden or none of the user's.
fn tapes_of_folder(folder: &Path, shown: &Path, left_out: &mut Vec<String>) -> Result<Vec<FoundTape>, CommandError> {
    let failed = |error| not_there(shown, &error);
    let (mut names, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if is_of_a_program(&name) || !fs::metadata(folder.join(&name)).is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        if is_tape_name(&name) && !is_text_without_header(&folder.join(&name)) {
            names.push(name);
        } else {
            others.push(name.to_string_lossy().into_owned());
        }
    }
    if names.is_empty() {
        let known = TAPE_EXTENSIONS.join(", ");
        let sentence = format!("There is no tape in the folder {}: its tapes are the files {known}.", shown.display());
        return Err(CommandError::Usage(sentence));
    }
    names.sort();
    others.sort();
    left_out.extend(others);
    names.iter().map(|name| found(&folder.join(name), &shown.join(name))).collect()
}

/// Whether a file of a folder has the name of a tape.
fn is_tape_name(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().unwrap_or_default();
    TAPE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(&known[1..]))
}

/// Whether a program made the file for itself: a hidden file, the lock file (`~$…`) of an open workbook, a file of the system.
fn is_of_a_program(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b".") || bytes.starts_with(b"~$") || matches!(bytes, b"Thumbs.db" | b"desktop.ini" | b"profile.toml")
}

/// Whether a file is called a text and has no header of a tape.
fn is_text_without_header(path: &Path) -> bool {
    let is_text = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt"));
    let Some(source) = FileSource::new(path.to_owned(), String::new()).ok().filter(|_| is_text) else { return false };
    let opened = Tape::open(&source, &TapeOptions::default());
    opened
        .err()
        .is_some_and(|error| matches!(error.code, RunErrorCode::NoHeader | RunErrorCode::EmptyTape | RunErrorCode::NotATape))
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

/// Gives each tape its file name, or the shortest end of its path that no other tape has.
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
        let tape = |path: &&str| FoundTape { path: path.into(), file: path.into(), source_file: String::new(), spool: None };
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

    #[test]
    fn tapes_of_a_folder_are_known_by_their_names() {
        let tapes = ["a.csv", "B.XLSX", "2026.02.csv", "a.txt", "a.tsv", "a.xlsm", "a.xls", "a.xlsb", "a.ods"];
        let others = ["a.csv.gz", "csv", "manifest.json", "profile.toml"];
        let of_programs = [".csv", ".a.csv", "~$B.xlsx", "Thumbs.db", "profile.toml"];
        assert!(tapes.iter().all(|name| is_tape_name(OsStr::new(name)) && !is_of_a_program(OsStr::new(name))));
        assert!(!others.iter().any(|name| is_tape_name(OsStr::new(name))));
        assert!(of_programs.iter().all(|name| is_of_a_program(OsStr::new(name))));
    }
}
