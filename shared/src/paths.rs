//! The rules for every path and file name that comes from outside.
//!
//! The functions are pure: they check text and access no store. A caller percent-decodes once before it calls them, and on a
//! [`PathError`] answers without having accessed the store. The usual order for an upload is [`sanitize_filename`], then
//! [`validate_file_extension`] on its result, then [`safe_join`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::file_types::allowed_extensions;

/// Longest file name that [`sanitize_filename`] returns, in bytes. Common file systems allow 255; the difference is room for what
/// a download or an archive may append.
pub const MAX_FILENAME_BYTES: usize = 200;

/// Longest path that [`safe_join`] returns, in bytes. A key of the store has at most 1,024; the difference is room for the longer
/// names under which a run archives its inputs.
pub const MAX_PATH_BYTES: usize = 900;

/// Extensions of files that some system executes when they are opened, in lower case and sorted. A name with one of them anywhere
/// after its first dot is refused. `run` is not in the list on purpose, because this product is about runs and a name such as
/// `loans.run.csv` is legitimate.
const EXECUTABLE_EXTENSIONS: &[&str] = &[
    "apk", "app", "appimage", "appx", "asp", "aspx", "bash", "bat", "bin", "cgi", "chm", "cmd", "com", "command", "cpl", "csh",
    "deb", "dll", "dmg", "elf", "exe", "gadget", "hta", "jar", "js", "jse", "jsp", "ksh", "lnk", "mjs", "msc", "msi", "msix",
    "msp", "ocx", "php", "phtml", "pif", "pkg", "pl", "ps1", "psm1", "py", "pyc", "pyw", "rb", "reg", "rpm", "scf", "scr", "sh",
    "so", "sys", "vbe", "vbs", "ws", "wsf", "wsh", "zsh",
];

/// Why a path, a file name, a size or an area is refused. The message says what is wrong and how to fix it. It may be shown to
/// clients: text from the client is shortened, and its control and format characters are escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A segment is `..`.
    #[error("The path `{path}` goes up with `..`. Name the folder itself instead.")]
    ParentSegment {
        /// The path, as it may be shown.
        path: String,
    },
    /// The path starts at a root: a slash, a backslash or a drive.
    #[error("The path `{path}` is absolute. Give a relative path, without a leading slash and without a drive letter.")]
    Absolute {
        /// The path, as it may be shown.
        path: String,
    },
    /// A segment starts with `~`.
    #[error("The path `{path}` has a part that starts with `~`. Rename that part.")]
    HomeSegment {
        /// The path, as it may be shown.
        path: String,
    },
    /// The path has a control character, or a character that a listing of the store cannot contain.
    #[error("The path `{path}` contains a control character. Remove it.")]
    ControlCharacter {
        /// The path, as it may be shown.
        path: String,
    },
    /// The path is longer than [`MAX_PATH_BYTES`].
    #[error("The path `{path}` is too long. Use at most {MAX_PATH_BYTES} bytes, names of folders included.")]
    TooLong {
        /// The path, as it may be shown.
        path: String,
    },
    /// The file name is empty.
    #[error("The file name is empty. Give the file a name.")]
    EmptyFilename,
    /// The name of a file or a folder has only characters that are removed.
    #[error("Nothing of the name `{name}` can be kept. Use letters or digits.")]
    NothingLeft {
        /// The name, as it may be shown.
        name: String,
    },
    /// The file name has no extension, or nothing before the extension.
    #[error("The file name `{name}` has no extension. Add one of {}.", allowed_extensions().join(", "))]
    MissingExtension {
        /// The name, as it may be shown.
        name: String,
    },
    /// The extension is not one of [`allowed_extensions`].
    #[error("The extension `{extension}` is not allowed. Use one of {}.", allowed_extensions().join(", "))]
    ExtensionNotAllowed {
        /// The extension with its dot, as it may be shown.
        extension: String,
    },
    /// The file name contains the extension of a program, at its end or hidden before the last one.
    #[error("The file name contains the extension `{extension}` of a program. Rename the file without it.")]
    ExecutableExtension {
        /// The extension with its dot, in lower case.
        extension: &'static str,
    },
    /// The file is larger than the limit.
    #[error("The file has {size} bytes and the limit is {limit}. Send a smaller file, or send it to an upload URL.")]
    TooLarge {
        /// Size in bytes.
        size: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// The area is not one of [`Area::ALL`].
    #[error("There is no area `{area}`. Use one of {}.", Area::ALL.map(Area::as_str).join(", "))]
    UnknownArea {
        /// The name, as it may be shown.
        area: String,
    },
}

