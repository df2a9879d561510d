//! Reading the manifest of an archive, which is not trusted.

use std::{fs::File, io::Read as _, path::Path};

use command::{error::CommandError, plain_text::short_line};
use shared::{
    manifest::{Manifest, ManifestFile},
    paths::safe_join,
};

/// Maximum size in bytes of a manifest that is read. A manifest has a line for each column of each tape.
pub const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;
/// What a user may name.
pub const WHAT_TO_NAME: &str = "Name an archive folder, a ZIP of one, or the manifest.json of a run.";

pub fn read_manifest(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut json = Vec::new();
    File::open(path)?.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut json)?;
    Ok(json)
}

/// Parses a manifest that is not trusted.
///
/// # Errors
/// [`CommandError::Failed`] when the JSON is no manifest or larger than [`MAX_MANIFEST_BYTES`], or the manifest names no tape, or
/// names a path that leads out of its archive.
pub fn parse(json: &[u8], shown: &Path) -> Result<Manifest, CommandError> {
    let refused = |why: String| CommandError::Failed(format!("{} is no manifest of a run: {why}", shown.display()));
    if json.len() as u64 > MAX_MANIFEST_BYTES {
        return Err(refused(format!("it is larger than any. {WHAT_TO_NAME}")));
    }
    let manifest = Manifest::from_json(json).map_err(|error| refused(format!("{error}. {WHAT_TO_NAME}")))?;
    if manifest.inputs.is_empty() {
        return Err(refused("it names no tape.".to_owned()));
    }
    let files = manifest.inputs.iter().chain(&manifest.rule_set.files).chain(&manifest.waivers);
    let files = files.chain(&manifest.outputs).chain(&manifest.stored);
    for ManifestFile { path, .. } in files {
        let safe = safe_join("", &[path]).map_err(|error| refused(error.to_string()))?;
        if safe != *path || path.is_empty() {
            return Err(refused(format!("its path `{}` is not written as a path in an archive is.", short_line(path, 80))));
        }
    }
    Ok(manifest)
}
