//! The file of waivers of a run.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use command::{CommandContext, error::CommandError};
use shared::{
    rules::rule_set::RuleSet,
    waivers::{MAX_WAIVER_BYTES, WaiverFile, Waivers},
};

/// Reads a file of waivers for a run under a rule set.
///
/// # Errors
/// [`CommandError::Usage`] when the file cannot be read; [`CommandError::Mistakes`] when it has mistakes.
pub fn read_waivers(shown: &Path, rules: &RuleSet, context: &CommandContext) -> Result<Arc<Waivers>, CommandError> {
    let mut bytes = Vec::new();
    let read = File::open(context.locate(shown)).and_then(|file| file.take(MAX_WAIVER_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        CommandError::Usage(format!("The waivers {} cannot be read: {error}. Check their name and folder.", shown.display()))
    })?;
    let name = shown.file_name().unwrap_or_default().to_string_lossy();
    WaiverFile::new(&name, bytes).waivers(rules).map(Arc::new).map_err(|error| {
        let noun = if error.0.len() == 1 { "mistake" } else { "mistakes" };
        let sentence = format!("error: The waivers {} have {} {noun}.", shown.display(), error.0.len());
        let mistakes = error.0.iter().map(|mistake| match mistake.place {
            Some((line, column)) => format!("{}:{line}:{column}: {}", shown.display(), mistake.message),
            None => format!("{}: {}", shown.display(), mistake.message),
        });
        CommandError::Mistakes(std::iter::once(sentence).chain(mistakes).collect())
    })
}
