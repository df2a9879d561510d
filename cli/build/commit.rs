//! Reads the commit that is checked out from the files of a repository, because Git may not be installed where the engine is
//! built.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Characters shown of a commit's hash.
const SHOWN: usize = 12;

/// A commit, and the files that change when another one is checked out or made.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The beginning of the commit's hash.
    pub commit: String,
    /// Existing files only.
    pub watched: Vec<PathBuf>,
}

/// The commit of the repository whose work tree is this folder; `None` when the folder is no work tree, or its files are not
/// those of Git.
pub fn of_repository(folder: &Path) -> Option<Found> {
    let dot_git = folder.join(".git");
    // In a linked work tree, `.git` is a file that names the folder.
    let own = match fs::read_to_string(&dot_git) {
        Ok(text) => folder.join(text.strip_prefix("gitdir:")?.trim()),
        Err(_) => dot_git,
    };
    let common = fs::read_to_string(own.join("commondir")).map_or_else(|_| own.clone(), |shared| own.join(shared.trim()));
    let head = own.join("HEAD");
    let text = fs::read_to_string(&head).ok()?;
    let mut watched = vec![head];
    let commit = match text.trim().strip_prefix("ref: ") {
        None => text.trim().to_owned(),
        Some(branch) => {
            // The reflog grows with every commit, even when the branch has no file of its own.
            watched.extend([own.join("logs/HEAD"), common.join(branch), common.join("packed-refs")]);
            loose(&common, branch).or_else(|| packed(&common, branch))?
        }
    };
    // Cargo runs the script on every build if a watched file does not exist.
    watched.retain(|file| file.is_file());
    let whole = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| Found { commit: commit[..SHOWN].to_owned(), watched })
}

fn loose(common: &Path, branch: &str) -> Option<String> {
    Some(fs::read_to_string(common.join(branch)).ok()?.trim().to_owned())
}

fn packed(common: &Path, branch: &str) -> Option<String> {
    let text = fs::read_to_string(common.join("packed-refs")).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, name)| *name == branch).map(|(commit, _)| commit.to_owned())
}
