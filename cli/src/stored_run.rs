//! A run whose results a folder holds, as a question about it reads them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use command::{CommandContext, error::CommandError};
use shared::{
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionsReader, FactsReader, ReadError},
    },
    manifest::{MANIFEST_FILE, Manifest, ManifestFile},
    phases::pricing::IrrTarget,
    rules::rule_set::{GuideFiles, PROGRAM, RuleSet, RuleSetFile},
};

use crate::{
    replay::{archive::root_of, manifest},
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
        let rules = rules_of(&manifest, &folder, shown)?;
        let facts = FactsReader::open(opened(&folder, shown, FACTS_FILE)?)
            .map_err(|error| unreadable(&shown.display().to_string(), &error))?;
        let exceptions = ExceptionsReader::open(opened(&folder, shown, EXCEPTIONS_FILE)?)
            .map_err(|error| unreadable(&shown.display().to_string(), &error))?;
        Ok(Self { manifest, rules, facts, exceptions, shown: shown.to_owned() })
    }

    /// The IRR target of the run.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when the manifest holds none.
    pub fn irr_target(&self) -> Result<IrrTarget, CommandError> {
        let text = self.manifest.parameters.irr_target.as_str();
        let unsound = || CommandError::Failed(format!("{}: the IRR target `{text}` is none.", self.shown.display()));
        text.parse().map_err(|_| unsound())
    }
}

/// The rule set of a run, from its manifest and, when it names files, from the archive of the run.
fn rules_of(manifest: &Manifest, folder: &Path, shown: &Path) -> Result<RuleSet, CommandError> {
    let Some(toml) = &manifest.rule_set.toml else { return Ok(RuleSet::built_in().clone()) };
    let mut file = RuleSetFile { name: manifest.rule_set.name.clone(), toml: toml.clone(), files: GuideFiles::default() };
    if let Some((own, others)) = manifest.rule_set.files.split_first() {
        let name = |file: &ManifestFile| file.path.rsplit('/').next().unwrap_or(&file.path).to_owned();
        file.name = name(own).trim_end_matches(PROGRAM).to_owned();
        let absent = || {
            CommandError::Failed(format!(
                "The rule set of the run in {} names files that only the archive of the run keeps, and the archive is not there. Do \
                 the run again without --no-archive.",
                shown.display()
            ))
        };
        let (root, _) = root_of(folder, manifest).ok_or_else(absent)?;
        for other in others {
            file.files.insert(&name(other), fs::read(root.join(&other.path)).map_err(|_| absent())?);
        }
    }
    file.rules().map_err(|error| {
        let sentence = format!("error: The rule set of the run in {} cannot be read again.", shown.display());
        CommandError::Mistakes(std::iter::once(sentence).chain(mistakes(Path::new(&file.file_name()), &error)).collect())
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