/// Joins `base` and `parts` to one relative storage path, which is `base` or is in `base`.
///
/// `\` counts as `/`. A part may have several segments. Empty and `.` segments are ignored. The result has single slashes between
/// its segments and none at its ends; it is empty when there are no segments. `base` is a relative prefix such as
/// `inputs/teams/7`, may be empty, and follows the same rules as the parts.
///
/// # Errors
/// [`PathError::ControlCharacter`] for a control character. [`PathError::Absolute`] for a leading slash or backslash, or a
/// segment that starts with a drive such as `C:`. [`PathError::ParentSegment`] for a `..` segment, also with whitespace around
/// it. [`PathError::HomeSegment`] for a segment that starts with `~`. [`PathError::TooLong`] for more than [`MAX_PATH_BYTES`]. A
/// segment is also refused if another system would read it as one of these, because that system converts text to Unicode form
/// NFKC or drops invisible characters.
pub fn safe_join(base: &str, parts: &[&str]) -> Result<String, PathError> {
    let mut joined = String::new();
    for part in std::iter::once(&base).chain(parts) {
        if part.chars().any(is_control) {
            return Err(PathError::ControlCharacter { path: shown(part) });
        }
        if part.starts_with(is_separator) {
            return Err(PathError::Absolute { path: shown(part) });
        }
        for segment in segments(part) {
            check_segment(segment, part)?;
            push_segment(&mut joined, segment);
        }
    }
    if joined.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong { path: shown(&joined) });
    }
    Ok(joined)
}

/// The stored form of a path that a client gives: each segment in Unicode form NFC, without whitespace and dots at its ends, as
/// [`sanitize_filename`] strips them. So names that look the same are the same, and no two folders have names that differ only by
/// whitespace at an end. The function does not change a path in this form. A file that another program put into the store may
/// have a path in another form.
///
/// # Errors
/// Those of [`safe_join`], for the given and for the stored path. [`PathError::NothingLeft`] for a segment that has only
/// characters that are removed.
pub fn stored_path(path: &str) -> Result<String, PathError> {
    let given = safe_join("", &[path])?;
    let mut stored = String::with_capacity(given.len());
    for segment in segments(&given) {
        let composed: String = segment.nfc().collect();
        match composed.trim_matches(is_dot_or_space) {
            "" => return Err(PathError::NothingLeft { name: shown(segment) }),
            kept => push_segment(&mut stored, kept),
        }
    }
    safe_join("", &[&stored])
}

/// The stored file name of a file that a client calls `name`.
///
/// The name is converted to Unicode form NFKC. Then `<>:"/\|?*`, control characters and invisible format characters are removed,
/// dots and whitespace at the ends are stripped, and every other run of whitespace becomes one `_`. Letters of any script stay.
/// The result has at most [`MAX_FILENAME_BYTES`] bytes: a longer name loses the end of its stem, and keeps its extension unless
/// that leaves no room for a stem. Sanitizing a result again changes nothing.
///
/// # Errors
/// [`PathError::EmptyFilename`] for an empty name. [`PathError::NothingLeft`] for a name that has only characters that are
/// removed.
pub fn sanitize_filename(name: &str) -> Result<String, PathError> {
    if name.is_empty() {
        return Err(PathError::EmptyFilename);
    }
    // Remove after NFKC, because NFKC turns a full-width slash into `/` and a one-dot leader into a full stop.
    let kept: String = name.nfkc().filter(|&c| !is_unsafe_in_filename(c)).collect();
    // Strip the ends before whitespace becomes `_`, so that no `_` is left there.
    let stripped = kept.trim_matches(is_dot_or_space);
    let words: Vec<&str> = stripped.split_whitespace().collect();
    // Apply NFKC again, because a removed character may have separated a letter from its accent. This cannot bring back an unsafe
    // character: all compatibility characters are gone, and composition gives a letter or a symbol.
    let clean: String = words.join("_").nfkc().collect();
    if clean.is_empty() {
        return Err(PathError::NothingLeft { name: shown(name) });
    }
    Ok(shorten(clean))
}

