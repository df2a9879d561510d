//! The version of the command, with the commit that a release was built from.

/// For example `0.1.0 (5d2b3030a1b2)`. Builds from an archive of the sources and development builds name no commit.
pub const VERSION: &str = env!("LOAN_ENGINE_VERSION");

#[cfg(test)]
#[path = "../build/commit.rs"]
mod commit;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use shared::manifest::ENGINE_VERSION;

    use super::{VERSION, commit::of_repository};

    const COMMIT: &str = "5d2b3030a1b2c3d4e5f60718293a4b5c6d7e8f90";

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let place = folder.join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
    }

    /// The commit of a folder with these files, and the files that are watched for a change of the commit.
    fn found(files: &[(&str, &str)]) -> Option<(String, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), files);
        let found = of_repository(folder.path())?;
        let shown = |file: &Path| file.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
        Some((found.commit, found.watched.iter().map(|file| shown(file)).collect()))
    }

    #[test]
    fn the_commit_is_found_however_git_keeps_it() {
        let line = format!("{COMMIT}\n");
        let packed = format!("# pack-refs with: peeled\n{} refs/heads/other\n{COMMIT} refs/heads/main\n", "0".repeat(40));
        let on_main = (".git/HEAD", "ref: refs/heads/main\n");
        let short = COMMIT[..12].to_owned();
        let watched = |files: &[&str]| Some((short.clone(), files.iter().map(|file| (*file).to_owned()).collect()));
        assert_eq!(found(&[(".git/HEAD", &line)]), watched(&[".git/HEAD"]));
        let loose = [on_main, (".git/refs/heads/main", &line), (".git/logs/HEAD", "")];
        assert_eq!(found(&loose), watched(&[".git/HEAD", ".git/logs/HEAD", ".git/refs/heads/main"]));
        assert_eq!(found(&[on_main, (".git/packed-refs", &packed)]), watched(&[".git/HEAD", ".git/packed-refs"]));
        let linked = [
            (".git", "gitdir: real/worktrees/here\n"),
            ("real/worktrees/here/HEAD", "ref: refs/heads/main\n"),
            ("real/worktrees/here/commondir", "../..\n"),
            ("real/refs/heads/main", &line),
        ];
        assert_eq!(found(&linked).unwrap().0, short);
    }

    #[test]
    fn sources_without_a_repository_name_no_commit() {
        assert_eq!(found(&[("Cargo.toml", "")]), None);
        assert_eq!(found(&[(".git", "not a pointer")]), None);
        assert_eq!(found(&[(".git/HEAD", "ref: refs/heads/unborn\n")]), None);
        assert_eq!(found(&[(".git/HEAD", "$Format:%H$")]), None);
        // A repository in a folder above belongs to another project.
        let above = tempfile::tempdir().unwrap();
        write(above.path(), &[(".git/HEAD", COMMIT), ("unpacked/Cargo.toml", "")]);
        assert_eq!(of_repository(&above.path().join("unpacked")), None);
    }

    #[test]
    fn the_version_is_that_of_the_engine() {
        assert!(VERSION == ENGINE_VERSION || VERSION.starts_with(&format!("{ENGINE_VERSION} (")), "{VERSION}");
    }
}
