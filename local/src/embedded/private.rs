//! Files and folders that are their owner's alone: loans and hashes of passwords are nobody else's business on a machine that
//! several people use.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Makes a folder that its owner alone may enter. One that is there stays as it is: what is private in it is so by itself.
pub fn folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes an empty file that its owner alone may read, or makes one that is there so.
pub fn file(file: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?;
    keep(file)
}

/// Takes a file or a folder, if it is there, away from everybody but its owner: a copy of it may have been made for everybody to
/// read. Where that is not possible, because another user owns it or the file system knows no owners, it is told.
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
            tracing::warn!(path = %path.display(), %error, "others can read what is in the data folder");
            Ok(())
        }
        kept => kept,
    }
}

#[cfg(not(unix))]
pub fn keep(_: &Path) -> io::Result<()> {
    Ok(())
}
