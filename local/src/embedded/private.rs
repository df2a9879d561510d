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

/// Takes a file or a folder away from everybody but its owner: a copy of it may have been made for everybody to read.
#[cfg(unix)]
pub fn keep(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)) }
}

#[cfg(not(unix))]
pub fn keep(_: &Path) -> io::Result<()> {
    Ok(())
}
