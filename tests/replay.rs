//! `loan-engine replay` repeats a run from its archive.

#![cfg(test)]

use std::{fs, io::Write as _};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::support::shell::{Answer, HEADER, TestShell, good, small_tape};

/// A desk with a run in `out`, and the path of its archive.
fn archived() -> (TestShell, String) {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.write("rules.toml", "name = \"strict\"\n[limits]\ncredit_score = { min = 700 }\n");
    let id = desk.run_id(&["run", "t.csv", "--out", "out", "--irr-target", "7.9", "--rule-set", "rules.toml"]);
    let archive = format!("out/archive/{id}");
    // A replay needs only the archive.
    fs::remove_file(desk.path("t.csv")).unwrap();
    fs::remove_file(desk.path("rules.toml")).unwrap();
    (desk, archive)
}

fn is_identical(answer: &Answer) {
    assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (0, "identical\n", ""));
}

fn is_different(answer: &Answer, parts: &[&str]) {
    assert_eq!((answer.code, answer.err.as_str()), (1, ""), "{}", answer.out);
    assert!(answer.out.starts_with("different\n"), "{}", answer.out);
    for part in parts {
        assert!(answer.out.contains(part), "{part}\n{}", answer.out);
    }
}

/// Asserts exit code 1, no output, and one line of error text that contains `part`.
fn is_refused(answer: &Answer, part: &str) {
    assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{}", answer.err);
    assert!(answer.err.contains(part) && answer.err.lines().count() == 1, "{part}\n{}", answer.err);
}

/// Replaces text in the manifest of an archive.
fn edit_manifest(desk: &TestShell, archive: &str, from: &str, to: &str) {
    let name = format!("{archive}/manifest.json");
    let text = desk.read(&name);
    assert!(text.contains(from), "{text}");
    desk.write(&name, text.replace(from, to));
}

