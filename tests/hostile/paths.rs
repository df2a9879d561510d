//! Arbitrary texts as paths and file names: an accepted path stays below its root for every reader, and is in its one canonical
//! form.

use std::path::{Component, Path};

use shared::paths::{
    MAX_FILENAME_BYTES, MAX_PATH_BYTES, normalize_storage_path, safe_join, sanitize_filename, validate_area,
    validate_file_extension,
};
use unicode_normalization::UnicodeNormalization as _;

const BASES: [&str; 4] = ["", "inputs", "inputs/teams/7", "outputs/a.b"];

/// Asserts what holds for every path. The lines of the input are the parts that are joined.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let parts: Vec<&str> = text.split('\n').collect();
    for base in BASES {
        match safe_join(base, &parts) {
            Ok(joined) => assert_stays_below(base, &joined),
            Err(error) => assert_may_be_shown(&error.to_string()),
        }
    }
    for part in parts {
        if let Ok(joined) = safe_join("inputs", &[part]) {
            assert_stays_below("inputs", &joined);
            // Joining piece by piece gives the same path as joining at once.
            let pieces: Vec<&str> = part.split(['/', '\\']).collect();
            assert_eq!(safe_join("inputs", &pieces).as_ref(), Ok(&joined));
        }
        let normal = normalize_storage_path(part);
        assert_eq!(normalize_storage_path(&normal), normal);
        match sanitize_filename(part) {
            Ok(name) => assert_is_a_name(&name),
            Err(error) => assert_may_be_shown(&error.to_string()),
        }
        match validate_file_extension(part) {
            Ok(extension) => {
                assert!(shared::file_types::allowed_extensions().contains(&extension));
                assert!(part.to_ascii_lowercase().ends_with(extension), "{part:?}");
                let file = part.rsplit(['/', '\\']).next().unwrap().to_ascii_lowercase();
                for program in [".exe", ".bat", ".js", ".sh", ".ps1"] {
                    assert!(!file.contains(&format!("{program}.")), "{part:?}");
                }
            }
            Err(error) => assert_may_be_shown(&error.to_string()),
        }
        if let Err(error) = validate_area(part) {
            assert_may_be_shown(&error.to_string());
        }
    }
}

/// Asserts that a path is a folder or lies in it: as text, on a file system, and in Unicode's compatibility form.
fn assert_stays_below(base: &str, joined: &str) {
    let below = joined.strip_prefix(base).unwrap_or_else(|| panic!("{joined:?} is not in {base:?}"));
    assert!(base.is_empty() || below.is_empty() || below.starts_with('/'), "{joined:?} is not in {base:?}");
    assert!(joined.len() <= MAX_PATH_BYTES);
    assert!(!joined.chars().any(char::is_control) && !joined.contains('\\'), "{joined:?}");
    assert!(Path::new(joined).components().all(|component| matches!(component, Component::Normal(_))), "{joined:?}");
    let compatible: String = joined.nfkc().collect();
    for written in [joined, &compatible] {
        for segment in written.split(['/', '\\']).filter(|_| !joined.is_empty()) {
            let bytes = segment.as_bytes();
            let drive = bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
            assert!(segment.trim() != ".." && !segment.starts_with('~') && !drive, "{joined:?}: {segment:?}");
        }
    }
    for segment in joined.split('/').filter(|_| !joined.is_empty()) {
        assert!(!matches!(segment, "" | "."), "{joined:?}");
    }
    assert_eq!(safe_join("", &[joined]).as_deref(), Ok(joined));
    assert_eq!(normalize_storage_path(joined), joined);
}

fn assert_is_a_name(name: &str) {
    assert!(!name.is_empty() && name.len() <= MAX_FILENAME_BYTES, "{name:?}");
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "<>:\"/\\|?*".contains(c);
    assert!(!name.contains(forbidden) && !name.starts_with('.') && !name.ends_with('.'), "{name:?}");
    assert_eq!(sanitize_filename(name).as_deref(), Ok(name));
    // `safe_join` rejects a name that begins like a home folder.
    if !name.starts_with('~') {
        assert_eq!(safe_join("inputs", &[name]), Ok(format!("inputs/{name}")));
    }
}

/// Asserts that a sentence is short and shows nothing that could break a line or a log.
fn assert_may_be_shown(sentence: &str) {
    assert!(!sentence.contains(char::is_control) && sentence.chars().count() < 1_400, "{sentence:?}");
}
