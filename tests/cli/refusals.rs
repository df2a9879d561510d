//! What `loan-engine run` rejects, and how it fails.

use std::{
    fs,
    io::{self, Write},
};

use serde_json::Value;

use crate::support::shell::{HEADER, TestShell, good, small_tape};

mod usage {
    use super::*;

    /// Asserts exit code 2, one plain sentence with these parts, and that the command created nothing.
    fn refused(desk: &TestShell, args: &[&str], parts: &[&str]) {
        let before = desk.list("");
        let answer = desk.command(args);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{args:?}");
        assert!(answer.err.starts_with("error: "), "{args:?}: {}", answer.err);
        for part in parts {
            assert!(answer.err.contains(part), "{args:?}: {part}: {}", answer.err);
        }
        assert_eq!(desk.list(""), before, "{args:?}");
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        for target in ["0", "-1", "30.01", "abc", ""] {
            refused(&desk, &["run", "t.csv", "--irr-target", target], &["irr_target must be", "above 0 and at most 30"]);
        }
        for date in ["2026-02-30", "20260201", "tomorrow", "-1"] {
            refused(&desk, &["run", "t.csv", "--pdate", date], &["pdate must be"]);
        }
        for threads in ["0", "257", "two"] {
            refused(&desk, &["run", "t.csv", "--threads", threads], &["--threads"]);
        }
        refused(&desk, &["run", "t.csv", "--format", "xml"], &["table", "json"]);
        refused(&desk, &["run", "t.csv", "--colour"], &["--colour"]);
        refused(&desk, &["run"], &["<TAPE>"]);
        refused(&desk, &["walk"], &["walk"]);
    }

    #[test]
    fn help_and_version_are_answers() {
        let desk = TestShell::new();
        for (args, part) in [
            (&["--help"][..], "replay"),
            (&["--version"], concat!("loan-engine ", env!("CARGO_PKG_VERSION"))),
            (&["run", "--help"], "--irr-target"),
            (&["replay", "--help"], "MANIFEST|ARCHIVE"),
        ] {
            let answer = desk.command(args);
            assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{args:?}");
            assert!(answer.out.contains(part), "{args:?}: {}", answer.out);
        }
        assert_eq!(desk.command(&[]).code, 2);
    }

    #[test]
    fn a_tape_that_is_not_there_is_refused() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("notes/readme.txt", "no tape");
        refused(&desk, &["run", "t.csv", "u.csv"], &["u.csv", "there is no such file"]);
        refused(&desk, &["run", "none/t.csv"], &["none/t.csv"]);
        refused(&desk, &["run", "notes"], &["no tape in the folder notes", ".csv, .xlsx, .xls, .txt, "]);
    }

    #[test]
    fn one_file_named_twice_is_refused() {
        let desk = TestShell::new();
        desk.write("a/t.csv", small_tape());
        refused(&desk, &["run", "a/t.csv", "./a/../a/t.csv"], &["named twice"]);
        refused(&desk, &["run", "a", "a/t.csv"], &["named twice"]);
    }

    #[cfg(unix)]
    #[test]
    fn two_links_to_one_file_are_one_file_and_a_link_keeps_its_name() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        std::os::unix::fs::symlink(desk.path("t.csv"), desk.path("today.csv")).unwrap();
        refused(&desk, &["run", "t.csv", "today.csv"], &["named twice"]);
        let answer = desk.command(&["run", "today.csv", "--dry-run", "--format", "json"]);
        assert_eq!(answer.json()["run"]["column_mapping"][0]["source_file"], "today.csv");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_an_archive_cannot_keep_is_refused() {
        let desk = TestShell::new();
        for name in ["~t.csv", "a\\b.csv", "line\nbreak.csv"] {
            desk.write(name, small_tape());
            let answer = desk.command(&["run", name]);
            assert_eq!(answer.code, 2, "{name:?}");
            assert_eq!(answer.err.lines().count(), 1, "{name:?}");
        }
    }

    #[test]
    fn a_tape_that_a_result_would_replace_is_refused() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.run_id(&["run", "t.csv", "--out", "out"]);
        refused(&desk, &["run", "out/purchase_tape.csv", "--out", "out"], &["would be replaced"]);
        refused(&desk, &["run", "out", "--out", "./out"], &["would be replaced"]);
    }

    #[test]
    fn a_bad_rule_set_is_refused_with_its_line() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("strict.toml", "name = \"strict\"\n\n[limits]\nltv = { max = 80 }\n");
        desk.write("small.toml", "[limits]\nltv_ratio = { max = 0.80 }\n");
        desk.write("latin.toml", b"name = \"a\"\nversion = \"\xe9\"\n");
        desk.write("large.toml", vec![b'#'; 64 * 1024 + 1]);
        let run = |rules: &'static str| ["run", "t.csv", "--rule-set", rules];
        refused(
            &desk,
            &run("strict.toml"),
            &["error: The rule set strict.toml has 1 mistake.\nstrict.toml:4: unknown key `ltv`"],
        );
        refused(&desk, &run("small.toml"), &["small.toml:2: `max` of ltv_ratio: 0.80 means 0.8 %: write 80"]);
        refused(&desk, &run("latin.toml"), &["latin.toml", "line 2", "UTF-8"]);
        refused(&desk, &run("large.toml"), &["large.toml", "64 KiB"]);
        refused(&desk, &run("none.toml"), &["none.toml", "cannot be read"]);
        refused(&desk, &run("."), &["cannot be read"]);
    }
}