/// Checks the extension of `name`, which may be a path, in any letter case. Returns the extension as [`allowed_extensions`] has
/// it.
///
/// Only the last segment of a path counts, because a folder may be called `2026.02`. A dot needs something before it, so `.csv`
/// alone is a name without an extension.
///
/// # Errors
/// [`PathError::ControlCharacter`] for a control character. [`PathError::ExecutableExtension`] for the extension of a program
/// after any dot, as in `a.exe.csv` and `a.csv.exe`. [`PathError::MissingExtension`] for a name without an extension.
/// [`PathError::ExtensionNotAllowed`] for any other extension.
pub fn validate_file_extension(name: &str) -> Result<&'static str, PathError> {
    if name.chars().any(is_control) {
        return Err(PathError::ControlCharacter { path: shown(name) });
    }
    let file = name.rsplit(is_separator).next().unwrap_or(name);
    if let Some(extension) = file.split('.').skip(1).find_map(executable_extension) {
        return Err(PathError::ExecutableExtension { extension });
    }
    let extension = match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.trim_matches(is_dot_or_space).is_empty() && !extension.is_empty() => extension,
        _ => return Err(PathError::MissingExtension { name: shown(file) }),
    };
    allowed_extensions()
        .into_iter()
        .find(|allowed| allowed.strip_prefix('.').is_some_and(|allowed| allowed.eq_ignore_ascii_case(extension)))
        .ok_or_else(|| PathError::ExtensionNotAllowed { extension: shown(&format!(".{extension}")) })
}

/// Checks that a file of `size` bytes has at most `limit` bytes.
///
/// # Errors
/// [`PathError::TooLarge`] when `size` is greater than `limit`.
pub fn validate_file_size(size: u64, limit: u64) -> Result<(), PathError> {
    if size > limit { Err(PathError::TooLarge { size, limit }) } else { Ok(()) }
}

/// An area of the store, to which files belong. JSON and paths have its name, as [`Area::as_str`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Tapes and the files that belong to them.
    Inputs,
    /// Files written by runs.
    Outputs,
    /// Files provided for others to download.
    OutputShare,
}

impl Area {
    pub const ALL: [Self; 3] = [Self::Inputs, Self::Outputs, Self::OutputShare];

    /// Name of the area: `inputs`, `outputs` or `output_share`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
            Self::OutputShare => "output_share",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Area {
    type Err = PathError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        validate_area(name)
    }
}

/// The area of exactly this name: in lower case, without whitespace and slashes.
///
/// # Errors
/// [`PathError::UnknownArea`] for every other name.
pub fn validate_area(name: &str) -> Result<Area, PathError> {
    Area::ALL.into_iter().find(|area| area.as_str() == name).ok_or_else(|| PathError::UnknownArea { area: shown(name) })
}

/// Normalizes a storage path: `/` for `\`, single slashes, none at the ends, no `.` segments. An empty path stays empty, and a
/// path in this form is not changed.
///
/// Use this only for paths made by the product. It keeps `..` segments and turns an absolute path into a relative one, so a path
/// from outside must go through [`safe_join`].
pub fn normalize_storage_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    for segment in segments(path) {
        push_segment(&mut normal, segment);
    }
    normal
}

/// The segments of a path, without empty and `.` segments.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split(is_separator).filter(|segment| !segment.is_empty() && *segment != ".")
}

fn push_segment(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(segment);
}

/// Refuses a segment that leads out of the path, as written or as another system may read it. The message shows `path`.
fn check_segment(segment: &str, path: &str) -> Result<(), PathError> {
    check_plain_segment(segment, path)?;
    if segment.is_ascii() {
        return Ok(());
    }
    let folded: String = segment.nfkc().filter(|&c| !is_format(c)).collect();
    folded.split(is_separator).try_for_each(|segment| check_plain_segment(segment, path))
}

