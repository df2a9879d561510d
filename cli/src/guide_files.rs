//! The files that a rule set names: grids and programs in its own folder.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use command::CommandContext;
use shared::rules::rule_set::RuleSetFile;

/// Reads the files that a rule set names, and those that its programs name. What is wrong with a file is a mistake of the rule set,
/// which names the line.
pub fn read_guide_files(file: &mut RuleSetFile, rule_set: &Path, context: &CommandContext) {
    let mut asked = BTreeSet::new();
    loop {
        let names = file.files_to_read(&mut asked);
        if names.is_empty() {
            return;
        }
        for name in names {
            let Some(most) = file.files.bytes_to_read(&name) else { continue };
            match read_beside(&context.locate(&rule_set.with_file_name(&name)), most) {
                Ok(Some(content)) => file.files.insert(&name, content),
                Ok(None) => {}
                Err(reason) => file.files.refuse(&name, reason),
            }
        }
    }
}

/// The first `most` bytes of a file; `None` when there is no such file.
///
/// # Errors
/// Why the file cannot be used.
fn read_beside(path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if found.is_symlink() {
        return Err("is a link: put the file itself beside the rule set".to_owned());
    }
    if !found.is_file() {
        return Err("is a folder or no regular file: put a file of this name beside the rule set".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(Some(bytes))
}
