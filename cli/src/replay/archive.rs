//! Opens the archive of a run: a folder, a ZIP, or the archive that belongs to a manifest.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use command::{
    CommandContext,
    error::CommandError,
    plain_text::{one_line, short_line},
};
use shared::{
    error::RunError,
    manifest::{INPUT_FOLDER, MANIFEST_FILE, Manifest, ManifestFile, OUTPUT_FOLDER, archived_output},
    results::outputs::OUTPUTS,
    rules::rule_set::{GuideFiles, RuleSetFile},
    tape::{
        source::{FileSource, TapeSource},
        text::{Fingerprint, fingerprint_of},
    },
};
use tempfile::TempDir;

use super::{
    manifest::{WHAT_TO_NAME, parse, read_manifest},
    sizes_and_hashes, zip_archive,
};

/// An archive whose manifest has been read and whose paths all lead into the archive.
pub struct Archive {
    /// The run's record of its tapes, rules and results.
    pub manifest: Manifest,
    root: PathBuf,
    /// The folder of the results, when the manifest was read there and not in the archive.
    results: Option<PathBuf>,
    /// Faults found while a ZIP was unpacked: the path of a file, and what is wrong with it.
    unpacked: Vec<(String, String)>,
    /// The folder of the unpacked ZIP, which is removed when the archive is dropped.
    _unpacked_in: Option<TempDir>,
}

