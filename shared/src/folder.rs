//! Sorts the files of a folder for a run: tapes, the profile, and files that are left out.

use serde::{Deserialize, Serialize};

use crate::file_types::tape_extensions;

/// Name of the file that says how the tapes of a folder are read. The file is not a tape, and it is not reported among the files
/// that a run leaves out.
pub const PROFILE: &str = "profile.toml";
/// Name of the folder in which a new file starts a run.
pub const INCOMING: &str = "incoming";
/// Number of names that are kept of the files that are left out.
const KEPT_NAMES: usize = 200;

/// Kind of a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A tape.
    Tape,
    /// A text file. It is a tape if it has a header row, or if a run names it.
    Text,
    /// A file that a seller does not send: a hidden file, the lock file (`~$…`) of an open workbook, a file of the operating
    /// system, a profile.
    Unsent,
    /// Any other file.
    Other,
}

impl FileKind {
    /// The kind of a file with this name.
    pub fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        if name.starts_with('.') || name.starts_with("~$") || matches!(name, "Thumbs.db" | "desktop.ini" | PROFILE) {
            Self::Unsent
        } else if lower.ends_with(".txt") {
            Self::Text
        } else if tape_extensions().any(|extension| lower.ends_with(extension)) {
            Self::Tape
        } else {
            Self::Other
        }
    }

    /// Whether a run may name the file as a tape.
    pub fn may_be_a_tape(self) -> bool {
        matches!(self, Self::Tape | Self::Text)
    }
}

/// Paths at which the profile of a folder may be, in order of precedence: in the folder or, for a folder of incoming tapes, also
/// in the folder above it.
pub fn profile_places(folder: &str) -> Vec<String> {
    let below = |folder: &str| if folder.is_empty() { PROFILE.to_owned() } else { format!("{folder}/{PROFILE}") };
    let above = match folder.rsplit_once('/') {
        Some((above, INCOMING)) => Some(above),
        None if folder == INCOMING => Some(""),
        _ => None,
    };
    std::iter::once(below(folder)).chain(above.map(below)).collect()
}

/// The files of a folder that a run leaves out: their number, and the first names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The first 200 names, sorted.
    pub names: Vec<String>,
    /// Number of all files that are left out.
    pub count: u64,
}

impl LeftOut {
    /// Takes the names of all files that are left out.
    pub fn new(mut names: Vec<String>) -> Self {
        let count = names.len() as u64;
        names.sort();
        names.truncate(KEPT_NAMES);
        Self { names, count }
    }

    /// Whether no file is left out.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for name in ["a.csv", "B.XLSX", "2026.02.csv", "a.tsv", "a.xlsm", "a.xls", "a.xlsb", "a.ods", ".txt.csv.ods"] {
            let expected = if name.starts_with('.') { FileKind::Unsent } else { FileKind::Tape };
            assert_eq!(FileKind::of(name), expected, "{name}");
        }
        for name in ["a.txt", "A.TXT"] {
            assert_eq!(FileKind::of(name), FileKind::Text, "{name}");
        }
        for name in [".csv", ".a.csv", "~$B.xlsx", "Thumbs.db", "desktop.ini", "profile.toml", ".DS_Store"] {
            assert_eq!(FileKind::of(name), FileKind::Unsent, "{name}");
        }
        for name in ["a.csv.gz", "csv", "manifest.json", "no profile.toml", "a.pdf"] {
            assert_eq!(FileKind::of(name), FileKind::Other, "{name}");
        }
    }

    #[test]
    fn a_folder_has_its_profile_and_incoming_tapes_that_of_the_folder_above() {
        for (folder, places) in [
            ("", &["profile.toml"][..]),
            ("inputs/2026-02", &["inputs/2026-02/profile.toml"]),
            ("inputs/incoming", &["inputs/incoming/profile.toml", "inputs/profile.toml"]),
            ("incoming", &["incoming/profile.toml", "profile.toml"]),
            ("inputs/incoming/acme", &["inputs/incoming/acme/profile.toml"]),
            ("inputs/incomings", &["inputs/incomings/profile.toml"]),
        ] {
            assert_eq!(profile_places(folder), places, "{folder}");
        }
    }

    #[test]
    fn of_many_files_some_are_named_and_all_are_counted() {
        let left_out = LeftOut::new((0..500).map(|at| format!("{at:03}.pdf")).collect());
        assert_eq!((left_out.names.len(), left_out.names[199].as_str(), left_out.count), (200, "199.pdf", 500));
    }
}
