//! The data folder of `serve`, `stores` and `admin`: the stores, and the secrets generated with them.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use command::error::CommandError;
use serde::{Deserialize, Serialize};
use shared::{
    auth::secret::{MIN_SECRET_BYTES, Secret},
    clock::Clock,
};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::embedded::{Credentials, EmbeddedError, EmbeddedStores, Options, private};

/// Name of the bucket, which is the first part of the path of presigned URLs.
pub const BUCKET: &str = "loans";
/// The bucket reports objects that appear below this prefix to the worker.
const WATCHED_PREFIX: &str = "inputs/";
const SECRETS_FILE: &str = "secrets.json";

/// A data folder that this process has locked.
pub struct DataFolder {
    pub stores: EmbeddedStores,
    /// Key that signs tokens.
    pub jwt_secret: Secret,
}

/// Generated on the first start and kept in [`SECRETS_FILE`].
#[derive(Serialize, Deserialize)]
struct Secrets {
    jwt_secret: String,
    access_key: String,
    secret_key: String,
}

impl DataFolder {
    /// Opens a folder, and creates it when it is missing.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when the folder or a file in it cannot be used, or another process uses the folder.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, CommandError> {
        let unusable = |source| EmbeddedError::Folder { folder: folder.to_owned(), source };
        private::folder(folder).map_err(unusable)?;
        let Secrets { jwt_secret, access_key, secret_key } = secrets(folder)?;
        let options = Options {
            durable: true,
            bucket: BUCKET.to_owned(),
            credentials: Credentials { access_key, secret_key },
            watched_prefix: WATCHED_PREFIX.to_owned(),
            clock,
        };
        Ok(Self { stores: EmbeddedStores::open(folder, options)?, jwt_secret: Secret::new(jwt_secret) })
    }
}

/// Reads the secrets of a folder, or generates them when there are none.
fn secrets(folder: &Path) -> Result<Secrets, CommandError> {
    let file = folder.join(SECRETS_FILE);
    let unusable = |what: &dyn std::fmt::Display| {
        CommandError::Failed(format!(
            "The file {} cannot be used: {what}. Bring it back from a backup, or delete it: then everybody has to log in again.",
            file.display()
        ))
    };
    match read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(&error)),
        Ok(secrets) if secrets.jwt_secret.len() < MIN_SECRET_BYTES => return Err(unusable(&"its secret is too short")),
        Ok(secrets) => return Ok(secrets),
    }
    let random = || Uuid::new_v4().simple().to_string();
    let made = Secrets { jwt_secret: random() + &random(), access_key: random(), secret_key: random() + &random() };
    match write(folder, &file, &made) {
        Ok(()) => Ok(made),
        // Another process wrote its secrets first: use those.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&file).map_err(|error| unusable(&error)),
        Err(error) => Err(EmbeddedError::Folder { folder: folder.to_owned(), source: error }.into()),
    }
}

fn read(file: &Path) -> io::Result<Secrets> {
    let bytes = fs::read(file)?;
    private::keep(file)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Writes the secrets. The file appears whole or not at all.
fn write(folder: &Path, file: &Path, secrets: &Secrets) -> io::Result<()> {
    // Only the owner can read a temporary file, and the file keeps that mode when it gets its name.
    let mut unnamed = NamedTempFile::new_in(folder)?;
    unnamed.write_all(&serde_json::to_vec_pretty(secrets)?)?;
    unnamed.as_file().sync_all()?;
    unnamed.persist_noclobber(file)?;
    File::open(folder)?.sync_all()
}

impl From<EmbeddedError> for CommandError {
    fn from(error: EmbeddedError) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_are_made_once_and_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(SECRETS_FILE);
        let made = secrets(folder.path()).unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(made.jwt_secret.len() >= MIN_SECRET_BYTES);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(secrets(folder.path()).unwrap().jwt_secret, made.jwt_secret);
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn secrets_that_cannot_be_read_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(SECRETS_FILE);
        for damaged in ["", "{}", r#"{"jwt_secret":"short","access_key":"a","secret_key":"b"}"#] {
            fs::write(&file, damaged).unwrap();
            let sentence = secrets(folder.path()).err().map(|error| error.lines().concat()).unwrap();
            assert!(sentence.contains("secrets.json cannot be used: "), "{sentence}");
            assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
        }
    }
}