impl Archive {
    /// Opens an archive folder, a ZIP of one, or a manifest in an archive or in a folder of results.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when the path cannot be read; [`CommandError::Failed`] when there is no valid manifest, the
    /// manifest has a path that leads out of the archive, or the run has no archive.
    pub fn open(shown: &Path, context: &CommandContext) -> Result<Self, CommandError> {
        let path = context.locate(shown);
        let metadata = fs::metadata(&path).map_err(|error| {
            CommandError::Usage(format!("{} cannot be read: {error}. Name an archive or a manifest.", shown.display()))
        })?;
        if metadata.is_file() && is_zip(&path) {
            let unpacked = zip_archive::unpack(&path, shown)?;
            let root = unpacked.folder.path().to_owned();
            let (manifest, differences) = (unpacked.manifest, unpacked.differences);
            return Ok(Self { manifest, root, results: None, unpacked: differences, _unpacked_in: Some(unpacked.folder) });
        }
        let file = if metadata.is_dir() { path.join(MANIFEST_FILE) } else { path };
        let json = read_manifest(&file).map_err(|error| {
            let what = if metadata.is_dir() { "holds no manifest.json that can be read" } else { "cannot be read" };
            CommandError::Failed(format!("{} {what}: {error}. {WHAT_TO_NAME}", shown.display()))
        })?;
        let manifest = parse(&json, shown)?;
        if !manifest.archived {
            return Err(not_archived(&manifest, shown));
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        let (root, results) = root_of(folder, &manifest).ok_or_else(|| {
            let run = manifest.run_id;
            let sentence = format!("The archive of run {run} is not beside {}. {WHAT_TO_NAME}", shown.display());
            CommandError::Failed(sentence)
        })?;
        Ok(Self { manifest, root, results, unpacked: Vec::new(), _unpacked_in: None })
    }

    /// The archived tapes, in the order of the run.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when a tape has disappeared meanwhile.
    pub fn tapes(&self) -> Result<Vec<Box<dyn TapeSource>>, CommandError> {
        let tape = |file: &ManifestFile| {
            let name = file.source_file.clone().unwrap_or_else(|| file.path.clone());
            let source = FileSource::new(self.root.join(&file.path), name.clone());
            source
                .map(|source| Box::new(source) as Box<dyn TapeSource>)
                .map_err(|error| CommandError::from(RunError::unreadable(&name, &error)))
        };
        self.manifest.inputs.iter().map(tape).collect()
    }

    /// The rule set of the run, with the archived files that it names.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when a file has disappeared meanwhile.
    pub fn rule_set(&self, toml: &str) -> Result<RuleSetFile, CommandError> {
        let recorded = &self.manifest.rule_set;
        let mut set = RuleSetFile { name: recorded.name.clone(), toml: toml.to_owned(), files: GuideFiles::default() };
        for (at, file) in recorded.files.iter().enumerate() {
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            if at == 0 {
                // The first file is the rule set itself.
                set.name = name.strip_suffix(".toml").unwrap_or(name).to_owned();
                continue;
            }
            let content = fs::read(self.root.join(&file.path)).map_err(|error| {
                CommandError::Failed(format!("{} of the archive cannot be read: {error}.", short_line(&file.path, 80)))
            })?;
            set.files.insert(name, content);
        }
        Ok(set)
    }

    /// The output files that exist in the archive, with their names.
    pub fn output_paths(&self) -> Vec<(&'static str, PathBuf)> {
        let paths = OUTPUTS.iter().map(|output| (output.file_name, self.root.join(archived_output(output))));
        paths.filter(|(_, path)| self.holds(path)).collect()
    }

    /// How a file of the archive differs from its entry in the manifest; `None` when it does not.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when the file cannot be read.
    pub fn difference(&self, file: &ManifestFile) -> Result<Option<String>, CommandError> {
        let path = &file.path;
        if let Some((_, what)) = self.unpacked.iter().find(|(unpacked, _)| unpacked == path) {
            return Ok(Some(format!("{path}: {what}")));
        }
        let place = self.root.join(path);
        if !place.exists() {
            return Ok(Some(format!("{path}: it is missing from the archive")));
        }
        if !self.holds(&place) {
            return Ok(Some(format!("{path}: it is no file of the archive")));
        }
        let is = fingerprint(&place, path)?;
        Ok((!file.is(&is)).then(|| format!("{path}: it was changed in the archive ({})", sizes_and_hashes(file, &is))))
    }

    /// How the file of that name in the folder of the results differs from its entry in the manifest; `None` when it does not, or
    /// there is no such file.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when the file cannot be read.
    pub fn difference_beside(&self, file: &ManifestFile) -> Result<Option<String>, CommandError> {
        let name = Path::new(&file.path).file_name();
        let Some(place) = self.results.as_ref().zip(name).map(|(results, name)| results.join(name)) else { return Ok(None) };
        if !fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        let name = one_line(&place.display().to_string());
        let is = fingerprint(&place, &name)?;
        Ok((!file.is(&is)).then(|| format!("{name}: it was changed after the run ({})", sizes_and_hashes(file, &is))))
    }

    /// Whether a path leads to a file in the archive, and not through a link out of it.
    fn holds(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        path.is_file() && real(path).zip(real(&self.root)).is_some_and(|(path, root)| path.starts_with(root))
    }
}

/// The error for a run without an archive, which cannot be repeated. The error names the missing tapes.
fn not_archived(manifest: &Manifest, shown: &Path) -> CommandError {
    let tapes: Vec<String> =
        manifest.inputs.iter().take(3).map(|tape| short_line(tape.source_file.as_ref().unwrap_or(&tape.path), 80)).collect();
    let more = manifest.inputs.len() - tapes.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    CommandError::Failed(format!(
        "The run of {} was done with --no-archive, so that its tapes are missing: {}{more}. Run them again without it to have a \
         run that can be repeated.",
        shown.display(),
        tapes.join(", ")
    ))
}

fn is_zip(path: &Path) -> bool {
    let mut head = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head.starts_with(b"PK")
}

/// The archive that belongs to a manifest in `folder`, and the folder of the results if the manifest is there.
pub fn root_of(folder: &Path, manifest: &Manifest) -> Option<(PathBuf, Option<PathBuf>)> {
    if [INPUT_FOLDER, OUTPUT_FOLDER].iter().any(|name| folder.join(name).is_dir()) {
        return Some((folder.to_owned(), None));
    }
    let id = manifest.run_id.to_string();
    // With --out, the archive is in that folder. Without it, results are in outputs/{run_id} and the archive in archive/{run_id}.
    let beside = [folder.join("archive").join(&id), folder.join("../../archive").join(&id)];
    beside.into_iter().find(|root| root.is_dir()).map(|root| (root, Some(folder.to_owned())))
}

fn fingerprint(path: &Path, name: &str) -> Result<Fingerprint, CommandError> {
    let source = FileSource::new(path.to_owned(), name.to_owned()).map_err(|error| RunError::unreadable(name, &error));
    Ok(source.and_then(|source| fingerprint_of(&source, None))?)
}
