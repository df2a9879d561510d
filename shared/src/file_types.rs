//! Types of the files that the product stores: one table of extensions, content types and roles.

pub struct FileType {
    /// In lower case and with the dot, such as `.csv`.
    pub extension: &'static str,
    pub content_type: &'static str,
    role: Role,
}

/// What users may do with files of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Users may upload the files and run them as tapes. The content of a `.txt` file decides whether it is a tape.
    Tape,
    /// Users may upload the files.
    Other,
    /// Users may download the files. Only the product makes them.
    Result,
}

const fn file(extension: &'static str, content_type: &'static str, role: Role) -> FileType {
    FileType { extension, content_type, role }
}

static FILE_TYPES: [FileType; 13] = [
    file(".csv", "text/csv; charset=utf-8", Role::Tape),
    file(".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Role::Tape),
    file(".xls", "application/vnd.ms-excel", Role::Tape),
    file(".json", "application/json", Role::Other),
    file(".txt", "text/plain; charset=utf-8", Role::Tape),
    file(".pdf", "application/pdf", Role::Other),
    file(".zip", "application/zip", Role::Other),
    file(".toml", "application/toml", Role::Other),
    file(".tsv", "text/tab-separated-values; charset=utf-8", Role::Tape),
    file(".xlsm", "application/vnd.ms-excel.sheet.macroEnabled.12", Role::Tape),
    file(".xlsb", "application/vnd.ms-excel.sheet.binary.macroEnabled.12", Role::Tape),
    file(".ods", "application/vnd.oasis.opendocument.spreadsheet", Role::Tape),
    file(".parquet", "application/vnd.apache.parquet", Role::Result),
];

/// Extensions of the files that users may upload, in lower case and with the dot.
pub fn allowed_extensions() -> Vec<&'static str> {
    extensions(|role| role != Role::Result).collect()
}

/// Extensions of the files that may be tapes, in lower case and with the dot.
pub fn tape_extensions() -> impl Iterator<Item = &'static str> {
    extensions(|role| role == Role::Tape)
}

fn extensions(has: fn(Role) -> bool) -> impl Iterator<Item = &'static str> {
    FILE_TYPES.iter().filter(move |file| has(file.role)).map(|file| file.extension)
}

/// Content type of a file with this name; `application/octet-stream` for an extension outside the table.
pub fn content_type_of(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let found = FILE_TYPES.iter().find(|file| name.ends_with(file.extension));
    found.map_or("application/octet-stream", |file| file.content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_follows_from_the_extension() {
        assert_eq!(content_type_of("A.CSV"), "text/csv; charset=utf-8");
        assert_eq!(content_type_of("facts.parquet"), "application/vnd.apache.parquet");
        assert_eq!(content_type_of("a"), "application/octet-stream");
    }

    #[test]
    fn results_are_not_uploaded_and_only_tapes_are_run() {
        assert!(!allowed_extensions().contains(&".parquet") && allowed_extensions().contains(&".pdf"));
        assert!(tape_extensions().all(|extension| allowed_extensions().contains(&extension)));
        assert!(!tape_extensions().any(|extension| [".pdf", ".json", ".zip", ".toml"].contains(&extension)));
    }
}
