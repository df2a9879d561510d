//! The rules for every path and file name that comes from outside.
//!
//! The functions are pure: they look at text alone and touch no store. A caller percent-decodes once, before it calls
//! them, and answers any [`PathError`] without having touched anything. The usual order for an upload is
//! [`sanitize_filename`], then [`validate_file_extension`] on what that returned, then [`safe_join`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// The extensions of the files that may be stored, in lower case and with their dot.
pub const ALLOWED_EXTENSIONS: &[&str] =
    &[".csv", ".xlsx", ".xls", ".json", ".txt", ".pdf", ".zip", ".toml", ".tsv", ".xlsm", ".xlsb", ".ods"];

/// The extensions of the files of a folder that are its tapes. Whether a `.txt` is one, its content says.
pub const TAPE_EXTENSIONS: [&str; 8] = [".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"];

/// The longest file name that [`sanitize_filename`] returns, in bytes. Common file systems stop at 255; the rest is
/// room for what a download or an archive may append.
pub const MAX_FILENAME_BYTES: usize = 200;

/// The longest path that [`safe_join`] returns, in bytes. A key of the store has at most 1,024; the rest is room for the
/// longer names under which a run archives what it read.
pub const MAX_PATH_BYTES: usize = 900;

/// Extensions that some system runs when such a file is opened, in lower case and in order. A name that has one of
/// them anywhere after its first dot is refused. `run` is left out on purpose: runs are what this product is about,
/// and a name such as `loans.run.csv` is an honest one.
const EXECUTABLE_EXTENSIONS: &[&str] = &[
    "apk", "app", "appimage", "appx", "asp", "aspx", "bash", "bat", "bin", "cgi", "chm", "cmd", "com", "command", "cpl", "csh",
    "deb", "dll", "dmg", "elf", "exe", "gadget", "hta", "jar", "js", "jse", "jsp", "ksh", "lnk", "mjs", "msc", "msi", "msix",
    "msp", "ocx", "php", "phtml", "pif", "pkg", "pl", "ps1", "psm1", "py", "pyc", "pyw", "rb", "reg", "rpm", "scf", "scr", "sh",
    "so", "sys", "vbe", "vbs", "ws", "wsf", "wsh", "zsh",
];

/// Why a path, a file name, a size or an area is refused. The message says what is wrong and how to mend it, and is
/// fit for a client: text of the client's is shortened, and its control and format characters are escaped.
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
    /// There is a control character, or one that a listing of the store cannot carry.
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
    /// The file name has no characters.
    #[error("The file name is empty. Give the file a name.")]
    EmptyFilename,
    /// The name of a file or a folder has only characters that may not be kept.
    #[error("Nothing of the name `{name}` can be kept. Use letters or digits.")]
    NothingLeft {
        /// The name, as it may be shown.
        name: String,
    },
    /// The file name has no extension, or nothing before it.
    #[error("The file name `{name}` has no extension. Add one of {}.", ALLOWED_EXTENSIONS.join(", "))]
    MissingExtension {
        /// The name, as it may be shown.
        name: String,
    },
    /// The extension is not one of [`ALLOWED_EXTENSIONS`].
    #[error("The extension `{extension}` is not allowed. Use one of {}.", ALLOWED_EXTENSIONS.join(", "))]
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
    /// The file is over the limit.
    #[error("The file has {size} bytes and the limit is {limit}. Send a smaller file, or send it to an upload URL.")]
    TooLarge {
        /// The size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The area is not one of [`Area::ALL`].
    #[error("There is no area `{area}`. Use one of {}.", Area::ALL.map(Area::as_str).join(", "))]
    UnknownArea {
        /// The name, as it may be shown.
        area: String,
    },
}

