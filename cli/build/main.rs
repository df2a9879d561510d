//! Sets the version of the command. A release build names its commit.
//!
//! Only release builds name it. Otherwise every commit would rebuild a development build, with everything that depends on it.

mod commit;

use std::path::Path;

#[expect(clippy::print_stdout, reason = "cargo reads the standard output of a build script")]
fn main() {
    println!("cargo::rerun-if-changed=build");
    let version = env!("CARGO_PKG_VERSION");
    let release = std::env::var_os("PROFILE").is_some_and(|profile| profile == "release");
    // The workspace is the folder above this package. Sources that were unpacked from an archive have no `.git` there; then the
    // version names no commit, even when a folder further up is a repository of another project.
    let found = if release { commit::of_repository(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")) } else { None };
    let version = match found {
        None => version.to_owned(),
        Some(found) => {
            found.watched.iter().for_each(|file| println!("cargo::rerun-if-changed={}", file.display()));
            format!("{version} ({})", found.commit)
        }
    };
    println!("cargo::rustc-env=LOAN_ENGINE_VERSION={version}");
}