fn check_plain_segment(segment: &str, path: &str) -> Result<(), PathError> {
    // Check every segment for a drive, because ignored segments may come before it, as in `./C:/x`.
    if let [letter, b':', ..] = segment.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return Err(PathError::Absolute { path: shown(path) });
    }
    // Some file systems drop whitespace around a name, which would turn `.. ` into `..`.
    if segment.trim() == ".." {
        return Err(PathError::ParentSegment { path: shown(path) });
    }
    if segment.starts_with('~') {
        return Err(PathError::HomeSegment { path: shown(path) });
    }
    Ok(())
}

/// Cuts a clean name to [`MAX_FILENAME_BYTES`]. The name does not start with a dot, and the result must not either. So when no
/// stem would be left, the whole name is cut instead of its stem.
fn shorten(name: String) -> String {
    if name.len() <= MAX_FILENAME_BYTES {
        return name;
    }
    if let Some((stem, extension)) = name.rfind('.').and_then(|dot| name.split_at_checked(dot)) {
        let room = MAX_FILENAME_BYTES.saturating_sub(extension.len());
        let stem = cut(stem, room);
        if !stem.is_empty() {
            return format!("{stem}{extension}");
        }
    }
    cut(&name, MAX_FILENAME_BYTES).to_owned()
}

/// The longest start of `text` with at most `bytes` bytes, without dots at its end.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().trim_end_matches('.')
}

/// The entry of [`EXECUTABLE_EXTENSIONS`] that a system would take `part` for. `part` is the text between two dots.
fn executable_extension(part: &str) -> Option<&'static str> {
    let seen: String = part.trim().chars().filter(|&c| !is_format(c)).collect();
    EXECUTABLE_EXTENSIONS.iter().copied().find(|executable| seen.eq_ignore_ascii_case(executable))
}

const fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

fn is_dot_or_space(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

/// C0, DEL and C1, and the two non-characters that XML, and so a listing of the store, cannot contain.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn is_unsafe_in_filename(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*') || is_control(c) || is_format(c)
}

/// The Unicode category Cf: direction marks, joiners, zero-width spaces. They are invisible, and can make `exe.csv` look like
/// another extension.
const fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

