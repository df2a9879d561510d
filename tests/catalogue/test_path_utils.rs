//! The path rules, on which every endpoint that takes a path or a file name relies.

mod test_safe_join {
    use shared::paths::{PathError, safe_join};

    #[test]
    fn test_simple_join() {
        assert_eq!(safe_join("inputs", &["tape.csv"]).unwrap(), "inputs/tape.csv");
        assert_eq!(safe_join("inputs/", &["tape.csv"]).unwrap(), "inputs/tape.csv");
        assert_eq!(safe_join("inputs", &[]).unwrap(), "inputs");
    }

    #[test]
    fn test_nested_join() {
        assert_eq!(safe_join("inputs", &["teams", "7", "incoming", "tape.csv"]).unwrap(), "inputs/teams/7/incoming/tape.csv");
        assert_eq!(safe_join("inputs/teams", &["7/incoming", "tape.csv"]).unwrap(), "inputs/teams/7/incoming/tape.csv");
    }

    #[test]
    fn test_dotdot_raises() {
        for parts in [&[".."][..], &["../x"], &["a/../b"], &["a", "..", "b"], &["a/.."], &[r"..\x"], &[r"a\..\..\b"]] {
            let error = safe_join("inputs", parts).unwrap_err();
            assert!(matches!(error, PathError::ParentSegment { .. }), "{parts:?}: {error:?}");
            assert!(error.to_string().contains("`..`"), "{error}");
        }
        assert!(safe_join("inputs/../outputs", &["a"]).is_err());
        assert_eq!(safe_join("inputs", &["a..b.csv"]).unwrap(), "inputs/a..b.csv");
    }

    #[test]
    fn test_absolute_path_raises() {
        for path in ["/", "/etc/passwd", "//x", r"\x", r"\\host\share", r"C:\x", "C:/x", "c:", "c:x"] {
            let error = safe_join("inputs", &[path]).unwrap_err();
            assert!(matches!(error, PathError::Absolute { .. }), "{path}: {error:?}");
            assert!(safe_join("inputs", &["a", path]).is_err(), "{path} as a later part");
            assert!(safe_join(path, &["a"]).is_err(), "{path} as the base");
        }
    }

    #[test]
    fn test_tilde_raises() {
        for path in ["~", "~/x", "~root/x", "a/~b", r"a\~"] {
            let error = safe_join("inputs", &[path]).unwrap_err();
            assert!(matches!(error, PathError::HomeSegment { .. }), "{path}: {error:?}");
        }
        assert_eq!(safe_join("inputs", &["a~b", "c~"]).unwrap(), "inputs/a~b/c~");
    }

    #[test]
    fn test_empty_parts_ignored() {
        assert_eq!(safe_join("inputs", &["", "a", "", "b", ""]).unwrap(), "inputs/a/b");
        assert_eq!(safe_join("", &["", "a"]).unwrap(), "a");
        assert_eq!(safe_join("", &["", ""]).unwrap(), "");
    }

    #[test]
    fn test_dot_parts_ignored() {
        assert_eq!(safe_join("inputs", &[".", "a", ".", "./b/.", "./."]).unwrap(), "inputs/a/b");
        assert_eq!(safe_join(".", &[".", "a"]).unwrap(), "a");
        assert_eq!(safe_join("inputs", &[".hidden"]).unwrap(), "inputs/.hidden");
    }

