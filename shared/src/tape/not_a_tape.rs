//! Recognises files that are not tapes. The error says what the file is and what a tape is.

use std::borrow::Cow;

use crate::error::{RunError, RunErrorCode};

use super::{
    Tape,
    options::{HeaderPlace, TapeOptions},
    source::TapeSource,
};

/// First bytes of files that are neither text nor a workbook, with the kind of file.
const FIRST_BYTES: [(&[u8], &str); 14] = [
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF89a", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
];

/// First characters of texts that are not tapes, in lower case and without whitespace, with the kind of file.
const FIRST_TEXT: [(&str, &str); 9] = [
    ("{\"", "a JSON file"),
    ("{}", "a JSON file"),
    ("[{", "a JSON file"),
    ("[[", "a JSON file"),
    ("[\"", "a JSON file"),
    ("[]", "a JSON file"),
    ("<!doctypehtml", "a web page"),
    ("<html", "a web page"),
    ("<?xml", "an XML file"),
];

/// Extensions of text files that are tapes only with a header row, with the kind of file.
const OTHER_EXTENSIONS: [(&str, &str); 5] = [
    (".json", "a JSON file"),
    (".xml", "an XML file"),
    (".html", "a web page"),
    (".htm", "a web page"),
    (".toml", "a settings file (TOML)"),
];

/// Parts that identify a ZIP as something other than a workbook, with the kind of file.
const ZIP_PARTS: [(&str, &str); 2] =
    [("word/document.xml", "a Word document"), ("ppt/presentation.xml", "a PowerPoint presentation")];

/// The kind of a file by its first bytes; `None` when a tape may begin with them.
pub fn by_first_bytes(head: &[u8]) -> Option<&'static str> {
    FIRST_BYTES.iter().find(|(first, _)| head.starts_with(first)).map(|(_, kind)| *kind)
}

/// The kind of a text without a header row, by its beginning and its name in lower case; `None` when it is not known.
pub fn by_text(head: &[u8], name: &str) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').chars().filter(|c| !c.is_whitespace());
    let text: String = text.map(|c| c.to_ascii_lowercase()).collect();
    let begins = FIRST_TEXT.iter().find(|(first, _)| text.starts_with(first));
    let named = || OTHER_EXTENSIONS.iter().find(|(extension, _)| name.ends_with(extension));
    begins.or_else(named).map(|(_, kind)| *kind)
}

/// The kind of a ZIP by the names of its parts; `None` when it may be a workbook.
pub fn by_zip_parts(names: &[Cow<'_, str>]) -> Option<&'static str> {
    if let Some((_, kind)) = ZIP_PARTS.iter().find(|(part, _)| names.iter().any(|name| name == part)) {
        return Some(kind);
    }
    let of_workbook = |name: &Cow<'_, str>| {
        let beginning = name.get(..3).unwrap_or_default();
        beginning.eq_ignore_ascii_case("xl/")
            || beginning.eq_ignore_ascii_case("xl\\")
            || name == "[Content_Types].xml"
            || name == "content.xml"
    };
    (!names.iter().any(of_workbook)).then_some("a ZIP archive")
}

/// The error for a file that is not a tape.
pub fn error(source_file: &str, kind: &str) -> RunError {
    let message = format!(
        "The file is {kind}, not a tape. A tape is a CSV file or an Excel workbook (.xlsx) with a header row and a row per loan: \
         send the loans as one of these."
    );
    RunError::ingest(RunErrorCode::NotATape, source_file, None, message)
}

/// Whether a text file of a folder is not a tape, because it has no header row.
pub fn is_text_without_header(source: &dyn TapeSource, options: &TapeOptions) -> bool {
    use RunErrorCode::{EmptyTape, NoHeader, NotATape, ProfileHeaderAbsent};
    let headerless = options.header == HeaderPlace::Nowhere;
    Tape::open_all(source, options).is_err_and(|error| match error.code {
        NoHeader | EmptyTape | NotATape => true,
        // When tapes have no header, the columns of the profile tell a tape from other files.
        ProfileHeaderAbsent => headerless,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_known_by_how_they_begin_and_by_their_names() {
        for (text, name, kind) in [
            ("\u{feff} \n{ \"loans\": []}", "a.csv", Some("a JSON file")),
            ("[\n  {", "a.txt", Some("a JSON file")),
            ("7", "a.json", Some("a JSON file")),
            ("<!DOCTYPE html><p>", "a.csv", Some("a web page")),
            ("<?xml version=\"1.0\"?>", "a.csv", Some("an XML file")),
            ("name = \"strict\"", "rules.toml", Some("a settings file (TOML)")),
            ("Dear buyer", "a.csv", None),
            ("[Confidential]", "a.csv", None),
            ("", "a", None),
        ] {
            assert_eq!(by_text(text.as_bytes(), name), kind, "{text}");
        }
    }

    #[test]
    fn archives_are_known_by_their_parts() {
        let of = |names: &[&'static str]| by_zip_parts(&names.iter().map(|name| Cow::Borrowed(*name)).collect::<Vec<_>>());
        assert_eq!(of(&["march.csv"]), Some("a ZIP archive"));
        assert_eq!(of(&["[Content_Types].xml", "word/document.xml"]), Some("a Word document"));
        assert_eq!(of(&["[Content_Types].xml", "xl/workbook.bin"]), None);
        assert_eq!(of(&["mimetype", "content.xml"]), None);
        assert_eq!(of(&["[Content_Types].xml", "xl/workbook.xml"]), None);
        assert_eq!(of(&["xl/worksheets/sheet1.xml"]), None);
    }
}
