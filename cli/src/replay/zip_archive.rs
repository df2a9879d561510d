//! Unpacks the ZIP of an archive. The ZIP is not trusted.
//!
//! Only the files that the manifest names are unpacked, to the places that it names inside a temporary folder, and of each file
//! at most one byte more than the size in the manifest.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, BufReader, Read as _},
    path::Path,
};

use command::error::CommandError;
use shared::manifest::{MANIFEST_FILE, Manifest, ManifestFile};
use tempfile::TempDir;
use zip::{
    ZipArchive,
    read::ZipFile,
    result::{ZipError, ZipResult},
};

use super::manifest::{MAX_MANIFEST_BYTES, parse};

/// A ZIP may unpack to this many times its own size, plus [`SMALL`]. Tapes shrink to a tenth, seldom to a hundredth; a file made
/// to fill a disk shrinks to a thousandth.
const MAX_RATIO: u64 = 250;
/// Size in bytes that any ZIP may unpack to.
const SMALL: u64 = 64 * 1024 * 1024;
/// Manifests tried to find the one that belongs to the archive.
const MANIFESTS_TRIED: usize = 8;

/// An unpacked ZIP.
pub struct Unpacked {
    /// The folder of the unpacked files.
    pub folder: TempDir,
    pub manifest: Manifest,
    /// Files that were not unpacked: the path, and why.
    pub differences: Vec<(String, String)>,
}

/// A ZIP, and the place of each name in it.
struct Zip {
    entries: ZipArchive<BufReader<File>>,
    names: HashMap<String, usize>,
}

impl Zip {
    fn open(file: File) -> ZipResult<Self> {
        let entries = ZipArchive::new(BufReader::new(file))?;
        // Skip a name that cannot be read: no manifest can contain it.
        let names = entries.file_names().enumerate().filter_map(|(at, name)| Some((name.ok()?.into_owned(), at))).collect();
        Ok(Self { entries, names })
    }

    fn entry(&mut self, name: &str) -> ZipResult<ZipFile<'_, BufReader<File>>> {
        self.entries.by_index(*self.names.get(name).ok_or(ZipError::FileNotFound)?)
    }
}

/// Unpacks the files that the manifest in the ZIP names.
///
/// # Errors
/// [`CommandError::Failed`] when the file is no ZIP, it holds no manifest, a path of the manifest leads out of the archive, or
/// the unpacked files would not fit or would fill the disk.
pub fn unpack(path: &Path, shown: &Path) -> Result<Unpacked, CommandError> {
    let refused = |why: String| CommandError::Failed(format!("{} is no ZIP of an archive: {why}.", shown.display()));
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let zip_bytes = file.metadata().map_err(|error| refused(error.to_string()))?.len();
    let mut zip = Zip::open(file).map_err(|error| refused(error.to_string()))?;
    let (prefix, manifest) = find_manifest(&mut zip, shown)?;

    let mut seen = HashSet::new();
    let files: Vec<&ManifestFile> = manifest
        .inputs
        .iter()
        .chain(&manifest.rule_set.files)
        .chain(&manifest.waivers)
        .chain(&manifest.outputs)
        .filter(|file| seen.insert(&file.path))
        .collect();
    let total = files.iter().fold(0_u64, |total, file| total.saturating_add(file.size));
    if total > zip_bytes.saturating_mul(MAX_RATIO).saturating_add(SMALL) {
        return Err(refused(format!("it has {zip_bytes} bytes and would unpack to {total}, which no archive does")));
    }
    let folder =
        tempfile::tempdir().map_err(|error| CommandError::Failed(format!("There is no room to unpack the ZIP: {error}.")))?;
    let mut differences = Vec::new();
    for file in files {
        if let Err(problem) = unpack_file(&mut zip, &prefix, file, folder.path()) {
            match problem {
                Problem::File(what) => differences.push((file.path.clone(), what)),
                Problem::Room(error) => {
                    let sentence =
                        format!("{} could not be unpacked into the temporary folder: {error}. Make room there.", file.path);
                    return Err(CommandError::Failed(sentence));
                }
            }
        }
    }
    Ok(Unpacked { folder, manifest, differences })
}

/// Finds the manifest of the archive in the ZIP. Returns its folder in the ZIP, and the manifest.
fn find_manifest(zip: &mut Zip, shown: &Path) -> Result<(String, Manifest), CommandError> {
    let prefixes = zip.names.keys().filter_map(|name| name.strip_suffix(MANIFEST_FILE));
    let mut prefixes: Vec<String> =
        prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('/')).map(str::to_owned).collect();
    prefixes.sort_by_cached_key(|prefix| (prefix.matches('/').count(), prefix.clone()));
    prefixes.truncate(MANIFESTS_TRIED);
    let mut first = None;
    for prefix in prefixes {
        let mut json = Vec::new();
        let read = zip
            .entry(&format!("{prefix}{MANIFEST_FILE}"))
            .map_err(io::Error::from)
            .and_then(|entry| entry.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut json));
        let manifest = match read {
            Ok(_) => parse(&json, shown),
            Err(error) => Err(CommandError::Failed(format!("The manifest in {} cannot be read: {error}.", shown.display()))),
        };
        match manifest {
            Ok(manifest) if manifest.inputs.iter().any(|file| zip.names.contains_key(&format!("{prefix}{}", file.path))) => {
                return Ok((prefix, manifest));
            }
            manifest => first = first.or(Some(manifest.map(|manifest| (prefix, manifest)))),
        }
    }
    first.unwrap_or_else(|| {
        Err(CommandError::Failed(format!("{} holds no manifest.json. Name a ZIP of an archive.", shown.display())))
    })
}

enum Problem {
    /// A problem with the file in the ZIP.
    File(String),
    /// A problem with the folder that the file is unpacked to.
    Room(io::Error),
}

fn unpack_file(zip: &mut Zip, prefix: &str, file: &ManifestFile, folder: &Path) -> Result<(), Problem> {
    let entry = match zip.entry(&format!("{prefix}{}", file.path)) {
        Ok(entry) => entry,
        // The comparison of the files reports a missing file.
        Err(ZipError::FileNotFound) => return Ok(()),
        Err(error) => return Err(Problem::File(format!("it cannot be unpacked: {error}"))),
    };
    if entry.size() != file.size {
        return Err(Problem::File(format!("it was changed in the archive ({} bytes instead of {})", entry.size(), file.size)));
    }
    let place = folder.join(&file.path);
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(Problem::Room)?;
    }
    let mut unpacked = File::create(place).map_err(Problem::Room)?;
    // One byte more than the size in the manifest is enough to see that the file is longer.
    let mut entry = entry.take(file.size.saturating_add(1));
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match entry.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => io::Write::write_all(&mut unpacked, &chunk[..length]).map_err(Problem::Room)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Problem::File(format!("it is damaged in the archive: {error}"))),
        }
    }
}