    #[test]
    fn test_backslash_normalized() {
        assert_eq!(safe_join("inputs", &[r"a\b\c.csv"]).unwrap(), "inputs/a/b/c.csv");
        assert_eq!(safe_join(r"inputs\teams", &[r"7\a/b\"]).unwrap(), "inputs/teams/7/a/b");
    }

    #[test]
    fn test_multiple_slashes_collapsed() {
        assert_eq!(safe_join("inputs//teams/", &["a///b", r"c\\/d//"]).unwrap(), "inputs/teams/a/b/c/d");
    }
}

mod test_sanitize_filename {
    use shared::paths::{PathError, sanitize_filename};

    #[test]
    fn test_normal_filename() {
        for name in ["tape.csv", "Tape_2026-02.v2.xlsx", "loans(1).json", "Kreditübersicht.csv", "貸付.csv", "кредит.pdf"]
        {
            assert_eq!(sanitize_filename(name).unwrap(), name);
        }
    }

    #[test]
    fn test_spaces_to_underscores() {
        assert_eq!(sanitize_filename("my tape.csv").unwrap(), "my_tape.csv");
        assert_eq!(sanitize_filename("my   big \u{a0}\u{3000} tape.csv").unwrap(), "my_big_tape.csv");
        assert_eq!(sanitize_filename("  tape.csv  ").unwrap(), "tape.csv");
    }

    #[test]
    fn test_special_chars_removed() {
        assert_eq!(sanitize_filename(r#"a<b>c:d"e/f\g|h?i*j.csv"#).unwrap(), "abcdefghij.csv");
        assert_eq!(sanitize_filename("a\0b\tc\nd\u{7f}e\u{9f}f.csv").unwrap(), "abcdef.csv");
        assert_eq!(sanitize_filename("../../etc/passwd.txt").unwrap(), "etcpasswd.txt");
        assert_eq!(sanitize_filename("tape\u{202e}\u{200b}.csv").unwrap(), "tape.csv");
        assert_eq!(sanitize_filename("a < b.csv").unwrap(), "a_b.csv");
    }

    #[test]
    fn test_unicode_normalized() {
        assert_eq!(sanitize_filename("cafe\u{301}.csv").unwrap(), "caf\u{e9}.csv");
        assert_eq!(sanitize_filename("ｔａｐｅ①ﬁ．ｃｓｖ").unwrap(), "tape1fi.csv");
        // Normalization turns these characters into a slash and a colon, which are then removed like any other.
        assert_eq!(sanitize_filename("a／b：c.csv").unwrap(), "abc.csv");
    }

    #[test]
    fn test_leading_dots_stripped() {
        for name in [".tape.csv", "...tape.csv", ". .tape.csv", " . tape.csv", "tape.csv...", "tape.csv. ", "..tape.csv .."] {
            assert_eq!(sanitize_filename(name).unwrap(), "tape.csv", "{name:?}");
        }
    }

    #[test]
    fn test_empty_filename_raises() {
        assert_eq!(sanitize_filename(""), Err(PathError::EmptyFilename));
        for name in [" ", " \t\n", "\u{3000}"] {
            assert!(sanitize_filename(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn test_only_special_chars_raises() {
        for name in ["???", r#"<>:"/\|?*"#, "...", ". . .", "\0\u{1f}\u{85}", "＊／", "\u{202e}\u{200b}", "../.."] {
            let error = sanitize_filename(name).unwrap_err();
            assert!(matches!(error, PathError::NothingLeft { .. }), "{name:?}: {error:?}");
        }
    }
}

mod test_validate_file_extension {
    use shared::{
        file_types::allowed_extensions,
        paths::{PathError, validate_file_extension},
    };

    #[test]
    fn test_csv_allowed() {
        assert_eq!(validate_file_extension("tape.csv"), Ok(".csv"));
        assert_eq!(validate_file_extension("incoming/tape.2026-02.csv"), Ok(".csv"));
    }

    #[test]
    fn test_xlsx_allowed() {
        assert_eq!(validate_file_extension("tape.xlsx"), Ok(".xlsx"));
        let all = [".csv", ".xlsx", ".xls", ".json", ".txt", ".pdf", ".zip", ".toml", ".tsv", ".xlsm", ".xlsb", ".ods"];
        assert_eq!(allowed_extensions(), all);
        for extension in allowed_extensions() {
            assert_eq!(validate_file_extension(&format!("tape{extension}")), Ok(extension));
        }
    }

    #[test]
    fn test_exe_blocked() {
        for name in ["tape.exe", "tape.EXE", "tape.exe.csv", "tape.csv.exe", "tape.exe.v2.csv"] {
            assert_eq!(validate_file_extension(name), Err(PathError::ExecutableExtension { extension: "exe" }), "{name}");
        }
        for name in ["a.bat.csv", "a.sh.txt", "a.js.json", "a.ps1.zip"] {
            assert!(matches!(validate_file_extension(name), Err(PathError::ExecutableExtension { .. })), "{name}");
        }
        for name in ["tape.parquet", "tape.csvx", "tape.cs", "tape.csv~"] {
            assert!(matches!(validate_file_extension(name), Err(PathError::ExtensionNotAllowed { .. })), "{name}");
        }
    }

    #[test]
    fn test_no_extension_blocked() {
        for name in ["tape", "csv", "tape.", ".csv", "", "2026.csv/tape"] {
            let error = validate_file_extension(name).unwrap_err();
            assert!(matches!(error, PathError::MissingExtension { .. }), "{name:?}: {error:?}");
        }
    }

    #[test]
    fn test_case_insensitive() {
        for (name, extension) in [("TAPE.CSV", ".csv"), ("Tape.XlSx", ".xlsx"), ("rules.TOML", ".toml")] {
            assert_eq!(validate_file_extension(name), Ok(extension));
        }
    }
}

mod test_validate_file_size {
    use shared::paths::{PathError, validate_file_size};

    #[test]
    fn test_under_limit() {
        for (size, limit) in [(0, 0), (0, 1), (99, 100), (1, u64::MAX)] {
            assert_eq!(validate_file_size(size, limit), Ok(()));
        }
    }

    #[test]
    fn test_at_limit() {
        for limit in [1, 4 * 1024 * 1024, 100 * 1024 * 1024, u64::MAX] {
            assert_eq!(validate_file_size(limit, limit), Ok(()));
        }
    }

    #[test]
    fn test_over_limit() {
        for (size, limit) in [(1, 0), (101, 100), (u64::MAX, u64::MAX - 1)] {
            let error = validate_file_size(size, limit).unwrap_err();
            assert_eq!(error, PathError::TooLarge { size, limit });
            let message = error.to_string();
            assert!(message.contains(&size.to_string()) && message.contains(&limit.to_string()), "{message}");
        }
    }
}

mod test_validate_area {
    use shared::paths::{Area, PathError, validate_area};

    #[test]
    fn test_valid_areas() {
        assert_eq!(validate_area("inputs"), Ok(Area::Inputs));
        assert_eq!(validate_area("outputs"), Ok(Area::Outputs));
        assert_eq!(validate_area("output_share"), Ok(Area::OutputShare));
        assert_eq!(Area::ALL.map(|area| area.to_string()), ["inputs", "outputs", "output_share"]);
    }

    #[test]
    fn test_invalid_area_raises() {
        for name in ["", "input", "Inputs", "INPUTS", " inputs", "inputs ", "inputs/", "output-share", "archive", "../inputs"] {
            let error = validate_area(name).unwrap_err();
            assert_eq!(error, PathError::UnknownArea { area: name.to_owned() });
            assert!(error.to_string().contains("inputs, outputs, output_share"), "{error}");
        }
    }
}

mod test_normalize_storage_path {
    use shared::paths::normalize_storage_path;

    #[test]
    fn test_normal_path() {
        for path in ["inputs", "inputs/incoming/tape.csv", "teams/7/a b.csv", ".hidden/x..y"] {
            assert_eq!(normalize_storage_path(path), path);
        }
    }

    #[test]
    fn test_backslashes_converted() {
        assert_eq!(normalize_storage_path(r"inputs\incoming\tape.csv"), "inputs/incoming/tape.csv");
        assert_eq!(normalize_storage_path(r"\inputs/a\b\"), "inputs/a/b");
    }

    #[test]
    fn test_leading_trailing_slashes_stripped() {
        for path in ["/inputs/a", "inputs/a/", "/inputs/a/", "///inputs/a//"] {
            assert_eq!(normalize_storage_path(path), "inputs/a");
        }
    }

    #[test]
    fn test_multiple_slashes_collapsed() {
        assert_eq!(normalize_storage_path("inputs//a///b"), "inputs/a/b");
        assert_eq!(normalize_storage_path(r"inputs\\a/\/b"), "inputs/a/b");
    }

    #[test]
    fn test_dot_components_removed() {
        assert_eq!(normalize_storage_path("./inputs/./a/."), "inputs/a");
        assert_eq!(normalize_storage_path("././inputs/.a/b."), "inputs/.a/b.");
    }

    #[test]
    fn test_empty_path() {
        for path in ["", "/", "///", r"\", ".", "./", "/./."] {
            assert_eq!(normalize_storage_path(path), "", "{path:?}");
        }
    }
}
