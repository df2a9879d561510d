//! The content types of the files that the product keeps.

/// By extension.
const TABLE: [(&str, &str); 13] = [
    (".csv", "text/csv; charset=utf-8"),
    (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (".xls", "application/vnd.ms-excel"),
    (".json", "application/json"),
    (".txt", "text/plain; charset=utf-8"),
    (".pdf", "application/pdf"),
    (".zip", "application/zip"),
    (".toml", "application/toml"),
    (".tsv", "text/tab-separated-values; charset=utf-8"),
    (".xlsm", "application/vnd.ms-excel.sheet.macroEnabled.12"),
    (".xlsb", "application/vnd.ms-excel.sheet.binary.macroEnabled.12"),
    (".ods", "application/vnd.oasis.opendocument.spreadsheet"),
    (".parquet", "application/vnd.apache.parquet"),
];

/// The content type of a file of that name.
pub fn content_type_of(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let row = TABLE.iter().find(|(extension, _)| name.ends_with(extension));
    row.map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use shared::paths::ALLOWED_EXTENSIONS;

    use super::*;

    #[test]
    fn every_extension_that_is_allowed_has_its_type() {
        for extension in ALLOWED_EXTENSIONS {
            assert_ne!(content_type_of(&format!("a{extension}")), "application/octet-stream", "{extension}");
        }
        assert_eq!(content_type_of("A.CSV"), "text/csv; charset=utf-8");
        assert_eq!(content_type_of("a"), "application/octet-stream");
    }
}