/// Puts files into a ZIP, each under its name.
fn write_zip(desk: &TestShell, name: &str, files: &[(String, Vec<u8>)]) {
    let mut zip = ZipWriter::new(fs::File::create(desk.path(name)).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in files {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
}

/// The files of an archive, under names that start with `prefix`.
fn files_of(desk: &TestShell, archive: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let names = desk.list(archive).into_iter().filter(|name| !name.ends_with('/'));
    names.map(|name| (format!("{prefix}{name}"), fs::read(desk.path(archive).join(&name)).unwrap())).collect()
}

mod identical {
    use super::*;

    #[test]
    fn an_archive_gives_the_same_bytes_again() {
        let (desk, archive) = archived();
        let manifest = format!("{archive}/manifest.json");
        for place in [&archive, &manifest, "out/manifest.json", "out"] {
            is_identical(&desk.command(&["replay", place]));
        }
        is_identical(&desk.command(&["replay", &archive, "--threads", "3"]));
    }

    #[test]
    fn a_replay_writes_nothing_beside_the_archive() {
        let (desk, archive) = archived();
        let before = desk.list("");
        is_identical(&desk.command(&["replay", &archive]));
        assert_eq!(desk.list(""), before);
    }

    #[test]
    fn a_zip_of_an_archive_will_do() {
        let (desk, archive) = archived();
        let id = archive.rsplit('/').next().unwrap();
        for prefix in ["", &format!("{id}/")] {
            write_zip(&desk, "archive.zip", &files_of(&desk, &archive, prefix));
            is_identical(&desk.command(&["replay", "archive.zip"]));
        }
        // The whole folder of a run, with the results and a second manifest above the archive.
        write_zip(&desk, "out.zip", &files_of(&desk, "out", "out/"));
        is_identical(&desk.command(&["replay", "out.zip"]));
    }

    #[test]
    fn an_engine_of_another_version_is_a_note_only() {
        let (desk, archive) = archived();
        let version = shared::manifest::ENGINE_VERSION;
        edit_manifest(&desk, &archive, &format!("\"engine_version\": \"{version}\""), "\"engine_version\": \"0.0.1\"");
        let answer = desk.command(&["replay", &archive]);
        let note = format!("identical\nnote: the run was done by engine 0.0.1; this is engine {version}\n");
        assert_eq!((answer.code, answer.out), (0, note));
    }
}

mod different {
    use super::*;

    #[test]
    fn a_changed_byte_in_an_output_is_shown_with_its_line() {
        let (desk, archive) = archived();
        let name = format!("{archive}/output/purchase_tape.csv");
        desk.write(&name, desk.read(&name).replace(",740,", ",741,"));
        is_different(
            &desk.command(&["replay", &archive]),
            &[
                "- output/purchase_tape.csv: it was changed in the archive (sha256 ",
                "- output/purchase_tape.csv, line 2:\n    archived: 001,250000,8.85,80,35.5,741,",
                "    new run:  001,250000,8.85,80,35.5,740,",
            ],
        );
    }

    #[test]
    fn the_reason_that_holds_a_loan_back_is_compared() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("rules.toml", "[projection]\nminimum_price = 103\n");
        let archive = format!("out/archive/{}", desk.run_id(&["run", "t.csv", "--out", "out", "--rule-set", "rules.toml"]));
        is_identical(&desk.command(&["replay", &archive]));
        let name = format!("{archive}/output/projected_tape.csv");
        let reason = "Held back: price 102.0000 is below the minimum 103.0000";
        assert!(desk.read(&name).ends_with(&format!(",{reason}\n")), "{}", desk.read(&name));
        desk.write(&name, desk.read(&name).replace(reason, ""));
        is_different(&desk.command(&["replay", &archive]), &["- output/projected_tape.csv, line 2:\n", reason]);
    }

    #[test]
    fn an_output_that_is_longer_or_gone_is_a_difference() {
        let (desk, archive) = archived();
        let name = format!("{archive}/output/projected_tape.csv");
        desk.write(&name, format!("{}x,y\n", desk.read(&name)));
        fs::remove_file(desk.path(&format!("{archive}/output/exception_summary.csv"))).unwrap();
        is_different(
            &desk.command(&["replay", &archive]),
            &[
                "- output/projected_tape.csv, line 2:\n    archived: x,y\n    new run:  (the file ends here)",
                "- output/exception_summary.csv: it is missing from the archive",
            ],
        );
    }

    #[test]
    fn a_changed_or_missing_tape_is_told_and_not_run() {
        let (desk, archive) = archived();
        let name = format!("{archive}/input/t.csv");
        desk.write(&name, format!("{}{}", desk.read(&name), good("003")));
        let answer = desk.command(&["replay", &archive]);
        is_different(&answer, &["- input/t.csv: it was changed in the archive (", "note: the run was not done again"]);
        assert!(!answer.out.contains("output/"), "{}", answer.out);
        fs::remove_file(desk.path(&name)).unwrap();
        is_different(&desk.command(&["replay", &archive]), &["- input/t.csv: it is missing from the archive"]);
    }

    #[test]
    fn a_result_beside_the_manifest_that_was_changed_is_a_difference() {
        let (desk, archive) = archived();
        desk.write("out/rejection_report.csv", "nothing was rejected\n");
        is_different(&desk.command(&["replay", "out/manifest.json"]), &["rejection_report.csv: it was changed after the run"]);
        is_identical(&desk.command(&["replay", &archive]));
    }

    #[test]
    fn other_parameters_or_rules_in_the_manifest_are_differences() {
        let (desk, archive) = archived();
        edit_manifest(&desk, &archive, "\"irr_target\": 7.9", "\"irr_target\": 8.9");
        is_different(
            &desk.command(&["replay", &archive]),
            &[
                "- output/purchase_tape.csv: the new run gives another file (",
                "- output/purchase_tape.csv, line 2:",
                "- facts.parquet: the new run gives another file (",
            ],
        );
        edit_manifest(&desk, &archive, "\"irr_target\": 8.9", "\"irr_target\": 7.9");
        edit_manifest(&desk, &archive, "min = 700", "min = 750");
        is_different(
            &desk.command(&["replay", &archive]),
            &["- the rule set in the manifest has the hash ", "- to_purchase: 1 in the manifest, 0 in the new run"],
        );
        edit_manifest(&desk, &archive, "min = 750", "min = 700");
        edit_manifest(&desk, &archive, "\"version\": \"unversioned\"", "\"version\": \"3\"");
        is_different(&desk.command(&["replay", &archive]), &["- the rule set has the version unversioned; the run recorded 3"]);
        edit_manifest(&desk, &archive, "min = 700", "minimum = 750");
        is_different(&desk.command(&["replay", &archive]), &["- the rule set of the manifest is none any more: line 3"]);
    }

    #[test]
    fn other_counts_and_columns_in_the_manifest_are_differences() {
        let (desk, archive) = archived();
        edit_manifest(&desk, &archive, "\"total_loans\": 2", "\"total_loans\": 3");
        edit_manifest(&desk, &archive, "\"total_balance\": 500000", "\"total_balance\": 500000.01");
        edit_manifest(&desk, &archive, "\"unit\": \"percent\"", "\"unit\": \"fraction\"");
        is_different(
            &desk.command(&["replay", &archive]),
            &[
                "- total_loans: 3 in the manifest, 2 in the new run",
                "- total_balance: 500000.01 in the manifest, 500000 in the new run",
                "- column_mapping: ",
            ],
        );
    }
}

mod bad_input {
    use super::*;

    #[test]
    fn what_is_not_there_is_a_question_of_usage() {
        let desk = TestShell::new();
        let answer = desk.command(&["replay", "none"]);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""));
        assert!(answer.err.starts_with("error: none cannot be read"), "{}", answer.err);
        assert_eq!(desk.command(&["replay"]).code, 2);
    }

    #[test]
    fn what_is_no_archive_is_told_in_a_sentence() {
        let (desk, archive) = archived();
        desk.write("empty/x", "");
        desk.write("t.csv", HEADER);
        desk.write("bad.zip", "PK\u{3}\u{4}and no more");
        desk.write("list.json", "[]");
        write_zip(&desk, "other.zip", &[("input/t.csv".to_owned(), Vec::new())]);
        desk.write("lonely/manifest.json", desk.read(&format!("{archive}/manifest.json")));
        for (name, part) in [
            ("empty", "holds no manifest.json"),
            ("t.csv", "is no manifest of a run"),
            ("list.json", "is no manifest of a run"),
            ("bad.zip", "is no ZIP of an archive"),
            ("other.zip", "holds no manifest.json"),
            ("lonely", "The archive of run"),
        ] {
            is_refused(&desk.command(&["replay", name]), part);
        }
    }

    #[test]
    fn a_manifest_leads_nowhere_but_into_its_archive() {
        let (desk, archive) = archived();
        desk.write("secret.csv", small_tape());
        let manifest = desk.read(&format!("{archive}/manifest.json"));
        for hostile in
            ["../../../secret.csv", "input/../../../../secret.csv", "/etc/passwd", "~/x", "C:/x", "..\\\\x", "a//b", ""]
        {
            desk.write(&format!("{archive}/manifest.json"), manifest.replace("input/t.csv", hostile));
            is_refused(&desk.command(&["replay", &archive]), "is no manifest of a run");
            let files = [
                ("manifest.json".to_owned(), manifest.replace("output/purchase_tape.csv", hostile).into_bytes()),
                (hostile.to_owned(), b"hostile".to_vec()),
            ];
            write_zip(&desk, "hostile.zip", &files);
            is_refused(&desk.command(&["replay", "hostile.zip"]), "is no manifest of a run");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_archive_is_no_file_of_it() {
        let (desk, archive) = archived();
        let name = format!("{archive}/input/t.csv");
        fs::rename(desk.path(&name), desk.path("elsewhere.csv")).unwrap();
        std::os::unix::fs::symlink(desk.path("elsewhere.csv"), desk.path(&name)).unwrap();
        is_different(&desk.command(&["replay", &archive]), &["- input/t.csv: it is no file of the archive"]);
    }

    #[test]
    fn a_zip_unpacks_to_what_its_manifest_says_and_to_no_more() {
        let (desk, archive) = archived();
        let id = archive.rsplit('/').next().unwrap();
        let mut files = files_of(&desk, &archive, "");
        for (name, content) in &mut files {
            if name == "input/t.csv" {
                content.extend(vec![b' '; 10_000_000]);
            }
        }
        write_zip(&desk, "grown.zip", &files);
        is_different(&desk.command(&["replay", "grown.zip"]), &["- input/t.csv: it was changed in the archive (10000"]);

        edit_manifest(&desk, &archive, &format!("\"size\": {}", small_tape().len()), "\"size\": 99000000000");
        write_zip(&desk, "bomb.zip", &files_of(&desk, &archive, &format!("{id}/")));
        is_refused(&desk.command(&["replay", "bomb.zip"]), "which no archive does");
    }

    #[test]
    fn a_zip_without_a_file_is_an_archive_without_it() {
        let (desk, archive) = archived();
        let mut files = files_of(&desk, &archive, "");
        files.retain(|(name, _)| name != "output/rejection_report.csv");
        write_zip(&desk, "archive.zip", &files);
        is_different(
            &desk.command(&["replay", "archive.zip"]),
            &["- output/rejection_report.csv: it is missing from the archive"],
        );
    }

    #[test]
    fn what_a_hostile_archive_says_commands_no_terminal() {
        let (desk, archive) = archived();
        let name = format!("{archive}/output/purchase_tape.csv");
        desk.write(&name, "\u{1b}[2J\n");
        let answer = desk.command(&["replay", &archive]);
        is_different(&answer, &["archived: \\u{1b}[2J"]);
        assert!(!answer.out.contains('\u{1b}'));
    }
}