/// Text from a client as a message may show it: short, on one line, and without invisible characters.
fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = String::new();
    for c in text.chars().take(LONGEST) {
        if is_control(c) || is_format(c) || (c.is_whitespace() && c != ' ') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stored_path_is_composed_and_trimmed() {
        for (given, stored) in [
            ("march/tape.csv", "march/tape.csv"),
            ("2026.02/ a b /.c.", "2026.02/a b/c"),
            ("cafe\u{301}//\u{a0}x\u{3000}", "caf\u{e9}/x"),
            ("\u{fb03}ce", "\u{fb03}ce"),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(stored_path(given).unwrap(), stored, "{given:?}");
        }
        for refused in ["a/ ~b", "a/.~b", " C:/x", "...", "a/ . /b", "\u{a0}", "../x", " .. ", "/x"] {
            assert!(stored_path(refused).is_err(), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn a_stored_path_stays_as_it_is_and_obeys_the_rules(path in "[a-z./ ~e\u{301}\u{e9}\u{a0}\u{1100}\u{1161}]{0,20}") {
            if let Ok(stored) = stored_path(&path) {
                prop_assert_eq!(stored_path(&stored), Ok(stored.clone()));
                prop_assert_eq!(safe_join("", &[&stored]), Ok(stored.clone()));
                prop_assert_eq!(stored.nfc().collect::<String>(), stored);
            }
        }
    }

    #[test]
    fn every_control_character_is_refused_and_never_echoed() {
        for c in (0..=0x1f).chain(0x7f..=0x9f).chain([0xfffe, 0xffff]).filter_map(char::from_u32) {
            let path = format!("a/b{c}.csv");
            let error = safe_join("inputs", &[&path]).unwrap_err();
            assert!(matches!(error, PathError::ControlCharacter { .. }), "{c:?}: {error}");
            assert!(!error.to_string().contains(c), "{c:?} is echoed");
            assert_eq!(validate_file_extension(&path).unwrap_err(), error);
            assert_eq!(sanitize_filename(&format!("a{c}b.csv")).unwrap(), "ab.csv");
        }
    }

    #[test]
    fn messages_escape_what_is_not_seen_and_are_short() {
        let error = validate_file_extension("a.\u{202e}vsc").unwrap_err();
        assert_eq!(
            error.to_string(),
            r"The extension `.\u{202e}vsc` is not allowed. Use one of .csv, .xlsx, .xls, .json, .txt, .pdf, .zip, .toml, .tsv, .xlsm, .xlsb, .ods."
        );
        let error = validate_area("in\u{2028}puts\n").unwrap_err();
        assert_eq!(error.to_string(), r"There is no area `in\u{2028}puts\u{a}`. Use one of inputs, outputs, output_share.");
        let error = safe_join("", &[&format!("/{}", "x".repeat(5000))]).unwrap_err();
        assert!(error.to_string().len() < 250, "{error}");
    }

    #[test]
    fn a_drive_is_found_wherever_it_stands() {
        for path in ["c:", "C:", "C:x", r"C:\x", "z:/x", "./C:/x", r"a\D:\x"] {
            assert!(matches!(safe_join("inputs", &[path]), Err(PathError::Absolute { .. })), "{path}");
        }
        // A colon elsewhere is an ordinary character of a storage key.
        assert_eq!(safe_join("inputs", &["09:30.csv"]).unwrap(), "inputs/09:30.csv");
    }

    #[test]
    fn what_another_system_would_read_as_a_way_out_is_one() {
        for path in ["．．/x", "‥/x", "․․/x", "．．／x", "a/.\u{200b}./x", "\u{202e}../x"] {
            assert!(matches!(safe_join("inputs", &[path]), Err(PathError::ParentSegment { .. })), "{path}");
        }
        assert!(matches!(safe_join("inputs", &["～root"]), Err(PathError::HomeSegment { .. })));
        assert!(matches!(safe_join("inputs", &["Ｃ：/x"]), Err(PathError::Absolute { .. })));
        for name in ["ünï/貸付.csv", "c℅o.csv", "½.csv", "…", "a／b.csv", "e\u{301}.csv"] {
            assert_eq!(safe_join("", &[name]).unwrap(), name);
        }
    }

    #[test]
    fn a_path_leaves_room_in_a_key() {
        assert_eq!(safe_join("", &[&"x".repeat(MAX_PATH_BYTES)]).unwrap().len(), MAX_PATH_BYTES);
        assert!(matches!(safe_join("in", &[&"x".repeat(MAX_PATH_BYTES - 2)]), Err(PathError::TooLong { .. })));
    }

    #[test]
    fn the_base_obeys_the_rules_of_the_parts() {
        assert_eq!(safe_join("", &[]).unwrap(), "");
        assert_eq!(safe_join("", &["a"]).unwrap(), "a");
        assert_eq!(safe_join(r"./inputs\teams//7/", &["a"]).unwrap(), "inputs/teams/7/a");
        for base in ["/inputs", r"\inputs", "..", "a/../b", "~root", "C:", "a\0"] {
            assert!(safe_join(base, &["a"]).is_err(), "{base:?}");
        }
    }

    #[test]
    fn only_whole_segments_go_up_or_home() {
        assert_eq!(safe_join("inputs", &["a..b", "..c", "d..", "...", "e~"]).unwrap(), "inputs/a..b/..c/d../.../e~");
        for path in [".. ", " ..", "a/..\u{a0}/b"] {
            assert!(matches!(safe_join("inputs", &[path]), Err(PathError::ParentSegment { .. })), "{path:?}");
        }
    }

    #[test]
    fn what_nfkc_creates_is_removed_too() {
        // Full-width `/`, `:`, `<`, `*`; account-of; two-dot leader.
        assert_eq!(sanitize_filename("a／b：c＜d＊.csv").unwrap(), "abcd.csv");
        assert_eq!(sanitize_filename("℀.csv").unwrap(), "ac.csv");
        assert_eq!(sanitize_filename("‥a.csv‥").unwrap(), "a.csv");
    }

    #[test]
    fn format_characters_hide_no_extension() {
        assert_eq!(sanitize_filename("tape\u{202e}vsc.exe").unwrap(), "tapevsc.exe");
        assert_eq!(sanitize_filename("tape.e\u{200b}xe.csv").unwrap(), "tape.exe.csv");
        assert!(matches!(sanitize_filename("\u{200b}\u{feff}\u{202e}"), Err(PathError::NothingLeft { .. })));
    }

    #[test]
    fn an_accent_that_a_removed_character_held_apart_is_composed() {
        assert_eq!(sanitize_filename("e\u{200d}\u{301}.csv").unwrap(), "é.csv");
        assert_eq!(sanitize_filename("e?\u{301}.csv").unwrap(), "é.csv");
    }

    #[test]
    fn the_ends_keep_neither_dots_nor_white_space_nor_what_became_of_it() {
        for name in ["  tape.csv  ", ". .tape.csv. .", "<> tape.csv <>", "\u{3000}tape.csv\u{a0}", "? .?.tape.csv."] {
            assert_eq!(sanitize_filename(name).unwrap(), "tape.csv", "{name:?}");
        }
        // Underscores written by the client stay.
        assert_eq!(sanitize_filename("_tape_.csv").unwrap(), "_tape_.csv");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let exact = format!("{}.csv", "a".repeat(196));
        assert_eq!(sanitize_filename(&exact).unwrap(), exact);
        assert_eq!(sanitize_filename(&format!("a{exact}")).unwrap(), exact);
        // 196 bytes are 65 characters of three bytes and one byte that stays unused.
        assert_eq!(sanitize_filename(&format!("{}.csv", "貸".repeat(100))).unwrap(), format!("{}.csv", "貸".repeat(65)));
        // A dot that the cut leaves at the end is removed too.
        let dotted = format!("{}..{}.csv", "a".repeat(194), "b".repeat(50));
        assert_eq!(sanitize_filename(&dotted).unwrap(), format!("{}.csv", "a".repeat(194)));
    }

    #[test]
    fn an_extension_that_leaves_no_room_is_cut_as_the_rest() {
        assert_eq!(sanitize_filename(&format!("a.{}", "b".repeat(300))).unwrap(), format!("a.{}", "b".repeat(198)));
        assert_eq!(sanitize_filename(&"a".repeat(300)).unwrap(), "a".repeat(200));
        // One byte of room, and a first character of three.
        assert_eq!(sanitize_filename(&format!("貸.{}", "b".repeat(198))).unwrap(), format!("貸.{}", "b".repeat(196)));
    }

    #[test]
    fn the_table_of_executables_is_in_order_and_apart_from_what_is_allowed() {
        assert!(EXECUTABLE_EXTENSIONS.is_sorted_by(|a, b| a < b));
        for extension in EXECUTABLE_EXTENSIONS {
            assert!(extension.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{extension}");
            assert!(!allowed_extensions().contains(&format!(".{extension}").as_str()), "{extension}");
            for name in [format!("a.{extension}.csv"), format!("a.csv.{extension}"), format!("a.{extension}")] {
                let expected = PathError::ExecutableExtension { extension };
                assert_eq!(validate_file_extension(&name), Err(expected), "{name}");
            }
        }
    }

    #[test]
    fn a_program_is_found_however_it_is_dressed() {
        for name in ["a.EXE.csv", "a.exe .csv", "a.exe.b.csv", ".exe.csv", "a.e\u{200b}xe.csv", "x/a.csv.Exe"] {
            assert!(matches!(validate_file_extension(name), Err(PathError::ExecutableExtension { .. })), "{name:?}");
        }
        // Text before the first dot is no extension, and the extension of a folder does not count.
        assert_eq!(validate_file_extension("exe.csv"), Ok(".csv"));
        assert_eq!(validate_file_extension("setup.exe.d/tape.csv"), Ok(".csv"));
        assert_eq!(validate_file_extension("loans.run.csv"), Ok(".csv"));
    }

    #[test]
    fn only_the_last_segment_has_an_extension() {
        for name in ["", ".csv", "..csv", " .csv", "tape.", "tape", "2026.csv/tape", "2026.csv/", r"2026.csv\.csv"] {
            assert!(matches!(validate_file_extension(name), Err(PathError::MissingExtension { .. })), "{name:?}");
        }
        assert_eq!(validate_file_extension("2026.02/tape.v2.XLSX"), Ok(".xlsx"));
        assert!(matches!(validate_file_extension("2026.02"), Err(PathError::ExtensionNotAllowed { .. })));
        assert!(matches!(validate_file_extension("tape.csv "), Err(PathError::ExtensionNotAllowed { .. })));
    }

    #[test]
    fn an_area_has_one_name_everywhere() {
        for area in Area::ALL {
            let json = format!("\"{area}\"");
            assert_eq!(serde_json::to_string(&area).unwrap(), json);
            assert_eq!(serde_json::from_str::<Area>(&json).unwrap(), area);
            assert_eq!(area.as_str().parse::<Area>(), Ok(area));
        }
        assert!(serde_json::from_str::<Area>("\"Inputs\"").is_err());
    }

    /// Text made mostly of characters that the rules handle specially.
    fn nasty() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec![
                "/", "\\", ".", "..", "~", "c:", " ", "\u{a0}", "\u{301}", "\u{338}", "<", ":", "?", "\0", "\u{85}",
                "\u{200b}", "\u{202e}", "．", "／", "‥", "貸", "e", "_", "tape", ".csv", ".exe", "ﷺ", "´", "\u{1100}",
                "\u{1161}",
            ])
            .prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
            1 => "[a-z.]{60,120}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn a_joined_path_stays_in_its_base(base in "[a-z]{0,4}(/[a-z]{1,4}){0,2}", parts in prop::collection::vec(nasty(), 0..4)) {
            let base = base.trim_start_matches('/');
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            if let Ok(joined) = safe_join(base, &parts) {
                let below = joined.strip_prefix(base);
                prop_assert!(below.is_some_and(|below| base.is_empty() || below.is_empty() || below.starts_with('/')));
                prop_assert!(!joined.contains(['\\', '\0']) && !joined.starts_with('/') && !joined.ends_with('/'));
                for segment in joined.split('/').filter(|_| !joined.is_empty()) {
                    prop_assert!(!["", ".", ".."].contains(&segment) && !segment.starts_with('~'));
                }
                prop_assert_eq!(safe_join("", &[&joined]), Ok(joined.clone()));
                prop_assert_eq!(normalize_storage_path(&joined), joined);
            }
        }

        #[test]
        fn a_sanitized_name_is_safe_and_stays_as_it_is(name in nasty()) {
            if let Ok(clean) = sanitize_filename(&name) {
                prop_assert!(!clean.is_empty() && clean.len() <= MAX_FILENAME_BYTES);
                prop_assert!(!clean.contains(|c: char| is_unsafe_in_filename(c) || c.is_whitespace()));
                prop_assert!(!clean.starts_with('.') && !clean.ends_with('.'));
                prop_assert_eq!(sanitize_filename(&clean), Ok(clean.clone()));
                prop_assert!(clean.starts_with('~') || safe_join("inputs", &[&clean]).is_ok());
            }
        }

        #[test]
        fn a_normal_path_stays_as_it_is(path in nasty()) {
            let normal = normalize_storage_path(&path);
            prop_assert_eq!(normalize_storage_path(&normal), normal);
        }

        #[test]
        fn no_message_echoes_a_control_character(name in nasty()) {
            let errors = [
                safe_join("", &[&name]).err(),
                sanitize_filename(&name).err(),
                validate_file_extension(&name).err(),
                validate_area(&name).err(),
            ];
            for error in errors.into_iter().flatten() {
                prop_assert!(!error.to_string().contains(|c: char| is_control(c) || is_format(c)));
            }
        }
    }
}
