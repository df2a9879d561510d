//! `loan-engine report`: the results of a run as one page for people.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write},
    path::Path,
};

use command::{CommandContext, error::CommandError, plain_text::one_line, print};
use shared::report::{BEGINNING, Report};

use crate::{arguments::ReportArgs, staging::SUMMARY_FILE};

/// Largest summary that is read, in bytes. That of a run with a hundred tapes of a thousand columns is smaller.
const MAX_SUMMARY_BYTES: u64 = 256 * 1024 * 1024;

/// Makes the report of the run whose results are in a folder.
///
/// # Errors
/// [`CommandError::Usage`] when the folder has no results of a completed run, or the report would replace another file;
/// [`CommandError::Failed`] when the report cannot be written.
pub fn report(args: &ReportArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let report = Report::read(&read_summary(&args.results, context)?).map_err(|error| {
        let file = args.results.join(SUMMARY_FILE);
        CommandError::Usage(format!("{} is not the summary of a completed run: {error}.", file.display()))
    })?;
    let html = report.html();
    let shown = args.output.as_path();
    if shown == Path::new("-") {
        return print(out, html.as_bytes());
    }
    let place = context.locate(shown);
    if !may_write(&place) {
        let message = format!("{} is no report of Loan Engine. Name another file with --output.", shown.display());
        return Err(CommandError::Usage(message));
    }
    let written = fs::write(place, html);
    written.map_err(|error| CommandError::Failed(format!("{} could not be written: {error}.", shown.display())))?;
    print(out, format!("Report in {}\n", one_line(&shown.display().to_string())).as_bytes())
}

/// Reads `summary.json` in a folder of results.
///
/// # Errors
/// [`CommandError::Usage`] when the folder has no summary.
pub fn read_summary(results: &Path, context: &CommandContext) -> Result<String, CommandError> {
    let shown = results.join(SUMMARY_FILE);
    let mut json = String::new();
    let read = File::open(context.locate(&shown)).and_then(|file| file.take(MAX_SUMMARY_BYTES).read_to_string(&mut json));
    match read {
        Ok(_) => Ok(json),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(CommandError::Usage(format!(
            "The folder {} has no {SUMMARY_FILE}. Name the folder that `loan-engine run --out` wrote; a run of an earlier version has none.",
            results.display()
        ))),
        Err(error) => Err(CommandError::Usage(format!("{} cannot be read: {error}.", shown.display()))),
    }
}

/// Whether a report may be written to a place: it replaces no file but an earlier report.
fn may_write(place: &Path) -> bool {
    let mut start = vec![0; BEGINNING.len()];
    match File::open(place) {
        Ok(mut file) => file.read_exact(&mut start).is_ok() && start == BEGINNING.as_bytes(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
