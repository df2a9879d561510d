//! Files and folders that only their owner can use. They hold loans and password hashes, which other users of the machine must
//! not see.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Creates a folder that only its owner can enter. An existing folder keeps its mode, because private files in it have their own.
pub fn folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates an empty file that only its owner can read, or restricts an existing file to its owner.
pub fn file(file: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?;
    keep(file)
}

/// Restricts a file or a folder, if it exists, to its owner, because a copy may be readable by all users. Logs a warning when
/// that is not possible, because another user owns it or the file system knows no owners.
#[cfg(unix)]
pub fn keep(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)) {
        Err(error) if [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported].contains(&error.kind()) => {
            tracing::warn!(path = %path.display(), %error, "other users can read files of the data folder");
            Ok(())
        }
        kept => kept,
    }
}

#[cfg(not(unix))]
pub fn keep(_: &Path) -> io::Result<()> {
    Ok(())
}
