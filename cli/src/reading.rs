//! The arguments that say how to read tapes: profiles, columns, worksheets.

use std::{fs::File, io::Read as _, path::Path};

use command::{CommandContext, error::CommandError};
use shared::tape::{
    profile::{MAX_PROFILE_BYTES, PRESETS},
    request::{ProfileFile, ReadingRequest},
};

use crate::{arguments::ReadingArgs, tapes::FoundTapes};

/// How to read the tapes, from the arguments. Without `--profile`, the profile in the folder of the tapes counts.
///
/// # Errors
/// [`CommandError::Usage`] when a profile cannot be read as a text, or the tapes are in several folders and one of these has a
/// profile.
pub fn reading(args: &ReadingArgs, found: &FoundTapes, context: &CommandContext) -> Result<ReadingRequest, CommandError> {
    let profile = match &args.profile {
        Some(shown) => Some(read_profile(shown, context)?),
        None => found.profile()?.map(|path| read_profile_file(&path, context)).transpose()?,
    };
    Ok(ReadingRequest { profile, map: args.map.clone(), sheet: args.sheet.clone() })
}

/// Reads a profile by its name: a preset, or a file. A file with the name of a preset is `./NAME`.
fn read_profile(shown: &Path, context: &CommandContext) -> Result<ProfileFile, CommandError> {
    if let Some((name, toml)) = PRESETS.into_iter().find(|(name, _)| shown == Path::new(name)) {
        return Ok(ProfileFile::new(name, toml));
    }
    read_profile_file(shown, context)
}

fn read_profile_file(shown: &Path, context: &CommandContext) -> Result<ProfileFile, CommandError> {
    let toml = read_toml("profile", shown, MAX_PROFILE_BYTES, context)?;
    let called = shown.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(ProfileFile::new(called, toml))
}

/// Reads the text of a TOML file of at most `most` bytes. `what` names the kind of file in error messages.
///
/// # Errors
/// [`CommandError::Usage`] when the file cannot be read, is too large or is no UTF-8.
pub fn read_toml(what: &str, shown: &Path, most: u64, context: &CommandContext) -> Result<String, CommandError> {
    let usage = |problem: String| CommandError::Usage(format!("The {what} {} {problem}", shown.display()));
    let mut bytes = Vec::new();
    let read = File::open(context.locate(shown)).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|error| usage(format!("cannot be read: {error}. Check its name and folder.")))?;
    if bytes.len() as u64 > most {
        let most = if most.is_multiple_of(1024 * 1024) {
            format!("{} MiB", most / (1024 * 1024))
        } else {
            format!("{} KiB", most / 1024)
        };
        return Err(usage(format!("is too large for one: it may have up to {most}.")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        usage(format!("is no UTF-8 text in line {line}. Save it as UTF-8."))
    })?;
    // Some editors write a byte order mark first.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