/// Joins `base` and `parts` to one relative storage path that lies in `base` or is `base`.
///
/// `\` counts as `/`; a part may hold several segments; empty and `.` segments are ignored. The result has single
/// slashes between its segments and none at its ends; it is empty when nothing was named. `base` is itself a relative
/// prefix such as `inputs/teams/7`, may be empty, and obeys the same rules as the parts.
///
/// # Errors
/// A control character ([`PathError::ControlCharacter`]); a leading slash or backslash, or a segment that starts with a
/// drive such as `C:` ([`PathError::Absolute`]); a `..` segment, also with white space around it
/// ([`PathError::ParentSegment`]); a segment that starts with `~` ([`PathError::HomeSegment`]); more than
/// [`MAX_PATH_BYTES`] ([`PathError::TooLong`]). A segment that another system would read as one of these, because it
/// brings text to Unicode form NFKC or drops what is not seen, is refused like it.
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

/// The form in which a path that a client names is stored: each segment in Unicode form NFC, without white space and dots at its
/// ends, as [`sanitize_filename`] strips them. So names that look the same are the same, and no folder hides behind a space. A path
/// in this form stays as it is. What came into the store by another way than this product may be named otherwise.
///
/// # Errors
/// Those of [`safe_join`], for the path as it is given and as it is stored; a segment of which nothing is left
/// ([`PathError::NothingLeft`]).
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

/// The file name under which a file that a client calls `name` is stored.
///
/// The name is brought to Unicode form NFKC; then `<>:"/\|?*`, control characters and invisible format characters are
/// removed, dots and white space at the ends are stripped, and each other run of white space becomes one `_`. Letters
/// of any script stay. The result has at most [`MAX_FILENAME_BYTES`] bytes: what is cut is the end of the stem, and the
/// extension is kept unless it leaves no room for a stem. Sanitizing a result again changes nothing.
///
/// # Errors
/// An empty name ([`PathError::EmptyFilename`]), or one of which nothing is left ([`PathError::NothingLeft`]).
pub fn sanitize_filename(name: &str) -> Result<String, PathError> {
    if name.is_empty() {
        return Err(PathError::EmptyFilename);
    }
    // The removal comes after NFKC, which makes `/` of a full-width slash and a full stop of a one-dot leader.
    let kept: String = name.nfkc().filter(|&c| !is_unsafe_in_filename(c)).collect();
    // The ends are stripped while white space is still white space, so that none of it is left there as `_`.
    let stripped = kept.trim_matches(is_dot_or_space);
    let words: Vec<&str> = stripped.split_whitespace().collect();
    // What was removed may have parted a letter from its accent, hence NFKC a second time. It cannot bring back an
    // unsafe character: all compatibility characters are gone, and what is composed is a letter or a symbol.
    let clean: String = words.join("_").nfkc().collect();
    if clean.is_empty() {
        return Err(PathError::NothingLeft { name: shown(name) });
    }
    Ok(shorten(clean))
}

/// Checks the extension of `name`, which may be a path, in any case, and returns it as it stands in
/// [`ALLOWED_EXTENSIONS`].
///
/// Only the last segment of a path counts: a folder may be called `2026.02`. A dot needs something before it, so `.csv`
/// alone is a name without an extension.
///
/// # Errors
/// A control character ([`PathError::ControlCharacter`]); the extension of a program after any dot, as in `a.exe.csv`
/// and `a.csv.exe` ([`PathError::ExecutableExtension`]); no extension ([`PathError::MissingExtension`]); another one
/// ([`PathError::ExtensionNotAllowed`]).
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
    ALLOWED_EXTENSIONS
        .iter()
        .copied()
        .find(|allowed| allowed.strip_prefix('.').is_some_and(|allowed| allowed.eq_ignore_ascii_case(extension)))
        .ok_or_else(|| PathError::ExtensionNotAllowed { extension: shown(&format!(".{extension}")) })
}

/// Checks that a file of `size` bytes is within `limit` bytes; one of exactly `limit` is.
///
/// # Errors
/// [`PathError::TooLarge`] when it is over.
pub fn validate_file_size(size: u64, limit: u64) -> Result<(), PathError> {
    if size > limit { Err(PathError::TooLarge { size, limit }) } else { Ok(()) }
}

