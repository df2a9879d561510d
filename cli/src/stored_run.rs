//! A run whose results a folder holds, as a question about it reads them.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use command::{CommandContext, error::CommandError};
use shared::{
    decimal::Decimal,
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionsReader, FactsReader, ReadError},
    },
    manifest::{MANIFEST_FILE, Manifest, RULES_FOLDER},
    rules::rule_set::{RuleSet, RuleSetFile},
};

use crate::{
    guide_files::read_guide_files,
    replay::{archive::Archive, manifest},
    run_command::mistakes,
};

/// A completed run and its stored results.
pub struct StoredRun {
    pub manifest: Manifest,
    pub rules: RuleSet,
    pub facts: FactsReader<File>,
    pub exceptions: ExceptionsReader<File>,
    /// The folder, as the user named it.
    pub shown: PathBuf,
}

impl StoredRun {
    /// Opens the results in a folder.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when the folder has no results of a run; [`CommandError::Failed`] when they cannot be read.
    pub fn open(shown: &Path, context: &CommandContext) -> Result<Self, CommandError> {
        let folder = context.locate(shown);
        let path = folder.join(MANIFEST_FILE);
        let json = manifest::read_manifest(&path).map_err(|error| {
            CommandError::Usage(format!(
                "{} holds no results of a run: {MANIFEST_FILE} cannot be read ({error}). Name the folder that a run wrote with --out.",
                shown.display()
            ))
        })?;
        let manifest = manifest::parse(&json, &shown.join(MANIFEST_FILE))?;
        let rules = rules_of(&manifest, shown, context)?;
        let facts = FactsReader::open(opened(&folder, shown, FACTS_FILE)?)
            .map_err(|error| unreadable(&shown.display().to_string(), &error))?;
        let exceptions = ExceptionsReader::open(opened(&folder, shown, EXCEPTIONS_FILE)?)
            .map_err(|error| unreadable(&shown.display().to_string(), &error))?;
        Ok(Self { manifest, rules, facts, exceptions, shown: shown.to_owned() })
    }

    /// The IRR target of the run, in percent.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when the manifest holds none.
    pub fn irr_target(&self) -> Result<Decimal, CommandError> {
        let text = self.manifest.parameters.irr_target.as_str();
        let unsound = || CommandError::Failed(format!("{}: the IRR target `{text}` is no number.", self.shown.display()));
        text.parse().map_err(|_| unsound())
    }
}

/// The rule set of a run, from its manifest and the files that it names: in `rules/`, or else in the archive of the run.
fn rules_of(manifest: &Manifest, shown: &Path, context: &CommandContext) -> Result<RuleSet, CommandError> {
    let Some(toml) = &manifest.rule_set.toml else { return Ok(RuleSet::built_in().clone()) };
    let folder = shown.join(RULES_FOLDER);
    let in_archive = !manifest.rule_set.files.is_empty() && !context.locate(&folder).is_dir();
    let listed = manifest.rule_set.files.first().and_then(|file| Path::new(&file.path).file_name());
    let name = listed.map_or_else(|| format!("{}.toml", manifest.rule_set.name), |name| name.to_string_lossy().into_owned());
    let path = folder.join(&name);
    let mut file = RuleSetFile::new(&name, toml.clone());
    if in_archive {
        file = Archive::open(shown, context)?.rule_set(toml)?;
    } else {
        read_guide_files(&mut file, &path, context);
    }
    file.rules().map_err(|error| {
        let sentence = format!("error: The rule set of the run in {} cannot be read again.", shown.display());
        CommandError::Mistakes(std::iter::once(sentence).chain(mistakes(&path, &error)).collect())
    })
}

fn opened(folder: &Path, shown: &Path, name: &str) -> Result<File, CommandError> {
    File::open(folder.join(name)).map_err(|error| {
        CommandError::Failed(format!("{} cannot be read: {error}. Do the run again.", shown.join(name).display()))
    })
}

/// The error for results that cannot be read.
pub fn unreadable(shown: &str, error: &ReadError) -> CommandError {
    CommandError::Failed(format!(
        "The results in {shown} cannot be read: {error}. If another version of the program wrote them, do the run again."
    ))
}