mod failed {
    use super::*;

    #[test]
    fn an_unusable_tape_ends_in_one_sentence_and_leaves_nothing() {
        let desk = TestShell::new();
        for (name, content, parts) in [
            ("empty.csv", String::new(), &["empty.csv: The tape is empty"][..]),
            ("rowless.csv", HEADER.to_owned(), &["rowless.csv, line 1: There is a header, but no loan"]),
            ("headless.csv", good("1"), &["headless.csv: No header row"]),
            ("short.csv", small_tape().replace("FICO", "County 2"), &["short.csv, line 1:", "credit_score"]),
            ("double.csv", small_tape().replace("County", "Current UPB"), &["double.csv, line 1:", "--map loan_amount="]),
        ] {
            desk.write(name, content);
            for folder in ["out", "a/b/out"] {
                let answer = desk.command(&["run", name, "--out", folder]);
                assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{name}");
                assert!(answer.err.starts_with("error: ") && answer.err.lines().count() == 1, "{name}: {}", answer.err);
                assert!(parts.iter().all(|part| answer.err.contains(part)), "{name}: {}", answer.err);
            }
            assert_eq!(desk.command(&["run", name]).code, 1);
            assert_eq!(desk.list(""), [name]);
            fs::remove_file(desk.path(name)).unwrap();
        }
    }

    #[test]
    fn the_json_answer_of_a_failed_run_is_its_record() {
        let desk = TestShell::new();
        desk.write("t.csv", HEADER);
        let answer = desk.command(&["run", "t.csv", "--out", "out", "--format", "json"]);
        assert_eq!(answer.code, 1);
        assert!(answer.err.starts_with("error: t.csv, line 1: "), "{}", answer.err);
        let json = answer.json();
        assert_eq!((&json["run"]["status"], &json["summary"]), (&"failed".into(), &Value::Null));
        assert_eq!(json["run"]["completed_at"], "2026-02-02T03:30:00.000Z");
        assert_eq!(json["run"]["last_phase"], Value::Null);
        let error = &json["run"]["error"];
        assert_eq!((&error["phase"], &error["code"]), (&"ingest".into(), &"no_data_rows".into()));
        assert_eq!((&error["source_file"], &error["line"]), (&"t.csv".into(), &1.into()));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("file", "");
        desk.write("taken/facts.parquet/x", "");
        for (folder, part) in [
            ("file", "The folder file could not be written"),
            ("file/sub", "The folder file/sub could not be written"),
            ("taken", "there is a folder named facts.parquet"),
        ] {
            let before = desk.list("");
            let answer = desk.command(&["run", "t.csv", "--out", folder, "--format", "json"]);
            assert_eq!(answer.code, 1, "{folder}");
            assert!(answer.err.contains(part) && answer.err.lines().count() == 1, "{folder}: {}", answer.err);
            assert_eq!(answer.json()["run"]["error"]["code"], "output_failed", "{folder}");
            assert_eq!(desk.list(""), before, "{folder}");
        }
    }

    #[test]
    fn an_archive_that_cannot_be_written_leaves_no_results() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("out/archive", "a file");
        let answer = desk.command(&["run", "t.csv", "--out", "out"]);
        assert_eq!(answer.code, 1);
        assert!(answer.err.contains("The folder out/archive/"), "{}", answer.err);
        assert_eq!(desk.list("out"), ["archive"]);
    }
}

mod printing {
    use super::*;

    /// A standard output that fails on every write.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_who_has_gone_is_no_failure_and_a_full_disk_is_one() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        for (kind, code) in [(io::ErrorKind::BrokenPipe, 0), (io::ErrorKind::StorageFull, 1)] {
            let mut err = Vec::new();
            let args = ["run", "t.csv", "--dry-run"];
            assert_eq!(desk.command_to(&args, &mut Broken(kind), &mut err), code);
            assert_eq!(err.is_empty(), code == 0);
        }
        let mut err = Vec::new();
        assert_eq!(desk.command_to(&["--help"], &mut Broken(io::ErrorKind::BrokenPipe), &mut err), 0);
        assert_eq!(desk.command_to(&["run", "none.csv"], &mut io::sink(), &mut Broken(io::ErrorKind::BrokenPipe)), 2);
    }
}