/// A part of the store that files belong to. In JSON and in a path it is its name, as [`Area::as_str`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// What comes in: tapes and what belongs to them.
    Inputs,
    /// What runs wrote.
    Outputs,
    /// What is put ready for others to fetch.
    OutputShare,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 3] = [Self::Inputs, Self::Outputs, Self::OutputShare];

    /// The name: `inputs`, `outputs` or `output_share`.
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

/// The area of exactly this name: no other case, no white space, no slash.
///
/// # Errors
/// [`PathError::UnknownArea`] for every other name.
pub fn validate_area(name: &str) -> Result<Area, PathError> {
    Area::ALL.into_iter().find(|area| area.as_str() == name).ok_or_else(|| PathError::UnknownArea { area: shown(name) })
}

/// Writes a storage path in its one form: `/` for `\`, single slashes, none at the ends, no `.` segments. An empty path
/// stays empty, and a path in this form stays as it is.
///
/// This only tidies a path of ours. It keeps a `..` and lets an absolute path through as a relative one, so what comes
/// from outside goes through [`safe_join`].
pub fn normalize_storage_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    for segment in segments(path) {
        push_segment(&mut normal, segment);
    }
    normal
}

/// The segments of a path that name something.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split(is_separator).filter(|segment| !segment.is_empty() && *segment != ".")
}

fn push_segment(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(segment);
}

/// Refuses a segment that leads elsewhere, as it stands or as another system may read it; `path` is what the message shows.
fn check_segment(segment: &str, path: &str) -> Result<(), PathError> {
    check_plain_segment(segment, path)?;
    if segment.is_ascii() {
        return Ok(());
    }
    let folded: String = segment.nfkc().filter(|&c| !is_format(c)).collect();
    folded.split(is_separator).try_for_each(|segment| check_plain_segment(segment, path))
}

fn check_plain_segment(segment: &str, path: &str) -> Result<(), PathError> {
    // A drive is looked for in every segment, because ignored segments may stand before it, as in `./C:/x`.
    if let [letter, b':', ..] = segment.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return Err(PathError::Absolute { path: shown(path) });
    }
    // Some file systems drop white space around a name, which would make `..` of `.. `.
    if segment.trim() == ".." {
        return Err(PathError::ParentSegment { path: shown(path) });
    }
    if segment.starts_with('~') {
        return Err(PathError::HomeSegment { path: shown(path) });
    }
    Ok(())
}

/// Cuts a clean name to [`MAX_FILENAME_BYTES`]. The name starts with a character other than a dot, and so does the
/// result, which is why a stem of which nothing is left is not accepted.
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

/// The start of `text` that has at most `bytes` bytes, without a dot at its end.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().trim_end_matches('.')
}

/// The entry of [`EXECUTABLE_EXTENSIONS`] that `part`, what stands between two dots, would be taken for.
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

/// C0, DEL and C1; and the two non-characters that XML, and so a listing of the store, cannot carry.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn is_unsafe_in_filename(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*') || is_control(c) || is_format(c)
}

/// The Unicode category Cf: marks of direction, joiners, zero-width spaces. They are not seen, and they can make
/// `exe.csv` look like another extension.
const fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

/// Text of a client's as a message may show it: short, on one line, and with nothing in it that is not seen.
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
        // An underscore that the client wrote is theirs.
        assert_eq!(sanitize_filename("_tape_.csv").unwrap(), "_tape_.csv");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let exact = format!("{}.csv", "a".repeat(196));
        assert_eq!(sanitize_filename(&exact).unwrap(), exact);
        assert_eq!(sanitize_filename(&format!("a{exact}")).unwrap(), exact);
        // 196 bytes are 65 characters of three bytes and one byte that stays unused.
        assert_eq!(sanitize_filename(&format!("{}.csv", "貸".repeat(100))).unwrap(), format!("{}.csv", "貸".repeat(65)));
        // A dot that the cut lays bare goes with it.
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
            assert!(!ALLOWED_EXTENSIONS.contains(&format!(".{extension}").as_str()), "{extension}");
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
        // Before the first dot it is a name, and in a folder it is not the file's.
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

    /// Text that is mostly made of what the rules are about.
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
