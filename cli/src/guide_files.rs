//! The files that a rule set names: grids and programs in its own folder.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use command::{CommandContext, error::CommandError, plain_text::one_line};
use shared::rules::{
    guide::grid::{MAX_GRID_BYTES, check_file_name},
    rule_set::{GuideFiles, named_files},
};

/// Reads the files that a rule set names. A name that is a path, and a file that is not there, are left out: they are mistakes of
/// the rule set, which names the line. A file that is too large is read up to one byte beyond the limit, which is a mistake too.
///
/// # Errors
/// [`CommandError::Usage`] when a file is a link or a folder, or cannot be read.
pub fn guide_files(toml: &str, rule_set: &Path, context: &CommandContext) -> Result<GuideFiles, CommandError> {
    let mut files = GuideFiles::default();
    for name in named_files(toml) {
        if check_file_name(&name).is_err() {
            continue;
        }
        let shown = rule_set.with_file_name(&name);
        let found = read_beside(&context.locate(&shown)).map_err(|problem| {
            let sentence = format!("The file {}, which the rule set names, {problem}", shown.display());
            CommandError::Usage(one_line(&sentence))
        })?;
        if let Some(bytes) = found {
            files.0.insert(name, bytes.into());
        }
    }
    Ok(files)
}

/// The bytes of a file; `None` when there is no such file.
fn read_beside(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}.");
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if found.is_symlink() {
        return Err("is a link: put the file itself beside the rule set.".to_owned());
    }
    if !found.is_file() {
        return Err("is no file: put a .csv or .xlsx file of this name beside the rule set.".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_GRID_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(Some(bytes))
}
